//! What can go wrong, said once: a kind, a sentence, a hint, and the cause behind it.
//!
//! The kind decides the exit code, so a script can tell a wrong password from a bad backup. The
//! message is a fact about this situation; the hint is advice and stands apart from it. A failure
//! is printed where it is handled (`report.rs`), never where it passes through.

use std::error::Error as StdError;
use std::fmt;

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
    /// SIGINT ended the run.
    Interrupted,
    /// SIGTERM ended the run.
    Terminated,
}

impl Kind {
    /// Every kind, in the order of the exit codes; the README's table is checked against it.
    pub const ALL: [Kind; 13] = [
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
            Kind::Interrupted => 130,
            Kind::Terminated => 143,
        }
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
            Kind::Interrupted => "interrupted (SIGINT)",
            Kind::Terminated => "terminated (SIGTERM)",
        }
    }
}

/// One failure: what happened, what to do about it, and what was behind it.
pub struct Error {
    kind: Kind,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A failure of this kind; `message` is a sentence without a full stop.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, source: None }
    }

    /// Adds advice: what the user can do now.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Puts what was being done before the message: "read recipients file: …".
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// Puts what else is to say behind the message.
    #[must_use]
    pub fn and(mut self, more: impl fmt::Display) -> Self {
        self.message = format!("{}; {more}", self.message);
        self
    }

    /// The same failure as another kind, where the caller knows better.
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

    /// What to do about it, where there is advice.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
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
        write!(f, "{:?}: {}", self.kind, self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, " (hint: {hint})")?;
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

/// Shorthand for each kind that leaves raise often.
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
