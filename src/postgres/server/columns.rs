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
    /// Its oid.
    pub oid: u32,
    /// Its schema and its own name.
    pub name: [String; 2],
    /// Whether it is a table that holds rows, and not a view or something else.
    pub is_table: bool,
    /// Whether its rows are in partitions, whatever it was when it was backed up.
    pub is_partitioned: bool,
    /// Which of the columns it does not have, or computes itself, by their numbers.
    pub lacks: Vec<usize>,
    /// Columns of it that need a value, and that the rows do not have.
    pub needs: Vec<String>,
    /// Whether it belongs to an extension.
    pub of_extension: bool,
    /// Whether a key keeps the same row from coming twice.
    pub has_key: bool,
    /// Triggers of it that may change a new row or leave it out.
    pub triggers: Vec<String>,
    /// Triggers of it that fire after new rows, and may write into other tables.
    pub triggers_after: Vec<String>,
    /// Tables with foreign keys that refer to it.
    pub referred_by: Vec<Referring>,
    /// Its foreign keys that refer to others of the tables.
    pub refers_to: Vec<Reference>,
    /// For each sequence of its own the SQL that sets it past the table's rows, if it is not.
    pub sequences: Vec<String>,
}

/// A table with a foreign key.
#[derive(Debug, Deserialize)]
pub struct Referring {
    /// Its schema and its own name.
    pub name: [String; 2],
    /// The partitions in which its rows are, if it is partitioned.
    pub parts: Option<Vec<[String; 2]>>,
}

/// A foreign key.
#[derive(Debug, Deserialize)]
pub struct Reference {
    /// The number of the table that it refers to.
    pub table: usize,
    /// Its name, as SQL writes it.
    pub constraint: String,
    /// Whether it may be checked at the end of a transaction.
    pub deferrable: bool,
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

/// Generated columns are known since PostgreSQL 12, so they are looked for in a row as JSON, as are constraints that
/// are not enforced. A partition's foreign keys are those of the tables that it is part of, too; those from one part
/// of a table to another matter only if they can be deferred, as no order of the parts would do.
fn question(encoding: &str, wanted: &[WantedTable]) -> String {
    let rows: Vec<String> = wanted.iter().enumerate().map(|(number, table)| table.row(number)).collect();
    let (rows, encoding) = (rows.join(", "), literal(encoding));
    format!(
        "WITH given(number, schema, name, columns) AS (VALUES {rows}),
              wanted AS MATERIALIZED (
                SELECT number, convert_from(decode(schema, 'hex'), {encoding}) AS schema,
                       convert_from(decode(name, 'hex'), {encoding}) AS name,
                       ARRAY(SELECT convert_from(decode(c.hex, 'hex'), {encoding})
                             FROM unnest(columns) WITH ORDINALITY c(hex, place) ORDER BY c.place) AS columns
                FROM given),
              lineages AS MATERIALIZED (
                SELECT number, ARRAY(SELECT r.oid UNION SELECT pg_partition_ancestors(r.oid)::oid) AS oids
                FROM wanted JOIN pg_namespace n ON n.nspname::text = wanted.schema
                JOIN pg_class r ON r.relnamespace = n.oid AND r.relname::text = wanted.name),
              referring AS MATERIALIZED (
                SELECT k.confrelid AS oid, json_agg(DISTINCT jsonb_build_object(
                         'name', jsonb_build_array(m.nspname::text, f.relname::text),
                         'parts', CASE f.relkind WHEN 'p' THEN (
                           SELECT coalesce(jsonb_agg(jsonb_build_array(s.nspname::text, p.relname::text)), '[]')
                           FROM pg_partition_tree(f.oid) t JOIN pg_class p ON p.oid = t.relid
                           JOIN pg_namespace s ON s.oid = p.relnamespace WHERE t.isleaf) END)) AS tables
                FROM pg_constraint k JOIN pg_class f ON f.oid = k.conrelid JOIN pg_namespace m ON m.oid = f.relnamespace
                WHERE k.contype = 'f' AND k.conrelid <> k.confrelid GROUP BY k.confrelid),
              referred AS MATERIALIZED (
                SELECT own.number, json_agg(DISTINCT jsonb_build_object('table', o.number,
                         'constraint', quote_ident(k.conname), 'deferrable', k.condeferrable)) AS keys
                FROM lineages own CROSS JOIN unnest(own.oids) AS a(oid) JOIN pg_constraint k ON k.conrelid = a.oid
                JOIN (lineages o CROSS JOIN unnest(o.oids) AS b(oid)) ON b.oid = k.confrelid
                WHERE o.number <> own.number AND k.contype = 'f' AND coalesce(to_json(k)->>'conenforced', 'true') = 'true'
                  AND (k.condeferrable OR NOT own.oids && o.oids) GROUP BY own.number)
         SELECT json_agg(CASE WHEN r.oid IS NOT NULL THEN json_build_object(
           'oid', r.oid::int8,
           'name', json_build_array(n.nspname::text, r.relname::text),
           'is_table', r.relkind IN ('r', 'p'),
           'is_partitioned', r.relkind = 'p',
           'of_extension', EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid
                                                           AND d.deptype = 'e'),
           'has_key', EXISTS (SELECT FROM pg_index i WHERE i.indrelid = r.oid AND i.indisunique AND i.indisvalid),
           'triggers', (SELECT coalesce(json_agg(t.tgname::text ORDER BY t.tgname), '[]') FROM pg_trigger t
                        WHERE t.tgrelid = r.oid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & 7 = 7),
           'triggers_after', (SELECT coalesce(json_agg(t.tgname::text ORDER BY t.tgname), '[]') FROM pg_trigger t
                        WHERE t.tgrelid = r.oid AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & 6 = 4),
           'lacks', (SELECT coalesce(json_agg(c.place - 1 ORDER BY c.place), '[]')
                     FROM unnest(w.columns) WITH ORDINALITY c(name, place) WHERE NOT EXISTS (
                       SELECT FROM pg_attribute a WHERE a.attrelid = r.oid AND a.attname::text = c.name AND a.attnum > 0
                         AND NOT a.attisdropped AND coalesce(to_json(a)->>'attgenerated', '') = '')),
           'needs', (SELECT coalesce(json_agg(a.attname::text ORDER BY a.attnum), '[]') FROM pg_attribute a
                     WHERE a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull AND NOT a.atthasdef
                       AND a.attidentity = '' AND a.attname::text <> ALL (w.columns)),
           'referred_by', coalesce(referring.tables, '[]'),
           'refers_to', coalesce(referred.keys, '[]'),
           'sequences', (SELECT coalesce(json_agg(format(
                           'SELECT setval(%L, %s(%I)) FROM %I.%I HAVING %s(%I) %s (SELECT last_value FROM %I.%I);',
                           format('%I.%I', q.nspname, s.relname), last.of, a.attname, n.nspname, r.relname,
                           last.of, a.attname, last.beyond, q.nspname, s.relname) ORDER BY a.attnum), '[]')
                         FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
                         JOIN pg_sequence way ON way.seqrelid = s.oid
                         CROSS JOIN LATERAL (SELECT CASE WHEN way.seqincrement > 0 THEN 'max' ELSE 'min' END AS of,
                                                    CASE WHEN way.seqincrement > 0 THEN '>=' ELSE '<=' END AS beyond) last
                         JOIN pg_namespace q ON q.oid = s.relnamespace
                         JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                         WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                           AND d.refobjid = r.oid AND d.deptype IN ('a', 'i'))) END ORDER BY w.number)
         FROM wanted w LEFT JOIN (pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace)
           ON n.nspname::text = w.schema AND r.relname::text = w.name
         LEFT JOIN referring ON referring.oid = r.oid
         LEFT JOIN referred ON referred.number = w.number;"
    )
}
