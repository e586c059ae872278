//! What PostgreSQL's programs say on stderr, taken apart: one message, and what explains it.
//!
//! A message begins with a program's name or with a severity; what follows belongs to it: DETAIL, HINT,
//! CONTEXT, the statement. With psql's verbose errors a message also has its SQLSTATE, in every language.
//! Nothing here decides what a message means.

use super::severity::{Level, of_server, severity, sqlstate};
use crate::postgres::sql::{masked, masked_within};

/// How much of a statement is shown, in characters.
const STATEMENT_CHARS: usize = 1000;
/// Nothing is added to a part that has this many bytes.
///
/// Less than the longest line that is read whole: after a line that was cut nobody knows any more what
/// stands within a literal.
const PART_BYTES: usize = 4 * 1024;
/// How much of a message goes into one line, in characters.
const LINE_CHARS: usize = 700;
/// How many parts of a message are kept.
const MOST_PARTS: usize = 20;

/// What a part of a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    /// DETAIL.
    Detail,
    /// HINT.
    Hint,
    /// CONTEXT: in what the server was when it failed.
    Context,
    /// QUERY: the statement inside a function.
    Query,
    /// The statement that the program ran.
    Statement,
    /// LINE n: a line of the statement.
    Line,
    /// The entry of an archive's table of contents.
    Entry,
    /// The place in the server's source, with the function's name first.
    Location,
    /// Names of the table, the column, the constraint.
    Name,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// Its text, one or several lines.
    pub text: String,
}

/// One message of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// How grave it is.
    pub level: Level,
    /// Whether the program put its name before it: of what has none, a line may be one of a text that the server sent.
    pub is_named: bool,
    /// The message itself, without the program's name; several lines if it has them.
    pub text: String,
    /// The SQLSTATE, if psql printed it.
    pub sqlstate: Option<String>,
    /// What explains it.
    pub parts: Vec<Part>,
}

/// What the lines below a message begin with.
const LABELS: &[(&str, PartKind)] = &[
    ("DETAIL:", PartKind::Detail),
    ("detail:", PartKind::Detail),
    ("HINT:", PartKind::Hint),
    ("hint:", PartKind::Hint),
    ("CONTEXT:", PartKind::Context),
    ("QUERY:", PartKind::Query),
    ("LOCATION:", PartKind::Location),
    ("SCHEMA NAME:", PartKind::Name),
    ("TABLE NAME:", PartKind::Name),
    ("COLUMN NAME:", PartKind::Name),
    ("DATATYPE NAME:", PartKind::Name),
    ("CONSTRAINT NAME:", PartKind::Name),
    ("Command was:", PartKind::Statement),
    ("The command was:", PartKind::Statement),
    ("Query was:", PartKind::Statement),
    ("query was:", PartKind::Statement),
];

impl Message {
    fn new(level: Level, text: impl Into<String>) -> Self {
        Self { level, is_named: false, text: text.into(), sqlstate: None, parts: Vec::new() }
    }

    /// The first part of this kind.
    pub fn part(&self, kind: PartKind) -> Option<&str> {
        self.parts.iter().find(|part| part.kind == kind).map(|part| part.text.as_str())
    }

    /// The message on one line, with the head of the statement at which it happened.
    pub fn line(&self) -> String {
        let mut line = joined(&self.text);
        if let Some((end, _)) = line.char_indices().nth(LINE_CHARS) {
            line.truncate(end);
            line.push('…');
        }
        match self.part(PartKind::Statement).map(head).filter(|head| !head.is_empty()) {
            Some(head) => format!("{line} (at {head})"),
            None => line,
        }
    }

    /// The message on one line with what the server adds to it, as a warning is passed on.
    pub fn told(&self) -> String {
        let more = self.parts.iter().filter(|part| matches!(part.kind, PartKind::Detail | PartKind::Hint));
        let more = more.map(|part| joined(&part.text));
        [joined(&self.text)].into_iter().chain(more).collect::<Vec<_>>().join("; ")
    }

    /// How many errors a `pg_restore` passed over on the way to its end, which is the last thing it says.
    pub fn errors_ignored(&self) -> Option<usize> {
        self.text.strip_prefix("errors ignored on restore: ")?.trim().parse().ok()
    }

    /// How many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.text.len() + self.parts.iter().map(|part| part.text.len()).sum::<usize>()
    }

    /// Makes of what was read what may be shown: only the start of a statement, and no literal in it.
    fn finished(mut self) -> Self {
        // A statement that is shown shows its line too. Any line but its first may begin within a literal.
        let shows_statement = self.part(PartKind::Statement).or(self.part(PartKind::Query)).is_some();
        self.parts.retain(|part| match part.kind {
            PartKind::Line => {
                !shows_statement && part.text.starts_with("1: ") && !part.text.starts_with("1: ...")
            }
            // What getopt_long says: pgstow's user did not run that program.
            PartKind::Hint => !part.text.starts_with("Try \""),
            _ => true,
        });
        for part in &mut self.parts {
            let text = part.text.trim();
            part.text = match part.kind {
                PartKind::Statement | PartKind::Query => shortened(&masked(text)),
                PartKind::Context => masked_within(text),
                // Without the sign below it that points at a word.
                PartKind::Line => masked(text.lines().next().unwrap_or_default()),
                _ => text.to_owned(),
            };
        }
        self
    }
}

/// Lines as one line.
fn joined(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("; ")
}

/// The start of a statement, up to where it goes into detail.
fn head(statement: &str) -> String {
    let head = statement.split(['(', '\'', '$']).next().unwrap_or_default();
    head.trim().trim_end_matches(';').chars().take(80).collect()
}

fn shortened(statement: &str) -> String {
    match statement.char_indices().nth(STATEMENT_CHARS) {
        Some((end, _)) => format!("{}…", statement.get(..end).unwrap_or_default()),
        None => statement.trim_end_matches(';').to_owned(),
    }
}

/// Puts the lines of one program's stderr together into messages.
#[derive(Debug)]
pub struct Reader {
    name: String,
    message: Option<Message>,
    /// An archive's entry, which is reported before the error that it belongs to.
    entry: Option<String>,
}

impl Reader {
    /// Reads what the program of this name says.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), message: None, entry: None }
    }

    /// Takes a line; returns the message before it, if the line begins another.
    pub fn take(&mut self, line: &str) -> Option<Message> {
        let own = own_words(&self.name, line);
        let is_own = own.len() < line.len();
        let message = self.message.as_ref();
        // Anything may stand on a line of a statement.
        if !is_own && message.is_some_and(ends_with_statement) {
            self.go_on(own);
            return None;
        }
        if let Some(entry) = own.strip_prefix("from TOC entry ").filter(|_| is_own) {
            self.entry = Some(entry.to_owned());
            return None;
        }
        if let Some((kind, text)) = label(own).or_else(|| continued(own).filter(|_| is_own)) {
            self.add(kind, text);
            return None;
        }
        // What follows an error without a name or a severity before it belongs to it.
        let is_apart = message.is_none_or(|message| message.level == Level::Plain);
        let begun =
            begun(own, is_own, is_apart).or_else(|| is_apart.then(|| Message::new(Level::Plain, own)));
        let Some(message) = begun else {
            self.go_on(own);
            return None;
        };
        let before = self.end();
        self.message = Some(Message { is_named: is_own, ..message });
        before
    }

    /// The message that is being read.
    pub fn end(&mut self) -> Option<Message> {
        let mut message = self.message.take()?;
        if message.level == Level::Error
            && let Some(text) = self.entry.take()
        {
            message.parts.insert(0, Part { kind: PartKind::Entry, text });
        }
        Some(message.finished())
    }

    fn add(&mut self, kind: PartKind, text: &str) {
        let (kind, text) = label(text).filter(|_| kind == PartKind::Detail).unwrap_or((kind, text));
        let message = self.message.get_or_insert_with(|| Message::new(Level::Plain, ""));
        // pg_dump puts the server's message, or the statement, into a detail of its own.
        if let Some(text) = text.strip_prefix("Error message from server: ") {
            let start = message.text.rfind(": PQ").unwrap_or(message.text.len());
            message.text.truncate(start);
            message.text.push_str(&format!(": {text}"));
        } else if message.parts.len() < MOST_PARTS || kind == PartKind::Statement {
            message.parts.push(Part { kind, text: text.to_owned() });
        }
    }

    /// Adds a line to what stands last.
    fn go_on(&mut self, line: &str) {
        let Some(message) = &mut self.message else { return };
        let text = message.parts.last_mut().map_or(&mut message.text, |part| &mut part.text);
        if text.len() < PART_BYTES {
            text.push('\n');
            text.push_str(line);
        }
    }
}

fn ends_with_statement(message: &Message) -> bool {
    message.parts.last().is_some_and(|part| part.kind == PartKind::Statement)
}

/// What a pg_dump of 13 or older says as another error, and belongs to the one before.
fn continued(line: &str) -> Option<(PartKind, &str)> {
    let text = line.strip_prefix("error: ")?;
    if text.starts_with("Error message from server: ") {
        return Some((PartKind::Detail, text));
    }
    label(text).filter(|(kind, _)| *kind == PartKind::Statement)
}

/// The part that a line begins.
fn label(line: &str) -> Option<(PartKind, &str)> {
    let of_line = line.strip_prefix("LINE ");
    if let Some(text) = of_line.filter(|text| text.starts_with(|c: char| c.is_ascii_digit())) {
        return Some((PartKind::Line, text));
    }
    let found = LABELS.iter().find_map(|(label, kind)| Some((*kind, line.strip_prefix(label)?)));
    found.map(|(kind, text)| (kind, text.trim_start()))
}

/// The message that a line begins; `is_own` if the program put its name before it, `is_apart` if it belongs
/// to nothing that was said before.
fn begun(line: &str, is_own: bool, is_apart: bool) -> Option<Message> {
    let (place, rest) = if is_own { place(line) } else { ("", line) };
    let words = [("error: ", Level::Error), ("fatal: ", Level::Error), ("warning: ", Level::Warning)];
    let said = words
        .iter()
        .filter(|_| is_own || is_apart)
        .find_map(|(word, level)| Some((*level, rest.strip_prefix(word)?)));
    if let Some((level, text)) = said {
        return Some(Message::new(level, format!("{place}{text}")));
    }
    let Some((severity, text)) = severity(rest) else {
        return is_own.then(|| Message::new(Level::Plain, line));
    };
    let (code, text) = sqlstate(text).map_or((None, text), |(code, text)| (Some(code), text));
    let level = of_server(severity, code);
    let text = if level == Level::Error { format!("{place}{severity}:  {text}") } else { text.to_owned() };
    Some(Message { sqlstate: code.map(str::to_owned), ..Message::new(level, text) })
}

/// Takes the place in a script of the user's (`grants.sql:3: `) off a line of psql's.
fn place(line: &str) -> (&str, &str) {
    let is_place = |at: usize| {
        let number = line.get(..at).and_then(|place| place.rsplit_once(':')).map(|(_, number)| number);
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let end = line.match_indices(": ").map(|(at, _)| at).find(|at| is_place(*at));
    line.split_at(end.map_or(0, |at| at + 2))
}

/// A line without the program's name, and without the place in a script that is ours.
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

/// The message worth showing of all that a failed program said: its first error, else what it said last.
pub fn worst(messages: &[Message]) -> Option<&Message> {
    let error = messages.iter().find(|message| message.level == Level::Error);
    // getopt_long complains without a word for it; older programs then point at --help.
    let says = |message: &&Message| !message.text.trim().is_empty() && !message.text.starts_with("Try \"");
    error.or_else(|| messages.iter().rfind(says))
}
