//! One object on its way into several stores: every part goes to all of them.
//!
//! Parts are shared, not copied, and the next one is taken when every store had room for the one before. So memory
//! holds as many parts as with one store, and one more; a slow store slows the others.

use super::destinations::Destinations;
use crate::error::{Error, Result};
use crate::store::{Metadata, Stored};
use crate::stored::upload::{ABORT, Sent, Uploading};
use bytes::Bytes;
use futures_util::future::join_all;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;

/// The uploads of one object, by the position of their store.
///
/// It **must** end in [`abort_failed`](Self::abort_failed) or in [`abort`](Self::abort).
pub struct Uploads<'a> {
    to: &'a Destinations,
    key: String,
    all: Mutex<Vec<(usize, Arc<Uploading>)>>,
}

impl<'a> Uploads<'a> {
    /// None yet.
    pub fn new(to: &'a Destinations, key: String) -> Self {
        Self { to, key, all: Mutex::default() }
    }

    /// Begins an upload in every store that is left.
    pub async fn begin(&self, metadata: &Metadata, part_size: u64) -> Result<()> {
        let begin = async |at, one: &super::destinations::OpenDestination| {
            let upload = Uploading::begin(&*one.store, &self.key, metadata, part_size).await?;
            self.all.lock().unwrap_or_else(PoisonError::into_inner).push((at, Arc::new(upload)));
            Ok(())
        };
        self.to.each(begin).await.map(drop)
    }

    /// The uploads whose stores are left.
    fn left(&self) -> Vec<(usize, Arc<Uploading>)> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|(at, _)| !self.to.is_left_out(*at)).cloned().collect()
    }

    /// Sends what comes out of the channel to every store, until it closes; `progress` counts the bytes that all
    /// stores have confirmed.
    pub async fn send(
        &self,
        mut parts: mpsc::Receiver<Bytes>,
        concurrency: usize,
        progress: Arc<AtomicU64>,
    ) -> Result<Sent> {
        let left = self.left();
        if let [(at, only)] = &left[..] {
            return only.send(parts, concurrency, progress).await.map_err(|error| self.failed(*at, error));
        }
        let counters: Vec<(usize, Arc<AtomicU64>)> =
            left.iter().map(|(at, _)| (*at, Arc::default())).collect();
        let slowest = || {
            let left = counters.iter().filter(|(at, _)| !self.to.is_left_out(*at));
            let slowest = left.map(|(_, confirmed)| confirmed.load(Ordering::Relaxed)).min();
            progress.store(slowest.unwrap_or_default(), Ordering::Relaxed);
        };
        let (mut senders, mut sends) = (Vec::new(), Vec::new());
        for ((at, upload), (_, confirmed)) in left.iter().zip(&counters) {
            let (sender, parts) = mpsc::channel(1);
            senders.push(Some(sender));
            sends.push(async move {
                let sent = upload.send(parts, concurrency, Arc::clone(confirmed)).await;
                sent.map_err(|error| self.to.leave_out(*at, error)).ok()
            });
        }
        let share = async {
            while let Some(part) = parts.recv().await {
                for slot in &mut senders {
                    // One that failed takes no more parts.
                    if let Some(sender) = slot
                        && sender.send(part.clone()).await.is_err()
                    {
                        *slot = None;
                    }
                }
                slowest();
            }
            senders.clear();
        };
        let mut sends = std::pin::pin!(join_all(sends));
        // If all stores fail, the source need not come to its end. The channel stays open until then: whoever makes
        // the parts must not fail first.
        let sent = tokio::select! {
            sent = &mut sends => sent,
            () = share => sends.await,
        };
        slowest();
        sent.into_iter().flatten().next().ok_or_else(|| self.to.none_left())
    }

    /// Makes the object visible in every store that is left.
    pub async fn complete(&self, bytes: u64) -> Result<BTreeMap<usize, Stored>> {
        let complete = async |(at, upload): (usize, Arc<Uploading>)| {
            let stored = upload.complete(bytes).await;
            stored.map(|stored| (at, stored)).map_err(|error| self.to.leave_out(at, error)).ok()
        };
        let done: BTreeMap<_, _> =
            join_all(self.left().into_iter().map(complete)).await.into_iter().flatten().collect();
        if done.is_empty() { Err(self.to.none_left()) } else { Ok(done) }
    }

    /// Removes what the stores hold that were left out.
    pub async fn abort_failed(self) {
        let to = self.to;
        self.abort_where(|at| to.is_left_out(at)).await;
    }

    /// Removes what all stores hold, even an object that was completed.
    pub async fn abort(self) {
        self.abort_where(|_| true).await;
    }

    /// A failure while tidying up becomes a warning: the first error is the one to report.
    async fn abort_where(self, which: impl Fn(usize) -> bool) {
        let (to, key) = (self.to, &self.key);
        let all = self.all.into_inner().unwrap_or_else(PoisonError::into_inner);
        let abort = async |(at, upload): (usize, Arc<Uploading>)| {
            let aborted = match to.at(at) {
                Some(one) if upload.has_ended() => delete(&*one.store, key).await,
                _ => upload.abort().await,
            };
            if let Err(second) = aborted {
                tracing::warn!("{second}");
            }
        };
        join_all(all.into_iter().filter(|(at, _)| which(*at)).map(abort)).await;
    }

    fn failed(&self, at: usize, error: Error) -> Error {
        self.to.leave_out(at, error);
        self.to.none_left()
    }
}

/// Deletes an object that was completed in one store while another was still at it.
async fn delete(store: &dyn crate::store::Store, key: &str) -> Result<()> {
    let left = |error: Error| {
        error
            .context(format_args!("delete {key}"))
            .hint("without a manifest it is not a backup; `pgstow prune --keep-last unlimited` removes it once it is a day old")
    };
    match tokio::time::timeout(ABORT, store.delete(key)).await {
        Ok(done) => done.map_err(|error| left(error.into())),
        Err(_) => Err(left(Error::store(format!("no answer within {} s", ABORT.as_secs())))),
    }
}
