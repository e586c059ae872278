//! `copy` between stores whose backups get new recipients one store after the other: who was locked out stays so.

use super::copy;
use crate::history::scene::Scene;
use crate::keep::scene::{days, folder_and_bucket, there};
use crate::keys::scene::{content, manifest, rekey};
use crate::scene::{Keys, Place};
use pgstow::error::Kind;
use pgstow::stored::format::manifest::Rekeying;
use pgstow::stored::format::names::Timestamp;

/// A nightly copy comes between the rekeying of the second store and that of the first.
#[test]
fn what_was_rekeyed_in_the_target_does_not_come_back() {
    for to in folder_and_bucket("copy-rekeyed") {
        let (from, places) = (Place::folder(), [to]);
        let [to] = &places;
        let (old, new) = (Keys::shared(), Keys::make());
        let ids = days(&from, "app", 3);
        let all = || copy(&places, &from, to, &["--all"]).succeeds();
        all();
        rekey(to, &["--all"], &new.recipient, &[old, &new]).succeeds();
        let (keys, now) = (to.keys(), there(to, "app"));
        let said = "3 backups there already, 3 of them with another id, because they were rekeyed there";
        let document = all().says(&format!("{said}: {} of app is {}", ids[2], now[2])).json();
        for (row, new_id) in document["backups"].as_array().unwrap().iter().zip(&now) {
            assert_eq!(
                (&row["outcome"], &row["present_as"]),
                (&"present".into(), &new_id.as_str().into()),
                "{row}"
            );
        }
        assert_eq!(to.keys(), keys);
        // The first store has ids of its own afterwards, for the same backups.
        rekey(&from, &["--all"], &new.recipient, &[old, &new]).succeeds();
        all().says(&format!("of app is {}", now[2]));
        assert_eq!(to.keys(), keys);
        assert!(content(to, "app", "latest", &new) == b"some bytes");
        copy(&places, to, &from, &["--all"]).succeeds().says("copied 0 backups");
    }
}

#[test]
fn what_was_rekeyed_in_the_source_is_copied() {
    let (from, places) = (Place::folder(), [Place::folder()]);
    let [to] = &places;
    let (old, new) = (Keys::shared(), Keys::make());
    let ids = days(&from, "app", 1);
    copy(&places, &from, to, &["--all"]).succeeds();
    rekey(&from, &["--all"], &new.recipient, &[old, &new]).succeeds();
    copy(&places, &from, to, &["--all"]).succeeds().says("copied 1 backup");
    assert_eq!(there(to, "app"), [ids, there(&from, "app")].concat());
    rekey(to, &["--all"], &new.recipient, &[old, &new]).succeeds();
    assert_eq!(there(to, "app"), there(&from, "app"));
}

/// One that is copied just now is no sign that somebody rekeyed the other in the target.
#[test]
fn what_was_rekeyed_in_the_source_and_stays_is_copied_twice() {
    let (from, places) = (Place::folder(), [Place::folder()]);
    let [to] = &places;
    let (old, new) = (Keys::shared(), Keys::make());
    days(&from, "app", 4);
    rekey(&from, &["--all", "--keep-old"], &new.recipient, &[old, &new]).succeeds();
    for _ in 0..3 {
        copy(&places, &from, to, &["--all"]).succeeds().says("copied 8 backups");
        to.keys().iter().for_each(|key| to.delete(key));
    }
}

#[test]
fn what_only_says_that_it_was_made_from_a_backup_keeps_nothing_out() {
    let scene = Scene::of(Place::folder());
    let (from, id, places) = (&scene.place, scene.back_up(), [Place::folder()]);
    let [to] = &places;
    let planted = format!("{}zzzzzz", &id[..17]);
    for key in from.keys().iter().filter(|key| !key.ends_with(".minisig")) {
        to.put(&key.replace(&id, &planted), from.get(key));
    }
    let mut forged = manifest(from, "app", &id);
    forged.rekeyed = Some(Rekeying { at: Timestamp::now(), former_ids: vec![forged.id.clone()] });
    forged.id = planted.parse().unwrap();
    let place_of = format!("app/{planted}/manifest.json");
    to.put(&place_of, forged.to_bytes().unwrap());
    // Whoever believes everybody takes it for what it says.
    let run = copy(&places, from, to, &["--all"]).succeeds();
    run.says(&format!("{id} of app is {planted}"));
    copy(&places, from, to, &["--all", "--verify-key", &scene.public]).succeeds().says("copied 1 backup");
    assert_eq!(there(to, "app"), [id.clone(), planted]);
    // Another content is another backup.
    from.keys().iter().filter(|key| key.contains(&id)).for_each(|key| to.delete(key));
    forged.objects[0].plain_bytes += 1;
    to.put(&place_of, forged.to_bytes().unwrap());
    copy(&places, from, to, &["--all"]).succeeds().says("copied 1 backup");
}

#[test]
fn one_that_is_damaged_in_the_target_is_named() {
    let (from, places) = (Place::folder(), [Place::folder()]);
    let [to] = &places;
    let (old, new) = (Keys::shared(), Keys::make());
    let ids = days(&from, "app", 1);
    copy(&places, &from, to, &["--all"]).succeeds();
    rekey(to, &["--all"], &new.recipient, &[old, &new]).succeeds();
    to.delete(&to.key("stream.zst.age"));
    let run = copy(&places, &from, to, &["--all"]).fails(Kind::Verify);
    run.says(&there(to, "app")[0]).says("is damaged: incomplete");
    assert!(!to.keys().iter().any(|key| key.contains(&ids[0])));
}
