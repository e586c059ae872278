//! The store's bytes in order: ranges read ahead, each resumed where it broke, all of one object.
//!
//! Memory is bounded by the ranges on their way. Whether the bytes are the right ones is for digests
//! to tell, further down the pipe; here they are only complete.

use crate::error::{Error, Result};
use crate::store::{Retry, Situation, Store, StoreError};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

/// How to read.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How long one request's range is, in bytes.
    pub range: u64,
    /// How many ranges are on their way at once; each is held in memory.
    pub in_flight: usize,
    /// How long a connection may stay silent before it counts as broken.
    pub idle: Duration,
    /// How often in a row, without one byte between, a range may break.
    pub retry: Retry,
}

impl Default for Options {
    fn default() -> Self {
        Self { range: 8 << 20, in_flight: 4, idle: Duration::from_secs(60), retry: Retry::default() }
    }
}

/// Reads a whole object that must be `size` bytes long, pinned to the version that is there now.
pub async fn download(
    store: Arc<dyn Store>,
    key: &str,
    size: u64,
    options: Options,
) -> Result<impl Stream<Item = Result<Bytes>> + Send + Unpin + use<>> {
    let found = store.head(key).await?;
    if found.bytes != size {
        return Err(Error::verify(format!("{key} has {} bytes in the store instead of {size}", found.bytes)));
    }
    Ok(ranges(store, key, 0..size, found.etag, options))
}

/// Reads a small object of a length known from a list, in one request.
pub async fn small(store: Arc<dyn Store>, key: &str, size: u64, options: Options) -> Result<Bytes> {
    let chunks: Vec<Bytes> = ranges(store, key, 0..size, None, options).try_collect().await?;
    Ok(chunks.concat().into())
}

/// Reads a stretch of an object, in order, pinned to `etag` where given.
pub fn ranges(
    store: Arc<dyn Store>,
    key: &str,
    stretch: Range<u64>,
    etag: Option<String>,
    options: Options,
) -> impl Stream<Item = Result<Bytes>> + Send + Unpin + use<> {
    let one = Arc::new(Object { store, key: key.to_owned(), etag, options });
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
    options: Options,
}

impl Object {
    /// Reads one range to its end, however often it breaks on the way.
    async fn range(&self, range: Range<u64>) -> Result<Vec<Bytes>> {
        let mut got = Vec::new();
        let mut at = range.start;
        let mut broken: Option<StoreError> = None;
        let mut failures = 0;
        loop {
            let before = at;
            match self.go_on(&mut at, range.end, &mut got, &mut broken).await {
                Ok(()) if at == range.end => return Ok(got),
                Ok(()) => {
                    return Err(Error::verify(format!("{} ends at byte {at}, before its length", self.key))
                        .hint("the object is damaged in the store; another backup may be whole"));
                }
                Err(error) if error.situation().may_pass() => {
                    failures = if at > before { 1 } else { failures + 1 };
                    if failures >= self.options.retry.attempts {
                        return Err(
                            Error::from(error).context(format_args!("read {} from byte {at}", self.key))
                        );
                    }
                    self.options.retry.pause(failures).await;
                    broken = Some(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads on from `at` until the range, the object or the connection ends.
    async fn go_on(
        &self,
        at: &mut u64,
        end: u64,
        got: &mut Vec<Bytes>,
        broken: &mut Option<StoreError>,
    ) -> Result<(), StoreError> {
        let mut chunks = self.store.read(&self.key, *at..end, self.etag.as_deref()).await?;
        while *at < end {
            let idle = self.options.idle;
            let next = tokio::time::timeout(idle, chunks.next()).await.map_err(|_| {
                let message = format!("no byte came for {} s", idle.as_secs_f32());
                StoreError::new(Situation::Unreachable, message)
            })?;
            let Some(mut chunk) = next.transpose()? else {
                break;
            };
            if let Some(error) = broken.take() {
                tracing::warn!("{}: {error}; resumed at byte {at}", self.key);
            }
            chunk.truncate(usize::try_from(end - *at).unwrap_or(usize::MAX));
            *at += chunk.len() as u64;
            got.push(chunk);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::store::{
        Chunks, Limits, Listed, Metadata, ObjectInfo, OpenOptions, Result as Answer, StoreUrl, Stored,
        Unfinished, Upload, open,
    };
    use async_trait::async_trait;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A store whose reads break, or fall silent, after some bytes.
    struct Flaky {
        inner: Arc<dyn Store>,
        after: usize,
        stalls: bool,
        reads: AtomicU32,
    }

    #[async_trait]
    impl Store for Flaky {
        async fn read(&self, key: &str, range: Range<u64>, etag: Option<&str>) -> Answer<Chunks> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let whole: Vec<Bytes> = self.inner.read(key, range, etag).await?.try_collect().await?;
            let mut whole = Bytes::from(whole.concat());
            if whole.len() <= self.after {
                return Ok(stream::iter([Ok(whole)]).boxed());
            }
            whole.truncate(self.after);
            let first = stream::iter((self.after > 0).then_some(Ok(whole)));
            if self.stalls {
                return Ok(first.chain(stream::pending()).boxed());
            }
            let broke = StoreError::new(Situation::Unreachable, "the connection broke");
            Ok(first.chain(stream::iter([Err(broke)])).boxed())
        }

        fn limits(&self) -> Limits {
            self.inner.limits()
        }
        fn display_url(&self) -> String {
            self.inner.display_url()
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
        async fn list(&self, prefix: &str) -> Answer<Vec<Listed>> {
            self.inner.list(prefix).await
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
        async fn free_space(&self) -> Answer<Option<u64>> {
            self.inner.free_space().await
        }
    }

    const OPTIONS: Options = Options {
        range: 100,
        in_flight: 3,
        idle: Duration::from_millis(20),
        retry: Retry { attempts: 3, first: Duration::from_millis(1), cap: Duration::from_millis(2) },
    };

    async fn flaky(after: usize, stalls: bool) -> (tempfile::TempDir, Arc<Flaky>, Bytes) {
        let folder = tempfile::tempdir().unwrap();
        let inner = open(&StoreUrl::File(folder.path().to_owned()), OpenOptions::default()).await.unwrap();
        let bytes: Bytes = (0..1001_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
        inner.put_new("x", bytes.clone()).await.unwrap();
        (folder, Arc::new(Flaky { inner, after, stalls, reads: AtomicU32::new(0) }), bytes)
    }

    async fn read(store: Arc<dyn Store>, size: u64) -> Result<Vec<u8>> {
        let chunks: Vec<Bytes> = download(store, "x", size, OPTIONS).await?.try_collect().await?;
        Ok(chunks.concat())
    }

    #[tokio::test]
    async fn the_bytes_come_whole_and_in_order() {
        let (_folder, store, bytes) = flaky(1000, false).await;
        assert_eq!(read(Arc::clone(&store) as _, 1001).await.unwrap(), bytes);
        assert_eq!(store.reads.load(Ordering::Relaxed), 11);
        let stretch = ranges(Arc::clone(&store) as _, "x", 150..420, None, OPTIONS);
        assert_eq!(stretch.try_collect::<Vec<_>>().await.unwrap().concat(), bytes[150..420]);
        assert_eq!(small(store, "x", 1001, OPTIONS).await.unwrap(), bytes);
    }

    #[tokio::test]
    async fn a_range_resumes_where_it_broke() {
        let (_folder, store, bytes) = flaky(30, false).await;
        assert_eq!(read(Arc::clone(&store) as _, 1001).await.unwrap(), bytes);
        // Four reads for each hundred bytes, one for the last.
        assert_eq!(store.reads.load(Ordering::Relaxed), 41);
    }

    #[tokio::test]
    async fn a_silent_connection_counts_as_broken() {
        let (_folder, store, bytes) = flaky(60, true).await;
        assert_eq!(read(store, 1001).await.unwrap(), bytes);
    }

    #[tokio::test]
    async fn a_range_that_never_comes_is_given_up() {
        let (_folder, store, _) = flaky(0, false).await;
        let error = read(Arc::clone(&store) as _, 1001).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Store);
        assert!(error.message().contains("from byte 0"), "{error}");
    }

    #[tokio::test]
    async fn an_object_of_another_length_does_not_verify() {
        let (_folder, store, _) = flaky(1000, false).await;
        for size in [1000, 1002] {
            assert_eq!(read(Arc::clone(&store) as _, size).await.unwrap_err().kind(), Kind::Verify);
        }
        let beyond = ranges(store, "x", 900..1100, None, OPTIONS);
        assert_eq!(beyond.try_collect::<Vec<_>>().await.unwrap_err().kind(), Kind::Verify);
    }

    #[tokio::test]
    async fn an_object_replaced_in_between_is_noticed() {
        let (_folder, store, bytes) = flaky(1000, false).await;
        let mut stream = download(Arc::clone(&store) as _, "x", 1001, OPTIONS).await.unwrap();
        store.delete("x").await.unwrap();
        store.put_new("x", bytes).await.unwrap();
        let mut last = Ok(Bytes::new());
        while let Some(next) = stream.next().await {
            last = next;
        }
        assert!(last.unwrap_err().message().contains("replaced"));
    }
}
