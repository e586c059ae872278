//! Indexes and constraints of large tables that can be made while the rows of other tables are still on their way.
//!
//! Only what takes long is made early, and only if all it looks at are rows that are in by then. An index that calls
//! a function of the database's own waits for all rows: nobody knows what the function reads. So does everything
//! that changes how a table takes rows, or who may read them: triggers, rules, policies.

use crate::archive::{EntryKind, Preamble, Section, TocEntry};
use crate::postgres::TIMESCALEDB_RESTORING;
use crate::stored::format::inventory::Inventory;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Tables with fewer bytes of rows get their indexes with all others, since every one that is made early costs a
/// `pg_restore`.
pub const LEAST: u64 = 32 << 20;

/// An index or a constraint that is made early.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Early {
    /// What people know it by.
    pub label: String,
    /// The dump id of its entry.
    pub id: i32,
    /// Its entry, and those that say something about it.
    pub entries: BTreeSet<i32>,
    /// The entries whose rows must be in; indexes of many partitions may look at the same ones.
    pub rows: Arc<BTreeSet<i32>>,
    /// Those that must be made before.
    pub after: BTreeSet<i32>,
    /// The tables it locks.
    pub tables: BTreeSet<i32>,
    /// Whether others can work on its tables at the same time.
    pub shares: bool,
    /// Bytes of the rows it looks at.
    pub bytes: u64,
}

impl Early {
    /// All of them that look at `least` bytes of rows or more, with those they build upon: the largest first.
    pub fn all(front: &Preamble, inventory: &Inventory, least: u64) -> Vec<Self> {
        let tables = Tables::of(front, inventory);
        let later = front.toc.sections().filter(|(section, _)| *section == Section::PostData);
        let found = later.filter_map(|(_, entry)| tables.early(entry));
        let mut all: BTreeMap<i32, Self> = found.map(|one| (one.id, one)).collect();
        let of_no_rows: BTreeSet<i32> =
            all.values().filter(|one| one.rows.is_empty()).map(|one| one.id).collect();
        // What builds upon one that must wait, must wait too.
        loop {
            let ids: BTreeSet<i32> = all.keys().copied().collect();
            all.retain(|id, one| {
                let before = if of_no_rows.contains(id) { &of_no_rows } else { &ids };
                one.after.is_subset(before) && one.after.is_subset(&ids)
            });
            if all.len() == ids.len() {
                break;
            }
        }
        let mut wanted: BTreeSet<i32> =
            all.values().filter(|one| one.bytes >= least).map(|one| one.id).collect();
        loop {
            let before = wanted.len();
            let needed: Vec<i32> =
                wanted.iter().filter_map(|id| all.get(id)).flat_map(|one| one.after.clone()).collect();
            wanted.extend(needed);
            if wanted.len() == before {
                break;
            }
        }
        let mut early: Vec<Self> = all.into_values().filter(|one| wanted.contains(&one.id)).collect();
        let places: HashMap<i32, usize> =
            early.iter().enumerate().map(|(place, one)| (one.id, place)).collect();
        for remark in front.toc.entries().iter().filter(|entry| entry.kind().is_remark()) {
            let place = remark.dependencies().find_map(|id| places.get(&id));
            if let Some(one) = place.and_then(|place| early.get_mut(*place)) {
                one.entries.insert(remark.dump_id());
            }
        }
        early.sort_by_key(|one| Reverse(one.bytes));
        early
    }

    /// Whether it needs no rows at all: it is of a partitioned table, and those of the partitions build upon it.
    ///
    /// It is made before any rows come, as it locks the partitions too.
    pub fn is_first(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether the two would wait for each other's locks, or end each other: whoever alters a table wants it for
    /// itself, and of two tables both may have one.
    pub fn collides(&self, other: &Self) -> bool {
        !(self.shares && other.shares || self.tables.is_disjoint(&other.tables))
    }
}

/// What a table of contents says of its tables.
struct Tables<'t> {
    by_id: HashMap<i32, &'t TocEntry>,
    /// A table's partitions, and the tables that inherit from it.
    below: HashMap<i32, Vec<i32>>,
    /// The same the other way round.
    above: HashMap<i32, Vec<i32>>,
    /// The entries with rows that may come to lie in the same tables, and how many bytes they have; each is in one of these.
    rows: Vec<(Arc<BTreeSet<i32>>, u64)>,
    /// Which of them a table's are in.
    rows_of: HashMap<i32, Vec<usize>>,
    /// Which of them are of tables that extensions define.
    of_extensions: Vec<usize>,
}

impl<'t> Tables<'t> {
    fn of(front: &'t Preamble, inventory: &Inventory) -> Self {
        let entries = || front.toc.entries().iter();
        let by_id = entries().map(|entry| (entry.dump_id(), entry)).collect();
        let bytes: HashMap<i32, u64> =
            inventory.blocks.iter().map(|block| (block.dump_id, block.archive_bytes())).collect();
        let (below, above, rows, rows_of, of_extensions) = Default::default();
        let mut tables = Self { by_id, below, above, rows, rows_of, of_extensions };
        for entry in entries() {
            tables.add_below(entry);
        }
        let through_root: BTreeSet<i32> =
            inventory.blocks.iter().filter(|block| block.through_root).map(|block| block.dump_id).collect();
        let mut through: BTreeMap<BTreeSet<i32>, BTreeSet<i32>> = BTreeMap::new();
        let mut all = Vec::new();
        for entry in front.toc.with_data().filter(|entry| entry.kind() == EntryKind::TableData) {
            let (id, of) = (entry.dump_id(), tables.tables_of(entry).collect());
            match through_root.contains(&id) {
                true => through.entry(tables.roots(of)).or_default().extend([id]),
                false => all.push((of, BTreeSet::from([id]))),
            }
        }
        // They may come to lie in any partition.
        all.extend(through.into_iter().map(|(roots, rows)| (tables.with_below(roots), rows)));
        for (of, rows) in all {
            let number = tables.rows.len();
            if of.is_empty() {
                tables.of_extensions.push(number);
            }
            of.into_iter().for_each(|table| tables.rows_of.entry(table).or_default().push(number));
            let bytes = rows.iter().filter_map(|id| bytes.get(id)).sum();
            tables.rows.push((Arc::new(rows), bytes));
        }
        tables
    }

    fn add_below(&mut self, entry: &TocEntry) {
        let above: Vec<i32> = self.tables_of(entry).collect();
        let child = match entry.kind() {
            EntryKind::Table => Some(entry.dump_id()),
            EntryKind::TableAttach => {
                let (_, schema, name) = entry.identity();
                let is_child = |id: &&i32| {
                    let identity = self.by_id.get(id).map(|table| table.identity());
                    identity.is_some_and(|(_, its_schema, its_name)| (its_schema, its_name) == (schema, name))
                };
                above.iter().find(is_child).copied()
            }
            _ => None,
        };
        let Some(child) = child else { return };
        for parent in above.into_iter().filter(|parent| *parent != child) {
            self.below.entry(parent).or_default().push(child);
            self.above.entry(child).or_default().push(parent);
        }
    }

    /// The tables that an entry depends on.
    fn tables_of(&self, entry: &TocEntry) -> impl Iterator<Item = i32> {
        entry.dependencies().filter(|id| self.kind(*id) == Some(EntryKind::Table))
    }

    fn kind(&self, id: i32) -> Option<EntryKind> {
        self.by_id.get(&id).map(|entry| entry.kind())
    }

    /// These tables and all below them.
    fn with_below(&self, tables: BTreeSet<i32>) -> BTreeSet<i32> {
        with_all(tables, &self.below)
    }

    /// Of these tables and all above them those that nothing is above.
    fn roots(&self, tables: BTreeSet<i32>) -> BTreeSet<i32> {
        let all = with_all(tables, &self.above);
        let roots: BTreeSet<i32> =
            all.iter().filter(|table| !self.above.contains_key(table)).copied().collect();
        // A damaged archive may say that a table is above itself.
        if roots.is_empty() { all } else { roots }
    }

    /// The entries with the rows of these tables or of extensions, and how many bytes they have.
    fn rows(&self, tables: &BTreeSet<i32>, of_extensions: bool) -> (Arc<BTreeSet<i32>>, u64) {
        let mut numbers: BTreeSet<usize> =
            tables.iter().filter_map(|table| self.rows_of.get(table)).flatten().copied().collect();
        if of_extensions {
            numbers.extend(&self.of_extensions);
        }
        let some: Vec<_> = numbers.into_iter().filter_map(|number| self.rows.get(number)).collect();
        match some[..] {
            [one] => one.clone(),
            _ => {
                let rows = some.iter().flat_map(|(rows, _)| rows.iter().copied()).collect();
                (Arc::new(rows), some.iter().map(|(_, bytes)| bytes).sum())
            }
        }
    }

    /// How an entry can be made early; `None` if it cannot.
    fn early(&self, entry: &TocEntry) -> Option<Early> {
        let holds =
            |words: &[u8]| entry.defn().is_some_and(|defn| memchr::memmem::find(defn, words).is_some());
        let kind = entry.kind();
        let made_early = [EntryKind::Index, EntryKind::Constraint, EntryKind::ForeignKey];
        // What an exclusion constraint calls is not among its dependencies, nor the extension's rows that say what a hypertable is.
        let is_acted_on = holds(TIMESCALEDB_RESTORING.as_bytes());
        // One of a table with its partitions locks all of them, and looks at the rows of each.
        let is_excluding = holds(b" EXCLUDE ") || entry.excludes_in_partitions();
        if !made_early.contains(&kind) || is_excluding || is_acted_on {
            return None;
        }
        let id = entry.dump_id();
        let mut early = Early { id, label: entry.label(), entries: BTreeSet::from([id]), ..Early::default() };
        let mut of_extensions = false;
        for id in entry.dependencies() {
            match self.kind(id) {
                Some(EntryKind::Table) => early.tables.extend([id]),
                Some(EntryKind::Index | EntryKind::Constraint) => early.after.extend([id]),
                Some(EntryKind::Extension) => of_extensions = true,
                Some(EntryKind::Schema | EntryKind::Collation | EntryKind::Type) | None => {}
                Some(_) => return None,
            }
        }
        if early.tables.is_empty() {
            return None;
        }
        if kind == EntryKind::ForeignKey {
            early.tables = self.with_below(std::mem::take(&mut early.tables));
        }
        (early.rows, early.bytes) = self.rows(&early.tables, of_extensions);
        // A clustered index, or one that is the replica identity, alters its table.
        early.shares = kind == EntryKind::Index && !holds(b"ALTER TABLE");
        Some(early)
    }
}

/// These and all that they lead to.
fn with_all(from: BTreeSet<i32>, to: &HashMap<i32, Vec<i32>>) -> BTreeSet<i32> {
    let (mut all, mut next) = (BTreeSet::new(), Vec::from_iter(from));
    while let Some(one) = next.pop() {
        if all.insert(one) {
            next.extend(to.get(&one).into_iter().flatten());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::later::Later;
    use super::*;
    use crate::archive::{Contents, Reader};
    use crate::stored::format::inventory::Block;

    const OF_15: &[u8] = include_bytes!("../../../tests/data/related15.dump");
    const OF_18: &[u8] = include_bytes!("../../../tests/data/related18.dump");

    fn read(dump: &[u8]) -> (Preamble, Inventory) {
        let mut reader = Reader::with_digests();
        reader.feed(dump).unwrap();
        let contents: Contents = reader.finish().unwrap();
        (contents.preamble(), Inventory::new(contents, &[]))
    }

    fn named<'e>(all: &'e [Early], label: &str) -> &'e Early {
        all.iter().find(|one| one.label == label).unwrap_or_else(|| panic!("{label} in {all:#?}"))
    }

    /// The tables whose rows must be in.
    fn rows_of(front: &Preamble, one: &Early) -> Vec<String> {
        let rows = front.toc.entries().iter().filter(|entry| one.rows.contains(&entry.dump_id()));
        rows.map(TocEntry::label).collect()
    }

    #[test]
    fn each_waits_for_the_rows_that_it_looks_at_and_no_others() {
        for dump in [OF_15, OF_18] {
            let (front, inventory) = read(dump);
            let all = Early::all(&front, &inventory, 0);
            let rows = |label: &str| rows_of(&front, named(&all, label));
            assert_eq!(rows("app.orders_buyer"), ["app.orders"]);
            // A table with a column of another's type looks like one that inherits from it: to wait for it does no harm.
            let like_below = "Größe.Täb\"le x";
            assert_eq!(rows("app.orders orders_buyer_fkey"), [like_below, "app.orders", "app.users"]);
            assert_eq!(rows("app.events_2025 events_2025_pkey"), ["app.events_2025"]);
            let foreign = named(&all, "app.orders orders_buyer_fkey");
            assert!(foreign.after.contains(&named(&all, "app.users users_pkey").id));
            // A comment comes with what it is about.
            assert_eq!((foreign.entries.len(), named(&all, "app.orders_buyer").entries.len()), (2, 2));
            // What is of a partitioned table itself needs no rows, and comes before those of its partitions.
            let first: Vec<&str> =
                all.iter().filter(|one| one.is_first()).map(|one| one.label.as_str()).collect();
            assert_eq!(first, ["app.events events_pkey", "app.events_2026 events_2026_pkey"]);
            // Triggers, rules and policies wait for all rows; so does what needs an attached index, or a view's rows.
            let kinds =
                |one: &Early| front.toc.entries().iter().find(|e| e.dump_id() == one.id).unwrap().kind();
            assert!(all.iter().all(|one| {
                matches!(kinds(one), EntryKind::Index | EntryKind::Constraint | EntryKind::ForeignKey)
            }));
            for late in ["app.refs refs_at_kind_fkey", "app.per_buyer_buyer_idx"] {
                assert!(all.iter().all(|one| one.label != late), "{late}");
            }
        }
    }

    #[test]
    fn rows_through_a_root_may_be_in_any_partition_and_are_known_once() {
        let (front, mut inventory) = read(OF_18);
        let partitions = ["app.events_2025", "other.events_2026_c"];
        for block in inventory.blocks.iter_mut().filter(|block| partitions.contains(&block.label().as_str()))
        {
            block.through_root = true;
        }
        let all = Early::all(&front, &inventory, 0);
        let [one, other] = ["app.events_2025 events_2025_pkey", "other.events_2026_c events_2026_c_pkey"]
            .map(|label| named(&all, label));
        let mut rows = rows_of(&front, one);
        rows.sort();
        assert_eq!(rows, partitions);
        assert!(Arc::ptr_eq(&one.rows, &other.rows));
        assert_eq!(one.bytes, other.bytes);
        let bytes = inventory.blocks.iter().filter(|block| block.through_root).map(Block::archive_bytes);
        assert_eq!(one.bytes, bytes.sum::<u64>());
    }

    #[test]
    fn small_tables_wait_and_what_a_large_one_needs_does_not() {
        let (front, inventory) = read(OF_18);
        let all = Early::all(&front, &inventory, 0);
        let foreign = named(&all, "app.orders orders_buyer_fkey");
        let some = Early::all(&front, &inventory, foreign.bytes);
        assert!(some.len() < all.len());
        for label in ["app.orders orders_buyer_fkey", "app.users users_pkey"] {
            assert_eq!(named(&some, label), named(&all, label));
        }
        assert!(some.iter().all(|one| one.label != "app.tree tree_pkey"), "{some:#?}");
        assert!(Early::all(&front, &inventory, u64::MAX).is_empty());
    }

    #[test]
    fn whoever_alters_a_table_has_it_alone() {
        let (front, inventory) = read(OF_18);
        let all = Early::all(&front, &inventory, 0);
        let [key, index, foreign, other] = [
            "app.orders orders_pkey",
            "app.orders_buyer",
            "app.orders orders_buyer_fkey",
            "app.tree tree_pkey",
        ]
        .map(|label| named(&all, label));
        assert!(key.collides(index) && index.collides(key) && key.collides(foreign));
        assert!(foreign.collides(named(&all, "app.users users_pkey")), "it alters both tables");
        assert!(!index.collides(index), "two indexes of a table can be built at the same time");
        assert!(!key.collides(other) && !foreign.collides(other));
    }

    /// All that needs it waits too; made before for another, it is not made again.
    #[test]
    fn a_key_without_overlaps_of_a_table_with_its_partitions_waits_for_all() {
        let (front, inventory) = read(OF_18);
        let key = named(&Early::all(&front, &inventory, 0), "app.users users_pkey").id;
        let without =
            b"ALTER TABLE app.users\n    ADD CONSTRAINT users_pkey PRIMARY KEY (id, at WITHOUT OVERLAPS);\n";
        let front = front.with(|entry| match entry.dump_id() == key {
            true => entry.with_defn(without),
            false => entry.clone(),
        });
        let all = Early::all(&front, &inventory, 0);
        let labels: Vec<&str> = all.iter().map(|one| one.label.as_str()).collect();
        assert!(
            !labels.contains(&"app.users users_pkey") && !labels.contains(&"app.orders orders_buyer_fkey")
        );
        let again = Later::of(&front, &BTreeSet::from([key]));
        let later = [again.after, again.attached_last];
        assert!(later.iter().all(|front| front.toc.entries().iter().all(|entry| entry.dump_id() != key)));
    }
}
