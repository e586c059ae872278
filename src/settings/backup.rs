//! The settings of `pgstow backup`.

use super::{Shipping, name, server};
use crate::cli::BackupWords;
use crate::error::Result;
use crate::names::Name;
use crate::postgres::{ConnInfo, DumpOptions, clients::Search};
use std::time::Duration;

/// `pgstow backup`.
#[derive(Debug)]
pub struct Backup {
    /// What to back up.
    pub database: Database,
    /// Where to, and how.
    pub shipping: Shipping,
}

/// A database to be backed up.
#[derive(Debug)]
pub struct Database {
    /// Which.
    pub connection: ConnInfo,
    /// Under what to keep it; the database's name otherwise.
    pub name: Option<Name>,
    /// What to dump, and how.
    pub dump: DumpOptions,
    /// Whether the roles' passwords are stored with the roles.
    pub role_passwords: bool,
    /// Where to look for PostgreSQL's programs.
    pub clients: Search,
    /// How long to wait while another backup of the same name runs.
    pub wait: Duration,
    /// How many of a hundred rows may be gone since the last backup before it is said.
    pub warn_shrink: u8,
    /// How many of a hundred may be gone before the backup fails.
    pub fail_shrink: Option<u8>,
    /// Whether a connection pooler is fine.
    pub allow_pooled: bool,
}

impl Backup {
    /// Checks the words of `pgstow backup`.
    pub fn read(words: BackupWords) -> Result<Self> {
        let shipping = Shipping::read(&words.shipping)?;
        let (connection, clients) = server(words.url.as_deref().unwrap_or_default(), &words.server)?;
        let database = Database {
            connection,
            name: name(words.name.as_deref())?,
            dump: DumpOptions {
                tables: words.tables,
                exclude_tables: words.exclude_tables,
                exclude_table_data: words.exclude_table_data,
                schemas: words.schemas,
                exclude_schemas: words.exclude_schemas,
                extra: words.pg_dump_args,
                lock_wait_timeout: words.lock_wait_timeout,
            },
            role_passwords: words.role_passwords,
            clients,
            wait: words.wait,
            warn_shrink: words.warn_shrink,
            fail_shrink: words.fail_shrink,
            allow_pooled: words.server.allow_pooled,
        };
        Ok(Self { database, shipping })
    }
}
