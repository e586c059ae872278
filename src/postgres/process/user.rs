//! Somebody without rights, to run a server as when pgstow runs as root.

use std::path::Path;

use crate::error::{Error, Result};

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's number.
    pub uid: u32,
    /// The number of the user's own group.
    pub gid: u32,
}

/// In this order: what is in a dump may run programs, so it should rather not run as the owner of the
/// machine's real databases.
const NAMES: [&str; 2] = ["nobody", "postgres"];

impl User {
    /// Finds a user who can do no harm.
    pub fn unprivileged() -> Result<Self> {
        let known = std::fs::read_to_string(Path::new("/etc/passwd")).unwrap_or_default();
        NAMES.iter().find_map(|name| find(&known, name)).ok_or_else(|| {
            Error::settings(
                "PostgreSQL refuses to run as root, and there is neither a user nobody nor postgres",
            )
            .hint("run pgstow as another user than root, or verify on a server with --to")
        })
    }
}

/// Reads the content of `/etc/passwd`.
fn find(known: &str, name: &str) -> Option<User> {
    known.lines().find_map(|line| {
        let [found, _, uid, gid] = line.splitn(5, ':').take(4).collect::<Vec<_>>()[..] else { return None };
        (found == name).then_some(User { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name() {
        let known = "root:x:0:0:root:/root:/bin/sh\nbroken\nnobody:x:65534:65533:nobody:/:/sbin/nologin\n";
        assert_eq!(find(known, "nobody"), Some(User { uid: 65534, gid: 65533 }));
        assert_eq!(find(known, "root").unwrap().uid, 0);
        assert_eq!(find(known, "nob"), None);
        assert_eq!(find("", "nobody"), None);
    }
}
