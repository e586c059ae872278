//! What is said, where, and how little of it on demand.

use super::scene::{backup, path, small};
use crate::harness::pgstow;
use crate::keep::scene::days;
use crate::scene::{Keys, Place, fresh};
use pgstow::error::Kind;
use tempfile::TempDir;

#[test]
fn quiet_is_quiet_and_json_is_one_document() {
    let (cluster, database) = small();
    let place = Place::folder();
    let url = cluster.url(database);
    let quiet = backup(&place, &["--quiet", &url]).succeeds();
    assert_eq!(quiet.stderr, "");
    assert!(quiet.json()["id"].is_string());
    let recipient = &Keys::shared().recipient;
    let silent = place.pgstow(&["backup", "-q", "-r", recipient, &url]).succeeds();
    assert_eq!((silent.stderr.as_str(), silent.text().as_str()), ("", ""));
    assert_eq!(place.pgstow(&["list", "-q"]).succeeds().text().lines().count(), 3, "what was asked for");
    // Nothing is left of ten rows: that is no progress, and cron is to mail it.
    let (elsewhere, emptied) = (Place::folder(), cluster.create_database("emptied"));
    cluster.psql(&emptied, "CREATE TABLE t AS SELECT generate_series(1, 10)");
    let backup_emptied = || elsewhere.pgstow(&["backup", "-q", "-r", recipient, &cluster.url(&emptied)]);
    backup_emptied().succeeds();
    cluster.psql(&emptied, "TRUNCATE t");
    backup_emptied().succeeds().says("warning: far less than in backup");
    let copy = fresh("quiet");
    let restored = place.opens(&["restore", "latest", "--to", &cluster.url(&copy), "-q"]).succeeds();
    assert_eq!((restored.stderr.as_str(), restored.text().as_str()), ("", ""));
    let fetched = place.opens(&["fetch", "latest", "-o", "-", "-q"]).succeeds();
    assert_eq!(fetched.stderr, "");
    // Failures are said all the same.
    place.opens(&["fetch", "2001", "-o", "-", "-q"]).fails(Kind::NotFound).says("error: ");

    let home = TempDir::new().unwrap();
    let file = home.path().join("archive");
    let fetched = place.opens(&["fetch", "latest", "--json", "-o", path(&file)]).succeeds().json();
    assert_eq!(fetched["plain_bytes"], file.metadata().unwrap().len());
    place.opens(&["fetch", "latest", "--json", "-o", "-"]).fails(Kind::Usage).says("both want stdout");
    for verb in ["list", "keys"] {
        place.pgstow(&[verb, "one", "--name", "two"]).fails(Kind::Usage).says("two names were given");
    }
    place.pgstow(&["list", database]).env("PGSTOW_NAME", "two").succeeds();
}

#[test]
fn help_tells_the_exit_codes_and_version_the_version() {
    let verbs = ["backup", "list", "show", "fetch", "restore", "keygen"];
    let helps = verbs.map(|verb| vec![verb, "--help"]);
    for words in std::iter::once(vec!["--help"]).chain(helps) {
        let help = pgstow(&words).succeeds();
        assert_eq!(help.stderr, "");
        let text = help.text();
        for kind in Kind::ALL {
            let line = format!("{:>5}  {}", kind.exit_code(), kind.meaning());
            assert!(text.contains(&line), "{words:?} lacks {line:?}:\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 110), "{words:?}");
    }
    let version = pgstow(["--version"]).succeeds().text();
    let lines: Vec<&str> = version.lines().collect();
    assert_eq!(lines[0], concat!("pgstow ", env!("CARGO_PKG_VERSION")));
    assert!(lines[1].starts_with("commit: ") && lines[2].starts_with("features: "), "{version}");
    assert_eq!(pgstow(["-V"]).succeeds().text().trim(), lines[0]);
    assert_eq!(pgstow(["version"]).succeeds().text(), version);
    assert_eq!(pgstow(["version", "--json"]).succeeds().json()["version"], env!("CARGO_PKG_VERSION"));
    assert!(pgstow(["help"]).succeeds().text().contains("Commands:"));
    assert!(pgstow(["help", "restore"]).succeeds().text().contains("--neon <PROJECT>"));
    pgstow(["restore"]).fails(Kind::Usage).says("restore [OPTIONS] <ID> -- <COMMAND>...");
    pgstow([] as [&str; 0]).fails(Kind::Usage).says("Usage: pgstow");
    pgstow(["bakcup"]).fails(Kind::Usage).says("'backup'");
}

#[test]
fn words_in_the_wrong_shape_are_understood() {
    let place = Place::folder();
    days(&place, "app", 1);
    let show = |id: &str| place.pgstow(&["show", id]);
    show("LATEST").fails(Kind::NotFound).says("the newest one is latest, in small letters");
    show("Latest").fails(Kind::NotFound).says("in small letters");
    show("latest").succeeds();
    place.pgstow(&["status", "app"]).fails(Kind::Usage).says("tip: if it is the name of backups: --name app");
    // What is typed is no variable's fault.
    let typed = place.pgstow(&["list", "--timeout", "soon"]).env("PGSTOW_TIMEOUT", "5s").fails(Kind::Usage);
    typed.says("invalid value 'soon' for '--timeout <DURATION>'");
}

/// As with `| head`: what somebody read enough of did not fail. Who reads JSON, or should keep a key, has lost it.
#[test]
fn a_reader_that_is_gone_has_read_enough() {
    const GONE: &str = "import os, sys
read, write = os.pipe()
os.close(read)
os.dup2(write, 1)
os.execvp(sys.argv[1], sys.argv[1:])";
    let gone = |words: &[&str]| pgstow(words).under(["python3", "-c", GONE]);
    assert_eq!(gone(&["config", "--all"]).succeeds().stderr, "");
    assert_eq!(gone(&["man"]).succeeds().stderr, "");
    for words in [&["config", "--json"][..], &["keygen"]] {
        gone(words).fails(Kind::LocalFile).says("the answer could not be written to stdout");
    }
}
