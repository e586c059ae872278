//! Receipts of trial restores: evidence for an auditor, and the record by which `prune` knows what is proven.

use super::scene::Scene;
use crate::harness::{Pgstow, pgstow};
use crate::keep::scene::{DAY, HOUR, prune, put, put_changed, said_of, there};
use crate::scene::{Keys, Place, signing_keys};
use crate::servers::fault::{Fault, FaultProxy, Operation, Rule};
use crate::servers::garage::Garage;
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use pgstow::stored::format::digest::Digest;
use pgstow::stored::format::names::{Id, Place as BackupPlace, Timestamp};
use pgstow::stored::format::receipt::{AboutBackup, AboutRestore, Predicate, Receipt, object_name};
use pgstow::stored::format::signing::{Signed, SigningKey};
use rustix::process::Signal;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Puts a receipt next to a backup of `app`, signed by this key if there is one; its key.
pub fn put_receipt(place: &Place, id: &str, of: &str, signing: Option<&str>) -> String {
    let manifest = Sha256::digest(place.get(&format!("app/{of}/manifest.json")));
    let backup = BackupPlace { name: "app".parse().unwrap(), id: of.parse().unwrap() };
    let now = Timestamp::now();
    let predicate = Predicate {
        verified_at: now,
        verified_by: "a test".into(),
        backup: AboutBackup {
            name: backup.name,
            id: backup.id,
            started_at: now,
            age_seconds: 0,
            server_version: None,
        },
        restore: AboutRestore {
            server_version: "17".into(),
            own_cluster: true,
            seconds: 1.0,
            extensions_left_out: Vec::new(),
            not_refreshed: 0,
        },
        compared: None,
        found: [].into(),
        checks_passed: 0,
        checks: Vec::new(),
    };
    let bytes = Receipt::new(Digest(manifest.into()), predicate).to_bytes().unwrap();
    let key = format!("app/{id}/{}", object_name(&Id::new(now).unwrap()));
    if let Some(signing) = signing {
        let signature = SigningKey::parse(signing, None).unwrap().sign(Signed::Receipt, &bytes, "x").unwrap();
        place.put(&format!("{key}.minisig"), signature);
    }
    place.put(&key, bytes);
    key
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Whether the readers of a store call its newest backup proven: list, show, status and report.
fn is_proven(read: &dyn Fn(&[&str]) -> Pgstow) -> [bool; 4] {
    let json = |words: &[&str]| read(words).arg("--json").succeeds().json();
    let last = |listed: &Value| listed.as_array().unwrap().last().unwrap()["proven_at"].is_string();
    [
        last(&json(&["list"])),
        json(&["show", "latest"])["proven_at"].is_string(),
        json(&["status"])[0]["proven_at"].is_string(),
        json(&["report"])["names"][0]["proven_at"].is_string(),
    ]
}

#[test]
fn a_trial_restore_gives_a_receipt_that_minisign_checks() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("receipts");
    cluster.psql(&database, "CREATE TABLE t AS SELECT generate_series(1, 3) AS n");
    for scene in Scene::everywhere("receipts") {
        let backup = ["backup", "--name", "app", "--json", "-r", &Keys::shared().recipient];
        let backup = scene.place.pgstow(&backup).arg(cluster.url(&database));
        let id = backup.env("PGSTOW_SIGNING_KEY", &scene.signing).succeeds().json()["id"].clone();
        let id = id.as_str().unwrap();
        assert_eq!(is_proven(&|words| scene.reads(words)), [false; 4]);
        let home = TempDir::new().unwrap();
        let at = |name: &str| home.path().join(name).to_str().unwrap().to_owned();
        let check = "SELECT count(*) = 3 FROM t";
        let rehearse = |words: &[&str]| {
            let restore = ["verify", "latest", "--restore", "--to", &cluster.url("")];
            scene.reads(&restore).args(words).env("PGSTOW_SIGNING_KEY", &scene.signing)
        };
        // What does not agree gets none.
        let wrong = ["--check", "SELECT count(*) = 4 FROM t", "--receipt", &at("wrong.json"), "--record"];
        rehearse(&wrong).fails(Kind::Verify);
        assert_eq!(home.path().read_dir().unwrap().count(), 0);
        assert!(!scene.place.keys().iter().any(|key| key.contains("receipt")));

        let file = at("r.json");
        rehearse(&["--check", check, "--receipt", &file, "--record"])
            .succeeds()
            .says("the receipt is recorded as");
        let receipt: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let manifest = scene.place.get(&format!("app/{id}/manifest.json"));
        assert_eq!(receipt["subject"][0]["digest"]["sha256"], sha256(&manifest));
        assert_eq!(receipt["subject"][0]["name"], format!("app/{id}/manifest.json"));
        let proven = &receipt["predicate"];
        assert_eq!((&proven["compared"]["rows"], &proven["compared"]["by"]), (&3.into(), &"counts".into()));
        assert_eq!(proven["checks"][0], serde_json::json!({ "sql": check, "passed": true }));
        assert!(proven["restore"]["seconds"].as_f64().unwrap() > 0.0, "{receipt}");
        let minisign = |key: &str| {
            let mut minisign = Command::new("minisign");
            minisign.args(["-V", "-q", "-m", &file, "-P", key]).output().unwrap().status.success()
        };
        assert!(minisign(&scene.public) && !minisign(&signing_keys().1));

        // It replaces nothing, and is checked by pgstow too, with the store and without.
        rehearse(&["--receipt", &file]).fails(Kind::TargetExists).says("is evidence");
        // That is known before hours are spent on a trial.
        std::fs::write(at("left.json.minisig"), "").unwrap();
        let nowhere = rehearse(&["--receipt", &at("nowhere/r.json")]).fails(Kind::LocalFile);
        let left =
            rehearse(&["--receipt", &at("left.json")]).fails(Kind::TargetExists).says("left.json.minisig");
        for run in [nowhere, left] {
            assert!(!run.stderr.contains("restor"), "{run}");
        }
        let offline = pgstow(["receipts", "verify", &file, "--verify-key", &scene.public]).succeeds();
        assert!(offline.text().contains("3 rows in 1 table, by counts"), "{offline}");
        let checks = || scene.reads(&["receipts", "verify", &file, "--json"]);
        let checked = checks().succeeds().json();
        assert_eq!((&checked["in_store"], &checked["signature"]), (&true.into(), &"verified".into()));

        // What is recorded is signed too, and says nothing about tables.
        let key =
            scene.place.keys().into_iter().find(|key| key.contains("receipt-") && key.ends_with(".json"));
        let recorded = String::from_utf8(scene.place.get(&key.unwrap())).unwrap();
        assert!(recorded.contains("\"checksPassed\": 1") && !recorded.contains("SELECT"), "{recorded}");
        assert_eq!(is_proven(&|words| scene.reads(words)), [true; 4]);
        assert_eq!(is_proven(&|words| scene.place.pgstow(words)), [true; 4]);
        assert!(scene.reads(&["list"]).succeeds().text().contains("PROVEN"));
        assert!(scene.reads(&["show", "latest"]).succeeds().text().contains("by a trial restore"));

        // Changed, unsigned, of a stranger, about another manifest, or about none.
        let text = std::fs::read_to_string(&file).unwrap();
        let signed = std::fs::read(at("r.json.minisig")).unwrap();
        std::fs::write(&file, text.replace("\"rows\": 3", "\"rows\": 30")).unwrap();
        checks().fails(Kind::Verify).says("the receipt's signature is invalid");
        std::fs::write(&file, &text).unwrap();
        checks().env("PGSTOW_VERIFY_KEY", signing_keys().1).fails(Kind::Verify);
        std::fs::remove_file(at("r.json.minisig")).unwrap();
        checks().fails(Kind::Verify).says("is not signed");
        std::fs::write(at("r.json.minisig"), &signed).unwrap();
        std::fs::write(&file, &manifest).unwrap();
        checks().env("PGSTOW_VERIFY_KEY", "").fails(Kind::Verify).says("this is no receipt");
        std::fs::write(&file, &text).unwrap();
        let later = scene.back_up();
        let other = String::from_utf8(scene.place.get(&format!("app/{later}/manifest.json"))).unwrap();
        scene.place.put(&format!("app/{id}/manifest.json"), other);
        checks().env("PGSTOW_VERIFY_KEY", "").fails(Kind::Verify);
        scene.remove(id);
        checks().fails(Kind::NotFound).says("it may have been pruned");
    }
}

#[test]
fn receipts_are_only_for_what_is_compared() {
    let scene = Scene::of(Place::folder());
    scene.back_up();
    for (words, why) in [
        (&["latest", "--receipt", "r.json"][..], "are for a trial restore"),
        (&["latest", "--quick", "--record"], "are for a trial restore"),
        (&["latest", "--restore", "--record", "--proof", "none"], "nothing is compared"),
        (&["--all", "--restore", "--receipt", "r.json"], "--receipt is for one backup"),
    ] {
        scene.reads(&["verify"]).args(words).fails(Kind::Usage).says(why);
    }
}

#[test]
fn a_forged_record_is_no_proof_for_who_has_a_key() {
    for scene in Scene::everywhere("receipts-forged") {
        let (old, new) = (scene.put(DAY, |_| {}), scene.put(HOUR, |_| {}));
        let with_key = || is_proven(&|words| scene.reads(words));
        // Without a signature it is one for whoever believes everything.
        let key = put_receipt(&scene.place, &new, &new, None);
        assert_eq!(is_proven(&|words| scene.place.pgstow(words)), [true; 4]);
        assert_eq!(with_key(), [false; 4]);
        scene.reads(&["list"]).succeeds().says(&format!("{key} proves nothing: it is not signed"));
        let run = scene.reads(&["status"]).succeeds();
        assert_eq!(run.stderr.matches("proves nothing").count(), 1, "{run}");
        // Of a stranger, or of another backup.
        put_receipt(&scene.place, &new, &new, Some(&signing_keys().0));
        put_receipt(&scene.place, &new, &old, Some(&scene.signing));
        assert_eq!(with_key(), [false; 4]);
        scene.reads(&["list"]).succeeds().says("it is of another backup").says("signature is invalid");
        put_receipt(&scene.place, &new, &new, Some(&scene.signing));
        assert_eq!(with_key(), [true; 4]);
    }
}

#[test]
fn prune_counts_only_proven_ones_if_asked_to() {
    for scene in Scene::everywhere("receipts-prune") {
        let ids: Vec<String> = (0..7).rev().map(|day| scene.put(DAY * day + HOUR, |_| {})).collect();
        for at in [0, 2, 4] {
            put_receipt(&scene.place, &ids[at], &ids[at], Some(&scene.signing));
        }
        // A thief would like the rules to keep only this one.
        put_receipt(&scene.place, &ids[5], &ids[5], None);
        let words = ["--keep-last", "1", "--min-keep", "2", "--verified-only"];
        let dry = prune(&scene.place, &words).args(["--dry-run", "--json"]);
        let document = dry.env("PGSTOW_VERIFY_KEY", &scene.public).succeeds().json();
        for (at, why) in
            [(6, &["last", "newest"][..]), (5, &[]), (4, &["last", "proven"]), (2, &["min-keep"]), (0, &[])]
        {
            assert_eq!(said_of(&document, &ids[at]).1, why, "{at}: {document}");
        }
        let run = prune(&scene.place, &words).env("PGSTOW_VERIFY_KEY", &scene.public).succeeds();
        assert_eq!(there(&scene.place, "app"), [2, 4, 6].map(|at| ids[at].clone()), "{run}");
        // Receipts go with their backups.
        let left = scene.place.keys().into_iter().filter(|key| key.contains("receipt-")).count();
        assert_eq!(left, 4, "two receipts and their signatures: {:?}", scene.place.keys());
        // Nothing is proven: then the rules judge all alike, and the least stays.
        let scene = Scene::everywhere("receipts-none").into_iter().next().unwrap();
        let ids: Vec<String> = (0..5).rev().map(|day| scene.put(DAY * day + HOUR, |_| {})).collect();
        prune(&scene.place, &words).succeeds();
        assert_eq!(there(&scene.place, "app"), ids[3..]);
    }
}

/// Whoever may only write plants many receipts: none of them is one, but only some are read.
#[test]
fn planted_receipts_make_no_proven_backup_go() {
    for scene in Scene::everywhere("receipts-planted") {
        let ids: Vec<String> = (0..3).rev().map(|day| scene.put(DAY * day + HOUR, |_| {})).collect();
        put_receipt(&scene.place, &ids[0], &ids[0], Some(&scene.signing));
        let plant = |id: &dyn Fn(usize) -> String| {
            (0..16).for_each(|n| scene.place.put(&format!("app/{}/receipt-{}.json", ids[0], id(n)), "{}"));
        };
        let words = ["--keep-last", "1", "--min-keep", "1", "--verified-only"];
        let pruned = || {
            let dry = prune(&scene.place, &words).args(["--dry-run", "--json"]);
            dry.env("PGSTOW_VERIFY_KEY", &scene.public).succeeds()
        };
        // Of a moment that is still to come: they are not even looked at.
        let letters = "0123456789abcdefghjkmnpqrstvwxyz";
        plant(&|n| format!("99991231T235959Z-zzzzz{}", &letters[n..=n]));
        let run = pruned();
        assert_eq!(
            said_of(&run.json(), &ids[0]),
            ("keep".into(), vec!["last".into(), "proven".into()]),
            "{run}"
        );
        run.says("16 receipts of a moment that is still to come");
        let listed = scene.place.pgstow(&["list", "--json"]).succeeds().json();
        assert!(listed[0]["proven_at"].as_str().unwrap() < "3", "{listed}");
        // Of a moment after the proof: what they hide is not known, so nothing goes because of them.
        plant(&|_| Id::new(Timestamp::now().after(HOUR / 20)).unwrap().to_string());
        let run = pruned().says("is not known: none of the newest 16 of its receipts holds");
        let (action, why) = said_of(&run.json(), &ids[0]);
        assert_eq!((action.as_str(), why.len()), ("keep", 1), "{run}");
        assert!(why[0].contains("whether it is proven is not known"), "{run}");
        assert_eq!(said_of(&run.json(), &ids[1]).0, "remove", "{run}");
        // If unproven ones count too, it may be the newest that is proven.
        let pruned =
            |words: &[&str]| prune(&scene.place, words).env("PGSTOW_VERIFY_KEY", &scene.public).succeeds();
        let run = pruned(&["--keep-last", "1", "--min-keep", "1", "--dry-run", "--json"]);
        assert_eq!(said_of(&run.json(), &ids[0]), ("keep".into(), vec!["perhaps proven".into()]), "{run}");
        pruned(&words);
        assert_eq!(there(&scene.place, "app"), [ids[0].clone(), ids[2].clone()]);
    }
}

/// A trial restore may take hours, and nothing would be left of it.
#[test]
fn who_may_not_record_is_told_before_anything_is_restored() {
    let bucket = Garage::shared().place("may-not-record");
    let proxy = FaultProxy::start(&bucket.endpoint);
    let (place, through) = (Place::S3(bucket.clone()), Place::S3(bucket.through(&proxy.endpoint())));
    put(&place, "app", HOUR);
    for operation in [Operation::CreateUpload, Operation::Put] {
        proxy.inject(Rule::new(operation, Fault::Answer(403, "AccessDenied")));
    }
    let verify = ["verify", "latest", "--restore", "--record"];
    let run = through.opens(&verify).fails(Kind::Store).says("no receipt could be recorded");
    run.says("needs a key that may write into the folder of the backup");
}

/// The store begins the upload that was only to show it, although nobody waits for its answer any more.
#[test]
fn a_signal_while_it_is_tried_whether_a_receipt_can_be_recorded_leaves_no_upload() {
    let bucket = Garage::shared().place("signal-record");
    let proxy = FaultProxy::start(&bucket.endpoint);
    let (place, through) = (Place::S3(bucket.clone()), Place::S3(bucket.through(&proxy.endpoint())));
    put(&place, "app", HOUR);
    proxy.inject(Rule::new(Operation::CreateUpload, Fault::Delay(Duration::from_secs(1))));
    let running = through.opens(&["verify", "latest", "--restore", "--record"]).spawn();
    proxy.wait_for(Operation::CreateUpload, 1);
    running.signal(Signal::TERM);
    let run = running.wait().assert_failure(Kind::Terminated);
    assert!(!run.stderr.contains("receipt"), "the signal is no failure of the key: {run}");
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(bucket.unfinished_uploads(), [""; 0]);
}

/// A proof is of what was there: a backup that lost its dump since then, or that never had all tables, proves nothing.
#[test]
fn what_was_lost_or_left_out_is_not_proven() {
    let place = Place::folder();
    let whole = put(&place, "app", DAY * 3);
    let partial = put_changed(&place, "app", DAY * 2, |manifest| manifest.partial = true);
    let torn = put(&place, "app", DAY);
    for id in [&partial, &torn] {
        put_receipt(&place, id, id, None);
    }
    let object = place.keys().into_iter().find(|key| key.contains(&torn) && key.contains("stream"));
    place.delete(&object.unwrap());
    let proven_ids = || {
        let json = |words: &[&str]| place.pgstow(words).arg("--json").succeeds().json();
        let status = json(&["status", "--max-age", "9999d"])[0]["proven_id"].clone();
        [status, json(&["report"])["names"][0]["proven_id"].clone()]
    };
    assert_eq!(proven_ids(), [Value::Null, Value::Null]);
    // One that is older than those which `status` has to read.
    put(&place, "app", HOUR);
    assert_eq!(proven_ids(), [Value::Null, Value::Null]);
    put_receipt(&place, &whole, &whole, None);
    assert_eq!(proven_ids(), [&whole, &whole].map(|id| Value::from(id.as_str())));
}
