//! Temporary files without a name, so that a run that is killed leaves nothing: the kernel removes them.
//!
//! A file system that knows no such files (NFS, for one) gets files with a name, which are removed when the run
//! ends. Nobody but their owner can read either.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::{NamedTempFile, TempDir, TempPath};

/// A file that gets its name only when it is whole.
pub struct Partial {
    file: File,
    folder: PathBuf,
    /// The name it has until then; `None` if it has none.
    hidden: Option<TempPath>,
}

impl Partial {
    /// Begins a file that will be in this folder.
    pub fn begin(folder: &Path) -> io::Result<Self> {
        if !folder.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let folder = folder.to_owned();
        if let Ok(file) = nameless(&folder) {
            return Ok(Self { file, folder, hidden: None });
        }
        let (file, hidden) = named().tempfile_in(&folder)?.into_parts();
        Ok(Self { file, folder, hidden: Some(hidden) })
    }

    /// The file, to write into.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name; a file that has it already is an error, unless it may be replaced. What has the name and is
    /// no file, as a device, is never replaced: root may do that, and `/dev/null` would be a file for everybody.
    ///
    /// A machine that loses power keeps the old file or the whole new one.
    pub fn commit(self, path: &Path, replace: bool) -> io::Result<()> {
        let (folder, file) = (self.folder, self.file);
        if replace && path.metadata().is_ok_and(|there| !there.is_file()) {
            return Err(io::Error::other("it is no file, and only a file is replaced"));
        }
        file.sync_all()?;
        let persist = |hidden: TempPath| match replace {
            true => hidden.persist(path),
            false => hidden.persist_noclobber(path),
        };
        match self.hidden {
            Some(hidden) => persist(hidden).map_err(|e| e.error)?,
            None if !replace => link(&file, path)?,
            // Only a file with a name can take another one's place.
            None => {
                let hidden = named().make_in(&folder, |path| link(&file, path))?.into_temp_path();
                persist(hidden).map_err(|e| e.error)?;
            }
        }
        sync_folder(&folder);
        Ok(())
    }
}

/// The folder that a file with this path is in.
pub fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A folder that only its owner can look into; it goes away with what this returns.
pub fn folder(parent: &Path, prefix: &str) -> io::Result<TempDir> {
    tempfile::Builder::new().prefix(prefix).permissions(Permissions::from_mode(0o700)).tempdir_in(parent)
}

/// Makes the names in a folder durable, if its file system can do that.
fn sync_folder(folder: &Path) {
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

fn named() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".pgstow-").suffix(".partial");
    builder
}

#[cfg(target_os = "linux")]
fn nameless(folder: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let file =
        rustix::fs::open(folder, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR)?;
    let file = File::from(file);
    // To give it a name later takes /proc.
    own_path(&file).metadata().map(|_| file)
}

#[cfg(not(target_os = "linux"))]
fn nameless(_: &Path) -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Gives a nameless file a name that is free.
fn link(file: &File, path: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, linkat};
    Ok(linkat(CWD, own_path(file), CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

/// A path by which this process can open a file that is open here.
fn own_path(file: &File) -> PathBuf {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()).into()
}

/// A file for a child to open by its path, as often as it likes.
pub struct Scratch {
    /// With it the file goes away.
    file: File,
    hidden: Option<TempPath>,
}

/// By this path a child can open what it has as stdin. That of another process's file may be closed to it.
const OWN_STDIN: &str = "/proc/self/fd/0";

impl Scratch {
    /// Writes these bytes into a file in the temporary folder.
    pub fn new(bytes: &[u8]) -> io::Result<Self> {
        let (mut file, hidden) = if Path::new(OWN_STDIN).symlink_metadata().is_ok() {
            (tempfile::tempfile()?, None)
        } else {
            let (file, hidden) = NamedTempFile::new()?.into_parts();
            (file, Some(hidden))
        };
        file.write_all(bytes)?;
        Ok(Self { file, hidden })
    }

    /// What the child must have as stdin.
    pub fn stdin(&self) -> io::Result<Stdio> {
        self.file.try_clone().map(Stdio::from)
    }

    /// The path by which the child opens it then; good for as long as this lives.
    pub fn path(&self) -> &Path {
        self.hidden.as_deref().unwrap_or(Path::new(OWN_STDIN))
    }

    /// Makes it somebody else's, who is to read it.
    pub fn give(&self, uid: u32, gid: u32) -> io::Result<()> {
        std::os::unix::fs::fchown(&self.file, Some(uid), Some(gid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType, Mode};

    fn begun(folder: &Path, has_name: bool) -> Partial {
        let partial = Partial::begin(folder).unwrap();
        partial.file().try_clone().unwrap().write_all(b"new").unwrap();
        if !has_name {
            return partial;
        }
        let (file, hidden) = named().tempfile_in(folder).unwrap().into_parts();
        file.try_clone().unwrap().write_all(b"new").unwrap();
        Partial { file, folder: folder.to_owned(), hidden: Some(hidden) }
    }

    #[test]
    fn a_file_has_its_name_when_it_is_whole_and_not_before() {
        for has_name in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x");
            let files = || std::fs::read_dir(folder.path()).unwrap().count();
            let partial = begun(folder.path(), has_name);
            assert_eq!(files(), usize::from(has_name));
            partial.commit(&path, false).unwrap();
            assert_eq!((files(), std::fs::read(&path).unwrap()), (1, b"new".to_vec()));
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);

            std::fs::write(&path, "old").unwrap();
            let taken = begun(folder.path(), has_name).commit(&path, false).unwrap_err();
            assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(std::fs::read(&path).unwrap(), b"old");
            begun(folder.path(), has_name).commit(&path, true).unwrap();
            assert_eq!((files(), std::fs::read(&path).unwrap()), (1, b"new".to_vec()));
            drop(begun(folder.path(), has_name));
            assert_eq!(files(), 1);
        }
    }

    #[test]
    fn what_is_no_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [pipe, link] = ["pipe", "link"].map(|name| folder.path().join(name));
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        for path in [&pipe, &link] {
            let refused = begun(folder.path(), false).commit(path, true).unwrap_err();
            assert_eq!(refused.to_string(), "it is no file, and only a file is replaced");
            assert!(!path.metadata().unwrap().is_file());
        }
    }

    #[test]
    fn a_folder_is_its_owners_alone() {
        let folder = folder(&std::env::temp_dir(), "pgstow-").unwrap();
        assert_eq!(folder.path().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_child_reads_what_has_no_name() {
        let scratch = Scratch::new(b"entries").unwrap();
        let mut cat = std::process::Command::new("cat");
        // From the beginning, however often.
        let output = cat.args([scratch.path(), scratch.path()]).stdin(scratch.stdin().unwrap()).output();
        assert_eq!(output.unwrap().stdout, b"entriesentries");
    }
}
