//! Who keeps a session of ours waiting for a lock.
//!
//! `pg_dump` limits only how long it waits for its own locks on tables. What it asks the server to write
//! (definitions of views, sequences, indexes) takes locks too, and waits for them without an end.

use crate::error::Result;
use crate::postgres::tools::Psql;

/// Ours are known by their name, database and role. Advisory locks are pgstow's own business.
const QUESTION: &str = "
SELECT json_build_array(string_agg(DISTINCT CASE
    WHEN holder.pid = 0 THEN 'a prepared transaction'
    ELSE 'process ' || holder.pid || coalesce(' (' || nullif(concat_ws(', ',
      'role ' || held.usename, nullif(held.application_name, ''), held.state,
      'in a transaction since ' || to_char(held.xact_start, 'HH24:MI:SS')), '') || ')', '')
  END, '; '))
FROM pg_stat_activity AS ours
CROSS JOIN LATERAL unnest(pg_blocking_pids(ours.pid)) AS holder (pid)
LEFT JOIN pg_stat_activity AS held ON held.pid = holder.pid
WHERE ours.datname = current_database() AND ours.usename = current_user
  AND ours.application_name = current_setting('application_name') AND ours.pid <> pg_backend_pid()
  AND ours.wait_event_type = 'Lock' AND ours.wait_event <> 'advisory';";

/// Names the sessions that hold what our own sessions in this database wait for; `None` if none of ours waits.
pub async fn blockers(psql: &Psql) -> Result<Option<String>> {
    let [holders]: [Option<String>; 1] = psql.query(QUESTION).await?;
    Ok(holders)
}
