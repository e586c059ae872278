//! What `list` answers.

use super::Answer;
use crate::stored::find::catalogue::{Backup, Signature};
use crate::stored::format::manifest::BackupKind;
use crate::stored::format::names::{Id, Name, Timestamp};
use crate::units::age;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{BinaryBytes, HumanCount};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is known of each backup, in a line.
const HEADERS: [&str; 10] =
    ["NAME", "ID", "AGE", "STORED", "DATABASE", "TABLES", "ROWS", "SERVER", "TOOK", "PROVEN"];
/// Columns that are text; numbers stand on the right.
const LEFT: [&str; 3] = ["NAME", "ID", "SERVER"];
/// What is left out on a narrow terminal, first to last. Name and id stay: they choose a backup.
const LEAST_FIRST: [&str; 8] = ["TOOK", "SERVER", "DATABASE", "TABLES", "PROVEN", "ROWS", "STORED", "AGE"];

/// The backups in a store.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Listing(Vec<Row>);

/// One backup.
#[derive(Debug, Serialize)]
pub struct Row {
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
    /// When it was last proven to restore.
    proven_at: Option<Timestamp>,
}

impl Listing {
    /// Of these backups, in this order.
    pub fn of(rows: Vec<Row>) -> Self {
        Self(rows)
    }
}

impl Row {
    /// What is listed of a backup.
    pub fn of(backup: &Backup) -> Self {
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
            proven_at: None,
        }
    }

    /// The same, and when it was last proven.
    #[must_use]
    pub fn proven(self, proven_at: Option<Timestamp>) -> Self {
        Self { proven_at, ..self }
    }

    fn cells(&self) -> [String; 10] {
        let size = |bytes: u64| BinaryBytes(bytes).to_string();
        [
            self.name.to_string(),
            self.id.to_string(),
            self.started_at.age(),
            size(self.stored_bytes),
            self.database_bytes.map(size).unwrap_or_default(),
            self.tables.map(|tables| part(tables, self.partial)).unwrap_or_default(),
            self.rows.map(|rows| HumanCount(rows).to_string()).unwrap_or_default(),
            self.server_version.as_deref().map(first_word).unwrap_or_default(),
            age(Duration::from_secs_f64(self.duration_s)),
            self.proven_at.map(Timestamp::ago).unwrap_or_default(),
        ]
    }
}

impl Answer for Listing {
    fn text(&self) -> String {
        self.table(&self.headers())
    }

    fn text_within(&self, columns: usize) -> String {
        let mut shown = self.headers();
        let mut text = self.table(&shown);
        for header in LEAST_FIRST {
            if text.lines().all(|line| line.trim_end().chars().count() <= columns) {
                break;
            }
            shown.retain(|shown| *shown != header);
            text = self.table(&shown);
        }
        text
    }
}

impl Listing {
    /// The columns that say something: if none is proven, none says when.
    fn headers(&self) -> Vec<&'static str> {
        let is_proven = self.0.iter().any(|row| row.proven_at.is_some());
        HEADERS.into_iter().filter(|header| *header != "PROVEN" || is_proven).collect()
    }

    /// The backups as a table with these columns.
    fn table(&self, shown: &[&str]) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let is_shown = |at: &usize| HEADERS.get(*at).is_some_and(|header| shown.contains(header));
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(shown);
        for row in &self.0 {
            let cells = row.cells().into_iter().enumerate().filter(|(at, _)| is_shown(at));
            table.add_row(cells.map(|(_, cell)| cell));
        }
        for (at, header) in shown.iter().enumerate() {
            if let Some(column) = table.column_mut(at).filter(|_| !LEFT.contains(header)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn listing() -> Listing {
        let started_at = Timestamp::now();
        Listing(vec![Row {
            id: Id::new(started_at).unwrap(),
            name: "portal/users".parse().unwrap(),
            kind: BackupKind::Postgres,
            started_at,
            duration_s: 62.0,
            stored_bytes: 123 << 20,
            plain_bytes: 1 << 30,
            tables: Some(1234),
            rows: Some(123_456_789),
            partial: false,
            database_bytes: Some(2 << 30),
            server_version: Some("18.1 (Debian 18.1-1)".into()),
            labels: BTreeMap::new(),
            signature: Signature::NotChecked,
            proven_at: Some(started_at),
        }])
    }

    #[test]
    fn a_moment_to_come_is_no_age_of_nothing() {
        let mut listing = listing();
        listing.0[0].started_at = Timestamp::now().after(Duration::from_secs(2 * 86400 + 3600));
        assert!(listing.text().contains(" in 2days "), "{}", listing.text());
    }

    #[test]
    fn a_narrow_terminal_gets_fewer_columns() {
        let listing = listing();
        let width = |text: &str| text.lines().map(|line| line.trim_end().chars().count()).max().unwrap();
        let headers = |text: &str| text.split_whitespace().take_while(|word| *word != "portal/users").count();
        assert_eq!(headers(&listing.text()), HEADERS.len(), "a file gets all");
        assert_eq!(listing.text_within(200), listing.text());
        let narrow = listing.text_within(80);
        assert!(width(&narrow) <= 80 && narrow.contains("123,456,789"), "{narrow}");
        assert!(!narrow.contains("TOOK") && narrow.contains("AGE"), "{narrow}");
        let narrowest = listing.text_within(10);
        assert_eq!(headers(&narrowest), 2, "name and id stay: {narrowest}");
        assert!(narrowest.contains(listing.0[0].id.as_str()), "{narrowest}");
    }
}
