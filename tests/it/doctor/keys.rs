//! Keys that do not fit, and files with secrets that others may read.

use super::Seen;
use crate::scene::{Keys, Place, signing_keys};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

/// Lets others do this with a file.
fn chmod(file: &Path, mode: u32) {
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn an_identity_of_others_opens_nothing() {
    let (place, other) = (Place::folder(), Keys::make());
    let doctor = |recipient: &str| place.opens(&["doctor", "--recipient", recipient]);
    Seen::of(doctor(&Keys::shared().recipient)).only("failed", &[]).has("decryption", "fine", "is opened");
    let seen = Seen::of(doctor(&other.recipient));
    seen.fails(Kind::Verify).only("failed", &["decryption"]).has("decryption", "failed", &other.recipient);
    let (signing_key, _) = signing_keys();
    let (_, verify_key) = signing_keys();
    let doctor = doctor(&Keys::shared().recipient).env("PGSTOW_SIGNING_KEY", signing_key);
    let seen = Seen::of(doctor.env("PGSTOW_VERIFY_KEY", verify_key));
    seen.fails(Kind::Settings).only("failed", &["signatures"]).has("signatures", "failed", "not of one pair");
}

/// A backup that was made for others, and a passphrase that is not the backup's.
#[test]
fn a_backup_that_cannot_be_opened_is_found() {
    let place = Place::folder();
    let backup = place.pgstow(&["backup", "--name", "plain", "--recipient", &Keys::make().recipient]);
    backup.args(["--", "echo", "text"]).succeeds();
    let seen = Seen::of(place.opens(&["doctor", "--name", "plain"]));
    seen.only("failed", &[]).has("newest", "fine", "may not be for these identities");
    let (_, verify_key) = signing_keys();
    let seen = Seen::of(place.opens(&["doctor", "--verify-key", &verify_key]));
    seen.fails(Kind::Verify).has("newest", "failed", "is not signed");
}

/// With a key more is looked at, and nothing less.
#[test]
fn a_newest_backup_that_lost_its_dump_is_found_with_a_key_too() {
    let (cluster, place) = (Cluster::shared(Major::Distribution), Place::folder());
    let database = cluster.create_database("lost");
    place.backup(&cluster.url(&database), &["--name", "app"]);
    place.delete(&place.key("dump.zst.age"));
    for doctor in [place.pgstow(&["doctor"]), place.opens(&["doctor"])] {
        Seen::of(doctor).fails(Kind::Verify).has(
            "newest",
            "failed",
            "is missing, although its manifest exists",
        );
    }
    // In CI, a secret that does not exist looks like that.
    let doctor = place.pgstow(&["doctor", &cluster.url(&database)]).env("PGSTOW_RECIPIENTS", "");
    let seen = Seen::of(doctor);
    seen.fails(Kind::Usage).has("recipients", "failed", "PGSTOW_RECIPIENTS is set, but empty");
}

#[test]
fn secrets_that_others_may_read() {
    let (place, folder) = (Place::folder(), TempDir::new().unwrap());
    let key = Keys::shared().file(folder.path());
    let words = ["doctor", "-i", key.to_str().unwrap(), "--recipient", &Keys::shared().recipient];
    let doctor = || Seen::of(place.pgstow(&words).in_folder(folder.path()));
    doctor().only("failed", &[]).only("warning", &["backups"]);
    chmod(&key, 0o644);
    let seen = doctor();
    seen.only("failed", &[]).has("secrets", "warning", "may be read by everyone (mode 0644): chmod 600");
    chmod(&key, 0o666);
    doctor().fails(Kind::Settings).has("identities", "failed", "may be written by everyone");
    chmod(&key, 0o600);

    let settings = folder.path().join("pgstow.toml");
    std::fs::write(&settings, "database_url = \"postgres://u:there-s3cret@127.0.0.1:1/app\"\n").unwrap();
    chmod(&settings, 0o644);
    let seen = doctor();
    seen.has("settings", "fine", "pgstow.toml is in use").has("settings", "warning", "holds a password");
    seen.fails(Kind::Postgres).has("connection", "failed", "Connection refused");
    assert!(!seen.run.text().contains("there-s3cret") && !seen.run.stderr.contains("there-s3cret"));
}

/// What a backup refuses before it begins, although no check asks for it.
#[test]
fn settings_that_a_backup_would_refuse() {
    let place = Place::folder();
    let doctor = |words: &[&str]| {
        let recipient = Keys::shared().recipient.clone();
        Seen::of(place.pgstow(&["doctor", "--recipient", &recipient]).args(words))
    };
    doctor(&["--prune", "--keep-daily", "7"]).only("failed", &[]).has("retention", "fine", "can be used");
    for (words, check, says) in [
        (&["--prune"][..], "retention", "no rule says which backups are kept"),
        (&["--prune", "--keep-last", "0"], "retention", "no rule says which backups are kept"),
        (&["--label", "nightly"], "storing", "is not KEY=VALUE"),
        (&["--lock-mode", "compliance"], "storing", "without --lock-until"),
        (&["--lock-until", "30d"], "storing", "lock"),
    ] {
        doctor(words).fails(Kind::Usage).only("failed", &[check]).has(check, "failed", says);
    }
}
