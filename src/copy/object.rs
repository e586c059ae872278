//! One object from a store into another: read ahead, its digest computed on the way, in parts of the target's size.
//!
//! The object becomes visible in the target only if its bytes have the length and the digest that the manifest says.

use super::same::different;
use crate::error::{Error, Result};
use crate::pipeline::{Background, Tally};
use crate::progress::Progress;
use crate::run::Run;
use crate::store::{Metadata, Situation, Store};
use crate::stored::download::{self, Options};
use crate::stored::find::catalogue::Backup;
use crate::stored::find::contents::missing;
use crate::stored::format::digest::Digest;
use crate::stored::format::manifest::{self, Object};
use crate::stored::upload::{self, Uploading};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, TryStreamExt};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;

/// Ranges read at the same time, and parts sent at the same time, by all backups together: so memory does not grow
/// with the number of backups that are copied at the same time, up to this number.
const AT_ONCE: usize = 4;

/// The way from one store to another.
pub(super) struct Way {
    pub(super) from: Arc<dyn Store>,
    pub(super) to: Arc<dyn Store>,
    pub(super) progress: Progress,
    reading: Options,
    uploads: usize,
}

impl Way {
    /// The way for this number of backups at the same time.
    pub(super) fn new(from: Arc<dyn Store>, to: Arc<dyn Store>, at_once: usize, progress: Progress) -> Self {
        let each = (AT_ONCE / at_once).max(1);
        let reading = Options { in_flight: each, ..Options::default() };
        Self { from, to, progress, reading, uploads: each }
    }

    /// Copies one object of a backup, unless the target has it.
    pub(super) async fn object(&self, backup: &Backup, object: &Object, run: &Run) -> Result<()> {
        let key = backup.place.key(&object.key);
        if run.or(self.has(&key, object)).await? {
            self.progress.plain.fetch_add(object.stored_bytes, Ordering::Relaxed);
            return Ok(());
        }
        let limits = self.to.limits();
        if object.stored_bytes > limits.max_object {
            return Err(Error::store(format!("{key} is larger than {} takes", self.to.display_url())));
        }
        let part_size = upload::part_size(limits, Some(object.stored_bytes), None)?;
        let looking = async {
            match self.from.head(&key).await {
                Err(error) => Err(missing(&*self.from, &backup.place, &key, error.into()).await),
                Ok(info) => Ok(info),
            }
        };
        let info = run.or(looking).await?;
        let is_dump = backup.manifest.dump().is_ok_and(|dump| dump.key == object.key);
        // A folder on a file system without extended attributes has no metadata.
        let metadata = match info.metadata.is_empty() && is_dump {
            true => backup.manifest.metadata(),
            false => info.metadata,
        };
        let stretch = 0..object.stored_bytes;
        let bytes = download::ranges(Arc::clone(&self.from), &key, stretch, info.etag, self.reading);
        let written = match metadata.is_empty() && object.stored_bytes <= part_size {
            true => run.or(self.put(&key, bytes, object)).await,
            false => self.upload(&key, bytes, object, &metadata, part_size, run).await,
        };
        // Another run may have written it meanwhile, and removed this upload as one of no use.
        let is_overtaken = |error: &Error| {
            matches!(error.situation(), Some(Situation::Exists | Situation::NotFound | Situation::Other))
        };
        match written {
            Err(error) if is_overtaken(&error) => match run.or(self.has(&key, object)).await {
                Ok(true) => Ok(()),
                _ => Err(error),
            },
            written => written,
        }
    }

    /// Whether the target has the object: a copy that was killed may have come so far.
    ///
    /// It is read, as only its digest shows what it is.
    async fn has(&self, key: &str, object: &Object) -> Result<bool> {
        let info = match self.to.head(key).await {
            Ok(info) => info,
            // Credentials that may only write find out when they try.
            Err(error) if matches!(error.situation(), Situation::NotFound | Situation::Denied) => {
                return Ok(false);
            }
            Err(error) if error.situation() == Situation::NoStore => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        if info.bytes != object.stored_bytes {
            return Err(different(key, &self.to.display_url()));
        }
        let stretch = 0..info.bytes;
        let bytes = download::ranges(Arc::clone(&self.to), key, stretch, info.etag, self.reading);
        match agrees(&download::tally(bytes).await?, object) {
            true => Ok(true),
            false => Err(different(key, &self.to.display_url())),
        }
    }

    /// The key of an object that the target lacks now, or does not have at its size.
    pub(super) async fn lacks(&self, backup: &Backup) -> Result<Option<String>> {
        for object in &backup.manifest.objects {
            let key = backup.place.key(&object.key);
            match self.to.head(&key).await {
                Ok(info) if info.bytes == object.stored_bytes => {}
                // Credentials that may only write cannot know it.
                Err(error) if error.situation() == Situation::Denied => {}
                Err(error) if error.situation() != Situation::NotFound => return Err(error.into()),
                _ => return Ok(Some(key)),
            }
        }
        Ok(None)
    }

    /// Writes a small object in one request, as a backup does: then the store refuses to overwrite, if it can.
    async fn put(
        &self,
        key: &str,
        bytes: impl Stream<Item = Result<Bytes>> + Unpin,
        object: &Object,
    ) -> Result<()> {
        let bytes: Bytes = bytes.try_collect::<Vec<_>>().await?.concat().into();
        if !agrees(&Tally::of(&bytes), object) {
            return Err(damaged(key));
        }
        self.to.put_new(key, bytes).await?;
        self.progress.plain.fetch_add(object.stored_bytes, Ordering::Relaxed);
        self.progress.stored.fetch_add(object.stored_bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Sends an object in parts. It is complete and what the manifest says, or the upload is aborted.
    async fn upload(
        &self,
        key: &str,
        bytes: impl Stream<Item = Result<Bytes>> + Unpin,
        object: &Object,
        metadata: &Metadata,
        part_size: u64,
        run: &Run,
    ) -> Result<()> {
        let upload = Uploading::begin_for(run, &*self.to, key, metadata, part_size).await?;
        let make = async |parts| {
            let tally = self.cut(bytes, part_size, parts).await?;
            if agrees(&tally, object) { Ok(tally) } else { Err(damaged(key)) }
        };
        upload.deliver(run, self.uploads, Arc::clone(&self.progress.stored), make).await.map(drop)
    }

    /// Cuts a stream into parts, and computes its tally.
    async fn cut(
        &self,
        mut bytes: impl Stream<Item = Result<Bytes>> + Unpin,
        part_size: u64,
        parts: mpsc::Sender<Bytes>,
    ) -> Result<Tally> {
        let size = usize::try_from(part_size)
            .map_err(|e| Error::usage("such parts do not fit into memory").because(e))?;
        let (to_tally, tally) = Background::tally();
        // Whoever does not take a part or a chunk any more says itself why.
        let send = async |part: Bytes| {
            let _ = parts.send(part).await;
        };
        let (mut part, mut sent_any) = (BytesMut::new(), false);
        while let Some(mut chunk) = bytes.try_next().await? {
            self.progress.plain.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            to_tally.show(chunk.clone()).await;
            while !chunk.is_empty() {
                if part.capacity() == 0 {
                    part.reserve(size);
                }
                let now = chunk.split_to(chunk.len().min(size - part.len()));
                part.extend_from_slice(&now);
                if part.len() == size {
                    send(std::mem::take(&mut part).freeze()).await;
                    sent_any = true;
                }
            }
        }
        // An empty object is one empty part.
        if !part.is_empty() || !sent_any {
            send(part.freeze()).await;
        }
        drop((to_tally, parts));
        tally.await
    }

    /// Reads a signature or a manifest of the source; `None` if it is not there.
    pub(super) async fn small(&self, key: &str) -> Result<Option<Bytes>> {
        small(&self.from, key, self.reading).await
    }

    /// The same of the target.
    pub(super) async fn there(&self, key: &str) -> Result<Option<Bytes>> {
        small(&self.to, key, self.reading).await
    }
}

async fn small(store: &Arc<dyn Store>, key: &str, reading: Options) -> Result<Option<Bytes>> {
    let info = match store.head(key).await {
        Err(error) if error.situation() == Situation::NotFound => return Ok(None),
        info => info?,
    };
    if info.bytes > manifest::LARGEST {
        return Err(Error::verify(format!("{key} is too large for what its name says")));
    }
    download::small(store, key, info.bytes, info.etag, reading).await.map(Some)
}

fn agrees(tally: &Tally, object: &Object) -> bool {
    tally.bytes == object.stored_bytes && Digest(tally.sha256) == object.stored_sha256
}

fn damaged(key: &str) -> Error {
    Error::verify(format!("{key} is not what its manifest says, and was not copied"))
        .hint("`pgstow verify` reads the backup again; another backup may be whole")
}
