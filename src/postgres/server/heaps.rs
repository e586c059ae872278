//! Tables whose rows can be read in ranges of pages.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::patterns::SPOKEN;
use crate::error::Result;
use crate::postgres::sql::list;
use crate::postgres::tools::Psql;

/// Since this major the server reads a range of pages without reading those before it.
pub const KNOWS_PAGE_RANGES: u32 = 14;

/// A table that is a heap, with nothing about it that would change which rows a range has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Heap {
    /// Its oid.
    pub oid: u32,
    /// Its schema and its name, in the encoding that `pg_dump` speaks.
    #[serde(deserialize_with = "from_hex")]
    pub name: [Vec<u8>; 2],
    /// Its pages, without those of long values.
    pub pages: u64,
    /// Its bytes, with those of long values.
    pub bytes: u64,
}

/// The largest tables that are heaps of at least `smallest` bytes, `most` of them; of these oids only, if some are given.
///
/// Not those of extensions, whose rows may belong to a dump only in part, not those with row-level security, and not
/// unlogged ones, which a standby does not have. Nor those whose indexes or extended statistics call functions that anybody
/// may have written: for a range the server makes a plan, and calls them for that, as the role that reads and with an empty
/// search path. `pg_dump` asks for whole tables, which takes no plan.
///
/// # Errors
/// If somebody changes one of them, or waits for that: the question for its size would wait too.
pub async fn heaps(psql: &Psql, oids: Option<&[u32]>, smallest: u64, most: usize) -> Result<Vec<Heap>> {
    let among = oids.map_or(String::new(), |oids| format!("AND c.oid = ANY ('{{{}}}'::oid[])", list(oids)));
    let hex = |name: &str| format!("encode(convert_to({name}::text, {SPOKEN}), 'hex')");
    let found: Vec<Found> = psql
        .query(&format!(
            "SET lock_timeout = '2s';
             SELECT coalesce(json_agg(h), '[]') FROM (SELECT h.*, {CALLS} AS calls FROM (SELECT * FROM (
               SELECT c.oid::bigint AS oid, ARRAY[{}, {}] AS name, pg_table_size(c.oid) AS bytes,
                      pg_relation_size(c.oid) / current_setting('block_size')::bigint AS pages
               FROM pg_class c JOIN pg_am a ON a.oid = c.relam JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE c.relkind = 'r' AND a.amname = 'heap' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                 AND c.relpersistence = 'p' AND NOT c.relrowsecurity {among}
                 AND NOT EXISTS (SELECT FROM pg_depend d
                                 WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
             ) h WHERE bytes >= {smallest} AND pages > 0 ORDER BY bytes DESC, oid LIMIT {most}) h) h;",
            hex("n.nspname"),
            hex("c.relname")
        ))
        .await?;
    let (calling, heaps): (Vec<Found>, Vec<Found>) = found.into_iter().partition(|found| found.calls);
    for found in calling {
        let [schema, name] = found.heap.name.each_ref().map(|part| String::from_utf8_lossy(part));
        tracing::info!(
            "{schema}.{name} is read by one session: to read a range of it, the server would call functions of its indexes or statistics"
        );
    }
    Ok(heaps.into_iter().map(|found| found.heap).collect())
}

/// Whether an index or extended statistics of `h` call a function that is not written in C.
const CALLS: &str = "EXISTS (
  SELECT FROM pg_depend d LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
    JOIN pg_proc p ON p.oid = CASE WHEN d.refclassid = 'pg_proc'::regclass THEN d.refobjid ELSE o.oprcode::oid END
    JOIN pg_language l ON l.oid = p.prolang
  WHERE l.lanname NOT IN ('internal', 'c')
    AND (d.classid = 'pg_class'::regclass AND d.objid IN (SELECT indexrelid FROM pg_index WHERE indrelid = h.oid::oid)
      OR d.classid = 'pg_statistic_ext'::regclass AND d.objid IN (SELECT s.oid FROM pg_statistic_ext s WHERE stxrelid = h.oid::oid)))";

#[derive(Deserialize)]
struct Found {
    #[serde(flatten)]
    heap: Heap,
    calls: bool,
}

fn from_hex<'de, D: Deserializer<'de>>(from: D) -> Result<[Vec<u8>; 2], D::Error> {
    let [schema, name] = <[String; 2]>::deserialize(from)?;
    let bytes = |hex: String| hex::decode(hex).map_err(D::Error::custom);
    Ok([bytes(schema)?, bytes(name)?])
}
