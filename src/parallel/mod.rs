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

use crate::consistent::{self, Begun, Dumping};
use crate::error::{Error, Result};
use crate::postgres::{DumpOptions, Heap, Kept, Server, Snapshot};
use crate::run::Run;
use crate::units::count;
use futures_util::future::try_join_all;
use indicatif::BinaryBytes;
use merge::Merge;
use others::Others;
use plan::Plan;
use ranges::Opener;
use std::sync::Arc;
use tokio::io::AsyncRead;
use tokio::sync::OnceCell;

/// An archive on its way.
pub type Dump = Box<dyn AsyncRead + Send + Unpin>;

/// The sessions that read large tables if nobody has said how many.
const DEFAULT: u8 = 2;
/// The fewest ranges for which more than one session is taken if nobody has asked for that: what another gains with
/// less is not worth its load on the server.
const WORTHWHILE: u64 = 128;

/// How large tables are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sessions {
    /// The most sessions that read at the same time; `None` if nobody has said.
    pub asked: Option<u8>,
    /// How much of a table one of them reads at a time, in bytes as the server keeps it.
    pub range: u64,
}

impl Sessions {
    fn most(self) -> u8 {
        self.asked.unwrap_or(DEFAULT)
    }

    /// The fewest ranges that are read by several.
    fn fewest(self) -> u64 {
        if self.asked.is_some() { 1 } else { WORTHWHILE }
    }

    /// Says why one session reads; few want to know that if they have not asked for several.
    fn one_reads(self, run: &Run, why: &str) {
        let sentence = format!("reading with one session: {why}");
        if self.asked.is_some() {
            run.say(sentence);
        } else {
            tracing::debug!("{sentence}");
        }
    }

    /// Why a database cannot be read by several sessions, if that is known already.
    fn obstacle(self, options: &DumpOptions, server: &Server) -> Option<String> {
        let enough = self.range.saturating_mul(self.fewest());
        if self.asked.is_none() && server.size_bytes < enough {
            return Some("the database is small".to_owned());
        }
        plan::obstacle(options, server)
    }
}

/// Starts a dump of a database on this server; also returns what no lock keeps as it was before that, with locks on tables if
/// a session `may_hold` some.
///
/// # Errors
/// Those of [`Dumping::begin`]. If several sessions are not possible, one is taken, and a sentence says why.
pub async fn start(
    dumping: Dumping<'_>,
    server: &Server,
    sessions: Sessions,
    may_hold: bool,
    run: &Run,
) -> Result<(Dump, Kept)> {
    let keep = async |begun: &Begun| {
        // Where sessions are counted, others need them.
        let some = if may_hold && dumping.left.is_none() { begun.some_tables() } else { Vec::new() };
        begun.unlocked.clone().keep(dumping.psql, begun.tables(), &some).await
    };
    if !may_be_several(dumping, server, sessions, run) {
        let (begun, _) = dumping.begin(false, async |_| ()).await?;
        let kept = keep(&begun).await;
        return Ok((Box::new(begun.stream()), kept));
    }
    let large = OnceCell::new();
    let largest = || async { large.get_or_init(|| largest(dumping, sessions)).await };
    let ahead =
        async |snapshot: &Snapshot| prepare(dumping, largest().await.as_deref()?, sessions, snapshot).await;
    let asking = async {
        largest().await;
        Ok(())
    };
    let ((begun, ahead), ()) = tokio::try_join!(dumping.begin(true, ahead), asking)?;
    let kept = keep(&begun).await;
    let merge = several(dumping, &begun, ahead.flatten(), sessions, run).await.unwrap_or_else(|error| {
        match consistent::unshared_because(&error) {
            Some(why) => sessions.one_reads(run, why),
            None if sessions.asked.is_some() => {
                tracing::warn!("reading with one session, as several were not possible: {error}");
            }
            None => tracing::debug!("reading with one session, as several were not possible: {error}"),
        }
        None
    });
    let Some(merge) = merge else { return Ok((Box::new(begun.stream()), kept)) };
    // The others hold the locks now.
    begun.stop().await;
    Ok((Box::new(merge.stream()), kept))
}

/// Whether several sessions may read; says why not.
fn may_be_several(dumping: Dumping<'_>, server: &Server, sessions: Sessions, run: &Run) -> bool {
    if sessions.most() <= 1 {
        return false;
    }
    // Besides those that read, one holds the snapshot, and two `pg_dump` are there until the second has its locks.
    let few = dumping.left.is_some_and(|left| left < u32::from(sessions.most()) + 3);
    let few = few.then(|| consistent::FEW_SESSIONS.to_owned());
    let obstacle = sessions.obstacle(dumping.options, server).or(few);
    if let Some(why) = &obstacle {
        sessions.one_reads(run, why);
    }
    obstacle.is_none()
}

/// What is known before the first `pg_dump` has read all definitions: over a slow connection, the second needs as much
/// time for that.
struct Ahead {
    large: Vec<Heap>,
    others: Option<Others>,
}

/// Looks which tables of the database are large; nothing if that fails, or if sessions are counted: one thing after the other
/// needs fewer. Then it is done later.
async fn largest(dumping: Dumping<'_>, sessions: Sessions) -> Option<Vec<Heap>> {
    if dumping.left.is_some() {
        return None;
    }
    let large = plan::large(dumping.psql, None, sessions.range).await;
    large.inspect_err(|error| tracing::debug!("not known yet which tables are large: {error}")).ok()
}

/// Starts the second `pg_dump` without the rows of the large tables; nothing if that fails, for then it is done after the
/// first.
async fn prepare(
    dumping: Dumping<'_>,
    large: &[Heap],
    sessions: Sessions,
    snapshot: &Snapshot,
) -> Option<Ahead> {
    let large = large.to_vec();
    if plan::ranges(&large, sessions.range) < sessions.fewest() {
        return Some(Ahead { large, others: None });
    }
    let names = large.iter().map(|Heap { name: [schema, name], .. }| (&schema[..], &name[..]));
    let others = Others::start(dumping, plan::patterns(names), snapshot).await;
    let others = others.inspect_err(|error| tracing::debug!("the second pg_dump is not there yet: {error}"));
    Some(Ahead { large, others: others.ok() })
}

/// Gets everybody ready to read; nothing if there is not enough to share.
async fn several(
    dumping: Dumping<'_>,
    begun: &Begun,
    ahead: Option<Ahead>,
    sessions: Sessions,
    run: &Run,
) -> Result<Option<Merge>> {
    let (preamble, snapshot) = match begun.shared() {
        Ok(shared) => shared,
        Err(why) => {
            sessions.one_reads(run, why);
            return Ok(None);
        }
    };
    let (large, others) = match ahead {
        Some(ahead) => (ahead.large, ahead.others),
        None => (plan::large(dumping.psql, Some(preamble), sessions.range).await?, None),
    };
    let plan = Plan::of(preamble, &large, sessions.range);
    if plan.ranges() < sessions.fewest() {
        sessions.one_reads(run, "no table is large enough to be read by several");
        return Ok(None);
    }
    let number = usize::from(sessions.most()).min(usize::try_from(plan.ranges()).unwrap_or(usize::MAX));
    let opener = Opener {
        psql: dumping.psql.clone(),
        snapshot: Arc::clone(snapshot),
        encoding: preamble.toc.encoding().unwrap_or_default(),
        tables: plan.names(),
    };
    let rest = async {
        let is_all = plan.left_over(preamble).next().is_none();
        match others {
            Some(others) if !is_all && others.is_rest_of(preamble, &plan) => return Ok(Some(others)),
            Some(others) => others.stop().await,
            None => {}
        }
        if is_all {
            return Ok(None);
        }
        let others = Others::start(dumping, plan.patterns(), snapshot).await?;
        if others.is_rest_of(preamble, &plan) {
            return Ok(Some(others));
        }
        others.stop().await;
        Err(Error::postgres("a second pg_dump found other tables than the first"))
    };
    // At the same time: each needs many round trips. If the server is short of connections, one of them fails, and then
    // all are ended.
    let (readers, rest) = tokio::try_join!(try_join_all((0..number).map(|_| opener.open())), rest)?;
    run.say(format!(
        "reading {} ({}) with {} at the same time",
        count(plan.tables(), "large table"),
        BinaryBytes(plan.bytes()),
        count(number, "session")
    ));
    Ok(Some(Merge { preamble: preamble.clone(), plan, readers, opener, others: rest }))
}
