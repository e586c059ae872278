//! Finds PostgreSQL's client programs on this machine.
//!
//! Where the packages of the usual systems put them, then `PATH`; Debian's wrapper is passed over.
//! Which one to use is decided elsewhere (`clients`).

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;

use crate::error::{Error, Result};

use super::client::{Client, Version, is_executable};
use crate::postgres::process::Environment;

/// Where to look for clients.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Only here (`--pg-bin`), when given.
    pub only: Option<PathBuf>,
    /// What pgstow was started with.
    pub environment: Environment,
}

/// Folders that hold one folder per major, and what stands before and after the major.
const PLACES: &[(&str, &str, &str)] = &[
    ("/usr/lib/postgresql", "", "bin"),          // Debian, Ubuntu
    ("/usr", "pgsql-", "bin"),                   // the PostgreSQL project's RPMs
    ("/usr/libexec", "postgresql", ""),          // Alpine
    ("/opt/homebrew/opt", "postgresql@", "bin"), // Homebrew on Apple's processors
    ("/usr/local/opt", "postgresql@", "bin"),    // Homebrew on Intel's
];

/// The programs that make a folder a client.
const PROGRAMS: [&str; 3] = ["pg_dump", "pg_restore", "psql"];

/// How long a program may take to say its version.
const ANSWER: Duration = Duration::from_secs(10);

/// Every complete client, in the order of the search, each asked for its version; and why others do not run.
pub async fn search(search: &Search) -> (Vec<Client>, Vec<Error>) {
    let asked = folders(search).into_iter().map(|dir| ask(dir, search.environment.clone()));
    let (mut clients, mut broken) = (Vec::new(), Vec::new());
    for answer in join_all(asked).await {
        match answer {
            Ok(client) => clients.push(client),
            Err(why) => broken.push(why),
        }
    }
    (clients, broken)
}

fn folders(search: &Search) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    match &search.only {
        Some(only) => folders.push(only.clone()),
        None => {
            folders.extend(PLACES.iter().flat_map(|(base, before, after)| majors(base, before, after)));
            folders.extend(["/opt/homebrew/opt/libpq/bin", "/usr/local/opt/libpq/bin"].map(PathBuf::from));
            let path = search.environment.get("PATH").unwrap_or(OsStr::new(""));
            folders.extend(std::env::split_paths(path).filter(|dir| dir.is_absolute()));
        }
    }
    let mut seen = BTreeSet::new();
    folders.iter().filter_map(|dir| real_folder(dir)).filter(|dir| seen.insert(dir.clone())).collect()
}

/// `base/<before>N<after>` for every number N there is.
fn majors(base: &str, before: &str, after: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(base) else { return Vec::new() };
    let is_major = |name: &OsStr| {
        let number = name.to_str().and_then(|name| name.strip_prefix(before));
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    entries
        .flatten()
        .filter(|entry| is_major(&entry.file_name()))
        .map(|entry| entry.path().join(after))
        .collect()
}

/// The folder where the programs really lie, symbolic links followed; `None` where they do not.
fn real_folder(dir: &Path) -> Option<PathBuf> {
    let real = std::fs::canonicalize(dir.join("pg_dump")).ok()?;
    if real.file_name() == Some(OsStr::new("pg_wrapper")) {
        return None;
    }
    let complete = |dir: &Path| PROGRAMS.iter().all(|name| is_executable(&dir.join(name)));
    let target = real.parent().filter(|dir| real.ends_with("pg_dump") && complete(dir));
    match target {
        Some(target) => Some(target.to_path_buf()),
        None => complete(dir).then(|| dir.to_path_buf()),
    }
}

/// Asks a folder's `pg_dump` for its version.
///
/// # Errors
/// `Kind::Settings` if it does not run, as where a library is missing or it was built for another processor.
async fn ask(dir: PathBuf, environment: Environment) -> Result<Client> {
    let mut client = Client { dir, version: Version::default(), environment };
    let broken = || Error::settings(format!("the PostgreSQL clients in {} do not run", client.dir.display()));
    let asking = client.program("pg_dump").arg("--version").run(b"");
    let answer = match tokio::time::timeout(ANSWER, asking).await {
        Ok(answer) => answer.map_err(|failure| broken().because(Error::from(failure)))?,
        Err(_) => return Err(broken().because(format!("no answer within {} s", ANSWER.as_secs()))),
    };
    let line = String::from_utf8_lossy(&answer);
    client.version = version_line(&line)
        .ok_or_else(|| broken().because(format!("pg_dump --version says {:?}", line.trim_end())))?;
    Ok(client)
}

/// Reads `pg_dump (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)`.
fn version_line(line: &str) -> Option<Version> {
    line.split_whitespace().find_map(|word| {
        let number = word.starts_with(|c: char| c.is_ascii_digit());
        number.then(|| Version::parse(word)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_lines_are_read() {
        for (line, expected) in [
            ("pg_dump (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n", "15.20"),
            ("pg_dump (PostgreSQL) 18.6", "18.6"),
            ("pg_dump (PostgreSQL) 19beta1", "19.0"),
            ("pg_dump (PostgreSQL) 19devel", "19.0"),
            ("pg_dump (PostgreSQL) 9.6.24", "9.6"),
        ] {
            assert_eq!(version_line(line).unwrap().to_string(), expected);
        }
        assert_eq!(version_line("command not found"), None);
    }

    #[test]
    fn a_wrapper_is_not_a_client() {
        let dir = tempfile::tempdir().unwrap();
        let wrapper = dir.path().join("pg_wrapper");
        std::fs::write(&wrapper, "#!/bin/sh\n").unwrap();
        for name in PROGRAMS {
            std::os::unix::fs::symlink(&wrapper, dir.path().join(name)).unwrap();
        }
        assert_eq!(real_folder(dir.path()), None);
    }
}
