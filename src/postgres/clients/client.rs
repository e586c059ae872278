//! One installed set of PostgreSQL's client programs, and its version.
//!
//! Which sets there are, and which of them to run, is decided elsewhere (`search`, `clients`).

use std::fmt;
use std::path::{Path, PathBuf};

use crate::postgres::process::{Environment, Program};

/// A version of PostgreSQL: major and minor (`15.20`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The major: what decides compatibility.
    pub major: u32,
    /// The minor; 0 for a development version.
    pub minor: u32,
}

impl Version {
    /// Reads `15.20 (Debian 15.20-0+deb12u1)`, `19beta1`, `18devel`: the leading numbers.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.trim().split(|c: char| !c.is_ascii_digit());
        let major = numbers.next()?.parse().ok()?;
        // "19beta1" is 19.0: only a dot makes a minor.
        let has_minor = text.trim().trim_start_matches(|c: char| c.is_ascii_digit()).starts_with('.');
        let minor = if has_minor { numbers.next()?.parse().ok()? } else { 0 };
        Some(Self { major, minor })
    }

    /// Reads the server's `server_version_num`.
    pub fn from_num(number: u32) -> Self {
        if number >= 100_000 {
            Self { major: number / 10_000, minor: number % 10_000 }
        } else {
            Self { major: number / 10_000, minor: number / 100 % 100 }
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// One installed set of client programs: `pg_dump`, `pg_restore`, `psql` of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The folder they lie in.
    pub dir: PathBuf,
    /// Their version.
    pub version: Version,
    /// What pgstow was started with; they get what they need of it.
    pub environment: Environment,
}

/// The first minors whose `psql` can be kept from running its own commands (CVE-2025-8714).
const WITH_RESTRICT: [(u32, u32); 5] = [(13, 22), (14, 19), (15, 14), (16, 10), (17, 6)];

impl Client {
    /// Says whether its `psql` has a restricted mode, in which it runs none of its own commands.
    pub fn knows_restrict(&self) -> bool {
        let Version { major, minor } = self.version;
        let first = WITH_RESTRICT.iter().find(|(known, _)| *known == major);
        first.map_or(major >= 18, |(_, first)| minor >= *first)
    }

    /// One of its programs, ready for arguments.
    pub fn program(&self, name: &str) -> Program {
        // In English, to be understood here.
        Program::new(self.dir.join(name)).envs(self.environment.of_client()).env("LC_ALL", "C")
    }

    /// Whether a server is installed next to them.
    pub(super) fn has_server(&self) -> bool {
        ["initdb", "postgres"].iter().all(|name| is_executable(&self.dir.join(name)))
    }
}

/// Says whether a path is a file that may be executed.
pub(super) fn is_executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restricted_mode_came_with_a_minor_of_every_major() {
        let knows = |text: &str| {
            let version = Version::parse(text).unwrap();
            Client { dir: PathBuf::new(), version, environment: Environment::default() }.knows_restrict()
        };
        for (version, known) in [
            ("12.22", false),
            ("13.21", false),
            ("13.22", true),
            ("17.5", false),
            ("17.6", true),
            ("18.0", true),
            ("19beta1", true),
        ] {
            assert_eq!(knows(version), known, "{version}");
        }
    }

    #[test]
    fn versions_are_read() {
        assert_eq!(Version::parse("15.20 (Debian 15.20-0+deb12u1)").unwrap().to_string(), "15.20");
        assert_eq!(Version::from_num(150_020).to_string(), "15.20");
        assert_eq!(Version::from_num(90_624).to_string(), "9.6");
        assert_eq!(Version::parse("unknown"), None);
    }
}
