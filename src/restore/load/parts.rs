//! Shares a dump's data out among workers: each part is an archive of its own for one `pg_restore`.

use crate::archive::{EntryKind, Preamble, Section, TocEntry, rows_begin, rows_end};
use crate::stored::format::inventory::{Block, BlockKind, Inventory};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

/// Parts smaller than this cost more to begin than they save, in bytes of the archive.
const SMALLEST: u64 = 32 << 20;
/// A part that fails is loaded again, so none is larger, in bytes of the archive, unless it cannot be cut.
const LARGEST: u64 = 1 << 30;
/// More tables than this are not worth one transaction.
const MOST_TABLES: u64 = 500;
/// What part of the server's locks all workers may take together, each for the tables of its part.
const LOCKS: u64 = 8;
/// To empty a table again pays for one with more bytes than this, which is also the size from which the server writes no WAL if it
/// need not (`wal_skip_threshold`).
const WORTH_EMPTYING: u64 = 2 << 20;
/// Parts for each worker, so that all of them end at about the same time.
const FOR_EACH: u64 = 4;

/// A part of the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What people know it by.
    pub label: String,
    /// The entries it restores.
    entries: BTreeSet<i32>,
    /// The bytes of the whole archive it takes, in ascending order.
    pub stretches: Vec<Range<u64>>,
    /// If it is some of a table's rows only: which.
    rows_of: Option<SomeRows>,
    of_rows: bool,
    /// If it comes after all parts without this: also after the rows of these entries.
    after: Option<Arc<BTreeSet<i32>>>,
    /// Those of its entries whose tables are emptied first, for the server to write less.
    frozen: BTreeSet<i32>,
    /// Bytes of the largest table that it has rows of, all its rows counted.
    weight: u64,
}

/// Some of a table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SomeRows {
    /// The dump id of the table's data.
    table: i32,
    /// Whether they are the first ones, before which the archive has what begins a block.
    first: bool,
    /// Whether they are the last ones, after which the archive has what ends a block.
    last: bool,
}

impl Part {
    /// The archive that `pg_restore` is given, without its data.
    pub fn preamble(&self, front: &Preamble) -> Preamble {
        let kept = front.keep(|entry| self.entries.contains(&entry.dump_id()));
        if self.frozen.is_empty() {
            return kept;
        }
        kept.with(|entry| {
            let frozen = if self.frozen.contains(&entry.dump_id()) { entry.frozen() } else { None };
            frozen.unwrap_or_else(|| entry.clone())
        })
    }

    /// The entries it restores.
    pub fn entries(&self) -> &BTreeSet<i32> {
        &self.entries
    }

    /// Bytes of the largest table that it has rows of, all its rows counted.
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// Its bytes of the archive.
    pub fn bytes(&self) -> u64 {
        self.stretches.iter().map(|stretch| stretch.end - stretch.start).sum()
    }

    /// Whether it is rows of tables, which triggers and constraints may look at, and nothing else.
    pub fn has_rows(&self) -> bool {
        self.of_rows
    }

    /// If it comes after all parts without this: also after the rows of these entries.
    pub fn after(&self) -> Option<&BTreeSet<i32>> {
        self.after.as_deref()
    }

    /// Lets it come at any time.
    pub fn hurry(&mut self) {
        self.after = None;
    }

    /// A part for each of its tables: one that is refused must not keep the others out.
    pub fn by_table(self, inventory: &Inventory) -> Vec<Self> {
        if self.entries.len() <= 1 {
            return vec![self];
        }
        let blocks = inventory.blocks.iter().filter(|block| self.entries.contains(&block.dump_id));
        let alone = |block: &Block| Self {
            label: block.label(),
            entries: BTreeSet::from([block.dump_id]),
            stretches: vec![block.range()],
            frozen: self.frozen.iter().filter(|id| **id == block.dump_id).copied().collect(),
            weight: block.archive_bytes(),
            ..self.clone()
        };
        blocks.map(alone).collect()
    }

    /// Where it begins in the whole archive.
    pub fn start(&self) -> u64 {
        self.stretches.first().map_or(0, |stretch| stretch.start)
    }

    /// What `pg_restore` reads before the stretches.
    pub fn head(&self, front: &Preamble) -> Vec<u8> {
        let mut head = self.preamble(front).to_bytes();
        if let Some(SomeRows { table, first: false, .. }) = self.rows_of {
            head.extend(rows_begin(table));
        }
        head
    }

    /// What `pg_restore` reads after them.
    pub fn tail(&self) -> Vec<u8> {
        match self.rows_of {
            Some(SomeRows { last: false, .. }) => rows_end(),
            _ => Vec::new(),
        }
    }
}

/// How large the parts are, in bytes of the archive.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Small tables are together in parts of this size, and a table that is cut has parts of it.
    pub share: u64,
    /// A larger table is cut.
    pub whole: u64,
}

impl Sizes {
    /// For this number of workers.
    ///
    /// If the server need not log a table that is loaded as a whole (`whole_pays`), only those are cut that would keep a
    /// worker busy when all others are done.
    pub fn of(inventory: &Inventory, jobs: usize, whole_pays: bool) -> Self {
        let for_each = inventory.archive.bytes / (jobs as u64).max(1);
        let share = (for_each / FOR_EACH).clamp(SMALLEST, LARGEST);
        Self { share, whole: if whole_pays { share.max(for_each) } else { share } }
    }
}

/// Data that must be loaded after, or before, other data: an extension's tables have their foreign keys
/// from the beginning.
fn ordered(front: &Preamble) -> BTreeSet<i32> {
    let with_data: BTreeSet<i32> = front.toc.with_data().map(TocEntry::dump_id).collect();
    let mut ordered = BTreeSet::new();
    for entry in front.toc.with_data() {
        for other in entry.dependencies().filter(|id| with_data.contains(id)) {
            ordered.extend([entry.dump_id(), other]);
        }
    }
    ordered
}

/// The rows of tables that are stored as usual.
fn heaps(front: &Preamble) -> BTreeSet<i32> {
    let tables = front.toc.of_kind(EntryKind::Table).filter(|entry| entry.is_heap());
    let tables: BTreeSet<i32> = tables.map(TocEntry::dump_id).collect();
    let rows = front.toc.with_data().filter(|entry| entry.kind() == EntryKind::TableData);
    rows.filter(|rows| rows.dependencies().any(|id| tables.contains(&id))).map(TocEntry::dump_id).collect()
}

/// How many tables a worker loads in one transaction: the server holds locks for each until its end.
pub fn tables_at_once(locks: u64, jobs: usize) -> usize {
    let share = locks / LOCKS / (jobs as u64).max(1);
    usize::try_from(share.clamp(1, MOST_TABLES)).unwrap_or(1)
}

/// The parts, those of the largest table first: neighbouring small tables together, a table that is too large in
/// stretches of whole rows, and in one, in the archive's order, all that is not rows (sequences, large
/// objects) or depends on other data. Rows that functions of their tables compute from others come after these.
pub fn parts(inventory: &Inventory, front: &Preamble, sizes: Sizes, most_tables: usize) -> Vec<Part> {
    let ordered = ordered(front);
    let free = |block: &&Block| {
        block.kind == BlockKind::Table && block.rows.is_some() && !ordered.contains(&block.dump_id)
    };
    let (rows, others): (Vec<&Block>, Vec<&Block>) = inventory.blocks.iter().partition(free);
    let of_rows: BTreeSet<i32> = rows.iter().map(|block| block.dump_id).collect();
    let mut parts = Vec::new();

    let data = front.toc.sections().filter(|(section, _)| *section == Section::Data);
    let rest: BTreeSet<i32> =
        data.map(|(_, entry)| entry.dump_id()).filter(|id| !of_rows.contains(id)).collect();
    if !rest.is_empty() {
        parts.push(Part {
            label: "sequences and large objects".to_owned(),
            entries: rest,
            stretches: others.iter().map(|block| block.range()).collect(),
            rows_of: None,
            of_rows: false,
            after: None,
            frozen: BTreeSet::new(),
            weight: others.iter().map(|block| block.archive_bytes()).sum(),
        });
    }

    let after: BTreeMap<i32, Arc<BTreeSet<i32>>> =
        front.toc.late_rows().into_iter().map(|late| (late.id, late.after)).collect();
    let (waiting, rows): (Vec<&Block>, Vec<&Block>) =
        rows.into_iter().partition(|block| after.contains_key(&block.dump_id));
    let heaps = heaps(front);
    let shared = |rows: Vec<&Block>, most| shared(inventory, rows, sizes, most, &heaps);
    parts.extend(shared(rows, most_tables));
    // Only those may be together that do not wait for each other: no rows are among those that they wait for.
    let mut late: BTreeMap<&Arc<BTreeSet<i32>>, Vec<&Block>> = BTreeMap::new();
    for block in waiting {
        if let Some(after) = after.get(&block.dump_id) {
            late.entry(after).or_default().push(block);
        }
    }
    for (after, blocks) in late {
        let together = shared(blocks, most_tables).into_iter();
        parts.extend(together.map(|part| Part { after: Some(Arc::clone(after)), ..part }));
    }
    parts.sort_by_key(|part| std::cmp::Reverse(part.weight));
    parts
}

/// Parts with these rows: neighbouring small tables together, a table that is too large in stretches of whole rows.
fn shared(
    inventory: &Inventory,
    rows: Vec<&Block>,
    Sizes { share, whole }: Sizes,
    most_tables: usize,
    heaps: &BTreeSet<i32>,
) -> Vec<Part> {
    let mut parts = Vec::new();
    // A frame holds many small tables: neighbours share the work of fetching it.
    let mut together: Option<Part> = None;
    for block in rows {
        if block.archive_bytes() > whole {
            parts.extend(together.take());
            parts.extend(cut(inventory, block, share, heaps));
            continue;
        }
        let part = together.get_or_insert_with(|| Part {
            label: block.label(),
            entries: BTreeSet::new(),
            stretches: Vec::new(),
            rows_of: None,
            of_rows: true,
            after: None,
            frozen: BTreeSet::new(),
            weight: 0,
        });
        if part.entries.len() == 1 {
            part.label.push_str(" and others");
        }
        part.entries.insert(block.dump_id);
        part.stretches.push(block.range());
        let bytes = block.archive_bytes();
        part.weight = part.weight.max(bytes);
        if bytes >= WORTH_EMPTYING && heaps.contains(&block.dump_id) {
            part.frozen.insert(block.dump_id);
        }
        if part.bytes() >= share || part.entries.len() >= most_tables {
            parts.extend(together.take());
        }
    }
    parts.extend(together);
    parts
}

/// A table in stretches that begin where a frame begins between two rows.
fn cut(inventory: &Inventory, block: &Block, share: u64, heaps: &BTreeSet<i32>) -> Vec<Part> {
    let Range { start, end } = block.range();
    let places = inventory.frame_spans().filter(|span| span.clean).map(|span| span.plain_offset);
    let mut stretches = Vec::new();
    let mut from = start;
    for place in places.filter(|place| (start + 1..end).contains(place)) {
        // Not so late that a crumb is left behind.
        if place - from >= share && end - place >= share / 2 {
            stretches.push(from..place);
            from = place;
        }
    }
    stretches.push(from..end);
    let count = stretches.len();
    let part = |(number, stretch): (usize, Range<u64>)| Part {
        label: if count == 1 {
            block.label()
        } else {
            format!("{}, {} of {count}", block.label(), number + 1)
        },
        entries: BTreeSet::from([block.dump_id]),
        rows_of: (count > 1).then_some(SomeRows {
            table: block.dump_id,
            first: stretch.start == start,
            last: stretch.end == end,
        }),
        stretches: vec![stretch],
        of_rows: true,
        after: None,
        frozen: heaps.iter().filter(|id| count == 1 && **id == block.dump_id).copied().collect(),
        weight: end - start,
    };
    stretches.into_iter().enumerate().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::super::later::{Later, before};
    use super::*;
    use crate::archive::Reader;
    use crate::layout::{Cut, FrameSpan};

    const DUMP: &[u8] = include_bytes!("../../../tests/data/pg18.dump");

    /// The dump's inventory with a frame every `size` bytes or a little more, cut where the reader says.
    fn inventory(size: usize) -> Inventory {
        inventory_of(DUMP, size)
    }

    fn inventory_of(dump: &[u8], size: usize) -> Inventory {
        let mut reader = Reader::with_digests();
        let (mut frames, mut start) = (Vec::<FrameSpan>::new(), 0);
        for (at, byte) in dump.iter().enumerate() {
            reader.feed(&[*byte]).unwrap();
            let now = at as u64 + 1;
            let good = reader.boundary() == Some(Cut::clean(now));
            if (good && now - start >= size as u64) || now == dump.len() as u64 {
                frames.push(FrameSpan {
                    plain_offset: start,
                    plain_len: now - start,
                    compressed_offset: start,
                    compressed_len: now - start,
                    sha256: [0; 32],
                    clean: true,
                });
                start = now;
            }
        }
        Inventory::new(reader.finish().unwrap(), &frames)
    }

    #[test]
    fn every_row_is_in_exactly_one_part() {
        let inventory = inventory(40);
        let front = Preamble::read(&inventory.archive.preamble).unwrap();
        for share in [1, 100, 300, 1 << 40] {
            let parts = parts(&inventory, &front, Sizes { share, whole: share }, 500);
            let mut rows = 0;
            let mut stretches: Vec<_> = parts.iter().flat_map(|part| part.stretches.clone()).collect();
            stretches.sort_by_key(|stretch| stretch.start);
            let mut at = inventory.archive.preamble.len() as u64;
            for stretch in stretches {
                assert_eq!(stretch.start, at);
                at = stretch.end;
            }
            assert_eq!(at, inventory.archive.bytes);
            for part in &parts {
                let mut bytes = part.head(&front);
                for stretch in &part.stretches {
                    bytes.extend(&DUMP[stretch.start as usize..stretch.end as usize]);
                }
                bytes.extend(part.tail());
                let mut reader = Reader::new();
                reader.feed(&bytes).unwrap();
                let contents = reader.finish().unwrap_or_else(|e| panic!("{part:?}: {e}"));
                rows += contents.blocks.iter().filter_map(|block| block.rows).sum::<u64>();
            }
            assert_eq!(Some(rows), inventory.rows());
            assert!(parts.is_sorted_by_key(|part| std::cmp::Reverse(part.weight)));
            assert_eq!(parts.iter().filter(|part| part.label.starts_with("sequences")).count(), 1);
            if share == 1 {
                assert!(parts.iter().any(|part| part.label.contains(" of ")), "{parts:#?}");
            } else if share > 1000 {
                assert_eq!(parts.len(), 2);
            }
        }
    }

    /// The table of contents with one more dependency.
    fn depending(front: &Preamble, entry: i32, on: i32) -> Preamble {
        let count = front.header.raw().len() + 5;
        let mut bytes = front.to_bytes()[..count].to_vec();
        for each in front.toc.entries() {
            // Dependencies end with an absent text; the offset follows.
            let (head, end) = each.raw().split_at(each.raw().len() - 14);
            bytes.extend(head);
            if each.dump_id() == entry {
                let on = on.to_string();
                bytes.extend([0, u8::try_from(on.len()).unwrap(), 0, 0, 0]);
                bytes.extend(on.bytes());
            }
            bytes.extend(end);
        }
        Preamble::read(&bytes).unwrap()
    }

    #[test]
    fn data_that_depends_on_data_stays_together_and_in_order() {
        let inventory = inventory(40);
        let front = Preamble::read(&inventory.archive.preamble).unwrap();
        let tables: Vec<i32> =
            inventory.blocks.iter().filter(|block| block.rows.is_some()).map(|block| block.dump_id).collect();
        let [first, .., last] = tables[..] else { panic!("{tables:?}") };
        let front = depending(&front, last, first);
        let parts = parts(&inventory, &front, Sizes { share: 1, whole: 1 }, 500);
        let together: Vec<_> = parts.iter().filter(|part| part.entries.contains(&first)).collect();
        assert_eq!(together.len(), 1);
        assert!(together[0].entries.contains(&last) && together[0].rows_of.is_none(), "{together:?}");
        assert!(together[0].label.starts_with("sequences"));
        assert!(together[0].stretches.is_sorted_by_key(|stretch| stretch.start));
        let all: u64 = parts.iter().map(Part::bytes).sum();
        assert_eq!(all, inventory.archive.bytes - inventory.archive.preamble.len() as u64);
    }

    #[test]
    fn late_rows_that_wait_for_the_same_ones_are_together() {
        let inventory = inventory_of(include_bytes!("../../../tests/data/late15.dump"), 40);
        let front = Preamble::read(&inventory.archive.preamble).unwrap();
        let name = |id: &i32| {
            let entry = front.toc.entries().iter().find(|entry| entry.dump_id() == *id);
            entry.unwrap().label().replace("public.", "")
        };
        let names = |ids: &BTreeSet<i32>| ids.iter().map(name).collect::<BTreeSet<_>>();
        let parts_of = |most_tables| {
            let parts = parts(&inventory, &front, Sizes { share: 1 << 40, whole: 1 << 40 }, most_tables);
            let waiting =
                parts.into_iter().filter(|part| part.after.as_ref().is_some_and(|after| !after.is_empty()));
            waiting.map(|part| (names(&part.entries), names(&part.after.unwrap()))).collect::<Vec<_>>()
        };
        let [together, base] = [&["also_1", "also_2"][..], &["Base"]]
            .map(|names| names.iter().map(ToString::to_string).collect());
        assert!(parts_of(500).contains(&(together, base)), "{:?}", parts_of(500));
        assert_eq!((parts_of(500).len(), parts_of(1).len()), (4, 5));
    }

    #[test]
    fn a_table_that_need_not_be_logged_is_cut_only_if_it_would_be_the_last() {
        let mut inventory = inventory(40);
        inventory.archive.bytes = 8 << 30;
        let sizes = |whole_pays| Sizes::of(&inventory, 2, whole_pays);
        assert_eq!((sizes(false).share, sizes(false).whole), (1 << 30, 1 << 30));
        assert_eq!((sizes(true).share, sizes(true).whole), (1 << 30, 4 << 30));
        let front = Preamble::read(&inventory.archive.preamble).unwrap();
        let count = |whole| parts(&inventory, &front, Sizes { share: 1, whole }, 500).len();
        assert!(count(1) > count(1 << 40));
        let parts = parts(&inventory, &front, Sizes { share: 1, whole: 1 << 40 }, 500);
        assert!(parts.iter().all(|part| part.rows_of.is_none() && part.entries.len() == 1 || !part.of_rows));
    }

    #[test]
    fn every_entry_is_restored_once() {
        let partitioned = include_bytes!("../../../tests/data/related18.dump");
        for (dump, has_attached) in [(DUMP, false), (&partitioned[..], true)] {
            let inventory = inventory_of(dump, 40);
            let front = Preamble::read(&inventory.archive.preamble).unwrap();
            let sizes = Sizes { share: 1 << 40, whole: 1 << 40 };
            let of_parts = parts(&inventory, &front, sizes, 500).into_iter().flat_map(|part| part.entries);
            let later = Later::of(&front, &BTreeSet::new());
            assert_eq!(later.of_partitions.is_some(), has_attached);
            let (indexes, attached) = later.of_partitions.unzip();
            // Tables stand in these again, and are not made again.
            let with_tables: Vec<Preamble> = indexes.into_iter().chain([later.after]).collect();
            let others =
                [before(&front), later.attached_last, later.grants, later.refreshes, later.event_triggers];
            assert!(!others[0].toc.entries().iter().any(|entry| entry.kind().is_grant()));
            let others: Vec<Preamble> = others.into_iter().chain(attached).collect();
            for some in with_tables.iter().chain(&others) {
                assert_eq!(some.toc.entries().iter().filter(|entry| entry.kind().is_setting()).count(), 3);
            }
            let is_made = |entry: &&TocEntry| !entry.kind().is_setting();
            let made = |preamble: &Preamble, wanted: fn(&TocEntry) -> bool| -> Vec<i32> {
                let entries = preamble.toc.entries().iter().filter(is_made);
                entries.filter(|entry| wanted(entry)).map(TocEntry::dump_id).collect()
            };
            let mut all: Vec<i32> = of_parts.collect();
            all.extend(others.iter().flat_map(|some| made(some, |_| true)));
            all.extend(with_tables.iter().flat_map(|some| made(some, |one| one.kind() != EntryKind::Table)));
            all.sort_unstable();
            let mut expected = made(&front, |_| true);
            expected.sort_unstable();
            assert_eq!(all, expected);
            let tables = made(&front, |entry| entry.kind() == EntryKind::Table);
            for some in &with_tables {
                assert_eq!(made(some, |entry| entry.kind() == EntryKind::Table), tables);
            }
        }
    }
}
