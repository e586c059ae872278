//! Which keys an object may have.

use super::error::{Result, Situation, StoreError};

/// Refuses keys that could lead out of the store's prefix, or that some stores cannot have.
pub fn check_key(key: &str) -> Result<()> {
    let fits = |segment: &str| !matches!(segment, "" | "." | "..") && !segment.contains(['\0', '\\']);
    if key.len() <= 900 && key.split('/').all(fits) {
        Ok(())
    } else {
        Err(StoreError::new(Situation::Other, format!("{key:?} cannot be the key of an object")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stay_below_the_prefix() {
        for key in ["a", "a/b.c/d-e", "…/ü"] {
            check_key(key).unwrap();
        }
        for key in ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", "a\\b", "a\0", &"x".repeat(901)] {
            assert!(check_key(key).is_err(), "{key:?}");
        }
    }
}
