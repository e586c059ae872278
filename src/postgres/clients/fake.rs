//! Programs that tests run instead of PostgreSQL's.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Makes this folder's `psql` of this text.
///
/// Written by a child: what this process has open for writing is open for a moment in whatever another test
/// starts, and a program that somebody may still write cannot be run.
pub fn fake_psql(folder: &Path, text: &str) {
    let mut install = Command::new("install");
    let install = install.args(["-m", "755", "/dev/stdin"]).arg(folder.join("psql"));
    let mut install = install.stdin(Stdio::piped()).spawn().unwrap();
    install.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(install.wait().unwrap().success());
}
