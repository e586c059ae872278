//! A password that a command of the user's prints: a token that is valid for minutes is asked for again by
//! every child that connects.
//!
//! Neither the command nor what it prints is ever shown.

use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;

use crate::error::{Error, Kind, Result};

use crate::postgres::process::{Program, Secret};

/// How long it may take: it may have to ask a service, but nobody.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest password, in bytes: a token of RDS has some 2 KiB.
const LONGEST: u64 = 64 << 10;

/// A command that prints a password.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordCommand {
    /// What `/bin/sh` runs.
    pub line: String,
    /// Its environment; there are most likely secrets in it.
    pub environment: Vec<(OsString, OsString)>,
}

impl fmt::Debug for PasswordCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordCommand")
    }
}

/// A command that prints a password, and for what connection: libpq's variables.
#[derive(Clone)]
pub struct Asked {
    /// The command.
    pub command: PasswordCommand,
    /// Host, port, user and database, as far as they are known.
    pub variables: Vec<(OsString, OsString)>,
}

impl Asked {
    /// Gives a program a password that was printed for it.
    ///
    /// # Errors
    /// Those of [`PasswordCommand::ask`].
    pub async fn give(&self, program: Program) -> Result<Program> {
        Ok(program.secret_env("PGPASSWORD", self.command.ask(self.variables.clone()).await?))
    }
}

impl PasswordCommand {
    /// Runs it and reads the password; `variables` say what it is for.
    ///
    /// # Errors
    /// `Kind::Settings` if it fails, takes too long, or prints no password.
    pub async fn ask(&self, variables: Vec<(OsString, OsString)>) -> Result<Secret> {
        let program = Program::new("/bin/sh").args(["-c", &self.line]).called("the password command");
        let program = program.envs(self.environment.clone()).envs(variables).of_the_user();
        let (mut printed, mut text) = (program.read()?.take(LONGEST + 1), Vec::new());
        let read = tokio::time::timeout(PATIENCE, printed.read_to_end(&mut text)).await;
        let unusable = |why: String| Error::settings(format!("the password command {why}"));
        let late = || unusable(format!("did not end within {} seconds", PATIENCE.as_secs()));
        read.map_err(|_| late())?.map_err(|e| {
            let failed = Error::from_io(e, Kind::Settings, "read what the password command prints");
            failed.of_kind(Kind::Settings).hint(
                "run it yourself: it must print the password, and exit with 0 (--password-command, PGSTOW_PASSWORD_COMMAND)",
            )
        })?;
        if text.len() as u64 > LONGEST {
            return Err(unusable(format!("printed more than {} KiB", LONGEST >> 10)));
        }
        let text = String::from_utf8(text).map_err(|_| unusable("printed no text".into()))?;
        let password = text.strip_suffix('\n').unwrap_or(&text);
        let password = password.strip_suffix('\r').unwrap_or(password);
        match password {
            "" => Err(unusable("printed nothing".into())),
            _ if password.contains(['\n', '\0']) => {
                Err(unusable("printed more than one line".into()).hint("it must print the password alone"))
            }
            password => Ok(Secret::new(password)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(line: &str) -> Result<Secret> {
        let environment = std::env::var_os("PATH").map(|path| ("PATH".into(), path)).into_iter().collect();
        let variables = vec![("PGUSER".into(), "job".into())];
        PasswordCommand { line: line.to_owned(), environment }.ask(variables).await
    }

    #[tokio::test]
    async fn its_line_is_the_password() {
        for (line, password) in
            [("echo s3cret", "s3cret"), ("printf 's3 cret\\r\\n'", "s3 cret"), ("echo $PGUSER-1", "job-1")]
        {
            assert_eq!(ask(line).await.unwrap().reveal(), password, "{line}");
        }
    }

    #[tokio::test]
    async fn what_is_no_password_is_refused_and_not_shown() {
        for (line, said) in [
            ("echo s3cret; exit 3", "the password command failed (exit status 3)"),
            ("true", "the password command printed nothing"),
            ("echo s3cret; echo more", "printed more than one line"),
            ("yes s3cret", "printed more than 64 KiB"),
            ("printf '\\377'", "printed no text"),
        ] {
            let error = ask(line).await.unwrap_err();
            assert_eq!(error.kind(), Kind::Settings, "{line}");
            assert!(error.message().contains(said), "{error:?}");
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        }
    }
}
