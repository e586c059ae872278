//! How tables grew, from the inventories of several backups.

use crate::stored::format::inventory::{BlockKind, Inventory, Text};
use crate::stored::format::names::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// How one table grew.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Growth {
    /// Its name, as `--table` takes it.
    pub table: String,
    /// Its sizes, oldest first; of backups that have it.
    pub sizes: Vec<Size>,
}

/// How large a table was in a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Size {
    /// When the backup was begun.
    pub at: Timestamp,
    /// Rows, if they were counted.
    pub rows: Option<u64>,
    /// Bytes of its rows in the dump.
    pub bytes: u64,
}

impl Growth {
    /// The size in the newest backup that was read; `None` if the table is not in it.
    pub fn now(&self, newest: Timestamp) -> Option<Size> {
        self.sizes.last().filter(|size| size.at == newest).copied()
    }
}

/// What a size is of, the same in every backup.
type Owner = (BlockKind, Text, Text);

/// The tables of these backups, which come oldest first; those that are largest now come first.
pub(super) fn of(inventories: &[(Timestamp, Inventory)]) -> Vec<Growth> {
    let mut all: BTreeMap<Owner, Growth> = BTreeMap::new();
    for (at, inventory) in inventories {
        for block in &inventory.blocks {
            let (kind, schema, table) = block.owner();
            let owner = (kind, schema.clone(), table.clone());
            let name = || block.pattern().unwrap_or_else(|| block.label());
            let growth = all.entry(owner).or_insert_with(|| Growth { table: name(), sizes: Vec::new() });
            let rows = block.rows.or(block.objects);
            match growth.sizes.last_mut().filter(|size| size.at == *at) {
                // Large objects may lie in many blocks.
                Some(size) => {
                    size.bytes = size.bytes.saturating_add(block.raw_bytes);
                    size.rows = size.rows.zip(rows).map(|(so_far, more)| so_far.saturating_add(more));
                }
                None => growth.sizes.push(Size { at: *at, rows, bytes: block.raw_bytes }),
            }
        }
    }
    let newest = inventories.last().map(|(at, _)| *at);
    let mut all: Vec<Growth> = all.into_values().collect();
    let bytes = |growth: &Growth| newest.and_then(|newest| growth.now(newest)).map(|size| size.bytes);
    all.sort_by(|a, b| bytes(b).cmp(&bytes(a)).then_with(|| a.table.cmp(&b.table)));
    all
}
