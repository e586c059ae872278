//! Runs `pg_restore`, on an archive that arrives as a stream or on one without data in a file; or lets it write
//! SQL.
//!
//! It ends at the first error. A stream is one transaction unless the database is one that goes when the
//! restore fails. It never creates or cleans a database; that is `target`'s part.

use std::process::Stdio;

use crate::error::{Error, Result};

use super::passthrough::Tool;
use crate::postgres::clients::Client;
use crate::postgres::connect::ConnInfo;
use crate::postgres::process::{ChildInput, Program, Reports};
use crate::temporary::Scratch;

/// How to restore, in `pg_restore`'s own words.
#[derive(Debug, Clone, Default)]
pub struct PgRestoreOptions {
    /// Everything belongs to the connecting role.
    pub no_owner: bool,
    /// No privileges are granted: the archive that is given to `pg_restore` has none.
    pub no_acl: bool,
    /// What cannot be restored is passed over, and every statement is for itself.
    pub keep_going: bool,
    /// Further options for `pg_restore`, checked by [`PgRestoreOptions::check`].
    pub extra: Vec<String>,
    /// Where what our own SQL reports is collected.
    pub reports: Reports,
}

const FRESH: &str = "pgstow prepares the target itself, and never drops what is there";

/// `pg_restore` and the options it is not given.
pub const TOOL: Tool = Tool {
    name: "pg_restore",
    short_with_argument: "dfFhIjLnNpPStTU",
    refused: &[
        (Some('f'), "file", "pgstow restores into a database; pgstow fetch writes files"),
        (Some('j'), "jobs", "pgstow has --jobs of its own, which needs no local file"),
        (Some('l'), "list", "it would not restore"),
        (Some('c'), "clean", FRESH),
        (Some('C'), "create", FRESH),
        (None, "if-exists", FRESH),
        (None, "transaction-size", "pgstow chooses it, so that a bad backup leaves nothing"),
    ],
};

impl PgRestoreOptions {
    /// Refuses extra options that would break the promise of all or nothing.
    pub fn check(&self) -> Result<()> {
        TOOL.check(&self.extra)
    }

    fn arguments(&self) -> Vec<String> {
        // Named, since guessing the format would eat the first bytes of some kinds of pipe.
        let mut arguments = vec!["--format=custom".to_owned()];
        if !self.keep_going {
            arguments.push("--exit-on-error".into());
        }
        if self.no_owner {
            arguments.push("--no-owner".into());
        }
        arguments.extend(self.extra.iter().cloned());
        arguments
    }
}

/// How much of an archive becomes visible at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Atomicity {
    /// All of it or nothing. The server holds a lock for every object until the end.
    Whole,
    /// This many objects at a time, or each for itself if this `pg_restore` knows no better: for a database that
    /// is dropped when the restore fails.
    Batches(u64),
}

/// Since this major `pg_restore` commits in batches.
const KNOWS_BATCHES: u32 = 17;

/// Starts `pg_restore` on a stream; `conn` must name the database to fill.
///
/// The restore is done when `finish` returns. With [`Atomicity::Whole`] whoever drops the input instead
/// leaves the database as it was.
pub async fn restore(
    client: &Client,
    conn: &ConnInfo,
    options: &PgRestoreOptions,
    atomicity: Atomicity,
) -> Result<ChildInput> {
    let program = client.program("pg_restore");
    let program = match atomicity {
        _ if options.keep_going => program,
        Atomicity::Whole => program.arg("--single-transaction"),
        Atomicity::Batches(size) if client.version.major >= KNOWS_BATCHES => {
            program.arg(format!("--transaction-size={size}"))
        }
        Atomicity::Batches(_) => program,
    };
    prepared(program, conn, options).await?.write()
}

/// Starts `pg_restore` on a stream, to write the SQL of it into `out`; no database is asked.
pub fn script(client: &Client, out: Stdio) -> Result<ChildInput> {
    client.program("pg_restore").args(["--format=custom", "--file=-"]).write_into(out)
}

/// Runs `pg_restore` on what an archive without data creates after the data, over this many connections, in an
/// order that it decides.
///
/// This is no transaction: what was done is not undone when it fails.
pub async fn restore_file(
    client: &Client,
    conn: &ConnInfo,
    options: &PgRestoreOptions,
    jobs: usize,
    archive: &Scratch,
) -> Result<()> {
    let program = client.program("pg_restore").arg(format!("--jobs={jobs}")).arg("--section=post-data");
    let unreadable = |e| Error::local_file("a temporary file cannot be handed over").because(e);
    if let Some(user) = conn.run_by() {
        archive.give(user.uid, user.gid).map_err(unreadable)?;
    }
    let file = archive.stdin().map_err(unreadable)?;
    prepared(program, conn, options).await?.arg(archive.path()).run_on(file).await?;
    Ok(())
}

async fn prepared(program: Program, conn: &ConnInfo, options: &PgRestoreOptions) -> Result<Program> {
    options.check()?;
    conn.target_name()?;
    // Only then does it say at which entry of the archive it failed.
    let program = program.arg("--verbose").verbose().reports(options.reports.clone());
    conn.dress(program.args(options.arguments())).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stops_at_the_first_error() {
        let options = PgRestoreOptions {
            no_owner: true,
            extra: vec!["--role=app".into()],
            ..PgRestoreOptions::default()
        };
        assert_eq!(options.arguments(), ["--format=custom", "--exit-on-error", "--no-owner", "--role=app"]);
    }
}
