//! The table of contents: every object of the dump, and which of them have data.

use std::sync::Arc;

use super::entry::{Section, TocEntry};
use crate::sql::EntryKind;

/// The table of contents, in the archive's own order: the order in which data come.
///
/// Clones share the entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Toc {
    entries: Arc<Vec<TocEntry>>,
}

impl Toc {
    pub(in crate::archive) fn new(entries: Vec<TocEntry>) -> Self {
        Self { entries: Arc::new(entries) }
    }

    /// Every entry.
    pub fn entries(&self) -> &[TocEntry] {
        &self.entries
    }

    /// The entries of this kind.
    pub fn of_kind(&self, kind: EntryKind) -> impl Iterator<Item = &TocEntry> {
        self.entries.iter().filter(move |entry| entry.kind() == kind)
    }

    /// The entries that have a block of data in the archive.
    pub fn with_data(&self) -> impl Iterator<Item = &TocEntry> {
        self.entries.iter().filter(|entry| entry.has_data())
    }

    /// Every entry with the section it is restored in: one without a section of its own follows the
    /// entry before it, as in `pg_restore`.
    pub fn sections(&self) -> impl Iterator<Item = (Section, &TocEntry)> {
        let mut current = Section::PreData;
        self.entries().iter().map(move |entry| {
            if entry.section() != Section::None {
                current = entry.section();
            }
            (current, entry)
        })
    }
}
