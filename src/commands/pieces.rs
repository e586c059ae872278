//! Random access to a stored dump: chosen stretches of the archive, without reading the rest.

use super::source::Source;
use crate::download;
use crate::error::Result;
use crate::inventory::Inventory;
use crate::pipeline::{self, Fetch, Key};
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Read ahead by one reader; several may read at the same time, so it is less than a whole download's.
const AHEAD: (u64, usize) = (4 << 20, 2);

/// Pieces on their way from decompression to who wants them.
const QUEUE: usize = 4;

/// A dump object, held to be the one that was looked at first, with the key to it.
pub struct Pieces {
    fetch: Fetch,
    stored_len: u64,
    key: Arc<Key>,
}

impl Pieces {
    /// Looks at the dump object; nothing of it is read yet.
    pub async fn of(source: &Source) -> Result<Self> {
        let (store, key) = (source.store(), source.place().key(&source.dump.key));
        let etag = source.head(&key).await?.etag;
        let (range, in_flight) = AHEAD;
        let options = download::Options { range, in_flight, ..source.reading() };
        let fetched = Arc::clone(&source.progress.stored);
        let fetch = Arc::new(download::stretches(store, key, etag, options, fetched));
        Ok(Self { fetch, stored_len: source.dump.stored_bytes, key: Arc::new(Key::new(source.keys()?)) })
    }

    /// Hands these bytes of the archive to `take`, in order; `stretches` ascend.
    ///
    /// # Errors
    /// The store's; `Kind::Verify` where a frame is not what the inventory says; `take`'s own.
    pub async fn read(
        &self,
        inventory: &Inventory,
        stretches: &[Range<u64>],
        mut take: impl AsyncFnMut(Bytes) -> Result<()>,
    ) -> Result<()> {
        let (sender, mut plain) = mpsc::channel(QUEUE);
        let wanted = inventory.pieces(stretches);
        let reading =
            pipeline::pieces(Arc::clone(&self.fetch), self.stored_len, Arc::clone(&self.key), wanted, sender);
        let taking = async {
            while let Some(bytes) = plain.recv().await {
                take(bytes).await?;
            }
            Ok(())
        };
        tokio::try_join!(reading, taking)?;
        Ok(())
    }
}
