//! Which keys an object may have, and how they lie below the prefix of a store.

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

/// The beginning of all keys of a store in its bucket.
pub(super) struct Prefix(String);

impl Prefix {
    /// A prefix without slashes at its ends; it may be empty.
    pub(super) fn new(prefix: &str) -> Self {
        Self(if prefix.is_empty() { String::new() } else { format!("{prefix}/") })
    }

    /// The key in the bucket.
    pub(super) fn full_key(&self, key: &str) -> Result<String> {
        check_key(key)?;
        Ok(self.full(key))
    }

    /// The beginning of keys in the bucket.
    pub(super) fn full(&self, beginning: &str) -> String {
        format!("{}{beginning}", self.0)
    }

    /// The key in the store, unless it is outside.
    pub(super) fn short<'a>(&self, full: &'a str) -> Option<&'a str> {
        full.strip_prefix(&self.0)
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

    #[test]
    fn a_prefix_is_added_and_removed() {
        let prefix = Prefix::new("a/b");
        assert_eq!((prefix.full_key("c").unwrap().as_str(), prefix.full("").as_str()), ("a/b/c", "a/b/"));
        assert_eq!((prefix.short("a/b/c"), prefix.short("a/bc")), (Some("c"), None));
        assert_eq!((Prefix::new("").full("c").as_str(), Prefix::new("").short("c")), ("c", Some("c")));
    }
}
