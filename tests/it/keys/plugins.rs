//! A plugin that does not answer: whoever waits for it can be stopped, and it does not stay behind.

use super::scene::{FAKE, plugin, stream};
use crate::harness::{Pgstow, eventually};
use crate::scene::{Keys, Place};
use pgstow::error::Kind;
use rustix::process::Signal;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// Whether a process runs; one that ended and is nobody's child any more may stay listed as a zombie.
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// Starts it, stops it when the plugin has written its number into this file, and looks whether both have ended.
#[track_caller]
fn is_stopped(command: Pgstow, number: &Path) {
    let _ = std::fs::remove_file(number);
    let mut running = command.spawn();
    let pid = loop {
        let pid = std::fs::read_to_string(number).unwrap_or_default();
        if pid.ends_with('\n') {
            break pid.trim().to_owned();
        }
        assert!(!running.is_over(), "{}", running.wait());
        std::thread::sleep(Duration::from_millis(10));
    };
    running.signal(Signal::TERM);
    running.wait().assert_failure(Kind::Terminated);
    eventually("the plugin has ended", || !runs(&pid));
}

#[test]
fn a_plugin_that_hangs_ends_with_the_run() {
    let (place, home, keys) = (Place::folder(), TempDir::new().unwrap(), Keys::make());
    let path = plugin(home.path());
    stream(&place, "touch", b"1", |backup| backup.args(["-r", FAKE.1]).env("PATH", &path));
    stream(&place, "app", b"2", |backup| backup.args(["-r", &keys.recipient]));

    let (number, dump) = (home.path().join("pid"), home.path().join("dump.sql"));
    std::fs::write(&dump, "SELECT 1;\n").unwrap();
    let hangs = format!("#!/bin/sh\necho $$ > {}\nexec sleep 600\n", number.display());
    crate::servers::script(&home.path().join("age-plugin-fake"), &hangs);
    for words in [
        &["backup", "--stdin", "--name", "app", "-r", FAKE.1][..],
        &["adopt", dump.to_str().unwrap(), "--name", "app", "-r", FAKE.1],
        &["doctor", "-r", FAKE.1],
        &["rekey", "latest", "--name", "app", "-r", FAKE.1],
        &["keys", "touch"],
        &["verify", "latest", "--name", "touch"],
    ] {
        let identities = format!("{}\n{}", keys.identity, FAKE.0);
        is_stopped(place.pgstow(words).env("PATH", &path).env("PGSTOW_IDENTITY", identities), &number);
    }
}
