//! How many bytes one table costs, and what becomes of one that is damaged.

use super::scene::stock_restore;
use crate::back::scene::DUMP;
use crate::scene::{Place, add_bulk, fetch_fails, fresh, restore_fails};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use tempfile::TempDir;

/// Chosen in the middle of a dump of several frames, which come in the order of their names.
const SMALL: &str = "CREATE TABLE bulk_small AS SELECT n, md5(n::text) AS v FROM generate_series(1, 1000) n;";

#[test]
fn one_table_costs_its_own_frames() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("frames");
    add_bulk(cluster, &database, 40_000);
    cluster.psql(&database, SMALL);
    let place = Place::garage("one-table");
    place.backup(&cluster.url(&database), &["--name", "frames"]);
    let stored = place.get(&place.key(DUMP)).len() as u64;

    let folder = TempDir::new().unwrap();
    let file = folder.path().join("small.dump");
    let words = ["fetch", "latest", "--json", "-t", "bulk_small", "-o", file.to_str().unwrap()];
    let told = place.opens(&words).succeeds().json();
    let fetched = told["fetched_bytes"].as_u64().unwrap();
    // Two frames at most, and what tells that the encryption is whole.
    assert!(fetched * 3 < stored && fetched > 0, "{fetched} of {stored} bytes were fetched");
    let copy = stock_restore(cluster, &std::fs::read(&file).unwrap());
    let digest = "SELECT count(*), md5(string_agg(v, '' ORDER BY n)) FROM bulk_small";
    assert_eq!(cluster.psql(&copy, digest), cluster.psql(&database, digest));

    let copy = fresh("small");
    let restore = ["restore", "latest", "--json", "--to", &cluster.url(&copy), "-t", "bulk_small"];
    let told = place.opens(&restore).succeeds().json();
    assert_eq!((&told["fetched_bytes"], &told["rows"]), (&fetched.into(), &1000.into()));

    // The other table's frames may be damaged: nobody reads them. Its own may not.
    let damaged = place.copy();
    let key = damaged.key(DUMP);
    let good = damaged.get(&key);
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        damaged.put(&key, bytes);
    };
    flipped(good.len() / 3);
    damaged.opens(&words).arg("--force").succeeds();
    fetch_fails(&damaged, &["-t", "bulk"], Kind::Verify);
    flipped(good.len() - (fetched / 2) as usize);
    for format in ["archive", "sql", "csv", "copy"] {
        fetch_fails(&damaged, &["-t", "bulk_small", "--format", format], Kind::Verify);
    }
    restore_fails(&damaged, cluster, &["-t", "bulk_small"], Kind::Verify);
}
