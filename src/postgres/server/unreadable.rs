//! What this role may not read, and `pg_dump` leaves out without failing: subscriptions, and the options of
//! user mappings, which are mostly passwords.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::extensions;
use super::pooled::Backend;
use crate::error::Result;
use crate::postgres::tools::Psql;

/// Objects of the database that this role sees only in part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Unreadable {
    /// Subscriptions, by name.
    pub subscriptions: Vec<String>,
    /// User mappings whose options are hidden: `bob on far`. Whether they have any is not known.
    pub user_mappings: Vec<String>,
}

/// Who sees the options is decided as the view `pg_user_mappings` decides it.
const QUESTION: &str = "
WITH me AS (SELECT rolsuper AS superuser FROM pg_roles WHERE rolname = current_user)
SELECT json_build_object(
  'subscriptions', (
    SELECT coalesce(json_agg(subname ORDER BY subname), '[]') FROM pg_subscription
    WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())),
  'user_mappings', (
    SELECT coalesce(json_agg(format('%s on %s', m.usename, m.srvname) ORDER BY m.srvname, m.usename), '[]')
    FROM pg_user_mappings AS m JOIN pg_foreign_server AS s ON s.oid = m.srvid
    WHERE m.umoptions IS NULL AND NOT pg_has_role(s.srvowner, 'USAGE')
      AND NOT (m.umuser <> 0 AND m.usename = current_user AND has_server_privilege(s.oid, 'USAGE'))))
FROM me WHERE NOT superuser
UNION ALL SELECT json_build_object('subscriptions', '[]'::json, 'user_mappings', '[]'::json) FROM me WHERE superuser";

impl Unreadable {
    /// Asks what this role may not read, which extensions the database has, and who answers that: one question, as each costs
    /// a connection.
    pub async fn ask<E: DeserializeOwned>(psql: &Psql) -> Result<(Self, Vec<E>, Backend)> {
        let (unreadable, extensions, backend) = (QUESTION, extensions::SQL, Backend::SQL);
        psql.query(&format!("SELECT json_build_array(({unreadable}), ({extensions}), {backend});")).await
    }
}
