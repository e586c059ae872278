//! Parts into the store: numbered, several on their way at once, ended by completing or aborting.
//!
//! Memory is bounded by the parts on their way and those in the channel before them. Nothing is
//! decided here about what the bytes are; whether they are whole is for the caller to know before
//! it completes.

use crate::error::{Error, Result};
use crate::pipeline::Tally;
use crate::run::Run;
use crate::store::{Limits, Metadata, Store, Stored, Upload};
use crate::units;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

const MIB: u64 = 1 << 20;

/// The part size where the database is small enough for it, in bytes.
pub const PART_SIZE: u64 = 8 * MIB;

/// The part size where nothing is known of the stream's length: 10,000 such parts hold 156 GiB, and
/// the few in memory stay below 100 MiB. In bytes.
pub const PART_SIZE_OF_UNKNOWN: u64 = 16 * MIB;

/// How long an abort may take; it fits into the grace that orchestrators give after SIGTERM.
pub(super) const ABORT: Duration = Duration::from_secs(20);

/// How long a store may take, after a signal, to say that it has begun an upload that is no longer wanted.
pub const LAST_WAIT: Duration = Duration::from_secs(5);

/// Chooses the size of an upload's parts, in bytes.
///
/// A dump is usually much smaller than its database, but may be larger: the size is such that twice
/// the database's size fits into as many parts as the store takes. A `chosen` size is taken as it
/// is, unless it cannot work.
pub fn part_size(limits: Limits, database: Option<u64>, chosen: Option<u64>) -> Result<u64> {
    let max_parts = u64::from(limits.max_parts);
    let holding = |bytes: u64| bytes.div_ceil(max_parts);
    let in_mib = |bytes: u64| bytes.next_multiple_of(MIB);
    let Some(chosen) = chosen else {
        if let Some(database) = database.filter(|bytes| *bytes > limits.max_object) {
            let (database, most) = (units::size(database), units::size(limits.max_object));
            tracing::warn!(
                "the database has {database} and the store takes objects up to {most}: the dump may not fit"
            );
        }
        let size = match database {
            Some(bytes) => PART_SIZE.max(in_mib(holding(bytes.saturating_mul(2).min(limits.max_object)))),
            None => PART_SIZE_OF_UNKNOWN,
        };
        return Ok(size.clamp(limits.min_part, limits.max_part));
    };
    let smallest = limits.min_part.max(holding(database.unwrap_or_default().min(limits.max_object)));
    let wrong = |why: String, size: u64| {
        Err(Error::usage(format!("parts of {} {why}", units::size(chosen)))
            .hint(format!("--part-size {} works", units::size(size))))
    };
    if chosen < limits.min_part {
        wrong(
            format!("are too small for the store: it takes {} and more", units::size(limits.min_part)),
            in_mib(smallest),
        )
    } else if chosen > limits.max_part {
        wrong(
            format!("are too large for the store: it takes up to {}", units::size(limits.max_part)),
            limits.max_part,
        )
    } else if chosen < smallest {
        let database = units::size(database.unwrap_or_default());
        wrong(
            format!("are too small: {max_parts} of them, the most the store takes, do not hold {database}"),
            in_mib(smallest),
        )
    } else {
        Ok(chosen)
    }
}

/// What was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Bytes altogether.
    pub bytes: u64,
    /// Parts they came in.
    pub parts: u32,
}

/// An upload that was begun. It **must** end in a successful [`complete`](Self::complete) or in
/// [`abort`](Self::abort): what is only dropped stays in the store, unseen and paid for.
pub struct Uploading {
    key: String,
    limits: Limits,
    part_size: u64,
    upload: Arc<dyn Upload>,
    /// The parts on their way: kept here so that an abort can stop them first, even where `send`
    /// itself was dropped.
    on_their_way: Mutex<JoinSet<Result<u64>>>,
    ended: AtomicBool,
}

impl Uploading {
    /// Begins an upload of parts of `part_size` bytes.
    pub async fn begin(store: &dyn Store, key: &str, metadata: &Metadata, part_size: u64) -> Result<Self> {
        let upload = Arc::from(store.begin(key, metadata, part_size).await?);
        let (limits, on_their_way, ended) = (store.limits(), Mutex::default(), AtomicBool::new(false));
        Ok(Self { key: key.to_owned(), limits, part_size, upload, on_their_way, ended })
    }

    /// The same for a run that may be ended meanwhile: an upload that begins too late is aborted.
    pub async fn begin_for(
        run: &Run,
        store: &dyn Store,
        key: &str,
        metadata: &Metadata,
        part_size: u64,
    ) -> Result<Self> {
        let late = async |begun: Option<Result<Self>>| {
            if let Some(Ok(upload)) = begun {
                upload.give_up().await;
            }
        };
        run.or_late(LAST_WAIT, Self::begin(store, key, metadata, part_size), late).await
    }

    /// Makes the object of the parts that `make` puts into the channel; what it returns must be what was sent. If
    /// anything fails, or the run is ended, nothing of it is left.
    pub async fn deliver(
        &self,
        run: &Run,
        concurrency: usize,
        progress: Arc<AtomicU64>,
        make: impl AsyncFnOnce(mpsc::Sender<Bytes>) -> Result<Tally>,
    ) -> Result<(Tally, Stored)> {
        let delivering = async {
            let (parts, parts_to_send) = mpsc::channel(1);
            let (made, sent) =
                tokio::try_join!(make(parts), self.send(parts_to_send, concurrency, progress))?;
            check_sent(made.bytes, sent)?;
            let stored = self.complete(made.bytes).await?;
            Ok((made, stored))
        };
        let delivered = run.or(delivering).await;
        if delivered.is_err() {
            self.give_up().await;
        }
        delivered
    }

    /// Sends what comes out of the channel, `concurrency` parts at a time, until it closes.
    ///
    /// `progress` counts the bytes the store has confirmed. The first failure stops everything; the
    /// channel is closed then, so that the source notices.
    pub async fn send(
        &self,
        mut parts: mpsc::Receiver<Bytes>,
        concurrency: usize,
        progress: Arc<AtomicU64>,
    ) -> Result<Sent> {
        let mut tasks = self.on_their_way.lock().await;
        let mut sent = Sent { bytes: 0, parts: 0 };
        let mut more = true;
        while more || !tasks.is_empty() {
            let step = tokio::select! {
                part = parts.recv(), if more && tasks.len() < concurrency.max(1) => match part {
                    Some(bytes) => self.next(&mut sent, bytes.len()).map(|number| {
                        let upload = Arc::clone(&self.upload);
                        tasks.spawn(async move {
                            let length = bytes.len() as u64;
                            upload.part(number, bytes).await?;
                            Ok(length)
                        });
                    }),
                    None => {
                        more = false;
                        Ok(())
                    }
                },
                Some(done) = tasks.join_next() => match done {
                    Ok(Ok(length)) => {
                        progress.fetch_add(length, Ordering::Relaxed);
                        Ok(())
                    }
                    Ok(Err(error)) => Err(error),
                    Err(lost) => Err(Error::unexpected("sending a part ended early").because(lost)),
                },
            };
            if let Err(error) = step {
                // The receiver lives until we return: whoever makes the parts must not fail first, and
                // with less to say, because nobody takes them.
                tasks.shutdown().await;
                return Err(error);
            }
        }
        Ok(sent)
    }

    /// The number of the next part, unless the store cannot take it.
    fn next(&self, sent: &mut Sent, length: usize) -> Result<u32> {
        sent.bytes += length as u64;
        sent.parts += 1;
        if sent.parts > self.limits.max_parts {
            let message =
                format!("the upload needs more than {} parts, the store's limit", self.limits.max_parts);
            let larger = units::size((self.part_size * 4).min(self.limits.max_part));
            return Err(Error::store(message).hint(format!("choose larger parts, as --part-size {larger}")));
        }
        if sent.bytes > self.limits.max_object {
            let most = units::size(self.limits.max_object);
            return Err(Error::store(format!(
                "the upload is larger than {most}, the store's limit for an object"
            ))
            .hint("leave tables out (--exclude-table-data), or use another store"));
        }
        Ok(sent.parts)
    }

    /// Makes the object visible, if exactly `bytes` bytes arrived. Where that fails, abort.
    pub async fn complete(&self, bytes: u64) -> Result<Stored> {
        let stored = self.upload.complete(bytes).await.map_err(|error| error.context(&self.key))?;
        self.ended.store(true, Ordering::Relaxed);
        Ok(stored)
    }

    /// Whether it was completed, or aborted.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Aborts it because of a failure, which is the one to report: one of the abort is only warned of.
    pub async fn give_up(&self) {
        if let Err(second) = self.abort().await {
            tracing::warn!("{second}");
        }
    }

    /// Stops what is on its way and removes everything that was stored; has a deadline of its own.
    ///
    /// After a successful completion it does nothing.
    pub async fn abort(&self) -> Result<()> {
        if self.ended.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let work = async {
            // A part that arrives after the abort would be stored, and paid for, again.
            self.on_their_way.lock().await.shutdown().await;
            self.upload.abort().await
        };
        let left = |error: Error| {
            error.context(format_args!("abort the upload of {}", self.key)).hint(
                "its parts stay in the store until `pgstow prune --keep-last unlimited`, at least a day later, or a lifecycle rule (AbortIncompleteMultipartUpload) removes them",
            )
        };
        match tokio::time::timeout(ABORT, work).await {
            Ok(done) => done.map_err(|error| left(error.into())),
            Err(_) => Err(left(Error::store(format!("no answer within {} s", ABORT.as_secs())))),
        }
    }
}

/// Fails unless as many bytes were sent as were made.
pub(super) fn check_sent(made: u64, sent: Sent) -> Result<()> {
    match sent.bytes == made {
        true => Ok(()),
        false => Err(Error::unexpected(format!("{made} bytes were made and {} sent", sent.bytes))),
    }
}

impl Drop for Uploading {
    fn drop(&mut self) {
        if !*self.ended.get_mut() {
            tracing::warn!(
                "the upload of {} was neither completed nor aborted; its parts stay in the store until they are pruned",
                self.key
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::store::{OpenOptions, StoreUrl, open};

    const GIB: u64 = 1 << 30;
    const LIMITS: Limits = Limits {
        max_parts: 10_000,
        min_part: 5 * MIB,
        max_part: 5 * GIB,
        max_object: 5 << 40,
        max_metadata: 2048,
        put_is_create_only: false,
        complete_is_create_only: false,
    };

    #[test]
    fn parts_are_as_large_as_the_database_needs() {
        let few = Limits { max_parts: 1000, ..LIMITS };
        for (limits, database, chosen, size) in [
            (LIMITS, Some(0), None, 8 * MIB),
            (LIMITS, Some(GIB), None, 8 * MIB),
            (LIMITS, Some(39 * GIB), None, 8 * MIB),
            (LIMITS, Some(100 * GIB), None, 21 * MIB),
            (few, Some(100 * GIB), None, 205 * MIB),
            (LIMITS, None, None, 16 * MIB),
            (LIMITS, Some(100 << 40), None, 525 * MIB),
            (Limits { min_part: 32 * MIB, ..LIMITS }, Some(GIB), None, 32 * MIB),
            (LIMITS, Some(100 * GIB), Some(11 * MIB), 11 * MIB),
            (LIMITS, None, Some(5 * MIB), 5 * MIB),
            (Limits { max_parts: u32::MAX, min_part: 1, ..LIMITS }, Some(GIB), Some(1024), 1024),
        ] {
            assert_eq!(part_size(limits, database, chosen).unwrap(), size, "{database:?} {chosen:?}");
        }
    }

    #[test]
    fn a_chosen_size_that_cannot_work_is_refused_with_one_that_does() {
        for (database, chosen, hint) in [
            (None, MIB, "--part-size 5MiB"),
            (Some(100 * GIB), MIB, "--part-size 11MiB"),
            (Some(100 * GIB), 8 * MIB, "--part-size 11MiB"),
            (None, 6 * GIB, "--part-size 5120MiB"),
        ] {
            let error = part_size(LIMITS, database, Some(chosen)).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage);
            assert!(error.hints()[0].contains(hint), "{error:?}");
        }
    }

    async fn folder() -> (tempfile::TempDir, Arc<dyn Store>) {
        let folder = tempfile::tempdir().unwrap();
        let url = StoreUrl::File(folder.path().to_owned());
        (folder, open(&url, OpenOptions::default()).await.unwrap())
    }

    fn channel(parts: &[&'static [u8]]) -> mpsc::Receiver<Bytes> {
        let (sender, receiver) = mpsc::channel(parts.len().max(1));
        for part in parts {
            sender.try_send(Bytes::from_static(part)).unwrap();
        }
        receiver
    }

    #[tokio::test]
    async fn what_was_sent_is_there_once_it_is_completed() {
        let (_folder, store) = folder().await;
        let up = Uploading::begin(&*store, "a/b", &Metadata::new(), 4).await.unwrap();
        let progress = Arc::new(AtomicU64::new(0));
        let sent = up.send(channel(&[b"0123", b"4567", b"8"]), 2, Arc::clone(&progress)).await.unwrap();
        assert_eq!(sent, Sent { bytes: 9, parts: 3 });
        assert_eq!(progress.load(Ordering::Relaxed), 9);
        assert!(store.list("").await.unwrap().is_empty());
        assert_eq!(up.complete(9).await.unwrap().bytes, 9);
        up.abort().await.unwrap();
        assert_eq!(store.head("a/b").await.unwrap().bytes, 9);
    }

    #[tokio::test]
    async fn a_completion_of_other_bytes_fails_and_an_abort_leaves_nothing() {
        let (folder, store) = folder().await;
        let up = Uploading::begin(&*store, "a/b", &Metadata::new(), 4).await.unwrap();
        up.send(channel(&[b"0123", b"4"]), 2, Arc::default()).await.unwrap();
        assert_eq!(up.complete(6).await.unwrap_err().kind(), Kind::Store);
        up.abort().await.unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_stream_that_outgrows_the_store_fails_at_once() {
        let (_folder, store) = folder().await;
        let mut up = Uploading::begin(&*store, "a", &Metadata::new(), 4).await.unwrap();
        up.limits.max_parts = 1;
        let error = up.send(channel(&[b"0123", b"4"]), 2, Arc::default()).await.unwrap_err();
        assert!(error.message().contains("more than 1 parts") && !error.hints().is_empty(), "{error:?}");
        up.abort().await.unwrap();
    }
}
