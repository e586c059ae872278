//! A command of the user's own, and `pgstow restore` into one.

use super::Source;
use crate::cli::RestoreWords;
use crate::error::{Error, Result};
use std::ffi::OsString;
use std::fmt;

/// A command of the user's own.
pub struct Command {
    /// The program.
    pub program: OsString,
    /// Its arguments; there may be secrets among them.
    pub arguments: Vec<OsString>,
}

impl Command {
    pub(super) fn read(words: &[OsString]) -> Option<Self> {
        let (program, arguments) = words.split_first()?;
        Some(Self { program: program.clone(), arguments: arguments.to_vec() })
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} …", self.program)
    }
}

/// `pgstow restore` into a command.
#[derive(Debug)]
pub struct Feed {
    /// What to feed.
    pub source: Source,
    /// To which command.
    pub command: Command,
}

impl Feed {
    /// Checks the words of `pgstow restore` that name a command.
    pub fn read(words: RestoreWords) -> Result<Self> {
        let command = Command::read(&words.command).ok_or_else(|| Error::usage("no command was given"))?;
        if words.to.is_some() {
            return Err(Error::usage("--to and a command contradict each other")
                .hint("leave one of them out (PGSTOW_TO too)"));
        }
        Ok(Self { source: Source::read(words.select, &words.store, &words.open)?, command })
    }
}
