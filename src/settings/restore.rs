//! The settings of `pgstow restore`.

use super::environment::explain_empty;
use super::fitting::search_path;
use super::{Feed, after, fitting, lines, neon_branch, patterns, selection, server, tables};
use crate::branch::NeonBranch;
use crate::cli::{OnError, Proof, RestoreWords};
use crate::error::{Error, Result};
use crate::postgres::ConnInfo;
use crate::proof::ProofBy;
use crate::restore::Narrowing;
use crate::restore::backup::RestoreOptions;
use crate::restore::into::IntoOptions;

/// `pgstow restore`.
#[derive(Debug)]
pub enum Restore {
    /// A whole backup, as it is, into a command.
    Command(Box<Feed>),
    /// Some tables, into a database that is in use.
    Tables(Box<IntoOptions>),
    /// Into a database.
    Database(Box<IntoDatabase>),
}

/// `pgstow restore` into a database.
#[derive(Debug)]
pub struct IntoDatabase {
    /// What to restore, and how.
    pub options: RestoreOptions,
    /// Into which.
    pub goal: Goal,
}

/// Into which database to restore.
#[derive(Debug)]
pub enum Goal {
    /// A database that does not exist, or is empty.
    Database(ConnInfo),
    /// The name of a database that may be in use.
    Swap {
        /// The database.
        target: ConnInfo,
        /// Whether nobody has to be asked.
        yes: bool,
        /// How many of the databases are kept that were set aside; all if it is not said.
        keep_old: Option<usize>,
    },
    /// A branch on Neon, to be made.
    Neon(Box<NeonBranch>),
}

impl Restore {
    /// Checks the words of `pgstow restore`.
    pub fn read(words: RestoreWords) -> Result<Self> {
        if !words.command.is_empty() {
            return Feed::read(words).map(Box::new).map(Self::Command);
        }
        match words.into.clone() {
            Some(url) => into_tables(words, &url).map(Box::new).map(Self::Tables),
            None => IntoDatabase::read(words).map(Box::new).map(Self::Database),
        }
    }
}

impl IntoDatabase {
    fn read(words: RestoreWords) -> Result<Self> {
        let neon = neon_branch(&words)?;
        if neon.is_none() && words.to.is_none() {
            let missing = Error::usage("no database to restore into was given")
                .hint("name a new database with --to, a Neon project with --neon, or a command after --");
            return Err(explain_empty(missing, &["PGSTOW_TO", "PGSTOW_NEON"]));
        }
        if words.on_error == OnError::Keep && (words.swap || neon.is_some()) {
            return Err(Error::usage("--on-error keep cannot be combined with --swap or --neon").hint(
                "restore into a new database: what could not be restored is listed, and nothing is replaced",
            ));
        }
        let url = words.to.as_deref().filter(|_| neon.is_none());
        let (target, clients) = server(url, &words.server)?;
        if words.swap {
            check_swap(&words)?;
        }
        let goal = match neon {
            Some(_) if words.swap => {
                return Err(Error::usage("a Neon branch of its own takes nobody's place"));
            }
            Some(branch) => Goal::Neon(Box::new(branch)),
            None => {
                target.target_name()?;
                if words.swap {
                    Goal::Swap { target, yes: words.yes, keep_old: words.keep_old }
                } else {
                    Goal::Database(target)
                }
            }
        };
        let mut fitting = fitting(words.fitting)?;
        fitting.options.keep_going = words.on_error == OnError::Keep;
        let after = after(words.after)?;
        if fitting.options.keep_going && !after.is_empty() {
            return Err(Error::usage("--on-error keep cannot be combined with --after, --after-sql, --grant-read or --grant-all")
                .hint("a database in which something is missing is left as it is: look into it, and run the scripts yourself"));
        }
        let options = RestoreOptions {
            selection: selection(words.select, &words.store, &words.open)?,
            narrowing: Narrowing {
                tables: tables(&words.tables)?,
                without_tables: patterns(&words.exclude_tables)?,
                without_rows: patterns(&words.exclude_table_data)?,
                without_extensions: lines(&words.exclude_extensions),
                schema_only: words.schema_only,
            },
            jobs: words.jobs,
            fitting,
            after,
            clients,
            proof: proof_by(words.proof),
            keep_failed: words.keep_failed,
        };
        Ok(Self { options, goal })
    }
}

/// Refuses a swap after which something would be nowhere, or at least not in the database in use.
fn check_swap(words: &RestoreWords) -> Result<()> {
    let less = match words {
        _ if !words.tables.table.is_empty() => Some("some tables alone take no database's place"),
        _ if words.schema_only => Some("definitions without rows take no database's place"),
        _ => None,
    };
    if let Some(less) = less {
        return Err(Error::usage(less).hint("restore them into a database of their own: leave --swap out"));
    }
    let left_out = [
        ("--exclude-table", &words.exclude_tables),
        ("--exclude-table-data", &words.exclude_table_data),
        ("--exclude-extension", &words.exclude_extensions),
    ];
    match left_out.into_iter().find(|(_, patterns)| !patterns.is_empty()) {
        Some((flag, _)) if words.keep_old == Some(0) => Err(Error::usage(format!(
            "--keep-old 0 would drop the only database that has what {flag} leaves out"
        ))
        .hint("keep it, with --keep-old 1 or without --keep-old")),
        _ => Ok(()),
    }
}

fn into_tables(words: RestoreWords, url: &str) -> Result<IntoOptions> {
    if words.truncate && words.create_tables {
        return Err(Error::usage("--truncate and --create-tables contradict each other")
            .hint("tables that are not there have no rows to remove"));
    }
    let (target, clients) = server(Some(url), &words.server)?;
    target.target_name()?;
    Ok(IntoOptions {
        selection: selection(words.select, &words.store, &words.open)?,
        tables: tables(&words.tables)?,
        target,
        truncate: words.truncate,
        create: words.create_tables,
        yes: words.yes,
        lock_wait: words.lock_wait_timeout,
        search_path: search_path(words.fitting.search_path)?,
        clients,
    })
}

/// How a restored database is compared with its backup.
pub(super) fn proof_by(word: Proof) -> ProofBy {
    match word {
        Proof::Counts => ProofBy::Counts,
        Proof::Digests => ProofBy::Digests,
        Proof::None => ProofBy::Nothing,
    }
}
