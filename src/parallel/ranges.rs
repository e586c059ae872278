//! Ranges that several sessions read, in their order.
//!
//! Each session takes the first range that nobody has taken. So the range that is to be written next is always being
//! read; a session that is ahead holds a bounded number of bytes, and waits.
//!
//! In memory are at most as many ranges as there are sessions, each with [`AHEAD`] pieces.
//!
//! A session that is lost is replaced, and its range is read again. Some of it may be in the archive already: the same
//! pages of the same snapshot give the same rows in the same order, so the second reading leaves out as many bytes,
//! and compares them.

use crate::error::{Error, Result};
use crate::postgres::{Psql, ROWS, RowsReader, Situation, Snapshot};
use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

/// The most pieces of rows that a session is ahead: 6 MiB of memory.
const AHEAD: usize = (6 << 20) / ROWS;
/// How often a range is read again.
const AGAIN: u32 = 3;
/// The pause before that.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 1000 });

/// Rows on their way, or the end of a range, which has been complete then.
#[derive(Debug)]
pub enum Rows {
    /// Some bytes of rows; most of the time they end with the end of a row.
    Some(Bytes),
    /// The end of the range.
    End,
}

/// Opens sessions that read rows.
pub struct Opener {
    /// The database.
    pub psql: Psql,
    /// What all of them see. It must live: who comes later joins it too.
    pub snapshot: Arc<Snapshot>,
    /// The encoding of the dump.
    pub encoding: String,
    /// The tables: their oids, and their names as SQL.
    pub tables: Vec<(u32, Vec<u8>)>,
}

impl Opener {
    /// Opens one.
    pub async fn open(&self) -> Result<RowsReader> {
        RowsReader::open(&self.psql, &self.snapshot, &self.encoding, &self.tables).await
    }
}

/// A range to be read, and where its rows go.
struct Order {
    /// The table's oid.
    table: u32,
    copy: Vec<u8>,
    rows: mpsc::Sender<Result<Rows>>,
}

/// Where the rows of one range come from.
type Source = mpsc::Receiver<Result<Rows>>;

/// The ranges that nobody has taken. Each is made when it is: a large database has more of them than fit into memory.
struct Queue {
    statements: Box<dyn Iterator<Item = (u32, Vec<u8>)> + Send>,
    /// In the order of the statements.
    begun: mpsc::UnboundedSender<Source>,
}

impl Queue {
    /// Takes the first.
    fn take(&mut self) -> Option<Order> {
        let (table, copy) = self.statements.next()?;
        let (rows, source) = mpsc::channel(AHEAD);
        // Who does not wait for it is gone, and ends the sessions.
        let _ = self.begun.send(source);
        Some(Order { table, copy, rows })
    }
}

/// Sessions that read; dropping it ends them.
pub struct Ranges {
    /// In the order of the statements; as many as may be begun.
    begun: mpsc::UnboundedReceiver<Source>,
    /// How many more ranges may be begun.
    room: Arc<Semaphore>,
    sessions: JoinSet<()>,
}

impl Ranges {
    /// Has these sessions run the statements, each with the oid of the table that it reads.
    pub fn start(
        opener: Opener,
        readers: Vec<RowsReader>,
        statements: impl Iterator<Item = (u32, Vec<u8>)> + Send + 'static,
    ) -> Self {
        let (send, begun) = mpsc::unbounded_channel();
        let queue = Arc::new(Mutex::new(Queue { statements: Box::new(statements), begun: send }));
        let opener = Arc::new(opener);
        let room = Arc::new(Semaphore::new(readers.len()));
        let mut sessions = JoinSet::new();
        for reader in readers {
            sessions.spawn(read(Arc::clone(&opener), reader, Arc::clone(&queue), Arc::clone(&room)));
        }
        Self { begun, room, sessions }
    }

    /// The rows of the next range; `None` if there is none.
    pub async fn next(&mut self) -> Option<Source> {
        self.begun.recv().await
    }

    /// Notes that a range was written, so that another can be begun.
    pub fn written(&self) {
        self.room.add_permits(1);
    }

    /// Waits until all sessions have ended.
    pub async fn finish(mut self) -> Result<()> {
        while let Some(ended) = self.sessions.join_next().await {
            ended.map_err(|error| Error::unexpected(format!("a session's task failed: {error}")))?;
        }
        Ok(())
    }
}

/// Reads ranges until there are no more. A failure goes where the rows would have gone.
async fn read(opener: Arc<Opener>, reader: RowsReader, queue: Arc<Mutex<Queue>>, room: Arc<Semaphore>) {
    let next = async || {
        // Never closed. Given back when the range is written.
        room.acquire().await.ok()?.forget();
        queue.lock().unwrap_or_else(PoisonError::into_inner).take()
    };
    let mut reader = Some(reader);
    while let Some(order) = next().await {
        if let Err(error) = order.carry_out(&opener, &mut reader).await {
            let _ = order.rows.send(Err(error)).await;
            return;
        }
    }
    if let Some(reader) = reader {
        reader.finish().await;
    }
}

impl Order {
    /// Sends the rows of the range, and its end; with another session if one is lost.
    async fn carry_out(&self, opener: &Opener, reader: &mut Option<RowsReader>) -> Result<()> {
        let (mut sent, mut lost) = (digest(), None::<Error>);
        for again in 0.. {
            let Err(error) = self.attempt(opener, reader, &mut sent).await else { return Ok(()) };
            *reader = None;
            let is_gone = error.situation() == Some(Situation::SnapshotRefused);
            if let Some(lost) = lost.take().filter(|_| is_gone) {
                // A standby ends all sessions that have it.
                return Err(lost.and("the snapshot is gone too"));
            }
            if again == AGAIN {
                return Err(error.and(format!("the rows were read again {AGAIN} times")));
            }
            if !may_pass(&error) {
                return Err(error);
            }
            tracing::warn!("a session was lost, and another reads its rows again: {error}");
            lost = Some(error);
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Reads the range; `sent` is what was sent of it before. Leaves a session that can be used again, unless it fails
    /// or nobody receives the rows.
    async fn attempt(
        &self,
        opener: &Opener,
        reader: &mut Option<RowsReader>,
        sent: &mut Digest,
    ) -> Result<()> {
        let mut one = match reader.take() {
            Some(one) => one,
            None => opener.open().await?,
        };
        let mut repeated = Repeated { before: *sent, again: digest() };
        one.copy(self.table, &self.copy).await?;
        while let Some(rows) = one.next().await? {
            let rows = repeated.leave_out(rows)?;
            sent.update(&rows);
            if !rows.is_empty() && self.rows.send(Ok(Rows::Some(rows))).await.is_err() {
                return Ok(());
            }
        }
        repeated.finish()?;
        *reader = Some(one);
        let _ = self.rows.send(Ok(Rows::End)).await;
        Ok(())
    }
}

/// Whether another session may be able to read the rows: the one before was lost or cancelled, and it was not due to
/// them.
fn may_pass(error: &Error) -> bool {
    error.situation().is_some_and(|situation: Situation| {
        situation.may_pass()
            || matches!(
                situation,
                Situation::StandbyConflict
                    | Situation::Cancelled
                    | Situation::StatementTimeout
                    | Situation::LockTimeout
                    | Situation::Killed(_)
            )
    })
}

fn digest() -> Digest {
    Digest::new(CrcAlgorithm::Crc64Nvme)
}

/// What a reading repeats of the one before.
struct Repeated {
    /// What was sent already.
    before: Digest,
    /// What came of it again.
    again: Digest,
}

impl Repeated {
    /// Leaves out what was sent already.
    fn leave_out(&mut self, mut rows: Bytes) -> Result<Bytes> {
        let left = self.before.get_amount() - self.again.get_amount();
        if left == 0 {
            return Ok(rows);
        }
        let known = rows.split_to(usize::try_from(left).unwrap_or(usize::MAX).min(rows.len()));
        self.again.update(&known);
        if known.len() as u64 == left {
            self.finish()?;
        }
        Ok(rows)
    }

    /// Says whether it was the same.
    fn finish(&self) -> Result<()> {
        let is_same = self.before.get_amount() == self.again.get_amount()
            && self.before.finalize() == self.again.finalize();
        if is_same {
            Ok(())
        } else {
            Err(Error::postgres("read again, rows of the same snapshot were others"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::clients::Version;
    use crate::postgres::clients::fake;
    use crate::postgres::{Client, ConnInfo, Environment};

    const FATAL: &str = "echo 'psql:<stdin>:9: FATAL:  57P01: terminating connection due to administrator command' >&2; exit 2";

    /// Reads one range of 40,000 rows, 1 MB, with a `psql` that does this when it is asked for them: what comes of the
    /// range, and how often it was asked.
    async fn range(does: &str) -> (Result<Vec<u8>>, usize) {
        let folder = tempfile::tempdir().unwrap();
        let moment = r#"{"since": 7, "known": [], "files": {"1": 2}, "unlocked": {"schemas": {}, "values": {}, "composites": {}}}"#;
        let script = format!(
            r#"#!/bin/sh
cd {}
while read -r line; do
  case "$line" in
    *pg_export_snapshot*) echo '{{"is_wrong": false, "id": "s", "instance": "i", "moment": {moment}}}' ;;
    *'COPY (SELECT n '*) echo >> asked; {does} ;;
    *'COPY (SELECT '*) printf 'i\t0\nCOPY 1\n\\.\n' ;;
  esac
done
"#,
            folder.path().display()
        );
        fake::script(&folder.path().join("psql"), &script);
        std::fs::write(folder.path().join("rows"), rows()).unwrap();
        let client = Client {
            dir: folder.path().into(),
            version: Version { major: 17, minor: 0 },
            environment: Environment::new([("PATH".into(), std::env::var_os("PATH").unwrap_or_default())]),
        };
        let psql = Psql::new(&client, &ConnInfo::parse("postgres://u@h/db", |_| None).unwrap());
        let snapshot = Arc::new(Snapshot::take(&psql, &[]).await.unwrap());
        let opener = Opener { psql, snapshot, encoding: "UTF8".to_owned(), tables: Vec::new() };
        let reader = opener.open().await.unwrap();
        let statements = [(1, b"COPY (SELECT n FROM t) TO STDOUT".to_vec())];
        let mut ranges = Ranges::start(opener, vec![reader], statements.into_iter());
        let (mut receiver, mut came) = (ranges.next().await.unwrap(), Vec::new());
        let came = loop {
            match receiver.recv().await.unwrap() {
                Ok(Rows::Some(rows)) => came.extend(rows),
                Ok(Rows::End) => break Ok(came),
                Err(error) => break Err(error),
            }
        };
        ranges.written();
        ranges.finish().await.unwrap();
        (came, std::fs::read(folder.path().join("asked")).unwrap().len())
    }

    fn rows() -> Vec<u8> {
        (0..40_000).flat_map(|n| format!("{n}\tthis is a row of {n}\n").into_bytes()).collect()
    }

    const WHOLE: &str = r"cat rows; printf 'COPY 40000\n\\.\n'";

    #[tokio::test]
    async fn rows_of_a_session_that_was_lost_are_read_again_and_come_once() {
        assert!(range(WHOLE).await.0.unwrap() == rows());
        for before in ["true", "head -c 700000 rows", "cat rows", r"cat rows; echo COPY 40000"] {
            let does = format!("if mkdir tried 2>/dev/null; then {before}; {FATAL}; fi; {WHOLE}");
            let (came, asked) = range(&does).await;
            assert!(came.unwrap() == rows(), "{before}");
            assert_eq!(asked, 2);
        }
    }

    #[tokio::test]
    async fn other_rows_than_before_are_an_error() {
        for (other, says) in [
            (r"sed s/row/rou/ rows; printf 'COPY 40000\n\\.\n'", "were others"),
            (r"head -3 rows; printf 'COPY 3\n\\.\n'", "were others"),
            (r"cat rows; printf 'COPY 39999\n\\.\n'", "the server sent 39999 rows"),
        ] {
            let does = format!("if mkdir tried 2>/dev/null; then head -c 700000 rows; {FATAL}; fi; {other}");
            let error = range(&does).await.0.unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[tokio::test]
    async fn a_range_is_read_again_three_times_and_not_at_all_if_that_cannot_help() {
        let (came, asked) = range(&format!("head -c 700000 rows; {FATAL}")).await;
        let error = came.unwrap_err().to_string();
        assert!(error.contains("terminating connection") && error.contains("read again 3 times"), "{error}");
        assert_eq!(asked, 4);
        let denied = "echo 'psql:<stdin>:9: ERROR:  42501: permission denied for table t' >&2; exit 3";
        let (came, asked) = range(denied).await;
        assert!(came.unwrap_err().to_string().contains("permission denied"));
        assert_eq!(asked, 1);
    }
}
