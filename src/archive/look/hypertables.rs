//! Tables of TimescaleDB: rows of a hypertable are in chunks, tables that inherit from it, and only the extension's own rows
//! say which these are.

use std::collections::HashSet;

use super::select::is_part_of;
use crate::archive::format::entry::TocEntry;
use crate::archive::format::toc::Toc;
use crate::sql::EntryKind;

/// The extension's name.
pub const TIMESCALEDB: &str = "timescaledb";

impl Toc {
    /// Whether the dumped database had TimescaleDB.
    pub fn has_timescaledb(&self) -> bool {
        self.extension(TIMESCALEDB).is_some()
    }

    /// The entries of hypertables, as far as they have chunks, whose schema and name may be anything; a table from which
    /// another one inherits looks the same.
    pub fn hypertables(&self) -> HashSet<i32> {
        if !self.has_timescaledb() {
            return HashSet::new();
        }
        let tables: HashSet<i32> = self.plain_tables().map(TocEntry::dump_id).collect();
        let chunks = self.plain_tables().filter(|table| table.inherits());
        chunks.flat_map(TocEntry::dependencies).filter(|id| tables.contains(id)).collect()
    }

    /// The entries that the extension must act on while they are restored, although it must not act on rows: they look at
    /// hypertables as a whole. Materialized views, and foreign keys of other tables.
    pub fn acted_on(&self) -> HashSet<i32> {
        if !self.has_timescaledb() {
            return HashSet::new();
        }
        let hypertables = self.hypertables();
        let refers = |key: &TocEntry| key.dependencies().any(|id| hypertables.contains(&id));
        let is_own = |key: &TocEntry| {
            let mut parts = self
                .plain_tables()
                .filter(|table| hypertables.contains(&table.dump_id()) || table.inherits());
            parts.any(|table| is_part_of(key, table))
        };
        let entries = self.entries().iter().filter(|entry| match entry.kind() {
            EntryKind::MaterializedViewData => true,
            EntryKind::ForeignKey => refers(entry) && !is_own(entry),
            _ => false,
        });
        entries.map(TocEntry::dump_id).collect()
    }

    fn plain_tables(&self) -> impl Iterator<Item = &TocEntry> {
        self.of_kind(EntryKind::Table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::format::preamble::Preamble;
    use crate::archive::read::reader::Reader;

    fn front(dump: &[u8]) -> Preamble {
        let mut reader = Reader::new();
        reader.feed(dump).unwrap();
        reader.preamble().unwrap()
    }

    #[test]
    fn hypertables_are_known_by_their_chunks_and_what_looks_at_them_by_them() {
        let front = front(include_bytes!("../../../tests/data/timescale15.dump"));
        let labels = |ids: HashSet<i32>| {
            let entries = front.toc.entries().iter().filter(|entry| ids.contains(&entry.dump_id()));
            let mut labels: Vec<String> = entries.map(TocEntry::label).collect();
            labels.sort();
            labels
        };
        assert!(front.toc.has_timescaledb());
        assert_eq!(labels(front.toc.hypertables()), ["public.metric"]);
        // Not the keys of the hypertable and its chunks, nor one that refers to another table.
        assert_eq!(labels(front.toc.acted_on()), ["public.alarm alarm_time_device_fkey", "public.latest"]);
    }

    #[test]
    fn without_the_extension_nothing_is_a_hypertable() {
        let front = front(include_bytes!("../../../tests/data/late15.dump"));
        assert!(!front.toc.has_timescaledb());
        assert!(front.toc.hypertables().is_empty() && front.toc.acted_on().is_empty());
    }
}
