//! Who else may write or read a file that pgstow obeys or keeps secrets in.
//!
//! A settings file says where backups go and who can read them, and a file of keys whom to trust. One that
//! others may write is not used, whatever it says. One that others may only read is reported, and used; so is a file of
//! keys that belongs to another user.

use crate::error::{Error, Result};
use rustix::process::{getegid, geteuid};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const GROUP_READS: u32 = 0o040;
const OTHERS_READ: u32 = 0o004;

/// What of a file's metadata decides.
#[derive(Debug, Clone, Copy)]
struct Access {
    uid: u32,
    gid: u32,
    mode: u32,
}

/// The user that pgstow runs as.
#[derive(Debug, Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

impl User {
    fn current() -> Self {
        Self { uid: geteuid().as_raw(), gid: getegid().as_raw() }
    }

    /// Whether this group is the user's own. Many systems give every user a group of the same number that has no
    /// other member, and make files that this group may write.
    fn is_alone_in(self, gid: u32) -> bool {
        gid == self.gid && gid == self.uid
    }
}

impl Access {
    fn of(file: &Metadata) -> Self {
        Self { uid: file.uid(), gid: file.gid(), mode: file.mode() & 0o7777 }
    }

    /// Whether it is neither the user's nor root's.
    fn is_anothers(self, user: User) -> bool {
        self.uid != user.uid && self.uid != 0
    }

    /// Who may change a file of keys besides its owner.
    fn others_who_write_keys(self, user: User) -> Option<&'static str> {
        // The group of another user may be that user's own.
        let group = if self.is_anothers(user) { 0 } else { GROUP_WRITES };
        self.whom(group, OTHERS_WRITE, user)
    }

    /// Who besides the user and root may change it, as the end of a sentence.
    fn others_who_write(self, user: User) -> Option<String> {
        if self.is_anothers(user) {
            return Some(format!("belongs to another user (uid {})", self.uid));
        }
        let by = self.whom(GROUP_WRITES, OTHERS_WRITE, user)?;
        Some(format!("may be written by {by} (mode {:04o})", self.mode))
    }

    /// Who besides the user and root may read it, as the end of a sentence.
    fn others_who_read(self, user: User) -> Option<String> {
        let by = self.whom(GROUP_READS, OTHERS_READ, user)?;
        Some(format!("may be read by {by} (mode {:04o})", self.mode))
    }

    fn whom(self, group: u32, others: u32, user: User) -> Option<&'static str> {
        if self.mode & others != 0 {
            return Some("everyone");
        }
        (self.mode & group != 0 && !user.is_alone_in(self.gid)).then_some("its group")
    }
}

/// Refuses a settings file, or a link to one, that somebody besides the user and root may change.
pub(super) fn refuse_written_by_others(path: &Path, opened: &Metadata) -> Result<()> {
    let user = User::current();
    // Where a link leads decides what is obeyed, so who made the link matters; its mode means nothing.
    let link = path.symlink_metadata().ok().filter(Metadata::is_symlink);
    let link = link.map(|link| Access { mode: 0, ..Access::of(&link) });
    for access in std::iter::once(Access::of(opened)).chain(link) {
        if let Some(why) = access.others_who_write(user) {
            let named = path.display();
            return Err(Error::settings(format!("the settings file {named} {why}, and is not used"))
                .hint("whoever may write it decides who gets the backups and can read them")
                .hint(format!("if what it says is yours: chown it to yourself, and chmod go-w {named}")));
        }
    }
    Ok(())
}

/// Refuses a file of keys that others may write, and warns if it is another user's: in a container it may belong to whoever
/// started that, and root reads the files of those it works for.
///
/// A file that cannot be looked at is left to whoever reads it: that failure says more.
pub(super) fn check_public_key_file(path: &Path, what: &str) -> Result<()> {
    let Some(file) = path.metadata().ok().filter(Metadata::is_file) else { return Ok(()) };
    let (access, user, named) = (Access::of(&file), User::current(), path.display());
    if let Some(by) = access.others_who_write_keys(user) {
        return Err(Error::settings(format!(
            "{what} {named} may be written by {by} (mode {:04o}), and is not used",
            access.mode
        ))
        .hint(format!("look whether it is still yours, then chmod go-w {named}")));
    }
    if access.is_anothers(user) {
        tracing::warn!("{what} {named} belongs to another user (uid {}), who may change it", access.uid);
    }
    Ok(())
}

/// The same for a file with a secret; warns if others may read it.
pub(super) fn check_secret_file(path: &Path, what: &str) -> Result<()> {
    check_public_key_file(path, what)?;
    if let Some(warning) = path.metadata().ok().and_then(|file| readable_by_others(path, what, &file)) {
        tracing::warn!("{warning}");
    }
    Ok(())
}

/// What to warn of if others may read this file, which holds secrets.
pub(super) fn readable_by_others(path: &Path, what: &str, file: &Metadata) -> Option<String> {
    // A pipe or a terminal is nobody else's to open.
    let why = file.is_file().then(|| Access::of(file).others_who_read(User::current())).flatten()?;
    let named = path.display();
    Some(format!("{what} {named} {why}: chmod 600 {named}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: User = User { uid: 1000, gid: 1000 };
    const MINE: Access = Access { uid: 1000, gid: 1000, mode: 0o600 };

    #[test]
    fn a_file_that_others_may_write_is_not_obeyed() {
        let refused = |access: Access| access.others_who_write(ME).is_some();
        assert!(!refused(MINE) && !refused(Access { mode: 0o644, ..MINE }));
        assert!(!refused(Access { uid: 0, gid: 0, mode: 0o644 }), "root may do anything anyway");
        assert!(!refused(Access { mode: 0o664, ..MINE }), "the user's own group has no other member");
        assert!(refused(Access { mode: 0o664, gid: 100, ..MINE }), "a group of many");
        assert!(refused(Access { mode: 0o664, uid: 0, gid: 0 }), "root's file, written by root's group");
        assert!(refused(Access { mode: 0o646, ..MINE }));
        assert!(refused(Access { uid: 1001, ..MINE }));
    }

    #[test]
    fn keys_that_others_may_write_are_not_used() {
        let by = |access: Access| access.others_who_write_keys(ME);
        let many = Access { mode: 0o664, gid: 100, ..MINE };
        assert_eq!((by(MINE), by(Access { gid: 1000, ..many })), (None, None));
        assert_eq!((by(many), by(Access { uid: 0, ..many })), (Some("its group"), Some("its group")));
        assert_eq!(by(Access { mode: 0o666, ..many }), Some("everyone"));
        // As Kubernetes gives secrets to the group of a pod.
        assert_eq!(by(Access { uid: 0, gid: 2000, mode: 0o440 }), None);
        // Another user's are reported.
        let another = Access { uid: 1001, ..many };
        assert!(another.is_anothers(ME) && by(another).is_none());
        assert_eq!(by(Access { mode: 0o606, ..another }), Some("everyone"));
    }

    #[test]
    fn a_secret_that_others_may_read_is_reported() {
        let reported = |access: Access| access.others_who_read(ME);
        assert_eq!((reported(MINE), reported(Access { mode: 0o640, ..MINE })), (None, None));
        let by_group = Access { mode: 0o640, gid: 100, ..MINE };
        assert_eq!(reported(by_group).as_deref(), Some("may be read by its group (mode 0640)"));
        assert_eq!(
            reported(Access { mode: 0o604, ..MINE }).as_deref(),
            Some("may be read by everyone (mode 0604)")
        );
    }
}
