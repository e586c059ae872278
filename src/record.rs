//! What a run did, for those who were not there: alarms, metrics, and the summary of a CI job.
//!
//! A verb's answer says it entry by entry, so all of them are fed from what is printed. It can be said with the
//! content's details (names of tables, numbers of rows, messages of servers), or without.

use crate::error::{Error, Kind};
use crate::text::one_line;
use crate::units::{age, count};
use indicatif::BinaryBytes;
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

/// What became of one backup or database.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// The name of the backup, or the database; empty if it is not known.
    pub name: String,
    /// The backup.
    pub id: Option<String>,
    /// How thoroughly it was verified.
    pub mode: Option<&'static str>,
    /// Bytes of all its objects in the store.
    pub stored_bytes: Option<u64>,
    /// Bytes of its dump.
    pub plain_bytes: Option<u64>,
    /// Tables in it.
    pub tables: Option<u64>,
    /// Rows in it, if they were counted.
    pub rows: Option<u64>,
    /// How long it took.
    pub took: Option<Duration>,
    /// What the backup before it held.
    pub before: Option<Before>,
    /// Why it failed.
    pub failed: Option<Failed>,
    /// The stores, by their URLs, that should have the backup and do not, optional ones included.
    pub lacking: Vec<String>,
}

/// What the backup before held.
#[derive(Debug, Clone)]
pub struct Before {
    /// Which it is.
    pub id: String,
    /// Bytes of all its objects in the store.
    pub stored_bytes: u64,
    /// Its tables and rows, if they were counted.
    pub held: Option<(u64, u64)>,
}

/// Why a run, or a part of it, failed.
#[derive(Debug, Clone)]
pub struct Failed {
    /// What happened; it may name what is in a database.
    pub message: String,
    /// What the user can do about it.
    pub hints: Vec<String>,
    /// The exit code it has, or would have alone.
    pub exit_code: u8,
    /// What can be said of it to everyone.
    pub in_public: String,
}

impl Failed {
    /// The failure that an error is; `in_public` says whether everyone may read its message.
    pub fn new(error: &Error, in_public: bool) -> Self {
        let (message, kind) = (error.message().to_owned(), error.kind());
        let in_public = if in_public { message.clone() } else { kind.meaning().to_owned() };
        Self { message, hints: error.hints().to_vec(), exit_code: kind.exit_code(), in_public }
    }

    /// A failure whose error was printed before.
    pub fn reported(message: &str, exit_code: u8) -> Self {
        let kind = Kind::ALL.into_iter().find(|kind| kind.exit_code() == exit_code);
        let in_public = kind.unwrap_or(Kind::Unexpected).meaning().to_owned();
        Self { message: message.to_owned(), hints: Vec::new(), exit_code, in_public }
    }
}

/// One run, when it has ended.
#[derive(Debug)]
pub struct Record {
    /// The verb.
    pub command: &'static str,
    /// When it began.
    pub started_at: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// Why it failed.
    pub failed: Option<Failed>,
    /// What became of each backup or database; at least one entry.
    pub entries: Vec<Entry>,
    /// The last lines that were said to people.
    pub log: String,
}

impl Record {
    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        self.failed.as_ref().map_or(0, |failed| failed.exit_code)
    }

    /// Why the run failed, as far as it is about this entry: a failure that no entry has is about all of them.
    pub fn failure_of<'a>(&'a self, entry: &'a Entry) -> Option<&'a Failed> {
        let is_of_all = self.entries.iter().all(|entry| entry.failed.is_none());
        entry.failed.as_ref().or(self.failed.as_ref().filter(|_| is_of_all))
    }

    /// The stores that lack a backup, each once.
    pub fn lacking(&self) -> Vec<&str> {
        let all: BTreeSet<&str> =
            self.entries.iter().flat_map(|entry| &entry.lacking).map(String::as_str).collect();
        all.into_iter().collect()
    }

    /// One sentence for all of it; without details it says nothing of the content.
    pub fn headline(&self, details: bool) -> String {
        let names: Vec<&str> = self.entries.iter().map(|entry| entry.name.as_str()).collect();
        let of = match names[..] {
            [] | [""] => String::new(),
            [one] => format!(" of {}", one_line(one)),
            _ => format!(" of {}", count(names.len(), "name")),
        };
        let verb = format!("pgstow {}{of}", self.command);
        match &self.failed {
            None => {
                let facts = match &self.entries[..] {
                    [one] => one.facts(details),
                    _ => age(self.took),
                };
                let lacking = match &self.lacking()[..] {
                    [] => String::new(),
                    stores => format!("; the backup is not in {}", stores.join(", ")),
                };
                format!("{verb} succeeded: {facts}{lacking}")
            }
            Some(failed) => {
                let why = if details { &failed.message } else { &failed.in_public };
                format!("{verb} failed (exit code {}): {why}", failed.exit_code)
            }
        }
    }
}

impl Entry {
    /// Its sizes and how long it took; with details its tables and rows.
    pub fn facts(&self, details: bool) -> String {
        let id = self.id.clone();
        let stored = self.stored_bytes.map(|bytes| format!("{} stored", BinaryBytes(bytes)));
        let plain = self.plain_bytes.map(|bytes| format!("{} of dump", BinaryBytes(bytes)));
        let tables = self.tables.filter(|_| details).map(|tables| count(tables, "table"));
        let rows = self.rows.filter(|_| details).map(|rows| count(rows, "row"));
        let took = self.took.map(age);
        [id, stored, plain, tables, rows, took].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// What changed since the backup before; with details its rows too.
    pub fn changes(&self, details: bool) -> String {
        let Some(before) = &self.before else { return String::new() };
        let size = self.stored_bytes.map(|now| match now >= before.stored_bytes {
            true => format!("+{}", BinaryBytes(now - before.stored_bytes)),
            false => format!("-{}", BinaryBytes(before.stored_bytes - now)),
        });
        let difference = |now: Option<u64>, then: Option<u64>, what: &str| {
            let (now, then) = (now?, then?);
            let sign = if now < then { "-" } else { "+" };
            (details && now != then).then(|| format!("{sign}{}", count(now.abs_diff(then), what)))
        };
        let tables = difference(self.tables, before.held.map(|(tables, _)| tables), "table");
        let rows = difference(self.rows, before.held.map(|(_, rows)| rows), "row");
        [size, tables, rows].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// The last lines of a long text, up to a number of bytes.
#[derive(Debug)]
pub struct Tail {
    text: String,
    most: usize,
}

impl Tail {
    /// Nothing yet.
    pub fn new(most: usize) -> Self {
        Self { text: String::new(), most }
    }

    /// Adds a line, and forgets the first ones if there are too many.
    pub fn add(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
        if self.text.len() > self.most {
            let least = self.text.len() - self.most;
            let end = self.text.match_indices('\n').map(|(at, _)| at + 1).find(|at| *at >= least);
            self.text.drain(..end.unwrap_or(self.text.len()));
        }
    }

    /// The lines.
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        Entry {
            name: "app".into(),
            id: Some("20261127T030000Z-7f3k9q".into()),
            stored_bytes: Some(3 << 20),
            tables: Some(3),
            rows: Some(140_500),
            took: Some(Duration::from_secs(12)),
            before: Some(Before { id: "x".into(), stored_bytes: 4 << 20, held: Some((2, 140_501)) }),
            ..Entry::default()
        }
    }

    fn record(failed: Option<Failed>) -> Record {
        let (started_at, took) = (SystemTime::UNIX_EPOCH, Duration::from_secs(12));
        Record { command: "backup", started_at, took, failed, entries: vec![entry()], log: String::new() }
    }

    #[test]
    fn a_run_is_one_sentence() {
        let said = "pgstow backup of app succeeded: 20261127T030000Z-7f3k9q, 3.00 MiB stored, ";
        assert_eq!(record(None).headline(true), format!("{said}3 tables, 140,500 rows, 12s"));
        assert_eq!(entry().changes(true), "-1.00 MiB, +1 table, -1 row");
        let entries = vec![Entry { lacking: vec!["s3://b".into()], ..entry() }];
        let lacking = Record { entries, ..record(None) }.headline(true);
        assert!(lacking.ends_with(", 12s; the backup is not in s3://b"), "{lacking}");
        let many = Record { entries: vec![entry(), entry()], ..record(None) };
        assert_eq!(many.headline(true), "pgstow backup of 2 names succeeded: 12s");
    }

    #[test]
    fn the_last_lines_are_kept_whole() {
        let mut tail = Tail::new(12);
        for line in ["one", "two\n", "drei", "vier"] {
            tail.add(line);
        }
        assert_eq!(tail.text(), "drei\nvier\n");
        tail.add("a line that is longer than all that is kept");
        assert_eq!(tail.text(), "");
    }

    #[test]
    fn in_public_nothing_is_said_of_the_content() {
        assert!(record(None).headline(false).ends_with("3.00 MiB stored, 12s"));
        assert_eq!(entry().changes(false), "-1.00 MiB");
        let error = Error::postgres("permission denied for table patients");
        let hidden = record(Some(Failed::new(&error, false))).headline(false);
        assert_eq!(hidden, "pgstow backup of app failed (exit code 11): the PostgreSQL side failed");
        let shown = record(Some(Failed::new(&error, true))).headline(false);
        assert!(shown.ends_with("patients"), "{shown}");
    }
}
