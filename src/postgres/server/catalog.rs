//! Whether the objects that `pg_dump` wrote definitions of are still what they were when it began, and whether the
//! rows of its tables are still where they were.
//!
//! It asks for those objects only: what others create, fill or drop next to a dump does not disturb it. Nothing
//! is locked, and every role that can dump may ask.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use serde::Deserialize;

use super::unlocked::Unlocked;
use crate::error::Result;
use crate::postgres::sql::list;
use crate::postgres::tools::Psql;

/// A moment in the life of a database: what the catalogue held, which files had the rows, and what no lock keeps.
///
/// The server cannot be asked later what it held: it knows the transactions that ran, but not their parts
/// (`SAVEPOINT`, `EXCEPTION`), which write under numbers of their own; and a standby knows neither.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Moment {
    /// The number of the oldest transaction that ran.
    since: u64,
    /// The transactions, and parts of such, from that one on that had written something that the catalogue held.
    known: Vec<u32>,
    /// The file of each relation that has another than its first, which has its own number, by their numbers.
    files: BTreeMap<u32, u32>,
    /// Names and types.
    pub unlocked: Unlocked,
}

/// What is no longer as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Changes {
    /// Objects that were changed or dropped; the first of many.
    pub objects: Vec<ChangedObject>,
    /// Relations and schemas that were changed: their names, or only rights, statistics and the like.
    pub written: Vec<WrittenObject>,
    /// Tables, named as SQL, whose rows are in other files.
    pub rewritten: Vec<String>,
}

/// An object that is no longer what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct ChangedObject {
    /// The oid of the catalogue that describes it.
    pub catalog: u32,
    /// Its oid.
    pub oid: u32,
    /// Whether it was dropped; else it was changed.
    pub dropped: bool,
}

/// A relation or a schema of whose catalogue row there is a new version, and what it is called now.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct WrittenObject {
    /// The oid of the catalogue that describes it.
    pub catalog: u32,
    /// Its oid.
    pub oid: u32,
    /// Its schema, in the encoding that was asked for, in hex; empty for a schema.
    pub schema: String,
    /// Its name, likewise.
    pub name: String,
}

/// Catalogues whose rows change only if somebody redefines what they describe.
const VERSIONED: [&str; 27] = [
    "pg_am",
    "pg_attrdef",
    "pg_cast",
    "pg_collation",
    "pg_constraint",
    "pg_conversion",
    "pg_default_acl",
    "pg_event_trigger",
    "pg_extension",
    "pg_foreign_data_wrapper",
    "pg_foreign_server",
    "pg_language",
    "pg_opclass",
    "pg_operator",
    "pg_opfamily",
    "pg_policy",
    "pg_proc",
    "pg_publication",
    "pg_rewrite",
    "pg_statistic_ext",
    "pg_transform",
    // DISABLE TRIGGER changes it, too.
    "pg_trigger",
    "pg_ts_config",
    "pg_ts_dict",
    "pg_ts_parser",
    "pg_ts_template",
    "pg_type",
];

/// The catalogues of relations and of schemas. `pg_dump` reads their rows from its snapshot, and they change for many
/// reasons that are no new definition (GRANT, TRUNCATE, REFRESH, REINDEX). Only their names matter: by those it locks and
/// reads tables, and the server writes them into other definitions as they are then.
const NAMED: [&str; 2] = [RELATIONS, SCHEMAS];
const RELATIONS: &str = "pg_class";
const SCHEMAS: &str = "pg_namespace";

/// Parts of an object that have rows of their own: the catalogue of the object, that of its parts, and the
/// column that names the object.
const PARTS: [(&str, &str, &str); 3] = [
    ("pg_class", "pg_attribute", "attrelid"),
    ("pg_class", "pg_rewrite", "ev_class"),
    ("pg_type", "pg_constraint", "contypid"),
];

/// How many changed objects are of interest.
const MOST: usize = 20;

impl Moment {
    /// SQL for the moment of the snapshot that the question sees.
    pub const SQL: MomentSql = MomentSql;

    /// Asks which moment it is.
    pub async fn now(psql: &Psql) -> Result<Self> {
        psql.query(&format!("SELECT {};", Self::SQL)).await
    }

    /// Finds those of the objects, each a catalogue's oid and its own, that were changed or dropped since, and those of
    /// the tables whose rows are in other files now.
    ///
    /// Whoever saw such a table as it was then may have seen it empty: TRUNCATE leaves its old rows to nobody, and so
    /// does an ALTER TABLE that writes them again. The tables must be locked, or the answer is worth nothing. One that was
    /// dropped all the same counts as changed: another was locked, and is read, by its name. What relations and schemas
    /// are called is written in this encoding.
    pub async fn changed_since(
        &self,
        psql: &Psql,
        objects: &[(u32, u32)],
        tables: &[u32],
        encoding: &str,
    ) -> Result<Changes> {
        if objects.is_empty() {
            return Ok(Changes::default());
        }
        psql.query(&self.question(objects, tables, encoding)).await
    }

    fn question(&self, objects: &[(u32, u32)], tables: &[u32], encoding: &str) -> String {
        let catalogs = NAMED.iter().chain(&VERSIONED).map(|name| format!("'{name}'::regclass::oid"));
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let is_known = !encoding.is_empty() && encoding.chars().all(is_word);
        let encoding = if is_known { format!("'{encoding}'") } else { "getdatabaseencoding()".to_owned() };
        let hex = |name| format!("encode(convert_to({name}::text, {encoding}), 'hex')");
        let is_new = |xid| {
            let known = list(&self.known);
            format!(
                "{} AND {xid} NOT IN (SELECT unnest('{{{known}}}'::bigint[]))",
                is_recent(xid, self.since)
            )
        };
        format!(
            "WITH dumped AS (SELECT * FROM unnest('{{{}}}'::oid[], '{{{}}}'::oid[]) AS dumped (catalog, oid)), \
             locked AS (SELECT * FROM unnest('{{{}}}'::oid[], '{{{}}}'::bigint[]) AS locked (oid, file)), \
             found (catalog, oid, xid, is_named) AS ({}), \
             judged AS (SELECT catalog, oid, count(xid) = 0 AS dropped, \
               coalesce(bool_or({is_new} AND NOT is_named), false) AS changed, \
               coalesce(bool_or({is_new} AND is_named), false) AS written \
               FROM dumped LEFT JOIN found USING (catalog, oid) WHERE catalog = ANY (ARRAY[{}]) \
               GROUP BY catalog, oid), \
             written (catalog, oid, schema, name) AS ( \
               SELECT catalog, c.oid, nspname, relname FROM judged JOIN {RELATIONS} c USING (oid) \
                 JOIN {SCHEMAS} n ON n.oid = relnamespace WHERE catalog = '{RELATIONS}'::regclass AND written \
               UNION ALL SELECT catalog, n.oid, '', nspname FROM judged JOIN {SCHEMAS} n USING (oid) \
                 WHERE catalog = '{SCHEMAS}'::regclass AND written \
               UNION ALL (SELECT DISTINCT ON (n.oid) catalog, c.oid, nspname, relname FROM dumped \
                 JOIN {RELATIONS} c USING (oid) JOIN (SELECT oid, nspname, xmin::text::bigint AS xid FROM {SCHEMAS}) n \
                   ON n.oid = relnamespace WHERE catalog = '{RELATIONS}'::regclass AND {})) \
             SELECT json_build_object('objects', (SELECT coalesce(json_agg(one), '[]') FROM ( \
                 SELECT catalog::bigint, oid::bigint, dropped AND NOT (catalog = '{RELATIONS}'::regclass \
                   AND oid IN (SELECT oid FROM locked)) AS dropped FROM judged WHERE dropped OR changed \
                 ORDER BY dropped, catalog, oid LIMIT {MOST}) AS one), \
               'written', (SELECT coalesce(json_agg(json_build_object('catalog', catalog::bigint, 'oid', oid::bigint, \
                 'schema', {}, 'name', {})), '[]') FROM written), \
               'rewritten', (SELECT coalesce(json_agg(format('%I.%I', n.nspname, c.relname)), '[]') \
                 FROM locked JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE c.relkind = 'r' AND c.relfilenode <> 0 AND pg_relation_filenode(c.oid)::bigint <> file));",
            list(objects.iter().map(|(catalog, _)| *catalog)),
            list(objects.iter().map(|(_, oid)| *oid)),
            list(tables),
            list(tables.iter().map(|oid| self.file(*oid))),
            written(),
            catalogs.collect::<Vec<_>>().join(", "),
            is_new("n.xid"),
            hex("schema"),
            hex("name"),
            is_new = is_new("xid"),
        )
    }

    /// The file that a relation had; its first if it was not there then.
    pub fn file(&self, oid: u32) -> u32 {
        self.files.get(&oid).copied().unwrap_or(oid)
    }
}

/// See [`Moment::SQL`].
#[derive(Debug, Clone, Copy)]
pub struct MomentSql;

impl Display for MomentSql {
    // There is one number for each transaction that left something, so there are never more than objects, and
    // pg_dump holds far more of each in its memory.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = "(SELECT txid_snapshot_xmin(txid_current_snapshot()))";
        write!(
            f,
            "json_build_object('since', {since}, \
               'known', (SELECT coalesce(json_agg(DISTINCT xid), '[]') \
                 FROM ({}) AS written (catalog, oid, xid, is_named) WHERE {}), \
               'files', (SELECT coalesce(json_object_agg(oid, relfilenode::bigint), '{{}}') FROM pg_class \
                 WHERE relkind IN ('r', 'i', 'S', 'm') AND relfilenode NOT IN (0, oid) AND relpersistence <> 't'), \
               'unlocked', {})",
            written(),
            is_recent("xid", since),
            Unlocked::SQL
        )
    }
}

/// SQL for which transaction, or part of one, wrote what there is of an object: its catalogue, its oid, the number, and
/// whether only a name in it matters.
fn written() -> String {
    let versioned =
        |catalog, is_named| format!("SELECT tableoid, oid, xmin::text::bigint, {is_named} FROM {catalog}");
    let parts = PARTS.iter().map(|(whole, part, column)| {
        format!("SELECT '{whole}'::regclass::oid, {column}, xmin::text::bigint, false FROM {part}")
    });
    let named = NAMED.iter().map(|catalog| versioned(catalog, true));
    let all = VERSIONED.iter().map(|catalog| versioned(catalog, false)).chain(parts).chain(named);
    all.collect::<Vec<_>>().join(" UNION ALL ")
}

/// SQL for whether the transaction `xid` is not older than `since`.
///
/// The server keeps 32 bits of a number, and half of those numbers are after any other. What is two thousand million
/// transactions old looks as if it were recent; it did so then too, and is known.
fn is_recent(xid: &str, since: impl Display) -> String {
    format!("{xid} > 2 AND ({xid} - {since} & 4294967295) < 2147483648")
}
