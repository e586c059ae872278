//! The pages of a listing, with limits: an endless one would fill the memory.

use crate::store::contract::error::{Result, Situation, StoreError};
use std::collections::HashSet;
use std::hash::Hash;

/// The limits of one listing.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    pages: usize,
    keys: usize,
    /// Bytes of all keys together.
    bytes: usize,
}

/// Enough for a million backups, on pages that may be much smaller than the usual 1,000 keys.
const BOUNDS: Bounds = Bounds { pages: 50_000, keys: 5_000_000, bytes: 512 << 20 };

/// What is left of the limits of one listing, and where its pages continued.
pub(in crate::store) struct Pages<T> {
    prefix: String,
    left: Bounds,
    /// The continuation tokens of earlier pages.
    seen: HashSet<T>,
}

impl<T: Clone + Eq + Hash> Pages<T> {
    pub(in crate::store) fn new(prefix: &str) -> Self {
        Self::within(prefix, BOUNDS)
    }

    fn within(prefix: &str, bounds: Bounds) -> Self {
        Self { prefix: prefix.to_owned(), left: bounds, seen: HashSet::new() }
    }

    /// Counts a page with these keys.
    pub(in crate::store) fn take<'k>(&mut self, keys: impl Iterator<Item = &'k str>) -> Result<()> {
        let (number, bytes) = keys.fold((0, 0), |(number, bytes), key| (number + 1, bytes + key.len()));
        let Bounds { pages, keys, bytes: room } = self.left;
        let left = pages.checked_sub(1).zip(keys.checked_sub(number)).zip(room.checked_sub(bytes));
        let Some(((pages, keys), bytes)) = left else {
            let message = format!("the store's listing of {:?} does not end", self.prefix);
            return Err(StoreError::new(Situation::Other, message)
                .hint("give pgstow a prefix of its own in the store's URL: …://bucket/prefix"));
        };
        self.left = Bounds { pages, keys, bytes };
        Ok(())
    }

    /// The next continuation token, if it is a new one: otherwise the listing would never end.
    pub(in crate::store) fn next(&mut self, next: Option<T>) -> Result<T> {
        let broken = |why: &str| {
            let message = format!("the store's listing of {:?} cannot be continued: {why}", self.prefix);
            StoreError::new(Situation::Other, message)
                .hint("this is a fault of the store: a newer version of it may help")
        };
        let Some(next) = next else { return Err(broken("it is truncated, but has no continuation token")) };
        if self.seen.contains(&next) {
            return Err(broken("a continuation token came twice"));
        }
        self.seen.insert(next.clone());
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(bounds: Bounds) -> Pages<&'static str> {
        Pages::within("app/", bounds)
    }

    #[test]
    fn a_listing_that_does_not_go_on_ends() {
        let mut pages = pages(BOUNDS);
        assert_eq!(pages.next(Some("a")).unwrap(), "a");
        assert_eq!(pages.next(Some("b")).unwrap(), "b");
        // Not only the last one: a store may go round in a circle.
        assert!(pages.next(Some("a")).unwrap_err().to_string().contains("came twice"));
        assert!(pages.next(None).unwrap_err().to_string().contains("no continuation token"));
    }

    #[test]
    fn a_listing_without_an_end_is_given_up() {
        let bounds = Bounds { pages: 3, keys: 4, bytes: 10 };
        for page in [&["a", "b"][..], &["aaaaaaaa"], &[]] {
            let mut pages = pages(bounds);
            let taken = (0..5).take_while(|_| pages.take(page.iter().copied()).is_ok()).count();
            assert!((1..4).contains(&taken), "{page:?}: {taken}");
            let error = pages.take(["one more", "a"].into_iter()).unwrap_err();
            assert!(error.to_string().contains("\"app/\""), "{error}");
        }
    }
}
