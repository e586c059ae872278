//! Where a fetch writes to: stdout, or a file that has its name only when it is whole.

use crate::error::{Error, Kind, Result};
use crate::settings::Output;
use indicatif::BinaryBytes;
use std::error::Error as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempPath;
use tokio::io::AsyncWrite;

impl Output {
    /// What people are told about it.
    pub fn name(&self) -> String {
        match self {
            Output::Stdout => "stdout".to_owned(),
            Output::File(path) => path.display().to_string(),
        }
    }

    /// Refuses a folder, and a file that exists unless it may be replaced.
    pub fn free_to_write(&self, force: bool) -> Result<()> {
        let Output::File(path) = self else { return Ok(()) };
        if path.is_dir() {
            return Err(
                Error::usage(format!("{} is a folder", path.display())).hint("the name of a file is wanted")
            );
        }
        if path.exists() && !force {
            return Err(
                Error::target_exists(format!("{} exists", path.display())).hint("--force replaces it")
            );
        }
        Ok(())
    }

    /// Refuses to begin what the disk cannot hold; where the system cannot say, we begin.
    pub fn enough_space(&self, bytes: u64) -> Result<()> {
        let Output::File(path) = self else { return Ok(()) };
        let Ok(disk) = rustix::fs::statvfs(folder_of(path)) else { return Ok(()) };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free >= bytes {
            return Ok(());
        }
        Err(Error::local_file(format!(
            "the archive has {}, and the disk of {} has {} free",
            BinaryBytes(bytes),
            path.display(),
            BinaryBytes(free)
        ))
        .hint("restore straight into a database, which needs no disk here; --no-space-check begins all the same"))
    }

    /// Begins to write. A file has another name until [`Writing::commit`], and goes when that is not reached.
    pub fn begin(&self, force: bool) -> Result<Writing> {
        let mut writing = Writing { name: self.name(), force, file: None };
        if let Output::File(path) = self {
            let mut temporary = tempfile::Builder::new();
            let temporary = temporary.prefix(".pgstow-").suffix(".partial").tempfile_in(folder_of(path));
            let (file, temporary) = temporary.map_err(|e| writing.unwritable(e))?.into_parts();
            writing.file = Some((file, temporary, path.clone()));
        }
        Ok(writing)
    }
}

/// An output that is being written.
pub struct Writing {
    name: String,
    force: bool,
    file: Option<(File, TempPath, PathBuf)>,
}

impl Writing {
    /// What to write into; it is to be flushed.
    pub fn sink(&self) -> Result<Box<dyn AsyncWrite + Unpin + Send>> {
        match &self.file {
            None => Ok(Box::new(tokio::io::stdout())),
            Some((file, ..)) => Ok(Box::new(tokio::fs::File::from_std(self.another(file)?))),
        }
    }

    /// The same, for a child.
    pub fn stdio(&self) -> Result<Stdio> {
        match &self.file {
            None => Ok(Stdio::inherit()),
            Some((file, ..)) => Ok(self.another(file)?.into()),
        }
    }

    fn another(&self, file: &File) -> Result<File> {
        file.try_clone().map_err(|e| self.unwritable(e))
    }

    /// Gives the file its name, now that it is whole.
    pub async fn commit(mut self) -> Result<()> {
        let Some((file, temporary, path)) = self.file.take() else { return Ok(()) };
        tokio::fs::File::from_std(file).sync_all().await.map_err(|e| self.unwritable(e))?;
        let named = if self.force { temporary.persist(path) } else { temporary.persist_noclobber(path) };
        named.map_err(|e| self.unwritable(e.error))
    }

    fn unwritable(&self, error: std::io::Error) -> Error {
        self.undelivered(Error::from_io(error, Kind::LocalFile, "write"))
    }

    /// Names the output where that is what failed; other failures pass as they are.
    pub fn undelivered(&self, error: Error) -> Error {
        if error.kind() != Kind::LocalFile {
            return error;
        }
        let cause = error.source().and_then(|cause| cause.downcast_ref::<std::io::Error>());
        let why = cause.map_or_else(|| error.to_string(), ToString::to_string);
        let closed = cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::BrokenPipe);
        let error = Error::local_file(format!("{} cannot be written: {why}", self.name)).because(error);
        if closed { error.hint("whoever reads our output stopped reading before the end") } else { error }
    }
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}
