//! A snapshot of the database that several sessions share.

use serde::Deserialize;
use tokio::sync::Mutex;

use crate::error::Result;

use super::psql::{Psql, read};
use super::session::Session;

/// Tells one running server from another: sessions of two servers must never be taken for one.
pub(super) const INSTANCE: &str = "pg_catalog.pg_postmaster_start_time()::pg_catalog.text";

/// A snapshot; other sessions can begin to use it as long as this lives.
pub struct Snapshot {
    /// The name by which other sessions find it.
    pub id: String,
    /// The server that it is of.
    pub(super) instance: String,
    session: Mutex<Session>,
}

#[derive(Deserialize)]
struct Exported {
    id: String,
    instance: String,
}

impl Snapshot {
    /// Takes it now. These tables, named as SQL, are locked before that against being changed or emptied.
    ///
    /// # Errors
    /// If one of the tables is gone, or not to be had for 5 seconds.
    pub async fn take(psql: &Psql, tables: &[String]) -> Result<Self> {
        let mut begin =
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = '5s';".to_owned();
        for table in tables {
            // Such a lock needs no snapshot, so the snapshot is taken after it.
            begin += &format!("LOCK TABLE ONLY {table} IN ACCESS SHARE MODE;");
        }
        let mut session = Session::open(psql, &begin).await?;
        let question =
            format!("SELECT json_build_object('id', pg_export_snapshot(), 'instance', {INSTANCE});");
        let Exported { id, instance } = read(session.ask(&question).await?.as_bytes())?;
        Ok(Self { id, instance, session: Mutex::new(session) })
    }

    /// Those of these tables, named as SQL, whose rows are in other files than when the snapshot was taken.
    ///
    /// To the snapshot, such a table may be empty: TRUNCATE leaves its old rows to nobody, and so does an ALTER TABLE
    /// that writes them again. The tables must be locked, or the answer is worth nothing.
    pub async fn rewritten(&self, oids: &[u32]) -> Result<Vec<String>> {
        let oids: Vec<String> = oids.iter().map(u32::to_string).collect();
        // Rows of the catalogue are those of the snapshot, and the function answers for now.
        let question = format!(
            "SELECT coalesce(json_agg(format('%I.%I', n.nspname, c.relname)), '[]') \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.oid = ANY ('{{{}}}'::oid[]) AND c.relfilenode <> 0 \
             AND c.relfilenode IS DISTINCT FROM pg_relation_filenode(c.oid);",
            oids.join(",")
        );
        read(self.session.lock().await.ask(&question).await?.as_bytes())
    }
}
