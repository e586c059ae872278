//! The settings of `pgstow adopt`.

use super::writing;
use crate::cli::AdoptWords;
use crate::dump::adopt::AdoptRequest;
use crate::error::{Error, Result};
use crate::stored::format::names::CLOCK_SKEW;
use crate::stored::format::names::Timestamp;
use crate::stored::write::writer::WriteOptions;

/// `pgstow adopt`.
#[derive(Debug)]
pub struct Adopt {
    /// The dump.
    pub request: AdoptRequest,
    /// Where to, and how.
    pub writing: WriteOptions,
}

impl Adopt {
    /// Checks the words of `pgstow adopt`.
    pub fn read(words: AdoptWords) -> Result<Self> {
        let mut writing = writing(&words.writing, words.require_signature)?;
        if let Some(file) = words.file.file_name() {
            writing.labels.entry("adopted".to_owned()).or_insert_with(|| file.to_string_lossy().into_owned());
        }
        let started_at = words.started_at.map(Timestamp::from);
        if let Some(moment) = started_at.filter(|moment| *moment > Timestamp::now().after(CLOCK_SKEW)) {
            return Err(Error::usage(format!("--started-at {moment} is still to come"))
                .hint("give the moment at which the dump was begun, in UTC: an old dump must not be the newest backup"));
        }
        Ok(Self {
            request: AdoptRequest { file: words.file, name: words.name.parse()?, started_at },
            writing,
        })
    }
}
