//! Grants on everything in a database at once, so that a role can really use it.
//!
//! A grant on the database alone lets nobody read a table: schemas, tables and sequences need theirs, and
//! what is made later needs default privileges. Things that belong to somebody else (an extension's, on a
//! managed service) are passed over; row-level security stays what it is.

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
const SCHEMAS: &str = "pg_namespace n WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND pg_has_role(n.nspowner, 'USAGE')";

impl Grant {
    /// The script that grants it, for psql and in one transaction.
    pub(super) fn script(self, role: &str, database: &str) -> String {
        let grantee = literal(&identifier(role));
        // What is granted on databases, schemas, tables and sequences.
        let [database_rights, schema_rights, rights] = match self {
            Grant::Read => ["CONNECT", "USAGE", "SELECT"],
            Grant::All => ["ALL", "ALL", "ALL"],
        };
        let mut script = format!(
            "BEGIN;\nGRANT {database_rights} ON DATABASE {} TO {};\n",
            identifier(database),
            identifier(role)
        );
        let mut each = |statement: &str, from: &str| {
            script.push_str(&format!("SELECT {statement} FROM {from}\n\\gexec\n"));
        };
        each(&format!("format('GRANT {schema_rights} ON SCHEMA %I TO %s', n.nspname, {grantee})"), SCHEMAS);
        each(
            &format!(
                "format('GRANT {rights} ON %s %I.%I TO %s', \
                 CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname, c.relname, {grantee})"
            ),
            &format!(
                "pg_class c JOIN {SCHEMAS} AND n.oid = c.relnamespace \
                 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND pg_has_role(c.relowner, 'USAGE')"
            )
            .replacen(" WHERE ", " ON ", 1),
        );
        if self == Grant::All {
            each(
                &format!("format('GRANT ALL ON ROUTINE %s TO %s', p.oid::regprocedure, {grantee})"),
                &format!(
                    "pg_proc p JOIN {SCHEMAS} AND n.oid = p.pronamespace AND pg_has_role(p.proowner, 'USAGE')"
                )
                .replacen(" WHERE ", " ON ", 1),
            );
        }
        // Whoever owns something here is who will add to it.
        let owners = "(SELECT datdba AS owner FROM pg_database WHERE datname = current_database()
              UNION SELECT c.relowner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
              UNION SELECT nspowner FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema') AS o
            JOIN pg_roles r ON r.oid = o.owner AND r.rolname !~ '^pg_' AND pg_has_role(r.oid, 'USAGE')";
        let mut later = vec![("SCHEMAS", schema_rights), ("TABLES", rights), ("SEQUENCES", rights)];
        if self == Grant::All {
            later.push(("ROUTINES", "ALL"));
        }
        for (kind, rights) in later {
            each(
                &format!(
                    "format('ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT {rights} ON {kind} TO %s', r.rolname, {grantee})"
                ),
                owners,
            );
        }
        script.push_str("COMMIT;\n");
        script
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_names_they_are_quoted_twice() {
        let script = Grant::Read.script("o'n\"e", "d b");
        assert!(script.contains("GRANT CONNECT ON DATABASE \"d b\" TO \"o'n\"\"e\";"), "{script}");
        assert!(script.contains("nspname, '\"o''n\"\"e\"')"), "{script}");
        assert!(!script.contains("ROUTINE") && !script.contains("GRANT ALL"), "{script}");
        assert!(Grant::All.script("r", "d").contains("GRANT ALL ON ROUTINE"));
    }
}
