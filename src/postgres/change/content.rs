//! What is in a database: nothing that a restore could overwrite, or what it has filled in.

use crate::error::{Error, Result};
use crate::postgres::server::managed::{FURNISHED_PUBLICATIONS, FURNISHED_SCHEMAS, FURNISHING, THEIR_ROLES};
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

/// What is left if a database cannot be restored into as a whole.
pub const BY_HAND: &str = "or by hand: `pgstow fetch` brings the dump, `pg_restore -l` lists what is in it, and `pg_restore -L` \
     restores what is left of that list";

/// Asks for [`Contents`].
pub const CONTENTS: &str = "
SELECT json_build_object(
  'tables', (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'),
  'size_bytes', pg_database_size(current_database()));";

/// The role that `initdb` makes.
const SUPERUSER: &str = "10";

/// What PostgreSQL brings itself has smaller object identifiers.
const FIRST_OF_USERS: &str = "16384";

/// Looks for what a fresh database does not have; only what is there is named.
///
/// A schema is no content, only what is in it: whoever may not create databases is given one that has some. What belongs to
/// an extension does not count, nor does the extension: a role that may not create one is given a database that has it. What
/// others have in a schema of others does not count, nor do their event triggers: a service keeps its own things there,
/// and this role can neither change nor remove them. Default privileges would add grants to all that is restored, except
/// those for what others create. What has neither schema nor owner counts for those who could have made it. What a service is
/// known to put there in this role's name does not count; default privileges are taken aside there.
const FOREIGN: &str = "
WITH place AS (
    SELECT oid, CASE nspname WHEN 'public' THEN '' ELSE quote_ident(nspname) || '.' END AS prefix,
           nspname <> 'public' AND NOT pg_has_role(nspowner, 'MEMBER') AS theirs
     FROM pg_namespace n WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
       AND NOT EXISTS (SELECT FROM pg_depend d
                       WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e')),
  one AS (
    SELECT 1 AS nr, CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                                   WHEN 'c' THEN 'type' ELSE 'table' END AS what,
           prefix || quote_ident(c.relname) AS name, theirs, relowner AS owner,
           CASE c.relkind WHEN 'c' THEN 'pg_type'::regclass ELSE 'pg_class'::regclass END AS catalog,
           CASE c.relkind WHEN 'c' THEN c.reltype ELSE c.oid END AS oid
     FROM pg_class c JOIN place p ON p.oid = c.relnamespace WHERE c.relkind NOT IN ('i', 'I', 't')
    UNION ALL
    SELECT 2, 'function', prefix || quote_ident(f.proname), theirs, proowner, 'pg_proc'::regclass, f.oid
     FROM pg_proc f JOIN place p ON p.oid = f.pronamespace
    UNION ALL
    SELECT 3, 'type', prefix || quote_ident(t.typname), theirs, typowner, 'pg_type'::regclass, t.oid
     FROM pg_type t JOIN place p ON p.oid = t.typnamespace WHERE t.typtype IN ('d', 'e', 'r', 'b') AND t.typelem = 0
    UNION ALL
    SELECT 4, 'default privileges of', pg_get_userbyid(defaclrole), true, defaclrole, 'pg_default_acl'::regclass, oid
     FROM pg_default_acl WHERE pg_get_userbyid(defaclrole) NOT IN ({services})
    UNION ALL
    SELECT 5, 'publication', pubname, false, pubowner, 'pg_publication'::regclass, oid FROM pg_publication
    UNION ALL
    SELECT 6, 'subscription', subname, false, datdba, 'pg_subscription'::regclass, 0
     FROM pg_subscription JOIN pg_database d ON d.oid = subdbid WHERE d.datname = current_database()
    UNION ALL
    SELECT 7, 'event trigger', evtname, true, evtowner, 'pg_event_trigger'::regclass, oid FROM pg_event_trigger
    UNION ALL
    SELECT 8, 'foreign server', srvname, false, srvowner, 'pg_foreign_server'::regclass, oid FROM pg_foreign_server
    UNION ALL
    SELECT 9, 'large object', oid::text, false, lomowner, 'pg_largeobject_metadata'::regclass, oid
     FROM pg_largeobject_metadata
    UNION ALL
    SELECT 10, what, coalesce(prefix, '') || name, coalesce(theirs, true), owner, catalog, small.oid
     FROM (SELECT 'operator' AS what, oprname::text AS name, oprnamespace AS space, oprowner AS owner,
                  'pg_operator'::regclass AS catalog, oid FROM pg_operator
           UNION ALL
           SELECT 'collation', quote_ident(collname), collnamespace, collowner, 'pg_collation'::regclass, oid FROM pg_collation
           UNION ALL
           SELECT 'conversion', quote_ident(conname), connamespace, conowner, 'pg_conversion'::regclass, oid FROM pg_conversion
           UNION ALL
           SELECT 'operator class', quote_ident(opcname), opcnamespace, opcowner, 'pg_opclass'::regclass, oid FROM pg_opclass
           UNION ALL
           SELECT 'operator family', quote_ident(opfname), opfnamespace, opfowner, 'pg_opfamily'::regclass, oid
            FROM pg_opfamily
           UNION ALL
           SELECT 'text search configuration', quote_ident(cfgname), cfgnamespace, cfgowner, 'pg_ts_config'::regclass, oid
            FROM pg_ts_config
           UNION ALL
           SELECT 'text search dictionary', quote_ident(dictname), dictnamespace, dictowner, 'pg_ts_dict'::regclass, oid
            FROM pg_ts_dict
           UNION ALL
           SELECT 'text search parser', quote_ident(prsname), prsnamespace, {superuser}, 'pg_ts_parser'::regclass, oid
            FROM pg_ts_parser
           UNION ALL
           SELECT 'text search template', quote_ident(tmplname), tmplnamespace, {superuser}, 'pg_ts_template'::regclass, oid
            FROM pg_ts_template
           UNION ALL
           SELECT 'access method', quote_ident(amname), 0, {superuser}, 'pg_am'::regclass, oid FROM pg_am
           UNION ALL
           SELECT 'language', quote_ident(lanname), 0, lanowner, 'pg_language'::regclass, oid FROM pg_language
           UNION ALL
           SELECT 'foreign-data wrapper', quote_ident(fdwname), 0, fdwowner, 'pg_foreign_data_wrapper'::regclass, oid
            FROM pg_foreign_data_wrapper
           UNION ALL
           SELECT 'cast', format('(%s AS %s)', format_type(castsource, NULL), format_type(casttarget, NULL)), 0, typowner,
                  'pg_cast'::regclass, c.oid
            FROM pg_cast c JOIN pg_type t ON t.oid = castsource) AS small
     LEFT JOIN place p ON p.oid = space WHERE small.oid >= {first} AND (space = 0 OR p.oid IS NOT NULL)),
  found AS (
    SELECT nr, what, name FROM one
     WHERE NOT (theirs AND NOT pg_has_role(owner, 'MEMBER'))
       AND NOT ((nr = 2 AND split_part(name, '.', 1) IN ({furnished}) OR nr = 4 OR nr = 5 AND name IN ({publications})
                 OR nr = 7 AND EXISTS (SELECT FROM pg_event_trigger e JOIN pg_proc f ON f.oid = evtfoid
                                        WHERE e.oid = one.oid AND pronamespace::regnamespace::text IN ({furnished})))
                AND {is_furnished})
       AND NOT EXISTS (SELECT FROM pg_depend d
                       WHERE d.classid = one.catalog AND d.objid = one.oid AND d.deptype = 'e')
     LIMIT 100)
SELECT json_build_array((SELECT coalesce(json_agg(what || ' ' || name ORDER BY nr, name), '[]') FROM found),
  (SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user));";

/// The situation of a refusal: something is in the database, and another one could be created.
#[derive(Debug, Clone, Copy)]
pub struct NotEmpty;

/// Refuses a database that is not empty.
pub async fn refuse(psql: &Psql, name: &str) -> Result<()> {
    let question = FOREIGN
        .replace("{services}", &listed(THEIR_ROLES))
        .replace("{furnished}", &listed(FURNISHED_SCHEMAS))
        .replace("{publications}", &listed(FURNISHED_PUBLICATIONS))
        .replace("{is_furnished}", &is_furnished())
        .replace("{superuser}", SUPERUSER)
        .replace("{first}", FIRST_OF_USERS);
    let (found, may_create): (Vec<String>, bool) = psql.query(&question).await?;
    if found.is_empty() { Ok(()) } else { Err(has_content(name, &found, may_create)) }
}

/// SQL for whether a service puts things into this database in this role's name: it has schemas there, and the role is not its own.
pub(super) fn is_furnished() -> String {
    let services = listed(FURNISHING);
    format!(
        "EXISTS (SELECT FROM pg_namespace s JOIN pg_roles r ON r.oid = s.nspowner WHERE r.rolname IN ({services}))
         AND EXISTS (SELECT FROM pg_roles r WHERE r.rolname = current_user AND NOT r.rolsuper)"
    )
}

/// Names for SQL's `IN`.
pub(super) fn listed(names: &[&str]) -> String {
    names.iter().copied().map(literal).collect::<Vec<_>>().join(", ")
}

fn has_content(name: &str, found: &[String], may_create: bool) -> Error {
    let shown = found.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
    let more = if found.len() > 4 { format!(" and {} more", plus(found.len() - 4)) } else { String::new() };
    let error =
        Error::target_exists(format!("the target database {} is not empty: {shown}{more}", identifier(name)));
    match may_create {
        true => {
            error.hint("name a database that does not exist yet; it will be created").in_situation(NotEmpty)
        }
        false => error
            .hint("the role may not create databases: name one that exists and has nothing of yours in it")
            .hint(BY_HAND),
    }
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
        let error = has_content("app", &found, true);
        assert_eq!(error.kind(), Kind::TargetExists);
        assert_eq!(
            error.message(),
            "the target database \"app\" is not empty: table t0, table t1, table t2, table t3 and 2 more"
        );
    }
}
