//! Proof by numbers: the rows of every table, counted where they now are.

use super::verdict::Proof;
use crate::archive::{EntryKind, Preamble, TocEntry};
use crate::error::Result;
use crate::postgres::{Counted, Hidden, TableName, Target};
use crate::stored::format::inventory::{BlockKind, Inventory};
use crate::units::count;
use indicatif::HumanCount;
use std::collections::HashSet;

/// Why the rows of a foreign table are not compared.
pub(super) const ELSEWHERE: &str = "the rows of a foreign table are on another server";

/// Counts every table of the target and compares it with the inventory.
pub async fn prove(target: &Target, inventory: &Inventory) -> Result<Proof> {
    let front = Preamble::read(&inventory.archive.preamble)?;
    let foreign: HashSet<i32> = front.toc.foreign_rows().map(TocEntry::dump_id).collect();
    let tables = inventory.blocks.iter().filter(|block| block.kind == BlockKind::Table);
    let (foreign, tables): (Vec<_>, Vec<_>) = tables.partition(|block| foreign.contains(&block.dump_id));
    let (known, unknown): (Vec<_>, Vec<_>) = tables.into_iter().partition(|block| block.rows.is_some());
    let without_rows = without_rows(&front, inventory);
    let names = known.iter().map(|block| (block.schema.bytes(), block.table.bytes()));
    let names: Vec<_> = names.chain(without_rows.iter().map(|(name, _)| name.clone())).collect();
    let mut counted = target.count_rows(&inventory.archive.encoding, &names).await?.into_iter();

    let mut proof = Proof::default();
    unknown
        .iter()
        .for_each(|block| proof.not_compared(&block.label(), "its rows were not counted in the dump"));
    foreign.iter().for_each(|block| proof.not_compared(&block.label(), ELSEWHERE));
    let mut through_root = (0, 0);
    for (block, counted) in known.into_iter().zip(counted.by_ref()) {
        let expected = block.rows.unwrap_or_default();
        match counted {
            Some(Counted { rows: Ok(rows), .. }) if block.through_root => {
                through_root = (through_root.0 + expected, through_root.1 + rows);
                proof.agree(rows);
            }
            counted => proof.count(&block.label(), expected, counted),
        }
    }
    for ((_, label), counted) in without_rows.iter().zip(counted) {
        proof.count(label, 0, counted);
    }
    let (expected, found) = through_root;
    if expected != found {
        proof.differences.push(format!(
            "partitions restored through their root: {} instead of {}",
            count(found, "row"),
            HumanCount(expected)
        ));
    }
    let objects: Vec<u64> = inventory.blocks.iter().filter_map(|block| block.objects).collect();
    if !objects.is_empty() {
        let (expected, found) = (objects.iter().sum(), target.count_large_objects().await?);
        proof.large_objects(expected, found);
    }
    Ok(proof)
}

impl Proof {
    /// Compares a table's rows with those that it should have.
    fn count(&mut self, label: &str, expected: u64, counted: Option<Counted>) {
        let Some(Counted { rows, of_extension }) = counted else {
            return self.differ(label, "the table is not there");
        };
        match rows {
            Err(Hidden::Policies) => self.not_compared(label, "row-level security hides its rows"),
            Err(Hidden::Privileges) => self.not_compared(label, "the restoring role may not read it"),
            // An extension fills its tables itself; the dump has only what was added since.
            Ok(rows) if rows == expected || of_extension && rows > expected => self.agree(rows),
            Ok(rows) => {
                self.differ(label, &format!("{} instead of {}", count(rows, "row"), HumanCount(expected)));
            }
        }
    }
}

/// The tables that the dump defines and has no data of, by name and label: partitioned ones, and those whose data
/// was left out. They must be there, and empty.
fn without_rows(front: &Preamble, inventory: &Inventory) -> Vec<(TableName, String)> {
    let with_data = inventory.blocks.iter().filter(|block| block.kind == BlockKind::Table);
    let with_data: HashSet<TableName> =
        with_data.map(|block| (block.schema.bytes(), block.table.bytes())).collect();
    let tables = front.toc.of_kind(EntryKind::Table);
    let named = tables.map(|entry| {
        let (_, schema, name) = entry.identity();
        ((schema.to_vec(), name.to_vec()), entry.label())
    });
    named.filter(|(name, _)| !with_data.contains(name)).collect()
}
