//! The small database that most of these tests use, and the commands about it.

use crate::harness::Pgstow;
use crate::scene::{Keys, Place};
use crate::servers::postgres::{Cluster, Major};
use std::path::Path;

pub fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The small database that the tests below use, and what a backup of it says about its name.
pub fn small() -> (&'static Cluster, &'static str) {
    static SMALL: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let cluster = Cluster::shared(Major::Distribution);
    let database = SMALL.get_or_init(|| {
        let name = cluster.create_database("small");
        cluster.psql(&name, "CREATE TABLE t (n int); INSERT INTO t SELECT generate_series(1, 10)");
        name
    });
    (cluster, database)
}

/// `backup` for the shared recipient, to be completed.
pub fn backup(place: &Place, words: &[&str]) -> Pgstow {
    place.pgstow(&["backup", "--json", "--recipient", &Keys::shared().recipient]).args(words)
}

pub fn fetch_with(place: &Place, with: impl Fn(Pgstow) -> Pgstow) -> Vec<u8> {
    with(place.pgstow(&["fetch", "latest", "-o", "-"])).succeeds().stdout
}
