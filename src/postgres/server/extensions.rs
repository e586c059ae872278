//! The extensions of a database, and what of their tables a dump has.

use serde::Deserialize;

use crate::error::Result;
use crate::postgres::tools::Psql;

/// An extension that a database has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Extension {
    /// Its name.
    pub name: String,
    /// Its version there, in its own words.
    pub version: String,
    /// Its tables whose rows, and sequences whose values, are a part of a dump: schema and name of each.
    pub content: Vec<[String; 2]>,
}

const QUESTION: &str = "
SELECT coalesce(json_agg(json_build_object('name', extname, 'version', extversion, 'content',
    (SELECT coalesce(json_agg(json_build_array(n.nspname, c.relname) ORDER BY n.nspname, c.relname), '[]')
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY (e.extconfig))) ORDER BY extname), '[]')
  FROM pg_extension e WHERE extname <> 'plpgsql';";

/// Asks the database for its extensions, but for that of every database.
pub async fn extensions(psql: &Psql) -> Result<Vec<Extension>> {
    psql.query(QUESTION).await
}
