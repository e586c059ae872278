//! Tables whose rows can be read in ranges of pages.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::error::Result;

use super::patterns::SPOKEN;
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
/// unlogged ones, which a standby does not have. Nor those for which the server makes no plan: it puts the functions of
/// indexes in, and may not find what they name without a schema. `pg_dump` asks for whole tables, which takes no plan.
///
/// # Errors
/// If somebody changes one of them, or waits for that: the question for its size would wait too.
pub async fn heaps(psql: &Psql, oids: Option<&[u32]>, smallest: u64, most: usize) -> Result<Vec<Heap>> {
    let among = oids.map_or(String::new(), |oids| {
        let oids: Vec<String> = oids.iter().map(u32::to_string).collect();
        format!("AND c.oid = ANY ('{{{}}}'::oid[])", oids.join(","))
    });
    let hex = |name: &str| format!("encode(convert_to({name}::text, {SPOKEN}), 'hex')");
    let (schema, name, why) = (hex("one.schema"), hex("one.name"), hex("SQLERRM"));
    let found: Vec<Found> = psql
        .query(&format!(
            "SET lock_timeout = '2s';
             DO $do$
             DECLARE
               one record; why text; found jsonb := '[]';
             BEGIN
               FOR one IN SELECT * FROM (
                 SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name, pg_table_size(c.oid) AS bytes,
                        pg_relation_size(c.oid) / current_setting('block_size')::bigint AS pages
                 FROM pg_class c JOIN pg_am a ON a.oid = c.relam JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE c.relkind = 'r' AND a.amname = 'heap' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                   AND c.relpersistence = 'p' AND NOT c.relrowsecurity {among}
                   AND NOT EXISTS (SELECT FROM pg_depend d
                                   WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
               ) h WHERE bytes >= {smallest} AND pages > 0 ORDER BY bytes DESC, oid LIMIT {most} LOOP
                 why := NULL;
                 BEGIN
                   EXECUTE format('EXPLAIN SELECT FROM ONLY %I.%I WHERE ctid >= ''(0,0)''', one.schema, one.name);
                   -- Takes back its locks on indexes, of which the server may have few.
                   RAISE SQLSTATE 'PLANS';
                 EXCEPTION
                   WHEN SQLSTATE 'PLANS' OR lock_not_available THEN NULL;
                   WHEN OTHERS THEN why := {why};
                 END;
                 found := found || jsonb_build_object('oid', one.oid, 'name', jsonb_build_array({schema}, {name}),
                                                      'pages', one.pages, 'bytes', one.bytes, 'why', why);
               END LOOP;
               PERFORM set_config('pgstow.heaps', found::text, false);
             END $do$;
             SELECT current_setting('pgstow.heaps');"
        ))
        .await?;
    let (heaps, refused): (Vec<Found>, Vec<Found>) = found.into_iter().partition(|found| found.why.is_none());
    for Found { heap, why } in refused {
        let [schema, name] = heap.name.each_ref().map(|part| String::from_utf8_lossy(part));
        let why = hex::decode(why.unwrap_or_default()).unwrap_or_default();
        tracing::info!("{schema}.{name} is read by one session: {}", String::from_utf8_lossy(&why));
    }
    Ok(heaps.into_iter().map(|found| found.heap).collect())
}

#[derive(Deserialize)]
struct Found {
    #[serde(flatten)]
    heap: Heap,
    /// Why the server makes no plan for it, in hex.
    why: Option<String>,
}

fn from_hex<'de, D: Deserializer<'de>>(from: D) -> Result<[Vec<u8>; 2], D::Error> {
    let [schema, name] = <[String; 2]>::deserialize(from)?;
    let bytes = |hex: String| hex::decode(hex).map_err(D::Error::custom);
    Ok([bytes(schema)?, bytes(name)?])
}
