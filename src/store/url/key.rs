//! Which keys an object may have, and how they lie below the prefix of a store.

use crate::store::contract::error::{Result, Situation, StoreError};
use percent_encoding::percent_decode_str;

/// Refuses keys that could lead out of the store's prefix, or that some stores cannot have.
pub fn check_key(key: &str) -> Result<()> {
    let is_refused = |c: char| c == '\\' || c.is_control();
    let fits = |segment: &str| !matches!(segment, "" | "." | "..") && !segment.contains(is_refused);
    if key.len() <= 900 && key.split('/').all(fits) {
        Ok(())
    } else {
        Err(StoreError::new(Situation::Other, format!("{key:?} cannot be the key of an object")))
    }
}

/// A key as it is, from an answer in XML, which cannot hold every key: so it is asked to encode them as in a URL, and
/// says whether it has. Some services do that as in a form, with `+` for a space.
pub(in crate::store) fn from_answer(key: &str, is_encoded: bool) -> String {
    match is_encoded {
        true => percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned(),
        false => key.to_owned(),
    }
}

/// The beginning of all keys of a store in its bucket.
pub(in crate::store) struct Prefix(String);

impl Prefix {
    /// A prefix without slashes at its ends; it may be empty.
    pub(in crate::store) fn new(prefix: &str) -> Self {
        Self(if prefix.is_empty() { String::new() } else { format!("{prefix}/") })
    }

    /// The key in the bucket.
    pub(in crate::store) fn full_key(&self, key: &str) -> Result<String> {
        check_key(key)?;
        Ok(self.full(key))
    }

    /// The beginning of keys in the bucket.
    pub(in crate::store) fn full(&self, beginning: &str) -> String {
        format!("{}{beginning}", self.0)
    }

    /// The key in the store, unless it is outside.
    pub(in crate::store) fn short<'a>(&self, full: &'a str) -> Option<&'a str> {
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
        for key in [
            "",
            "/a",
            "a/",
            "a//b",
            "../a",
            "a/../b",
            "a/./b",
            "a\\b",
            "a\0",
            "a\u{1b}[2J",
            "a\nb",
            &"x".repeat(901),
        ] {
            assert!(check_key(key).is_err(), "{key:?}");
        }
    }

    #[test]
    fn an_encoded_key_is_what_it_was() {
        for (said, key) in [
            ("app/a%252Fb", "app/a%2Fb"),
            ("a%01%7F", "a\u{1}\u{7f}"),
            ("a+b%20c%2Bd", "a b c+d"),
            ("%C3%BC", "ü"),
            // No key: it must only be nobody's.
            ("%FF", "\u{fffd}"),
        ] {
            assert_eq!(from_answer(said, true), key);
            assert_eq!(from_answer(said, false), said);
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
