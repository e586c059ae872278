//! Rows of a restored database, counted table by table.

use super::quote::identifier;
use super::target::Target;
use crate::error::Result;
use std::collections::HashMap;

/// Tables counted in one question: each is locked, with its indexes, until the answer is there, and a
/// server has room for a few thousand locks.
const AT_ONCE: usize = 200;

/// What was found of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Its own rows, those of tables that inherit from it not counted.
    pub rows: u64,
    /// Whether it belongs to an extension, which may have put rows of its own into it.
    pub of_extension: bool,
}

/// Every table there is, and whether an extension made it.
const TABLES: &str = "
SELECT coalesce(json_agg(json_build_array(n.nspname, c.relname, EXISTS (
    SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))), '[]')
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'f');";

impl Target {
    /// Counts the rows of these tables, given as schema and name, in their order; `None` for one that
    /// is not there.
    pub async fn count_rows(&self, tables: &[(&str, &str)]) -> Result<Vec<Option<Counted>>> {
        let found: Vec<(String, String, bool)> = self.psql().query(TABLES).await?;
        let found: HashMap<(&str, &str), bool> = found
            .iter()
            .map(|(schema, name, of_extension)| ((schema.as_str(), name.as_str()), *of_extension))
            .collect();
        let there: Vec<&(&str, &str)> = tables.iter().filter(|table| found.contains_key(*table)).collect();
        let mut rows = Vec::with_capacity(there.len());
        for batch in there.chunks(AT_ONCE) {
            let counted: Vec<u64> = self.psql().query(&question(batch)).await?;
            rows.extend(counted);
        }
        let mut rows = rows.into_iter();
        Ok(tables
            .iter()
            .map(|table| Some(Counted { of_extension: *found.get(table)?, rows: rows.next()? }))
            .collect())
    }
}

/// Row security would hide rows silently; without it, counting what one may not see is an error.
fn question(tables: &[&(&str, &str)]) -> String {
    let count = |(schema, name): &(&str, &str)| {
        format!("(SELECT count(*) FROM ONLY {}.{})", identifier(schema), identifier(name))
    };
    let counts: Vec<String> = tables.iter().map(|table| count(table)).collect();
    format!("SET row_security = off;\nSELECT to_json(ARRAY[{}]);", counts.join(",\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        assert_eq!(
            question(&[&("public", "Ord\"ers"), &("we ird", "t")]),
            "SET row_security = off;\nSELECT to_json(ARRAY[(SELECT count(*) FROM ONLY \"public\".\"Ord\"\"ers\"),\n\
             (SELECT count(*) FROM ONLY \"we ird\".\"t\")]);"
        );
    }
}
