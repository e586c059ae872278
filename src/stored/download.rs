//! The store's bytes in order: ranges read ahead, each resumed where it broke, all of one object.
//!
//! Memory is bounded by the ranges on their way. Whether the bytes are the right ones is for digests
//! to tell, further down the pipe; here they are only complete.

use crate::error::{Error, Kind, Result};
use crate::pipeline::{Background, Tally};
use crate::store::{Attempts, Chunks, ObjectInfo, Situation, Store, StoreError};
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

/// The slowest a range may come, in bytes a second, measured over the store's [`Store::idle`].
const SLOWEST: u64 = 1 << 10;

/// How to read.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long one request's range is, in bytes.
    pub range: u64,
    /// How many ranges are on their way at once; each is held in memory.
    pub in_flight: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { range: 8 << 20, in_flight: 4 }
    }
}

/// The situation in which an object is missing, or not of its size: nothing of it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotWhole;

/// Bytes that must come within this time. Fewer are no progress: a store that sends a byte now and then would
/// be waited for without an end.
fn enough_in(time: Duration) -> u64 {
    SLOWEST.saturating_mul(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)).div_ceil(1000).max(1)
}

/// Looks at an object, which must be `size` bytes long; reads can be pinned to its ETag.
pub async fn head(store: &dyn Store, key: &str, size: u64) -> Result<ObjectInfo> {
    let found = store.head(key).await?;
    if found.bytes != size {
        let what = format!("{key} has {} bytes in the store instead of {size}", found.bytes);
        return Err(Error::verify(what).in_situation(NotWhole));
    }
    Ok(found)
}

/// Reads an object of known length into memory, in order, pinned to `etag` if it is given.
pub async fn small(
    store: &Arc<dyn Store>,
    key: &str,
    size: u64,
    etag: Option<String>,
    options: Options,
) -> Result<Bytes> {
    let chunks: Vec<Bytes> = ranges(Arc::clone(store), key, 0..size, etag, options).try_collect().await?;
    Ok(chunks.concat().into())
}

/// Reads bytes to their end; their length and their SHA-256.
pub async fn tally(mut bytes: impl Stream<Item = Result<Bytes>> + Unpin) -> Result<Tally> {
    let (to_tally, tally) = Background::tally();
    while let Some(chunk) = bytes.try_next().await? {
        // The thread that computes it ends early only with a failure of its own.
        if !to_tally.show(chunk).await {
            break;
        }
    }
    drop(to_tally);
    tally.await
}

/// Reads and checks something small, and once more if the check finds damage: it may have come on the way.
pub async fn twice<T>(what: impl fmt::Display, read: impl AsyncFn() -> Result<T>) -> Result<T> {
    match read().await {
        Err(first) if first.kind() == Kind::Verify => {
            let value = read().await.map_err(|second| match second.kind() {
                Kind::Verify => second.and("it was read twice"),
                _ => second,
            })?;
            tracing::warn!("{what} arrived damaged ({first}), and intact when it was read again");
            Ok(value)
        }
        done => done,
    }
}

/// Reads any stretches of an object, pinned to `etag` if it is given; `fetched` counts the bytes.
pub fn stretches(
    store: Arc<dyn Store>,
    key: String,
    etag: Option<String>,
    options: Options,
    fetched: Arc<AtomicU64>,
) -> impl Fn(Range<u64>) -> BoxStream<'static, Result<Bytes>> + Send + Sync {
    move |stretch| {
        let fetched = Arc::clone(&fetched);
        ranges(Arc::clone(&store), &key, stretch, etag.clone(), options)
            .inspect_ok(move |bytes| {
                fetched.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            })
            .boxed()
    }
}

/// Reads a stretch of an object, in order, pinned to `etag` if it is given.
pub fn ranges(
    store: Arc<dyn Store>,
    key: &str,
    stretch: Range<u64>,
    etag: Option<String>,
    options: Options,
) -> impl Stream<Item = Result<Bytes>> + Send + Unpin + use<> {
    let one = Arc::new(Object { store, key: key.to_owned(), etag });
    let Range { start, end } = stretch;
    let step = options.range.max(1);
    let starts =
        std::iter::successors(Some(start), move |at| at.checked_add(step)).take_while(move |at| *at < end);
    stream::iter(starts)
        .map(move |from| {
            let one = Arc::clone(&one);
            let range = from..end.min(from.saturating_add(step));
            // A task of its own, so that bytes keep coming while those before are worked on.
            AbortOnDropHandle::new(tokio::spawn(async move { one.range(range).await }))
        })
        .buffered(options.in_flight.max(1))
        .map(|done| {
            done.unwrap_or_else(|lost| Err(Error::unexpected("reading a range ended early").because(lost)))
        })
        .map_ok(|chunks| stream::iter(chunks.into_iter().map(Ok)))
        .try_flatten()
        .boxed()
}

struct Object {
    store: Arc<dyn Store>,
    key: String,
    etag: Option<String>,
}

impl Object {
    /// Reads one range to its end, however often it breaks on the way, as long as it makes progress.
    async fn range(&self, range: Range<u64>) -> Result<Vec<Bytes>> {
        let (mut got, mut at) = (Vec::new(), range.start);
        let mut attempts = self.store.retry().attempts(format!("read {}", self.key));
        let mut counted = at;
        loop {
            let from = at;
            // The store has retried this itself.
            let chunks = self.store.read(&self.key, at..range.end, self.etag.as_deref()).await?;
            let error = match self.go_on(chunks, &mut at, range.end, &mut got, &mut attempts).await {
                Ok(()) if at == range.end => {
                    attempts.worked();
                    return Ok(got);
                }
                // A store that answers too little once may answer all of it the next time.
                Ok(()) if at > from || !attempts.is_failing() => ended_early(&self.key, at),
                Ok(()) => {
                    return Err(Error::verify(format!("{} ends at byte {at}, before its length", self.key))
                        .hint("the object is damaged in the store; another backup may be whole"));
                }
                Err(error) if error.situation().may_pass() => error.context(format_args!("at byte {at}")),
                Err(error) => return Err(error.into()),
            };
            // What comes too slowly across all attempts is no progress either.
            if at - counted >= enough_in(self.store.idle().max(attempts.failing_for())) {
                attempts.worked();
                counted = at;
            }
            attempts.failed(error).await?;
        }
    }

    /// Reads on from `at` until the range, the object or the connection ends.
    async fn go_on(
        &self,
        mut chunks: Chunks,
        at: &mut u64,
        end: u64,
        got: &mut Vec<Bytes>,
        attempts: &mut Attempts<String>,
    ) -> Result<(), StoreError> {
        let (idle, mut last) = (self.store.idle(), Instant::now());
        let (mut since, mut before) = (last, *at);
        while *at < end {
            let deadline = since + idle;
            if let Ok(next) = timeout_at(deadline, chunks.next()).await {
                let Some(mut chunk) = next.transpose()? else { break };
                if !chunk.is_empty() {
                    attempts.answered(format_args!("resumed at byte {at}"));
                    chunk.truncate(usize::try_from(end - *at).unwrap_or(usize::MAX));
                    *at += chunk.len() as u64;
                    got.push(chunk);
                    last = Instant::now();
                }
            }
            if Instant::now() >= deadline {
                if *at < end && *at - before < enough_in(idle) {
                    return Err(too_slow(*at - before, idle));
                }
                // Silence counts from the last byte on.
                (since, before) = (last, *at);
            }
        }
        Ok(())
    }
}

fn ended_early(key: &str, at: u64) -> StoreError {
    StoreError::new(Situation::Transient, format!("the store's answer for {key} ended at byte {at}"))
}

fn too_slow(bytes: u64, idle: Duration) -> StoreError {
    let came = if bytes == 0 { "no byte".to_owned() } else { format!("only {bytes} bytes") };
    StoreError::new(Situation::Unreachable, format!("{came} came in {} s", idle.as_secs_f32()))
        .hint("the store or the network between hangs: run it again later, or with a longer --timeout")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::store::{
        Limits, Metadata, OpenOptions, Page, Result as Answer, Retry, StoreUrl, Stored, Unfinished, Upload,
        open,
    };
    use async_trait::async_trait;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// What happens to a read after some bytes.
    #[derive(Clone, Copy)]
    enum Then {
        Breaks,
        Stalls,
        /// One byte comes now and then.
        Drips,
        /// The answer ends as if it were whole.
        Ends,
    }

    /// A store whose reads go wrong after some bytes; the first `times` of them, or all.
    struct Flaky {
        inner: Arc<dyn Store>,
        after: usize,
        then: Then,
        times: u32,
        reads: AtomicU32,
    }

    #[async_trait]
    impl Store for Flaky {
        async fn read(&self, key: &str, range: Range<u64>, etag: Option<&str>) -> Answer<Chunks> {
            let number = self.reads.fetch_add(1, Ordering::Relaxed);
            let whole: Vec<Bytes> = self.inner.read(key, range, etag).await?.try_collect().await?;
            let mut whole = Bytes::from(whole.concat());
            if whole.len() <= self.after || number >= self.times {
                return Ok(stream::iter([Ok(whole)]).boxed());
            }
            let rest = whole.split_off(self.after);
            let first = stream::iter((self.after > 0).then_some(Ok(whole)));
            Ok(match self.then {
                Then::Stalls => first.chain(stream::pending()).boxed(),
                Then::Ends => first.boxed(),
                Then::Drips => {
                    let drops = stream::iter(rest).then(async |byte| {
                        tokio::time::sleep(Duration::from_millis(12)).await;
                        Ok(Bytes::from(vec![byte]))
                    });
                    first.chain(drops).boxed()
                }
                Then::Breaks => {
                    let broke = StoreError::new(Situation::Unreachable, "the connection broke");
                    first.chain(stream::iter([Err(broke)])).boxed()
                }
            })
        }

        fn limits(&self) -> Limits {
            self.inner.limits()
        }
        fn display_url(&self) -> String {
            self.inner.display_url()
        }
        fn idle(&self) -> Duration {
            Duration::from_millis(20)
        }
        fn retry(&self) -> Retry {
            Retry::lasting(Duration::from_secs(1))
                .with_pauses(Duration::from_millis(1), Duration::from_millis(2))
        }
        async fn begin(&self, key: &str, metadata: &Metadata, part_size: u64) -> Answer<Box<dyn Upload>> {
            self.inner.begin(key, metadata, part_size).await
        }
        async fn put_new(&self, key: &str, bytes: Bytes) -> Answer<Stored> {
            self.inner.put_new(key, bytes).await
        }
        async fn head(&self, key: &str) -> Answer<ObjectInfo> {
            self.inner.head(key).await
        }
        async fn page(&self, prefix: &str, token: Option<&str>) -> Answer<Page> {
            self.inner.page(prefix, token).await
        }
        async fn delete(&self, key: &str) -> Answer<()> {
            self.inner.delete(key).await
        }
        async fn unfinished(&self, prefix: &str) -> Answer<Vec<Unfinished>> {
            self.inner.unfinished(prefix).await
        }
        async fn abort_unfinished(&self, upload: &Unfinished) -> Answer<()> {
            self.inner.abort_unfinished(upload).await
        }
    }

    const OPTIONS: Options = Options { range: 100, in_flight: 3 };

    async fn flaky(after: usize, then: Then, times: u32) -> (tempfile::TempDir, Arc<Flaky>, Bytes) {
        let folder = tempfile::tempdir().unwrap();
        let inner = open(&StoreUrl::File(folder.path().to_owned()), OpenOptions::default()).await.unwrap();
        let bytes: Bytes = (0..1001_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
        inner.put_new("x", bytes.clone()).await.unwrap();
        (folder, Arc::new(Flaky { inner, after, then, times, reads: AtomicU32::new(0) }), bytes)
    }

    async fn read(store: Arc<dyn Store>, size: u64) -> Result<Bytes> {
        let etag = head(&*store, "x", size).await?.etag;
        small(&store, "x", size, etag, OPTIONS).await
    }

    #[tokio::test]
    async fn the_bytes_come_whole_and_in_order() {
        let (_folder, store, bytes) = flaky(1000, Then::Breaks, u32::MAX).await;
        assert_eq!(read(Arc::clone(&store) as _, 1001).await.unwrap(), bytes);
        assert_eq!(store.reads.load(Ordering::Relaxed), 11);
        let stretch = ranges(Arc::clone(&store) as _, "x", 150..420, None, OPTIONS);
        assert_eq!(stretch.try_collect::<Vec<_>>().await.unwrap().concat(), bytes[150..420]);
    }

    #[tokio::test]
    async fn a_range_resumes_where_it_broke() {
        let (_folder, store, bytes) = flaky(30, Then::Breaks, u32::MAX).await;
        assert_eq!(read(Arc::clone(&store) as _, 1001).await.unwrap(), bytes);
        // Four reads for each hundred bytes, one for the last.
        assert_eq!(store.reads.load(Ordering::Relaxed), 41);
    }

    #[tokio::test]
    async fn a_silent_connection_counts_as_broken() {
        let (_folder, store, bytes) = flaky(60, Then::Stalls, u32::MAX).await;
        assert_eq!(read(store, 1001).await.unwrap(), bytes);
    }

    #[tokio::test]
    async fn a_range_that_never_comes_is_given_up() {
        let (_folder, store, _) = flaky(0, Then::Breaks, u32::MAX).await;
        let error = read(Arc::clone(&store) as _, 1001).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Store);
        let message = error.message();
        assert!(message.contains("at byte 0") && message.contains("gave up after"), "{error}");
    }

    #[tokio::test]
    async fn a_connection_that_drips_counts_as_broken_and_is_given_up() {
        let (_folder, store, bytes) = flaky(50, Then::Drips, 2).await;
        assert_eq!(read(store, 1001).await.unwrap(), bytes);
        let (_folder, store, _) = flaky(0, Then::Drips, u32::MAX).await;
        let begun = Instant::now();
        let error = read(store, 1001).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Store);
        assert!(error.message().contains("came in 0.02 s") && !error.hints().is_empty(), "{error:?}");
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[tokio::test]
    async fn an_answer_that_ends_early_is_asked_for_again_before_it_is_damage() {
        let (_folder, store, bytes) = flaky(40, Then::Ends, 5).await;
        assert_eq!(read(store, 1001).await.unwrap(), bytes);
        let (_folder, store, _) = flaky(0, Then::Ends, u32::MAX).await;
        let error = read(Arc::clone(&store) as _, 1001).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Verify);
        assert!(store.reads.load(Ordering::Relaxed) >= 2);
    }

    #[tokio::test]
    async fn what_is_damaged_once_is_read_twice() {
        let reads = AtomicU32::new(0);
        let damaged_for = |times: u32| {
            reads.store(0, Ordering::Relaxed);
            let reads = &reads;
            async move || match reads.fetch_add(1, Ordering::Relaxed) {
                before if before < times => Err(Error::verify("the SHA-256 differs")),
                _ => Ok(()),
            }
        };
        twice("x", damaged_for(1)).await.unwrap();
        let error = twice("x", damaged_for(9)).await.unwrap_err();
        assert_eq!(error.message(), "the SHA-256 differs; it was read twice");
        assert_eq!(reads.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn an_object_of_another_length_does_not_verify() {
        let (_folder, store, _) = flaky(1000, Then::Breaks, u32::MAX).await;
        for size in [1000, 1002] {
            assert_eq!(read(Arc::clone(&store) as _, size).await.unwrap_err().kind(), Kind::Verify);
        }
        let beyond = ranges(store, "x", 900..1100, None, OPTIONS);
        assert_eq!(beyond.try_collect::<Vec<_>>().await.unwrap_err().kind(), Kind::Verify);
    }

    #[tokio::test]
    async fn an_object_replaced_in_between_is_noticed() {
        let (_folder, store, bytes) = flaky(1000, Then::Breaks, u32::MAX).await;
        let etag = head(&*store, "x", 1001).await.unwrap().etag;
        let mut stream = ranges(Arc::clone(&store) as _, "x", 0..1001, etag, OPTIONS);
        store.delete("x").await.unwrap();
        store.put_new("x", bytes).await.unwrap();
        let mut last = Ok(Bytes::new());
        while let Some(next) = stream.next().await {
            last = next;
        }
        assert!(last.unwrap_err().message().contains("replaced"));
    }
}
