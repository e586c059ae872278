//! What a role, a database or the server sets for every session, and what extensions the database has: facts that
//! matter to a dump, or to a restore of it.

use serde::Deserialize;

use crate::error::Result;
use crate::postgres::tools::Psql;

/// What a session of this role in this database begins with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Presets {
    /// Timeouts and the like that are set: `statement_timeout = 30000ms`.
    pub limits: Vec<String>,
    /// The extensions with their versions: `pg_trgm 1.6`.
    pub extensions: Vec<String>,
    /// Extensions whose files the server does not have (any more).
    pub without_files: Vec<String>,
}

/// Our sessions switch these settings off: what was set before is what RESET would return to.
const QUESTION: &str = "
SELECT json_build_object(
  'limits', (SELECT coalesce(json_agg(format('%s = %s%s', name, reset_val, unit) ORDER BY name), '[]')
    FROM pg_settings WHERE reset_val NOT IN ('0', 'off') AND name IN ('statement_timeout', 'lock_timeout',
      'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout',
      'default_transaction_read_only')),
  'extensions', (SELECT coalesce(json_agg(format('%s %s', extname, extversion) ORDER BY extname), '[]')
    FROM pg_extension WHERE extname <> 'plpgsql'),
  'without_files', (SELECT coalesce(json_agg(extname ORDER BY extname), '[]') FROM pg_extension
    WHERE NOT EXISTS (SELECT FROM pg_available_extensions WHERE name = extname)));";

impl Presets {
    /// Asks the server.
    pub async fn ask(psql: &Psql) -> Result<Self> {
        psql.query(QUESTION).await
    }
}
