//! What `prune` answers.

use super::Answer;
use crate::error::Kind;
use crate::prune::{Fate, Leftover, LeftoverKind, Pruned, PrunedBackup, PrunedStore};
use crate::record::{Entry, Failed};
use crate::stored::format::names::{Id, Name, Timestamp};
use comfy_table::{CellAlignment, ColumnConstraint, Table, presets};
use indicatif::BinaryBytes;
use serde::Serialize;
use std::collections::BTreeMap;

/// What became of the backups, or would become of them.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// Whether nothing was removed.
    dry_run: bool,
    backups: Vec<One>,
    leftovers: Vec<Left>,
    #[serde(skip)]
    entries: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct One {
    store: String,
    name: Name,
    id: Id,
    started_at: Option<Timestamp>,
    stored_bytes: u64,
    /// When it was proven to restore.
    proven_at: Option<Timestamp>,
    #[serde(flatten)]
    fate: FateRow,
}

#[derive(Debug, Serialize)]
struct Left {
    store: String,
    name: Name,
    id: Id,
    what: &'static str,
    /// The key that an unfinished upload would have.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// When something was last written to it, according to the store's clock.
    last_written: Option<Timestamp>,
    #[serde(flatten)]
    fate: FateRow,
}

#[derive(Debug, Serialize)]
struct FateRow {
    action: &'static str,
    /// The rules that keep it, or what else does.
    why: Vec<String>,
}

impl Plan {
    /// Of what became of the backups.
    pub fn new(pruned: &Pruned) -> Self {
        Self {
            dry_run: pruned.dry_run,
            backups: pruned.stores.iter().flat_map(One::of_store).collect(),
            leftovers: pruned.stores.iter().flat_map(Left::of_store).collect(),
            entries: entries(pruned),
        }
    }

    /// The stores, in their order, each once.
    fn stores(&self) -> Vec<&str> {
        let of_backups = self.backups.iter().map(|one| one.store.as_str());
        let mut all = Vec::new();
        for store in of_backups.chain(self.leftovers.iter().map(|left| left.store.as_str())) {
            if !all.contains(&store) {
                all.push(store);
            }
        }
        all
    }
}

/// What metrics and alarms hear: of each name what is left of it in all stores, and whether something of it could not
/// be removed.
fn entries(pruned: &Pruned) -> Vec<Entry> {
    let mut names: BTreeMap<&Name, Entry> = BTreeMap::new();
    for store in &pruned.stores {
        let backups = store.backups.iter().map(|one| (&one.place.name, &one.fate, one.stored_bytes));
        let leftovers = store.leftovers.iter().map(|left| (&left.place.name, &left.fate, 0));
        for (name, fate, bytes) in backups.chain(leftovers) {
            let entry = names.entry(name).or_insert_with(|| Entry {
                name: name.to_string(),
                stored_bytes: Some(0),
                ..Entry::default()
            });
            if let (None, Some(why)) = (&entry.failed, store.stopped(name)) {
                entry.failed = Some(Failed::reported(&why, Kind::Prune.exit_code()));
            }
            if *fate != Fate::Removed {
                entry.stored_bytes = entry.stored_bytes.map(|sum| sum.saturating_add(bytes));
            }
            if let Fate::Failed(failed) = fate {
                entry.failed = Some(Failed::reported(&failed.error, failed.exit_code));
            }
        }
    }
    names.into_values().collect()
}

impl One {
    fn of_store(pruned: &PrunedStore) -> impl Iterator<Item = Self> {
        pruned.backups.iter().map(|backup| Self::new(&pruned.store, backup))
    }

    fn new(store: &str, backup: &PrunedBackup) -> Self {
        Self {
            store: store.to_owned(),
            name: backup.place.name.clone(),
            id: backup.place.id.clone(),
            started_at: backup.started_at,
            stored_bytes: backup.stored_bytes,
            proven_at: backup.proven,
            fate: FateRow::new(&backup.fate),
        }
    }
}

impl Left {
    fn of_store(pruned: &PrunedStore) -> impl Iterator<Item = Self> {
        pruned.leftovers.iter().map(|left| Self::new(&pruned.store, left))
    }

    fn new(store: &str, left: &Leftover) -> Self {
        let (what, key) = match &left.kind {
            LeftoverKind::Upload(upload) => ("unfinished upload", Some(upload.key.clone())),
            LeftoverKind::Folder(_) => ("folder without a manifest", None),
        };
        Self {
            store: store.to_owned(),
            name: left.place.name.clone(),
            id: left.place.id.clone(),
            what,
            key,
            last_written: left.last_written.map(Timestamp::from),
            fate: FateRow::new(&left.fate),
        }
    }
}

impl FateRow {
    fn new(fate: &Fate) -> Self {
        let (action, why) = match fate {
            Fate::Kept(why) => ("keep", why.iter().map(ToString::to_string).collect()),
            Fate::KeptAnyway(why) => ("keep", vec![why.clone()]),
            Fate::Removed => ("remove", Vec::new()),
            Fate::Failed(failed) => ("failed", vec![failed.error.clone()]),
        };
        Self { action, why }
    }

    fn text(&self) -> String {
        match self.why.join(", ") {
            why if why.is_empty() => self.action.to_owned(),
            why => format!("{}: {why}", self.action),
        }
    }
}

impl Answer for Plan {
    fn entries(&self) -> Vec<Entry> {
        self.entries.clone()
    }

    /// Everything with what would become of it; what was removed has been said.
    fn text(&self) -> String {
        if !self.dry_run || self.backups.is_empty() && self.leftovers.is_empty() {
            return String::new();
        }
        let since = |moment: Option<Timestamp>| moment.map(Timestamp::age).unwrap_or_default();
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["NAME", "ID", "AGE", "STORED", "PROVEN", "WHAT HAPPENS"]);
        // Each store's own part of the table begins with a line that names it, if there are several.
        let several = self.stores().len() > 1;
        for store in self.stores() {
            if several {
                table.add_row([store]);
            }
            for one in self.backups.iter().filter(|one| one.store == store) {
                let stored = BinaryBytes(one.stored_bytes).to_string();
                let (name, id) = (one.name.to_string(), one.id.to_string());
                let proven = since(one.proven_at);
                table.add_row([name, id, since(one.started_at), stored, proven, one.fate.text()]);
            }
            for left in self.leftovers.iter().filter(|left| left.store == store) {
                let what = format!("{} ({})", left.fate.text(), left.what);
                let (name, id) = (left.name.to_string(), left.id.to_string());
                let none = String::new();
                table.add_row([name, id, since(left.last_written), none.clone(), none, what]);
            }
        }
        let is_proven = self.backups.iter().any(|one| one.proven_at.is_some());
        if let Some(column) = table.column_mut(4).filter(|_| !is_proven) {
            column.set_constraint(ColumnConstraint::Hidden);
        }
        for right in [2, 3] {
            if let Some(column) = table.column_mut(right) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.to_string()
    }
}
