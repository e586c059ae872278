//! Proof by content: the database is dumped again, and every table's rows are digested.
//!
//! The inventory's digests are of rows in their order. A restore in one stream keeps that order, one
//! with several workers may not: where a table has as many rows and another digest, its part of the backup is
//! read once more, and its rows are digested apart from their order, as those of the database were.

use super::counts::ELSEWHERE;
use super::verdict::{By, Proof};
use super::{catalog, redump};
use crate::archive::{self, Contents, Depth, EntryKind, Preamble, Reader, Toc, TocEntry};
use crate::error::{Error, Result};
use crate::postgres::Target;
use crate::postgres::clients::{Clients, Version};
use crate::run::Run;
use crate::stored::format::digest::Digest;
use crate::stored::format::inventory::{Block, BlockKind, Inventory};
use crate::stored::read::ranges::Ranges;
use crate::stored::read::reader::BackupReader;
use crate::units::count;
use indicatif::HumanCount;
use std::collections::{HashMap, HashSet};

/// Since this major floating-point numbers are written with fewer digits.
const SHORT_FLOATS: u32 = 12;
/// Since this major a byte of 128 or more in a `"char"` is written as its number.
const NUMBERED_BYTES: u32 = 15;

/// Dumps the target again and compares every digest with the inventory.
pub async fn prove(
    target: &Target,
    clients: &Clients,
    source: &BackupReader,
    inventory: &Inventory,
    run: &Run,
) -> Result<Proof> {
    let front = Preamble::read(&inventory.archive.preamble)?;
    let found = redump::whole(target, clients, inventory, &front.toc, run).await?;
    let mut comparison = Comparison::of(inventory, &front.toc, &found, target.is_given());
    let undecided = comparison.undecided();
    if !undecided.is_empty() {
        run.say("reading part of the backup again: some rows are in another order, or different");
        let dumped = dumped(source, inventory, &front, &undecided).await;
        comparison.decide(&dumped.map_err(|e| source.explain(e))?);
    }
    Ok(comparison.proof)
}

/// Whose rows nobody knows.
const OF_EXTENSION: &str = "an extension fills it itself";

/// Reads these blocks of the backup, and digests every row of them.
async fn dumped(
    source: &BackupReader,
    inventory: &Inventory,
    front: &Preamble,
    wanted: &HashSet<i32>,
) -> Result<Vec<archive::Block>> {
    let mut reader = Reader::looking(Depth::Rows);
    reader.feed(&front.keep(|entry| wanted.contains(&entry.dump_id())).to_bytes())?;
    let blocks = || inventory.blocks.iter().filter(|block| wanted.contains(&block.dump_id));
    let stretches: Vec<_> = blocks().map(Block::range).collect();
    let ranges = Ranges::of(source, &source.progress).await?;
    ranges.read(inventory, &stretches, async |bytes| Ok(reader.feed(&bytes)?)).await?;
    let dumped = reader.finish()?.blocks;
    match blocks().zip(&dumped).find(|(said, is)| !same_digest(said, is)) {
        Some((said, is)) => {
            let place = said.first_difference(is);
            Err(Error::verify(format!("{} is not what was backed up{place}", said.label())))
        }
        None => Ok(dumped),
    }
}

/// What was found so far, and what only a second look at the backup can decide.
struct Comparison<'a> {
    proof: Proof,
    undecided: Vec<Undecided<'a>>,
    /// All partitions loaded through their root, which may have changed places: compared together.
    through_root: Together<'a>,
    objects: Together<'a>,
    /// Whether the two servers write floating-point numbers alike.
    floats_alike: bool,
    /// Whether the two servers write the bytes of `"char"` alike.
    bytes_alike: bool,
    /// The tables whose rows name objects, by their dump ids, if both servers do not put the same words into quotes.
    names_unlike: HashSet<i32>,
    /// Whether others may have tables in the database, which the dump does not define.
    is_shared: bool,
}

/// As many rows as there should be, with another digest.
struct Undecided<'a> {
    block: &'a Block,
    sum: Option<u128>,
    /// Where its rows differ first, if their order counts.
    place: String,
    /// Why it may differ without a fault.
    excuse: Option<&'static str>,
}

/// Blocks that are compared together.
#[derive(Default)]
struct Together<'a> {
    said: Vec<&'a Block>,
    sum: u128,
    undecided: bool,
}

type Name<'a> = (&'a [u8], &'a [u8]);

impl<'a> Comparison<'a> {
    fn of(inventory: &'a Inventory, said: &Toc, found: &Contents, is_shared: bool) -> Self {
        let major = |version: &str| Version::parse(version).map_or(SHORT_FLOATS, |version| version.major);
        let (one, other) = (major(&inventory.archive.server_version), major(&found.header.server_version));
        let alike = |since: u32| (one >= since) == (other >= since);
        let mut comparison = Self {
            proof: Proof { by: By::Digests, ..Proof::default() },
            undecided: Vec::new(),
            through_root: Together::default(),
            objects: Together::default(),
            floats_alike: alike(SHORT_FLOATS),
            bytes_alike: alike(NUMBERED_BYTES),
            names_unlike: if one == other { HashSet::new() } else { said.holders_of_names() },
            is_shared,
        };
        comparison.tables(inventory, said, found);
        if !comparison.through_root.undecided {
            comparison.through_root.agree(&mut comparison.proof);
        }
        comparison.objects(inventory, found);
        comparison.proof.differences.extend(catalog::sequences(said, &found.toc));
        comparison
    }

    fn tables(&mut self, inventory: &'a Inventory, said: &Toc, found: &Contents) {
        let entries: HashMap<i32, &TocEntry> =
            said.entries().iter().map(|entry| (entry.dump_id(), entry)).collect();
        let definitions: HashMap<Name, &TocEntry> =
            said.of_kind(EntryKind::Table).map(|entry| (name(entry), entry)).collect();
        let (foreign, there) =
            (defined(said, EntryKind::ForeignTable), defined(&found.toc, EntryKind::Table));
        let data = found.toc.with_data().zip(&found.blocks);
        let mut data: HashMap<Name, _> = data
            .filter(|(entry, _)| entry.kind() == EntryKind::TableData)
            .map(|(entry, block)| (name(entry), (entry, block)))
            .collect();

        for block in inventory.blocks.iter().filter(|block| block.kind == BlockKind::Table) {
            let Some(entry) = entries.get(&block.dump_id) else {
                self.proof.not_compared(&block.label(), "it is missing in the inventory's table of contents");
                continue;
            };
            let name = name(entry);
            let now = data.remove(&name);
            let Some(rows) = block.rows else {
                self.proof.not_compared(&block.label(), "its rows were not counted in the dump");
                continue;
            };
            match now {
                None if foreign.contains(&name) => {
                    self.proof.not_compared(&block.label(), ELSEWHERE);
                }
                None if there.contains(&name) => {
                    self.proof.not_compared(&block.label(), "row-level security hides its rows");
                }
                None => self.proof.differ(&block.label(), "the table is not there"),
                Some((now_entry, now)) => {
                    let columns = same_columns(entry, now_entry);
                    self.table(block, rows, now, columns, definitions.get(&name).copied());
                }
            }
        }
        // Partitioned tables, and those whose data was left out: they are there, or not.
        let with_data: HashSet<Name> = inventory
            .blocks
            .iter()
            .filter_map(|block| entries.get(&block.dump_id))
            .map(|entry| name(entry))
            .collect();
        for entry in said.of_kind(EntryKind::Table) {
            let name = name(entry);
            if !with_data.contains(&name) {
                match there.contains(&name) {
                    true => self.proof.agree(0),
                    false => self.proof.differ(&entry.label(), "the table is not there"),
                }
            }
        }
        // What an extension or somebody else put into their own tables is no business of the dump's.
        for (name, (entry, block)) in data {
            if let Some(rows @ 1..) = block.rows
                && there.contains(&name)
                && (definitions.contains_key(&name) || !self.is_shared)
            {
                let label = entry.label();
                self.proof.differences.push(format!("{label}: {}, and none in the dump", count(rows, "row")));
            }
        }
    }

    fn table(
        &mut self,
        block: &'a Block,
        rows: u64,
        now: &archive::Block,
        same_columns: bool,
        definition: Option<&TocEntry>,
    ) {
        let same = same_digest(block, now);
        if block.through_root {
            self.through_root.add(block, now, same);
        } else if same {
            self.proof.agree(rows);
        } else if !same_columns && now.rows.is_none_or(|now| now == rows) {
            self.proof.not_compared(&block.label(), "its columns are in another order");
        } else if now.rows == Some(rows) {
            let (place, excuse) = (block.first_difference(now), self.excuse(definition));
            self.undecided.push(Undecided { block, sum: now.unordered, place, excuse });
        } else if definition.is_none() {
            self.proof.not_compared(&block.label(), OF_EXTENSION);
        } else {
            let place = block.first_difference(now);
            let now = now.rows.map_or("an unknown number of rows".to_owned(), |rows| count(rows, "row"));
            self.proof.differ(&block.label(), &format!("{now} instead of {}{place}", HumanCount(rows)));
        }
    }

    /// Why the rows of a table that is defined so may have another text.
    fn excuse(&self, definition: Option<&TocEntry>) -> Option<&'static str> {
        match definition {
            None => Some(OF_EXTENSION),
            Some(_) if !self.floats_alike => Some("the servers write floating-point numbers differently"),
            Some(table) if !self.bytes_alike && table.has_columns_of_bytes() => {
                Some("it has a column of type \"char\", and the servers write its bytes differently")
            }
            Some(table) if self.names_unlike.contains(&table.dump_id()) => {
                Some("its rows name objects, and the servers quote names differently")
            }
            Some(_) => None,
        }
    }

    fn objects(&mut self, inventory: &'a Inventory, found: &Contents) {
        let said = inventory.blocks.iter().filter(|block| block.kind == BlockKind::LargeObjects);
        let now: Vec<_> = found.blocks.iter().filter(|block| block.objects.is_some()).collect();
        self.objects.said = said.collect();
        self.objects.sum = now.iter().fold(0, |sum, block| add(sum, block.unordered));
        let expected: u64 = self.objects.said.iter().filter_map(|block| block.objects).sum();
        let there: u64 = now.iter().filter_map(|block| block.objects).sum();
        self.proof.large_objects(expected, there);
        // Owners and grants decide which of them are dumped together.
        let same = self.objects.said.len() == now.len()
            && self.objects.said.iter().zip(now).all(|(said, now)| same_digest(said, now));
        self.objects.undecided = expected == there && !same;
    }

    /// The entries that only a look at the backup's own rows can decide about.
    fn undecided(&self) -> HashSet<i32> {
        let together = [&self.through_root, &self.objects].into_iter().filter(|together| together.undecided);
        let together = together.flat_map(|together| together.said.iter().copied());
        self.undecided.iter().map(|one| one.block).chain(together).map(|block| block.dump_id).collect()
    }

    /// Compares without regard to order; `dumped` is what the backup holds of what is undecided.
    fn decide(&mut self, dumped: &[archive::Block]) {
        let sums: HashMap<i32, Option<u128>> =
            dumped.iter().map(|block| (block.dump_id, block.unordered)).collect();
        let sum = |block: &Block| sums.get(&block.dump_id).copied().flatten();
        for Undecided { block, sum: now, place, excuse } in std::mem::take(&mut self.undecided) {
            let same = now.is_some() && now == sum(block);
            if same {
                self.proof.agree(block.rows.unwrap_or_default());
                self.proof.in_another_order += 1;
            } else if let Some(excuse) = excuse {
                self.proof.not_compared(&block.label(), excuse);
            } else {
                let how = format!("the same number of rows, with different content{place}");
                self.proof.differ(&block.label(), &how);
            }
        }
        if self.through_root.is_decided(sum) {
            self.through_root.agree(&mut self.proof);
        } else if self.through_root.undecided {
            self.proof.differences.push("partitions loaded through their root: the rows differ".into());
        }
        if self.objects.undecided && !self.objects.is_decided(sum) {
            self.proof.large_objects = None;
            self.proof.differences.push("large objects: the content differs".into());
        }
    }
}

impl<'a> Together<'a> {
    fn add(&mut self, block: &'a Block, now: &archive::Block, same: bool) {
        self.said.push(block);
        self.sum = add(self.sum, now.unordered);
        self.undecided |= !same;
    }

    /// Whether what was undecided comes to the same after all.
    fn is_decided(&self, said: impl Fn(&Block) -> Option<u128>) -> bool {
        self.undecided && self.said.iter().fold(0, |all, block| add(all, said(block))) == self.sum
    }

    fn agree(&self, proof: &mut Proof) {
        self.said.iter().for_each(|block| proof.agree(block.rows.unwrap_or_default()));
    }
}

fn add(sum: u128, more: Option<u128>) -> u128 {
    sum.wrapping_add(more.unwrap_or_default())
}

fn name(entry: &TocEntry) -> Name<'_> {
    let (_, schema, table) = entry.identity();
    (schema, table)
}

/// The names of all entries of a kind.
fn defined<'t>(toc: &'t Toc, kind: EntryKind) -> HashSet<Name<'t>> {
    toc.of_kind(kind).map(name).collect()
}

fn same_digest(said: &Block, now: &archive::Block) -> bool {
    said.sha256.is_some() && said.sha256 == now.sha256.map(Digest)
}

/// Which words need quotes differs between majors.
fn same_columns(one: &TocEntry, other: &TocEntry) -> bool {
    let bare = |entry: &TocEntry| -> Vec<u8> {
        entry.columns().iter().copied().filter(|byte| *byte != b'"').collect()
    };
    bare(one) == bare(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PG15: &[u8] = include_bytes!("../../tests/data/pg15.dump");
    const PG18: &[u8] = include_bytes!("../../tests/data/pg18.dump");

    fn read(dump: &[u8]) -> Contents {
        let mut reader = Reader::looking(Depth::Rows);
        reader.feed(dump).unwrap();
        reader.finish().unwrap()
    }

    /// `dump` with the first of these bytes that follow `after` replaced by others of the same number.
    fn changed(dump: &[u8], after: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
        let find = |within: &[u8], what: &[u8]| within.windows(what.len()).position(|w| w == what).unwrap();
        let start = find(dump, after) + after.len();
        let at = start + find(&dump[start..], from);
        [&dump[..at], to, &dump[at + from.len()..]].concat()
    }

    /// What comes of a dump whose restore is dumped again as `found`.
    fn proof(inventory: &Inventory, dump: &[u8], found: &[u8]) -> Proof {
        let (front, found) = (Preamble::read(&inventory.archive.preamble).unwrap(), read(found));
        let mut comparison = Comparison::of(inventory, &front.toc, &found, false);
        let undecided = comparison.undecided();
        let mut dumped = read(dump).blocks;
        dumped.retain(|block| undecided.contains(&block.dump_id));
        comparison.decide(&dumped);
        comparison.proof
    }

    fn inventory(dump: &[u8]) -> Inventory {
        Inventory::new(read(dump), &[])
    }

    #[test]
    fn majors_write_the_same() {
        for (dump, found) in [(PG15, PG18), (PG18, PG15), (PG15, PG15)] {
            let proof = proof(&inventory(dump), dump, found);
            assert!(proof.differences.is_empty() && proof.not_compared.is_empty(), "{proof:?}");
            assert_eq!((proof.tables, proof.rows, proof.in_another_order), (8, 64, 0));
            assert!(proof.large_objects.is_some());
        }
    }

    #[test]
    fn each_difference_is_named_and_no_more() {
        let row = |from: &[u8], to: &[u8]| changed(PG18, b"PGDMP", from, to);
        let sequence = changed(PG18, b"orders_id_seq', ", b"50", b"51");
        for (found, difference) in [
            (row(b"3\tn3\n", b"3\tn4\n"), "public.orders: the same number of rows, with different content"),
            (row(b"3\tn3\n", b"\n\tn3\n"), "public.orders: 51 rows instead of 50"),
            (row(b"first", b"FIRST"), "large objects: the content differs"),
            (sequence, "sequence public.orders_id_seq is at 51 instead of 50"),
        ] {
            assert_eq!(proof(&inventory(PG18), PG18, &found).differences, [difference]);
        }
        let mut found = PG18.to_vec();
        while found.windows(6).any(|w| w == b"orders") {
            found = changed(&found, b"PGDMP", b"orders", b"ordurs");
        }
        assert_eq!(
            proof(&inventory(PG18), PG18, &found).differences,
            ["public.orders: the table is not there", "public.ordurs: 50 rows, and none in the dump"]
        );
    }

    #[test]
    fn rows_that_changed_places_are_the_same() {
        let found = changed(PG18, b"PGDMP", b"3\tn3\n", b"7\tn7\n");
        let found = changed(&found, b"7\tn7\n", b"7\tn7\n", b"3\tn3\n");
        let proof = proof(&inventory(PG18), PG18, &found);
        assert_eq!((proof.tables, proof.in_another_order, proof.differences.len()), (8, 1, 0));
    }

    #[test]
    fn what_may_differ_for_good_reasons_is_not_compared() {
        let other = changed(PG18, b"PGDMP", b"3\tn3\n", b"3\tn4\n");
        let not_compared = |inventory: &Inventory, found: &[u8]| {
            let proof = proof(inventory, PG18, found);
            assert_eq!((proof.tables, proof.differences.len()), (7, 0), "{proof:?}");
            proof.not_compared
        };
        let mut old = inventory(PG18);
        old.archive.server_version = "11.22".into();
        let why = "public.orders (the servers write floating-point numbers differently)";
        assert_eq!(not_compared(&old, &other), [why]);

        let columns = changed(&other, b"COPY public.orders", b"(id, note)", b"(note, id)");
        assert_eq!(
            not_compared(&inventory(PG18), &columns),
            ["public.orders (its columns are in another order)"]
        );

        // A table that the dump does not define was made by an extension.
        let mut extension = inventory(PG18);
        let preamble = &extension.archive.preamble;
        let (table, other_kind) = (b"\x05\0\0\0TABLE", b"\x05\0\0\0OTHER");
        extension.archive.preamble = changed(preamble, b"\x06\0\0\0orders", table, other_kind);
        assert_eq!(not_compared(&extension, &other), ["public.orders (an extension fills it itself)"]);
    }
}
