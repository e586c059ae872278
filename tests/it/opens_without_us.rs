//! No lock-in: what is stored opens with the distribution's own age, zstd and pg_restore, and what manifest and
//! inventory say is checked with `sed`, `head` and `sha256sum`.

use crate::scene::{Keys, Place, Sample, add_bulk, fresh};
use crate::servers::postgres::{Cluster, Major};
use crate::servers::s3::wait;
use serde_json::Value;
use std::process::Command;
use tempfile::TempDir;

/// Runs a line of shell with pipes, as somebody without pgstow would; its stdout.
fn shell(line: &str, variables: &[(&str, &str)]) -> String {
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", line]).envs(variables.iter().copied());
    crate::servers::run(&mut bash).trim().to_owned()
}

#[test]
fn age_zstd_and_pg_restore_bring_it_back() {
    let sample = Sample::shared();
    let Place::Folder(folder) = &sample.place else { unreachable!() };
    let home = TempDir::new().unwrap();
    let key = Keys::shared().file(home.path());
    let copy = sample.cluster.create_database(&fresh("without"));
    shell(
        "age -d -i \"$KEY\" \"$DUMP\" | zstd -d | \"$PG_RESTORE\" --exit-on-error --no-password -d \"$TO\"",
        &[
            ("KEY", key.to_str().unwrap()),
            ("DUMP", folder.path().join(sample.place.key("dump.zst.age")).to_str().unwrap()),
            ("PG_RESTORE", sample.cluster.major.bin().join("pg_restore").to_str().unwrap()),
            ("TO", &sample.cluster.url(&copy)),
        ],
    );
    assert_eq!(sample.cluster.text_of(&copy), sample.cluster.text_of(&sample.database));
}

#[test]
fn every_digest_is_checked_by_hand() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("by_hand");
    add_bulk(cluster, &database, 3000);
    let (place, home) = (Place::folder(), TempDir::new().unwrap());
    place.backup(&cluster.url(&database), &[]);
    let Place::Folder(folder) = &place else { unreachable!() };
    let path = |name: &str| folder.path().join(place.key(name)).to_str().unwrap().to_owned();
    let key = Keys::shared().file(home.path()).to_str().unwrap().to_owned();
    let psql = cluster.major.bin().join("psql").to_str().unwrap().to_owned();
    let by_hand = |line: &str, file: &str| {
        let file = ("FILE", &*path(file));
        shell(line, &[("KEY", &key), file, ("PSQL", &psql), ("DB", &cluster.url(&database))])
    };
    let digest = |line: &str, file: &str| {
        Value::from(by_hand(&format!("{line} | sha256sum"), file).split(' ').next().unwrap())
    };
    let manifest: Value = serde_json::from_slice(&std::fs::read(path("manifest.json")).unwrap()).unwrap();
    assert_eq!(digest("sed 2d \"$FILE\"", "manifest.json"), manifest["manifest_sha256"]);
    let objects = manifest["objects"].as_array().unwrap();
    let object = |name: &str| objects.iter().find(|object| object["key"] == name).unwrap();

    let (dump, inventory) = ("dump.zst.age", "inventory.json.zst.age");
    assert_eq!(digest("cat \"$FILE\"", dump), object(dump)["stored_sha256"]);
    assert!(object(dump).get("plain_sha256").is_none(), "what is in it is in the inventory");
    let open = "age -d -i \"$KEY\" \"$FILE\"";
    let plain = format!("{open} | zstd -d");
    assert_eq!(digest(&plain, inventory), object(inventory)["plain_sha256"]);

    let inventory: Value = serde_json::from_str(&by_hand(&plain, inventory)).unwrap();
    let frame = &inventory["frames"][0];
    // A pipe into `head` would end with age's own failure.
    let head = |from: &str, bytes: &str| format!("({from} > \"$KEY.out\"; head -c {bytes} \"$KEY.out\")");
    assert_eq!(digest(&head(open, &frame["compressed_bytes"].to_string()), dump), frame["sha256"]);
    let block =
        inventory["blocks"].as_array().unwrap().iter().find(|block| block["table"] == "bulk").unwrap();
    let copy = "(\"$PSQL\" -Xc 'COPY public.bulk TO STDOUT' \"$DB\"; printf '\\\\.\\n\\n\\n')";
    assert_eq!(digest(copy, dump), block["sha256"]);
    // One beginning, and less than that after it.
    let [rows, sha256] = [0, 1].map(|at| block["prefixes"][0][at].clone());
    assert_eq!(block["prefixes"].as_array().unwrap().len(), 1);
    let beginning = head(copy, "4M");
    assert_eq!(digest(&beginning, dump), sha256);
    assert_eq!(by_hand(&format!("{beginning} | wc -l"), dump), rows.to_string());
}

#[test]
fn the_dump_object_says_what_it_is() {
    let sample = Sample::shared();
    let place = Place::garage("metadata");
    place.backup(&sample.cluster.url(&sample.database), &["--name", "app"]);
    let Place::S3(s3) = &place else { unreachable!() };
    let key = place.key("dump.zst.age");
    let head = s3.client().head_object().bucket(&s3.bucket).key(format!("{}/{key}", s3.prefix));
    let head = wait(async move { head.send().await.unwrap() });
    let said = head.metadata().unwrap();
    let id = key.split('/').nth(1).unwrap();
    for (field, value) in
        [("format", "1"), ("id", id), ("name", "app"), ("kind", "postgres"), ("encryption", "age")]
    {
        assert_eq!(said.get(&format!("pgstow-{field}")).map(String::as_str), Some(value), "{said:?}");
    }
    for field in ["started-at", "server-version", "pg-dump-version", "compression"] {
        assert!(said.contains_key(&format!("pgstow-{field}")), "{said:?}");
    }
}
