//! A folder as a store: an object is a file, visible when it is complete.
//!
//! Folders get mode 0700 and files 0600. A file that is being written has a name that begins with `.pgstow-`, next
//! to its later name; no list shows it. No symbolic link below the folder is followed, and files of others are not
//! touched. What does not answer is given up, as a request to a server is.

mod file;
mod leftovers;
mod paths;
mod threads;
mod upload;

use super::options::deadline;
use super::url::StoreUrl;
use super::{Chunks, Store, Upload};
use crate::store::contract::attempt::Attempt;
use crate::store::contract::clock::Clock;
use crate::store::contract::error::{Result, Situation, StoreError};
use crate::store::contract::limits::Limits;
use crate::store::contract::object::{Listed, Metadata, ObjectInfo, Page, Stored, Unfinished};
use async_trait::async_trait;
use bytes::Bytes;
use file::{attribute, etag, open};
use futures_util::{StreamExt, stream};
use leftovers::Said;
use paths::{HIDDEN, explain, object_of};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use threads::{Disk, Steps};
use upload::{Begun, Uploading};

/// Bytes that one read asks the kernel for.
const CHUNK: u64 = 1 << 20;

/// A folder that keeps objects as files.
pub(super) struct Folder {
    root: PathBuf,
    disk: Disk,
    request_timeout: Duration,
    /// What was said of files of killed runs.
    said: Arc<Said>,
    /// That of the machine with the disk, which files get their times from.
    clock: Arc<Clock>,
}

impl Folder {
    /// The store in this folder; the folder is created with the first object, if its parent exists.
    ///
    /// `request_timeout` is how long its disk may take for one step of what it is asked.
    pub(super) fn new(root: PathBuf, request_timeout: Duration) -> Self {
        Self {
            disk: Disk::new(root.clone()),
            root,
            request_timeout,
            said: Arc::default(),
            clock: Arc::default(),
        }
    }

    async fn on<T: Send + 'static>(
        &self,
        key: &str,
        work: impl FnOnce(&Path, &str) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.in_steps(key, move |root, key, _| work(root, key)).await
    }

    async fn in_steps<T: Send + 'static>(
        &self,
        key: &str,
        work: impl FnOnce(&Path, &str, &Steps) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (root, key) = (self.root.clone(), key.to_owned());
        self.disk.work(self.request_timeout, move |steps| work(&root, &key, steps)).await
    }
}

#[async_trait]
impl Store for Folder {
    fn limits(&self) -> Limits {
        Limits {
            max_parts: u32::MAX,
            min_part: 1,
            // Each is held in memory: as much as other stores take.
            max_part: 5 << 30,
            max_object: i64::MAX.unsigned_abs(),
            max_metadata: 2048,
            put_is_create_only: true,
            complete_is_create_only: true,
        }
    }

    fn display_url(&self) -> String {
        StoreUrl::File(self.root.clone()).to_string()
    }

    async fn begin(&self, key: &str, metadata: &Metadata, part_size: u64) -> Result<Box<dyn Upload>> {
        let metadata = metadata.clone();
        let (said, clock) = (Arc::clone(&self.said), Arc::clone(&self.clock));
        let begin = move |root: &Path, key: &str, steps: &Steps| {
            leftovers::clear(root, key, (&said, steps));
            Begun::begin(root, key, &metadata, part_size, &clock)
        };
        let begun = self.in_steps(key, begin).await?;
        Ok(Box::new(Uploading::new(begun, self.disk.clone(), self.request_timeout)))
    }

    async fn put_new(&self, key: &str, bytes: Bytes) -> Result<Stored> {
        let (length, clock) = (bytes.len() as u64, Arc::clone(&self.clock));
        self.in_steps(key, move |root, key, steps| {
            let begun = Begun::begin(root, key, &Metadata::new(), length, &clock)?;
            let stored = begun.part(1, &bytes, steps).and_then(|()| begun.complete(length));
            if stored.is_err() {
                begun.abort();
            }
            stored
        })
        .await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo> {
        self.on(key, |root, key| {
            let (file, found) = open(root, key)?;
            Ok(ObjectInfo {
                bytes: found.len(),
                etag: Some(etag(&found)),
                checksum: None,
                metadata: attribute(&file),
            })
        })
        .await
    }

    async fn read(&self, key: &str, range: Range<u64>, pinned: Option<&str>) -> Result<Chunks> {
        let (file, found) = self.on(key, open).await?;
        let pinned = pinned.map(str::to_owned);
        let unchanged = move |found: &std::fs::Metadata| match &pinned {
            Some(pinned) if *pinned != etag(found) => Err(changed()),
            _ => Ok(()),
        };
        unchanged(&found)?;
        let (file, unchanged) = (Arc::new(file), Arc::new(unchanged));
        let (disk, deadline) = (self.disk.clone(), deadline(self.request_timeout, CHUNK));
        let chunks = stream::try_unfold(range.start, move |from| {
            let (file, unchanged, end) = (Arc::clone(&file), Arc::clone(&unchanged), range.end);
            let disk = disk.clone();
            async move {
                let length = end.saturating_sub(from).min(CHUNK);
                if length == 0 {
                    return Ok(None);
                }
                disk.work(deadline, move |_| {
                    let failed =
                        |e| StoreError::new(Situation::Other, format!("read the folder: {e}")).because(e);
                    let mut chunk = vec![0; usize::try_from(length).unwrap_or_default()];
                    let got = file.read_at(&mut chunk, from).map_err(failed)?;
                    unchanged(&file.metadata().map_err(failed)?)?;
                    chunk.truncate(got);
                    Ok((got > 0).then(|| (Bytes::from(chunk), from + got as u64)))
                })
                .await
            }
        });
        Ok(chunks.boxed())
    }

    async fn page(&self, prefix: &str, _: Option<&str>) -> Result<Page> {
        let said = Arc::clone(&self.said);
        self.in_steps(prefix, move |root, prefix, steps| {
            let mut objects = Vec::new();
            paths::walk(root, prefix, steps, &mut |key, name, file| {
                if file.is_symlink() {
                    let path = root.join(&key);
                    if paths::is_ours(name) && path.is_dir() && said.for_the_first_time(&path) {
                        tracing::warn!("{} is a symbolic link: what is in it is not seen", path.display());
                    }
                } else if !name.starts_with(HIDDEN) && key.starts_with(prefix) {
                    objects.push(Listed { key, bytes: file.len(), modified: file.modified().ok() });
                }
            })?;
            Ok(Page { objects, ignored: 0, next: None })
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.on(key, |root, key| paths::remove(root, &paths::of_key(root, key)?)).await
    }

    async fn unfinished(&self, prefix: &str) -> Result<Vec<Unfinished>> {
        self.in_steps(prefix, |root, prefix, steps| {
            let mut found = Vec::new();
            paths::walk(root, prefix, steps, &mut |path, name, file| {
                if let Some(object) = object_of(name).filter(|_| file.is_file()) {
                    let key = format!("{}{object}", path.strip_suffix(name).unwrap_or_default());
                    if key.starts_with(prefix) {
                        let started = file.created().or_else(|_| file.modified()).ok();
                        found.push(Unfinished { key, id: name.to_owned(), started });
                    }
                }
            })?;
            found.sort_by(|a, b| (&a.key, &a.id).cmp(&(&b.key, &b.id)));
            Ok(found)
        })
        .await
    }

    async fn abort_unfinished(&self, upload: &Unfinished) -> Result<()> {
        let id = upload.id.clone();
        self.on(&upload.key, move |root, key| {
            let place = paths::of_key(root, key)?;
            if object_of(&id) != place.file_name().and_then(|name| name.to_str()) {
                return Err(StoreError::new(Situation::Other, format!("{id:?} is not an upload of {key}")));
            }
            paths::remove(root, &place.with_file_name(id))
        })
        .await
    }

    async fn last_written(&self, upload: &Unfinished) -> Result<Option<SystemTime>> {
        let id = upload.id.clone();
        self.on(&upload.key, move |root, key| {
            let path = paths::of_key(root, key)?.with_file_name(id);
            // What is being written is written now, however long the writer waits for more.
            if !leftovers::is_abandoned(&path) {
                return Ok(Some(SystemTime::now()));
            }
            Ok(path.metadata().and_then(|file| file.modified()).ok())
        })
        .await
    }

    fn now(&self) -> Option<SystemTime> {
        self.clock.now()
    }

    async fn attempt(&self, attempt: Attempt, key: &str) -> Result<()> {
        let Attempt::Overwrite(bytes) = attempt else {
            return Err(StoreError::new(Situation::Unsupported, "a folder has neither versions nor locks"));
        };
        self.on(key, move |root, key| {
            let path = paths::of_key(root, key)?;
            std::fs::write(&path, bytes).map_err(|e| explain(&e, "overwrite", &path))
        })
        .await
    }

    async fn free_space(&self) -> Result<Option<u64>> {
        self.on("", |root, _| {
            let there = root.ancestors().find(|path| path.exists()).unwrap_or(root);
            let space =
                rustix::fs::statvfs(there).map_err(|e| explain(&e.into(), "ask for free space on", there))?;
            // A file system without blocks, such as /proc, cannot say.
            Ok((space.f_blocks > 0).then(|| space.f_bavail.saturating_mul(space.f_frsize)))
        })
        .await
    }
}

fn changed() -> StoreError {
    StoreError::new(Situation::Changed, "the object was replaced while it was read")
}
