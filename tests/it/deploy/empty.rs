//! Where there is nothing but pgstow and PostgreSQL's clients: `scripts/empty-root.sh`, with a bucket that speaks TLS,
//! so that hosts are found by their names and certificates are trusted there too.

use super::at;
use super::github::said;
use super::release::{binary, static_binary};
use crate::servers::garage::Garage;
use crate::servers::tls::Tls;
use std::path::Path;
use std::process::Command;

/// A backup into a folder and into a bucket, and both back again; `what` is said of the binary.
fn comes_back(binary: &Path, what: &str) {
    let place = Garage::shared().place("empty");
    let tls = Tls::start(&place.endpoint);
    let place = place.through(&tls.endpoint());
    let authority = tls.authority().display().to_string();
    let mut env = place.env().to_vec();
    env.push(("SSL_CERT_FILE", &authority));
    let mut command = Command::new(at("scripts/empty-root.sh"));
    let output = command.arg(binary).arg(place.url()).envs(env).output().unwrap();
    let all = said(&output);
    assert!(output.status.success() && all.starts_with(what), "{all}");
    assert!(!all.contains("warning: "), "{all}");
    assert_eq!(all.matches("proven: 20,000 rows in 1 table").count(), 2, "{all}");
}

/// Why this machine has no empty root, if it has none.
pub fn refused() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root may enter another root");
    }
    let folder = tempfile::Builder::new().prefix("pgstow-").tempdir_in("/var/tmp").unwrap();
    let device = folder.path().join("null");
    let made = Command::new("mknod").arg(&device).args(["c", "1", "3"]).output().unwrap();
    let works = made.status.success() && std::fs::write(&device, "").is_ok();
    (!works).then_some("this machine allows no devices")
}

#[test]
fn an_empty_root_with_clients_and_libraries_is_enough() {
    if let Some(why) = refused() {
        crate::skip!("{why}");
    }
    comes_back(binary(), "not static");
}

#[test]
fn the_static_binary_needs_no_library() {
    if let Some(why) = refused() {
        crate::skip!("{why}");
    }
    match static_binary() {
        Ok(binary) => comes_back(&binary, "static: pgstow needs no library"),
        Err(why) => crate::skip!("{why}"),
    }
}
