//! A signature is over name, id and content: what was moved, renamed, re-dated or replayed is refused. And keys that
//! are replaced, or required.

use super::scene::{Scene, back_up};
use crate::doctor::Seen;
use crate::harness::{Pgstow, pgstow};
use crate::keep::scene::{HOUR, put, put_changed, there};
use crate::scene::{Keys, Place, signing_keys};
use crate::servers::fault::{Fault, FaultProxy, Operation, Rule};
use crate::servers::garage::Garage;
use pgstow::error::Kind;
use pgstow::stored::format::manifest::Manifest;
use tempfile::TempDir;

/// Copies all objects of a backup into another folder of the store.
fn copy(place: &Place, from: &str, to: &str) {
    for key in place.keys().iter().filter(|key| key.starts_with(from)) {
        place.put(&key.replacen(from, to, 1), place.get(key));
    }
}

/// The keys of all objects of a backup, and their bytes, the manifest last.
fn objects(place: &Place, id: &str) -> Vec<(String, Vec<u8>)> {
    let mut keys: Vec<String> = place.keys().into_iter().filter(|key| key.contains(id)).collect();
    keys.sort_by_key(|key| key.ends_with("manifest.json"));
    keys.into_iter().map(|key| (key.clone(), place.get(&key))).collect()
}

#[test]
fn what_was_moved_renamed_or_redated_is_refused() {
    for scene in Scene::everywhere("history-moved") {
        let (old, new) = (scene.back_up(), scene.back_up());
        let place = &scene.place;
        let refused = |words: &[&str], why: &str| {
            let fetch = [&["fetch", "-o", "-"], words].concat();
            scene.reads(&fetch).fails(Kind::Verify).says(why);
            let verify = [&["verify", "--quick"], words].concat();
            scene.reads(&verify).fails(Kind::Verify).says(why);
        };
        // Renamed: under another name it would be restored as another database.
        copy(place, &format!("app/{new}/"), &format!("other/{new}/"));
        refused(&["latest", "--name", "other"], "the manifest is that of another backup");
        // Moved: an old one instead of the newest.
        copy(place, &format!("app/{new}/"), "kept/");
        copy(place, &format!("app/{old}/"), &format!("app/{new}/"));
        refused(&["latest", "--name", "app"], "the manifest is that of another backup");
        copy(place, "kept/", &format!("app/{new}/"));
        scene.reads(&["fetch", "latest", "--name", "app", "-o", "-"]).succeeds();
        // Re-dated: with an id that is newer, in its folder only, and in its manifest too.
        let later = new.replace(&new[16..], "-zzzzzz");
        copy(place, &format!("app/{old}/"), &format!("app/{later}/"));
        refused(&[&later, "--name", "app"], "the manifest is that of another backup");
        let key = format!("app/{later}/manifest.json");
        let mut manifest = Manifest::from_bytes(&place.get(&key)).unwrap();
        manifest.id = later.parse().unwrap();
        place.put(&key, manifest.to_bytes().unwrap());
        refused(&["latest", "--name", "app"], "signature is invalid");
        // The same with only its moment changed.
        scene.remove(&later);
        let key = format!("app/{new}/manifest.json");
        let mut manifest = Manifest::from_bytes(&place.get(&key)).unwrap();
        manifest.started_at = manifest.started_at.after(std::time::Duration::from_secs(3600));
        place.put(&key, manifest.to_bytes().unwrap());
        refused(&["latest", "--name", "app"], "signature is invalid");
    }
}

/// What is replayed is properly signed. So it is known by what was there since.
#[test]
fn what_was_replayed_is_refused() {
    for scene in Scene::everywhere("history-replayed") {
        let (old, new) = (scene.back_up(), scene.back_up());
        let place = &scene.place;
        scene.reads(&["verify", "latest"]).succeeds().says(&format!("verified {new}"));
        let removed = objects(place, &old);
        scene.remove(&old);
        // Put back next to newer ones it is not the newest.
        removed.iter().for_each(|(key, bytes)| place.put(key, bytes.clone()));
        scene.reads(&["verify", "latest"]).succeeds().says(&format!("verified {new}"));
        // Parts of it in a newer one.
        for (part, why) in [("manifest.json.minisig", "signature is invalid"), ("stream.zst.age", "")] {
            let (from, to) = (format!("app/{old}/{part}"), format!("app/{new}/{part}"));
            let true_part = place.get(&to);
            place.put(&to, place.get(&from));
            scene.refuses(why);
            place.put(&to, true_part);
        }
        // All of it instead of newer ones.
        scene.remove(&new);
        scene.refuses(&format!("{old} of app is the newest backup, but {new} was in the store at"));
        scene.reads(&["verify", &old]).succeeds();
    }
}

/// A store that hides newer ones may refuse, or damage, what it is asked for the first time.
#[test]
fn what_was_replayed_is_refused_whatever_cannot_be_read() {
    let bucket = Garage::shared().place("history-first-read");
    let proxy = FaultProxy::start(&bucket.endpoint);
    let scene = Scene::of(Place::S3(bucket.through(&proxy.endpoint())));
    let (_, new) = (scene.back_up(), scene.back_up());
    scene.reads(&["verify", "latest"]).succeeds().says(&format!("verified {new}"));
    scene.remove(&new);
    for fault in [Fault::Answer(403, "AccessDenied"), Fault::Flip(40)] {
        proxy.inject(Rule::new(Operation::Get, fault).key_end("manifest.json").times(1));
        let run = scene.reads(&["fetch", "latest", "-o", "-"]).run();
        assert!(!run.status.success() && run.stdout.is_empty() && !proxy.struck().is_empty(), "{run}");
        proxy.heal();
    }
}

/// Whoever could read a backup before others got new keys cannot bring it back.
#[test]
fn what_was_rekeyed_is_not_replayed() {
    for scene in Scene::everywhere("history-rekeyed") {
        let (old, place, keys) = (scene.back_up(), &scene.place, Keys::make());
        let removed = objects(place, &old);
        let both = format!("{}\n{}", Keys::shared().identity, keys.identity);
        let reads = |words: &[&str]| scene.reads(words).env("PGSTOW_IDENTITY", &both);
        let rekey = ["rekey", "latest", "-r", &keys.recipient];
        reads(&rekey).env("PGSTOW_SIGNING_KEY", &scene.signing).succeeds();
        reads(&["list"]).succeeds();
        removed.iter().for_each(|(key, bytes)| place.put(key, bytes.clone()));
        let shown = reads(&["show", "latest", "--json"]).succeeds().json();
        let new = shown["id"].as_str().unwrap();
        assert!(new != old && shown["recipients"] == serde_json::json!([keys.recipient]), "{shown}");
        reads(&["verify", "latest"]).succeeds().says(&format!("verified {new}"));
        scene.remove(new);
        let run = reads(&["verify", "latest"]).fails(Kind::Verify);
        run.says(&format!("{old} of app is the newest backup, but {new} was in the store at"));
    }
}

/// Its address is no part of what is signed: a bucket may be renamed, or copied to another provider.
#[test]
fn a_store_that_is_copied_elsewhere_stays_signed() {
    let scene = Scene::of(Place::garage("history-copied"));
    let id = scene.back_up();
    let copied = Scene { place: scene.place.copy(), ..scene };
    let run = copied.reads(&["verify", "latest"]).succeeds();
    run.says(&format!("verified {id}"));
}

/// Whoever may only write must not keep others from the newest signed backup by a newer one without a signature.
#[test]
fn a_newer_backup_without_a_signature_is_passed_over_by_whoever_takes_the_newest() {
    for scene in Scene::everywhere("history-passed-over") {
        let signed = scene.put(HOUR, |_| {});
        let unsigned = [put(&scene.place, "app", HOUR / 2), put(&scene.place, "app", HOUR / 3)];
        let to = Place::folder();
        let keys = |command: Pgstow| match &scene.place {
            Place::S3(s3) => command.envs(s3.env()),
            _ => command,
        };
        let to_there = ["--to", &to.url()];
        for words in [
            &["fetch", "latest", "-o", "-"][..],
            &["show", "latest"],
            &["verify", "latest"],
            &["verify", "--newest-per-name"],
            &["copy", "latest"],
            &["copy", "--newest-per-name"],
        ] {
            let is_copy = words[0] == "copy";
            let words = if is_copy { [words, &to_there].concat() } else { words.to_vec() };
            let run = keys(scene.reads(&words)).succeeds();
            for id in &unsigned {
                let said = format!("{id} of app is not signed, and passed over: \"latest\" is {signed}");
                assert!(run.stderr.contains(&said), "{run}");
            }
        }
        assert_eq!(there(&to, "app"), std::slice::from_ref(&signed));
        let said = format!("{} of app is not signed, and newer than {signed}, which is", unsigned[1]);
        for words in [&["verify", "latest"][..], &["verify", "--newest-per-name"]] {
            scene.reads(words).arg("--strict").fails(Kind::Verify).says(&said);
        }
        let doctor = ["doctor", "--name", "app", "-r", &Keys::shared().recipient];
        Seen::of(scene.reads(&doctor)).has("newest", "fine", &signed);
        // A name without any signed backup has no newest one, and keeps no other name from being copied.
        let planted = put(&scene.place, "other", HOUR);
        let run = keys(scene.reads(&["copy", "--newest-per-name", "--json", "--to", &to.url()]));
        let run = run.fails(Kind::Verify).says(&format!("{planted} of other is not signed"));
        assert_eq!(run.json()["backups"][0]["outcome"], "present", "{run}");
    }
}

#[test]
fn a_copy_of_a_latest_that_went_back_is_refused() {
    let scene = Scene::of(Place::folder());
    let (old, new) = (scene.put(HOUR * 2, |_| {}), scene.put(HOUR, |_| {}));
    let to = Place::folder();
    let copy = |which: &str| scene.reads(&["copy", which, "--to", &to.url()]);
    copy("latest").succeeds();
    scene.remove(&new);
    let said = format!("{old} of app is the newest backup, but {new} was in the store at");
    for which in ["latest", "--newest-per-name"] {
        copy(which).fails(Kind::Verify).says(&said);
    }
    assert_eq!(there(&to, "app"), [new]);
    copy("--all").succeeds().says("copied 1 backup");
    copy("latest").arg("--no-state").succeeds();
}

#[test]
fn keys_are_replaced_one_by_one() {
    let place = Place::folder();
    let ((old, old_public), (new, new_public)) = (signing_keys(), signing_keys());
    let first = back_up(&place, &old);
    let second = back_up(&place, &new);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("keys.pub");
    std::fs::write(&file, format!("untrusted comment: old and new\n{old_public}\n{new_public}\n")).unwrap();
    let settings = folder.path().join("pgstow.toml");
    std::fs::write(&settings, format!("verify_key = [{old_public:?}, \"keys.pub\"]\n")).unwrap();
    let (file, settings) = (file.to_str().unwrap(), settings.to_str().unwrap());
    let both = [
        place.opens(&["list", "--json", "--verify-key", &old_public, "--verify-key", &new_public]),
        place.opens(&["list", "--json", "--verify-key", file]),
        place.opens(&["list", "--json", "--config", settings]),
        place.opens(&["list", "--json"]).env("PGSTOW_VERIFY_KEY", format!("{old_public},{new_public}")),
        place.opens(&["list", "--json"]).env("PGSTOW_VERIFY_KEY", format!("{old_public}\n{new_public}\n")),
    ];
    for listing in both {
        let listed = listing.succeeds().json();
        assert_eq!((&listed[0]["id"], &listed[1]["id"]), (&first.as_str().into(), &second.as_str().into()));
    }
    let listed = place.opens(&["list", "--json", "--verify-key", &new_public]).fails(Kind::Verify);
    assert_eq!(listed.json().as_array().unwrap().len(), 1);
    place.opens(&["fetch", &first, "-o", "-", "--verify-key", &new_public]).fails(Kind::Verify);
    let strangers = format!("{},{}", signing_keys().1, signing_keys().1);
    let refused =
        place.opens(&["fetch", "latest", "-o", "-", "--verify-key", &strangers]).fails(Kind::Verify);
    refused.says("none of the 2 verification keys accepts it");
}

#[test]
fn a_settings_file_can_require_signatures() {
    let scene = Scene::of(Place::folder());
    scene.back_up();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("pgstow.toml");
    std::fs::write(&file, format!("require_signature = true\nstore = {:?}\n", scene.place.url())).unwrap();
    let with = |words: &[&str]| pgstow(words).env("PGSTOW_CONFIG", &file);
    let needs = "signatures are required, and there is no key to check them with";
    for words in [
        &["list"][..],
        &["status"],
        &["show", "latest"],
        &["fetch", "latest", "-o", "-"],
        &["verify", "latest", "--quick"],
        &["restore", "latest", "--", "cat"],
        &["prune", "--keep-last", "3"],
    ] {
        with(words).fails(Kind::Usage).says(needs);
        // A secret that CI does not have is no way around it.
        with(words).env("PGSTOW_VERIFY_KEY", "").fails(Kind::Usage).says(needs).says("set, but empty");
    }
    with(&["list"]).env("PGSTOW_VERIFY_KEY", &scene.public).succeeds();
    let recipient = Keys::shared().recipient.as_str();
    let keys = scene.place.keys();
    let backup = ["backup", "--stdin", "--name", "app", "-r", recipient];
    with(&backup).stdin("x").fails(Kind::Usage).says("no key to sign with");
    let dump = folder.path().join("dump.sql");
    std::fs::write(&dump, "--\n-- PostgreSQL database dump\n--\n").unwrap();
    let adopt = ["adopt", dump.to_str().unwrap(), "--name", "app", "-r", recipient];
    with(&adopt).fails(Kind::Usage).says("no key to sign with");
    assert_eq!(scene.place.keys(), keys);
    with(&backup).stdin("x").env("PGSTOW_SIGNING_KEY", &scene.signing).succeeds();
    let doctor = with(&["doctor", "--name", "app", "-r", recipient]).fails(Kind::Usage);
    assert!(doctor.text().contains("no key to sign with"), "{doctor}");
}

/// Whoever may only write neither hides what a signing job has lost, nor keeps it from working.
#[test]
fn a_planted_backup_is_compared_with_no_signed_one() {
    for scene in Scene::everywhere("trust-shrink") {
        scene.put(HOUR, |_| {});
        let backup = |bytes: &str, signing: Option<&str>| {
            let words = ["backup", "--stdin", "--name", "app", "--fail-shrink", "50%", "--no-encryption"];
            let run = scene.place.pgstow(&words).stdin(bytes);
            signing.into_iter().fold(run, |run, key| run.env("PGSTOW_SIGNING_KEY", key))
        };
        for bytes in [1, u64::MAX] {
            put_changed(&scene.place, "app", HOUR / 2, |manifest| {
                manifest.objects.iter_mut().for_each(|object| object.plain_bytes = bytes);
            });
            let run = backup("x", Some(&scene.signing)).fails(Kind::Verify);
            run.says("far less than in backup").says("1 B instead of 10 B");
        }
        // Nothing older than the newest hundred is looked for.
        for _ in 0..101 {
            put_changed(&scene.place, "app", HOUR / 3, |manifest| manifest.partial = true);
        }
        backup("x", None).succeeds().says("none of the newest 100 backups is like the new one (whole)");
        let run = backup("x", Some(&scene.signing)).succeeds();
        run.says("none of the newest 100 backups is like the new one and signed by its key");
        backup("some bytes", Some(&scene.signing)).succeeds();
        backup("many bytes", None).succeeds();
    }
}
