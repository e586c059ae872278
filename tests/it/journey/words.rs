//! What is said, where, and how little of it on demand.

use super::scene::{backup, path, small};
use crate::harness::pgstow;
use crate::scene::{Place, fresh};
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
    assert_eq!(version.trim(), concat!("pgstow ", env!("CARGO_PKG_VERSION")));
    pgstow([] as [&str; 0]).fails(Kind::Usage).says("Usage: pgstow");
    pgstow(["bakcup"]).fails(Kind::Usage).says("'backup'");
}
