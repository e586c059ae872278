//! Where a fetch writes to: a pipe nobody reads, and a disk that is full.

use crate::scene::{Keys, Sample};
use pgstow::error::Kind;
use std::process::Command;

#[test]
fn a_reader_that_stops_reading_is_said() {
    let sample = Sample::shared();
    let script = |tail: &str| {
        let line = format!("{} fetch latest -o - {tail}", env!("CARGO_BIN_EXE_pgstow"));
        let output = Command::new("bash")
            .args(["-c", &line])
            .env("PGSTOW_STORE", sample.place.url())
            .env("PGSTOW_IDENTITY", &Keys::shared().identity)
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let code = i32::from(Kind::LocalFile.exit_code());
    let (ended, said) = script("| head -c 1000 >/dev/null; exit ${PIPESTATUS[0]}");
    assert_eq!(ended, code, "{said}");
    assert!(said.contains("stopped reading before the end"), "{said}");
    let (ended, said) = script("> /dev/full");
    assert_eq!(ended, code, "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    assert!(!said.contains("stopped reading"), "{said}");
}

#[test]
fn a_full_disk_is_seen_before_and_during() {
    let sample = Sample::shared();
    let fetch = |words: &str| {
        let line = format!(
            "mount -t tmpfs -o size=1m none /mnt || exit 99
             {} fetch latest -o /mnt/app.dump {words}; code=$?; ls -A /mnt; exit $code",
            env!("CARGO_BIN_EXE_pgstow")
        );
        let output = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "bash", "-c", &line])
            .env("PGSTOW_STORE", sample.place.url())
            .env("PGSTOW_IDENTITY", &Keys::shared().identity)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (ended, left, said) = fetch("");
    if ended == 99 || said.contains("unshare") {
        crate::skip!("no file system may be mounted here: {said}");
    }
    let code = i32::from(Kind::LocalFile.exit_code());
    assert_eq!((ended, left.as_str()), (code, ""), "{said}");
    assert!(said.contains("MiB free") && said.contains("--no-space-check"), "{said}");
    let (ended, left, said) = fetch("--no-space-check");
    assert_eq!((ended, left.as_str()), (code, ""), "{said}");
    assert!(said.contains("No space left on device") && said.contains("app.dump"), "{said}");
}
