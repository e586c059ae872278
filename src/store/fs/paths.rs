//! Keys as paths below the store's folder, and the system's errors about them as situations.

use super::threads::Steps;
use crate::store::contract::error::{Result, Situation, StoreError};
use crate::store::url::key::check_key;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The name of a file that is being written begins with this.
pub(super) const HIDDEN: &str = ".pgstow-";

/// How many random letters distinguish two uploads of one key.
pub(super) const RANDOM: usize = 8;

/// The name of the object whose upload has this file name; `None` if it is not an upload.
pub(super) fn object_of(file_name: &str) -> Option<&str> {
    file_name.strip_prefix(HIDDEN)?.get(RANDOM..)?.strip_prefix('-')
}

/// Whether a folder can have been made for an object. File systems keep some of their own next to those, `lost+found`
/// or `.snapshot`: not everybody may read them, and what they hold are remains and copies.
pub(super) fn is_ours(folder: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '%');
    !folder.starts_with('.') && folder.chars().all(is_plain)
}

/// The path of a key. Refuses keys that lead out of the folder, also through a symbolic link.
pub(super) fn of_key(root: &Path, key: &str) -> Result<PathBuf> {
    check_key(key)?;
    let mut path = root.to_owned();
    let mut segments = key.split('/').peekable();
    while let Some(segment) = segments.next() {
        // What no list would show is not written.
        let is_shown = segments.peek().is_none() || is_ours(segment);
        if segment.starts_with(HIDDEN) || !is_shown {
            return Err(StoreError::new(Situation::Other, format!("{key:?} cannot be the key of an object")));
        }
        path.push(segment);
        if path.is_symlink() {
            let message = format!("{} is a symbolic link", path.display());
            return Err(StoreError::new(Situation::Denied, message).hint(
                "links inside a store are not followed: use the folder that it points to in the store's URL",
            ));
        }
    }
    Ok(path)
}

/// Creates the folders down to `folder`; returns those that are new, outermost first.
pub(super) fn make_folders(root: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut made = Vec::new();
    let below = folder.strip_prefix(root).unwrap_or(Path::new(""));
    let mut path = root.to_owned();
    let mut segments = below.components();
    loop {
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => made.push(path.clone()),
            Err(e) if e.kind() == ErrorKind::AlreadyExists && path.is_dir() => {
                if path != root {
                    refuse_another_case(&path)?;
                }
            }
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                return Err(StoreError::new(Situation::Other, format!("{} is not a folder", path.display())));
            }
            Err(e) if e.kind() == ErrorKind::NotFound && path == root => return Err(no_folder(root)),
            Err(e) => return Err(explain(&e, "create the folder", &path)),
        }
        match segments.next() {
            Some(segment) => path.push(segment),
            None => return Ok(made),
        }
    }
}

/// Refuses a folder that answers to this name, but is called by the same letters in another case, as on macOS: what is
/// written there would be listed under its name.
fn refuse_another_case(path: &Path) -> Result<()> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let swap = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    let swapped: String = name.to_string_lossy().chars().map(swap).collect();
    if *swapped == *name || !path.with_file_name(swapped).exists() {
        return Ok(());
    }
    let names = fs::read_dir(above).map_err(|e| explain(&e, "list", above))?.flatten();
    let alike: Vec<_> =
        names.map(|one| one.file_name()).filter(|one| one.eq_ignore_ascii_case(name)).collect();
    match alike.first() {
        Some(there) if !alike.iter().any(|one| one == name) => {
            let (path, there) = (path.display(), there.to_string_lossy());
            let message =
                format!("{path} is called {there} there: this file system does not tell them apart");
            Err(StoreError::new(Situation::Other, message)
                .hint("use a name that differs in more than capital and small letters"))
        }
        _ => Ok(()),
    }
}

/// Removes a file, and the folders that are empty then.
pub(super) fn remove(root: &Path, path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(explain(&e, "remove", path)),
        _ => {}
    }
    let within = |folder: &&Path| *folder != root && folder.starts_with(root);
    for folder in path.ancestors().skip(1).take_while(within) {
        // Usually this ends at a folder that is not empty.
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
    Ok(())
}

/// Makes the file names in these folders durable.
pub(super) fn sync_folders<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    for folder in folders {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(|e| explain(&e, "sync", folder))?;
    }
    Ok(())
}

/// Calls `see` for every file below the folder of a prefix, and every symbolic link, with its key, its name and its
/// metadata; does not look into folders that are not ours.
pub(super) fn walk(
    root: &Path,
    prefix: &str,
    steps: &Steps,
    see: &mut dyn FnMut(String, &str, &fs::Metadata),
) -> Result<()> {
    if !root.is_dir() {
        return Err(no_folder(root));
    }
    let start = prefix.rsplit_once('/').map_or("", |(folder, _)| folder);
    let first = if start.is_empty() { root.to_owned() } else { of_key(root, start)? };
    let mut folders = vec![(first, start.to_owned())];
    while let Some((folder, above)) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            // It was removed in between, or never existed: nothing is in it.
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => continue,
            entries => entries.map_err(|e| explain(&e, "list", &folder))?,
        };
        for entry in entries {
            let entry = entry.map_err(|e| explain(&e, "list", &folder))?;
            // A name that is not UTF-8 is not ours.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let key = if above.is_empty() { name.clone() } else { format!("{above}/{name}") };
            steps.done();
            let found = match entry.metadata() {
                Ok(found) => found,
                Err(e) if e.kind() == ErrorKind::NotFound || !is_ours(&name) => continue,
                // What is not seen would look as if it were not there, a manifest too.
                Err(e) => return Err(explain(&e, "look at", &entry.path())),
            };
            if found.is_dir() && is_ours(&name) {
                folders.push((entry.path(), key));
            } else if found.is_file() || found.is_symlink() {
                see(key, &name, &found);
            }
        }
    }
    Ok(())
}

/// Why an object cannot be opened: it, or the whole folder, may not exist.
pub(super) fn missing(error: &io::Error, root: &Path, key: &str, path: &Path) -> StoreError {
    match error.kind() {
        ErrorKind::NotFound if !root.is_dir() => no_folder(root),
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            StoreError::new(Situation::NotFound, format!("there is no object {key}"))
        }
        _ => explain(error, "open", path),
    }
}

fn no_folder(root: &Path) -> StoreError {
    StoreError::new(Situation::NoStore, format!("there is no folder {}", root.display()))
        .hint("check the path, and that its disk is mounted; pgstow creates only the last folder of the path")
}

/// A system error, as a situation.
pub(super) fn explain(error: &io::Error, doing: &str, path: &Path) -> StoreError {
    let (situation, hint) = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            (Situation::NoSpace, Some("free space there, or delete old backups"))
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => (
            Situation::Denied,
            Some(
                "the user who runs pgstow needs permission there: to read all folders, and for a backup to write",
            ),
        ),
        // Missing objects are handled elsewhere: here the folder itself disappeared.
        ErrorKind::NotFound => {
            (Situation::NoStore, Some("check the path, and that its disk is still mounted"))
        }
        ErrorKind::Interrupted => (Situation::Transient, None),
        _ => (Situation::Other, None),
    };
    let said = StoreError::new(situation, format!("{doing} {}: {error}", path.display()));
    match hint {
        Some(hint) => said.hint(hint),
        None => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_and_a_forbidden_folder_have_their_hints() {
        for (errno, situation) in [
            (rustix::io::Errno::NOSPC, Situation::NoSpace),
            (rustix::io::Errno::DQUOT, Situation::NoSpace),
            (rustix::io::Errno::ACCESS, Situation::Denied),
            (rustix::io::Errno::ROFS, Situation::Denied),
            (rustix::io::Errno::NOENT, Situation::NoStore),
        ] {
            let error = explain(&errno.into(), "write", Path::new("/x/y"));
            assert_eq!(error.situation(), situation);
            assert!(error.to_string().contains("/x/y") && !error.hints().is_empty());
        }
    }

    #[test]
    fn a_folder_that_differs_in_case_only_is_another_one() {
        let root = tempfile::tempdir().unwrap();
        let called = |name: &str| refuse_another_case(&root.path().join(name));
        fs::create_dir(root.path().join("APP.1")).unwrap();
        let refused = called("app.1").unwrap_err();
        assert!(refused.to_string().contains("app.1 is called APP.1 there"), "{refused}");
        called("APP.1").unwrap();
        // This one tells them apart.
        fs::create_dir(root.path().join("app.1")).unwrap();
        called("app.1").unwrap();
    }

    #[test]
    fn a_link_does_not_lead_out() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("link")).unwrap();
        assert_eq!(of_key(root.path(), "link/x").unwrap_err().situation(), Situation::Denied);
        assert!(of_key(root.path(), "../x").is_err());
        assert!(of_key(root.path(), "a/.pgstow-x").is_err());
        of_key(root.path(), "a/b").unwrap();
    }

    #[test]
    fn folders_of_the_file_system_are_not_looked_into() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["app", "a%2Fb", "lost+found", ".snapshot", "System Volume Information", "@eaDir"] {
            fs::create_dir(root.path().join(folder)).unwrap();
            fs::write(root.path().join(folder).join("x"), "").unwrap();
            assert_eq!(of_key(root.path(), &format!("{folder}/x")).is_ok(), is_ours(folder), "{folder}");
        }
        let mut seen = Vec::new();
        walk(root.path(), "", &Steps::default(), &mut |key, _, _| seen.push(key)).unwrap();
        seen.sort();
        assert_eq!(seen, ["a%2Fb/x", "app/x"]);
    }
}
