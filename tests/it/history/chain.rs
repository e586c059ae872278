//! Each backup names the one before it, and a reader remembers the newest it saw: what was removed is noticed.

use super::scene::{Scene, back_up};
use crate::keep::scene::{DAY, HOUR};
use crate::scene::Place;
use crate::servers::garage::Garage;
use pgstow::error::Kind;
use pgstow::stored::format::names::Id;

const FETCH: [&str; 4] = ["fetch", "latest", "-o", "-"];

#[test]
fn each_backup_names_the_one_before_it() {
    for scene in Scene::everywhere("history-chain") {
        let ids: Vec<String> = (0..3).map(|_| scene.back_up()).collect();
        let previous = |id: &str| scene.manifest(id).previous.map(|id| id.to_string());
        assert_eq!(previous(&ids[0]), None);
        assert_eq!(previous(&ids[1]).as_deref(), Some(&*ids[0]));
        assert_eq!(previous(&ids[2]).as_deref(), Some(&*ids[1]));
        let shown = scene.reads(&["show", "latest", "--json"]).succeeds().json();
        assert_eq!(shown["previous"], ids[1].as_str());
    }
    // A key that may only write cannot know it: then nothing is said, and nobody complains.
    let place = Garage::shared().place("history-writer");
    let scene = Scene::of(Place::S3(place.clone()));
    let writer = Place::S3(Garage::shared().write_only(&place));
    let ids = [0, 1].map(|_| back_up(&writer, &scene.signing));
    assert!(ids.iter().all(|id| scene.manifest(id).previous.is_none()));
    let run = scene.reads(&FETCH).succeeds();
    assert!(!run.stderr.contains("warning"), "{run}");
}

#[test]
fn a_latest_that_goes_back_is_refused() {
    for scene in Scene::everywhere("history-back") {
        let (old, new) = (scene.put(HOUR * 2, |_| {}), scene.put(HOUR, |_| {}));
        assert!(!scene.reads(&FETCH).succeeds().stderr.contains("warning"));
        scene.remove(&new);
        let said = format!("{old} of app is the newest backup, but {new} was in the store at 20");
        // Again and again: it is not forgotten because it was said once.
        for _ in 0..2 {
            scene
                .refuses(&said)
                .iter()
                .for_each(|run| assert!(run.stderr.contains("replace the keys"), "{run}"));
        }
        let run = scene.reads(&FETCH).fails(Kind::Verify).says("(`pgstow list app`), or add --no-state");
        assert!(run.stdout.is_empty(), "{run}");
        // To whoever only looks it is reported.
        scene.reads(&["list"]).succeeds().says(&said);
        scene.reads(&["show", "latest"]).succeeds().says(&said);
        scene.reads(&["show", "latest", "--strict"]).fails(Kind::Verify).says(&said);
        let run = scene.reads(&["status", "--json"]).fails(Kind::Overdue).says(&said);
        assert_eq!((&run.json()[0]["status"], &run.json()[0]["id"]), (&"gone".into(), &old.as_str().into()));
        // The table stays narrow: the failure says it, and what to do about that.
        let run = scene.reads(&["status"]).fails(Kind::Overdue).says(&said).says("replace the keys");
        assert!(!run.text().contains("is the newest backup") && run.text().contains("gone"), "{run}");
        assert!(!run.stderr.contains("look at the job"), "{run}");
        // By its id it is taken. Without a history, or a key to believe, there is nothing to compare.
        for run in [
            scene.reads(&["fetch", &old, "-o", "-", "--strict"]).succeeds(),
            scene.reads(&FETCH).arg("--no-state").succeeds(),
            scene.reads(&FETCH).env("XDG_STATE_HOME", "").env("HOME", "").succeeds(),
            scene.reads(&FETCH).env("XDG_STATE_HOME", "/proc/nowhere").succeeds(),
            scene.reads(&FETCH).env("PGSTOW_VERIFY_KEY", "").succeeds(),
        ] {
            assert!(!run.stderr.contains("was in the store at"), "{run}");
        }
        // It ends with the next backup, which shows what was gone when it was made.
        let next = scene.back_up();
        let run = scene.reads(&FETCH).succeeds();
        run.says(&format!("{next} of app was made when {new}, the newest backup at 20"));
        assert!(!scene.reads(&FETCH).succeeds().stderr.contains("warning"));
    }
}

#[test]
fn a_backup_made_after_newer_ones_were_removed_shows_that() {
    for scene in Scene::everywhere("history-gap") {
        let (old, seen) = (scene.put(HOUR * 2, |_| {}), scene.put(HOUR, |_| {}));
        scene.reads(&["status"]).succeeds();
        scene.remove(&seen);
        let next = scene.back_up();
        assert_eq!(scene.manifest(&next).previous.unwrap().as_str(), old);
        // What somebody plants in between does not hide it.
        scene.place.put(&format!("app/{}-zzzzzz/manifest.json", &seen[..16]), "{}");
        let said = format!("{next} of app was made when {seen}, the newest backup at 20");
        // Whoever refuses it has not seen it.
        for _ in 0..2 {
            scene.reads(&FETCH).arg("--strict").fails(Kind::Verify).says(&said).says("without --strict");
        }
        scene.reads(&["status"]).fails(Kind::Overdue).says(&said);
        // Now the newest is the one to remember. (It is smaller than the one before.)
        scene.reads(&["status", "--max-shrink", "90%"]).succeeds();
        scene.reads(&FETCH).arg("--strict").succeeds();
    }
}

#[test]
fn an_older_backup_that_is_wanted_on_purpose_is_taken() {
    for scene in Scene::everywhere("history-before") {
        let [oldest, old, new] = [3, 2, 1].map(|hours| scene.put(HOUR * hours, |_| {}));
        scene.reads(&FETCH).succeeds();
        let before = |time: &str| scene.reads(&["fetch", "latest", "-o", "-", "--before", time, "--strict"]);
        for (time, id) in [("90m", &old), ("150m ago", &oldest)] {
            let run = before(time).succeeds().says(&format!(" is {id} of app: "));
            assert!(!run.stderr.contains("warning"), "{run}");
        }
        // It does not count as the newest that was seen.
        scene.remove(&new);
        scene.refuses(&format!("{old} of app is the newest backup, but {new} was in the store"));
        before("90m").succeeds();
        // One that was seen, and was begun before the moment, has to be there.
        before("1m").fails(Kind::Verify).says(&format!("but {new} was in the store")).says("before 20");
        // What is not signed is none of them.
        crate::keep::scene::put(&scene.place, "app", HOUR * 2 - HOUR / 4);
        before("90m").fails(Kind::Verify).says("is not signed, and newer than");
        let read = scene.reads(&["fetch", "latest", "-o", "-", "--before", "90m"]).succeeds();
        read.says("is not signed, and passed over").says(&format!(" is {old} of app: "));
    }
}

/// Then there is no newest backup that could be compared.
#[test]
fn a_name_that_is_gone_altogether_is_noticed() {
    let scene = Scene::of(Place::folder());
    let id = scene.back_up();
    scene.reads(&["status"]).succeeds();
    scene.remove(&id);
    let said = format!("app (no backup is left, but {id} was in the store at 20");
    let file = scene.state.path().join("pgstow/newest.json");
    let forget = format!("take it out of {}, or add --no-state", file.display());
    for words in [&["status", "--json"][..], &["status", "--json", "--name", "app"]] {
        let run = scene.reads(words).fails(Kind::Overdue).says(&said).says(&forget);
        let json = run.json();
        assert_eq!((json.as_array().unwrap().len(), &json[0]["status"]), (1, &"gone".into()), "{run}");
    }
    // What a killed run has left is no backup.
    scene.place.put("app/20260101T000000Z-000000/stream.zst.age", "x");
    let run = scene.reads(&["status", "--json"]).fails(Kind::Overdue).says(&said);
    assert_eq!(run.json().as_array().unwrap().len(), 1, "{run}");
    scene.remove("20260101T000000Z-000000");
    scene.reads(&["status", "--name", "other"]).fails(Kind::Overdue).says("other (no whole backup)");
    scene.reads(&["status", "--no-state"]).fails(Kind::Overdue).says("holds no backup");
}

/// Whoever removes the newest backup puts something in its place until the next one is made.
#[test]
fn what_is_planted_does_not_become_the_one_before() {
    for scene in Scene::everywhere("history-planted") {
        let (old, seen) = (scene.put(HOUR * 2, |_| {}), scene.put(HOUR, |_| {}));
        scene.reads(&["status"]).succeeds();
        scene.remove(&seen);
        let planted = ["yyyyyy", "zzzzzz"].map(|letters| format!("{}-{letters}", &seen[..16]));
        planted.iter().for_each(|id| scene.place.put(&format!("app/{id}/manifest.json"), "{}"));
        // With a signature of something else, too.
        let signature = scene.place.get(&format!("app/{old}/manifest.json.minisig"));
        scene.place.put(&format!("app/{}/manifest.json.minisig", planted[0]), signature);
        let next = scene.back_up();
        assert_eq!(scene.manifest(&next).previous.unwrap().as_str(), old);
        planted.iter().for_each(|id| scene.remove(id));
        let said = format!("{next} of app was made when {seen}, the newest backup at 20");
        scene.reads(&FETCH).arg("--strict").fails(Kind::Verify).says(&said);
    }
}

#[test]
fn the_first_backup_of_a_key_says_that_it_is_the_first() {
    let scene = Scene::of(Place::folder());
    let unsigned = crate::keep::scene::put(&scene.place, "app", HOUR);
    let words =
        ["backup", "--stdin", "--name", "app", "--json", "-r", &crate::scene::Keys::shared().recipient];
    let run = || scene.place.pgstow(&words).stdin("x").env("PGSTOW_SIGNING_KEY", &scene.signing).succeeds();
    let first = run().says("no earlier backup of app is signed with this key").json();
    let first = first["id"].as_str().unwrap();
    assert_eq!(scene.manifest(first).previous.unwrap().as_str(), unsigned);
    let next = run();
    assert!(!next.stderr.contains("signed with this key"), "{next}");
}

#[test]
fn another_spelling_of_the_url_is_no_other_store() {
    let scene = Scene::of(Place::garage("history-spelled"));
    let (old, new) = (scene.put(HOUR * 2, |_| {}), scene.put(HOUR, |_| {}));
    scene.reads(&FETCH).succeeds();
    scene.remove(&new);
    let spelled = format!("{}&max_parts=1000", scene.place.url());
    let run = scene.reads(&FETCH).args(["--store", &spelled]).fails(Kind::Verify);
    run.says(&format!("{old} of app is the newest backup, but {new} was in the store at"));
}

#[test]
fn a_damaged_memory_is_reported_and_refused_if_that_is_to_be_strict() {
    let scene = Scene::of(Place::folder());
    scene.put(HOUR, |_| {});
    scene.reads(&FETCH).succeeds();
    let file = scene.state.path().join("pgstow/newest.json");
    std::fs::write(&file, "").unwrap();
    scene.reads(&FETCH).succeeds().says("it is not known which backups were seen before").says("remove it");
    scene.reads(&FETCH).arg("--strict").fails(Kind::Verify).says("remove it");
    std::fs::remove_file(&file).unwrap();
    scene.reads(&FETCH).arg("--strict").succeeds();
}

#[test]
fn a_newest_backup_that_prune_removed_later_is_no_gap() {
    let scene = Scene::of(Place::folder());
    let first = scene.put(DAY * 2, |_| {});
    scene.reads(&["status", "--max-age", "9d"]).succeeds();
    let id = |text: &str| text.parse::<Id>().unwrap();
    let second = scene.put(DAY, |manifest| manifest.previous = Some(id(&first)));
    scene.put(HOUR, |manifest| manifest.previous = Some(id(&second)));
    scene.remove(&first);
    scene.remove(&second);
    assert!(!scene.reads(&["status"]).succeeds().stderr.contains("warning"));
}

/// A stream has no lock: two runs of one name may overlap, and the second one does not see the first.
#[test]
fn backups_whose_runs_overlapped_are_no_gap() {
    for scene in Scene::everywhere("history-overlap") {
        let first = scene.put(HOUR * 3, |_| {});
        let before = Some(first.parse::<Id>().unwrap());
        let seen = scene.put(HOUR * 2, |manifest| manifest.previous.clone_from(&before));
        scene.reads(&FETCH).succeeds();
        let next = scene.put(HOUR, |manifest| manifest.previous.clone_from(&before));
        let strict = || scene.reads(&FETCH).arg("--strict");
        // What stands in its place is no proof that it was there.
        let said = format!("{next} of app was made when {seen}, the newest backup at 20");
        for (object, instead) in [("manifest.json", "{}"), ("manifest.json.minisig", "x")] {
            let key = format!("app/{seen}/{object}");
            let genuine = scene.place.get(&key);
            scene.place.put(&key, instead);
            strict().fails(Kind::Verify).says(&said);
            scene.place.put(&key, genuine);
        }
        let run = strict().succeeds();
        assert!(!run.stderr.contains("warning"), "{run}");
        scene.reads(&["status"]).succeeds();
    }
}

#[test]
fn prune_reports_what_its_rules_would_have_kept() {
    for scene in Scene::everywhere("history-prune") {
        let mut ids: Vec<String> = Vec::new();
        for day in (0..10).rev() {
            let previous = ids.last().map(|id| id.parse().unwrap());
            ids.push(scene.put(DAY * day + HOUR, |manifest| manifest.previous = previous));
        }
        let prune = || scene.reads(&["prune", "--keep-daily", "5", "--keep-weekly", "2"]).succeeds();
        // What the rules have removed is no gap, however often they do.
        for _ in 0..2 {
            let run = prune();
            assert!(!run.stderr.contains("gone"), "{run}");
        }
        scene.remove(&ids[8]);
        let run = prune().says(&format!("{} of app: gone, although the rules keep it", ids[8]));
        assert_eq!(run.stderr.matches("gone").count(), 1, "{run}");
        // Without a key nobody has to believe what a manifest says.
        let words = ["prune", "--keep-daily", "5", "--keep-weekly", "2"];
        assert!(!scene.place.pgstow(&words).succeeds().stderr.contains("gone"));
    }
}
