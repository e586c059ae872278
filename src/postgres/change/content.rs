//! What is in a database: nothing that a restore could overwrite, or what it has filled in.

use crate::error::{Error, Result};
use crate::postgres::server::managed::THEIR_ROLES;
use crate::postgres::sql::{identifier, literal};
use crate::postgres::tools::Psql;
use serde::Deserialize;

/// What lies in a restored database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Contents {
    /// Ordinary and partitioned tables outside the system's schemas.
    pub tables: u64,
    /// `pg_database_size`, bytes.
    pub size_bytes: u64,
}

/// Asks for [`Contents`].
pub const CONTENTS: &str = "
SELECT json_build_object(
  'tables', (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'),
  'size_bytes', pg_database_size(current_database()));";

/// Counts what a fresh database does not have; only what is there is named.
///
/// What belongs to an extension does not count, nor does the extension: a role that may not create one is given a
/// database that has it. Default privileges would add grants to all that is restored, except those of a service.
const FOREIGN: &str = "
SELECT coalesce(json_agg(what || ' ' || name ORDER BY nr, name), '[]') FROM (
  SELECT nr, what, name FROM (
    SELECT 1 AS nr, 'schema' AS what, nspname::text AS name, 'pg_namespace'::regclass AS catalog, oid FROM pg_namespace
     WHERE nspname !~ '^pg_' AND nspname NOT IN ('public', 'information_schema')
    UNION ALL
    SELECT 2, CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                             WHEN 'c' THEN 'type' ELSE 'table' END, c.relname,
           CASE c.relkind WHEN 'c' THEN 'pg_type'::regclass ELSE 'pg_class'::regclass END,
           CASE c.relkind WHEN 'c' THEN c.reltype ELSE c.oid END
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'public' AND c.relkind NOT IN ('i', 'I', 't')
    UNION ALL
    SELECT 3, 'function', p.proname, 'pg_proc'::regclass, p.oid
     FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public'
    UNION ALL
    SELECT 4, 'type', t.typname, 'pg_type'::regclass, t.oid FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
     WHERE n.nspname = 'public' AND t.typtype IN ('d', 'e', 'r', 'b') AND t.typelem = 0
    UNION ALL
    SELECT 5, 'default privileges of', pg_get_userbyid(defaclrole), 'pg_default_acl'::regclass, oid FROM pg_default_acl
     WHERE pg_get_userbyid(defaclrole) NOT IN ({services})
    UNION ALL
    SELECT 6, 'publication', pubname, 'pg_publication'::regclass, oid FROM pg_publication
    UNION ALL
    SELECT 7, 'subscription', subname, 'pg_subscription'::regclass, 0
     FROM pg_subscription JOIN pg_database d ON d.oid = subdbid WHERE d.datname = current_database()
    UNION ALL
    SELECT 8, 'event trigger', evtname, 'pg_event_trigger'::regclass, oid FROM pg_event_trigger
    UNION ALL
    SELECT 9, 'foreign server', srvname, 'pg_foreign_server'::regclass, oid FROM pg_foreign_server
    UNION ALL
    SELECT 10, 'large object', oid::text, 'pg_largeobject_metadata'::regclass, oid FROM pg_largeobject_metadata
  ) AS one
  WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = one.catalog AND d.objid = one.oid AND d.deptype = 'e')
  LIMIT 100) AS found;";

/// Refuses a database that is not empty.
pub async fn refuse(psql: &Psql, name: &str) -> Result<()> {
    let services: Vec<String> = THEIR_ROLES.iter().copied().map(literal).collect();
    let found: Vec<String> = psql.query(&FOREIGN.replace("{services}", &services.join(", "))).await?;
    if found.is_empty() { Ok(()) } else { Err(has_content(name, &found)) }
}

fn has_content(name: &str, found: &[String]) -> Error {
    let shown = found.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
    let more = if found.len() > 4 { format!(" and {} more", plus(found.len() - 4)) } else { String::new() };
    Error::target_exists(format!("the target database {} is not empty: {shown}{more}", identifier(name)))
        .hint("name a database that does not exist yet; it will be created")
}

/// The list of found objects is cut at 100.
fn plus(count: usize) -> String {
    if count >= 96 { format!("at least {count}") } else { count.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn content_is_named() {
        let found: Vec<String> = (0..6).map(|number| format!("table t{number}")).collect();
        let error = has_content("app", &found);
        assert_eq!(error.kind(), Kind::TargetExists);
        assert_eq!(
            error.message(),
            "the target database \"app\" is not empty: table t0, table t1, table t2, table t3 and 2 more"
        );
    }
}
