//! A database is dropped although it has subscriptions, which the server refuses to do by itself.
//!
//! The copy of a subscription names the slot that its original has on the publisher. So it lets go of the slot before
//! it is dropped, and the publisher is never asked.

use super::rename::Known;
use crate::error::{Error, Result};
use crate::postgres::failure::Situation;
use crate::postgres::sql::identifier;
use crate::postgres::tools::Psql;
use crate::postgres::tools::sessions::TRIGGERS_OFF;

/// Which subscriptions go with their database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscriptions {
    /// All: the database is a copy that nobody uses.
    All,
    /// Those that are disabled, if nothing else keeps the database; one that receives changes has a slot of its own, which
    /// its owner must end.
    Disabled,
}

/// Runs what drops the database; if it has subscriptions, they are dropped first.
pub async fn dropping(
    maintenance: &Psql,
    order: &str,
    database: &Known,
    subscriptions: Subscriptions,
) -> Result<()> {
    let Err(error) = maintenance.execute(order).await else { return Ok(()) };
    // In another language than English the server has one code for both.
    if !matches!(error.situation(), Some(Situation::HasSubscriptions | Situation::DatabaseInUse)) {
        return Err(error);
    }
    let (which, alone) = match subscriptions {
        Subscriptions::All => ("", ""),
        Subscriptions::Disabled => ("AND NOT subenabled", ALONE),
    };
    let fill = |sql: &str| {
        let sql = sql.replace("{which}", which).replace("{alone}", alone);
        sql.replace("{oid}", &database.oid.to_string())
    };
    let inside = maintenance.with_dbname(&database.name);
    let dropped = async {
        let names: Vec<String> = inside.query(&fill(LIST)).await?;
        if !names.is_empty() {
            inside.execute(&[TRIGGERS_OFF, &fill(DROP)].concat()).await?;
        }
        Ok::<_, Error>(names)
    };
    match dropped.await {
        Ok(names) if names.is_empty() => Err(error),
        Ok(names) => maintenance.execute(order).await.map_err(|error| {
            let names: Vec<String> = names.iter().map(|name| identifier(name)).collect();
            error.and(format_args!("its subscriptions are dropped already: {}", names.join(", ")))
        }),
        Err(second) => Err(error.and(format_args!("its subscriptions could not be dropped: {second}"))),
    }
}

/// Asked in a session of its own, which may still be among the sessions when the next one looks.
const LIST: &str = "
SELECT coalesce(json_agg(subname ORDER BY subname), '[]') FROM pg_subscription JOIN pg_database d ON d.oid = subdbid
 WHERE d.oid = {oid} AND d.datname = current_database() {which} {alone};";

/// Nothing else keeps the database, which would then be without them: the server's own processes are nobody's sessions.
const ALONE: &str = "
   AND NOT EXISTS (SELECT FROM pg_subscription other WHERE other.subdbid = {oid} AND other.subenabled)
   AND NOT EXISTS (SELECT FROM pg_stat_activity WHERE datid = {oid} AND pid <> pg_backend_pid() AND usesysid IS NOT NULL)
   AND NOT EXISTS (SELECT FROM pg_prepared_xacts WHERE database = d.datname)";

/// Only in the database that is meant: another may have its name by now.
const DROP: &str = "
DO $$
DECLARE
  one text;
BEGIN
  FOR one IN SELECT quote_ident(subname) FROM pg_subscription JOIN pg_database d ON d.oid = subdbid
              WHERE d.oid = {oid} AND d.datname = current_database() {which} LOOP
    EXECUTE 'ALTER SUBSCRIPTION ' || one || ' DISABLE';
    EXECUTE 'ALTER SUBSCRIPTION ' || one || ' SET (slot_name = NONE)';
    EXECUTE 'DROP SUBSCRIPTION ' || one;
  END LOOP;
END $$;";
