//! A session that reads rows with `COPY`, one range after the other, from a snapshot that others share.
//!
//! `psql` prints the rows, then `COPY` with their number, then a mark. The rows go to `/dev/stdout` by name: if they go
//! to stdout in the usual way, `psql` does not print their number. The mark cannot be a row, in which a backslash is
//! always doubled, and after an error `psql` ends before it prints one.

use std::process::Stdio;

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStdin, ChildStdout};

use crate::error::{Error, Kind, Result};

use super::psql::{Psql, WITHOUT_VARIABLES, check_sql};
use super::sessions::ASKING;
use super::snapshot::{INSTANCE, Snapshot};
use crate::postgres::process::{Patient, Running};
use crate::postgres::sql::literal;

/// What `psql` prints after each range.
const MARK: &[u8] = b"\\.\n";
/// The longest end of a range: the mark, and the number of rows before it.
const LONGEST_END: usize = MARK.len() + "COPY 18446744073709551615\n".len();
/// The most memory that rows which are returned at once need, in bytes.
pub const ROWS: usize = 256 << 10;

/// What `pg_dump` sets for itself, so that rows look the same; and that rows come in the order of their pages.
const AS_PG_DUMP: [&str; 12] = [
    "SET datestyle = ISO",
    "SET intervalstyle = postgres",
    "SET extra_float_digits = 3",
    "SET bytea_output = hex",
    "SET synchronize_seqscans = off",
    "SET row_security = off",
    "SET search_path = ''",
    "SET max_parallel_workers_per_gather = 0",
    "SET enable_seqscan = off",
    "SET enable_tidscan = on",
    // Constraints may call functions.
    "SET constraint_exclusion = partition",
    "SET jit = off",
];

/// A session that reads rows; dropping it ends it.
pub struct RowsReader {
    orders: ChildStdin,
    answers: Patient<ChildStdout>,
    running: Box<Running>,
    /// What was read and not returned yet; never grows over [`ROWS`].
    buffer: BytesMut,
    /// Rows of the range that were returned.
    returned: u64,
    /// The table that was read last.
    table: Option<u32>,
}

impl RowsReader {
    /// Connects, joins the snapshot and locks these tables, each its oid and its name as SQL, against being changed or
    /// dropped.
    ///
    /// `encoding` is that of the dump.
    ///
    /// # Errors
    /// If somebody waits for a lock on one of them: nobody is waited for. `Kind::Postgres` if this is another server
    /// than that of the snapshot, or if rows are no longer in the file that the snapshot has them in.
    pub async fn open(
        psql: &Psql,
        snapshot: &Snapshot,
        encoding: &str,
        tables: &[(u32, Vec<u8>)],
    ) -> Result<Self> {
        // What follows is read in it.
        let preamble = format!("{ASKING}; SET client_encoding = {}", literal(encoding));
        let mut running = psql.program(&preamble).await?.start(Stdio::piped(), Stdio::piped())?;
        let (orders, answers) = (running.stdin()?, running.stdout()?);
        let buffer = BytesMut::with_capacity(ROWS);
        let mut reader = Self { orders, answers, running, buffer, returned: 0, table: None };
        for (_, table) in tables {
            check_sql(table)?;
        }
        let mut setup = format!("{WITHOUT_VARIABLES}\\\\ ").into_bytes();
        let begin = ["BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".to_owned()];
        let join = [format!("SET TRANSACTION SNAPSHOT {}", literal(&snapshot.id))];
        let set = AS_PG_DUMP.map(str::to_owned);
        let lock = |(_, table): &(u32, Vec<u8>)| {
            [b"LOCK TABLE ONLY ", &table[..], b" IN ACCESS SHARE MODE NOWAIT"].concat()
        };
        let all =
            begin.into_iter().chain(join).chain(set).map(String::into_bytes).chain(tables.iter().map(lock));
        let all = all.chain([b"SAVEPOINT table_read".to_vec()]);
        // All in one message: each costs a round trip.
        setup.extend(all.collect::<Vec<_>>().join(&b"\\;\n"[..]));
        setup.extend(b";\n\\set QUIET off\n");
        reader.order(&setup).await;
        reader.check(snapshot, tables).await?;
        Ok(reader)
    }

    /// Makes sure that it is the snapshot's server, that the rows of the snapshot are still there, and that they are those
    /// of the tables that now have these names.
    ///
    /// If all sessions that had locks were ended at once, somebody who waited for that may have emptied a table, or
    /// written its rows into another order of pages, before these locks were taken: the snapshot shows nothing of it. And a
    /// schema may have got another name, which no lock on a table keeps.
    async fn check(&mut self, snapshot: &Snapshot, tables: &[(u32, Vec<u8>)]) -> Result<()> {
        let files = |(oid, name): &(u32, Vec<u8>)| {
            let file = snapshot.moment().file(*oid);
            [format!("({oid}, {file}, ").as_bytes(), &literal_of_bytes(name)[..], b")"].concat()
        };
        // Of no table.
        let none = b"(0, NULL::pg_catalog.int8, NULL::pg_catalog.text)".to_vec();
        let files: Vec<Vec<u8>> = tables.iter().map(files).chain([none]).collect();
        let question = [
            b"COPY (SELECT ",
            INSTANCE.as_bytes(),
            b", (SELECT pg_catalog.count(*) FROM (VALUES ",
            &files.join(&b", "[..]),
            b") t(oid, file, name) \
              WHERE pg_catalog.pg_relation_filenode(t.oid::pg_catalog.oid)::pg_catalog.int8 IS DISTINCT FROM t.file \
                 OR pg_catalog.to_regclass(t.name)::pg_catalog.oid::pg_catalog.int8 IS DISTINCT FROM NULLIF(t.oid, 0))) TO STDOUT",
        ]
        .concat();
        self.copy(0, &question).await?;
        let mut answer = Vec::new();
        while let Some(bytes) = self.next().await? {
            answer.extend(bytes);
        }
        let answer = String::from_utf8_lossy(&answer);
        match answer.trim_ascii().split_once('\t') {
            Some((instance, _)) if instance != snapshot.instance => {
                Err(Error::postgres("two connections to this address reached two different servers"))
            }
            Some((_, "0")) => Ok(()),
            _ => Err(Error::postgres(
                "a table was emptied or rewritten during the backup, as somebody ended the sessions that had it locked, or its \
                 schema was renamed",
            )
            .hint("back up when no migration runs")),
        }
    }

    /// Begins a `COPY … TO STDOUT` of this table, its oid; [`Self::next`] returns its rows. The one before must have come to
    /// its end.
    ///
    /// # Errors
    /// If it holds a backslash.
    pub async fn copy(&mut self, table: u32, copy: &[u8]) -> Result<()> {
        self.returned = 0;
        check_sql(copy)?;
        if self.table.replace(table).is_some_and(|before| before != table) {
            // Whoever reads a table locks its indexes, too, and the server has room for few locks. What was locked
            // before the savepoint stays so.
            self.order(b"\\set QUIET on\nROLLBACK TO SAVEPOINT table_read;\n\\set QUIET off\n").await;
        }
        self.order(&[copy, b" \\g /dev/stdout\n\\echo '\\\\.'\n"].concat()).await;
        Ok(())
    }

    /// The next rows, most of the time whole ones; `None` after the last, when all of them have come.
    ///
    /// # Errors
    /// Those of the server; `Kind::Postgres` if it counted other rows than have come.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            if let Some((end, counted)) = range_end(&self.buffer) {
                if end > 0 {
                    return Ok(Some(self.take(end)));
                }
                self.buffer.clear();
                return if self.returned == counted {
                    Ok(None)
                } else {
                    Err(miscounted(counted, self.returned))
                };
            }
            if self.buffer.len() == ROWS {
                // The number of rows and the mark stay together.
                let ready = ROWS - LONGEST_END;
                let end_of_row = memchr::memrchr(b'\n', self.buffer.get(..ready).unwrap_or_default());
                return Ok(Some(self.take(end_of_row.map_or(ready, |at| at + 1))));
            }
            self.read().await?;
        }
    }

    /// Ends the session, and waits for that. All that it has read was counted: how it ends does not matter.
    pub async fn finish(self) {
        let Self { orders, answers: _open, running, .. } = self;
        drop(orders);
        if let Err(failure) = running.ended().await {
            tracing::debug!("a session that read rows: {}", Error::from(failure));
        }
    }

    /// Takes the first bytes. The rest moves to a buffer of its own, so that what was taken keeps no more than its own.
    fn take(&mut self, count: usize) -> Bytes {
        let mut rest = BytesMut::with_capacity(ROWS);
        rest.extend_from_slice(self.buffer.get(count..).unwrap_or_default());
        let mut taken = std::mem::replace(&mut self.buffer, rest);
        taken.truncate(count);
        self.returned += lines(&taken);
        taken.freeze()
    }

    async fn read(&mut self) -> Result<()> {
        let Self { answers, running, buffer, .. } = self;
        running.moved();
        let left = ROWS.saturating_sub(buffer.len());
        let mut room = buffer.limit(left);
        let read = tokio::select! {
            read = answers.read_buf(&mut room) => read,
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

/// Text of any encoding as a literal; it has no backslash.
fn literal_of_bytes(text: &[u8]) -> Vec<u8> {
    let quoted = text.split(|byte| *byte == b'\'').collect::<Vec<_>>().join(&b"''"[..]);
    [b"'", &quoted[..], b"'"].concat()
}

fn miscounted(counted: u64, came: u64) -> Error {
    Error::postgres(format!("the server sent {counted} rows of a range of a table, and {came} came"))
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
    fn nothing_with_a_backslash_is_sent() {
        for sql in [&b"COPY (SELECT \"\\! x\") TO STDOUT"[..], b"a\0b"] {
            assert!(check_sql(sql).is_err());
        }
        assert!(check_sql(b"COPY (SELECT 1) TO STDOUT").is_ok());
    }

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
