//! Proves a restore: the rows of every table, counted where they now are, against the inventory.

use crate::error::{Error, Result};
use crate::inventory::{Block, Inventory, Kind};
use crate::postgres::Target;
use serde::Serialize;

/// What was proven.
#[derive(Debug, Default, Serialize)]
pub struct Proof {
    /// Tables whose rows were counted and agree.
    pub tables: usize,
    /// The rows in them.
    pub rows: u64,
    /// Tables whose rows cannot be compared, by name.
    pub not_compared: Vec<String>,
    /// What does not agree, a sentence each.
    pub differences: Vec<String>,
}

impl Proof {
    /// Counts every table of the target and compares it with the inventory.
    pub async fn of(target: &Target, inventory: &Inventory) -> Result<Self> {
        let tables = inventory.blocks.iter().filter(|block| block.kind == Kind::Table);
        let (known, unknown): (Vec<_>, Vec<_>) = tables.partition(|block| block.rows.is_some());
        let names: Vec<_> = known.iter().map(|block| (block.schema.bytes(), block.table.bytes())).collect();
        let counted = target.count_rows(&inventory.archive.encoding, &names).await?;

        let mut proof = Self::default();
        proof.not_compared.extend(unknown.iter().map(|block| block.label()));
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
                Some(found) => proof.differ(block, &format!("{} rows instead of {expected}", found.rows)),
            }
        }
        let (expected, found) = through_root;
        if expected != found {
            proof
                .differences
                .push(format!("partitions restored through their root: {found} rows instead of {expected}"));
        }
        Ok(proof)
    }

    fn agree(&mut self, rows: u64) {
        self.tables += 1;
        self.rows += rows;
    }

    fn differ(&mut self, block: &Block, how: &str) {
        self.differences.push(format!("{}: {how}", block.label()));
    }

    /// Says what could not be compared, and fails where something does not agree.
    pub fn judge(&self, database: &str) -> Result<()> {
        if !self.not_compared.is_empty() {
            tracing::warn!("these tables cannot be compared by their rows: {}", self.not_compared.join(", "));
        }
        for difference in &self.differences {
            tracing::warn!("{difference}");
        }
        match self.differences.len() {
            0 => Ok(()),
            count => Err(Error::verify(format!(
                "{database} does not hold what was dumped: {count} of {} tables differ",
                self.tables + count
            ))
            .hint("the backup itself agrees with all its digests; --keep-failed keeps the database to look into")),
        }
    }
}
