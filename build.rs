//! Finds out which commit is built, for `pgstow --version`: from the variable PGSTOW_COMMIT, from the file that
//! `cargo package` puts into a crate, or in a release build from git. If none of them knows, it stays unknown.
#![allow(clippy::print_stdout, reason = "that is how a build script talks to cargo")]

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=PGSTOW_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("PGSTOW_COMMIT").is_ok_and(|commit| !commit.is_empty()) {
        return;
    }
    if let Some(commit) = packaged().or_else(checked_out) {
        println!("cargo::rustc-env=PGSTOW_COMMIT={commit}");
    }
}

/// The commit that a crate was packaged from.
fn packaged() -> Option<String> {
    let text = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = text.split_once("\"sha1\":")?;
    commit(rest.split('"').nth(1)?)
}

/// The commit of the clone. Only a release build asks: a developer's would be made anew after each commit.
fn checked_out() -> Option<String> {
    // A copy inside of somebody else's repository has no commit of its own.
    if std::env::var("PROFILE").is_ok_and(|profile| profile != "release") || !Path::new(".git").exists() {
        return None;
    }
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if Path::new(&log).exists() {
        println!("cargo::rerun-if-changed={log}");
    }
    commit(&git(&["rev-parse", "HEAD"])?)
}

fn git(words: &[&str]) -> Option<String> {
    let output = Command::new("git").args(words).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// The first twelve digits of what is a commit's name.
fn commit(name: &str) -> Option<String> {
    let name = name.get(..12)?;
    name.chars().all(|digit| digit.is_ascii_hexdigit()).then(|| name.to_owned())
}
