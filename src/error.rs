//! What can go wrong: a kind, a sentence, details, hints, and the cause.
//!
//! The kind decides the exit code, so a script can tell a wrong password from a bad backup. The
//! message is one line and a fact; what explains it at length are its details, and what the user can do
//! now are its hints. For code there is the situation: a value of the failing room's own type, so that
//! nobody has to search the message for words. A failure is printed where it is handled (`report/`),
//! never where it passes through.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kinds of failure a user can meet; each has its own exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Something that cannot happen did: a bug in pgstow.
    Unexpected,
    /// The words on the command line do not fit together.
    Usage,
    /// Settings, keys or client programs cannot be used.
    Settings,
    /// The PostgreSQL side failed: server, `pg_dump`, `pg_restore` or `psql`.
    Postgres,
    /// The store is unreachable, full, or refused.
    Store,
    /// No such backup, name or object.
    NotFound,
    /// The bytes are not what they should be: damaged, incomplete, forged or not ours to open.
    Verify,
    /// The target exists, or is not empty.
    TargetExists,
    /// Another run holds the lock.
    Locked,
    /// A local file or pipe could not be read or written.
    LocalFile,
    /// The user's own command, which gives or takes a stream, failed.
    Command,
    /// Old backups were not removed as asked: the backup job may be dead, or the removal after a backup failed.
    Prune,
    /// A newest backup is missing, too old, or much smaller than the one before it.
    Overdue,
    /// SIGHUP ended the run.
    HungUp,
    /// SIGINT ended the run.
    Interrupted,
    /// SIGTERM ended the run.
    Terminated,
}

impl Kind {
    /// Every kind, in the order of the exit codes; the README's table is checked against it.
    pub const ALL: [Kind; 16] = [
        Kind::Unexpected,
        Kind::Usage,
        Kind::Settings,
        Kind::Postgres,
        Kind::Store,
        Kind::NotFound,
        Kind::Verify,
        Kind::TargetExists,
        Kind::Locked,
        Kind::LocalFile,
        Kind::Command,
        Kind::Prune,
        Kind::Overdue,
        Kind::HungUp,
        Kind::Interrupted,
        Kind::Terminated,
    ];

    /// The process's exit code.
    pub const fn exit_code(self) -> u8 {
        match self {
            Kind::Unexpected => 1,
            Kind::Usage => 2,
            Kind::Settings => 10,
            Kind::Postgres => 11,
            Kind::Store => 12,
            Kind::NotFound => 13,
            Kind::Verify => 14,
            Kind::TargetExists => 15,
            Kind::Locked => 16,
            Kind::LocalFile => 17,
            Kind::Command => 18,
            Kind::Prune => 19,
            Kind::Overdue => 20,
            Kind::HungUp => 129,
            Kind::Interrupted => 130,
            Kind::Terminated => 143,
        }
    }

    /// Whether a signal ended the run: then nothing else is tried.
    pub const fn is_signal(self) -> bool {
        matches!(self, Kind::HungUp | Kind::Interrupted | Kind::Terminated)
    }

    /// What the exit code means, as `--help` and the README say it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Kind::Unexpected => "unexpected: a bug in pgstow",
            Kind::Usage => "usage: the command line does not fit together",
            Kind::Settings => "settings, keys or client programs are unusable",
            Kind::Postgres => "the PostgreSQL side failed",
            Kind::Store => "the store is unreachable, full, or refused",
            Kind::NotFound => "no such backup",
            Kind::Verify => "does not verify: damaged, incomplete, or not opened by this identity",
            Kind::TargetExists => "the target exists or is not empty",
            Kind::Locked => "another run holds the lock",
            Kind::LocalFile => "a local file or pipe could not be read or written",
            Kind::Command => "the command after -- failed",
            Kind::Prune => "old backups were not removed; a new one, if asked for, is stored",
            Kind::Overdue => "a newest backup is missing, too old, or much smaller",
            Kind::HungUp => "hung up: the terminal or the connection is gone (SIGHUP)",
            Kind::Interrupted => "interrupted (SIGINT)",
            Kind::Terminated => "terminated (SIGTERM)",
        }
    }
}

/// One failure: what happened, what explains it, what to do about it, and what caused it.
#[derive(Clone)]
pub struct Error {
    kind: Kind,
    message: String,
    details: Vec<Detail>,
    hints: Vec<String>,
    situation: Option<Arc<dyn Any + Send + Sync>>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// What explains a failure besides its message, such as the statement that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// What it is, in one word: `statement`.
    pub label: &'static str,
    /// The text; it may have several lines.
    pub text: String,
}

impl Error {
    /// A failure of this kind; `message` is a sentence without a full stop.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            details: Vec::new(),
            hints: Vec::new(),
            situation: None,
            source: None,
        }
    }

    /// Adds a detail: `label` says in one word what `text` is.
    #[must_use]
    pub fn detail(mut self, label: &'static str, text: impl Into<String>) -> Self {
        self.details.push(Detail { label, text: text.into() });
        self
    }

    /// Adds a hint: something the user can do now. Hints that are there already stay.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
        self
    }

    /// Removes the hints, if the caller knows that they do not apply.
    #[must_use]
    pub fn without_hints(mut self) -> Self {
        self.hints.clear();
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// Says in the failing room's own type what happened, for code to decide by.
    #[must_use]
    pub fn in_situation<S: Any + Send + Sync>(mut self, situation: S) -> Self {
        self.situation = Some(Arc::new(situation));
        self
    }

    /// Puts what was being done before the message: "read recipients file: …".
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// Adds to the end of the message what else is to say.
    #[must_use]
    pub fn and(mut self, more: impl fmt::Display) -> Self {
        self.message = format!("{}; {more}", self.message);
        self
    }

    /// Says the same in other words, in the message, the details and the hints.
    #[must_use]
    pub fn reworded(mut self, reword: impl Fn(&str) -> String) -> Self {
        self.message = reword(&self.message);
        self.details.iter_mut().for_each(|detail| detail.text = reword(&detail.text));
        self.hints.iter_mut().for_each(|hint| *hint = reword(hint));
        self
    }

    /// Makes it a failure of another kind, if the caller knows better.
    #[must_use]
    pub fn of_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// The kind, which decides the exit code.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What happened.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What explains it besides the message.
    pub fn details(&self) -> &[Detail] {
        &self.details
    }

    /// What the user can do about it.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The message with its hints, for a place that has only one line.
    pub fn with_hints(&self) -> String {
        if self.hints.is_empty() {
            return self.message.clone();
        }
        format!("{} (hint: {})", self.message, self.hints.join("; "))
    }

    /// What happened, if the room whose type this is said so.
    pub fn situation<S: Any + Copy>(&self) -> Option<S> {
        self.situation.as_deref().and_then(|situation| (situation as &dyn Any).downcast_ref()).copied()
    }

    /// Carries this failure through an interface that only knows `io::Error` (a reader's `read`).
    pub fn into_io(self) -> std::io::Error {
        std::io::Error::other(self)
    }

    /// Takes a failure back out of an `io::Error` that `into_io` made, or wraps a plain one.
    pub fn from_io(error: std::io::Error, kind: Kind, doing: &str) -> Self {
        match error.downcast::<Error>() {
            Ok(ours) => ours,
            Err(plain) => Self::new(kind, format!("{doing}: {plain}")).because(plain),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.with_hints())?;
        for Detail { label, text } in &self.details {
            write!(f, " [{label}: {text}]")?;
        }
        match &self.source {
            Some(source) => write!(f, " <- {source}"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// Shorthand for each kind that rooms raise often.
macro_rules! constructors {
    ($($name:ident => $kind:ident),* $(,)?) => {
        impl Error {$(
            #[doc = concat!("A failure of kind [`Kind::", stringify!($kind), "`].")]
            pub fn $name(message: impl Into<String>) -> Self {
                Self::new(Kind::$kind, message)
            }
        )*}
    };
}

constructors! {
    unexpected => Unexpected,
    usage => Usage,
    settings => Settings,
    postgres => Postgres,
    store => Store,
    not_found => NotFound,
    verify => Verify,
    target_exists => TargetExists,
    local_file => LocalFile,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_hint_replaces_another_and_none_is_repeated() {
        let error = Error::postgres("no").hint("first").hint("second").hint("first");
        assert_eq!(error.hints(), ["first", "second"]);
        assert_eq!(error.with_hints(), "no (hint: first; second)");
        assert_eq!(error.without_hints().with_hints(), "no");
    }

    #[test]
    fn a_situation_is_known_by_its_type() {
        #[derive(Debug, Clone, Copy, PartialEq)]
        struct Ours(u8);
        #[derive(Debug, Clone, Copy, PartialEq)]
        struct Theirs;
        let error = Error::postgres("no").in_situation(Ours(7)).context("doing");
        assert_eq!((error.situation::<Ours>(), error.situation::<Theirs>()), (Some(Ours(7)), None));
        assert_eq!(Error::postgres("no").situation::<Ours>(), None);
    }

    #[test]
    fn a_copy_says_everything_that_the_original_says() {
        let error = Error::verify("no").detail("line", "1").hint("do").because("why").in_situation(3u8);
        let copy = error.clone();
        assert_eq!(
            (copy.kind(), copy.details(), copy.hints()),
            (error.kind(), error.details(), error.hints())
        );
        assert_eq!((copy.situation::<u8>(), copy.source().unwrap().to_string()), (Some(3), "why".to_owned()));
        assert_eq!(format!("{copy:?}"), format!("{error:?}"));
    }
}
