//! A database is dropped although it has subscriptions, which the server refuses to do by itself.
//!
//! The copy of a subscription names the slot that its original has on the publisher. So it lets go of the slot before
//! it is dropped, and the publisher is never asked.

use super::rename::Known;
use crate::error::Result;
use crate::postgres::failure::Situation;
use crate::postgres::tools::Psql;

/// Which subscriptions go with their database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscriptions {
    /// All: the database is a copy that nobody uses.
    All,
    /// Those that are disabled; one that receives changes has a slot of its own, which its owner must end.
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
    let only = if subscriptions == Subscriptions::All { "" } else { "AND NOT subenabled" };
    let script = DROP.replace("{oid}", &database.oid.to_string()).replace("{only}", only);
    match maintenance.with_dbname(&database.name).execute(&script).await {
        Ok(()) => maintenance.execute(order).await,
        Err(second) => Err(error.and(format_args!("its subscriptions could not be dropped: {second}"))),
    }
}

/// Only in the database that is meant: another may have its name by now. Event triggers do not fire for a superuser.
const DROP: &str = "
DO $$
DECLARE
  one text;
BEGIN
  IF current_setting('is_superuser') = 'on' THEN
    PERFORM set_config('session_replication_role', 'replica', false);
  END IF;
  FOR one IN SELECT quote_ident(subname) FROM pg_subscription JOIN pg_database d ON d.oid = subdbid
              WHERE d.oid = {oid} AND d.datname = current_database() {only} LOOP
    EXECUTE 'ALTER SUBSCRIPTION ' || one || ' DISABLE';
    EXECUTE 'ALTER SUBSCRIPTION ' || one || ' SET (slot_name = NONE)';
    EXECUTE 'DROP SUBSCRIPTION ' || one;
  END LOOP;
END $$;";
