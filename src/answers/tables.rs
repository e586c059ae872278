//! What an inventory says, for people and programs: every table of a backup, and what changed since another.

use crate::stored::format::digest::Digest;
use crate::stored::format::inventory::{Block, BlockKind, Inventory, Text};
use crate::units::count;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{BinaryBytes, HumanCount};
use serde::Serialize;
use std::collections::BTreeMap;

/// All that a backup holds of one table, or its large objects.
struct Held<'a> {
    first: &'a Block,
    rows: Option<u64>,
    bytes: u64,
    digests: Vec<Option<Digest>>,
}

impl Held<'_> {
    /// Rows as people read them; large objects are counted as such.
    fn count(&self) -> String {
        match (self.rows, self.first.kind) {
            (Some(objects), BlockKind::LargeObjects) => count(objects, "object"),
            (Some(rows), _) => HumanCount(rows).to_string(),
            (None, _) => "?".to_owned(),
        }
    }

    /// The name as `--table` takes it.
    fn name(&self) -> String {
        self.first.pattern().unwrap_or_else(|| self.first.label())
    }
}

type Owner<'a> = (BlockKind, &'a Text, &'a Text);

/// Large objects may lie in many blocks; to people they are one thing.
fn held(inventory: &Inventory) -> BTreeMap<Owner<'_>, Held<'_>> {
    let mut all: BTreeMap<Owner<'_>, Held<'_>> = BTreeMap::new();
    for block in &inventory.blocks {
        let count = block.rows.or(block.objects);
        let held = all.entry(block.owner()).or_insert(Held {
            first: block,
            rows: Some(0),
            bytes: 0,
            digests: vec![],
        });
        held.rows = held.rows.zip(count).map(|(so_far, more)| so_far.saturating_add(more));
        held.bytes = held.bytes.saturating_add(block.raw_bytes);
        held.digests.push(block.sha256);
    }
    all
}

fn largest_first(inventory: &Inventory) -> Vec<Held<'_>> {
    let mut all: Vec<Held<'_>> = held(inventory).into_values().collect();
    all.sort_by_key(|held| std::cmp::Reverse(held.bytes));
    all
}

#[expect(clippy::cast_precision_loss, reason = "a share for people needs no more")]
fn share(bytes: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { bytes as f64 / of as f64 }
}

/// One table, or the large objects.
#[derive(Debug, Clone, Serialize)]
pub struct TableFacts {
    kind: BlockKind,
    schema: Text,
    table: Text,
    rows: Option<u64>,
    /// Bytes of its rows in the dump.
    bytes: u64,
}

impl From<&Held<'_>> for TableFacts {
    fn from(held: &Held<'_>) -> Self {
        let Block { kind, schema, table, .. } = held.first;
        Self { kind: *kind, schema: schema.clone(), table: table.clone(), rows: held.rows, bytes: held.bytes }
    }
}

/// One table, or the large objects, of all that a backup holds.
#[derive(Debug, Serialize)]
pub struct TableRow {
    #[serde(flatten)]
    facts: TableFacts,
    /// Its part of all bytes, 0 to 1.
    share: f64,
}

/// Every table, largest first.
pub fn rows(inventory: &Inventory) -> Vec<TableRow> {
    let all = largest_first(inventory);
    let sum = all.iter().map(|held| held.bytes).fold(0, u64::saturating_add);
    all.iter().map(|held| TableRow { facts: held.into(), share: share(held.bytes, sum) }).collect()
}

/// Every table, largest first, as text.
pub fn list_text(inventory: &Inventory) -> String {
    let all = largest_first(inventory);
    let sum = all.iter().map(|held| held.bytes).fold(0, u64::saturating_add);
    let mut table = empty(&["TABLE", "ROWS", "BYTES", "SHARE"]);
    for held in &all {
        table.add_row([
            held.name(),
            held.count(),
            BinaryBytes(held.bytes).to_string(),
            format!("{:.1} %", share(held.bytes, sum) * 100.0),
        ]);
    }
    right(table, &[1, 2, 3]).to_string()
}

/// What one table was and is.
struct Both<'a> {
    before: Option<Held<'a>>,
    after: Option<Held<'a>>,
}

impl Both<'_> {
    fn what(&self) -> &'static str {
        match (&self.before, &self.after) {
            (None, _) => "appeared",
            (_, None) => "vanished",
            (Some(before), Some(after)) if before.rows != after.rows => "rows",
            _ => "content",
        }
    }
}

/// The tables that are not the same in both.
fn differing<'a>(before: &'a Inventory, after: &'a Inventory) -> Vec<Both<'a>> {
    let mut before = held(before);
    let now = held(after).into_iter().map(|(key, after)| (before.remove(&key), after)).collect::<Vec<_>>();
    let gone = before.into_values().map(|held| Both { before: Some(held), after: None });
    let mut changes: Vec<Both<'a>> = now
        .into_iter()
        .filter(|(before, after)| before.as_ref().is_none_or(|before| before.digests != after.digests))
        .map(|(before, after)| Both { before, after: Some(after) })
        .chain(gone)
        .collect();
    let bytes = |held: &Option<Held<'_>>| held.as_ref().map_or(0, |held| held.bytes);
    changes.sort_by_key(|change| std::cmp::Reverse(bytes(&change.before).abs_diff(bytes(&change.after))));
    changes
}

/// One table that is not the same in two backups.
#[derive(Debug, Serialize)]
pub struct Change {
    /// `appeared`, `vanished`, `rows` or `content`.
    change: &'static str,
    before: Option<TableFacts>,
    after: Option<TableFacts>,
}

/// What changed from one backup to a later one.
pub fn changes(before: &Inventory, after: &Inventory) -> Vec<Change> {
    let facts = |held: &Option<Held<'_>>| held.as_ref().map(TableFacts::from);
    let one = |both: &Both<'_>| Change {
        change: both.what(),
        before: facts(&both.before),
        after: facts(&both.after),
    };
    differing(before, after).iter().map(one).collect()
}

/// What changed from one backup to a later one, as text.
pub fn diff_text(before: &Inventory, after: &Inventory) -> String {
    let changes = differing(before, after);
    if changes.is_empty() {
        return "every table holds the same rows in both".to_owned();
    }
    let mut table = empty(&["TABLE", "ROWS BEFORE", "ROWS", "BYTES BEFORE", "BYTES", "CHANGE"]);
    for change in &changes {
        let Some(named) = change.after.as_ref().or(change.before.as_ref()) else { continue };
        let rows = |held: &Option<Held<'_>>| held.as_ref().map(Held::count).unwrap_or_default();
        let bytes = |held: &Option<Held<'_>>| {
            held.as_ref().map(|held| BinaryBytes(held.bytes).to_string()).unwrap_or_default()
        };
        table.add_row([
            named.name(),
            rows(&change.before),
            rows(&change.after),
            bytes(&change.before),
            bytes(&change.after),
            change.what().to_owned(),
        ]);
    }
    right(table, &[1, 2, 3, 4]).to_string()
}

fn empty(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    table
}

fn right(mut table: Table, columns: &[usize]) -> Table {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
