//! Rows of a restored database, counted table by table, and its large objects.

use super::target::Target;
use crate::error::Result;
use crate::postgres::sql::{list, literal};
use serde::Deserialize;
use std::collections::HashMap;

/// Tables counted in one transaction: each stays locked to its end, with all its indexes.
const AT_ONCE: usize = 500;
/// What part of the server's locks a table counted may take, with its indexes and those of others at work.
const SHARE: u64 = 24;

/// A table by the bytes of its schema and its name.
pub type TableName = (Vec<u8>, Vec<u8>);

/// What was found of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// Its own rows, those of tables that inherit from it not counted; or why they cannot be.
    pub rows: Result<u64, Hidden>,
    /// Whether it belongs to an extension, which may have put rows of its own into it.
    pub of_extension: bool,
}

/// Why the rows of a table cannot be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hidden {
    /// Row-level security hides some from this role.
    Policies,
    /// This role may not read it.
    Privileges,
}

type There = (u32, String, String, bool, Option<Hidden>);

impl Target {
    /// Counts the rows of these tables, whose names are in `encoding`, in their order; `None` for one
    /// that is not there.
    pub async fn count_rows(&self, encoding: &str, tables: &[TableName]) -> Result<Vec<Option<Counted>>> {
        let found: Vec<There> = self.psql().query(&there(encoding)).await?;
        let found: HashMap<(String, String), (u32, bool, Option<Hidden>)> = found
            .into_iter()
            .map(|(oid, schema, name, of_extension, hidden)| ((schema, name), (oid, of_extension, hidden)))
            .collect();
        let wanted =
            |(schema, name): &TableName| found.get(&(hex::encode(schema), hex::encode(name))).copied();
        let wanted: Vec<Option<(u32, bool, Option<Hidden>)>> = tables.iter().map(wanted).collect();
        let visible = wanted.iter().flatten().filter(|(_, _, hidden)| hidden.is_none());
        let oids: Vec<u32> = visible.map(|(oid, _, _)| *oid).collect();
        let mut rows = Vec::with_capacity(oids.len());
        let at_once = usize::try_from(self.locks() / SHARE).unwrap_or(AT_ONCE).clamp(1, AT_ONCE);
        for batch in oids.chunks(at_once) {
            let order = format!("{}{}", self.finding_names(), count(batch));
            let counted: Vec<u64> = self.psql().query(&order).await?;
            rows.extend(counted);
        }
        let mut rows = rows.into_iter();
        let counted = |found: Option<(u32, bool, Option<Hidden>)>| {
            let (_, of_extension, hidden) = found?;
            let rows = match hidden {
                Some(hidden) => Err(hidden),
                None => Ok(rows.next()?),
            };
            Some(Counted { rows, of_extension })
        };
        Ok(wanted.into_iter().map(counted).collect())
    }

    /// Counts the large objects.
    pub async fn count_large_objects(&self) -> Result<u64> {
        let [count] =
            self.psql().query("SELECT json_build_array(count(*)) FROM pg_largeobject_metadata;").await?;
        Ok(count)
    }
}

/// Asks for every table there is: oid, the bytes of schema and name in hex, whether an extension made it, why
/// its rows cannot be counted.
fn there(encoding: &str) -> String {
    let encoding = literal(encoding);
    format!(
        "SELECT coalesce(json_agg(json_build_array(c.oid::bigint,
           encode(convert_to(n.nspname::text, {encoding}), 'hex'), encode(convert_to(c.relname::text, {encoding}), 'hex'),
           EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'),
           CASE WHEN c.relkind = 'p' THEN NULL
                WHEN NOT (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')) THEN 'privileges'
                WHEN row_security_active(c.oid) THEN 'policies' END)), '[]')
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'f');"
    )
}

/// Asks for the rows of these tables.
///
/// A partitioned table has none of its own, whatever hides those of its parts.
///
/// Row security would hide rows silently; without it, counting what one may not see is an error, and such
/// tables are not among these. The server itself writes the names, which may be in any encoding.
fn count(oids: &[u32]) -> String {
    let oids = list(oids);
    format!(
        "SET LOCAL row_security = off;
         DO $$
         DECLARE
           one regclass; rows bigint; counts bigint[] := '{{}}';
         BEGIN
           FOREACH one IN ARRAY '{{{oids}}}'::oid[]::regclass[] LOOP
             IF EXISTS (SELECT FROM pg_class WHERE oid = one AND relkind = 'p') THEN
               rows := 0;
             ELSE
               EXECUTE format('SELECT count(*) FROM ONLY %s', one) INTO rows;
             END IF;
             counts := counts || rows;
           END LOOP;
           PERFORM set_config('pgstow.counts', array_to_json(counts)::text, true);
         END $$;
         SELECT current_setting('pgstow.counts');"
    )
}
