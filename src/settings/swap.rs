//! The settings of `pgstow swap`.

use super::server;
use crate::cli::SwapWords;
use crate::error::Result;
use crate::postgres::{ConnInfo, clients::Search};

/// `pgstow swap`.
#[derive(Debug)]
pub struct Swap {
    /// The database whose name changes hands.
    pub target: ConnInfo,
    /// Who gets the name; the one that was set aside last otherwise.
    pub with: Option<String>,
    /// Whether nobody has to be asked.
    pub yes: bool,
    /// Where to look for PostgreSQL's programs.
    pub clients: Search,
}

impl Swap {
    /// Checks the words of `pgstow swap`.
    pub fn read(words: SwapWords) -> Result<Self> {
        let (target, clients) = server(&words.to, &words.server)?;
        target.target_name()?;
        Ok(Self { target, with: words.with, yes: words.yes, clients })
    }
}
