//! `keys`: which recipients can read which backups, and what an identity really opens.

use super::scene::{FAKE, for_whom, noise, plugin, ssh_key, stream};
use crate::harness::Run;
use crate::keep::scene::folder_and_bucket;
use crate::scene::{Keys, Place};
use pgstow::error::Kind;
use pgstow::stored::format::manifest::Manifest;
use serde_json::{Value, json};
use tempfile::TempDir;

fn row<'a>(document: &'a Value, recipient: &Value) -> &'a Value {
    let all = document["recipients"].as_array().unwrap();
    let found = all.iter().find(|row| row["recipient"] == *recipient);
    found.unwrap_or_else(|| panic!("{recipient} is not in {document}"))
}

/// The identity that opens a backup.
fn opened_by<'a>(document: &'a Value, id: &str) -> &'a Value {
    let all = document["backups"].as_array().unwrap();
    &all.iter().find(|one| one["id"] == id).unwrap_or_else(|| panic!("{id} is not in {document}"))["opened_by"]
}

#[test]
fn recipients_and_their_backups_are_listed_and_really_opened() {
    for place in folder_and_bucket("keys") {
        let home = TempDir::new().unwrap();
        let with_plugin = plugin(home.path());
        let (ssh, ssh_recipient) = ssh_key(home.path());
        let (one, two) = (Keys::make(), Keys::make());
        let only = stream(&place, "app", b"1", for_whom(&[&one.recipient]));
        let both = stream(&place, "app", b"2", for_whom(&[&one.recipient, &two.recipient, &ssh_recipient]));
        let phrase = stream(&place, "notes", b"3", |backup| backup.env("PGSTOW_PASSPHRASE", "correct horse"));
        let open = stream(&place, "open", b"4", |backup| backup.arg("--no-encryption"));
        let touched =
            stream(&place, "touch", b"5", |backup| backup.args(["-r", FAKE.1]).env("PATH", &with_plugin));

        // Everybody who may look can see that; no key is needed.
        let run = place.pgstow(&["keys", "--json"]).succeeds();
        let document = run.json();
        let of_one = row(&document, &json!(one.recipient));
        assert_eq!((&of_one["backups"], &of_one["names"]), (&json!(2), &json!(["app"])), "{run}");
        assert_eq!(row(&document, &json!(two.recipient))["backups"], 1);
        assert_eq!(row(&document, &json!(FAKE.1))["names"], json!(["touch"]));
        assert_eq!(row(&document, &json!("passphrase"))["names"], json!(["notes"]));
        assert_eq!(row(&document, &Value::Null)["names"], json!(["open"]));
        assert!(document["recipients"].as_array().unwrap().len() == 6 && of_one["opened"].is_null(), "{run}");
        assert!(!run.text().contains("me@here"), "an SSH key's comment is nobody's business: {run}");
        let text = place.pgstow(&["keys", "app"]).succeeds().text();
        let line = text.lines().find(|line| line.contains(&one.recipient)).unwrap();
        assert!(line.split_whitespace().any(|cell| cell == "2") && !text.contains("notes"), "{text}");
        assert!(place.pgstow(&["keys"]).succeeds().text().contains("everybody: not encrypted"));

        // One identity: what it does not open is named.
        let first = place.pgstow(&["keys", "--json"]).env("PGSTOW_IDENTITY", &one.identity);
        let run = first.fails(Kind::Verify).says("2 of 5 backups are not opened");
        let document = run.json();
        assert_eq!(opened_by(&document, &only), &json!(one.recipient));
        assert_eq!(opened_by(&document, &both), &json!(one.recipient));
        assert_eq!(
            (opened_by(&document, &phrase), opened_by(&document, &open)),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(row(&document, &json!(two.recipient))["opened"], 1);
        assert_eq!(row(&document, &json!("passphrase"))["opened"], 0);
        for id in [&phrase, &touched] {
            assert!(run.stderr.contains(&format!("warning: {id} of ")), "{run}");
        }
        assert!(!run.stderr.contains(&only) && !run.stderr.contains(&open), "{run}");

        let piped = place.pgstow(&["keys", "app", "-i", "-"]).stdin(one.identity.as_str());
        assert!(piped.succeeds().text().contains("2 of 2"));

        // All of them together open everything.
        let second = home.path().join("identities");
        std::fs::write(&second, format!("{}\n{}\n", two.identity, FAKE.0)).unwrap();
        let all = place.pgstow(&["keys", "--json", "-i", &ssh, "-i", second.to_str().unwrap()]);
        let all = all.env("PGSTOW_PASSPHRASE", "correct horse").env("PATH", &with_plugin);
        let run: Run = all.fails(Kind::Verify);
        let document = run.says(&only).json();
        assert!(opened_by(&document, &both).as_str().unwrap().starts_with("SHA256:"), "{document}");
        assert_eq!(opened_by(&document, &phrase), "passphrase");
        assert_eq!(opened_by(&document, &touched), "age-plugin-fake");
        let notes = place.pgstow(&["keys", "notes"]).env("PGSTOW_PASSPHRASE", "wrong horse");
        notes.fails(Kind::Verify).says("does not open it, although its manifest names it");
    }
}

#[test]
fn only_the_header_is_read_and_it_is_believed_more_than_the_manifest() {
    let place = Place::folder();
    let (one, two) = (Keys::make(), Keys::make());
    let id = stream(&place, "app", &noise(200_000), for_whom(&[&one.recipient]));
    let keys = |keys: &Keys| place.pgstow(&["keys", "app"]).env("PGSTOW_IDENTITY", &keys.identity);
    let key = place.key("stream.zst.age");
    let whole = place.get(&key);
    assert!(whole.len() > 100_000);
    place.put(&key, &whole[..8 << 10]);
    keys(&one).succeeds();

    // A header that was changed on the way, or in the store.
    let mut damaged = whole.clone();
    let mac = damaged.windows(4).position(|four| four == b"--- ").unwrap() + 6;
    damaged[mac] ^= 1;
    place.put(&key, damaged);
    keys(&one).fails(Kind::Verify).says(&format!("warning: {id} of app: "));
    // A dump that is gone.
    place.delete(&key);
    keys(&one).fails(Kind::Verify).says("is missing, although its manifest exists");
    place.put(&key, whole);
    keys(&one).succeeds();

    // A manifest that names somebody else than the header is for.
    let key = place.key("manifest.json");
    let mut manifest = Manifest::from_bytes(&place.get(&key)).unwrap();
    manifest.recipients = vec![two.recipient.clone()];
    place.put(&key, manifest.to_bytes().unwrap());
    let run = keys(&one).fails(Kind::Verify);
    run.says(&format!("{} opens it, and its manifest does not name that recipient", one.recipient));
    keys(&two).fails(Kind::Verify).says("does not open it, although its manifest names it");
    place.put(&key, "{}");
    place.pgstow(&["keys"]).fails(Kind::Verify).says("1 of 1 backups could not be read");
}

#[test]
fn more_recipients_than_the_manifest_says_are_no_hindrance() {
    let place = Place::folder();
    let keys: Vec<Keys> = (0..60).map(|_| Keys::make()).collect();
    let all: Vec<&str> = keys.iter().map(|keys| keys.recipient.as_str()).collect();
    stream(&place, "app", &noise(100_000), for_whom(&all));
    let key = place.key("manifest.json");
    let mut manifest = Manifest::from_bytes(&place.get(&key)).unwrap();
    manifest.recipients.truncate(1);
    place.put(&key, manifest.to_bytes().unwrap());
    let first = place.pgstow(&["keys"]).env("PGSTOW_IDENTITY", &keys[0].identity);
    first.succeeds();
    let last = place.pgstow(&["keys"]).env("PGSTOW_IDENTITY", &keys[59].identity);
    last.fails(Kind::Verify).says("does not name that recipient");
}

#[test]
fn a_store_without_backups_has_no_keys() {
    let place = Place::folder();
    let run = place.pgstow(&["keys"]).succeeds().says("no backups yet");
    assert!(run.text().is_empty(), "{run}");
    place.pgstow(&["keys", "app"]).fails(Kind::NotFound);
}
