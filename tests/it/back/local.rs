//! Where a fetch writes to: a pipe nobody reads, and a disk that is full.

use crate::scene::{Keys, Sample};
use pgstow::error::Kind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

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

/// As root a device could be replaced by a file.
#[test]
fn only_files_are_replaced_and_links_are_followed() {
    let sample = Sample::shared();
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let fetch = |to: &Path, words: &[&str]| {
        sample.place.opens(&["fetch", "latest", "-o", to.to_str().unwrap()]).args(words)
    };
    assert!(Command::new("mkfifo").arg(path("fifo")).status().unwrap().success());
    symlink("/dev/full", path("link_to_device")).unwrap();
    for device in [&path("fifo"), &path("link_to_device"), Path::new("/dev/full")] {
        for words in [&[][..], &["--force"]] {
            let run = fetch(device, words).fails(Kind::Usage).says("is a device or a pipe").says("- > /");
            assert!(!run.stderr.contains("--force"), "{run}");
        }
    }
    assert!(path("fifo").metadata().unwrap().file_type().is_fifo());
    assert!(Path::new("/dev/full").metadata().unwrap().file_type().is_char_device());

    // A link stays one, whether there is a file yet or not.
    symlink("app.dump", path("link")).unwrap();
    fetch(&path("link"), &[]).succeeds();
    let first = std::fs::read(path("app.dump")).unwrap();
    std::fs::write(path("app.dump"), "old").unwrap();
    fetch(&path("link"), &[]).fails(Kind::TargetExists);
    fetch(&path("link"), &["--force"]).succeeds();
    assert!(path("link").is_symlink() && std::fs::read(path("app.dump")).unwrap() == first);
    symlink("circle", path("circle")).unwrap();
    fetch(&path("circle"), &["--force"]).fails(Kind::LocalFile).says("leads nowhere");
    let list = ["--force", "--list-file", path("app.dump").to_str().unwrap()].map(str::to_owned);
    let list: Vec<&str> = list.iter().map(String::as_str).collect();
    fetch(&path("link"), &list).fails(Kind::Usage).says("--output and --list-file name the same file");
}

#[test]
fn a_folder_that_is_missing_or_forbidden_is_said_in_the_users_words() {
    let sample = Sample::shared();
    let folder = TempDir::new().unwrap();
    let fetch = |to: &Path| sample.place.opens(&["fetch", "latest", "-o", to.to_str().unwrap()]);
    let run = fetch(&folder.path().join("nodir/app.dump")).fails(Kind::LocalFile).says("make the folder");
    assert!(!run.stderr.contains(".partial") && run.stderr.matches("nodir").count() == 2, "{run}");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o500)).unwrap();
    let run = fetch(&folder.path().join("app.dump"))
        .under(["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"])
        .fails(Kind::LocalFile);
    let run = run.says("app.dump cannot be written: permission denied");
    assert!(!run.stderr.contains(".partial") && !run.stderr.contains("because"), "{run}");
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
