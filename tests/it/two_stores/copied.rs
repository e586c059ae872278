//! `copy`: whole backups from store to store as they are, whatever kills it.

use super::{are_same, copy, places, stream, unfinished, with_all};
use crate::scene::{Place, Sample};
use crate::servers::fault::{Fault, FaultProxy, Operation, Rule};
use crate::servers::garage::Garage;
use crate::servers::gcs::Account;
use crate::servers::s3::{S3, wait};
use pgstow::error::Kind;
use pgstow::stored::format::manifest::Manifest;
use rustix::process::Signal;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;
/// How often a copy is killed, in each direction.
const KILLS: u32 = 10;

/// The URL of a place, with its credentials if that can be: two of Google's imitations want two accounts.
fn address(place: &Place) -> String {
    match place {
        Place::Google(google, prefix) => google.url(prefix, Account::Owner),
        _ => place.url(),
    }
}

/// The metadata of the object whose key ends so, if the place can say it.
fn metadata(place: &Place, end: &str) -> Option<HashMap<String, String>> {
    let key = place.key(end);
    let mut found = match place {
        Place::Folder(_) => return None,
        Place::S3(S3 { bucket, prefix, .. }) => {
            let Place::S3(s3) = place else { unreachable!() };
            let request = s3.client().head_object().bucket(bucket).key(format!("{prefix}/{key}"));
            wait(async move { request.send().await.unwrap() }).metadata.unwrap_or_default()
        }
        Place::Google(google, prefix) => google.object(&format!("{prefix}/{key}")).unwrap().about.metadata,
    };
    // Every upload has its own.
    found.retain(|name, _| !name.ends_with("pgstow-upload"));
    let bare = |name: &str| name.rsplit("meta-").next().unwrap().to_owned();
    Some(found.into_iter().map(|(name, value)| (bare(&name), value)).collect())
}

#[test]
fn backups_go_from_every_kind_of_store_to_every_other_as_they_are() {
    let sample = Sample::shared();
    let first = places("copy");
    let mut seen = Vec::new();
    for place in &first {
        let run = copy(&first, &sample.place, place, &["latest"]).succeeds();
        assert_eq!(run.json()["backups"][0]["outcome"], "copied", "{run}");
        are_same(&sample.place, place, true);
        let second = places("copy-again");
        for to in &second {
            let keys = [place, to].into_iter().find_map(|place| match place {
                Place::S3(s3) => Some(s3.env()),
                _ => None,
            });
            let command = with_all(&[Place::folder()], &["copy", "--all"]).envs(keys.into_iter().flatten());
            command
                .args(["--from", &address(place), "--to", &address(to)])
                .succeeds()
                .says("copied 1 backup");
            are_same(&sample.place, to, true);
            seen.extend(metadata(to, "dump.zst.age"));
        }
        place.opens(&["verify", "latest", "--verify-key", &sample.verify_key]).succeeds();
        place.opens(&["verify", "latest", "--quick"]).succeeds();
    }
    // The source of the first copies is a folder: its metadata went all the way.
    assert_eq!(seen.len(), 6);
    for metadata in &seen {
        assert_eq!(metadata, &seen[0]);
        assert_eq!(metadata.get("pgstow-id"), Some(&sample.id), "{metadata:?}");
        assert_eq!(metadata.len(), 9, "{metadata:?}");
    }
}

#[test]
fn only_what_is_missing_is_copied() {
    let from = Place::folder();
    let places = [Place::folder()];
    let [to] = &places;
    let (app, shop) = (stream(&from, "app", 1000), stream(&from, "shop", 1000));
    std::thread::sleep(Duration::from_secs(1));
    let newer = stream(&from, "app", 1000);
    let outcomes = |words: &[&str]| {
        let document = copy(&places, &from, to, words).succeeds().json();
        let row = |row: &serde_json::Value| {
            (row["id"].as_str().unwrap().to_owned(), row["outcome"].as_str().unwrap().to_owned())
        };
        document["backups"].as_array().unwrap().iter().map(row).collect::<BTreeMap<_, _>>()
    };
    let of = |pairs: &[(&String, &str)]| {
        pairs.iter().map(|(id, outcome)| ((*id).clone(), (*outcome).to_owned())).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(outcomes(&[&shop[..20], "--name", "shop"]), of(&[(&shop, "copied")]));
    assert_eq!(outcomes(&["--newest-per-name"]), of(&[(&newer, "copied"), (&shop, "present")]));
    assert_eq!(
        outcomes(&["--all", "--jobs", "1"]),
        of(&[(&app, "copied"), (&newer, "present"), (&shop, "present")])
    );
    are_same(&from, to, true);
    copy(&places, &from, &from, &["--all"]).fails(Kind::Usage).says("into itself");
    copy(&places, &from, to, &[]).fails(Kind::Usage).says("nothing was named");
    copy(&places, &from, to, &["latest"]).fails(Kind::Usage).says("needs a name");
    copy(&places, to, &from, &["20200101"]).fails(Kind::NotFound);
}

/// Not one for every backup.
#[test]
fn a_bucket_that_is_not_there_is_one_error() {
    let from = Place::folder();
    let places = [Place::garage("nowhere")];
    for name in ["app", "shop", "web"] {
        stream(&from, name, 100);
    }
    let Place::S3(there) = &places[0] else { unreachable!() };
    let to = Place::S3(S3 { bucket: "nobody-has-it".to_owned(), ..there.clone() });
    let run = copy(&places, &from, &to, &["--all"]).fails(Kind::Store);
    assert_eq!(run.stderr.matches("nobody-has-it at ").count(), 1, "{run}");
}

#[test]
fn nothing_is_overwritten() {
    let from = Place::folder();
    let places = [Place::folder()];
    let [to] = &places;
    let id = stream(&from, "app", 1000);
    copy(&places, &from, to, &["latest"]).succeeds();
    let key = from.key("manifest.json");
    let mut manifest = Manifest::from_bytes(&from.get(&key)).unwrap();
    manifest.objects[0].stored_bytes += 1;
    to.put(&key, manifest.to_bytes().unwrap());
    let before = to.get(&key);
    let run = copy(&places, &from, to, &["--all"]).fails(Kind::TargetExists);
    run.says(&id).says("exists in").says("and is different");
    assert!(to.get(&key) == before);

    // An object without a manifest that is another one.
    to.delete(&key);
    let dump = to.key("stream.zst.age");
    let mut bytes = to.get(&dump);
    bytes[100] ^= 1;
    to.put(&dump, bytes.clone());
    copy(&places, &from, to, &["latest"]).fails(Kind::TargetExists).says("stream.zst.age exists in");
    assert!(to.get(&dump) == bytes && !to.keys().contains(&key));

    // A backup there that lacks its dump.
    to.delete(&dump);
    to.put(&key, from.get(&key));
    let run = copy(&places, &from, to, &["latest"]).fails(Kind::Verify).says("is damaged: incomplete");
    // The same command without the store would remove the good one.
    run.says(&format!(" --name app --store {}", to.url()));
}

#[test]
fn what_is_damaged_on_the_way_or_in_the_source_does_not_arrive() {
    let s3 = Garage::shared().place("copy-damaged");
    let proxy = FaultProxy::start(&s3.endpoint);
    let through = Place::S3(s3.through(&proxy.endpoint()));
    let places = [Place::folder(), Place::S3(s3)];
    stream(&places[1], "app", 3 * MIB);
    proxy.inject(Rule::new(Operation::Get, Fault::Flip(70_000)).key_end("stream.zst.age"));
    let to = &places[0];
    let run = copy(&places, &through, to, &["latest"]).fails(Kind::Verify);
    run.says("is not what its manifest says, and was not copied");
    assert_eq!(to.keys(), Vec::<String>::new());
    proxy.heal();
    // A part that is lost on the way to the reader is read again.
    proxy.inject(Rule::new(Operation::Get, Fault::Cut(50_000)).key_end("stream.zst.age").times(2));
    copy(&places, &through, to, &["latest"]).succeeds();
    are_same(&places[1], to, true);
}

#[test]
fn a_copy_that_is_killed_at_any_moment_is_ended_by_the_next() {
    let from = Place::folder();
    for (name, mib) in [("app", 6), ("shop", 1), ("deep/name", 10)] {
        stream(&from, name, mib * MIB);
    }
    let source: BTreeMap<String, Vec<u8>> =
        from.keys().into_iter().map(|key| (key.clone(), from.get(&key))).collect();
    for label in ["folder", "bucket"] {
        let new = || match label {
            "folder" => Place::folder(),
            _ => Place::garage("copy-kills"),
        };
        let places = [new()];
        let since = Instant::now();
        copy(&places, &from, &places[0], &["--all"]).succeeds();
        let whole = since.elapsed();
        let mut places = [new()];
        let mut halfway = 0;
        for run in 0..KILLS {
            // Every third run begins anew; the others find what was left.
            if run % 3 == 0 {
                places = [new()];
            }
            let to = &places[0];
            let running = copy(&places, &from, to, &["--all"]).spawn();
            // On a busy machine, moments may all come before it begins or after its end: some are watched.
            match run % 6 {
                0 => running.kill_when(|| !to.keys().is_empty()),
                _ => running.kill_after(whole * (run * 7 % KILLS) / KILLS + Duration::from_millis(20)),
            };
            let there = to.keys();
            halfway += usize::from(!there.is_empty() && there.len() < source.len());
            for manifest in there.iter().filter(|key| key.ends_with("manifest.json")) {
                let folder = manifest.strip_suffix("manifest.json").unwrap();
                for (key, bytes) in
                    source.range(folder.to_owned()..).take_while(|(key, _)| key.starts_with(folder))
                {
                    assert!(to.get(key) == *bytes, "{key} of a visible backup is not whole");
                }
            }
            if run % 3 == 2 {
                copy(&places, &from, to, &["--all"]).succeeds();
                are_same(&from, to, true);
                assert_eq!(unfinished(to), Vec::<String>::new(), "{label}");
            }
        }
        assert!(halfway > 0, "{label}: no run was killed halfway in {whole:?}");
    }
}

#[test]
fn a_signal_leaves_no_upload() {
    let s3 = Garage::shared().place("copy-signal");
    let proxy = FaultProxy::start(&s3.endpoint);
    let through = Place::S3(s3.through(&proxy.endpoint()));
    let (from, places) = (Place::folder(), [Place::S3(s3)]);
    stream(&from, "app", 20 * MIB);
    proxy.inject(Rule::new(Operation::UploadPart, Fault::Delay(Duration::from_secs(2))).part(2));
    let running = copy(&places, &from, &through, &["latest"]).spawn();
    proxy.wait_for(Operation::UploadPart, 2);
    running.signal(Signal::INT);
    running.wait().assert_failure(Kind::Interrupted);
    assert_eq!(places[0].keys(), Vec::<String>::new());
    assert_eq!(unfinished(&places[0]), Vec::<String>::new());
}

/// What an earlier copy left looks like what a killed run left, and a prune may come at any moment.
#[test]
fn a_backup_whose_objects_go_while_it_is_copied_is_none() {
    let s3 = Garage::shared().place("copy-pruned");
    let proxy = FaultProxy::start(&s3.endpoint);
    let through = Place::S3(s3.through(&proxy.endpoint()));
    let (from, places) = (Place::folder(), [Place::S3(s3)]);
    let to = &places[0];
    let id = stream(&from, "app", 1000);
    copy(&places, &from, to, &["latest"]).succeeds();
    let (manifest, dump) = (to.key("manifest.json"), to.key("stream.zst.age"));
    to.delete(&manifest);
    proxy.inject(Rule::new(Operation::Put, Fault::Delay(Duration::from_secs(3))).key_end("manifest.json"));
    let running = copy(&places, &from, &through, &["latest"]).spawn();
    proxy.wait_for(Operation::Put, 1);
    to.delete(&dump);
    let run = running.wait().assert_failure(Kind::Store);
    run.says(&id).says("stream.zst.age was removed while the rest was copied");
    assert_eq!(to.keys(), Vec::<String>::new());
    proxy.heal();
    copy(&places, &from, &through, &["latest"]).succeeds().says("copied 1 backup");
    are_same(&from, to, true);
}
