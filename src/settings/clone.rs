//! The settings of `pgstow clone`.

use super::server;
use crate::cli::CloneWords;
use crate::error::Result;
use crate::postgres::{ConnInfo, DumpOptions, RestoreOptions, clients::Search};

/// `pgstow clone`.
#[derive(Debug)]
pub struct Clone {
    /// The database to copy.
    pub source: ConnInfo,
    /// The database to make.
    pub target: ConnInfo,
    /// How to dump the one.
    pub dump: DumpOptions,
    /// How to restore the other.
    pub options: RestoreOptions,
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
            options: RestoreOptions {
                no_owner: words.no_owner || words.owner.is_some(),
                no_acl: words.no_acl,
                role: words.owner,
                ..RestoreOptions::default()
            },
            clients,
            keep_failed: words.keep_failed,
            allow_pooled: words.server.allow_pooled,
        })
    }
}
