//! The settings of `pgstow backup`.

use super::{Command, NeonSource, Shipping, name, server, variable};
use crate::cli::BackupWords;
use crate::error::{Error, Result};
use crate::stored::names::Name;
use crate::postgres::{ConnInfo, DumpOptions, clients::Search};
use std::time::Duration;

/// `pgstow backup`.
#[derive(Debug)]
pub struct Backup {
    /// What to back up.
    pub what: What,
    /// Where to, and how.
    pub shipping: Shipping,
}

/// What to back up.
#[derive(Debug)]
pub enum What {
    /// A database.
    Database(Box<Database>),
    /// Every database of a server.
    Every {
        /// How to back up each; its name, where there is one, stands before theirs.
        each: Box<Database>,
        /// Patterns of those to leave out.
        exclude: Vec<String>,
    },
    /// Whatever somebody else produces.
    Stream {
        /// Under what to keep it.
        name: Name,
        /// Who produces it.
        producer: Producer,
    },
}

/// Who produces a stream.
#[derive(Debug)]
pub enum Producer {
    /// This command.
    Command(Command),
    /// Whoever writes to our stdin.
    Stdin,
}

/// A database to be backed up.
#[derive(Debug, Clone)]
pub struct Database {
    /// Which.
    pub connection: ConnInfo,
    /// The database on Neon, which is looked for before it is connected to.
    pub neon: Option<NeonSource>,
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
        let what = match (producer(&words)?, words.all_databases) {
            (Some(_), true) => {
                return Err(Error::usage("--all-databases and a stream contradict each other"));
            }
            (Some(producer), false) => What::Stream { name: stream_name(&words)?, producer },
            (None, true) => {
                let exclude = words.exclude.clone();
                What::Every { each: Box::new(Database::read(words)?), exclude }
            }
            (None, false) if !words.exclude.is_empty() => {
                return Err(Error::usage("--exclude leaves databases out of --all-databases")
                    .hint("for tables it is --exclude-table"));
            }
            (None, false) => What::Database(Box::new(Database::read(words)?)),
        };
        Ok(Self { what, shipping })
    }
}

/// Who produces the stream, where it is one.
fn producer(words: &BackupWords) -> Result<Option<Producer>> {
    let command = Command::read(&words.command);
    // DATABASE_URL is the application's, and its command may want it.
    let database = words.url.as_ref().filter(|url| variable("DATABASE_URL").as_ref() != Some(url));
    match (command, words.stdin) {
        (None, false) => Ok(None),
        (Some(_), true) => Err(Error::usage("--stdin and a command contradict each other")),
        _ if database.is_some() => Err(Error::usage("a database and a stream are two backups")
            .hint("leave the URL out, or the command and --stdin")),
        (Some(command), false) => Ok(Some(Producer::Command(command))),
        (None, true) => Ok(Some(Producer::Stdin)),
    }
}

fn stream_name(words: &BackupWords) -> Result<Name> {
    name(words.name.as_deref())?.ok_or_else(|| {
        Error::usage("a stream has no name of its own").hint("give one with --name, as --name portal/users")
    })
}

impl Database {
    fn read(words: BackupWords) -> Result<Self> {
        let neon = NeonSource::read(&words)?;
        let url = words.url.as_deref().filter(|_| neon.is_none());
        let (connection, clients) = server(url.unwrap_or_default(), &words.server)?;
        Ok(Self {
            connection,
            neon,
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
        })
    }
}
