//! A command of the user's own, and `pgstow restore` into one.

use super::environment::of_the_user;
use super::selection;
use crate::cli::RestoreWords;
use crate::command::UserCommand;
use crate::error::{Error, Result};
use crate::stored::read::opened::BackupSelection;
use std::ffi::OsString;

/// The command that was typed, if there was one.
pub(super) fn command(words: &[OsString]) -> Option<UserCommand> {
    let (program, arguments) = words.split_first()?;
    Some(UserCommand { program: program.clone(), arguments: arguments.to_vec(), environment: of_the_user() })
}

/// `pgstow restore` into a command.
#[derive(Debug)]
pub struct Feed {
    /// What to feed.
    pub selection: BackupSelection,
    /// To which command.
    pub command: UserCommand,
}

impl Feed {
    /// Checks the words of `pgstow restore` that name a command.
    pub fn read(words: RestoreWords) -> Result<Self> {
        let command = command(&words.command).ok_or_else(|| Error::usage("no command was given"))?;
        Ok(Self { selection: selection(words.select, &words.store, &words.open)?, command })
    }
}
