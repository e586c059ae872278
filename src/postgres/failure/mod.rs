//! How PostgreSQL's programs fail: what they said, what situation that is, and what to do about it.
//!
//! Decided here and nowhere else: nobody searches a message for words.

mod advice;
pub mod message;
pub mod severity;
mod situation;

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use crate::error::{Error, Kind};

use self::message::{Message, PartKind, worst};
use self::severity::Level;

pub use situation::{Constraint, Situation};

#[cfg(test)]
mod tests;

/// How a child process failed, before it becomes an error.
#[derive(Debug)]
pub enum Failure {
    /// It could not be started.
    NotStarted(Error),
    /// It ended badly.
    Ended {
        /// The program's file name.
        name: String,
        /// Its exit status.
        status: ExitStatus,
        /// What it said on stderr, scrubbed; `None` if it spoke to people itself.
        said: Option<Vec<Message>>,
    },
}

impl Failure {
    /// What happened, as far as its words or its end show.
    pub fn situation(&self) -> Option<Situation> {
        match self {
            Failure::NotStarted(error) => error.situation(),
            Failure::Ended { status, .. } if status.signal().is_some() => {
                status.signal().map(Situation::Killed)
            }
            Failure::Ended { said, .. } => Situation::of(said.as_deref().unwrap_or_default()),
        }
    }

    /// What a `pg_restore` could not do that went on to its end all the same, a line each.
    pub fn errors_ignored(&self) -> Option<Vec<String>> {
        let Failure::Ended { said: Some(said), .. } = self else { return None };
        let ignored = said.iter().find_map(Message::errors_ignored)?;
        let errors = said.iter().filter(|message| message.level == Level::Error);
        let mut lines: Vec<String> = errors.map(Message::line).collect();
        // Of many only the first and the last are remembered.
        let more = ignored.saturating_sub(lines.len());
        if more > 0 {
            lines.push(format!("{more} more"));
        }
        Some(lines)
    }

    /// Says whether it is one of these situations.
    pub fn is(&self, situations: &[Situation]) -> bool {
        self.situation().is_some_and(|situation| situations.contains(&situation))
    }

    /// The exit code, if it exited by itself.
    pub fn code(&self) -> Option<i32> {
        match self {
            Failure::NotStarted(_) => None,
            Failure::Ended { status, .. } => status.code(),
        }
    }
}

impl Failure {
    /// The error if it was the user's own SQL: advice on dumps and restores has nothing to do with that.
    pub fn of_own_sql(self) -> Error {
        self.error(true)
    }

    fn error(self, is_own_sql: bool) -> Error {
        let situation = self.situation();
        let (name, status, said) = match self {
            Failure::NotStarted(error) => return error,
            Failure::Ended { name, status, said } => (name, status, said),
        };
        let how = match status.signal() {
            Some(signal) => format!("{name} was killed by signal {signal}"),
            None if status.success() => format!("{name} went on after an error"),
            None => format!("{name} failed (exit status {})", status.code().unwrap_or_default()),
        };
        // A command that speaks to people itself is the user's, and no part of PostgreSQL.
        let kind = if said.is_some() { Kind::Postgres } else { Kind::Command };
        let worst = said.as_deref().filter(|_| status.signal().is_none()).map(worst);
        let mut error = match worst {
            None => Error::new(kind, how),
            Some(None) => Error::new(kind, format!("{how}: it said nothing")),
            Some(Some(message)) => Error::new(kind, format!("{how}: {}", message.line())),
        };
        if let Some(situation) = situation {
            error = error.in_situation(situation);
            let hint = if is_own_sql { situation.hint_anywhere() } else { situation.hint_after(&name) };
            error = hint.into_iter().fold(error, Error::hint);
        }
        match worst.flatten() {
            Some(message) => explained(error, message),
            None => error,
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error(false)
    }
}

/// Adds what the program said to explain its message.
fn explained(mut error: Error, message: &Message) -> Error {
    for part in &message.parts {
        let text = part.text.as_str();
        error = match part.kind {
            PartKind::Detail => error.detail("detail", text),
            PartKind::Context => error.detail("context", text),
            PartKind::Query => error.detail("query", text),
            PartKind::Statement => error.detail("statement", text),
            PartKind::Line => error.detail("line", text),
            PartKind::Entry => error.detail("entry", text),
            PartKind::Hint => error.hint(text),
            PartKind::Location | PartKind::Name => error,
        };
    }
    error
}
