//! Random access to a stored dump: chosen stretches of the archive, without reading the rest.

use super::opened::OpenedBackup;
use crate::error::Result;
use crate::pipeline::{self, Fetch, Key};
use crate::progress::Progress;
use crate::stored::download;
use crate::stored::format::inventory::Inventory;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Read ahead by one reader; several may read at the same time, so it is less than a whole download's.
const AHEAD: (u64, usize) = (4 << 20, 2);

/// Ranges on their way from decompression to who wants them.
const QUEUE: usize = 4;

/// A dump object, held to be the one that was looked at first, with the key to it.
pub struct Ranges {
    fetch: Fetch,
    stored_len: u64,
    key: Arc<Key>,
}

impl Ranges {
    /// Looks at the dump object; nothing of it is read yet.
    pub async fn of(opened: &OpenedBackup, progress: &Progress) -> Result<Self> {
        let (range, in_flight) = AHEAD;
        let options = download::Options { range, in_flight };
        let fetch = opened.fetch(&opened.dump, options, Arc::clone(&progress.stored)).await?;
        Ok(Self { fetch, stored_len: opened.dump.stored_bytes, key: Arc::new(Key::new(opened.keys()?)) })
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
