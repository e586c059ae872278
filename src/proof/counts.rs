//! Proof by numbers: the rows of every table, counted where they now are.

use super::Proof;
use crate::error::Result;
use crate::postgres::Target;
use crate::stored::inventory::{BlockKind, Inventory};
use crate::units::count;
use indicatif::HumanCount;

/// Counts every table of the target and compares it with the inventory.
pub async fn prove(target: &Target, inventory: &Inventory) -> Result<Proof> {
    let tables = inventory.blocks.iter().filter(|block| block.kind == BlockKind::Table);
    let (known, unknown): (Vec<_>, Vec<_>) = tables.partition(|block| block.rows.is_some());
    let names: Vec<_> = known.iter().map(|block| (block.schema.bytes(), block.table.bytes())).collect();
    let counted = target.count_rows(&inventory.archive.encoding, &names).await?;

    let mut proof = Proof::default();
    unknown.iter().for_each(|block| proof.not_compared(block, "its rows were not counted in the dump"));
    let mut through_root = (0, 0);
    for (block, counted) in known.into_iter().zip(counted) {
        let expected = block.rows.unwrap_or_default();
        match counted {
            None => proof.differ(block, "the table is not there"),
            Some(found) if block.through_root => {
                through_root = (through_root.0 + expected, through_root.1 + found.rows);
                proof.agree(found.rows);
            }
            // An extension fills its tables itself; the dump has only what was added since.
            Some(found) if found.of_extension && found.rows >= expected => proof.agree(found.rows),
            Some(found) if found.rows == expected => proof.agree(found.rows),
            Some(found) => proof
                .differ(block, &format!("{} instead of {}", count(found.rows, "row"), HumanCount(expected))),
        }
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
