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
    (Cluster::shared(Major::Distribution), CLINIC.get_or_init(new_clinic))
}

/// Another one, to be changed.
pub fn new_clinic() -> String {
    let cluster = Cluster::shared(Major::Distribution);
    let name = cluster.create_database("clinic");
    cluster
        .psql(&name, "CREATE TABLE patients (n int); INSERT INTO patients SELECT generate_series(1, 4321)");
    name
}

/// `backup` of the clinic into this store, as `app`.
pub fn backup(place: &Place) -> Pgstow {
    backup_of(clinic().1, place)
}

/// The same of another database.
pub fn backup_of(database: &str, place: &Place) -> Pgstow {
    let words = ["backup", "--name", "app", "--recipient", &Keys::shared().recipient];
    place.pgstow(&words).arg(Cluster::shared(Major::Distribution).url(database))
}
