//! What every object service can do in its own words, and what is built from it alike: refusing a key that exists, and
//! comparing what the store has with what was sent.

use crate::store::contract::error::{Result, Situation, StoreError};
use crate::store::contract::limits::Limits;
use crate::store::contract::object::{ObjectInfo, Stored};
use crate::store::multipart::parts::Confirmed;
use crate::store::multipart::sum::Sum;
use crate::store::retry::Retry;
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long an object that was just written is looked for: a store may show it late.
const LATE: Duration = Duration::from_secs(30);

/// An object's metadata as headers carry it.
pub(in crate::store) type Headers = HashMap<String, String>;

/// An upload that the service began.
pub(in crate::store) struct Begun {
    /// The object's key, with the prefix of the store.
    pub(in crate::store) full: String,
    /// The service's name for the upload.
    pub(in crate::store) id: String,
    /// The object's metadata.
    pub(in crate::store) metadata: Headers,
}

/// A part as the service confirmed it.
pub(in crate::store) struct Part {
    pub(in crate::store) etag: String,
    /// The checksum that was sent with it, if one was.
    pub(in crate::store) sum: Option<u64>,
}

/// What was sent, to compare it with what is stored.
pub(in crate::store) struct Sent {
    pub(in crate::store) bytes: u64,
    /// The checksum over all of it, as `CRC64NVME:base64`.
    pub(in crate::store) checksum: Option<String>,
}

/// What a service answers to a write: the object's version and checksum, if it says them.
#[derive(Default)]
pub(in crate::store) struct Said {
    pub(in crate::store) etag: Option<String>,
    pub(in crate::store) checksum: Option<String>,
}

/// The requests of one bucket; keys have the prefix of the store.
#[async_trait]
pub(in crate::store) trait Protocol: Send + Sync + 'static {
    /// What the service accepts and promises.
    fn limits(&self) -> Limits;

    /// The checksum over whole objects that the service keeps, if it keeps one.
    fn sum(&self) -> Option<Sum>;

    /// With which pauses to look for an object that was just written, and at most for how long.
    fn retry(&self) -> Retry;

    /// The permission to look at an object, in the service's words.
    fn permission_to_look(&self) -> &'static str;

    /// Begins an upload; returns the service's name for it.
    async fn begin(&self, full: &str, metadata: &Headers) -> Result<String>;

    /// Sends one part.
    async fn send(&self, upload: &Begun, number: u32, bytes: Bytes) -> Result<Part>;

    /// Makes an object of the parts; they have no gap.
    async fn finish(&self, upload: &Begun, parts: Vec<(u32, String)>, sent: &Sent) -> Result<Said>;

    /// Removes an upload with its parts; one that is gone is fine.
    async fn cancel(&self, full: &str, id: &str) -> Result<()>;

    /// Writes an object in one request.
    async fn write(&self, full: &str, bytes: Bytes, metadata: Option<&Headers>) -> Result<Said>;

    /// Looks at an object; its metadata includes the upload's nonce.
    async fn look(&self, full: &str) -> Result<ObjectInfo>;

    /// Deletes an object, if it is this version or no version is given; one that does not exist is fine.
    async fn remove(&self, full: &str, version: Option<&str>) -> Result<()>;

    /// What the service did not do for this new object although it was asked to; `None` if it did all of it.
    ///
    /// `may_look` is false if the credentials may not look at the object: then it is said what stays unknown.
    async fn ignored(&self, full: &str, may_look: bool) -> Result<Option<String>>;

    /// Looks at an object that was just written; if the store does not have it yet, looks again for a while.
    async fn look_written(&self, full: &str) -> Result<ObjectInfo> {
        let (retry, begun, mut looks) = (self.retry(), Instant::now(), 0);
        let patience = retry.patience().min(LATE);
        loop {
            match self.look(full).await {
                Err(error) if error.situation() == Situation::NotFound && begun.elapsed() < patience => {
                    tracing::debug!("{full} was written, and does not exist yet: {error}");
                    looks += 1;
                    tokio::time::sleep(retry.pause(looks)).await;
                }
                answer => return answer,
            }
        }
    }

    /// Refuses a key that exists, as far as these credentials may know.
    async fn refuse_existing(&self, full: &str) -> Result<()> {
        match self.look(full).await {
            Ok(_) => Err(exists(full)),
            Err(error) if matches!(error.situation(), Situation::NotFound | Situation::Denied) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes an object in one request, and compares what the store has with what was sent.
    async fn put(&self, full: &str, bytes: Bytes, metadata: Option<&Headers>) -> Result<Stored> {
        let checksum = self.sum().map(|sum| sum.text(sum.of(&bytes)));
        let sent = Sent { bytes: bytes.len() as u64, checksum };
        let said = self.write(full, bytes, metadata).await?;
        self.confirm(full, &sent, said).await
    }

    /// Compares what the store has with what was sent; deletes it if it differs.
    ///
    /// `said` is what the store answered to the write itself: if looking is forbidden, there is nothing else.
    async fn confirm(&self, full: &str, sent: &Sent, said: Said) -> Result<Stored> {
        let (length, now, read_back) = match self.look_written(full).await {
            Ok(seen) => (seen.bytes, Said { etag: seen.etag, checksum: seen.checksum }, true),
            Err(error) if error.situation() == Situation::Denied => (sent.bytes, Said::default(), false),
            Err(error) if error.situation() == Situation::NotFound => {
                let message = format!("the store confirmed {full}, and does not have it");
                return Err(StoreError::new(Situation::Other, message)
                    .because(error)
                    .hint("run the backup again; if the store keeps losing objects, ask its operator"));
            }
            Err(error) => return Err(error),
        };
        let (etag, checksum) = (now.etag.or(said.etag), now.checksum.or(said.checksum));
        let wrong = if length != sent.bytes {
            Some(format!("it has {length} bytes instead of {}", sent.bytes))
        } else if let (Some(theirs), Some(ours)) = (&checksum, &sent.checksum) {
            (theirs != ours).then(|| format!("its checksum is {theirs} instead of {ours}"))
        } else {
            None
        };
        let error = match wrong {
            Some(wrong) => {
                StoreError::new(Situation::Damaged, format!("{full} is not what was sent: {wrong}"))
            }
            None => match self.ignored(full, read_back).await? {
                None => return Ok(Stored { bytes: length, etag, checksum, read_back }),
                Some(what) => {
                    StoreError::new(Situation::Unsupported, format!("{full} was stored without {what}")).hint(
                        "the store ignored what was asked for: leave it out, or use a service that does it",
                    )
                }
            },
        };
        Err(match self.remove(full, etag.as_deref()).await {
            Ok(()) => error.and("it was deleted"),
            Err(why) => error.and(format_args!("it could not be deleted ({why})")),
        })
    }
}

/// The list of parts for a completion, and what the object must be.
pub(in crate::store) fn whole(
    parts: &Confirmed<Part>,
    sum: Option<Sum>,
    bytes: u64,
) -> (Vec<(u32, String)>, Sent) {
    let list = parts.iter().map(|(number, (_, part))| (*number, part.etag.clone())).collect();
    let combined = sum.and_then(|sum| {
        let add = |whole, (length, part): &(u64, Part)| part.sum.map(|next| sum.add(whole, next, *length));
        parts.values().try_fold(0, add).map(|whole| sum.text(whole))
    });
    (list, Sent { bytes, checksum: combined })
}

/// The failure of a write to a key that exists.
pub(in crate::store) fn exists(full: &str) -> StoreError {
    StoreError::new(Situation::Exists, format!("{full} exists in the store"))
}

/// Bytes that arrived damaged were damaged in transit: sending them again may help.
pub(in crate::store) fn on_the_way(error: StoreError) -> StoreError {
    match error.situation() {
        Situation::Damaged => error.in_situation(Situation::Transient),
        _ => error,
    }
}

/// Adds the object's key to a failure that is about the object.
pub(in crate::store) fn about(error: StoreError, full: &str) -> StoreError {
    match error.situation() {
        Situation::NotFound | Situation::Exists => error.context(full),
        _ => error,
    }
}
