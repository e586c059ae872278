//! Reads a database by several sessions into one archive, which no reader can tell from `pg_dump`'s own.
//!
//! ```text
//! pg_dump, up to its table of contents ─▶ plan ─▶ large plain tables, cut into ranges of pages ─▶ N sessions ─┐
//!                                              └▶ everything else ─▶ a second pg_dump ────────────────────────┴▶ merge
//! ```
//!
//! All of them read one snapshot. The first `pg_dump` is not read on: it holds the locks on all tables until the others
//! have theirs. If they do not get them, or anything else is not as it should be, it goes on alone: it is a whole
//! backup by itself, and nothing has been lost but the attempt.

mod merge;
mod others;
mod plan;
mod ranges;

use crate::archive::Preamble;
use crate::consistent::{self, Begun};
use crate::error::Result;
use crate::postgres::{Client, DumpOptions, Psql, RowsReader, Server, Snapshot};
use crate::run::Run;
use crate::units::count;
use indicatif::BinaryBytes;
use merge::Merge;
use others::Others;
use plan::Plan;
use tokio::io::AsyncRead;

/// An archive on its way.
pub type Dump = Box<dyn AsyncRead + Send + Unpin>;

/// How large tables are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sessions {
    /// The most sessions that read at the same time.
    pub most: u8,
    /// How much of a table one of them reads at a time, in bytes as the server keeps it.
    pub range: u64,
}

/// Starts a dump of the database that `psql` asks.
///
/// # Errors
/// Those of [`consistent::begin`]. If several sessions are not possible, one is taken, and a sentence says why.
pub async fn start(
    client: &Client,
    psql: &Psql,
    options: &DumpOptions,
    server: &Server,
    sessions: Sessions,
    run: &Run,
) -> Result<Dump> {
    if sessions.most <= 1 {
        return Ok(Box::new(consistent::start(client, psql, options).await?));
    }
    if let Some(why) = plan::obstacle(options, server) {
        run.say(format!("reading with one session: {why}"));
        return Ok(Box::new(consistent::start(client, psql, options).await?));
    }
    let begun = consistent::begin(client, psql, options, true).await?;
    match several(client, psql, options, &begun, sessions, run).await {
        Ok(Some(merge)) => {
            // The others hold the locks now.
            begun.stop().await;
            Ok(Box::new(merge.stream()))
        }
        Ok(None) => Ok(Box::new(begun.stream())),
        Err(error) => {
            tracing::warn!("reading with one session, as several were not possible: {error}");
            Ok(Box::new(begun.stream()))
        }
    }
}

/// Gets everybody ready to read; nothing if there is not enough to share.
async fn several(
    client: &Client,
    psql: &Psql,
    options: &DumpOptions,
    begun: &Begun,
    sessions: Sessions,
    run: &Run,
) -> Result<Option<Merge>> {
    let Some((preamble, snapshot)) = begun.shared() else {
        run.say("reading with one session: the role may not have enough of them (CONNECTION LIMIT)");
        return Ok(None);
    };
    let plan = Plan::of(preamble, psql, sessions.range).await?;
    if plan.is_small() {
        run.say("reading with one session: no table is large enough to be read by several");
        return Ok(None);
    }
    let number = usize::from(sessions.most).min(plan.ranges());
    let readers = open(psql, snapshot, preamble, &plan, number).await?;
    let others = Others::start(client, psql, options, preamble, &plan, snapshot).await?;
    run.say(format!(
        "reading {} ({}) with {} at the same time",
        count(plan.tables(), "large table"),
        BinaryBytes(plan.bytes()),
        count(number, "session")
    ));
    Ok(Some(Merge { preamble: preamble.clone(), plan, readers, others }))
}

/// Opens the sessions, one after the other: a server that is short of them refuses the first that is too many.
async fn open(
    psql: &Psql,
    snapshot: &Snapshot,
    preamble: &Preamble,
    plan: &Plan,
    number: usize,
) -> Result<Vec<RowsReader>> {
    let encoding = plan::encoding(&preamble.toc);
    let tables = plan.names();
    let mut readers = Vec::new();
    for _ in 0..number {
        readers.push(RowsReader::open(psql, snapshot, &encoding, &tables).await?);
    }
    Ok(readers)
}
