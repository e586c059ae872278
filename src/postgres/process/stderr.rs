//! What a child says on stderr: drained, scrubbed, kept short, and passed on.
//!
//! Warnings are passed on as they come, each once per run of pgstow. The rest is kept (its last
//! 64 KiB) for the error message; after a success it is passed on as warnings too, since
//! PostgreSQL's tools say nothing when all is well.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinHandle;

use super::secret::Secret;

/// How much of a child's stderr is remembered.
const KEPT_BYTES: usize = 64 * 1024;
/// A line longer than this is cut; nobody reads further, and memory stays bounded.
const LINE_BYTES: usize = 8 * 1024;
/// How many lines of a successful child are passed on.
const PASSED_ON: usize = 20;
/// After these words a tool repeats the statement that failed.
const STATEMENTS: [&str; 2] = ["Command was:", "Query was:"];
/// How much of what a child said goes into a message.
const GIST_CHARS: usize = 700;

/// Passes a warning on, unless this run has said the same before.
pub fn warn_once(text: &str) {
    if is_news(text) {
        tracing::warn!("{text}");
    }
}

/// Tells something for information, unless this run has told it before.
pub fn tell_once(text: &str) {
    if is_news(text) {
        tracing::info!("{text}");
    }
}

fn is_news(text: &str) -> bool {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(text.to_string())
}

/// The stderr of one child, being drained on its own task.
pub struct Words {
    kept: Arc<Mutex<Kept>>,
    task: JoinHandle<()>,
}

impl Words {
    /// Starts draining; `name` is the program's, put before what it says.
    pub fn drain(stderr: impl AsyncRead + Unpin + Send + 'static, name: &str, secrets: Vec<Secret>) -> Self {
        let kept = Arc::new(Mutex::new(Kept::new(name)));
        let task = tokio::spawn(drain(stderr, Arc::clone(&kept), secrets));
        Self { kept, task }
    }

    /// Waits until stderr has ended, but not for a grandchild that keeps it open.
    pub async fn ended(&mut self) {
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), &mut self.task).await;
        self.locked().end_warning();
    }

    /// What was said and not yet passed on, line by line.
    pub fn lines(&self) -> Vec<String> {
        self.locked().lines.iter().cloned().collect()
    }

    /// Passes on what a successful child said.
    pub fn pass_on(&self) {
        let kept = self.locked();
        for line in kept.lines.iter().take(PASSED_ON).filter(|line| !line.trim().is_empty()) {
            warn_once(&format!("{}: {}", kept.name, own_words(&kept.name, line)));
        }
        if kept.lines.len() > PASSED_ON {
            tracing::warn!("{}: {} more lines", kept.name, kept.lines.len() - PASSED_ON);
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn drain(mut stderr: impl AsyncRead + Unpin, kept: Arc<Mutex<Kept>>, secrets: Vec<Secret>) {
    let take = |line: &[u8]| {
        let line = scrub(String::from_utf8_lossy(line).trim_end(), &secrets);
        kept.lock().unwrap_or_else(PoisonError::into_inner).take(line);
    };
    let mut line: Vec<u8> = Vec::new();
    let mut cut = false;
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        for byte in buffer.iter().take(count) {
            if *byte == b'\n' {
                take(&line);
                line.clear();
                cut = false;
            } else if line.len() < LINE_BYTES {
                line.push(*byte);
            } else {
                cut = true;
            }
        }
    }
    if !line.is_empty() || cut {
        take(&line);
    }
}

/// Replaces every secret by `***`. One of a few letters is left: it would blot out ordinary words.
pub fn scrub(text: &str, secrets: &[Secret]) -> String {
    let mut clean = text.to_string();
    for secret in secrets.iter().map(Secret::reveal).filter(|secret| secret.len() > 3) {
        clean = clean.replace(secret, "***");
    }
    clean
}

/// The lines of one child: warnings leave at once, the rest stays.
struct Kept {
    name: String,
    lines: VecDeque<String>,
    bytes: usize,
    warning: Option<String>,
    in_statement: bool,
}

impl Kept {
    fn new(name: &str) -> Self {
        Self { name: name.into(), lines: VecDeque::new(), bytes: 0, warning: None, in_statement: false }
    }

    fn take(&mut self, line: String) {
        let Some(line) = self.without_statement(line) else { return };
        tracing::debug!("{}: {}", self.name, own_words(&self.name, &line));
        if after(&line, "NOTICE:").is_some() {
            return;
        }
        if let Some(text) = after(&line, "WARNING:").or_else(|| after(&line, "warning:")) {
            self.end_warning();
            self.warning = Some(text.trim().to_string());
            return;
        }
        let more = ["DETAIL:", "HINT:", "detail:", "hint:"].iter().find_map(|word| after(&line, word));
        if let (Some(warning), Some(more)) = (&mut self.warning, more) {
            warning.push_str("; ");
            warning.push_str(more.trim());
            return;
        }
        self.end_warning();
        self.bytes += line.len();
        self.lines.push_back(line);
        while self.bytes > KEPT_BYTES {
            let Some(first) = self.lines.pop_front() else { break };
            self.bytes -= first.len();
        }
    }

    /// Cuts down the statement that a tool repeats after its error, over however many lines.
    ///
    /// It may be long, and it may hold a secret of the database's (a user mapping's password).
    fn without_statement(&mut self, line: String) -> Option<String> {
        if let Some((before, word, statement)) = STATEMENTS
            .iter()
            .find_map(|word| line.split_once(word).map(|(before, statement)| (before, *word, statement)))
        {
            self.in_statement = true;
            let head = statement.split(['(', '\'', '$']).next().unwrap_or_default();
            let head: String = head.trim().trim_end_matches(';').chars().take(80).collect();
            return Some(format!("{before}{word} {head}"));
        }
        self.in_statement &= !line.starts_with(&format!("{}: ", self.name));
        (!self.in_statement && !line.starts_with("LINE ")).then_some(line)
    }

    fn end_warning(&mut self) {
        if let Some(warning) = self.warning.take() {
            warn_once(&format!("{}: {warning}", self.name));
        }
    }
}

/// What follows `word`, when `word` opens the line or follows a "program: " in front.
fn after<'a>(line: &'a str, word: &str) -> Option<&'a str> {
    let (before, text) = line.split_once(word)?;
    (before.is_empty() || before.ends_with(": ") && before.len() < 80).then_some(text)
}

/// A line without the program's name (and psql's place in the script) in front.
fn own_words<'a>(name: &str, line: &'a str) -> &'a str {
    // getopt_long says the whole path.
    let at_path =
        |(path, _): &(&str, &str)| path.is_empty() || (path.starts_with('/') && path.ends_with('/'));
    let rest = line.split_once(name).filter(at_path).and_then(|(_, rest)| rest.strip_prefix(':'));
    let Some(rest) = rest else { return line };
    match rest.strip_prefix("<stdin>:").and_then(|place| place.split_once(": ")) {
        Some((_, text)) => text,
        None => rest.trim_start(),
    }
}

/// The sentence worth showing of what a failed child said: its first error and what explains it.
pub fn gist(name: &str, lines: &[String]) -> String {
    const ERRORS: [&str; 5] = ["error:", "fatal:", "ERROR:", "FATAL:", "PANIC:"];
    const MORE: [&str; 7] =
        ["\t", "DETAIL:", "HINT:", "CONTEXT:", "detail:", "hint:", "connection to server"];
    let error = lines.iter().position(|line| ERRORS.iter().any(|word| line.contains(word)));
    // getopt_long complains without a word for it, and a hint about --help follows.
    let worth = |line: &String| {
        let own = own_words(name, line).trim();
        !own.is_empty() && !own.starts_with("hint:") && !own.starts_with("Try \"")
    };
    let Some(at) = error.or_else(|| lines.iter().rposition(worth)) else {
        return "it said nothing".into();
    };
    let mut rest = lines.iter().skip(at).map(|line| own_words(name, line));
    let first = rest.next().unwrap_or_default();
    let mut gist = first.strip_prefix("error: ").unwrap_or(first).trim().to_string();
    for line in rest.take(8) {
        if let Some(statement) = STATEMENTS.iter().find_map(|word| line.split_once(word)) {
            gist = format!("{gist} (at {})", statement.1.trim());
        } else if MORE.iter().any(|word| line.starts_with(word)) {
            gist = format!("{gist}; {}", line.trim());
        } else {
            break;
        }
    }
    match gist.char_indices().nth(GIST_CHARS) {
        Some((end, _)) => format!("{}…", &gist[..end]),
        None => gist,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(String::from).collect()
    }

    fn said(name: &str, text: &str) -> String {
        let mut kept = Kept::new(name);
        text.lines().for_each(|line| kept.take(line.into()));
        gist(name, &kept.lines.into_iter().collect::<Vec<_>>())
    }

    #[test]
    fn the_gist_is_the_first_error_and_where_it_happened() {
        let text = "pg_dump: error: query failed: ERROR:  permission denied for table t\n\
                    pg_dump: detail: Query was: LOCK TABLE public.t IN ACCESS SHARE MODE";
        assert_eq!(
            said("pg_dump", text),
            "query failed: ERROR:  permission denied for table t (at LOCK TABLE public.t IN ACCESS SHARE MODE)"
        );
        let text = "pg_restore: error: could not execute query: ERROR:  server \"s\" does not exist\n\
                    LINE 1: password 's3cret'\n\
                    Command was: CREATE USER MAPPING FOR app SERVER s OPTIONS (\n    password 's3cret'\n);\n\
                    \n";
        assert_eq!(
            said("pg_restore", text),
            "could not execute query: ERROR:  server \"s\" does not exist (at CREATE USER MAPPING FOR app SERVER s OPTIONS)"
        );
        assert_eq!(said("psql", "psql:<stdin>:4: ERROR:  no\nLINE 1: x"), "ERROR:  no");
        let text = "/pg/bin/pg_dump: unrecognized option '--x'\npg_dump: hint: Try \"pg_dump --help\".";
        assert_eq!(gist("pg_dump", &lines(text)), "unrecognized option '--x'; hint: Try \"pg_dump --help\".");
        assert_eq!(gist("x", &lines("first\nlast\n\n")), "last");
        assert_eq!(gist("x", &[]), "it said nothing");
        assert_eq!(gist("x", &["é".repeat(2000)]).chars().count(), GIST_CHARS + 1);
    }

    #[test]
    fn secrets_become_stars() {
        let secrets = [Secret::new("hunter22"), Secret::new("a")];
        assert_eq!(scrub("password hunter22 at bar", &secrets), "password *** at bar");
    }

    #[test]
    fn warnings_leave_with_their_details_and_the_rest_stays() {
        let mut kept = Kept::new("psql");
        kept.take("WARNING:  database \"x\" has a collation version mismatch".into());
        kept.take("DETAIL:  made with 2.31".into());
        assert!(kept.warning.as_deref().unwrap().ends_with("mismatch; made with 2.31"));
        kept.take("NOTICE:  nothing".into());
        kept.take("psql:<stdin>:1: WARNING:  another".into());
        assert_eq!(kept.warning.as_deref(), Some("another"));
        kept.take("psql: error: boom".into());
        assert_eq!((kept.warning.as_ref(), kept.lines.len()), (None, 1));
    }

    #[test]
    fn only_the_end_is_kept() {
        let mut kept = Kept::new("x");
        for number in 0..10_000 {
            kept.take(format!("line number {number}"));
        }
        assert!(kept.bytes <= KEPT_BYTES);
        assert_eq!(kept.lines.back().unwrap(), "line number 9999");
    }
}
