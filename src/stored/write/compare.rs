//! Tells when a backup holds much less than the one before: a table emptied by mistake would otherwise
//! be noticed when the last backup with its rows is gone.
//!
//! The job that takes backups has no identity. It compares what everyone may know, the totals; table by
//! table only where the last backup is not encrypted.

use crate::error::{Error, Kind, Result};
use crate::store::Store;
use crate::stored::find::catalogue::{self, Backup, Found};
use crate::stored::format::inventory::{Block, BlockKind, Inventory, Text};
use crate::stored::format::manifest::{Encryption, Source, Totals};
use crate::stored::format::names::{Id, Name, Timestamp};
use crate::stored::format::signing::VerifyKeys;
use crate::stored::read::opened::OpenedBackup;
use crate::units::count;
use indicatif::{BinaryBytes, HumanCount};
use std::collections::HashMap;
use std::sync::Arc;

/// How many backups are looked at, newest first, for one that a new one can be compared with.
const MOST_READ: usize = 100;

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

/// Which backups a new one can be compared with.
#[derive(Debug, Clone, Copy)]
pub struct Like<'a> {
    /// Those that lack a part, as the new one will, or those that do not.
    pub partial: bool,
    /// Those with a signature that such a key verifies, if there are any.
    pub signed_by: Option<&'a VerifyKeys>,
}

impl Like<'_> {
    /// What this one held, if it is one of them.
    async fn compared(&self, store: &Arc<dyn Store>, found: &Found) -> Result<Option<Before>> {
        let backup = catalogue::read(store, found, self.signed_by).await?;
        match backup.manifest.partial == self.partial {
            true => Before::of(store, backup).await.map(Some),
            false => Ok(None),
        }
    }
}

impl Before {
    /// How much it held.
    pub fn held(&self) -> Held {
        Held { id: self.id.clone(), stored_bytes: self.stored_bytes, totals: self.totals }
    }

    /// Reads what the newest backup of this name held that is like the new one; `None` where there is none.
    pub async fn read(store: &Arc<dyn Store>, name: &Name, like: Like<'_>) -> Result<Option<Self>> {
        Self::read_newest(store, &catalogue::earlier(&**store, name).await?, like).await
    }

    /// Reads what the newest of these backups held that is like the new one; they are of one name, oldest first.
    ///
    /// Whoever can write to the store could put anything there: it neither hides what shrank from a job that signs, nor keeps
    /// any job from making a backup. If none is signed, the key may be new.
    pub async fn read_newest(
        store: &Arc<dyn Store>,
        found: &[Found],
        like: Like<'_>,
    ) -> Result<Option<Self>> {
        let now = Timestamp::now();
        let mut newest: Vec<&Found> = found.iter().rev().filter(|one| !one.is_from_the_future(now)).collect();
        let is_cut = newest.len() > MOST_READ;
        newest.truncate(MOST_READ);
        if like.signed_by.is_some() {
            let (before, _) = Self::first(store, &newest, like).await?;
            if before.is_some() {
                return Ok(before);
            }
            if is_cut {
                tracing::warn!(
                    "none of the newest {MOST_READ} backups is like the new one and signed by its key: whether rows of an older \
                     one are missing is not known"
                );
            }
        }
        let (before, damaged) = Self::first(store, &newest, Like { signed_by: None, ..like }).await?;
        if let Some((first, others)) = damaged.split_first() {
            let others = match others.len() {
                0 => String::new(),
                others => format!(", and {others} more cannot be read"),
            };
            tracing::warn!("{first}{others}; the new backup is compared with an older one");
        }
        if before.is_none() && is_cut && like.signed_by.is_none() {
            tracing::warn!(
                "none of the newest {MOST_READ} backups is like the new one ({}): whether rows of an older one are missing is \
                 not known",
                if like.partial { "partial" } else { "whole" }
            );
        }
        Ok(before)
    }

    /// The first of these that is like the new one, and why others could not be read.
    async fn first(
        store: &Arc<dyn Store>,
        newest: &[&Found],
        like: Like<'_>,
    ) -> Result<(Option<Self>, Vec<Error>)> {
        let mut damaged = Vec::new();
        for one in newest {
            match like.compared(store, one).await {
                Err(error) if error.kind() == Kind::Verify => damaged.push(error),
                Err(error) if error.kind() == Kind::NotFound => {}
                Ok(None) => {}
                read => return Ok((read?, damaged)),
            }
        }
        Ok((None, damaged))
    }

    async fn of(store: &Arc<dyn Store>, backup: Backup) -> Result<Self> {
        let source = OpenedBackup::without_keys(store, backup)?;
        let manifest = &source.backup.manifest;
        let inventory = match manifest.encryption {
            Encryption::None => source.inventory().await?,
            Encryption::Age => None,
        };
        Ok(Self {
            id: manifest.id.clone(),
            stored_bytes: manifest.stored_bytes(),
            source: manifest.postgres.as_ref().and_then(|postgres| postgres.source.clone()),
            plain_bytes: manifest.dump().map(|dump| dump.plain_bytes).unwrap_or_default(),
            totals: manifest.totals,
            inventory,
        })
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
