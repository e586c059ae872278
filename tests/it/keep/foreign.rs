//! What others put among the backups: objects that no store of pgstow's can have made, and folders of the file system.

use super::scene::{days, prune, there};
use crate::scene::Place;
use crate::servers::garage::Garage;
use crate::servers::s3::wait;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const KEEP_ONE: [&str; 4] = ["--keep-last", "1", "--min-keep", "1"];

/// Whoever may write one object can choose its key: one that XML cannot hold must not stop every reader.
#[test]
fn a_key_that_no_listing_can_say_stops_nobody() {
    let bucket = Garage::shared().place("control");
    let place = Place::S3(bucket.clone());
    let ids = days(&place, "app", 2);
    for key in ["app/x\u{1}y".to_owned(), "\u{1}".to_owned(), format!("app/{}/\u{1b}[2J", ids[0])] {
        bucket.put(&key, "x");
        let upload = bucket.client().create_multipart_upload().bucket(&bucket.bucket);
        let upload = upload.key(format!("{}/{key}", bucket.prefix));
        // It is begun, although the answer is none: it has the key in it.
        let _ = wait(async move { upload.send().await });
    }
    let listed = place.pgstow(&["list"]).succeeds();
    assert!(ids.iter().all(|id| listed.text().contains(id)), "{listed}");
    assert!(!listed.text().contains(['\u{1}', '\u{1b}']), "{listed}");
    place.pgstow(&["status"]).succeeds();
    place.opens(&["verify", "latest"]).succeeds();
    let run = prune(&place, &KEEP_ONE).succeeds().says("removed 1 backup");
    assert!(!run.stderr.contains(['\u{1}', '\u{1b}']), "{run}");
    prune(&place, &KEEP_ONE).succeeds();
}

/// A folder marker, as consoles make it, and names that pgstow refuses: they stay, and the backup goes.
#[test]
fn objects_that_are_none_of_ours_do_not_keep_a_backup() {
    let place = Place::garage("marked");
    let ids = days(&place, "app", 3);
    let foreign =
        [String::new(), "a\\b".to_owned(), "n".repeat(900)].map(|object| format!("app/{}/{object}", ids[0]));
    for key in &foreign {
        place.put(key, "");
    }
    // One that pgstow could have made is taken for its own.
    place.put(&format!("app/{}/notes.txt", ids[1]), "x");
    prune(&place, &KEEP_ONE).succeeds().says("removed 2 backups");
    prune(&place, &KEEP_ONE).succeeds();
    assert_eq!(there(&place, "app"), [ids[2].clone()]);
    let stays: Vec<_> = place.keys().into_iter().filter(|key| !key.contains(&ids[2])).collect();
    let mut foreign = foreign.to_vec();
    foreign.sort();
    assert_eq!(stays, foreign);
}

/// The root of a disk has a folder that only root may read, and some network disks have one of snapshots.
#[test]
fn folders_of_the_file_system_are_passed_over() {
    let place = Place::folder();
    let ids = days(&place, "app", 2);
    let Place::Folder(folder) = &place else { unreachable!() };
    let snapshot = folder.path().join(".snapshot/daily");
    std::fs::create_dir_all(&snapshot).unwrap();
    crate::servers::run(Command::new("cp").arg("-r").arg(folder.path().join("app")).arg(&snapshot));
    let lost = folder.path().join("lost+found");
    std::fs::create_dir(&lost).unwrap();
    std::fs::write(lost.join("#1"), "x").unwrap();
    std::fs::set_permissions(&lost, PermissionsExt::from_mode(0o000)).unwrap();
    // Root may read any folder; without these rights it is a user as others are.
    let run = |words: &[&str]| match rustix::process::geteuid().is_root() {
        true => place.opens(words).under(["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"]),
        false => place.opens(words),
    };
    let listed = run(&["list", "--json"]).succeeds().json();
    assert_eq!(listed.as_array().unwrap().len(), ids.len(), "{listed}");
    run(&["status"]).succeeds();
    run(&["verify", "--all"]).succeeds();
    run(&["prune", "--keep-last", "1", "--min-keep", "1"]).succeeds().says("removed 1 backup");
    assert_eq!(there(&place, "app").len(), 1);

    // A folder that could be a name's is none to pass over.
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::set_permissions(&other, PermissionsExt::from_mode(0o000)).unwrap();
    run(&["list"]).fails(pgstow::error::Kind::Store).says("Permission denied");
    for locked in [lost, other] {
        std::fs::set_permissions(locked, PermissionsExt::from_mode(0o700)).unwrap();
    }
}
