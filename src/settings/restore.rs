//! The settings of `pgstow restore`.

use super::{After, Fitting, NeonBranch, Source, server, tables};
use crate::archive::Pattern;
use crate::cli::RestoreWords;
use crate::error::{Error, Result};
use crate::postgres::{ConnInfo, clients::Search};

/// `pgstow restore`.
#[derive(Debug)]
pub struct Restore {
    /// What to restore.
    pub source: Source,
    /// Which tables; none for all.
    pub tables: Vec<Pattern>,
    /// Into what.
    pub goal: Goal,
    /// How many workers, where the user says so.
    pub jobs: Option<u8>,
    /// How it is fitted to the server.
    pub fitting: Fitting,
    /// What is done in it before anybody sees it.
    pub after: After,
    /// Where to look for PostgreSQL's programs.
    pub clients: Search,
    /// How what was restored is proven.
    pub proof: ProofBy,
    /// Whether a database this run created survives its failure.
    pub keep_failed: bool,
}

/// Into what to restore.
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
    },
    /// A branch on Neon, to be made.
    Neon(Box<NeonBranch>),
}

impl Restore {
    /// Checks the words of `pgstow restore`.
    pub fn read(words: RestoreWords) -> Result<Self> {
        let neon = NeonBranch::read(&words)?;
        let url = words.to.as_deref().filter(|_| neon.is_none());
        let (target, clients) = server(url.unwrap_or_default(), &words.server)?;
        if words.swap && !words.tables.table.is_empty() {
            return Err(Error::usage("some tables alone take no database's place")
                .hint("restore them into a database of their own: leave --swap out"));
        }
        let goal = match neon {
            Some(_) if words.swap => {
                return Err(Error::usage("a Neon branch of its own takes nobody's place"));
            }
            Some(branch) => Goal::Neon(Box::new(branch)),
            None => {
                target.target_name()?;
                if words.swap { Goal::Swap { target, yes: words.yes } } else { Goal::Database(target) }
            }
        };
        Ok(Self {
            source: Source::read(words.select, &words.store, &words.open)?,
            tables: tables(&words.tables)?,
            goal,
            jobs: words.jobs,
            fitting: Fitting::read(words.fitting)?,
            after: After::read(words.after)?,
            clients,
            proof: ProofBy::read(&words.proof),
            keep_failed: words.keep_failed,
        })
    }
}

/// How what was restored is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofBy {
    /// Not at all.
    Nothing,
    /// By counting every table's rows.
    Counts,
    /// By dumping the database again, and digesting it.
    Digests,
}

impl ProofBy {
    /// Understands one of the words that the command line allows.
    pub(super) fn read(word: &str) -> Self {
        match word {
            "none" => Self::Nothing,
            "digests" => Self::Digests,
            _ => Self::Counts,
        }
    }
}
