//! The options as words of the command line.

use super::scene::SSE_C;
use crate::harness::pgstow;
use crate::servers::garage::Garage;
use crate::servers::s3::S3;
use pgstow::error::Kind;

fn backup(place: &S3) -> crate::harness::Pgstow {
    let words = ["backup", "--name", "n", "--no-encryption", "--store", &place.url()];
    pgstow(words).envs(place.env()).args(["--", "echo", "hello"])
}

#[test]
fn what_cannot_be_is_refused_before_anything_happens() {
    let folder = tempfile::tempdir().unwrap();
    let words = ["backup", "--name", "n", "--no-encryption", "--store"];
    let store = format!("file://{}", folder.path().display());
    for (more, says) in [
        (&["--lock-until", "30d"][..], "a folder cannot do what --lock-until asks for"),
        (&["--lock-mode", "compliance"], "--lock-mode without --lock-until"),
        (&["--limit-rate", "fast"], "is not a rate"),
        (&["--limit-rate", "1KiB/s"], "at least 128KiB/s"),
        (&["--ca-file", "/dev/null"], "there is no certificate in the CA file"),
    ] {
        let run = pgstow(words).arg(&store).args(more).args(["--", "false"]).run();
        assert!(matches!(run.status.code(), Some(2 | 10)), "{run}");
        run.says(says);
    }
    let b2 = "b2://bucket?region=x&tags=a=b";
    pgstow(words).args([b2, "--", "false"]).fails(Kind::Usage).says("hint: leave them out: --label");
}

/// By variable and by file; `list` needs no key, everything that reads does.
#[test]
fn a_backup_is_encrypted_by_the_service_too() {
    let place = Garage::shared().place("sse-c");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, format!("{}\n", SSE_C[0])).unwrap();
    crate::servers::run(std::process::Command::new("chmod").arg("600").arg(&file));
    backup(&place).env("PGSTOW_SSE_C_KEY", SSE_C[0]).succeeds();
    let store = ["--store", &place.url()];
    let fetch = || pgstow(["fetch", "latest", "-o", "-"]).args(store).envs(place.env());
    assert_eq!(fetch().arg("--sse-c-key-file").arg(&file).succeeds().stdout, b"hello\n");
    fetch().fails(Kind::Store).says("--sse-c-key-file");
    let short = fetch().env("PGSTOW_SSE_C_KEY", "aHVzaA==").fails(Kind::Settings);
    assert!(!short.stderr.contains("aHVzaA=="), "{short}");
}

/// A key that may only write cannot look whether the store heeds the lock: that is said, once.
#[test]
fn a_lock_that_cannot_be_read_back_is_said() {
    let place = S3 { more: "&profile=compat".to_owned(), ..Garage::shared().place("lock-unknown") };
    let run = backup(&Garage::shared().write_only(&place)).env("PGSTOW_LOCK_UNTIL", "30d").succeeds();
    let said = run.stderr.matches("it is not known whether the store locked the backup").count();
    assert_eq!(said, 1, "{run}");
    // With a key that may look, the store is found out.
    let place = S3 { more: "&profile=compat".to_owned(), ..Garage::shared().place("lock-known") };
    let run = backup(&place).env("PGSTOW_LOCK_UNTIL", "30d").fails(Kind::Store);
    run.says("was stored without the lock (GOVERNANCE until ");
    assert!(place.keys().is_empty());
}
