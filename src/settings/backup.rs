//! The settings of `pgstow backup`.

use super::environment::{explain_empty, is_blank, variable};
use super::{command, keeping, keys, lines, lines_of_patterns, name, neon_source, server, sessions, writing};
use crate::cli::BackupWords;
use crate::dump::request::{DumpRequest, Producer, ShrinkLimits, StreamRequest};
use crate::error::{Error, Result};
use crate::postgres::DumpOptions;
use crate::prune::PruneOptions;
use crate::stored::format::names::Name;
use crate::stored::write::writer::WriteOptions;

/// `pgstow backup`.
#[derive(Debug)]
pub struct Backup {
    /// What to back up.
    pub what: What,
    /// Where to, and how.
    pub writing: WriteOptions,
    /// What is removed afterwards, if anything is.
    pub prune: Option<PruneOptions>,
}

/// What to back up.
#[derive(Debug)]
pub enum What {
    /// A database.
    Database(Box<DumpRequest>),
    /// Every database of a server.
    Every {
        /// How to back up each; its name, where there is one, stands before theirs.
        each: Box<DumpRequest>,
        /// Patterns of those to leave out.
        exclude: Vec<String>,
    },
    /// Whatever somebody else produces.
    Stream(StreamRequest),
}

impl Backup {
    /// Checks the words of `pgstow backup`.
    pub fn read(words: BackupWords) -> Result<Self> {
        let writing = writing(&words.writing, words.trust.require_signature)?;
        keys::refuse_other_pair(writing.signing.as_ref(), &words.trust)?;
        let keeping = || keeping(&words.keep, writing.destinations.clone(), &words.trust);
        let prune = words.prune.then(keeping).transpose()?;
        Ok(Self { what: What::read(words)?, writing, prune })
    }
}

impl What {
    /// Checks the words that say what to back up.
    pub(super) fn read(words: BackupWords) -> Result<Self> {
        Ok(match (producer(&words)?, words.all_databases) {
            (Some(_), true) => {
                return Err(Error::usage("--all-databases and a stream contradict each other"));
            }
            (Some(producer), false) => {
                refuse_unheeded(&words)?;
                let shrink = shrink_limits(&words);
                Self::Stream(StreamRequest { name: stream_name(&words)?, producer, shrink })
            }
            (None, true) if words.neon.neon.is_some() => {
                return Err(Error::usage("--all-databases and --neon contradict each other").hint(
                    "give the server's URL; or back up each database of the project, with --neon and --database",
                ));
            }
            (None, true) => {
                let exclude = lines(&words.exclude);
                Self::Every { each: Box::new(database(words)?), exclude }
            }
            (None, false) if !words.exclude.is_empty() => {
                return Err(Error::usage("--exclude leaves databases out of --all-databases")
                    .hint("for tables it is --exclude-table"));
            }
            (None, false) => Self::Database(Box::new(database(words)?)),
        })
    }
}

/// Who produces the stream, where it is one.
fn producer(words: &BackupWords) -> Result<Option<Producer>> {
    match (command(&words.command), words.stdin) {
        (None, false) => Ok(None),
        (Some(_), true) => Err(Error::usage("--stdin and a command contradict each other")),
        _ if words.url.is_some() => Err(Error::usage("a database and a stream are two backups")
            .hint("leave the URL out, or the command and --stdin")),
        (Some(command), false) => Ok(Some(Producer::Command(command))),
        (None, true) => Ok(Some(Producer::Stdin)),
    }
}

/// Refuses what a stream would pass over: what is to be left out must not be stored.
fn refuse_unheeded(words: &BackupWords) -> Result<()> {
    let in_effect = [
        ("--table", !words.tables.is_empty()),
        ("--exclude-table", !words.exclude_tables.is_empty()),
        ("--exclude-table-data", !words.exclude_table_data.is_empty()),
        ("--schema", !words.schemas.is_empty()),
        ("--exclude-schema", !words.exclude_schemas.is_empty()),
        ("--pg-dump-arg", !words.pg_dump_args.is_empty()),
        ("--exclude", !words.exclude.is_empty()),
        ("--neon", words.neon.neon.is_some()),
    ];
    match in_effect.into_iter().find(|(_, is_there)| *is_there) {
        Some((flag, _)) => {
            Err(Error::usage(format!("{flag} and a stream contradict each other: it is stored as it comes"))
                .hint("leave one of them out, also in variables and in pgstow.toml"))
        }
        None => Ok(()),
    }
}

fn stream_name(words: &BackupWords) -> Result<Name> {
    name(words.name.as_deref())?.ok_or_else(|| {
        Error::usage("a stream has no name of its own").hint("give one with --name, as --name portal/users")
    })
}

fn shrink_limits(words: &BackupWords) -> ShrinkLimits {
    ShrinkLimits { warn: words.warn_shrink, fail: words.fail_shrink }
}

fn database(words: BackupWords) -> Result<DumpRequest> {
    let neon = neon_source(&words)?;
    let url = words.url.as_deref().filter(|_| neon.is_none());
    let elsewhere = ["PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE"];
    if url.is_none()
        && neon.is_none()
        && is_blank("DATABASE_URL")
        && elsewhere.iter().all(|name| variable(name).is_none())
    {
        let missing = Error::usage("no database to back up was given");
        return Err(explain_empty(missing, &["DATABASE_URL"]));
    }
    let (connection, clients) = server(url, &words.server)?;
    let shrink = shrink_limits(&words);
    Ok(DumpRequest {
        connection,
        neon,
        name: name(words.name.as_deref())?,
        dump: DumpOptions {
            tables: lines_of_patterns(&words.tables),
            exclude_tables: lines_of_patterns(&words.exclude_tables),
            exclude_table_data: lines_of_patterns(&words.exclude_table_data),
            schemas: lines_of_patterns(&words.schemas),
            exclude_schemas: lines_of_patterns(&words.exclude_schemas),
            extra: words.pg_dump_args,
            lock_wait_timeout: words.lock_wait_timeout,
            ..DumpOptions::default()
        },
        role_passwords: words.role_passwords,
        clients,
        wait: words.wait,
        shrink,
        sessions: sessions(&words.readers, &words.server)?,
        allow_pooled: words.server.allow_pooled,
    })
}
