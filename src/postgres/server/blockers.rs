//! Who keeps a session of ours waiting for a lock.
//!
//! `pg_dump` limits only how long it waits for its own locks on tables. What it asks the server to write
//! (definitions of views, sequences, indexes) takes locks too, and waits for them without an end.

use std::future::pending;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::postgres::failure::Situation;
use crate::postgres::sql::literal;
use crate::postgres::tools::Psql;

/// How often it is looked whether a session of ours waits for somebody.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// SQL that names whoever has the number `holder.pid`; `held` is its row of `pg_stat_activity`, if there is one.
macro_rules! holder {
    () => {
        "CASE WHEN holder.pid = 0 THEN 'a prepared transaction'
    ELSE 'process ' || holder.pid || coalesce(' (' || nullif(concat_ws(', ',
      'role ' || held.usename, nullif(held.application_name, ''), held.state,
      'in a transaction since ' || to_char(held.xact_start, 'HH24:MI:SS')), '') || ')', '')
  END"
    };
}

/// Ours are known by their name, database and role. Advisory locks are pgstow's own business.
const QUESTION: &str = concat!(
    "
SELECT json_build_array(string_agg(DISTINCT ",
    holder!(),
    ", '; '))
FROM pg_stat_activity AS ours
CROSS JOIN LATERAL unnest(pg_blocking_pids(ours.pid)) AS holder (pid)
LEFT JOIN pg_stat_activity AS held ON held.pid = holder.pid
WHERE ours.datname = current_database() AND ours.usename = session_user
  AND ours.application_name = current_setting('application_name') AND ours.pid <> pg_backend_pid()
  AND ours.wait_event_type = 'Lock' AND ours.wait_event <> 'advisory';"
);

/// SQL for the locks `l` on relations `c` in schemas `n` that are as said, and who holds each. A prepared transaction's have no
/// process.
macro_rules! held {
    ($as_said:literal) => {
        concat!(
            "
SELECT coalesce(json_agg(who ORDER BY who), '[]') FROM (
  SELECT DISTINCT format('%I.%I by ', n.nspname, c.relname) || ",
            holder!(),
            " AS who
  FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation JOIN pg_namespace AS n ON n.oid = c.relnamespace
  CROSS JOIN LATERAL (SELECT coalesce(l.pid, 0) AS pid) AS holder
  LEFT JOIN pg_stat_activity AS held ON held.pid = holder.pid
  ",
            $as_said,
            "
    AND l.locktype = 'relation' AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS locks;"
        )
    };
}

/// Locks on tables that not even a reader can share.
const EXCLUSIVE: &str = held!(
    "WHERE l.mode = 'AccessExclusiveLock'
    AND c.relkind IN ('r', 'p', 'S') AND n.nspname !~ '^pg_'"
);

/// Locks on tables, or on their partitions, that a change of them has to wait for; `{tables}` is rows of names, and
/// `{shared}` the modes that it can share.
const HOLDERS: &str = held!(
    "WHERE l.mode <> ALL ('{shared}')
    AND EXISTS (SELECT FROM (SELECT c.oid UNION SELECT pg_partition_ancestors(c.oid)) AS line (oid)
                JOIN pg_class AS t USING (oid) JOIN pg_namespace AS m ON m.oid = t.relnamespace
                WHERE (m.nspname::text, t.relname::text) IN ({tables}))"
);

/// Ends when `pg_dump` has been waiting for somebody for longer than it may while it read definitions; says for whom.
/// As for `pg_dump`, 0 is no limit.
pub async fn waits_too_long(psql: &Psql, longest: Duration) -> Error {
    if longest.is_zero() {
        return pending().await;
    }
    // As the role that logs in, which sees what its own sessions do.
    let psql = &psql.in_role(None);
    let mut since = None;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        match blockers(psql).await {
            Ok(Some(holders)) => {
                if since.get_or_insert_with(Instant::now).elapsed() >= longest {
                    return Error::postgres(format!(
                        "pg_dump has been waiting for a lock for {} while it read definitions; it is held by {holders}",
                        humantime::format_duration(longest)
                    ))
                    .in_situation(Situation::LockTimeout)
                    .hint("wait for that session, end it, or raise --lock-wait-timeout");
                }
            }
            Ok(None) => since = None,
            // It may have been ended for the same reason; pg_dump will say so itself.
            Err(error) => tracing::debug!("whether pg_dump waits for a lock is not known: {error}"),
        }
    }
}

/// Names the sessions that hold what our own sessions in this database wait for; `None` if none of ours waits.
async fn blockers(psql: &Psql) -> Result<Option<String>> {
    let [holders]: [Option<String>; 1] = psql.query(QUESTION).await?;
    Ok(holders)
}

/// Names the tables that somebody keeps from being read now, and who: `app.orders by process 123 (role app)`.
pub async fn exclusive_locks(psql: &Psql) -> Result<Vec<String>> {
    psql.query(EXCLUSIVE).await
}

/// Names the sessions whose locks on these tables rows have to wait for, or a `TRUNCATE`: `app.orders by process 123 (role app)`.
pub async fn lock_holders(psql: &Psql, tables: &[&[String; 2]], truncate: bool) -> Result<Vec<String>> {
    let shared = if truncate { "{}" } else { "{AccessShareLock,RowShareLock,RowExclusiveLock}" };
    let name = |[schema, name]: &[String; 2]| format!("({}, {})", literal(schema), literal(name));
    let tables: Vec<String> = tables.iter().map(|table| name(table)).collect();
    psql.query(&HOLDERS.replace("{shared}", shared).replace("{tables}", &tables.join(", "))).await
}
