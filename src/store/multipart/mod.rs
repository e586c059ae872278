//! An upload in parts, whatever the protocol: parts that are confirmed, a completion that can be repeated, an abort.

pub(super) mod metadata;
pub(super) mod parts;
pub(super) mod protocol;
pub(super) mod sum;

use crate::store::Upload;
use crate::store::contract::error::{Result, Situation, StoreError};
use crate::store::contract::object::{Metadata, ObjectInfo, Stored};
use crate::store::multipart::metadata::{from_headers, to_headers};
use crate::store::multipart::parts::{Confirmed, check_parts};
use crate::store::multipart::protocol::{Begun, Part, Protocol, Sent, exists, on_the_way, whole};
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The metadata name of an upload's nonce, by which our object is recognised.
const NONCE: &str = "upload";

/// Begins an upload.
pub(super) async fn begin<P: Protocol>(
    service: Arc<P>,
    full: String,
    metadata: &Metadata,
    part_size: u64,
) -> Result<Box<dyn Upload>> {
    let limits = service.limits();
    if !limits.complete_is_create_only {
        service.refuse_existing(&full).await?;
    }
    let mut metadata = metadata.clone();
    metadata.insert(NONCE.to_owned(), nonce()?);
    let metadata = to_headers(&metadata, limits.max_metadata)?;
    let id = service.begin(&full, &metadata).await?;
    let (begun, parts, asked) = (Begun { full, id, metadata }, Mutex::default(), AtomicBool::new(false));
    Ok(Box::new(Multipart { service, begun, part_size, parts, asked }))
}

/// Looks at an object, as [`Store::head`](crate::store::Store::head) does: without the nonce.
pub(super) async fn head(service: &impl Protocol, full: &str) -> Result<ObjectInfo> {
    let mut info = service.look(full).await?;
    info.metadata.remove(NONCE);
    Ok(info)
}

fn nonce() -> Result<String> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random)
        .map_err(|e| StoreError::new(Situation::Other, format!("the system has no random bytes: {e}")))?;
    Ok(hex::encode(random))
}

/// An upload that was begun.
struct Multipart<P> {
    service: Arc<P>,
    begun: Begun,
    part_size: u64,
    parts: Mutex<Confirmed<Part>>,
    /// Whether a completion was requested before, so that the object may exist already.
    asked: AtomicBool,
}

impl<P: Protocol> Multipart<P> {
    async fn ask(&self, list: Vec<(u32, String)>, sent: &Sent) -> Result<Stored> {
        let said = self.service.finish(&self.begun, list, sent).await?;
        self.service.confirm(&self.begun.full, sent, said).await
    }

    /// An empty object: a completion needs a part, and not every store accepts an empty one.
    async fn put_empty(&self) -> Result<Stored> {
        let Begun { full, id, metadata } = &self.begun;
        self.service.cancel(full, id).await?;
        self.service.put(full, Bytes::new(), Some(metadata)).await
    }

    fn is_ours(&self, seen: &ObjectInfo) -> bool {
        let ours = from_headers(&self.begun.metadata);
        ours.get(NONCE).is_some_and(|nonce| seen.metadata.get(NONCE) == Some(nonce))
    }

    /// The failure of an upload that the store no longer has.
    fn lost(&self, error: StoreError) -> StoreError {
        let lost =
            StoreError::new(Situation::Other, format!("the store lost the upload of {}", self.begun.full));
        error.hints().iter().fold(lost, StoreError::hint).because(error)
    }

    /// Finds out whether the object exists although a completion failed: an earlier one, whose answer was lost, may
    /// have been carried out.
    async fn after_all(&self, sent: &Sent, refused: StoreError, asked_before: bool) -> Result<Stored> {
        let full = &self.begun.full;
        match self.service.look_written(full).await {
            Ok(seen) if self.is_ours(&seen) => {
                tracing::debug!("{full}: an earlier completion was carried out, {} bytes", seen.bytes);
                self.service.confirm(full, sent, Default::default()).await
            }
            Ok(_) => Err(exists(full)),
            Err(error) if error.situation() == Situation::NotFound => Err(self.lost(refused)),
            Err(error) if error.situation() != Situation::Denied => Err(error),
            Err(_) if !asked_before => Err(self.lost(refused)),
            Err(_) if refused.situation() == Situation::Exists => {
                tracing::warn!(
                    "{full}: the answer to completing it was lost, and it exists now; these credentials may not read it to be sure"
                );
                Ok(Stored { bytes: sent.bytes, etag: None, checksum: None, read_back: false })
            }
            Err(error) => Err(StoreError::new(
                Situation::Other,
                format!(
                    "it is not known whether {full} was completed: the answer was lost, and the credentials may not look"
                ),
            )
            .because(error)
            .hint(format!(
                "run it again; with permission to read ({}) pgstow can find out",
                self.service.permission_to_look()
            ))),
        }
    }
}

#[async_trait]
impl<P: Protocol> Upload for Multipart<P> {
    async fn part(&self, number: u32, bytes: Bytes) -> Result<()> {
        let length = bytes.len() as u64;
        let part = self.service.send(&self.begun, number, bytes).await;
        let part = part.map_err(|error| match error.situation() {
            Situation::NotFound => self.lost(error),
            _ => on_the_way(error),
        })?;
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.insert(number, (length, part));
        Ok(())
    }

    async fn complete(&self, bytes: u64) -> Result<Stored> {
        let (list, sent) = {
            let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
            check_parts(&parts, self.part_size, bytes)?;
            whole(&parts, self.service.sum(), bytes)
        };
        let asked_before = self.asked.swap(true, Ordering::Relaxed);
        let answer = match bytes {
            0 => self.put_empty().await,
            _ => self.ask(list, &sent).await,
        };
        match answer {
            Err(error)
                if error.situation() == Situation::NotFound
                    || asked_before && error.situation() == Situation::Exists =>
            {
                self.after_all(&sent, error, asked_before).await
            }
            Err(error) if error.situation() == Situation::Exists => {
                // A clear answer to the first request: the object is somebody else's.
                self.asked.store(false, Ordering::Relaxed);
                Err(error)
            }
            answer => answer,
        }
    }

    async fn abort(&self) -> Result<()> {
        let Begun { full, id, .. } = &self.begun;
        self.service.cancel(full, id).await?;
        if !self.asked.load(Ordering::Relaxed) {
            return Ok(());
        }
        match self.service.look(full).await {
            Ok(seen) if self.is_ours(&seen) => self.service.remove(full, seen.etag.as_deref()).await,
            // It does not exist, or is somebody else's.
            Ok(_) => Ok(()),
            Err(error) if error.situation() == Situation::NotFound => Ok(()),
            // These credentials may not know. If the object exists it is ours, and they may be allowed to delete it.
            Err(error) if error.situation() == Situation::Denied => {
                let gone = self.service.remove(full, None).await;
                gone.or_else(|error| if error.situation() == Situation::Denied { Ok(()) } else { Err(error) })
            }
            Err(error) => Err(error),
        }
    }
}
