//! The settings of `pgstow verify`.

use super::{Reading, name};
use crate::cli::VerifyWords;
use crate::error::{Error, Result};
use crate::names::Name;
use std::time::Duration;

/// `pgstow verify`.
#[derive(Debug)]
pub struct Verify {
    /// Which backups.
    pub which: Which,
    /// Of this name only.
    pub name: Option<Name>,
    /// Where, and the keys.
    pub reading: Reading,
    /// Whether the dumps stay unread.
    pub quick: bool,
}

/// Which backups, one or many.
#[derive(Debug)]
pub enum Which {
    /// This one.
    One(String),
    /// All that fit.
    Many {
        /// Only the newest of each name.
        newest_per_name: bool,
        /// Only those begun so long ago.
        older_than: Option<Duration>,
    },
}

impl Verify {
    /// Checks the words of `pgstow verify`.
    pub fn read(words: VerifyWords) -> Result<Self> {
        let many = words.all || words.newest_per_name || words.older_than.is_some();
        let which = match (words.id, many) {
            (Some(id), false) => Which::One(id),
            (None, true) => {
                Which::Many { newest_per_name: words.newest_per_name, older_than: words.older_than }
            }
            (Some(_), true) => return Err(Error::usage("an id and a choice of many contradict each other")),
            (None, false) => {
                return Err(Error::usage("nothing was named to be verified")
                    .hint("give an id, \"latest\", --all, --newest-per-name or --older-than 10d"));
            }
        };
        let reading = if words.quick {
            Reading::without_keys(&words.store, &words.open.trust)?
        } else {
            Reading::read(&words.store, &words.open)?
        };
        Ok(Self { which, name: name(words.name.as_deref())?, reading, quick: words.quick })
    }
}
