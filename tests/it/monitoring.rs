//! Who hears how a run went: pings and webhooks, metrics, traces, and GitHub Actions. None of them ever fails a run.

mod actions;
mod alarms;
mod metrics;
mod traces;

use crate::harness::Pgstow;
use crate::scene::{Keys, Place};
use crate::servers::postgres::{Cluster, Major};
use std::sync::OnceLock;

/// A database whose table has a name and a number of rows that are easy to find where they must not be.
pub fn clinic() -> (&'static Cluster, &'static str) {
    static CLINIC: OnceLock<String> = OnceLock::new();
    let cluster = Cluster::shared(Major::Distribution);
    let database = CLINIC.get_or_init(|| {
        let name = cluster.create_database("clinic");
        cluster.psql(
            &name,
            "CREATE TABLE patients (n int); INSERT INTO patients SELECT generate_series(1, 4321)",
        );
        name
    });
    (cluster, database)
}

/// `backup` of the clinic into this store, as `app`.
pub fn backup(place: &Place) -> Pgstow {
    let (cluster, database) = clinic();
    let words = ["backup", "--name", "app", "--recipient", &Keys::shared().recipient];
    place.pgstow(&words).arg(cluster.url(database))
}
