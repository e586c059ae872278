//! What a child says on stderr: drained, scrubbed, kept short, and passed on.
//!
//! Warnings are passed on as they come. The rest is kept (its first error, and the last 64 KiB) for the
//! error message; after a success it is passed on as warnings too, since PostgreSQL's tools say nothing
//! if nothing went wrong.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinHandle;

use super::secret::Secret;
use crate::postgres::failure::message::{Message, Reader};
use crate::postgres::failure::severity::Level;

/// How much of a child's stderr is remembered.
const KEPT_BYTES: usize = 64 * 1024;
/// A line longer than this is cut; nobody reads further, and memory stays bounded.
const LINE_BYTES: usize = 8 * 1024;
/// How many messages of a successful child are passed on.
const PASSED_ON: usize = 20;
/// They are said once in a run, and stay those of this room: they may have names and values of the database in them.
const SAID: &str = "pgstow::postgres::once";
/// A warning that begins so is raised by our own SQL, and is for us.
pub const REPORT: &str = "pgstow reports ";

/// What our own SQL reported, without [`REPORT`]: a `pg_restore` prints no answers.
pub type Reports = Arc<Mutex<Vec<String>>>;

/// The stderr of one child, drained by a task of its own.
pub struct Stderr {
    kept: Arc<Mutex<Kept>>,
    task: JoinHandle<()>,
}

/// Whether a child reports its progress on stderr, in messages that are no warnings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Manner {
    /// It is silent if nothing went wrong.
    #[default]
    Silent,
    /// It reports its progress.
    Verbose,
    /// It is silent, and has failed if it says that something is an error, however it ends.
    Strict,
}

impl Stderr {
    /// Starts draining; `name` is the program's, put before what it says.
    pub fn drain(
        stderr: impl AsyncRead + Unpin + Send + 'static,
        name: &str,
        manner: Manner,
        secrets: Vec<Secret>,
        reports: Reports,
    ) -> Self {
        let kept = Arc::new(Mutex::new(Kept { reports, ..Kept::new(name, manner) }));
        let task = tokio::spawn(drain(stderr, Arc::clone(&kept), secrets));
        Self { kept, task }
    }

    /// Waits until stderr has ended, but not for a grandchild that keeps it open.
    pub async fn ended(&mut self) {
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), &mut self.task).await;
        self.locked().end();
    }

    /// What was said and not passed on, in order.
    pub fn messages(&self) -> Vec<Message> {
        let kept = self.locked();
        kept.first_error.iter().chain(&kept.messages).cloned().collect()
    }

    /// Whether it said that something is an error, although it had to stop at the first one.
    pub fn went_on_after_an_error(&self) -> bool {
        let kept = self.locked();
        kept.manner == Manner::Strict && kept.first_error.is_some()
    }

    /// Passes on what a successful child said.
    pub fn pass_on(&self) {
        let kept = self.locked();
        if kept.manner == Manner::Verbose {
            return;
        }
        let said = kept.first_error.iter().chain(&kept.messages);
        let mut said = said.filter(|message| !message.text.trim().is_empty());
        for message in said.by_ref().take(PASSED_ON) {
            tracing::warn!(target: SAID, "{}: {}", kept.name, message.told());
        }
        let more = said.count();
        if more > 0 {
            tracing::warn!("{}: {more} more lines", kept.name);
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stderr {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn drain(mut stderr: impl AsyncRead + Unpin, kept: Arc<Mutex<Kept>>, secrets: Vec<Secret>) {
    let take = |line: &[u8]| {
        let line = scrub(String::from_utf8_lossy(line).trim_end(), &secrets);
        kept.lock().unwrap_or_else(PoisonError::into_inner).take(&line);
    };
    let mut line: Vec<u8> = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        for byte in buffer.iter().take(count) {
            if *byte == b'\n' {
                take(&line);
                line.clear();
            } else if line.len() < LINE_BYTES {
                line.push(*byte);
            }
        }
    }
    if !line.is_empty() {
        take(&line);
    }
}

/// Replaces every secret by `***`. One of a few letters is left: it would blot out ordinary words.
fn scrub(text: &str, secrets: &[Secret]) -> String {
    let mut clean = text.to_string();
    for secret in secrets.iter().map(Secret::reveal).filter(|secret| secret.len() > 3) {
        clean = clean.replace(secret, "***");
    }
    clean
}

/// The messages of one child: warnings leave at once, the rest stays.
struct Kept {
    name: String,
    manner: Manner,
    reader: Reader,
    /// What explains most, and must not be pushed out by what follows.
    first_error: Option<Message>,
    messages: VecDeque<Message>,
    bytes: usize,
    reports: Reports,
}

impl Kept {
    fn new(name: &str, manner: Manner) -> Self {
        let (reader, messages) = (Reader::new(name), VecDeque::new());
        let (name, reports) = (name.into(), Reports::default());
        Self { name, manner, reader, first_error: None, messages, bytes: 0, reports }
    }

    fn take(&mut self, line: &str) {
        if let Some(message) = self.reader.take(line) {
            self.keep(message);
        }
    }

    fn end(&mut self) {
        if let Some(message) = self.reader.end() {
            self.keep(message);
        }
    }

    fn keep(&mut self, message: Message) {
        tracing::trace!("{}: {}", self.name, message.line());
        match message.level {
            Level::Notice => {}
            Level::Warning if message.text.starts_with(REPORT) => {
                let report = message.text.replacen(REPORT, "", 1);
                self.reports.lock().unwrap_or_else(PoisonError::into_inner).push(report);
            }
            // psql, pg_dump and pg_dumpall all say it when they connect.
            Level::Warning if message.text.contains("collation version mismatch") => {
                tracing::warn!(target: "pgstow::once::collation", "{}", message.told());
            }
            // A table of an extension that refers to itself (TimescaleDB's): one COPY brings all of it, and looks at its
            // keys at the end.
            Level::Warning if message.text.contains("circular foreign-key constraints on this table") => {}
            // Whoever asked for that says what was passed over.
            Level::Warning if message.errors_ignored().is_some() => self.messages.push_back(message),
            Level::Warning => {
                tracing::warn!(target: SAID, "{}: {}", self.name, message.told());
            }
            // Strictly only what the program says by its name: anything may be on the second line of a notice.
            Level::Error
                if self.first_error.is_none() && (message.is_named || self.manner != Manner::Strict) =>
            {
                self.first_error = Some(message);
            }
            Level::Error | Level::Plain => {
                self.bytes += message.bytes();
                self.messages.push_back(message);
                while self.bytes > KEPT_BYTES {
                    let Some(first) = self.messages.pop_front() else { break };
                    self.bytes -= first.bytes();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(name: &str, manner: Manner, lines: &[&str]) -> Kept {
        let mut kept = Kept::new(name, manner);
        lines.iter().for_each(|line| kept.take(line));
        kept.end();
        kept
    }

    #[test]
    fn secrets_become_stars() {
        let secrets = [Secret::new("hunter22"), Secret::new("a")];
        assert_eq!(scrub("password hunter22 at bar", &secrets), "password *** at bar");
    }

    #[test]
    fn warnings_and_notices_are_not_kept() {
        let lines = [
            "WARNING:  database \"x\" has a collation version mismatch",
            "DETAIL:  made with 2.31",
            "NOTICE:  nothing",
            "psql:<stdin>:1: WARNING:  another",
            "psql: error: boom",
        ];
        let kept = kept("psql", Manner::Silent, &lines);
        assert_eq!((kept.first_error.unwrap().text.as_str(), kept.messages.len()), ("boom", 0));
    }

    #[test]
    fn a_line_of_a_notice_is_no_error_of_a_strict_program() {
        let notice =
            ["psql:<stdin>:1: NOTICE:  00000: a", "ERROR:  b", "LOCATION:  exec_stmt_raise, pl_exec.c:3"];
        assert_eq!(kept("psql", Manner::Strict, &notice).first_error, None);
        let all = [&notice[..], &["psql:mask.sql:2: ERROR:  42P01: no table"]].concat();
        let kept = kept("psql", Manner::Strict, &all);
        assert_eq!(kept.first_error.unwrap().sqlstate.as_deref(), Some("42P01"));
    }

    #[test]
    fn the_first_error_and_the_end_are_kept() {
        let lines: Vec<String> = (0..10_000).map(|number| format!("x: line number {number}")).collect();
        let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        lines.insert(0, "x: error: first");
        let kept = kept("x", Manner::Verbose, &lines);
        assert!(kept.bytes <= KEPT_BYTES);
        assert_eq!(kept.first_error.unwrap().text, "first");
        assert_eq!(kept.messages.back().unwrap().text, "line number 9999");
    }

    /// What stands after a line that was cut may stand within a literal: it is not shown.
    #[tokio::test]
    async fn a_statement_ends_at_a_line_that_is_cut() {
        let long = "x".repeat(2 * LINE_BYTES);
        let said = format!("p: error: no\nCommand was: SELECT 'a{long}', 'b\n', 's3cret', '\n");
        let secrets = vec![];
        let (said, reports) = (std::io::Cursor::new(said.into_bytes()), Reports::default());
        let mut stderr = Stderr::drain(said, "p", Manner::Silent, secrets, reports);
        stderr.ended().await;
        let said = format!("{:?}", stderr.messages());
        assert!(said.contains("SELECT '…") && !said.contains("s3cret"), "{said}");
    }
}
