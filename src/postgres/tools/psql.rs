//! One-shot questions and orders through `psql`.
//!
//! SQL goes in through stdin, never through arguments; an answer comes back as one JSON value.
//! There is no session between two calls: what must hold together goes into one script.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

use crate::postgres::clients::Client;
use crate::postgres::connect::ConnInfo;
use crate::postgres::failure::{Failure, Situation};
use crate::postgres::process::Program;
use crate::postgres::sql::{identifier, literal};

use super::sessions::{ASKING, ASKING_ONCE, PATIENT_TRANSACTION};

/// Takes away the variables that hold a server's own words: its version, and the name of a database, which it may have
/// listed. Outside of quotes psql reads their text instead of `:NAME`, with the commands in it.
///
/// Other commands may follow on its line, and SQL after `\\`.
pub(super) const WITHOUT_VARIABLES: &str = "\\unset SERVER_VERSION_NAME \\unset DBNAME ";

/// The first error ends a script, and comes with its SQLSTATE, which means the same in every language.
pub(super) const STRICT: [&str; 4] = ["-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose"];

/// Pauses between attempts at a server that is not ready: 15 seconds in all.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4), Duration::from_secs(8)];

/// Ends a transaction in the message of its question, if psql then prints the answer: since version 15, which has this
/// variable, it prints those of all statements of a message, before only the last one's.
const TAKEN_BACK: &str = "\n\\if :{?SHOW_ALL_RESULTS}\n\\;\n\\else\n;\n\\endif\nROLLBACK;\n";

/// psql's exit status when it could not connect.
pub const NO_CONNECTION: i32 = 2;

/// A database that can be asked, and the `psql` to ask with.
#[derive(Debug, Clone)]
pub struct Psql {
    client: Client,
    conn: ConnInfo,
    /// The role that its sessions take; `None` for the one that logs in.
    role: Option<String>,
}

/// Whether settings count with which sessions begin.
#[derive(Deserialize)]
struct Counting {
    all: bool,
    /// What else they begin with, that the client says.
    others: Vec<(String, String)>,
}

/// What a session has set since it began has the source `session`, and might be from the client too; whatever it is, it is
/// what sessions begin with.
const COUNTING: &str = "
SELECT json_build_object(
  'all', NOT EXISTS (SELECT FROM (VALUES {wanted}) w(name, value) LEFT JOIN pg_settings s USING (name)
                      WHERE s.reset_val IS DISTINCT FROM w.value),
  'others', (SELECT coalesce(json_agg(json_build_array(name, reset_val)), '[]') FROM pg_settings
              WHERE source IN ('client', 'session') AND context IN ('user', 'superuser')
                AND name NOT IN ('application_name', 'client_encoding') AND name NOT LIKE 'transaction%'));";

impl Psql {
    /// Nothing is started yet.
    pub fn new(client: &Client, conn: &ConnInfo) -> Self {
        Self { client: client.clone(), conn: conn.clone(), role: None }
    }

    /// The same database, asked in this role.
    ///
    /// Only questions are: whoever reads the list of sessions as another role than the one that logged in sees nothing
    /// of ours in it.
    #[must_use]
    pub fn in_role(&self, role: Option<&str>) -> Self {
        Self { role: role.map(str::to_owned), ..self.clone() }
    }

    /// The role that its sessions take, if that is not the one that logs in.
    pub fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }

    /// The same server, another database.
    #[must_use]
    pub fn with_dbname(&self, name: &str) -> Self {
        Self { conn: self.conn.with_dbname(name), ..self.clone() }
    }

    /// The same database, with a setting for all its sessions.
    #[must_use]
    pub fn with_setting(&self, name: &str, value: &str) -> Self {
        Self { conn: self.conn.with_setting(name, value), ..self.clone() }
    }

    /// The same database, with these settings for all its sessions, whatever the role or the database says. `reachable` is
    /// the database that is asked whether they count.
    ///
    /// Options of a service take the place of those in `PGOPTIONS`. Then they are typed, with what the service sets.
    ///
    /// # Errors
    /// If the server, or a pooler in front of it, does not take them.
    pub async fn with_settings(&self, wanted: &[(&str, &str)], reachable: &str) -> Result<Self> {
        let usual = wanted.iter().fold(self.clone(), |psql, (name, value)| psql.with_setting(name, value));
        let Counting { all, others } = usual.counting(wanted, reachable).await?;
        if all {
            return Ok(usual);
        }
        let others = others.iter().map(|(name, value)| (&name[..], &value[..]));
        let typed = others.chain(wanted.iter().copied());
        let bare = Self { conn: self.conn.without_options(), ..self.clone() };
        let typed = typed.fold(bare, |psql, (name, value)| psql.with_setting(name, value));
        if typed.counting(wanted, reachable).await?.all {
            return Ok(typed);
        }
        Err(Error::postgres(format!("the server does not take these settings: {wanted:?}")))
    }

    async fn counting(&self, wanted: &[(&str, &str)], reachable: &str) -> Result<Counting> {
        let pairs = wanted.iter().map(|(name, value)| format!("({}, {})", literal(name), literal(value)));
        let query = COUNTING.replace("{wanted}", &pairs.collect::<Vec<_>>().join(", "));
        self.with_dbname(reachable).query(&query).await
    }

    /// The connection it uses.
    pub fn conn(&self) -> &ConnInfo {
        &self.conn
    }

    /// Asks a query that gives one JSON value.
    pub async fn query<T: DeserializeOwned>(&self, sql: &str) -> Result<T> {
        read(&self.answer(sql).await?)
    }

    /// Asks a query, in a transaction that is taken back: what we set in it stays in no session of a pooler's, which others
    /// get after us, and it need not be closed for that.
    pub async fn answer(&self, sql: &str) -> Result<Vec<u8>, Failure> {
        let question = script(sql.trim_end().trim_end_matches(';')).map_err(Failure::NotStarted)?;
        self.run_script(ASKING_ONCE, format!("{}{TAKEN_BACK}", question.trim_end())).await
    }

    /// Runs statements, each in a transaction of its own.
    pub async fn execute(&self, sql: &str) -> Result<()> {
        self.run(sql).await?;
        Ok(())
    }

    /// Runs a script of ours and returns what it printed; the first error ends it.
    pub async fn run(&self, sql: &str) -> Result<Vec<u8>, Failure> {
        self.run_script(ASKING, script(sql).map_err(Failure::NotStarted)?).await
    }

    /// Runs what the user wrote, with the search path that the database has, and its numbers; it may hold psql's own commands.
    pub async fn run_given(&self, sql: &str) -> Result<Vec<u8>, Failure> {
        self.run_script(ASKING, format!("RESET search_path; RESET extra_float_digits;\n{sql}\n;\n")).await
    }

    async fn run_script(&self, preamble: &str, script: String) -> Result<Vec<u8>, Failure> {
        let mut pauses = PAUSES.iter();
        loop {
            let program = self.program(preamble).await.map_err(Failure::NotStarted)?;
            let failure = match program.run(script.as_bytes()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            // Only a failed connection may be tried again: nothing has been run then.
            let wait = failure.code() == Some(NO_CONNECTION)
                && failure.is(&[
                    Situation::NotReady,
                    Situation::TooManyConnections,
                    Situation::ConnectionLimit,
                ]);
            let Some(pause) = pauses.next().filter(|_| wait) else { return Err(failure) };
            tracing::warn!(target: "pgstow::once", "the server is not ready, or has no connection to spare; waiting for it");
            tokio::time::sleep(*pause).await;
        }
    }

    /// `psql` in a session that begins with this: one of [`sessions`](super::sessions).
    pub(super) async fn program(&self, preamble: &str) -> Result<Program> {
        // Last: what is set before may be allowed only to the role that logs in.
        let role = self.role.as_ref().map(|role| format!("SET ROLE {}", identifier(role)));
        let begins = [Some(preamble.to_owned()).filter(|preamble| !preamble.is_empty()), role];
        let begins: Vec<String> = begins.into_iter().flatten().collect();
        let program = self.client.program("psql").args(["-X", "-A", "-t", "-q"]).args(STRICT);
        let program = match begins.is_empty() {
            true => program,
            false => program.args(["-c", &begins.join("; ")]),
        };
        self.conn.dress(program.args(["-f", "-"])).await
    }
}

/// Makes a whole script of SQL that is ours.
///
/// Refuses a backslash, with which psql's own commands begin, and a NUL byte, after which psql ignores the
/// rest of a line: our SQL holds neither, and nothing that comes from a server, a backup or a user adds
/// one (see [`literal`](crate::postgres::sql)). So no script runs a program, whatever a server answers.
pub(super) fn script(sql: &str) -> Result<String> {
    check_sql(sql.as_bytes())?;
    Ok(format!("{WITHOUT_VARIABLES}\\\\ {sql}\n"))
}

/// The check of [`script`], for what is not UTF-8.
pub(super) fn check_sql(sql: &[u8]) -> Result<()> {
    if sql.contains(&0) {
        return Err(Error::verify("a name or a text for the server holds a NUL byte, which none can hold"));
    }
    if sql.contains(&b'\\') {
        return Err(Error::unexpected("a script for psql holds a backslash"));
    }
    Ok(())
}

/// Which transaction of its session this is: the session's number, and the transaction's, which each of the session counts on.
macro_rules! transaction {
    () => {
        "(SELECT virtualtransaction FROM pg_catalog.pg_locks WHERE pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() \
          AND locktype OPERATOR(pg_catalog.=) 'virtualxid' AND virtualxid OPERATOR(pg_catalog.=) virtualtransaction)"
    };
}

/// A setting that a COMMIT leaves, and a ROLLBACK takes back: psql succeeds with either.
const MARK: &str = concat!("SELECT pg_catalog.set_config('pgstow.script', ", transaction!(), ", false)");

/// Fails after a ROLLBACK, and in a transaction that has failed. After a COMMIT nothing may follow: of what was done in
/// further transactions nobody knows whether it was taken back.
const MARKED: &str = concat!(
    "DO $$ DECLARE
       begun text[] := pg_catalog.string_to_array(pg_catalog.current_setting('pgstow.script', true), '/');
       ended text[] := pg_catalog.string_to_array(",
    transaction!(),
    ", '/');
     BEGIN
       IF begun[2] IS NULL OR begun[1] OPERATOR(pg_catalog.<>) ended[1] THEN
         RAISE 'the script has taken back its own work'
           USING HINT = 'leave ROLLBACK, RESET ALL and connecting anew out of it';
       END IF;
       IF ended[2]::pg_catalog.int8 OPERATOR(pg_catalog.-) begun[2]::pg_catalog.int8 OPERATOR(pg_catalog.>) 1 THEN
         RAISE 'the script goes on after the end of its transaction, where it is not known what was taken back'
           USING HINT = 'leave COMMIT out of it, or make several scripts of it: each is a transaction';
       END IF;
     END $$"
);

/// Runs a user's script in one transaction, as the user's own `psql` would but for its settings file: with
/// the search path the database has. The first error ends it; what it prints goes nowhere.
///
/// `file` may be `-`, and the script `input`.
///
/// # Errors
/// `Kind::Postgres`, also if the script took back its own work, or made psql ignore an error.
pub async fn run_script(client: &Client, conn: &ConnInfo, file: &Path, input: &[u8]) -> Result<()> {
    let program = client.program("psql").args(["-X", "-q", "-1"]).args(STRICT);
    let program = program.args(["-c", PATIENT_TRANSACTION, "-c", MARK, "-f"]).arg(file).args(["-c", MARKED]);
    // Among its commands may be programs that take their time.
    let done = conn.dress(program.strict()).await?.unwatched().run(input).await;
    done.map(drop).map_err(Failure::of_own_sql)
}

/// Reads the JSON value that a query printed.
pub fn read<T: DeserializeOwned>(answer: &[u8]) -> Result<T> {
    // A database in SQL_ASCII may hold names that are no UTF-8.
    let text = String::from_utf8_lossy(answer);
    serde_json::from_str(text.trim())
        .map_err(|error| Error::postgres(format!("psql's answer cannot be read: {error}")).because(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::clients::Version;
    use crate::postgres::clients::fake;
    use crate::postgres::process::Environment;

    /// A client folder whose `psql` is this script.
    fn fake(script: &str) -> (tempfile::TempDir, Psql) {
        let dir = tempfile::tempdir().unwrap();
        let text = format!("#!/bin/sh\ncd {}\n{script}\n", dir.path().display());
        fake::script(&dir.path().join("psql"), &text);
        let (version, environment) = (Version { major: 17, minor: 0 }, Environment::default());
        let client = Client { dir: dir.path().into(), version, environment };
        let conn = ConnInfo::parse("postgres://u:hunter22@h/db", |_| None).unwrap();
        (dir, Psql::new(&client, &conn))
    }

    #[tokio::test]
    async fn a_server_that_starts_is_waited_for() {
        let (_dir, psql) = fake(
            "cat > /dev/null\n\
             if mkdir tried 2> /dev/null; then\n\
               echo 'psql: error: … FATAL:  the database system is starting up' >&2; exit 2\n\
             fi\n\
             echo '{\"answer\": 42}'",
        );
        let answer: serde_json::Value = psql.query("SELECT").await.unwrap();
        assert_eq!(answer["answer"], 42);
    }

    #[tokio::test]
    async fn a_refusal_is_not_tried_again() {
        let (dir, psql) = fake("echo x >> tries; echo 'psql: error: FATAL:  no such role' >&2; exit 2");
        assert!(psql.execute("SELECT 1;").await.is_err());
        assert_eq!(std::fs::read_to_string(dir.path().join("tries")).unwrap(), "x\n");
    }

    #[tokio::test]
    async fn a_role_is_taken_after_the_rest_and_in_no_option() {
        let (dir, psql) = fake("echo \"$@\" > args; env > env; cat > /dev/null");
        psql.in_role(Some("My \"role\"")).with_dbname("other").execute("SELECT 1;").await.unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(read("args").contains("; SET ROLE \"My \"\"role\"\"\" -f -"), "{}", read("args"));
        assert!(!read("args").contains("options=") && !read("env").contains("PGOPTIONS"));
        psql.execute("SELECT 1;").await.unwrap();
        assert!(!read("args").contains("SET ROLE"), "{}", read("args"));
    }

    #[tokio::test]
    async fn the_password_and_the_sql_are_in_no_argument() {
        let (dir, psql) = fake("echo \"$@\" > args; echo \"$PGPASSWORD $PGTZ $PGAPPNAME\" > env; cat > sql");
        psql.execute("SELECT 'topsecret';").await.unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(read("args").contains("--dbname=user='u' host='h' dbname='db'"), "{}", read("args"));
        assert!(!read("args").contains("hunter22") && !read("args").contains("topsecret"));
        assert_eq!(read("env"), "hunter22 UTC pgstow\n");
        assert!(read("sql").ends_with("SELECT 'topsecret';\n"));
    }
}
