//! What a settings file and the environment say in place of flags.

use super::scene::{path, small};
use crate::harness::{Pgstow, pgstow};
use crate::scene::{Keys, Place, every_client, signing_keys};
use pgstow::error::Kind;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
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
    chmod(&home.path().join("pgstow.toml"), 0o600);
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
    let empty = ["PGSTOW_NAME", "PGSTOW_VERIFY_KEY", "PGSTOW_TIMEOUT", "PGSTOW_JSON", "PGSTOW_PROFILE"];
    for nothing in ["", " ", "\n"] {
        let listing = || pgstow(["list"]).env("PGSTOW_STORE", format!("file://{}", folder.path().display()));
        let listing = empty.iter().fold(listing(), |listing, name| listing.env(name, nothing));
        listing.succeeds().says("no backups yet");
        let none = pgstow(["list"]).env("PGSTOW_STORE", nothing).fails(Kind::Usage);
        none.says("no store was given").says("PGSTOW_STORE is set, but empty");
    }
}

/// Help ends up in tickets and logs, and is most wanted if something is wrong.
#[test]
fn help_shows_nothing_of_what_is_set() {
    let home = TempDir::new().unwrap();
    let file = home.path().join("pgstow.toml");
    let help = |words: &[&str]| {
        let help = pgstow(words).in_folder(home.path()).env("PGSTOW_PASSWORD_COMMAND", "echo s3cret");
        help.env("PGSTOW_TIMEOUT", "7s").env("DATABASE_URL", "postgres://u:s3cret@h/db")
    };
    for text in ["database_url = \"postgres://u:s3cret@h/db\"\nretry_for = \"8s\"\n", "no_such_key = 1\n"] {
        std::fs::write(&file, text).unwrap();
        for words in [&["backup", "--help"][..], &["help", "backup"], &["backup", "-h"]] {
            let run = help(words).succeeds();
            let page = run.text();
            assert!(page.contains("--store <URL>") && !page.contains("s3cret"), "{page}");
            assert!(!page.contains("7s]") && !page.contains("8s]"), "{page}");
        }
    }
    std::fs::write(&file, "profile.p.config_all = true\nto = \"postgres://u:s3cret@h/db\"\n").unwrap();
    for words in [&[][..], &["config"], &["swap"]] {
        let run = help(words).args(["--config", path(&file)]).run();
        assert!(!run.stderr.contains("s3cret") && !run.text().contains("s3cret"), "{run}");
    }
}

/// Where a file is missing that a container should get, it gets a folder of that name.
#[test]
fn a_folder_in_place_of_the_settings_file_is_no_reason_to_go_on_without() {
    let (place, home) = (Place::folder(), TempDir::new().unwrap());
    std::fs::create_dir(home.path().join("pgstow.toml")).unwrap();
    let list = place.pgstow(&["list"]).in_folder(home.path());
    list.fails(Kind::Settings).says("pgstow.toml: cannot be read").says("directory");
}

fn chmod(file: &Path, mode: u32) {
    std::fs::set_permissions(file, PermissionsExt::from_mode(mode)).unwrap();
}

/// Whoever may write it decides where backups go and who can read them.
#[test]
fn a_settings_file_that_others_may_write_is_refused() {
    let (place, home) = (Place::folder(), TempDir::new().unwrap());
    let file = home.path().join("pgstow.toml");
    std::fs::write(&file, format!("store = \"{}\"\n", place.url())).unwrap();
    let list = |words: &[&str]| pgstow(["list"]).args(words).in_folder(home.path());
    for mode in [0o666, 0o602, 0o646] {
        chmod(&file, mode);
        let refused = list(&[]).fails(Kind::Settings).says("may be written by everyone");
        assert!(refused.stderr.contains("chmod go-w pgstow.toml"), "{refused}");
        list(&["--config", path(&file)]).fails(Kind::Settings).says("is not used");
    }
    chmod(&file, 0o644);
    list(&["-v"]).succeeds().says("settings are taken from pgstow.toml");
    assert!(!list(&[]).succeeds().stderr.contains("pgstow.toml"));

    // A password in it is nobody else's to read.
    std::fs::write(&file, "database_url = \"postgres://me:secret@host/db\"\n").unwrap();
    let listed = || list(&["--store", &place.url()]);
    let warned =
        listed().succeeds().says("warning: the settings file holds a password: pgstow.toml may be read");
    assert!(!warned.stderr.contains("secret"), "{warned}");
    chmod(&file, 0o600);
    assert!(!listed().succeeds().stderr.contains("warning"));
}

/// A profile of the user's own is not there in a project that has a file for itself, and nothing looks like that.
#[test]
fn a_file_that_hides_the_users_own_is_named() {
    let (folder, home) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let users = home.path().join("pgstow/pgstow.toml");
    std::fs::create_dir(users.parent().unwrap()).unwrap();
    let folders = folder.path().join("pgstow.toml");
    for (file, text) in [(&users, "[profile.prod]\n"), (&folders, "")] {
        std::fs::write(file, text).unwrap();
        chmod(file, 0o600);
    }
    let list = |words: &[&str]| pgstow(words).in_folder(folder.path()).env("XDG_CONFIG_HOME", home.path());
    let prod = ["list", "--profile", "prod"];
    let hides = format!("hides {0}: --config {0} names that one", users.display());
    let run = list(&prod).fails(Kind::Settings).says("there is no [profile.prod]").says("it has no profile");
    run.says(&hides);
    list(&prod).args(["--config", path(&users)]).fails(Kind::Usage).says("no store was given");

    // What the user's own demands of every backup is not demanded here, and nothing else would say so.
    std::fs::write(&users, "require_signature = true\n").unwrap();
    let place = Place::folder();
    std::fs::write(&folders, format!("store = \"{}\"\n", place.url())).unwrap();
    list(&["list"]).succeeds().says(&format!("warning: this folder's pgstow.toml was read, and {hides}"));
    for named in [&users, &folders] {
        let run = list(&["config", "check", "--config", path(named)]).succeeds();
        assert!(!run.stderr.contains("hides"), "{run}");
    }
}

/// A cloned repository must not run its programs, nor turn encryption off.
#[test]
fn the_file_of_a_folder_runs_nothing_unless_it_was_named() {
    let (place, home) = (Place::folder(), TempDir::new().unwrap());
    let file = home.path().join("pgstow.toml");
    let list = |words: &[&str]| pgstow(["list", "--store", &place.url()]).args(words).in_folder(home.path());
    for (key, value) in [
        ("pg_bin", "\"./bin\""),
        ("password_command", "\"false\""),
        ("after", "\"x.sql\""),
        ("after_sql", "\"SELECT 1\""),
        ("check", "\"SELECT 1\""),
        ("neon_api", "\"https://example.org\""),
        ("prune", "true"),
        ("prune_force", "true"),
        ("allow_unencrypted", "true"),
        ("no_encryption", "true"),
        ("force", "true"),
        ("yes", "true"),
        ("keep_old", "1"),
        ("truncate", "true"),
        ("to", "\"postgres://stranger/x\""),
        ("verify_to", "\"postgres://stranger/x\""),
        ("copy_to", "\"file:///x\""),
        ("store_optional", "\"file:///x\""),
        ("grant_all", "\"stranger\""),
        ("grant_read", "\"stranger\""),
        ("proof", "\"none\""),
        ("verify_proof", "\"none\""),
        ("swap_with", "\"x\""),
        ("output", "\"out\""),
        ("list_file", "\"out\""),
        ("keygen_output", "\"key\""),
        ("ping_url", "\"https://example.org\""),
        ("webhook", "\"https://example.org\""),
        ("push_gateway", "\"https://example.org\""),
        ("metrics_file", "\"x.prom\""),
    ] {
        std::fs::write(&file, format!("[profile.p]\n{key} = {value}\n")).unwrap();
        list(&[]).succeeds();
        let refused = list(&["--profile", "p"]).fails(Kind::Settings).says(&format!("{key:?}"));
        assert!(refused.stderr.contains("--config pgstow.toml"), "{refused}");
        list(&["--profile", "p", "--config", "pgstow.toml"]).succeeds();
        list(&["--profile", "p"]).env("PGSTOW_CONFIG", "pgstow.toml").succeeds();
    }
    for key in ["verify_key", "ca_file"] {
        std::fs::write(&file, format!("{key} = \"strangers\"\n")).unwrap();
        list(&[]).fails(Kind::Settings).says(&format!("{key:?} says who"));
    }
}

#[test]
fn a_settings_file_adds_nobody_to_the_recipients_that_were_typed() {
    let (place, home) = (Place::folder(), TempDir::new().unwrap());
    let (typed, other) = (&Keys::shared().recipient, Keys::make().recipient);
    std::fs::write(home.path().join("others.txt"), format!("{other}\n")).unwrap();
    std::fs::write(home.path().join("pgstow.toml"), "recipients_file = \"others.txt\"\n").unwrap();
    let made_for = |words: &[&str]| {
        let backup = place.pgstow(&["backup", "--stdin", "--name", "s", "--json"]).args(words);
        let run = backup.stdin("bytes").in_folder(home.path()).succeeds();
        let id = run.json()["id"].as_str().unwrap().to_owned();
        let shown = place.pgstow(&["show", &id, "--json"]).succeeds().json();
        (shown["recipients"].clone(), run.stderr)
    };
    let (recipients, said) = made_for(&["--recipient", typed]);
    assert_eq!(recipients, serde_json::json!([typed]));
    assert!(said.contains("recipients_file of pgstow.toml does not count"), "{said}");
    let (recipients, said) = made_for(&[]);
    assert_eq!(recipients, serde_json::json!([other]));
    assert!(!said.contains("does not count"), "{said}");
}

/// As for all settings: a variable comes before the file.
#[test]
fn a_secret_in_a_variable_comes_before_the_files_own() {
    let (place, home) = (Place::folder(), TempDir::new().unwrap());
    let (signing, public) = signing_keys();
    let files = "signing_key_file = \"no\"\npassphrase_file = \"no\"\n";
    std::fs::write(home.path().join("pgstow.toml"), files).unwrap();
    let here = |words: &[&str]| place.pgstow(words).in_folder(home.path()).env("PGSTOW_PASSPHRASE", "sesame");
    let backup = ["backup", "--stdin", "--name", "s"];
    here(&backup).env("PGSTOW_SIGNING_KEY", signing).stdin("bytes").succeeds();
    let fetched = here(&["fetch", "latest", "-o", "-", "--verify-key", &public]).succeeds();
    assert_eq!(fetched.stdout, b"bytes");
    here(&backup).stdin("bytes").fails(Kind::Settings).says("the signing key");
}

/// As one that is not set it would switch off what it sets.
#[test]
fn a_variable_that_is_no_text_is_an_error_unless_it_names_a_file() {
    let (place, home) = (Place::folder(), TempDir::new().unwrap());
    let odd = |name: &[u8]| OsStr::from_bytes(name).to_owned();
    let backup = ["backup", "--stdin", "--name", "s", "-r", &Keys::shared().recipient];
    let refused = place.pgstow(&backup).stdin("bytes").env("PGSTOW_SIGNING_KEY", odd(b"\xff"));
    refused.fails(Kind::Settings).says("PGSTOW_SIGNING_KEY is set, but to bytes that are no text");
    assert!(place.keys().is_empty());
    // A settings file is found by such a name, and after such a word.
    std::fs::write(home.path().join(odd(b"m\xff.toml")), "no_such_key = 1").unwrap();
    let here = || place.pgstow(&["list"]).in_folder(home.path());
    here().env("PGSTOW_CONFIG", odd(b"m\xff.toml")).fails(Kind::Settings).says("is not a setting");
    here().arg("--config").arg(odd(b"m\xff.toml")).fails(Kind::Settings).says("is not a setting");
    let adopt = place.pgstow(&["adopt", "--name", "x"]).in_folder(home.path()).arg(odd(b"a\xff.dump"));
    adopt.args(["--config", "none.toml"]).fails(Kind::Settings).says("none.toml");
}

#[test]
fn what_was_typed_comes_before_variables_about_neon() {
    let (cluster, database) = small();
    let (place, url) = (Place::folder(), cluster.url(database));
    let neon = |words: &[&str]| {
        let run = place.pgstow(&["backup", "-r", &Keys::shared().recipient]).args(words);
        run.env("PATH", every_client()).env("PGSTOW_NEON", "p").env("PGSTOW_VIA_BRANCH", "1")
    };
    neon(&[&url]).succeeds();
    neon(&[]).fails(Kind::Settings).says("no key to Neon's API");
    let every = neon(&["--all-databases"]).env("NEON_API_KEY", "k").fails(Kind::Usage);
    every.says("--all-databases and --neon contradict each other");
    neon(&["--neon", "q", &url]).fails(Kind::Usage).says("a URL and --neon contradict each other");
}

#[test]
fn key_files_that_others_may_write_are_refused_and_readable_ones_reported() {
    let (place, home) = (Place::folder(), TempDir::new().unwrap());
    let at = |name: &str| home.path().join(name);
    let keys = Keys::shared();
    let identity = keys.file(home.path());
    std::fs::write(at("pass"), "open sesame\n").unwrap();
    std::fs::write(at("to"), &keys.recipient).unwrap();
    let (signing, verify) = signing_keys();
    std::fs::write(at("sign"), signing).unwrap();
    std::fs::write(at("sign.pub"), verify).unwrap();
    let backup = |words: &[&str]| {
        place.pgstow(&["backup", "--stdin", "--name", "s", "--quiet"]).args(words).stdin("bytes")
    };
    let fetch = |words: &[&str]| place.pgstow(&["fetch", "latest", "-o", "-", "--quiet"]).args(words);
    chmod(&at("pass"), 0o600);
    chmod(&at("sign"), 0o600);
    let (pass, to, sign, public) = (at("pass"), at("to"), at("sign"), at("sign.pub"));
    let with_recipient = |words: &[&str]| backup(&["-r", &keys.recipient]).args(words);
    type Command<'a> = Box<dyn Fn() -> Pgstow + 'a>;
    let cases: [(&Path, bool, Command<'_>); 5] = [
        (&to, false, Box::new(|| backup(&["-R", path(&to)]))),
        (&sign, true, Box::new(|| with_recipient(&["--signing-key-file", path(&sign)]))),
        (&identity, true, Box::new(|| fetch(&["-i", path(&identity)]))),
        (&public, false, Box::new(|| fetch(&["-i", path(&identity), "--verify-key", path(&public)]))),
        (&pass, true, Box::new(|| backup(&["--passphrase-file", path(&pass)]))),
    ];
    for (file, secret, command) in cases {
        chmod(file, 0o644);
        let run = command().succeeds();
        assert_eq!(run.stderr.contains("may be read by everyone (mode 0644): chmod 600"), secret, "{run}");
        chmod(file, 0o646);
        command().fails(Kind::Settings).says("may be written by everyone");
        chmod(file, 0o600);
        let run = command().succeeds();
        assert!(!run.stderr.contains("may be"), "{run}");
    }
}
