//! The settings of `pgstow clone`.

use super::{after, fitting, server};
use crate::cli::CloneWords;
use crate::error::Result;
use crate::postgres::{ConnInfo, DumpOptions, clients::Search};
use crate::restore::request::{After, Fitting};

/// `pgstow clone`.
#[derive(Debug)]
pub struct Clone {
    /// The database to copy.
    pub source: ConnInfo,
    /// The database to make.
    pub target: ConnInfo,
    /// How to dump the one.
    pub dump: DumpOptions,
    /// How many connections make what comes behind the data, where the user says so.
    pub jobs: Option<u8>,
    /// How the copy is fitted to its server.
    pub fitting: Fitting,
    /// What is done in it before anybody sees it.
    pub after: After,
    /// Where to look for PostgreSQL's programs.
    pub clients: Search,
    /// Whether a database that differs survives.
    pub keep_failed: bool,
    /// Whether a connection pooler is fine.
    pub allow_pooled: bool,
}

impl Clone {
    /// Checks the words of `pgstow clone`.
    pub fn read(words: CloneWords) -> Result<Self> {
        let (source, clients) = server(&words.source, &words.server)?;
        let beside = !words.target.contains(['=', '/']);
        let target =
            if beside { source.with_dbname(&words.target) } else { server(&words.target, &words.server)?.0 };
        target.target_name()?;
        Ok(Self {
            source,
            target,
            dump: DumpOptions { lock_wait_timeout: words.lock_wait_timeout, ..DumpOptions::default() },
            jobs: words.jobs,
            fitting: fitting(words.fitting)?,
            after: after(words.after)?,
            clients,
            keep_failed: words.keep_failed,
            allow_pooled: words.server.allow_pooled,
        })
    }
}
