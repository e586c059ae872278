//! Every way to say which backup.

use super::scene::{backup, small};
use crate::keep::scene::{DAY, HOUR, put, there};
use crate::scene::Place;
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;

/// What is written on a backup must not be able to act on the terminal that shows it.
#[test]
fn escape_sequences_are_shown_and_not_obeyed() {
    let (cluster, database) = small();
    let place = Place::folder();
    let label = "note=\u{1b}[2J\u{9b}1m\u{202e}x";
    backup(&place, &["--label", label, &cluster.url(database)]).succeeds();
    let shown = place.pgstow(&["show", "latest"]).succeeds().text();
    assert!(shown.contains("\\u{1b}[2J\\u{9b}1m\\u{202e}x"), "{shown}");
    assert!(!shown.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{shown}");
    let document = place.pgstow(&["show", "latest", "--json"]).succeeds();
    assert!(!document.text().contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{document}");
    assert_eq!(format!("note={}", document.json()["labels"]["note"].as_str().unwrap()), label);
    // Nor what is typed, or answered by somebody else.
    let refused = place.pgstow(&["show", "\u{1b}[2J"]).fails(Kind::NotFound);
    assert!(!refused.stderr.contains('\u{1b}'), "{refused}");
    let refused = place.pgstow(&["show", "x", "--\u{1b}[2J"]).fails(Kind::Usage);
    assert!(!refused.stderr.contains('\u{1b}'), "{refused}");
}

/// What is meant for people is made harmless for their terminal; programs get it as it is.
#[test]
fn lists_and_roles_are_shown_and_not_obeyed() {
    if std::process::Command::new("script").arg("--version").output().is_err() {
        crate::skip!("script, which makes a terminal, is not installed");
    }
    // Its own: a role is made on it.
    let cluster = Cluster::start(Major::Distribution);
    let database = cluster.create_database("shown");
    let name = "evil\u{1b}[2J";
    cluster.psql(&database, &format!("CREATE ROLE \"{name}\"; CREATE TABLE \"{name}\" (n int)"));
    let place = Place::folder();
    place.backup(&cluster.url(&database), &["--name", "shown"]);
    for words in [&["--globals", "-o", "-"][..], &["--list-file", "-"]] {
        let fetch = || place.opens(&["fetch", "latest", "--quiet"]).args(words);
        assert!(fetch().succeeds().text().contains(name), "{words:?}");
        let terminal = "script -qec \"$(printf '%q ' \"$@\")\" /dev/null";
        let shown = fetch().under(["bash", "-c", terminal, "bash"]).succeeds().text();
        assert!(shown.contains("evil\\u{1b}[2J") && !shown.contains('\u{1b}'), "{words:?}: {shown}");
    }
}

#[test]
fn names_ids_and_labels_choose_the_backup() {
    let (cluster, database) = small();
    let place = Place::folder();
    let url = cluster.url(database);
    let made = |words: &[&str]| {
        backup(&place, words).args([&url]).succeeds().json()["id"].as_str().unwrap().to_owned()
    };
    let first = made(&["--label", "ticket=7", "--label", "by=me, myself", "--name", "portal/users"]);
    assert!(place.key("manifest.json").starts_with("portal/users/"));

    // One name only: it may be left out.
    let shown = place.pgstow(&["show", "latest", "--json"]).succeeds().json();
    assert_eq!((shown["id"].as_str(), shown["name"].as_str()), (Some(&*first), Some("portal/users")));
    assert_eq!(shown["labels"], serde_json::json!({"ticket": "7", "by": "me, myself"}));

    // Ids sort by the second.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let second = made(&["--name", "portal/users"]);
    let other = made(&["--name", "portal"]);
    let strange = made(&["--name", "Straße 7%"]);

    // Several: "latest" needs one, and the message says which there are.
    place
        .opens(&["fetch", "latest", "-o", "-"])
        .fails(Kind::Usage)
        .says("needs a name")
        .says("portal/users")
        .says("Straße 7%");
    for (name, id) in [("portal/users", &second), ("portal", &other), ("Straße 7%", &strange)] {
        let shown = place.pgstow(&["show", "latest", "--name", name, "--json"]).succeeds().json();
        assert_eq!(shown["id"].as_str(), Some(&**id), "{name}");
    }
    let of = |name: &str| place.pgstow(&["list", "--json", name]).succeeds().json().as_array().unwrap().len();
    assert_eq!([of("portal/users"), of("portal"), of("Straße 7%")], [2, 1, 1]);
    let named = place.pgstow(&["list", "--json", "-n", "portal/users"]).succeeds().json();
    assert_eq!(named.as_array().unwrap().len(), 2);
    place.pgstow(&["list", "nobody"]).fails(Kind::NotFound).says("no backup of nobody");

    // An id needs no name, and no more of it than is unambiguous.
    let shown = |id: &str| place.pgstow(&["show", id, "--json"]).succeeds().json()["id"].clone();
    assert_eq!(shown(&first), *first);
    assert_eq!(shown(&first[..22]), *first);
    place.pgstow(&["show", &first[..4]]).fails(Kind::Usage).says("begins the ids of 4 backups").says(&first);
    let of_name = place.pgstow(&["show", &first[..4], "--name", "portal/users"]).fails(Kind::Usage);
    of_name.says(&format!("give more of the id: {second}, {first}"));
    place.pgstow(&["show", "2001"]).fails(Kind::NotFound).says("no backup \"2001\"");
    place.pgstow(&["show", ""]).run();

    place.pgstow(&["show", "latest", "--name", "nobody"]).fails(Kind::NotFound).says("no backup of nobody");
    backup(&place, &["--name", "../up", &url]).fails(Kind::Usage).says("cannot be a name");
    let labelled = backup(&place, &["--name", "labels", &url]).env("PGSTOW_LABELS", "a=1\nb=2, or=3");
    let labelled = labelled.succeeds().json()["id"].as_str().unwrap().to_owned();
    let shown = place.pgstow(&["show", &labelled, "--json"]).succeeds().json();
    assert_eq!(shown["labels"], serde_json::json!({"a": "1", "b": "2, or=3"}));
    backup(&place, &["--label", "nothing", &url]).fails(Kind::Usage).says("KEY=VALUE");
}

#[test]
fn a_moment_chooses_the_newest_backup_before_it() {
    let place = Place::folder();
    let ids = [3, 2, 1].map(|days| put(&place, "app", DAY * days));
    let moment =
        |id: &str| format!("{}-{}-{} {}:{}", &id[..4], &id[4..6], &id[6..8], &id[9..11], &id[11..13]);
    let shows = |words: &[&str]| place.pgstow(&["show", "latest", "--json", "--before"]).args(words);
    let second = moment(&ids[1]);
    for (words, id) in [
        (&["36h"][..], &ids[1]),
        (&["2 days"], &ids[1]),
        (&["60h ago"], &ids[0]),
        // At the very second it was not yet begun, and the seconds are cut.
        (&[&ids[1][..16]], &ids[0]),
        (&[&second, "--timezone", "UTC"], &ids[0]),
        (&[&format!("{second}Z")], &ids[0]),
        (&[&second, "--timezone", "Pacific/Honolulu"], &ids[1]),
        (&[&second, "--timezone", "Pacific/Auckland"], &ids[0]),
        (&["2999-12-31"], &ids[2]),
    ] {
        let run = shows(words).succeeds().says("note: the newest backup begun before ").says("day");
        assert_eq!(run.json()["id"].as_str(), Some(&**id), "{words:?} {run}");
    }
    // The machine's own zone, if none is given; a variable and the settings file say it too.
    let here = |zone: &str| shows(&[&second]).env("TZ", zone).succeeds().json()["id"].clone();
    assert_eq!((here("Pacific/Honolulu"), here("UTC")), (ids[1].as_str().into(), ids[0].as_str().into()));
    let by_variable = place.pgstow(&["show", "latest", "--json"]).env("PGSTOW_BEFORE", "60h");
    assert_eq!(by_variable.succeeds().json()["id"].as_str(), Some(&*ids[0]));

    let none = shows(&["30d"]).fails(Kind::NotFound).says("no backup of app was begun before 20");
    none.says(&format!("the oldest is {}", ids[0]));
    shows(&["yesterday"]).fails(Kind::Usage).says("is not a time");
    place.pgstow(&["show", &ids[0], "--before", "2h"]).fails(Kind::Usage).says("instead of an id");
    place.pgstow(&["verify", "--all", "--before", "2h"]).fails(Kind::Usage).says("instead of an id");
    put(&place, "other", HOUR);
    shows(&["1h"]).fails(Kind::Usage).says("needs a name");

    // Everything that takes "latest" takes it.
    let target = Place::folder();
    let of = ["latest", "--name", "app", "--before", "36h"];
    place.opens(&["fetch", "-o", "-"]).args(of).succeeds();
    place.opens(&["restore"]).args(of).args(["--", "cat"]).succeeds();
    let verified = place.opens(&["verify", "--json"]).args(of).succeeds().json();
    assert_eq!(verified[0]["id"].as_str(), Some(&*ids[1]));
    place.pgstow(&["copy", "--to", &target.url()]).args(of).succeeds();
    assert!(target.keys().iter().all(|key| key.contains(&ids[1])), "{:?}", target.keys());
}

#[test]
fn an_age_chooses_many_backups() {
    let place = Place::folder();
    let ids = [40, 20, 1].map(|days| put(&place, "app", DAY * days));
    let target = Place::folder();
    let chosen = |words: &[&str]| {
        let run = place.opens(words).arg("--json").succeeds();
        let document = run.json();
        let all = document.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned());
        (all.collect::<Vec<_>>(), run)
    };
    let (verified, run) = chosen(&["verify", "--all", "--newer-than", "31d"]);
    assert_eq!(verified, ids[1..]);
    run.says("2 of 2 backups are whole");
    let (verified, run) = chosen(&["verify", "--newer-than", "31d", "--older-than", "10d", "--quick"]);
    assert_eq!(verified, ids[1..2]);
    assert!(!run.stderr.contains("1 of 1"), "{run}");
    chosen(&["verify", "--all", "--quick"]).1.says("3 of 3 backups are in place");
    place.opens(&["verify", "--all", "--restore"]).succeeds().says("3 of 3 backups are whole");
    place.opens(&["copy", "--newer-than", "31d", "--to", &target.url()]).succeeds();
    assert_eq!(there(&target, "app"), ids[1..]);
    assert_eq!(chosen(&["list", "--newer-than", "2d"]).0, ids[2..]);
    let (none, run) = chosen(&["list", "--newer-than", "1h"]);
    assert!(none.is_empty());
    run.says("no backup is newer than 1h");
    // To a job it must not look like work that was done.
    let to = target.url();
    for words in [&["copy", "--newer-than", "1h", "--to", &to][..], &["verify", "--newer-than", "1h"]] {
        let run = place.opens(words).fails(Kind::NotFound);
        run.says("no backup matches: --newer-than leaves out all 3");
    }
    let old = place.opens(&["verify", "--newest-per-name"]).env("PGSTOW_OLDER_THAN", "99d");
    old.fails(Kind::NotFound).says("--older-than comes from PGSTOW_OLDER_THAN");
}

/// A time by another clock is another backup.
#[test]
fn a_time_zone_that_nobody_knows_is_not_utc() {
    let place = Place::folder();
    put(&place, "app", DAY);
    let show = |words: &[&str]| place.opens(&["show", "latest"]).args(words).env("TZ", "Foo/Bar");
    let unknown = show(&["--before", "2999-01-01 02:00"]).fails(Kind::Settings);
    unknown.says("TZ names no time zone").says("--timezone");
    for words in [&[][..], &["--before", "1h"], &["--before", "2999-01-01 02:00", "--timezone", "UTC"]] {
        show(words).succeeds();
    }
    let run = show(&["--timezone", "Foo/Bar"]).fails(Kind::Usage);
    run.says("invalid value 'Foo/Bar' for '--timezone <ZONE>': there is no time zone");
}
