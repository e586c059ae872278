//! A Debian with nothing of ours in it: a copy of the root that `scripts/servers.sh` made, in which programs run by
//! chroot. Its packages come from a folder in it, so nothing is fetched.

use crate::servers::fetched;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// The variables that a program in a root starts with.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A root of one's own; removed on drop.
pub struct Root {
    folder: TempDir,
}

impl Root {
    /// A new one, or why this machine can have none.
    pub fn new() -> Result<Root, &'static str> {
        if !rustix::process::geteuid().is_root() {
            return Err("only root may enter a Debian root");
        }
        if !fetched("debian-root/.version").exists() {
            return Err("no Debian root could be made");
        }
        // Mounts of its own: they end with the program, however it ends.
        if !Command::new("unshare").args(["--mount", "true"]).status().is_ok_and(|done| done.success()) {
            return Err("this machine does not allow mounts");
        }
        // Not in /tmp, which may be mounted without devices.
        let folder = tempfile::Builder::new().prefix("pgstow-root-").tempdir_in("/var/tmp").unwrap();
        let from = fetched("debian-root/.");
        let done = Command::new("cp").arg("-a").arg(from).arg(folder.path()).status().unwrap();
        assert!(done.success());
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        Ok(Root { folder })
    }

    /// Where a path in it is outside.
    pub fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    /// A program in it, as root, with a clean environment.
    pub fn command(&self, words: &[&str]) -> Command {
        self.entered("", words)
    }

    /// The same in a root that nobody may write to but for /scratch, as a user without a name in group 0.
    pub fn as_anybody_on_a_read_only_root(&self, words: &[&str]) -> Command {
        std::fs::create_dir_all(self.at("scratch")).unwrap();
        let prepare = r#"mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && mount -t tmpfs -o mode=1777 none "$0/scratch" &&"#;
        let user = ["setpriv", "--reuid=1000660000", "--regid=0", "--clear-groups", "--"];
        self.entered(prepare, &[&user, words].concat())
    }

    fn entered(&self, prepare: &str, words: &[&str]) -> Command {
        let script = format!(r#"{prepare} mount --rbind /proc "$0/proc" && exec chroot "$0" "$@""#);
        let mut command = Command::new("/usr/bin/unshare");
        command.args(["--mount", "sh", "-ec", &script]).arg(self.folder.path()).args(words);
        command.env_clear().env("PATH", PATH).env("LC_ALL", "C.UTF-8").current_dir("/");
        command
    }

    /// Runs a line of shell in it, which must succeed; what it printed.
    #[track_caller]
    pub fn sh(&self, line: &str) -> String {
        let mut command = self.command(&["sh", "-euc", line]);
        said(line, &command.env("DEBIAN_FRONTEND", "noninteractive").output().unwrap())
    }

    /// Brings a file in.
    pub fn bring(&self, file: &Path, to: &str) {
        std::fs::create_dir_all(self.at(to).parent().unwrap()).unwrap();
        std::fs::copy(file, self.at(to)).unwrap();
    }
}

/// What a program that must succeed printed.
#[track_caller]
pub fn said(what: &str, output: &Output) -> String {
    let all =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}: {}\n{all}", output.status);
    all
}
