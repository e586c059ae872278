//! What comes before an archive's first block: its header and its table of contents.

use super::header::Header;
use super::toc::Toc;

/// Header and table of contents of an archive, without its blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preamble {
    /// The header.
    pub header: Header,
    /// The table of contents.
    pub toc: Toc,
}

impl Preamble {
    /// Whether there is nothing in it to restore.
    pub fn is_empty(&self) -> bool {
        self.toc.entries().iter().all(|entry| entry.kind().is_setting())
    }
}
