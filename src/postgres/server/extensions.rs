//! The extensions of a database, and what of their tables a dump has.

use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::postgres::tools::Psql;

/// For each extension: its name and version; its tables whose rows, and sequences whose values, are a part of a dump; its
/// schemas; what else of it somebody has granted rights on, without arguments; and its tables and functions of triggers, which
/// other things may be tied to. Of what is in a schema, schema and name.
pub(super) const SQL: &str = "
SELECT coalesce(json_agg(json_build_object('name', extname, 'version', extversion, 'content',
    (SELECT coalesce(json_agg(json_build_array(n.nspname, c.relname) ORDER BY n.nspname, c.relname), '[]')
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY (e.extconfig)),
    'schemas', (SELECT coalesce(json_agg(n.nspname ORDER BY 1), '[]') FROM pg_depend d JOIN pg_namespace n ON n.oid = d.objid
      WHERE d.classid = 'pg_namespace'::regclass AND d.deptype = 'e' AND d.refobjid = e.oid),
    'granted', (SELECT coalesce(json_agg(json_build_array(n.nspname, o.name) ORDER BY n.nspname, o.name), '[]')
      FROM pg_depend d JOIN (
        SELECT 'pg_proc'::regclass AS class, oid, pronamespace AS schema, proname AS name FROM pg_proc WHERE proacl IS NOT NULL
        UNION ALL SELECT 'pg_type'::regclass, oid, typnamespace, typname FROM pg_type WHERE typacl IS NOT NULL
        UNION ALL SELECT 'pg_class'::regclass, oid, relnamespace, relname FROM pg_class
          WHERE relacl IS NOT NULL OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attacl IS NOT NULL)
      ) o ON o.class = d.classid AND o.oid = d.objid JOIN pg_namespace n ON n.oid = o.schema
      WHERE d.deptype = 'e' AND d.refobjid = e.oid),
    'made', (SELECT coalesce(json_agg(json_build_array(n.nspname, o.name) ORDER BY n.nspname, o.name), '[]')
      FROM pg_depend d JOIN (
        SELECT 'pg_proc'::regclass AS class, oid, pronamespace AS schema, proname AS name FROM pg_proc
          WHERE prorettype = 'trigger'::regtype
        UNION ALL SELECT 'pg_class'::regclass, oid, relnamespace, relname FROM pg_class WHERE relkind IN ('r', 'p', 'f')
      ) o ON o.class = d.classid AND o.oid = d.objid JOIN pg_namespace n ON n.oid = o.schema
      WHERE d.deptype = 'e' AND d.refobjid = e.oid)) ORDER BY extname), '[]')
  FROM pg_extension e WHERE extname <> 'plpgsql'";

/// Asks the database for its extensions, but for that of every database, in the form in which an inventory has them.
pub async fn extensions<T: DeserializeOwned>(psql: &Psql) -> Result<Vec<T>> {
    psql.query(SQL).await
}
