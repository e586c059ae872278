//! What is left of a listing of objects, page by page.

pub(super) mod ahead;
pub(super) mod pages;

use crate::store::contract::error::Result;
use crate::store::contract::object::{Listed, Page};
use crate::store::listing::pages::Pages;
use std::iter;

/// What is left of a listing.
pub(super) struct Listing {
    pages: Pages<String>,
    next: Option<Next>,
}

/// The page that comes next.
pub(super) enum Next {
    First,
    /// The one after the page that ended with this token.
    After(String),
}

impl Next {
    pub(super) fn token(&self) -> Option<&str> {
        match self {
            Self::First => None,
            Self::After(token) => Some(token),
        }
    }
}

impl Listing {
    /// A listing of the store at this address.
    pub(super) fn new(address: &str) -> Self {
        Self { pages: Pages::new(address), next: Some(Next::First) }
    }

    /// The page to ask for; `None` after the last one.
    pub(super) fn next(&mut self) -> Option<Next> {
        self.next.take()
    }

    /// Takes a page that came, and returns what is in it.
    pub(super) fn take(&mut self, page: Page) -> Result<Vec<Listed>> {
        let ignored = iter::repeat_n("", page.ignored);
        self.pages.take(page.objects.iter().map(|object| object.key.as_str()).chain(ignored))?;
        if let Some(token) = page.next {
            let token = self.pages.next(Some(token).filter(|token| !token.is_empty()))?;
            self.next = Some(Next::After(token));
        }
        Ok(page.objects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_answers_with_other_keys_only_is_given_up_no_later() {
        let listed = |page: usize, key: usize| Listed {
            key: format!("shop/{page}-{key}/manifest.json"),
            bytes: 1,
            modified: None,
        };
        let taken = |own: usize, ignored: usize| {
            let mut listing = Listing::new("s3://backups/app");
            let page = |n: usize| Page {
                objects: (0..own).map(|key| listed(n, key)).collect(),
                ignored,
                next: Some(n.to_string()),
            };
            (0..100_000).take_while(|n| listing.take(page(*n)).is_ok()).count()
        };
        assert_eq!(taken(0, 1000), 5_000);
        assert_eq!(taken(1, 999), 5_000);
    }
}
