//! What `list` answers.

use super::Answer;
use crate::stored::catalogue::{Backup, Signature};
use crate::stored::manifest::BackupKind;
use crate::stored::names::{Id, Name, Timestamp};
use crate::units::age;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{BinaryBytes, HumanCount};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// The backups in a store.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Listing(Vec<Row>);

/// One backup.
#[derive(Debug, Serialize)]
struct Row {
    id: Id,
    name: Name,
    kind: BackupKind,
    started_at: Timestamp,
    duration_s: f64,
    stored_bytes: u64,
    plain_bytes: u64,
    tables: Option<u64>,
    rows: Option<u64>,
    /// Whether options left a part of the database out.
    partial: bool,
    database_bytes: Option<u64>,
    server_version: Option<String>,
    labels: BTreeMap<String, String>,
    signature: Signature,
}

impl Listing {
    /// Of these backups, in this order.
    pub fn new<'a>(backups: impl Iterator<Item = &'a Backup>) -> Self {
        Self(backups.map(Row::new).collect())
    }
}

impl Row {
    fn new(backup: &Backup) -> Self {
        let manifest = &backup.manifest;
        let postgres = manifest.postgres.as_ref();
        Self {
            id: manifest.id.clone(),
            name: manifest.name.clone(),
            kind: manifest.kind,
            started_at: manifest.started_at,
            duration_s: manifest.duration().as_secs_f64(),
            stored_bytes: manifest.stored_bytes(),
            plain_bytes: manifest.dump().map(|dump| dump.plain_bytes).unwrap_or_default(),
            tables: manifest.totals.map(|totals| totals.tables),
            rows: manifest.totals.map(|totals| totals.rows),
            partial: manifest.partial,
            database_bytes: postgres.and_then(|postgres| postgres.database_bytes),
            server_version: postgres.map(|postgres| postgres.server_version.clone()),
            labels: manifest.labels.clone(),
            signature: backup.signature,
        }
    }

    fn cells(&self) -> [String; 9] {
        let size = |bytes: u64| BinaryBytes(bytes).to_string();
        [
            self.name.to_string(),
            self.id.to_string(),
            age(Timestamp::now().since(self.started_at)),
            size(self.stored_bytes),
            self.database_bytes.map(size).unwrap_or_default(),
            self.tables.map(|tables| part(tables, self.partial)).unwrap_or_default(),
            self.rows.map(|rows| HumanCount(rows).to_string()).unwrap_or_default(),
            self.server_version.as_deref().map(first_word).unwrap_or_default(),
            age(Duration::from_secs_f64(self.duration_s)),
        ]
    }
}

impl Answer for Listing {
    fn text(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["NAME", "ID", "AGE", "STORED", "DATABASE", "TABLES", "ROWS", "SERVER", "TOOK"]);
        for row in &self.0 {
            table.add_row(row.cells());
        }
        for right in [2, 3, 4, 5, 6, 8] {
            if let Some(column) = table.column_mut(right) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.to_string()
    }
}

/// A backup of chosen tables must not look like one of them all.
fn part(tables: u64, partial: bool) -> String {
    format!("{}{}", if partial { "part: " } else { "" }, HumanCount(tables))
}

fn first_word(version: &str) -> String {
    version.split_whitespace().next().unwrap_or_default().to_owned()
}
