//! What several of these tests need: a forger, rows that stand still, and patience.

use crate::scene::{Place, fetch};
use crate::servers::postgres::Cluster;
use pgstow::stored::format::digest::Digest;
use pgstow::stored::format::manifest::Manifest;
use sha2::{Digest as _, Sha256};
use std::io::Write;
use std::process::{Command, Stdio};

pub const DUMP: &str = "dump.zst.age";
pub const INVENTORY: &str = "inventory.json.zst.age";
pub const MANIFEST: &str = "manifest.json";

pub fn sha256(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// Rewrites a manifest as somebody would who may write to the store: its digest is right again.
pub fn forge(place: &Place, change: impl FnOnce(&mut Manifest)) {
    let key = place.key(MANIFEST);
    let mut manifest = Manifest::from_bytes(&place.get(&key)).unwrap();
    change(&mut manifest);
    place.put(&key, manifest.to_bytes().unwrap());
}

/// Compresses bytes.
pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut child =
        Command::new("zstd").arg("-qc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(bytes).unwrap());
        child.wait_with_output().unwrap().stdout
    })
}

/// The same backup without an inventory: then the manifest itself has the digest of the dump.
pub fn without_inventory(place: &Place) -> Place {
    let bare = place.copy();
    let archive = fetch(&bare, &["latest"]);
    let is_inventory = |key: &str| key.contains("inventory.json");
    bare.keys().iter().filter(|key| is_inventory(key)).for_each(|key| bare.delete(key));
    forge(&bare, |manifest| {
        manifest.objects.retain(|object| !is_inventory(&object.key));
        manifest.objects[0].plain_sha256 = Some(sha256(&archive));
        manifest.totals = None;
    });
    bare
}

/// Puts other bytes in the dump's place, and makes the manifest say that they are the ones.
pub fn forge_dump(place: &Place, bytes: Vec<u8>) {
    forge(place, |manifest| {
        manifest.objects[0].stored_bytes = bytes.len() as u64;
        manifest.objects[0].stored_sha256 = sha256(&bytes);
    });
    place.put(
        &place.key(&Manifest::from_bytes(&place.get(&place.key(MANIFEST))).unwrap().objects[0].key),
        bytes,
    );
}

/// A check of rows that stands still at the 500th, for as long as a restore that calls itself pgstow loads them; until
/// [`wake`] or its end.
pub const HOLD: &str = "CREATE FUNCTION hold(n int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
       IF n = 500 AND current_setting('application_name') LIKE 'pgstow%' THEN
         FOR i IN 1..3000 LOOP
           EXIT WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = 'wake_' || md5(current_database()));
           PERFORM pg_sleep(0.1);
         END LOOP;
       END IF;
       RETURN true; END $$;";

/// Whether the rows of a database whose name begins so stand still.
pub fn is_held(cluster: &Cluster, copy: &str) -> bool {
    let asleep =
        format!("SELECT 1 FROM pg_stat_activity WHERE datname LIKE '{copy}%' AND wait_event = 'PgSleep'");
    !cluster.psql("postgres", &asleep).is_empty()
}

/// Lets the rows of the database with this name go on.
pub fn wake(cluster: &Cluster, filling: &str) {
    let wake = format!("DO $$ BEGIN EXECUTE 'CREATE ROLE wake_' || md5('{filling}'); END $$");
    cluster.psql("postgres", &wake);
}
