//! The story that the README tells, on every store.

use super::scene::path;
use crate::harness::pgstow;
use crate::scene::{Place, Sample, add_bulk, fresh, listing};
use crate::servers::postgres::{Cluster, Major};
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

/// keygen, backup, list, show, fetch, restore, as the README tells it.
fn story(kind: &str, place: &Place, cluster: &Cluster, database: &str) {
    let home = TempDir::new().unwrap();
    let key_file = home.path().join("key.txt");
    let recipient = pgstow(["keygen", "-o", path(&key_file)]).succeeds().text().trim().to_owned();
    assert!(recipient.starts_with("age1"), "{recipient}");
    assert_eq!(key_file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let empty = place.pgstow(&["list", "--json"]).succeeds();
    assert_eq!(empty.json(), serde_json::json!([]), "{kind}");

    let backup = place
        .pgstow(&[
            "backup",
            &cluster.url(database),
            "--recipient",
            &recipient,
            "--json",
            "--label",
            "why=story",
        ])
        .succeeds();
    let made = backup.json();
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["name"], database);
    assert_eq!(made["objects"][0]["key"], "dump.zst.age");
    assert!(made["duration_s"].as_f64().unwrap() >= 0.0);
    let (plain_bytes, stored_bytes) =
        (made["plain_bytes"].as_u64().unwrap(), made["stored_bytes"].as_u64().unwrap());
    assert!(backup.stderr.contains(&format!("stored {id} of {database}")), "{backup}");

    // What lies there: the dump, its inventory and the manifest, nothing else, and nothing half-way.
    let folder = format!("{database}/{id}");
    let objects = ["dump.zst.age", "globals.sql.zst.age", "inventory.json.zst.age", "manifest.json"];
    assert_eq!(place.keys(), objects.map(|object| format!("{folder}/{object}")), "{kind}");
    assert_eq!(place.get(&place.key("dump.zst.age")).len() as u64, made["objects"][0]["stored_bytes"]);
    if let Place::S3(s3) = place {
        assert!(s3.unfinished_uploads().is_empty(), "{kind}");
    }

    let listed = place.pgstow(&["list", "--json"]).succeeds().json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!((&listed[0]["id"], &listed[0]["name"]), (&made["id"], &made["name"]));
    assert_eq!(listed[0]["stored_bytes"], stored_bytes);
    assert!(listed[0]["started_at"].as_str().unwrap().ends_with('Z'));
    let table = place.pgstow(&["list"]).succeeds().text();
    let row = table.lines().nth(1).unwrap();
    assert!(row.contains(database) && row.contains(id) && row.contains(&cluster.major.version()), "{table}");

    let show = place.pgstow(&["show", id, "--json"]).succeeds().json();
    assert_eq!((&show["id"], &show["objects"]), (&made["id"], &made["objects"]));
    assert_eq!(show["recipients"], serde_json::json!([recipient]));
    assert_eq!(show["labels"]["why"], "story");
    let shown = place.pgstow(&["show", "latest"]).succeeds().text();
    for fact in [id, database, &recipient, "why=story", &cluster.major.version(), "not checked"] {
        assert!(shown.contains(fact), "{fact} is not shown:\n{shown}");
    }

    let archive = home.path().join("app.dump");
    let key = ["--identity-file", path(&key_file)];
    place.pgstow(&["fetch", "latest", "--name", database, "-o", path(&archive)]).args(key).succeeds();
    let bytes = std::fs::read(&archive).unwrap();
    assert_eq!(bytes.len() as u64, plain_bytes);
    assert!(listing(cluster.major, &bytes).contains("TABLE DATA app users"));
    let piped = place.pgstow(&["fetch", "latest", "--name", database, "-o", "-"]).args(key).succeeds();
    assert!(piped.stdout == bytes, "{kind}: the file and the pipe differ");

    let copy = fresh("copy");
    let restore = place
        .pgstow(&["restore", "latest", "--name", database, "--to", &cluster.url(&copy), "--json"])
        .args(key)
        .succeeds();
    let restored = restore.json();
    assert_eq!((restored["id"].as_str(), restored["created"].as_bool()), (Some(id), Some(true)));
    assert_eq!((&restored["tables"], &restored["rows"]), (&made["tables"], &made["rows"]));
    assert_eq!(cluster.text_of(&copy), cluster.text_of(database), "{kind}");
    // ANALYZE was run.
    let estimate = cluster.psql(&copy, "SELECT reltuples FROM pg_class WHERE relname = 'orders'");
    assert_eq!(estimate, "500", "{kind}");
    cluster.psql("postgres", &format!("DROP DATABASE {copy}"));
}

#[test]
fn the_story_on_a_folder() {
    let sample = Sample::shared();
    story("folder", &Place::folder(), sample.cluster, &sample.database);
}

#[test]
fn the_story_on_every_object_store() {
    let sample = Sample::shared();
    for (kind, place) in Place::every("story") {
        if let Place::S3(_) = place {
            story(kind, &place, sample.cluster, &sample.database);
        }
    }
}

#[test]
fn a_backup_of_several_parts_comes_back_from_every_store() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("large");
    add_bulk(cluster, &database, 13 << 10);
    for (kind, place) in Place::every("large") {
        place.backup(&cluster.url(&database), &["--part-size", "5MiB", "--name", "large"]);
        let copy = fresh("large");
        place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).succeeds();
        let digest = "SELECT count(*), md5(string_agg(bytes, '' ORDER BY n)) FROM bulk";
        assert_eq!(cluster.psql(&copy, digest), cluster.psql(&database, digest), "{kind}");
        cluster.psql("postgres", &format!("DROP DATABASE {copy}"));
    }
}
