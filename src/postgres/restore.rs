//! Runs `pg_restore`, on an archive that arrives as a stream or on one section of it.
//!
//! A stream is one transaction that ends at the first error: either everything of it is there
//! afterwards or nothing. Nothing is committed before the last block the restore wants has arrived.
//! It never creates or cleans a database; that is `target`'s part.

use std::path::Path;

use crate::error::Result;

use super::child::ChildInput;
use super::clients::Client;
use super::conninfo::ConnInfo;
use super::extra::Tool;

/// How to restore, in `pg_restore`'s own words.
#[derive(Debug, Clone, Default)]
pub struct RestoreOptions {
    /// Everything belongs to the connecting role (or to `role`).
    pub no_owner: bool,
    /// No privileges are granted.
    pub no_acl: bool,
    /// `SET ROLE` before anything else.
    pub role: Option<String>,
    /// Further options for `pg_restore`, checked by [`RestoreOptions::check`].
    pub extra: Vec<String>,
}

const FRESH: &str = "pgstow prepares the target itself, and never drops what is there";

/// `pg_restore` and the options it is not given.
pub const TOOL: Tool = Tool {
    name: "pg_restore",
    short_with_argument: "dfFhIjLnNpPStTU",
    refused: &[
        (Some('f'), "file", "pgstow restores into a database; pgstow fetch writes files"),
        (Some('j'), "jobs", "a parallel restore needs a local file; pgstow streams"),
        (Some('l'), "list", "it would not restore"),
        (Some('c'), "clean", FRESH),
        (Some('C'), "create", FRESH),
        (None, "if-exists", FRESH),
        (None, "transaction-size", "the restore is one transaction, so that a bad backup leaves nothing"),
    ],
};

impl RestoreOptions {
    /// Refuses extra options that would break the promise of all or nothing.
    pub fn check(&self) -> Result<()> {
        TOOL.check(&self.extra)
    }

    fn arguments(&self) -> Vec<String> {
        // Named, since guessing the format would eat the first bytes of some kinds of pipe.
        let mut arguments: Vec<String> = ["--format=custom", "--exit-on-error"].map(String::from).into();
        if self.no_owner {
            arguments.push("--no-owner".into());
        }
        if self.no_acl {
            arguments.push("--no-acl".into());
        }
        arguments.extend(self.role.iter().map(|role| format!("--role={role}")));
        arguments.extend(self.extra.iter().cloned());
        arguments
    }
}

/// What of the archive is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// All of it.
    Whole,
    /// What comes before the data.
    PreData,
    /// The data.
    Data,
}

/// Starts `pg_restore` on a stream, as one transaction; the archive is written to it, then `finish`ed.
pub fn restore(
    client: &Client,
    conn: &ConnInfo,
    options: &RestoreOptions,
    section: Section,
) -> Result<ChildInput> {
    options.check()?;
    conn.target_name()?;
    let section = match section {
        Section::Whole => None,
        Section::PreData => Some("--section=pre-data"),
        Section::Data => Some("--section=data"),
    };
    let program = client.program("pg_restore").arg("--single-transaction").args(section);
    conn.dress(program.args(options.arguments())).write()
}

/// Runs what comes after the data (indexes, constraints, triggers) with many connections, in an order
/// that `pg_restore` decides.
///
/// `archive` is a file that needs to hold no data. What was done is not undone when it fails.
pub async fn post_data(
    client: &Client,
    conn: &ConnInfo,
    options: &RestoreOptions,
    jobs: usize,
    archive: &Path,
) -> Result<()> {
    options.check()?;
    conn.target_name()?;
    let program = client.program("pg_restore").arg("--section=post-data").arg(format!("--jobs={jobs}"));
    conn.dress(program.args(options.arguments()).arg(archive)).run(b"").await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stops_at_the_first_error() {
        let options =
            RestoreOptions { no_owner: true, role: Some("app".into()), ..RestoreOptions::default() };
        assert_eq!(options.arguments(), ["--format=custom", "--exit-on-error", "--no-owner", "--role=app"]);
    }
}
