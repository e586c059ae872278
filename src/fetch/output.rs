//! Where a fetch writes to: stdout, or a file that has its name only when it is whole.

use crate::error::{Error, Kind, Result};
use crate::temporary::{Partial, folder_of};
use crate::text::harmless;
use indicatif::BinaryBytes;
use rustix::process::geteuid;
use std::error::Error as _;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::AsyncWrite;

/// A chain of links longer than this is a circle, for the kernel too.
const MOST_LINKS: usize = 40;

/// Where a fetch writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// To stdout.
    Stdout,
    /// Into a file.
    File(PathBuf),
}

/// What is to be written, for whom the disk is too small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A dump, or some tables of it, which could be restored instead.
    Dump,
    /// Rows to look at.
    Rows,
}

impl Output {
    /// What a path that was typed means: `-` is stdout, and so are its names in the system: to replace the file that it
    /// leads to would take away what the shell has written there.
    pub fn at(path: PathBuf) -> Self {
        let is_stdout =
            ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name));
        if is_stdout { Self::Stdout } else { Self::File(path) }
    }

    /// Its name, for people.
    pub fn name(&self) -> String {
        match self {
            Output::Stdout => "stdout".to_owned(),
            Output::File(path) => path.display().to_string(),
        }
    }

    /// Whether somebody would read it on a terminal.
    pub fn is_terminal(&self) -> bool {
        *self == Output::Stdout && io::stdout().is_terminal()
    }

    /// This text for whoever gets it: made harmless for people, unchanged for programs.
    pub fn shown(&self, text: Vec<u8>) -> Vec<u8> {
        if !self.is_terminal() {
            return text;
        }
        harmless(&String::from_utf8_lossy(&text)).into_owned().into_bytes()
    }

    /// Refuses a folder, a device or a pipe, and a file that exists unless it may be replaced.
    pub fn free_to_write(&self, force: bool) -> Result<()> {
        let Output::File(path) = self else { return Ok(()) };
        let named = path.display();
        let target = followed(path)?;
        let Ok(there) = path.metadata() else {
            let folder = folder_of(&target);
            return match folder.metadata() {
                Ok(there) if there.is_dir() => Ok(()),
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    Err(Error::local_file(format!("{named} cannot be written: {e}")))
                }
                _ => {
                    let why = format!("{named} cannot be written: {} is no folder", folder.display());
                    Err(Error::local_file(why).hint("make the folder first"))
                }
            };
        };
        if there.is_dir() {
            return Err(Error::usage(format!("{named} is a folder")).hint("the name of a file is wanted"));
        }
        if !there.is_file() {
            return Err(Error::usage(format!("{named} is a device or a pipe, and no file"))
                .hint(format!("write to stdout, and let the shell lead it there: - > {named}")));
        }
        if !force {
            return Err(Error::target_exists(format!("{named} exists")).hint("--force replaces it"));
        }
        Ok(())
    }

    /// Refuses to begin what the disk cannot hold; where the system cannot say, we begin.
    pub fn enough_space(&self, what: What, bytes: u64) -> Result<()> {
        let Output::File(path) = self else { return Ok(()) };
        let Ok(disk) = rustix::fs::statvfs(folder_of(path)) else { return Ok(()) };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free >= bytes {
            return Ok(());
        }
        let (bytes, free, path) = (BinaryBytes(bytes), BinaryBytes(free), path.display());
        let error = match what {
            What::Dump => {
                Error::local_file(format!("the dump has {bytes}, and the disk of {path} has {free} free"))
                    .hint("restore straight into a database, which needs no disk here")
            }
            What::Rows => Error::local_file(format!(
                "the rows have {bytes} in the dump, and the disk of {path} has {free} free"
            ))
            .hint("write to another disk, or to stdout"),
        };
        Err(error.hint("--no-space-check begins all the same"))
    }

    /// Begins to write. A file has another name until [`Writing::commit`], and goes when that is not reached.
    pub fn begin(&self, force: bool) -> Result<Writing> {
        let mut writing = Writing { name: self.name(), force, file: None };
        if let Output::File(path) = self {
            let path = followed(path)?;
            let partial = Partial::begin(folder_of(&path)).map_err(|e| writing.unwritable(nameless(e)))?;
            writing.file = Some((partial, path));
        }
        Ok(writing)
    }
}

/// An output that is being written.
pub struct Writing {
    name: String,
    force: bool,
    file: Option<(Partial, PathBuf)>,
}

impl Writing {
    /// What to write into; it is to be flushed.
    pub fn sink(&self) -> Result<Box<dyn AsyncWrite + Unpin + Send>> {
        match &self.file {
            None => Ok(Box::new(tokio::io::stdout())),
            Some((partial, _)) => Ok(Box::new(tokio::fs::File::from_std(self.another(partial)?))),
        }
    }

    /// The same, for a child.
    pub fn stdio(&self) -> Result<Stdio> {
        match &self.file {
            None => Ok(Stdio::inherit()),
            Some((partial, _)) => Ok(self.another(partial)?.into()),
        }
    }

    /// Bytes written so far, where that is known.
    pub fn bytes(&self) -> Option<u64> {
        self.file.as_ref()?.0.file().metadata().ok().map(|there| there.len())
    }

    fn another(&self, partial: &Partial) -> Result<File> {
        partial.file().try_clone().map_err(|e| self.unwritable(e))
    }

    /// Lets everyone read the file who may read the one that it replaces, as a web server.
    pub fn keep_mode(&self) -> Result<()> {
        let Some((partial, path)) = &self.file else { return Ok(()) };
        let Ok(there) = path.metadata() else { return Ok(()) };
        partial.file().set_permissions(there.permissions()).map_err(|e| self.unwritable(e))
    }

    /// Gives the file its name, now that it is whole.
    pub async fn commit(mut self) -> Result<()> {
        let Some((partial, path)) = self.file.take() else { return Ok(()) };
        let file = self.another(&partial)?;
        tokio::fs::File::from_std(file).sync_all().await.map_err(|e| self.unwritable(e))?;
        partial.commit(&path, self.force).map_err(|e| self.unwritable(e))
    }

    fn unwritable(&self, error: io::Error) -> Error {
        self.undelivered(Error::from_io(error, Kind::LocalFile, "write"))
    }

    /// Names the output where that is what failed; other failures pass as they are.
    pub fn undelivered(&self, error: Error) -> Error {
        if error.kind() != Kind::LocalFile {
            return error;
        }
        let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        let why = cause.map_or_else(|| error.to_string(), ToString::to_string);
        let closed = cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe);
        let error = Error::local_file(format!("{} cannot be written: {why}", self.name));
        if closed { error.hint("whoever reads our output stopped reading before the end") } else { error }
    }
}

/// Where a link leads, whether or not there is a file yet; any other path as it is.
///
/// A link that another user made is refused: it could lead anywhere this user may write.
fn followed(path: &Path) -> Result<PathBuf> {
    let user = geteuid().as_raw();
    follow(path, |uid| uid == user || uid == 0)
}

fn follow(path: &Path, is_trusted: impl Fn(u32) -> bool) -> Result<PathBuf> {
    let mut followed = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(target) = followed.read_link() else { return Ok(followed) };
        match followed.symlink_metadata() {
            Ok(link) if is_trusted(link.uid()) => {}
            Ok(link) => {
                let (named, uid) = (followed.display(), link.uid());
                return Err(Error::local_file(format!(
                    "{named} is a link that another user made (uid {uid}), and is not followed"
                ))
                .hint(format!("it leads to {}; name that file if you mean it", target.display())));
            }
            Err(e) => return Err(Error::from_io(e, Kind::LocalFile, "look at the link")),
        }
        followed = folder_of(&followed).join(target);
    }
    Err(Error::local_file(format!("{} is a link that leads nowhere", path.display())))
}

/// The failure without the name of the temporary file, which means nothing to anybody.
fn nameless(error: io::Error) -> io::Error {
    error.kind().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_disk_that_is_too_small_has_the_advice_for_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let output = Output::at(folder.path().join("app.csv"));
        let error = |what| output.enough_space(what, u64::MAX).unwrap_err();
        assert!(error(What::Dump).hints()[0].starts_with("restore straight into a database"));
        let rows = error(What::Rows);
        assert!(rows.message().starts_with("the rows have "), "{rows}");
        assert!(rows.hints()[0].starts_with("write to another disk"), "{rows:?}");
    }

    #[tokio::test]
    async fn a_page_keeps_the_mode_of_the_one_before_and_a_dump_does_not() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.html");
        let mode = || path.metadata().unwrap().permissions().mode() & 0o777;
        let write = async |keep: bool| {
            let writing = Output::at(path.clone()).begin(true).unwrap();
            if keep {
                writing.keep_mode().unwrap();
            }
            writing.commit().await.unwrap();
        };
        write(true).await;
        assert_eq!(mode(), 0o600, "a new one is for its owner");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        write(true).await;
        assert_eq!(mode(), 0o644);
        write(false).await;
        assert_eq!(mode(), 0o600);
    }

    #[test]
    fn a_link_that_another_user_made_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let [link, second, file] = ["link", "second", "file"].map(|name| folder.path().join(name));
        symlink("second", &link).unwrap();
        symlink(&file, &second).unwrap();
        assert_eq!(followed(&link).unwrap(), file, "a user's own links lead to a file that is not there yet");
        assert_eq!(followed(&file).unwrap(), file);

        let error = follow(&link, |_| false).unwrap_err();
        assert!(error.message().contains("another user made"), "{error}");
        assert_eq!(error.hints(), ["it leads to second; name that file if you mean it"]);
        assert_eq!(follow(&file, |_| false).unwrap(), file, "what is no link is not looked at");
    }
}
