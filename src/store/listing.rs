//! What is left of a listing of objects, page by page.

use super::error::Result;
use super::object::{Listed, Page};
use super::pages::Pages;

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
        self.pages.take(page.objects.iter().map(|object| object.key.as_str()))?;
        if let Some(token) = page.next {
            let token = self.pages.next(Some(token).filter(|token| !token.is_empty()))?;
            self.next = Some(Next::After(token));
        }
        Ok(page.objects)
    }
}
