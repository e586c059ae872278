//! Tells when a backup holds much less than the one before: a table emptied by mistake would otherwise
//! be noticed when the last backup with its rows is gone.
//!
//! The job that takes backups has no identity. It compares what everyone may know, the totals; table by
//! table only where the last backup is not encrypted.

use super::opened::OpenedBackup;
use crate::error::Result;
use crate::store::Store;
use crate::stored::catalogue::{self, Found};
use crate::stored::inventory::{Block, BlockKind, Inventory, Text};
use crate::stored::manifest::{Encryption, Source, Totals};
use crate::stored::names::{Id, Name};
use crate::units::count;
use indicatif::{BinaryBytes, HumanCount};
use std::collections::HashMap;
use std::sync::Arc;

/// What the last backup held.
#[derive(Debug)]
pub struct Before {
    /// Which it is.
    pub id: Id,
    /// Bytes it takes in the store.
    pub stored_bytes: u64,
    /// Which database it is of, if it says so.
    pub source: Option<Source>,
    plain_bytes: u64,
    totals: Option<Totals>,
    inventory: Option<Inventory>,
}

/// How much the last backup held.
#[derive(Debug, Clone)]
pub struct Held {
    /// Which it is.
    pub id: Id,
    /// Bytes it takes in the store.
    pub stored_bytes: u64,
    /// Its tables and rows, if they were counted.
    pub totals: Option<Totals>,
}

impl Before {
    /// How much it held.
    pub fn held(&self) -> Held {
        Held { id: self.id.clone(), stored_bytes: self.stored_bytes, totals: self.totals }
    }

    /// Reads what the newest backup of this name held; `None` where there is none.
    pub async fn read(store: &Arc<dyn Store>, name: &Name) -> Result<Option<Self>> {
        Self::read_newest(store, &catalogue::earlier(&**store, name).await?).await
    }

    /// Reads what the newest of these backups held, which are of one name.
    pub async fn read_newest(store: &Arc<dyn Store>, found: &[Found]) -> Result<Option<Self>> {
        let Some(newest) = catalogue::newest(found) else { return Ok(None) };
        let source = OpenedBackup::without_keys(store, catalogue::read(store, newest, None).await?)?;
        let manifest = &source.backup.manifest;
        let inventory = match manifest.encryption {
            Encryption::None => source.inventory().await?,
            Encryption::Age => None,
        };
        Ok(Some(Self {
            id: manifest.id.clone(),
            stored_bytes: manifest.stored_bytes(),
            source: manifest.postgres.as_ref().and_then(|postgres| postgres.source.clone()),
            plain_bytes: manifest.dump().map(|dump| dump.plain_bytes).unwrap_or_default(),
            totals: manifest.totals,
            inventory,
        }))
    }

    /// What has lost more than `percent` of its rows since, a sentence each; without rows in both, whether the dump has
    /// lost as much of its bytes.
    pub fn shrunk(&self, now: Option<&Inventory>, plain_bytes: u64, percent: u8) -> Vec<String> {
        let Some((now, rows, totals)) = now.and_then(|now| Some((now, now.rows()?, self.totals?))) else {
            let is_smaller = has_shrunk(self.plain_bytes, plain_bytes, percent);
            let said = format!("{} instead of {}", BinaryBytes(plain_bytes), BinaryBytes(self.plain_bytes));
            return is_smaller.then_some(said).into_iter().collect();
        };
        let mut all = Vec::new();
        let mut compare = |what: &str, before: u64, now: u64| {
            if has_shrunk(before, now, percent) {
                all.push(format!("{what}: {} instead of {}", count(now, "row"), HumanCount(before)));
            }
        };
        compare("all tables together", totals.rows, rows);
        if let Some(before) = &self.inventory {
            let rows: HashMap<(&Text, &Text), u64> = tables(now)
                .map(|block| ((&block.schema, &block.table), block.rows.unwrap_or_default()))
                .collect();
            for block in tables(before) {
                let now = rows.get(&(&block.schema, &block.table)).copied().unwrap_or_default();
                compare(&block.label(), block.rows.unwrap_or_default(), now);
            }
        }
        all
    }
}

/// Whether more than `percent` of it is gone.
pub fn has_shrunk(before: u64, now: u64, percent: u8) -> bool {
    u128::from(before.saturating_sub(now)) * 100 > u128::from(before) * u128::from(percent)
}

fn tables(inventory: &Inventory) -> impl Iterator<Item = &Block> {
    inventory.blocks.iter().filter(|block| block.kind == BlockKind::Table)
}
