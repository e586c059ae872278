//! Files of runs that were killed: reported by the next run that writes there, and removed when they are old.
//!
//! A run holds a lock on the file it writes, which the kernel releases with the process. On a file system without
//! locks between machines, a run on another machine looks as if it had ended; so a file that was written to
//! recently stays, whatever its lock says.

use super::file::safely;
use super::paths;
use super::threads::Steps;
use crate::store::contract::error::Result;
use indicatif::BinaryBytes;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// No live run leaves its file untouched for this long.
const OLD: Duration = Duration::from_secs(24 * 60 * 60);

/// How old a file is at least whose run has locked it for certain, if it is running.
const NEW: Duration = Duration::from_secs(10);
const A_MOMENT: Duration = Duration::from_millis(10);
const LOOKS: u32 = 10;

/// The files that were warned of: a run that writes many backups says it once.
#[derive(Default)]
pub(super) struct Said(Mutex<BTreeSet<PathBuf>>);

impl Said {
    /// Whether nothing was said of this file before.
    pub(super) fn for_the_first_time(&self, path: &Path) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned())
    }
}

/// Marks a file as being written, for as long as it is open; on a file system without locks it stays unmarked.
pub(super) fn hold(file: &File) {
    // Another run may be looking whether it is abandoned, which takes no time.
    for _ in 0..LOOKS {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(e) if e == Errno::WOULDBLOCK => std::thread::sleep(A_MOMENT),
            Err(e) => return tracing::debug!("the file being written cannot be locked: {e}"),
            Ok(()) => return,
        }
    }
    tracing::debug!("the file being written is locked by somebody else");
}

/// Looks for what killed runs left in the other backups of the name that is about to be written.
pub(super) fn clear(root: &Path, key: &str, (said, steps): (&Said, &Steps)) {
    if let Err(e) = look(root, key, (said, steps), SystemTime::now()) {
        tracing::debug!("cannot look for files of killed runs: {e}");
    }
}

fn look(root: &Path, key: &str, (said, steps): (&Said, &Steps), now: SystemTime) -> Result<()> {
    // A backup's objects are two levels below its name.
    let Some(name) = key.rsplitn(3, '/').nth(2).filter(|_| root.is_dir()) else { return Ok(()) };
    let mut left = Vec::new();
    paths::walk(root, &format!("{name}/"), steps, &mut |path, file_name, found| {
        if found.is_file() && paths::object_of(file_name).is_some() {
            let untouched = found.modified().ok().and_then(|then| now.duration_since(then).ok());
            left.push((path, found.len(), untouched.unwrap_or_default()));
        }
    })?;
    for (hidden, bytes, untouched) in left {
        steps.done();
        let path = root.join(&hidden);
        if !is_abandoned(&path) {
            continue;
        }
        let what = format!("{hidden} ({}) was left by a run that was killed", BinaryBytes(bytes));
        if untouched < OLD {
            let hours = OLD.as_secs() / 3600;
            if said.for_the_first_time(&path) {
                tracing::warn!("{what}; a later backup removes it when it is {hours} hours old");
            }
            continue;
        }
        match paths::remove(root, &path) {
            Ok(()) => tracing::warn!("{what}; it was removed"),
            Err(e) if said.for_the_first_time(&path) => tracing::warn!("{what}; it cannot be removed: {e}"),
            Err(_) => {}
        }
    }
    Ok(())
}

/// Whether no run writes to the file; if that cannot be known, the answer is no.
pub(super) fn is_abandoned(path: &Path) -> bool {
    let is_free = || {
        let Ok(file) = safely().write(true).open(path) else { return false };
        // A run that has ended meanwhile has given it its name.
        flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() && path.exists()
    };
    let is_new = || {
        let age = path.metadata().and_then(|found| found.modified()).map(|then| then.elapsed());
        !age.is_ok_and(|age| age.is_ok_and(|age| age > NEW))
    };
    is_free() && {
        // Its run locks it after it has made it.
        !is_new() || {
            std::thread::sleep(A_MOMENT * LOOKS);
            is_free()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::paths::HIDDEN;
    use super::*;

    /// Between making a file and locking it a run looks as if it was gone, and who looks whether it is holds the lock.
    #[test]
    fn a_run_that_begins_is_not_taken_for_one_that_was_killed() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("new");
        let made = File::create(&path).unwrap();
        let looks = std::thread::spawn({
            let path = path.clone();
            move || is_abandoned(&path)
        });
        std::thread::sleep(A_MOMENT * 2);
        hold(&made);
        assert!(!looks.join().unwrap());
        let looking = File::open(&path).unwrap();
        drop(made);
        flock(&looking, FlockOperation::LockExclusive).unwrap();
        let looked = std::thread::spawn(move || {
            std::thread::sleep(A_MOMENT * 3);
            drop(looking);
        });
        let made = File::open(&path).unwrap();
        hold(&made);
        looked.join().unwrap();
        assert!(!is_abandoned(&path));
        drop(made);
        assert!(is_abandoned(&path));
        std::fs::remove_file(&path).unwrap();
        assert!(!is_abandoned(&path));
    }

    #[test]
    fn only_what_is_old_and_nobodys_goes() {
        let root = tempfile::tempdir().unwrap();
        let file = |key: &str, hours: u64| {
            let path = root.path().join(key);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let file = File::create(&path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600)).unwrap();
            (path, file)
        };
        let hidden = format!("{HIDDEN}abcdefgh-dump.zst.age");
        let old = file(&format!("app/1/{hidden}"), 25).0;
        let young = file(&format!("app/2/{hidden}"), 1).0;
        let (written, writer) = file(&format!("app/3/{hidden}"), 25);
        hold(&writer);
        let others = file(&format!("shop/1/{hidden}"), 25).0;
        let whole = file("app/4/dump.zst.age", 25).0;
        let foreign = file("app/5/.hidden", 25).0;
        let (said, steps) = (Said::default(), Steps::default());
        clear(root.path(), "app/6/dump.zst.age", (&said, &steps));
        assert!(!old.exists() && !old.parent().unwrap().exists());
        assert!([&young, &written, &others, &whole, &foreign].iter().all(|path| path.exists()));
        assert!(!said.for_the_first_time(&young), "it was warned of");
        drop(writer);
        clear(root.path(), "app/6/dump.zst.age", (&said, &steps));
        assert!(!written.exists());
    }
}
