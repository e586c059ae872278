//! What a table's own definition says of the tables above it, and of those below: up to PostgreSQL 13 `pg_dump` writes no
//! `TABLE ATTACH` for partitions.

use std::ops::Range;

use crate::archive::format::entry::TocEntry;
use crate::sql::{replaced, statements};

impl TocEntry {
    /// Whether its statement creates something. What says of a partition's trigger only whether it fires alters its table.
    pub fn creates(&self) -> bool {
        self.defn().is_some_and(|defn| defn.starts_with(b"CREATE "))
    }

    /// Whether the statement that creates it makes it a partition, too.
    pub(in crate::archive) fn attaches_itself(&self) -> bool {
        let holds =
            |words: &[u8]| self.defn().is_some_and(|defn| memchr::memmem::find(defn, words).is_some());
        // As the first minors of PostgreSQL 10 and 11 wrote it.
        holds(b"ATTACH PARTITION") || holds(b" PARTITION OF ")
    }

    /// Whether it is a table that inherits from others, without being a partition.
    pub(in crate::archive) fn inherits(&self) -> bool {
        self.defn().is_some_and(|defn| memchr::memmem::find(defn, b"\nINHERITS (").is_some())
    }

    /// What says which rows are in which partition of it; empty for a table without partitions.
    pub(in crate::archive) fn partition_key(&self) -> &[u8] {
        let defn = self.defn().unwrap_or_default();
        let begins = memchr::memmem::rfind(defn, b"\nPARTITION BY ");
        begins.and_then(|at| defn.get(at..)).unwrap_or_default()
    }

    /// Whether it makes a column an identity, and the sequence for it.
    pub(in crate::archive) fn is_identity(&self) -> bool {
        self.defn().is_some_and(|defn| memchr::memmem::find(defn, b" ADD GENERATED ").is_some())
    }

    /// The same, but as a table on its own, if a statement of its own attaches it.
    #[must_use]
    pub(in crate::archive) fn on_its_own(&self) -> Self {
        let defn = self.defn().unwrap_or_default();
        let places: Vec<_> = attaching(defn).map(|place| (place, Vec::new())).collect();
        if places.is_empty() { self.clone() } else { self.with_defn(&replaced(defn, &places)) }
    }
}

/// The places of the statements that attach a partition.
fn attaching(defn: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let attaches = statements(defn).filter(|(words, _)| {
        words
            .windows(2)
            .any(|two| matches!(two, [attach, part] if attach.is(b"ATTACH") && part.is(b"PARTITION")))
    });
    attaches.map(|(_, place)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_attaches_is_left_out() {
        let defn = b"CREATE TABLE s.p (\n    t text DEFAULT '; ATTACH PARTITION'::text\n);\n\
            ALTER TABLE ONLY s.r ATTACH PARTITION s.p FOR VALUES IN (';');\n\
            ALTER TABLE ONLY s.p ALTER COLUMN t SET STATISTICS 5;\n";
        let places: Vec<_> = attaching(defn).collect();
        let left: Vec<&[u8]> = places.iter().map(|place| &defn[place.clone()]).collect();
        assert_eq!(left, [b"ALTER TABLE ONLY s.r ATTACH PARTITION s.p FOR VALUES IN (';');"]);
    }
}
