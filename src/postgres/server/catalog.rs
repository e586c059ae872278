//! Whether the objects that `pg_dump` wrote definitions of are still what they were when it began.
//!
//! It asks for those objects only: what others create, fill or drop next to a dump does not disturb it. Nothing
//! is locked, and every role that can dump may ask.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::error::Result;
use crate::postgres::sql::literal;
use crate::postgres::tools::Psql;

/// A moment in the life of a server: which transactions had ended.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Moment(String);

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

/// Catalogues whose rows change only if somebody redefines what they describe.
const VERSIONED: [&str; 26] = [
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
    "pg_namespace",
    "pg_opclass",
    "pg_operator",
    "pg_opfamily",
    "pg_policy",
    "pg_proc",
    "pg_publication",
    "pg_rewrite",
    "pg_statistic_ext",
    "pg_transform",
    "pg_ts_config",
    "pg_ts_dict",
    "pg_ts_parser",
    "pg_type",
];

/// Catalogues whose rows change for other reasons too (TRUNCATE, REFRESH, DISABLE TRIGGER): only whether a row is
/// there counts.
const PRESENT: [&str; 3] = ["pg_class", "pg_trigger", "pg_ts_template"];

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
    /// Asks which moment it is.
    ///
    /// A standby does not know which transactions run: there everything since the oldest of them counts as new.
    pub async fn now(psql: &Psql) -> Result<Self> {
        psql.query(
            "SELECT to_json(CASE WHEN pg_is_in_recovery() \
               THEN format('%s:%s:', txid_snapshot_xmin(now), txid_snapshot_xmin(now)) ELSE now::text END) \
             FROM txid_current_snapshot() AS now;",
        )
        .await
    }

    /// Finds those of the objects, each a catalogue's oid and its own, that were changed or dropped since.
    pub async fn changed_since(&self, psql: &Psql, objects: &[(u32, u32)]) -> Result<Vec<ChangedObject>> {
        if objects.is_empty() {
            return Ok(Vec::new());
        }
        psql.query(&self.question(objects)).await
    }

    fn question(&self, objects: &[(u32, u32)]) -> String {
        let oids = |one: fn(&(u32, u32)) -> u32| {
            let mut list = String::new();
            for (at, object) in objects.iter().enumerate() {
                let _ = write!(list, "{}{}", if at == 0 { "" } else { "," }, one(object));
            }
            list
        };
        // Transaction 2 ended before all others.
        let present = PRESENT.map(|catalog| format!("SELECT tableoid, oid, 2 FROM {catalog}"));
        let versioned =
            VERSIONED.map(|catalog| format!("SELECT tableoid, oid, xmin::text::bigint FROM {catalog}"));
        let parts = PARTS.map(|(whole, part, column)| {
            format!("SELECT '{whole}'::regclass::oid, {column}, xmin::text::bigint FROM {part}")
        });
        let catalogs = PRESENT.iter().chain(&VERSIONED).map(|name| format!("'{name}'::regclass::oid"));
        // The server keeps 32 bits of a transaction's number; those above follow from the current one.
        format!(
            "WITH dumped AS (SELECT * FROM unnest('{{{}}}'::oid[], '{{{}}}'::oid[]) AS dumped (catalog, oid)), \
             now AS (SELECT txid_snapshot_xmax(txid_current_snapshot()) AS next), \
             found (catalog, oid, xid) AS ({}), \
             judged AS (SELECT catalog, oid, count(xid) = 0 AS dropped, \
               coalesce(bool_or(NOT txid_visible_in_snapshot(xid + (next >> 32 << 32) \
                 - CASE WHEN xid > next & 4294967295 THEN 4294967296 ELSE 0 END, {})), false) AS changed \
               FROM now, dumped LEFT JOIN found USING (catalog, oid) WHERE catalog = ANY (ARRAY[{}]) \
               GROUP BY catalog, oid) \
             SELECT coalesce(json_agg(one), '[]') FROM (SELECT catalog::bigint, oid::bigint, dropped FROM judged \
               WHERE dropped OR changed ORDER BY dropped, catalog, oid LIMIT {MOST}) AS one;",
            oids(|(catalog, _)| *catalog),
            oids(|(_, oid)| *oid),
            [present.join(" UNION ALL "), versioned.join(" UNION ALL "), parts.join(" UNION ALL ")]
                .join(" UNION ALL "),
            literal(&self.0),
            catalogs.collect::<Vec<_>>().join(", "),
        )
    }
}
