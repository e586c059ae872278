//! The stream of a backup: its dump, or some tables of it, or its bytes whatever they are.
//!
//! The last bytes are handed on only after every digest has been verified.

use super::excerpt;
use super::opened::{BackupSelection, OpenStore, OpenedBackup};
use crate::archive::Contents;
use crate::error::{Error, Result};
use crate::pipeline::Watch;
use crate::progress::{Direction, Progress};
use crate::stored::find::catalogue::Signature;
use crate::stored::format::inventory::Inventory;
use crate::stored::watch::ArchiveWatch;
use std::ops::Deref;
use std::sync::atomic::Ordering;
use tokio::io::AsyncWrite;

/// An opened backup, or some tables of it, ready to be streamed.
pub struct BackupReader {
    opened: OpenedBackup,
    excerpt: Option<Inventory>,
    /// How far the stream has come.
    pub progress: Progress,
}

impl Deref for BackupReader {
    type Target = OpenedBackup;

    fn deref(&self) -> &OpenedBackup {
        &self.opened
    }
}

impl BackupReader {
    /// Will read all of this backup.
    pub fn new(opened: OpenedBackup) -> Self {
        let progress = Progress {
            expected: Some(opened.dump.plain_bytes),
            direction: Direction::Back,
            ..Progress::default()
        };
        Self { opened, excerpt: None, progress }
    }

    /// Opens the store, finds the backup, checks its manifest and that there are keys for it; the dump
    /// is not touched yet.
    pub async fn find(selection: BackupSelection) -> Result<Self> {
        let BackupSelection { select, reading } = selection;
        let opened = OpenStore::open(reading).await?.find(&select).await?;
        opened.keys()?;
        Ok(Self::new(opened))
    }

    /// Makes it a source of no more than this inventory tells, made of its own by choosing.
    pub fn narrow(&mut self, excerpt: Inventory) {
        self.progress.expected = Some(excerpt.archive.bytes);
        self.excerpt = Some(excerpt);
    }

    /// What was chosen of it, where that is not all.
    pub fn excerpt(&self) -> Option<&Inventory> {
        self.excerpt.as_ref()
    }

    /// Bytes of the archive that comes of it.
    pub fn plain_bytes(&self) -> u64 {
        self.excerpt.as_ref().map_or(self.dump.plain_bytes, |excerpt| excerpt.archive.bytes)
    }

    /// Bytes of the stored dump that were fetched so far.
    pub fn fetched_bytes(&self) -> u64 {
        self.progress.stored.load(Ordering::Relaxed)
    }

    /// Streams the archive into `sink`; the last bytes only after everything has agreed.
    pub async fn stream(&self, sink: &mut (impl AsyncWrite + Unpin + Send)) -> Result<Contents> {
        match &self.excerpt {
            Some(excerpt) => excerpt::stream(&self.opened, &self.progress, excerpt, sink).await,
            None => self.pass(sink, ArchiveWatch::new(self.progress.clone())).await,
        }
    }

    /// Reads the dump to its end and digests every block: what it holds, and what differs from this inventory, a
    /// sentence each.
    pub async fn compare(&self, inventory: Option<&Inventory>) -> Result<(Inventory, Vec<String>)> {
        let watch = ArchiveWatch::with_digests(self.progress.clone());
        let found = Inventory::new(self.pass(&mut tokio::io::sink(), watch).await?, &[]);
        let differences = inventory.map(|inventory| inventory.differences(&found)).unwrap_or_default();
        Ok((found, differences))
    }

    /// Streams the plaintext, whatever it is, into `sink`; the last bytes only after everything has agreed.
    pub async fn bytes(&self, sink: &mut (impl AsyncWrite + Unpin + Send)) -> Result<()> {
        self.pass_by(sink, &mut ()).await
    }

    /// Reads a signed backup once before it is given to somebody who runs it: whoever may write to the store can put something
    /// else there instead of its dump, and the whole is known to be ours only at its end.
    pub async fn look_through(&self) -> Result<()> {
        if self.backup.signature != Signature::Verified || self.excerpt.is_some() {
            return Ok(());
        }
        self.shown_to(&mut ()).await?;
        self.progress.begin_again();
        Ok(())
    }

    /// Lets `watch` see the plaintext, whatever it is, and checks it like a stream.
    pub async fn shown_to(&self, watch: &mut dyn Watch) -> Result<()> {
        self.pass_by(&mut tokio::io::sink(), watch).await
    }

    async fn pass(
        &self,
        sink: &mut (impl AsyncWrite + Unpin + Send),
        mut watch: ArchiveWatch,
    ) -> Result<Contents> {
        self.pass_by(sink, &mut watch).await?;
        watch.finish()
    }

    async fn pass_by(
        &self,
        sink: &mut (impl AsyncWrite + Unpin + Send),
        watch: &mut dyn Watch,
    ) -> Result<()> {
        let identities = self.keys()?;
        let unpacked = self.unpack(&self.dump, identities, &self.progress, watch, sink).await;
        unpacked.map_err(|e| self.explain_dump(e))
    }

    /// Says which backup a failure met in the dump is about, and what can still be had of it.
    pub fn explain_dump(&self, error: Error) -> Error {
        self.opened.explain_dump(error, self.excerpt.is_none())
    }
}
