//! No lock-in: what is stored opens with the distribution's own age, zstd and pg_restore, and the
//! manifest's claims are checked with `sed` and `sha256sum`.

use crate::scene::{Keys, Place, Sample, fresh};
use crate::servers::s3::wait;
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
fn the_manifest_is_checked_with_sed_and_sha256sum() {
    let sample = Sample::shared();
    let Place::Folder(folder) = &sample.place else { unreachable!() };
    let file = folder.path().join(sample.place.key("manifest.json"));
    let manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let of_itself = shell("sed 2d \"$FILE\" | sha256sum", &[("FILE", file.to_str().unwrap())]);
    assert_eq!(of_itself.split(' ').next(), manifest["manifest_sha256"].as_str());

    let dump = folder.path().join(sample.place.key("dump.zst.age"));
    let of_dump = shell("sha256sum < \"$FILE\"", &[("FILE", dump.to_str().unwrap())]);
    assert_eq!(of_dump.split(' ').next(), manifest["objects"][0]["stored_sha256"].as_str());
    let home = TempDir::new().unwrap();
    let key = Keys::shared().file(home.path());
    let of_plaintext = shell(
        "age -d -i \"$KEY\" \"$FILE\" | zstd -d | sha256sum",
        &[("KEY", key.to_str().unwrap()), ("FILE", dump.to_str().unwrap())],
    );
    assert_eq!(of_plaintext.split(' ').next(), manifest["objects"][0]["plain_sha256"].as_str());
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
