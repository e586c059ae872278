//! Tables whose rows can be read in ranges of pages.

use serde::Deserialize;

use crate::error::Result;

use crate::postgres::tools::Psql;

/// Since this major the server reads a range of pages without reading those before it.
pub const KNOWS_PAGE_RANGES: u32 = 14;

/// A table that is a heap, with nothing about it that would change which rows a range has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Heap {
    /// Its oid.
    pub oid: u32,
    /// Its pages, without those of long values.
    pub pages: u64,
    /// Its bytes, with those of long values.
    pub bytes: u64,
}

/// Those of these tables that are heaps of at least `smallest` bytes.
///
/// Not those of extensions, whose rows may belong to a dump only in part, not those with row-level security, and not
/// unlogged ones, which a standby does not have.
///
/// # Errors
/// If somebody waits to change one of them: the question for its size would wait for that, and that for whoever asks.
pub async fn heaps(psql: &Psql, oids: &[u32], smallest: u64) -> Result<Vec<Heap>> {
    let oids: Vec<String> = oids.iter().map(u32::to_string).collect();
    psql.query(&format!(
        "SET lock_timeout = '2s';
         SELECT coalesce(json_agg(h), '[]') FROM (
           SELECT c.oid::bigint AS oid, pg_table_size(c.oid) AS bytes,
                  pg_relation_size(c.oid) / current_setting('block_size')::bigint AS pages
           FROM pg_class c JOIN pg_am a ON a.oid = c.relam
           WHERE c.oid = ANY ('{{{}}}'::oid[]) AND c.relkind = 'r' AND a.amname = 'heap'
             AND c.relpersistence = 'p' AND NOT c.relrowsecurity
             AND NOT EXISTS (SELECT FROM pg_depend d
                             WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
         ) h WHERE bytes >= {smallest} AND pages > 0;",
        oids.join(",")
    ))
    .await
}
