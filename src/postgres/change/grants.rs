//! Grants on everything in a database at once, so that a role can really use it.
//!
//! A grant on the database alone lets nobody read a table: schemas, tables and sequences need theirs, and
//! what is made later needs default privileges. Things that belong to somebody else (an extension's, on a
//! managed service; before PostgreSQL 15 the schema public) are passed over; row-level security stays what it is.

use crate::postgres::sql::{identifier, literal};

/// What a role is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// To read.
    Read,
    /// Everything.
    All,
}

/// Schemas that are not the system's.
const NOT_SYSTEM: &str = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// Roles that own something here, and so are those who will add to it.
const OWNERS: &str = "
  FROM (SELECT datdba AS owner FROM pg_database WHERE datname = current_database()
        UNION SELECT c.relowner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {not_system}
        UNION SELECT n.nspowner FROM pg_namespace n WHERE {not_system}) AS o
  JOIN pg_roles r ON r.oid = o.owner AND r.rolname !~ '^pg_' AND pg_has_role(r.oid, 'USAGE')";

impl Grant {
    /// The script that grants it, in one transaction.
    ///
    /// The server writes the statements itself, from names that nobody else sees.
    pub(super) fn script(self, role: &str) -> String {
        let [database_rights, schema_rights, rights] = match self {
            Grant::Read => ["CONNECT", "USAGE", "SELECT"],
            Grant::All => ["ALL", "ALL", "ALL"],
        };
        let statements = self.statements(database_rights, schema_rights, rights).join("\n  UNION ALL");
        format!(
            "BEGIN;
SET LOCAL pgstow.grantee = {};
DO $$
DECLARE
  grantee text := current_setting('pgstow.grantee'); statement text;
BEGIN
  FOR statement IN {statements}
  LOOP
    EXECUTE statement;
  END LOOP;
END $$;
COMMIT;
",
            literal(&identifier(role))
        )
    }

    /// The queries that give the statements.
    fn statements(self, database_rights: &str, schema_rights: &str, rights: &str) -> Vec<String> {
        let mut queries = vec![
            format!(
                "
  SELECT format('GRANT {database_rights} ON DATABASE %I TO %s', datname, grantee)
    FROM pg_database WHERE datname = current_database()
     AND (pg_has_role(datdba, 'USAGE') OR has_database_privilege(oid, 'CONNECT WITH GRANT OPTION'))"
            ),
            format!(
                "
  SELECT format('GRANT {schema_rights} ON SCHEMA %I TO %s', n.nspname, grantee)
    FROM pg_namespace n WHERE {NOT_SYSTEM} AND pg_has_role(n.nspowner, 'USAGE')"
            ),
            format!(
                "
  SELECT format('GRANT {rights} ON %s %I.%I TO %s',
                CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname, c.relname, grantee)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE {NOT_SYSTEM} AND has_schema_privilege(n.oid, 'USAGE')
     AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND pg_has_role(c.relowner, 'USAGE')"
            ),
        ];
        let mut later = vec![("SCHEMAS", schema_rights), ("TABLES", rights), ("SEQUENCES", rights)];
        if self == Grant::All {
            later.push(("ROUTINES", "ALL"));
            queries.push(format!(
                "
  SELECT format('GRANT ALL ON ROUTINE %s TO %s', p.oid::regprocedure, grantee)
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
   WHERE {NOT_SYSTEM} AND has_schema_privilege(n.oid, 'USAGE') AND pg_has_role(p.proowner, 'USAGE')"
            ));
        }
        let owners = OWNERS.replace("{not_system}", NOT_SYSTEM);
        queries.extend(later.into_iter().map(|(kind, rights)| {
            format!(
                "
  SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT {rights} ON {kind} TO %s', r.rolname, grantee){owners}"
            )
        }));
        queries
    }
}

/// SQL that asks what keeps a role out although it was granted what this role owns: the database, and schemas.
pub(super) fn closed_to(role: &str) -> String {
    let role = literal(role);
    format!(
        "SELECT json_build_array(
  (SELECT coalesce(json_agg(format('DATABASE %I', datname)), '[]') FROM pg_database
    WHERE datname = current_database() AND NOT has_database_privilege({role}, oid, 'CONNECT')),
  (SELECT coalesce(json_agg(format('SCHEMA %I', n.nspname) ORDER BY n.nspname), '[]') FROM pg_namespace n
    WHERE {NOT_SYSTEM} AND NOT has_schema_privilege({role}, n.oid, 'USAGE')
      AND EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
                                           AND pg_has_role(c.relowner, 'USAGE'))));"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_names_they_are_quoted_twice() {
        let script = Grant::Read.script("o'n\"e");
        assert!(script.contains("SET LOCAL pgstow.grantee = '\"o''n\"\"e\"';"), "{script}");
        assert!(!script.contains("ROUTINE") && !script.contains("GRANT ALL"), "{script}");
        assert!(Grant::All.script("r").contains("GRANT ALL ON ROUTINE"));
    }
}
