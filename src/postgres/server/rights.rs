//! What of a database this role may not read, although `pg_dump` reads it, and until when it may log in.
//!
//! `pg_dump` itself ends at the first such object; here all of them are named.

use serde::Deserialize;

use crate::error::Result;
use crate::postgres::tools::Psql;
use crate::text::shell_word;

/// What a role may not read, by name, quoted as SQL writes it; each list is sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Unreachable {
    /// Schemas without USAGE.
    pub schemas: Vec<String>,
    /// Tables without SELECT.
    pub tables: Vec<String>,
    /// Sequences without SELECT.
    pub sequences: Vec<String>,
    /// How many large objects there are without SELECT; counted up to [`MOST`].
    pub large_objects: u32,
    /// Seconds until the password of the role expires; negative if it has, `None` if it never does.
    pub expires_in: Option<i64>,
}

/// How many large objects are counted.
pub const MOST: u32 = 1000;

/// Of the tables of extensions `pg_dump` reads only those whose rows the extension has said are the user's.
/// `pg_read_all_data` covers large objects since 19.
const QUESTION: &str = "
WITH theirs AS (SELECT objid FROM pg_depend WHERE classid = 'pg_class'::regclass AND deptype = 'e'
                AND objid <> ALL (coalesce((SELECT array_agg(config) FROM pg_extension, unnest(extconfig) AS config), '{}'))),
  wanted AS (SELECT c.oid, c.relkind, n.oid AS schema, quote_ident(n.nspname) AS schema_name,
                    format('%I.%I', n.nspname, c.relname) AS name
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p', 'S') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
               AND c.relpersistence <> 't' AND c.oid NOT IN (SELECT objid FROM theirs)),
  hidden AS (SELECT lomowner FROM pg_largeobject_metadata WHERE
               NOT pg_has_role(lomowner, 'USAGE')
               AND NOT EXISTS (SELECT FROM aclexplode(lomacl) AS a WHERE a.privilege_type = 'SELECT'
                               AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE')))
               AND current_setting('lo_compat_privileges') = 'off'
               AND NOT (current_setting('server_version_num')::int >= 190000 AND EXISTS (
                 SELECT FROM pg_roles WHERE rolname = 'pg_read_all_data' AND pg_has_role(oid, 'USAGE')))
             LIMIT 1000)
SELECT json_build_object(
  'schemas', (SELECT coalesce(json_agg(DISTINCT schema_name), '[]') FROM wanted
              WHERE NOT has_schema_privilege(schema, 'USAGE')),
  'tables', (SELECT coalesce(json_agg(name ORDER BY name), '[]') FROM wanted
             WHERE relkind <> 'S' AND NOT has_table_privilege(oid, 'SELECT')),
  'sequences', (SELECT coalesce(json_agg(name ORDER BY name), '[]') FROM wanted
                WHERE CASE WHEN relkind = 'S' THEN NOT has_sequence_privilege(oid, 'SELECT') END),
  'large_objects', (SELECT count(*) FROM hidden),
  'expires_in', (SELECT CASE WHEN isfinite(rolvaliduntil) THEN extract(epoch FROM rolvaliduntil - now())::bigint END
                 FROM pg_roles WHERE rolname = session_user));";

impl Unreachable {
    /// Asks what this role may not read.
    pub async fn ask(psql: &Psql) -> Result<Self> {
        psql.query(QUESTION).await
    }

    /// The flags that leave out of a backup what this role may not read; nothing for large objects.
    pub fn excluded_by(&self) -> Vec<String> {
        let is_in_hidden = |name: &&String| {
            self.schemas
                .iter()
                .any(|schema| name.strip_prefix(schema).is_some_and(|rest| rest.starts_with('.')))
        };
        let schemas = self.schemas.iter().map(|name| format!("--exclude-schema {}", shell_word(name)));
        let others = self.tables.iter().chain(&self.sequences).filter(|name| !is_in_hidden(name));
        schemas.chain(others.map(|name| format!("--exclude-table {}", shell_word(name)))).collect()
    }

    /// The same as sentences' parts: `tables app.a, app.b`.
    pub fn named(&self) -> Vec<String> {
        let list = |what: &str, names: &[String]| match names {
            [] => None,
            [only] => Some(format!("{what} {only}")),
            many => Some(format!("{what}s {}", first_names(many))),
        };
        let large = match self.large_objects {
            0 => None,
            number if number >= MOST => Some(format!("{MOST} large objects or more")),
            1 => Some("1 large object".to_owned()),
            number => Some(format!("{number} large objects")),
        };
        let all = [
            list("schema", &self.schemas),
            list("table", &self.tables),
            list("sequence", &self.sequences),
            large,
        ];
        all.into_iter().flatten().collect()
    }
}

/// How many names stand in a sentence.
const NAMED: usize = 5;

/// The first of the names, and how many there are more.
pub fn first_names(names: &[String]) -> String {
    let first = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_and_counts_are_honest() {
        let tables = |number: usize| (0..number).map(|n| format!("t{n}")).collect();
        let hidden = Unreachable { tables: tables(7), large_objects: MOST, ..Unreachable::default() };
        let named = ["tables t0, t1, t2, t3, t4 and 2 more", "1000 large objects or more"];
        assert_eq!(hidden.named(), named);
        let hidden = Unreachable { tables: tables(1), large_objects: 1, ..Unreachable::default() };
        assert_eq!(hidden.named(), ["table t0", "1 large object"]);
        assert!(Unreachable::default().named().is_empty());
    }

    #[test]
    fn what_is_in_a_hidden_schema_goes_with_it() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let hidden = Unreachable {
            schemas: names(&["auth"]),
            tables: names(&["app.\"T\"", "auth.users", "authors.books"]),
            sequences: names(&["app.ids", "auth.ids"]),
            ..Unreachable::default()
        };
        let flags = ["schema auth", "table 'app.\"T\"'", "table authors.books", "table app.ids"];
        assert_eq!(hidden.excluded_by(), flags.map(|flag| format!("--exclude-{flag}")));
    }
}
