//! What a restore says to a target's database, or about it, while it fills and finishes it.

use super::{Target, finding_names};
use crate::error::{Error, Result};
use crate::postgres::change::content::{CONTENTS, Contents};
use crate::postgres::change::grants::{Grant, closed_to};
use crate::postgres::failure::Situation;
use crate::postgres::sql::{about_database, block, identifier, literal};
use crate::postgres::tools::psql::{Psql, read};
use crate::postgres::tools::sessions::TRIGGERS_OFF;

/// Whether the owner of a database may create an extension in it, whether the role owns the one that is there, if any, and
/// whether it can be in any schema.
const ABOUT_EXTENSION: &str = "
SELECT json_build_array(
  EXISTS (SELECT FROM pg_available_extension_versions v JOIN pg_available_extensions a USING (name)
          WHERE name = {name} AND v.version = a.default_version
            AND (NOT v.superuser OR coalesce(to_jsonb(v) ->> 'trusted', 'false')::bool)),
  (SELECT pg_has_role(extowner, 'USAGE') FROM pg_extension WHERE extname = {name}),
  EXISTS (SELECT FROM pg_available_extension_versions v JOIN pg_available_extensions a USING (name)
          WHERE name = {name} AND v.version = a.default_version AND v.schema IS NULL));";

const FILLS_EXTENSION: &str = "
SELECT json_build_array(NOT EXISTS (
  SELECT FROM pg_class c WHERE c.oid IN (SELECT unnest(extconfig) FROM pg_extension WHERE extname = {name})
     AND NOT CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'UPDATE') ELSE has_table_privilege(c.oid, 'INSERT') END));";

/// Gathers statistics of these tables, or of all if none is named; functions find names in these schemas. A failure is only a
/// warning, since the data is there.
///
/// That the system's own tables are not this role's to analyze is nothing to hear about.
pub async fn analyze(psql: &Psql, search_path: Option<&str>, tables: &[String]) {
    let set = search_path.map(finding_names).unwrap_or_default();
    let order = format!("SET client_min_messages = error;\n{set}ANALYZE {};", tables.join(", "));
    if let Err(error) = psql.execute(&order).await {
        tracing::warn!("ANALYZE failed, queries may be slow until it is run: {error}");
    }
}

impl Target {
    /// Asks whether the restoring role may make event triggers: some services let some roles, and only a
    /// try tells. Nothing is left of it.
    pub async fn takes_event_triggers(&self) -> bool {
        let order = "BEGIN;
CREATE FUNCTION pg_temp.pgstow_try() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER pgstow_try ON sql_drop WHEN TAG IN ('DROP VIEW') EXECUTE PROCEDURE pg_temp.pgstow_try();
ROLLBACK;";
        self.maintenance.execute(order).await.is_ok()
    }

    /// Asks whether the restoring role may make policies on a table of others: a service lets it, and only a try tells. Nothing
    /// is left of it.
    pub async fn takes_policies(&self, schema: &str, table: &str) -> bool {
        let (schema, table) = (identifier(schema), identifier(table));
        let order = format!(
            "BEGIN;\nSET LOCAL lock_timeout = '5s';\nCREATE POLICY pgstow_try ON {schema}.{table} USING (false);\nROLLBACK;"
        );
        self.psql.execute(&order).await.is_ok()
    }

    /// Asks whether the restoring role may create this extension, and write into its tables if it has rows: some services let
    /// some roles create what only superusers may, and only a try tells. Nothing is left of it.
    ///
    /// If the database that is asked has it already, it counts whether the role owns it there, unless that is the one to fill.
    pub async fn takes_extension(&self, name: &str, has_rows: bool) -> Result<bool> {
        let psql = if self.exists { &self.psql } else { &self.maintenance };
        let (is_for_owners, owns, has_no_schema): (bool, Option<bool>, bool) =
            psql.query(&ABOUT_EXTENSION.replace("{name}", &literal(name))).await?;
        // Whoever makes a database owns it, which that of the try may not be.
        if is_for_owners && !has_rows && !self.exists {
            return Ok(true);
        }
        let create = match owns {
            // What it makes may have the name of something of the system's own, where a question looks first.
            None if has_no_schema => {
                format!(
                    "CREATE SCHEMA pgstow_try;\nCREATE EXTENSION {} SCHEMA pgstow_try CASCADE;",
                    identifier(name)
                )
            }
            None => format!("CREATE EXTENSION {} CASCADE;", identifier(name)),
            Some(owns) if owns || self.exists => String::new(),
            Some(_) => return Ok(false),
        };
        let fills = FILLS_EXTENSION.replace("{name}", &literal(name));
        // In a transaction of its own: one that asks would be read-only for a role that is set to it.
        match psql.run(&format!("BEGIN;\n{create}{fills}\nROLLBACK;")).await {
            Ok(fills) => read::<[bool; 1]>(&fills).map(|[fills]| fills),
            Err(failure) if failure.situation().is_some_and(Situation::may_pass) => Err(failure.into()),
            Err(_) => Ok(false),
        }
    }

    /// Gives the database to its owner, and opens it to others again, as far as its grants let them; one that gets another's
    /// name gets its grants with it.
    pub async fn open_to_others(&self) -> Result<()> {
        if !(self.closed && self.created) {
            return Ok(());
        }
        let called = identifier(&self.called);
        let owner = self.owner.as_ref().filter(|_| self.owner_waits);
        let give = owner.map(|owner| format!("ALTER DATABASE {called} OWNER TO {};", identifier(owner)));
        let open = (!self.inherits).then(|| format!("GRANT CONNECT ON DATABASE {called} TO PUBLIC;"));
        let ours = self.enters_as();
        let ours =
            ours.map(|login| format!("REVOKE CONNECT ON DATABASE {called} FROM {};", identifier(login)));
        let statements: Vec<String> = open.into_iter().chain(ours).chain(give).collect();
        if statements.is_empty() { Ok(()) } else { self.maintenance.execute(&statements.join("\n")).await }
    }

    /// Grants a role something on all in the database that belongs to this role; warns if others keep it out of that.
    pub async fn grant(&self, role: &str, grant: Grant) -> Result<()> {
        self.psql.execute(&grant.script(role)).await?;
        let closed: [Vec<String>; 2] = self.psql.query(&closed_to(role)).await?;
        for what in closed.iter().flatten() {
            tracing::warn!(
                "{role} has no access to {what}, which belongs to another role; its owner can give it: GRANT {privilege} ON {what} TO {role};",
                role = identifier(role),
                privilege = if what.starts_with("DATABASE ") { "CONNECT" } else { "USAGE" },
                what = self.by_its_last_name(what)
            );
        }
        Ok(())
    }

    /// Runs a statement about the database that an archive holds, if `pg_dump` writes such statements.
    ///
    /// Whoever made the archive may have written anything: nothing of the text itself is run. `inside` is for what had the
    /// database's own encoding.
    pub async fn say_of_database(&self, statement: &str, inside: bool) -> Result<()> {
        let statement = about_database(statement)
            .ok_or_else(|| Error::verify("pg_dump writes no such statement about a database"))?;
        // Text is kept as the bytes that it has in the session's database.
        let psql = if inside && !statement.is_ascii() { &self.psql } else { &self.maintenance };
        psql.execute(&statement).await
    }

    /// Connects to the database as anybody would; fails if nobody could, whatever was loaded for that.
    pub async fn can_be_entered(&self) -> Result<()> {
        let anybody = self.maintenance.with_dbname(&self.called);
        match anybody.run("SELECT 1;").await {
            // That many may be in it, and no more: so it was meant.
            Err(failure) if !failure.is(&[Situation::TooManyConnections, Situation::ConnectionLimit]) => {
                Err(failure.into())
            }
            _ => Ok(()),
        }
    }

    /// Ends the sessions of this run in the database that have this name, whatever became of our end of them: they
    /// would keep their locks for as long as the server takes them for alive.
    pub async fn end_sessions(&self, application_name: &str) -> Result<()> {
        let Some(oid) = self.oid else { return Ok(()) };
        let name = literal(application_name);
        let ours = format!("datid = {oid} AND usename = current_user AND application_name = {name}");
        let order = block(&format!(
            "BEGIN
               FOR n IN 1..100 LOOP
                 PERFORM pg_stat_clear_snapshot();
                 PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours};
                 EXIT WHEN NOT FOUND;
                 PERFORM pg_sleep(0.1);
               END LOOP;
             END"
        ));
        self.maintenance.execute(&order).await
    }

    /// Takes back what was set in the database for a role, or for everybody.
    pub async fn reset(&self, parameter: &str, role: Option<&str>) -> Result<()> {
        let database = format!("DATABASE {}", identifier(&self.called));
        let whose =
            role.map_or_else(|| database.clone(), |role| format!("ROLE {} IN {database}", identifier(role)));
        self.maintenance.execute(&format!("ALTER {whose} RESET {parameter};")).await
    }

    /// Gathers statistics of everything.
    pub async fn analyze(&self) {
        analyze(&self.psql, self.search_path.as_deref(), &[]).await;
    }

    /// Fills a materialized view; event triggers do not fire for a superuser.
    pub async fn refresh(&self, view: &str) -> Result<()> {
        let order = format!(
            "{TRIGGERS_OFF}\n{}{}REFRESH MATERIALIZED VIEW {view};",
            self.acts(),
            self.finding_names()
        );
        self.psql.execute(&order).await
    }

    /// Fills all materialized views again that are filled, each after those that it reads.
    pub async fn refresh_filled(&self) -> Result<()> {
        let order = format!("{TRIGGERS_OFF}\n{}{}{REFRESH_FILLED}", self.acts(), self.finding_names());
        self.psql.execute(&order).await
    }

    /// Forgets what statistics have sampled, if this role may: ANALYZE leaves those of a table that has no rows any more.
    pub async fn forget_samples(&self) -> Result<()> {
        self.psql.execute(FORGET_SAMPLES).await
    }

    /// Counts what the database holds now.
    pub async fn contents(&self) -> Result<Contents> {
        self.psql.query(CONTENTS).await
    }
}

/// All are emptied first: then nothing reads rows as they were, not even a function whose text hides what it reads. A view
/// that finds another one empty comes again after the others.
///
/// A view that reads another, if only through views between them, needs all that this one needs, and itself: so it
/// needs more.
const REFRESH_FILLED: &str = "
DO $$
DECLARE
  one text;
  waiting text[];
  again text[];
BEGIN
  waiting := ARRAY(
    WITH RECURSIVE needs(view, needed) AS (
        SELECT oid, oid FROM pg_class WHERE relkind = 'm' AND relispopulated
      UNION
        SELECT n.view, d.refobjid FROM needs n
          JOIN pg_rewrite r ON r.ev_class = n.needed
          JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass)
    SELECT format('%I.%I', s.nspname, c.relname) FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
     WHERE c.relkind = 'm' AND c.relispopulated ORDER BY (SELECT count(*) FROM needs n WHERE n.view = c.oid));
  FOREACH one IN ARRAY waiting LOOP
    EXECUTE 'REFRESH MATERIALIZED VIEW ' || one || ' WITH NO DATA';
  END LOOP;
  WHILE cardinality(waiting) > 0 LOOP
    again := '{}';
    FOREACH one IN ARRAY waiting LOOP
      BEGIN
        EXECUTE 'REFRESH MATERIALIZED VIEW ' || one;
      EXCEPTION WHEN object_not_in_prerequisite_state THEN
        again := again || one;
      END;
    END LOOP;
    IF cardinality(again) = cardinality(waiting) THEN
      -- Nothing has changed, so this fails again, and says why.
      EXECUTE 'REFRESH MATERIALIZED VIEW ' || again[1];
      again := again[2:];
    END IF;
    waiting := again;
  END LOOP;
END $$;";

/// The statistics of expressions came with 14.
const FORGET_SAMPLES: &str = "
DO $$ BEGIN
  IF current_setting('is_superuser') = 'on' THEN
    DELETE FROM pg_statistic USING pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = starelid AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema';
    UPDATE pg_statistic_ext_data SET stxdmcv = NULL;
    IF current_setting('server_version_num')::int >= 140000 THEN
      EXECUTE 'UPDATE pg_statistic_ext_data SET stxdexpr = NULL';
    END IF;
  END IF;
END $$;";
