//! The settings of `pgstow adopt`.

use super::Shipping;
use crate::cli::AdoptWords;
use crate::error::Result;
use crate::stored::names::{Name, Timestamp};
use std::path::PathBuf;

/// `pgstow adopt`.
#[derive(Debug)]
pub struct Adopt {
    /// The dump.
    pub file: PathBuf,
    /// Under what to keep it.
    pub name: Name,
    /// When it was begun, where the user says so.
    pub started_at: Option<Timestamp>,
    /// Where to, and how.
    pub shipping: Shipping,
}

impl Adopt {
    /// Checks the words of `pgstow adopt`.
    pub fn read(words: AdoptWords) -> Result<Self> {
        let mut shipping = Shipping::read(&words.shipping)?;
        if let Some(file) = words.file.file_name() {
            shipping
                .labels
                .entry("adopted".to_owned())
                .or_insert_with(|| file.to_string_lossy().into_owned());
        }
        Ok(Self {
            file: words.file,
            name: words.name.parse()?,
            started_at: words.started_at.map(Timestamp::from),
            shipping,
        })
    }
}
