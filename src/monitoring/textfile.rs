//! The file that Prometheus' node exporter reads: replaced as a whole, so that nobody reads half of it.
//!
//! Several runs may share it: each keeps the others' metrics. A file with anybody else's metrics is left alone.

use super::metrics::{self, Samples};
use crate::temporary::{Partial, folder_of};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// How long another run may take to write, in looks.
const LOOKS: u32 = 100;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Updates the file; the error is a sentence.
pub fn update(path: &Path, new: Samples) -> Result<(), String> {
    let named = path.display();
    // A link stays one, and what it leads to is replaced.
    let followed = path.canonicalize().or_else(|_| Ok(folder_of(path).join(path.read_link()?)));
    let path = &followed.unwrap_or_else(|_: std::io::Error| path.to_owned());
    // Nor read: a pipe would never end.
    if path.metadata().is_ok_and(|there| !there.is_file()) {
        return Err(format!("{named} is no file, and only a file is replaced"));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let failed = |e: std::io::Error| format!("{named}: {e}");
    let _lock = lock(folder).map_err(failed)?;
    let before = match std::fs::read_to_string(path) {
        Ok(text) => metrics::parse(&text).map_err(|line| {
            format!("{named} has a line that pgstow did not write ({line:?}), so it is left alone")
        })?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Samples::new(),
        Err(error) => return Err(failed(error)),
    };
    let text = metrics::text(&metrics::updated(before, new));
    let write = || {
        let partial = Partial::begin(folder)?;
        let mut file = partial.file();
        file.write_all(text.as_bytes())?;
        // Another user collects them.
        file.set_permissions(Permissions::from_mode(0o644))?;
        partial.commit(path, true)
    };
    write().map_err(failed)
}

/// Keeps other runs from writing into this folder until it is dropped. On a file system without locks there is none.
fn lock(folder: &Path) -> std::io::Result<File> {
    let folder = File::open(folder)?;
    for _ in 0..LOOKS {
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => std::thread::sleep(LOOK_EVERY),
            _ => return Ok(folder),
        }
    }
    Err(std::io::Error::other("another run keeps it locked"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(name: &str) -> Samples {
        let metric = "pgstow_backup_last_run_success".to_owned();
        Samples::from([((metric, format!("name=\"{name}\"")), "1".to_owned())])
    }

    #[test]
    fn runs_at_the_same_time_keep_each_others_metrics() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pgstow.prom");
        std::thread::scope(|scope| {
            for n in 0..8 {
                let path = &path;
                scope.spawn(move || update(path, samples(&n.to_string())).unwrap());
            }
        });
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(metrics::parse(&text).unwrap().len(), 8, "{text}");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
        let link = folder.path().join("link.prom");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        update(&link, samples("linked")).unwrap();
        assert!(link.is_symlink());
        assert_eq!(metrics::parse(&std::fs::read_to_string(&path).unwrap()).unwrap().len(), 9);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
    }

    #[test]
    fn a_file_of_others_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.prom");
        std::fs::write(&path, "node_load1 0.5\n").unwrap();
        assert!(update(&path, samples("a")).unwrap_err().contains("node_load1 0.5"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "node_load1 0.5\n");
    }
}
