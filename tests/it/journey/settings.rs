//! What a settings file and the environment say in place of flags.

use super::scene::{path, small};
use crate::harness::{Pgstow, pgstow};
use crate::scene::{Keys, Place, every_client};
use pgstow::error::Kind;
use tempfile::TempDir;

#[test]
fn a_settings_file_and_its_profiles_stand_in_for_flags() {
    let (cluster, database) = small();
    let (place, home) = (Place::folder(), TempDir::new().unwrap());
    let keys = Keys::shared();
    let identity_file = keys.file(home.path());
    let text = format!(
        "recipients = [\"{}\"]\nidentity_file = \"{}\"\ncompression_level = 1\n\
         [profile.prod]\nstore = \"{}\"\nname = \"production\"\ndatabase_url = \"{}\"\nquiet = true\n",
        keys.recipient,
        identity_file.display(),
        place.url(),
        cluster.url(database)
    );
    std::fs::write(home.path().join("pgstow.toml"), &text).unwrap();
    let here = |words: &[&str]| pgstow(words).env("PATH", every_client()).in_folder(home.path());
    assert_eq!(here(&["--profile", "prod", "backup"]).succeeds().stderr, "");
    assert_eq!(here(&["list", "--profile", "prod", "--json"]).succeeds().json()[0]["name"], "production");
    let archive = here(&["fetch", "latest", "-o", "-"]).env("PGSTOW_PROFILE", "prod").succeeds().stdout;
    assert!(archive.starts_with(b"PGDMP"));
    // A flag beats a variable beats the file.
    let named = |command: Pgstow| command.succeeds().json()["name"].as_str().unwrap().to_owned();
    let backup = || here(&["--profile", "prod", "backup", "--json"]).env("PGSTOW_NAME", "by-variable");
    assert_eq!(named(backup()), "by-variable");
    assert_eq!(named(backup().args(["--name", "by-flag"])), "by-flag");
    // Elsewhere, by name; the profile's name is what is listed, unless another is typed.
    let settings_file = home.path().join("pgstow.toml");
    let elsewhere = |words: &[&str]| {
        let list = pgstow(["list", "--json", "--config", path(&settings_file), "--profile=prod"]).args(words);
        list.succeeds().json()[0]["name"].as_str().unwrap().to_owned()
    };
    assert_eq!([elsewhere(&[]), elsewhere(&["by-flag"])], ["production", "by-flag"]);

    here(&["list"]).fails(Kind::Usage).says("no store was given");
    here(&["list", "--profile", "test"]).fails(Kind::Settings).says("no [profile.test]").says("it has: prod");
    pgstow(["list", "--profile", "prod"]).fails(Kind::Settings).says("no pgstow.toml");
    std::fs::write(home.path().join("pgstow.toml"), "recipent = \"x\"").unwrap();
    here(&["list"]).fails(Kind::Settings).says("\"recipent\" is not a setting");
    std::fs::write(home.path().join("pgstow.toml"), "password = 'hunter2").unwrap();
    let broken = here(&["list"]).fails(Kind::Settings);
    assert!(!broken.stderr.contains("hunter2"), "{broken}");
}

/// That is what a secret looks like in CI that nobody has set.
#[test]
fn an_empty_variable_counts_as_unset() {
    let folder = tempfile::tempdir().unwrap();
    let listing = pgstow(["list"]).env("PGSTOW_STORE", format!("file://{}", folder.path().display()));
    let empty = ["PGSTOW_NAME", "PGSTOW_VERIFY_KEY", "PGSTOW_TIMEOUT", "PGSTOW_JSON", "PGSTOW_PROFILE"];
    empty.iter().fold(listing, |listing, name| listing.env(name, "")).succeeds().says("no backups yet");
    pgstow(["list"]).env("PGSTOW_STORE", "").fails(Kind::Usage).says("no store was given");
}
