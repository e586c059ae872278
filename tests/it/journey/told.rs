//! What is said, where somebody could be misled or would not know what to type next.

use super::scene::{backup, small};
use crate::harness::pgstow;
use crate::keep::scene::{HOUR, Template};
use crate::scene::{Keys, Place, skewed_clock};
use crate::servers::garage::Garage;
use crate::servers::postgres::{Cluster, Major, USER};
use pgstow::error::Kind;

#[test]
fn a_database_that_nobody_named_is_told() {
    let (cluster, database) = small();
    let place = Place::folder();
    let unnamed = backup(&place, &[&cluster.url("")]).succeeds();
    assert_eq!(unnamed.json()["name"], USER);
    unnamed.says(&format!("no database was named: libpq takes the user's name, {USER}"));
    let named = backup(&place, &[&cluster.url(database)]).succeeds();
    assert!(!named.stderr.contains("no database was named"), "{named}");
}

#[test]
fn a_backup_of_some_tables_does_not_look_like_one_of_them_all() {
    let (cluster, database) = small();
    let place = Place::folder();
    let url = cluster.url(database);
    backup(&place, &["--name", "all", &url]).succeeds();
    backup(&place, &["--name", "some", "--table", "t", &url]).succeeds();
    backup(&place, &["--name", "more", "--pg-dump-arg=--exclude-table-data=t", &url]).succeeds();
    let listed = place.pgstow(&["list", "--json"]).succeeds().json();
    let partial: Vec<bool> =
        listed.as_array().unwrap().iter().map(|one| one["partial"].as_bool().unwrap()).collect();
    assert_eq!(partial, [false, true, true], "all, more, some");
    let text = place.pgstow(&["list"]).succeeds().text();
    assert_eq!(text.matches("part: 1").count(), 2, "{text}");
    let shown = |name: &str| place.pgstow(&["show", "latest", "--name", name]).succeeds().text();
    assert!(shown("some").contains("a part of the database: 1 table, 10 rows"), "{}", shown("some"));
    assert!(shown("all").contains(" 1 table, 10 rows") && !shown("all").contains("a part"));
}

#[test]
fn an_id_that_is_later_than_the_clock_is_reported_and_keeps_nobody_from_backing_up() {
    let (cluster, database) = small();
    let place = Place::folder();
    let at = std::time::SystemTime::now() + HOUR * 2;
    let (later, objects) = Template::shared().begun("app", at, |_| {});
    objects.into_iter().for_each(|(key, bytes)| place.put(&key, bytes));
    let url = cluster.url(database);
    let of_database = ["--name", "app", &url];
    let of_command = ["--name", "app", "--", "echo", "x"];
    let Place::Folder(folder) = &place else { unreachable!() };
    let manifest = folder.path().join(format!("app/{later}/manifest.json"));
    // Neither an id nor a file's time proves anything: somebody may have planted it.
    for written in [None, Some(at)] {
        if let Some(at) = written {
            std::fs::File::options().write(true).open(&manifest).unwrap().set_modified(at).unwrap();
        }
        for words in [&of_database[..], &of_command] {
            let run = backup(&place, words).succeeds();
            let run = run
                .says(&format!("{later} of app: its id is later than this machine's clock"))
                .says("set it (NTP)")
                .says("passed over if it is more than 10m ahead");
            let latest = place.pgstow(&["show", "latest", "--name", "app", "--json"]).succeeds().json();
            assert_eq!(latest["id"], run.json()["id"]);
        }
    }
    // A dump of long ago is older on purpose.
    let dump = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(dump.path(), include_bytes!("../../data/pg16.dump")).unwrap();
    let words = ["adopt", dump.path().to_str().unwrap(), "--name", "app", "--started-at", "2024-03-01"];
    place.pgstow(&words).args(["-r", &Keys::shared().recipient]).succeeds();
}

/// Ids are moments of this machine's clock. Every store shows its own, also to a key that may only write.
#[test]
fn a_clock_that_is_not_the_stores_is_reported() {
    let writer = Place::S3(Garage::shared().write_only(&Garage::shared().place("clock-writer")));
    for (kind, place) in Place::every("clock").into_iter().chain([("writer", writer)]) {
        let echo = || place.pgstow(&["backup", "--no-encryption", "--name", "app", "--", "echo", "x"]);
        let right = echo().succeeds();
        assert!(!right.stderr.contains("clock"), "{kind}: {right}");
        // No service lets in who is a quarter of an hour off.
        for (seconds, way) in [("725", "ahead of"), ("-725", "behind")] {
            let run = echo().env("LD_PRELOAD", skewed_clock()).env("SKEW", seconds).succeeds();
            let said = run.stderr.lines().find(|line| line.contains("this machine's clock is 12m "));
            assert!(said.is_some_and(|line| line.contains(way)), "{kind}: {run}");
        }
    }
}

#[test]
fn two_backups_are_compared_by_the_words_one_would_type() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("compared");
    let make = "CREATE TABLE \"Audit Log\" (n int, what text);
                INSERT INTO \"Audit Log\" SELECT n, 'as it was' FROM generate_series(1, 1500) n;
                CREATE TABLE t AS SELECT * FROM \"Audit Log\"; CREATE TABLE same AS TABLE t";
    cluster.psql(&database, make);
    let place = Place::folder();
    let url = cluster.url(&database);
    let first = place.backup(&url, &["--name", "app"]);
    place.opens(&["show", &first, "--diff", "previous"]).fails(Kind::NotFound).says("no backup before");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    cluster.psql(&database, "DELETE FROM \"Audit Log\" WHERE n > 1; UPDATE t SET what = 'as it is'");
    let second = place.backup(&url, &["--name", "app"]);

    let text = place.opens(&["show", "latest", "--diff", "previous"]).succeeds().text();
    let by_id = place.opens(&["show", &second, "--diff", &first]).succeeds().text();
    assert_eq!(text, by_id);
    let row = |name: &str| text.lines().find(|line| line.trim().starts_with(name)).map(str::trim_end);
    let emptied = row("public.\"Audit Log\"").unwrap();
    assert!(emptied.contains("1,500") && emptied.ends_with("rows"), "{text}");
    // As many, and as many bytes more or less: it is what is in them.
    assert!(row("public.t ").unwrap().ends_with("content"), "{text}");
    assert!(row("public.same").is_none(), "{text}");

    // The name is one that --table takes.
    let tables = place.opens(&["show", &first, "--tables"]).succeeds().text();
    assert!(tables.contains("public.\"Audit Log\""), "{tables}");
    let fetch = ["fetch", &first, "-o", "-", "--format", "copy", "--table", "public.\"Audit Log\""];
    assert_eq!(place.opens(&fetch).succeeds().text().lines().count(), 1500);

    // One of several: which there are stands in the hint.
    place
        .opens(&["show", "latest", "--diff", &first[..4]])
        .fails(Kind::Usage)
        .says("begins the ids of 2 backups")
        .says(&format!("give more of the id: {second}, {first}"));
}

#[test]
fn a_moment_is_read_as_people_write_it() {
    let place = Place::folder();
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("app.dump");
    std::fs::write(&file, std::fs::read(crate::harness::repository("tests/data/pg15.dump")).unwrap())
        .unwrap();
    let adopt = |moment: &str| {
        let words = ["adopt", "--name", "app", "--recipient", &Keys::shared().recipient];
        place.pgstow(&words).arg(&file).args(["--started-at", moment])
    };
    adopt("20.11.2026").fails(Kind::Usage).says("write it as 2026-11-20T03:00:00Z");
    assert!(adopt("2024-01-01").succeeds().text().starts_with("20240101T000000Z-"));
}

#[test]
fn a_folder_without_blocks_is_not_called_full() {
    let (cluster, database) = small();
    let recipient = &Keys::shared().recipient;
    let run = pgstow(["backup", "--recipient", recipient, &cluster.url(database)])
        .env("PGSTOW_STORE", "file:///proc/pgstow")
        .fails(Kind::Store);
    assert!(!run.stderr.contains(" free"), "{run}");
}

#[test]
fn all_backups_of_one_name_are_said_to_be_that() {
    let (cluster, database) = small();
    let place = Place::folder();
    backup(&place, &["--name", "app", &cluster.url(database)]).succeeds();
    let verify = place.pgstow(&["verify", "--all", "--quick"]);
    verify.env("PGSTOW_NAME", "app").succeeds().says("note: of all backups only those of app are verified");
}
