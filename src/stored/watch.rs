//! Lets the archive reader look at the plaintext that passes, on either way.

use crate::archive::{Contents, Digests, Reader, TocEntry};
use crate::error::Result;
use crate::pipeline::{SecondLook, Watch};
use crate::progress::Progress;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The archive reader as a watch; tells the progress which table passes.
pub struct ArchiveWatch {
    reader: Reader,
    progress: Progress,
    passing: Option<i32>,
    /// Where digests are wanted: the second look, once the reader could make it.
    digests: Option<Shared>,
}

type Shared = Arc<Mutex<Option<Digests>>>;

impl ArchiveWatch {
    /// Begins to look on.
    pub fn new(progress: Progress) -> Self {
        Self { reader: Reader::new(), progress, passing: None, digests: None }
    }

    /// Begins to look on, and digests every block.
    pub fn with_digests(progress: Progress) -> Self {
        Self { digests: Some(Shared::default()), ..Self::new(progress) }
    }

    /// What the archive held, if it was complete to its last block.
    pub fn finish(self) -> Result<Contents> {
        let mut contents = self.reader.finish()?;
        if let Some(digests) = self.digests.and_then(|shared| lock(&shared).take()) {
            contents.blocks = digests.finish()?;
        }
        Ok(contents)
    }
}

impl Watch for ArchiveWatch {
    fn look(&mut self, bytes: &[u8]) -> Result<()> {
        let before = self.reader.toc().is_some();
        self.reader.feed(bytes)?;
        if let (false, Some(shared)) = (before, &self.digests) {
            *lock(shared) = self.reader.digests();
        }
        let current = self.reader.current();
        let passing = current.map(TocEntry::dump_id);
        if passing != self.passing {
            self.passing = passing;
            self.progress.now_passing(current.map(TocEntry::label).unwrap_or_default());
        }
        Ok(())
    }

    fn boundary(&self) -> Option<u64> {
        self.reader.boundary()
    }

    fn second_look(&self) -> Option<SecondLook> {
        let shared = Arc::clone(self.digests.as_ref()?);
        let mut offset = 0;
        Some(Box::new(move |bytes| {
            if let Some(digests) = &mut *lock(&shared) {
                digests.feed(offset, bytes)?;
            }
            offset += bytes.len() as u64;
            Ok(())
        }))
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Option<Digests>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
