//! Whether tables that exist can take rows of others.

use crate::error::Result;
use crate::postgres::sql::literal;
use crate::postgres::tools::Psql;
use serde::Deserialize;

/// A table that rows are meant for; its names are bytes in the encoding of a dump.
#[derive(Debug, Clone)]
pub struct WantedTable {
    /// Its schema.
    pub schema: Vec<u8>,
    /// Its name.
    pub name: Vec<u8>,
    /// The columns that the rows have.
    pub columns: Vec<Vec<u8>>,
}

/// What was found of a table that rows are meant for.
#[derive(Debug, Deserialize)]
pub struct FoundTable {
    /// Whether it is a table that holds rows, and not a view or something else.
    pub is_table: bool,
    /// Which of the columns it does not have, or computes itself, by their numbers.
    pub lacks: Vec<usize>,
    /// Columns of it that need a value, and that the rows do not have.
    pub needs: Vec<String>,
    /// Which of the tables its foreign keys refer to, by their numbers.
    pub refers_to: Vec<usize>,
    /// Whether it has a sequence of its own.
    pub has_sequence: bool,
}

impl WantedTable {
    /// Looks for these tables, whose names are in `encoding`; `None` for one that does not exist.
    pub async fn find(psql: &Psql, encoding: &str, wanted: &[Self]) -> Result<Vec<Option<FoundTable>>> {
        psql.query(&question(encoding, wanted)).await
    }

    fn row(&self, number: usize) -> String {
        let columns: Vec<String> = self.columns.iter().map(hex::encode).collect();
        format!(
            "({number}, '{}', '{}', '{{{}}}'::text[])",
            hex::encode(&self.schema),
            hex::encode(&self.name),
            columns.join(",")
        )
    }
}

/// Generated columns are known since PostgreSQL 12, so they are looked for in a row as JSON.
fn question(encoding: &str, wanted: &[WantedTable]) -> String {
    let rows: Vec<String> = wanted.iter().enumerate().map(|(number, table)| table.row(number)).collect();
    let (rows, encoding) = (rows.join(", "), literal(encoding));
    format!(
        "WITH wanted(number, schema, name, columns) AS (VALUES {rows}),
              given AS (SELECT number, c.ordinality - 1 AS place, convert_from(decode(c.hex, 'hex'), {encoding}) AS name
                        FROM wanted, unnest(columns) WITH ORDINALITY c(hex, ordinality))
         SELECT json_agg(CASE WHEN r.oid IS NOT NULL THEN json_build_object(
           'is_table', r.relkind IN ('r', 'p'),
           'lacks', (SELECT coalesce(json_agg(g.place ORDER BY g.place), '[]') FROM given g
                     WHERE g.number = w.number AND NOT EXISTS (
                       SELECT FROM pg_attribute a WHERE a.attrelid = r.oid AND a.attname::text = g.name AND a.attnum > 0
                         AND NOT a.attisdropped AND coalesce(to_json(a)->>'attgenerated', '') = '')),
           'needs', (SELECT coalesce(json_agg(a.attname::text ORDER BY a.attnum), '[]') FROM pg_attribute a
                     WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull AND NOT a.atthasdef
                       AND a.attidentity = '' AND NOT EXISTS (
                         SELECT FROM given g WHERE g.number = w.number AND g.name = a.attname::text)),
           'refers_to', (SELECT coalesce(json_agg(DISTINCT o.number), '[]') FROM pg_constraint k
                         JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace m ON m.oid = p.relnamespace
                         JOIN wanted o ON m.nspname::text = convert_from(decode(o.schema, 'hex'), {encoding})
                                      AND p.relname::text = convert_from(decode(o.name, 'hex'), {encoding})
                         WHERE k.conrelid = r.oid AND k.contype = 'f' AND o.number <> w.number),
           'has_sequence', EXISTS (SELECT FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
                                   WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                                     AND d.refobjid = r.oid AND d.deptype IN ('a', 'i'))) END ORDER BY w.number)
         FROM wanted w LEFT JOIN (pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace)
           ON n.nspname::text = convert_from(decode(w.schema, 'hex'), {encoding})
          AND r.relname::text = convert_from(decode(w.name, 'hex'), {encoding});"
    )
}
