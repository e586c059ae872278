//! Lets the archive reader look at the plaintext that passes, on either way.

use crate::archive::{Contents, Reader, TocEntry};
use crate::error::Result;
use crate::pipeline::Watch;
use crate::progress::Progress;

/// The archive reader as a watch; tells the progress which table passes.
pub struct ArchiveWatch {
    reader: Reader,
    progress: Progress,
    passing: Option<i32>,
}

impl ArchiveWatch {
    /// Begins to look on.
    pub fn new(progress: Progress) -> Self {
        Self { reader: Reader::new(), progress, passing: None }
    }

    /// What the archive held, if it was complete to its last block.
    pub fn finish(self) -> Result<Contents> {
        Ok(self.reader.finish()?)
    }
}

impl Watch for ArchiveWatch {
    fn look(&mut self, bytes: &[u8]) -> Result<()> {
        self.reader.feed(bytes)?;
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
}
