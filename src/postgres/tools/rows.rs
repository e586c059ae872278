//! A session that reads rows with `COPY`, one range after the other, from a snapshot that others share.
//!
//! `psql` prints the rows, then `COPY` with their number, then a mark. The rows go to `/dev/stdout` by name: if they go
//! to stdout in the usual way, `psql` does not print their number. The mark cannot be a row, in which a backslash is
//! always doubled, and after an error `psql` ends before it prints one.

use std::process::Stdio;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::mpsc;

use crate::error::{Error, Kind, Result};

use super::psql::Psql;
use super::snapshot::{INSTANCE, Snapshot};
use crate::postgres::process::{Patient, Running};
use crate::postgres::sql::literal;

/// What `psql` prints after each range.
const MARK: &[u8] = b"\\.\n";
/// The longest end of a range: the mark, and the number of rows before it.
const LONGEST_END: usize = MARK.len() + "COPY 18446744073709551615\n".len();
/// Bytes read at once.
const AT_ONCE: usize = 256 << 10;

/// What `pg_dump` sets for itself, so that rows look the same; and that rows come in the order of their pages.
const AS_PG_DUMP: &str = "
SET datestyle = ISO; SET intervalstyle = postgres; SET extra_float_digits = 3; SET synchronize_seqscans = off;
SET row_security = off; SET search_path = '';
SET max_parallel_workers_per_gather = 0; SET enable_seqscan = off; SET enable_tidscan = on; SET jit = off;
";

/// Rows on their way, or the end of a range, which has been complete then.
#[derive(Debug)]
pub enum Rows {
    /// Some bytes of rows; most of the time they end with the end of a row.
    Some(Bytes),
    /// The end of the range.
    End,
}

/// A session that reads rows; dropping it ends it.
pub struct RowsReader {
    orders: ChildStdin,
    answers: Patient<ChildStdout>,
    running: Box<Running>,
}

impl RowsReader {
    /// Connects, joins the snapshot and locks these tables, named as SQL, against being changed or dropped.
    ///
    /// `encoding` is that of the dump.
    ///
    /// # Errors
    /// If somebody waits for a lock on one of them: nobody is waited for. `Kind::Postgres` if this is another server
    /// than that of the snapshot.
    pub async fn open(psql: &Psql, snapshot: &Snapshot, encoding: &str, tables: &[Vec<u8>]) -> Result<Self> {
        let mut running = psql.program().await?.start(Stdio::piped(), Stdio::piped())?;
        let (orders, answers) = (running.stdin()?, running.stdout()?);
        let mut reader = Self { orders, answers, running };
        let mut setup = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;\nSET TRANSACTION SNAPSHOT {};\n\
             SET client_encoding = {};{AS_PG_DUMP}",
            literal(&snapshot.id),
            literal(encoding)
        )
        .into_bytes();
        for table in tables {
            setup.extend([b"LOCK TABLE ONLY ", &table[..], b" IN ACCESS SHARE MODE NOWAIT;\n"].concat());
        }
        setup.extend(b"\\set QUIET off\n");
        reader.order(&setup).await;
        let (rows, mut answer) = mpsc::channel(8);
        let copy = format!("COPY (SELECT {INSTANCE}) TO STDOUT");
        reader.copy(copy.as_bytes(), &rows).await?;
        drop(rows);
        let mut instance = Vec::new();
        while let Some(Ok(Rows::Some(bytes))) = answer.recv().await {
            instance.extend(bytes);
        }
        if instance.trim_ascii() != snapshot.instance.as_bytes() {
            return Err(Error::postgres("two connections to this address reached two different servers"));
        }
        Ok(reader)
    }

    /// Runs a `COPY … TO STDOUT`, sends its rows and then [`Rows::End`].
    ///
    /// Returns early, without an error, if nobody receives them any more; it must not be used after that.
    ///
    /// # Errors
    /// Those of the server; `Kind::Postgres` if it counted other rows than have come.
    pub async fn copy(&mut self, copy: &[u8], rows: &mpsc::Sender<Result<Rows>>) -> Result<()> {
        self.order(&[copy, b" \\g /dev/stdout\n\\echo '\\\\.'\n"].concat()).await;
        let (mut buffer, mut seen) = (BytesMut::new(), 0);
        loop {
            if let Some((end, counted)) = range_end(&buffer) {
                let last = buffer.split_to(end).freeze();
                seen += lines(&last);
                if seen != counted {
                    let what =
                        format!("the server sent {counted} rows of a range of a table, and {seen} came");
                    return Err(Error::postgres(what));
                }
                let _ = rows.send(Ok(Rows::Some(last))).await;
                let _ = rows.send(Ok(Rows::End)).await;
                return Ok(());
            }
            let ready = buffer.len().saturating_sub(LONGEST_END);
            if ready >= AT_ONCE / 2 {
                let end_of_row = memchr::memrchr(b'\n', buffer.get(..ready).unwrap_or_default());
                let now = buffer.split_to(end_of_row.map_or(ready, |at| at + 1)).freeze();
                seen += lines(&now);
                if rows.send(Ok(Rows::Some(now))).await.is_err() {
                    return Ok(());
                }
            }
            self.read(&mut buffer).await?;
        }
    }

    /// Ends the session in order.
    pub async fn finish(self) -> Result<()> {
        let Self { orders, answers: _open, running } = self;
        drop(orders);
        Ok(running.ended().await?)
    }

    async fn read(&mut self, buffer: &mut BytesMut) -> Result<()> {
        buffer.reserve(AT_ONCE);
        let Self { answers, running, .. } = self;
        running.moved();
        let read = tokio::select! {
            read = answers.read_buf(buffer) => read,
            error = running.given_up() => return Err(error),
        };
        match read.map_err(|e| Error::from_io(e, Kind::Postgres, "read rows"))? {
            0 => Err(running.last_words().await),
            _ => Ok(()),
        }
    }

    async fn order(&mut self, sql: &[u8]) {
        // A session that has ended says why when it is read.
        let _ = self.orders.write_all(sql).await;
    }
}

/// Where the rows of a range end, and how many the server says they are; `None` while more is to come.
fn range_end(bytes: &[u8]) -> Option<(usize, u64)> {
    let before = bytes.strip_suffix(MARK)?.strip_suffix(b"\n")?;
    let start = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    let count = before.get(start..)?.strip_prefix(b"COPY ")?;
    Some((start, std::str::from_utf8(count).ok()?.parse().ok()?))
}

/// How many rows end in these bytes: a newline in a value is written as `\n`.
fn lines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_with_its_count_and_the_mark() {
        assert_eq!(range_end(b"1\ta\n2\tb\nCOPY 2\n\\.\n"), Some((8, 2)));
        assert_eq!(range_end(b"COPY 0\n\\.\n"), Some((0, 0)));
        for more in [&b"1\ta\n"[..], b"COPY 2\n", b"COPY x\n\\.\n", b"COPY 2\\.\n", b"x\\.\n", b"\\.\n", b""]
        {
            assert_eq!(range_end(more), None, "{}", String::from_utf8_lossy(more));
        }
        // A row that looks like a count is one more line before it.
        assert_eq!(range_end(b"COPY 7\nCOPY 1\n\\.\n"), Some((7, 1)));
    }
}
