//! An object being written: a hidden file, which gets its parts in any order and its name at the end.

use super::file::{ATTRIBUTE, etag};
use super::leftovers;
use super::paths::{self, HIDDEN, RANDOM, explain};
use super::threads::{Disk, Steps};
use crate::store::Upload;
use crate::store::contract::clock::Clock;
use crate::store::contract::error::{Result, Situation, StoreError};
use crate::store::contract::object::{Metadata, Stored};
use crate::store::multipart::parts::{Confirmed, check_parts};
use crate::store::options::deadline;
use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::XattrFlags;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;
use tempfile::TempPath;

/// The most bytes written at once. For longer writes the kernel takes large pages, which a virtual machine may have given
/// back to its host: to get them again took ten times as long as the copy.
const WRITE: usize = 256 << 10;

/// The stage of an upload.
enum Stage {
    /// Under its hidden name; the file is removed when this is dropped.
    Hidden(TempPath),
    /// Under its own name.
    Visible,
    /// Aborted.
    Gone,
}

/// An upload into a folder. If it is dropped, its file is removed.
pub(super) struct Begun {
    key: String,
    root: PathBuf,
    place: PathBuf,
    part_size: u64,
    file: File,
    stage: Mutex<Stage>,
    parts: Mutex<Confirmed<()>>,
    /// Folders that were created for it, outermost first.
    made: Vec<PathBuf>,
}

impl Begun {
    pub(super) fn begin(
        root: &Path,
        key: &str,
        metadata: &Metadata,
        part_size: u64,
        clock: &Clock,
    ) -> Result<Self> {
        let place = paths::of_key(root, key)?;
        if place.exists() {
            return Err(exists(key));
        }
        let (made, file, hidden) = open_hidden(root, &place)?;
        if let Ok(now) = file.metadata().and_then(|file| file.modified()) {
            clock.shows(now);
        }
        if !metadata.is_empty() {
            let json = serde_json::to_vec(metadata).unwrap_or_default();
            if let Err(e) = rustix::fs::fsetxattr(&file, ATTRIBUTE, &json, XattrFlags::empty()) {
                tracing::debug!("{key}: the file system has no extended attributes: {e}");
            }
        }
        Ok(Self {
            key: key.to_owned(),
            root: root.to_owned(),
            place,
            part_size,
            file,
            stage: Mutex::new(Stage::Hidden(hidden)),
            parts: Mutex::default(),
            made,
        })
    }

    pub(super) fn part(&self, number: u32, bytes: &[u8], steps: &Steps) -> Result<()> {
        let mut at = u64::from(number.saturating_sub(1)) * self.part_size;
        for piece in bytes.chunks(WRITE) {
            self.file.write_all_at(piece, at).map_err(|e| explain(&e, "write", &self.place))?;
            at += piece.len() as u64;
            steps.done();
        }
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.insert(number, (bytes.len() as u64, ()));
        Ok(())
    }

    pub(super) fn complete(&self, bytes: u64) -> Result<Stored> {
        check_parts(&self.parts.lock().unwrap_or_else(PoisonError::into_inner), self.part_size, bytes)?;
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |e| explain(&e, "write", &self.place);
        self.file.sync_all().map_err(failed)?;
        let found = self.file.metadata().map_err(failed)?;
        if found.len() != bytes {
            let message = format!("{} has {} bytes instead of {bytes}", self.place.display(), found.len());
            return Err(StoreError::new(Situation::Damaged, message));
        }
        match std::mem::replace(&mut *stage, Stage::Gone) {
            Stage::Hidden(hidden) => {
                if let Err(refused) = hidden.persist_noclobber(&self.place) {
                    *stage = Stage::Hidden(refused.path);
                    return Err(match refused.error.kind() {
                        std::io::ErrorKind::AlreadyExists => exists(&self.key),
                        _ => failed(refused.error),
                    });
                }
            }
            Stage::Visible => {}
            Stage::Gone => {
                return Err(StoreError::new(
                    Situation::Other,
                    format!("the upload of {} was aborted", self.key),
                ));
            }
        }
        *stage = Stage::Visible;
        let folder = self.place.parent();
        let above = self.made.iter().filter_map(|made| made.parent());
        paths::sync_folders(folder.into_iter().chain(above))?;
        Ok(Stored { bytes, etag: Some(etag(&found)), checksum: None, read_back: true })
    }

    pub(super) fn abort(&self) {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if let Stage::Visible = std::mem::replace(&mut *stage, Stage::Gone) {
            // The caller did not get the completion's answer, and does not count on the object.
            let _ = std::fs::remove_file(&self.place);
        }
        for folder in self.made.iter().rev().filter(|folder| **folder != self.root) {
            // Another backup may use the folder by now.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

fn open_hidden(root: &Path, place: &Path) -> Result<(Vec<PathBuf>, File, TempPath)> {
    let folder = place.parent().unwrap_or(root);
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let suffix = format!("-{name}");
    let mut made = Vec::new();
    for again in [true, true, false] {
        made.extend(paths::make_folders(root, folder)?);
        match tempfile::Builder::new().prefix(HIDDEN).rand_bytes(RANDOM).suffix(&suffix).tempfile_in(folder) {
            Ok(file) => {
                let (file, hidden) = file.into_parts();
                leftovers::hold(&file);
                return Ok((made, file, hidden));
            }
            // A deletion removed the empty folder in between.
            Err(e) if again && e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(explain(&e, "write into", folder)),
        }
    }
    Err(StoreError::new(Situation::Transient, format!("{} keeps disappearing", folder.display())))
}

fn exists(key: &str) -> StoreError {
    StoreError::new(Situation::Exists, format!("{key} exists in the store"))
}

/// How many times longer than other steps the last one may take: the system writes what it still holds in memory.
const COMPLETION: u32 = 10;

/// How long a task waits until the file of an upload that it drops is removed: a disk that hangs must not stop the task.
const A_MOMENT: Duration = Duration::from_secs(1);

/// An upload, and the disk that it goes to.
pub(super) struct Uploading {
    /// `None` once it is dropped.
    begun: Option<Arc<Begun>>,
    disk: Disk,
    request_timeout: Duration,
}

impl Uploading {
    pub(super) fn new(begun: Begun, disk: Disk, request_timeout: Duration) -> Self {
        Self { begun: Some(Arc::new(begun)), disk, request_timeout }
    }

    async fn work<T: Send + 'static>(
        &self,
        deadline: Duration,
        work: impl FnOnce(&Begun, &Steps) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let begun = self.begun.clone();
        let work = move |steps: &Steps| match &begun {
            Some(begun) => work(begun, steps),
            None => Err(StoreError::new(Situation::Other, "the upload has ended")),
        };
        self.disk.work(deadline, work).await
    }
}

#[async_trait]
impl Upload for Uploading {
    async fn part(&self, number: u32, bytes: Bytes) -> Result<()> {
        let deadline = deadline(self.request_timeout, WRITE as u64);
        self.work(deadline, move |begun, steps| begun.part(number, &bytes, steps)).await
    }

    async fn complete(&self, bytes: u64) -> Result<Stored> {
        self.work(self.request_timeout * COMPLETION, move |begun, _| begun.complete(bytes)).await
    }

    async fn abort(&self) -> Result<()> {
        let abort = |begun: &Begun, _: &Steps| {
            begun.abort();
            Ok(())
        };
        self.work(self.request_timeout, abort).await
    }
}

impl Drop for Uploading {
    fn drop(&mut self) {
        let Some(begun) = self.begun.take() else { return };
        let (ended, end) = mpsc::channel();
        let remove = move || {
            drop(begun);
            let _ = ended.send(());
        };
        if std::thread::Builder::new().spawn(remove).is_ok() {
            let _ = end.recv_timeout(A_MOMENT);
        }
    }
}
