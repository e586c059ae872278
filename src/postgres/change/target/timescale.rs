//! TimescaleDB holds still while a database is filled: its own rows come with the dump, and its jobs would change others.
//!
//! What its `timescaledb_pre_restore()` and `timescaledb_post_restore()` do. The first needs the extension, which the dump
//! creates; so the setting is made for the database before. The second comes last: a database that gets another name
//! loses the extension's workers.

use super::Target;
use crate::error::{Error, Result};
use crate::postgres::connect::ConnInfo;
use crate::postgres::sql::{identifier, literal};
use crate::postgres::tools::psql::{NO_CONNECTION, Psql};

/// While it is on, the extension acts on nothing.
pub const RESTORING: &str = "timescaledb.restoring";

/// In a database with the extension, makes it act again.
const RESUME: &str = "
DO $$
DECLARE
  schema text := (SELECT nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = extnamespace WHERE extname = 'timescaledb');
BEGIN
  IF schema IS NOT NULL THEN
    EXECUTE format('SELECT %I.timescaledb_post_restore()', schema);
  END IF;
END $$;";

impl Target {
    /// Keeps the extension from acting in the database, until the database is published. Whoever has created it there and done
    /// so before the restore goes on deciding.
    pub async fn hold_timescaledb(&mut self) -> Result<()> {
        let question = format!(
            "SELECT json_build_array(EXISTS (SELECT FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase
               WHERE datname = {} AND setrole = 0 AND 'timescaledb.restoring=on' = ANY (setconfig)));",
            literal(&self.called)
        );
        let [is_held]: [bool; 1] = self.maintenance.query(&question).await?;
        // Without the extension it is what a restore left that was killed.
        let question =
            "SELECT json_build_array(EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb'));";
        if is_held && self.psql.query::<[bool; 1]>(question).await? == [true] {
            tracing::warn!(
                "{} is set to be restored into ({RESTORING} is on), and stays so: run SELECT timescaledb_post_restore(); in it \
                 when it is done",
                identifier(&self.called)
            );
            return Ok(());
        }
        let order = format!("ALTER DATABASE {} SET {RESTORING} = 'on';", identifier(&self.called));
        self.maintenance.execute(&order).await.map_err(|error| {
            error
                .context("keep TimescaleDB from acting on what is restored")
                .without_hints()
                .hint("restore as a superuser")
        })?;
        self.holds_timescaledb = true;
        Ok(())
    }

    /// Lets sessions that begin now have the extension act, but for its jobs.
    pub async fn let_timescaledb_go(&mut self) -> Result<bool> {
        if !std::mem::take(&mut self.holds_timescaledb) {
            return Ok(false);
        }
        self.reset(RESTORING, None).await?;
        Ok(true)
    }

    /// A connection in whose session it acts already.
    pub(super) fn acting(&self, conn: ConnInfo) -> ConnInfo {
        if self.holds_timescaledb { conn.with_setting(RESTORING, "off") } else { conn }
    }

    /// SQL that makes it act for the rest of a session.
    pub(super) fn acts(&self) -> String {
        if self.holds_timescaledb { format!("SET {RESTORING} = off;\n") } else { String::new() }
    }

    /// The versions of an extension that the server could create: the one that it would, and all.
    pub async fn versions_of(&self, extension: &str) -> Result<(Option<String>, Vec<String>)> {
        let name = literal(extension);
        self.maintenance
            .query(&format!(
                "SELECT json_build_array((SELECT default_version FROM pg_available_extensions WHERE name = {name}),
                   (SELECT coalesce(json_agg(version ORDER BY version), '[]') FROM pg_available_extension_versions
                     WHERE name = {name}));"
            ))
            .await
    }
}

/// Makes the extension act in a database that has its last name, if it has the extension.
pub(in crate::postgres::change) async fn resume(psql: &Psql) -> Result<()> {
    match psql.run(RESUME).await {
        Ok(_) => Ok(()),
        // Whoever may rename a database may not be let into it; most have no such extension.
        Err(failure) if failure.code() == Some(NO_CONNECTION) => {
            tracing::debug!("not known whether there is TimescaleDB: {failure:?}");
            Ok(())
        }
        Err(failure) => Err(Error::from(failure)
            .context("start TimescaleDB's jobs in the database, which is complete otherwise")
            .hint("run SELECT timescaledb_post_restore(); in it")),
    }
}
