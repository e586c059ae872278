//! The settings of `pgstow fetch`.

use super::Source;
use crate::cli::FetchWords;
use crate::error::Result;
use std::path::{Path, PathBuf};

/// `pgstow fetch`.
#[derive(Debug)]
pub struct Fetch {
    /// What to fetch.
    pub source: Source,
    /// Where to put it; `None` is stdout.
    pub output: Option<PathBuf>,
    /// Whether the server's roles are wanted instead of the dump.
    pub globals: bool,
    /// Whether an existing file is replaced.
    pub force: bool,
    /// Whether free space is looked at first.
    pub check_space: bool,
}

impl Fetch {
    /// Checks the words of `pgstow fetch`.
    pub fn read(words: FetchWords) -> Result<Self> {
        Ok(Self {
            source: Source::read(words.select, &words.store, &words.open)?,
            output: (words.output != Path::new("-")).then_some(words.output),
            globals: words.globals,
            force: words.force,
            check_space: !words.no_space_check,
        })
    }
}
