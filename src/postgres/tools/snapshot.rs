//! A snapshot of the database that several sessions share.

use std::sync::Mutex;

use serde::Deserialize;

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
    /// Never asked again; in a lock so that several tasks can hold the snapshot.
    _session: Mutex<Session>,
}

#[derive(Deserialize)]
struct Exported {
    id: String,
    instance: String,
}

impl Snapshot {
    /// Takes it now.
    pub async fn take(psql: &Psql) -> Result<Self> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;";
        let mut session = Session::open(psql, begin).await?;
        let question =
            format!("SELECT json_build_object('id', pg_export_snapshot(), 'instance', {INSTANCE});");
        let Exported { id, instance } = read(session.ask(&question).await?.as_bytes())?;
        Ok(Self { id, instance, _session: Mutex::new(session) })
    }
}
