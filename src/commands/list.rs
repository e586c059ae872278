//! `pgstow list`: what is there.

use crate::catalogue::{self, Backup};
use crate::error::{Error, Result};
use crate::names::Timestamp;
use crate::report::Report;
use crate::settings;
use crate::signal::Stop;
use crate::units::age;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{BinaryBytes, HumanCount};
use serde_json::json;

/// Runs `pgstow list`.
pub async fn run(settings: settings::List, report: &Report, stop: &Stop) -> Result<()> {
    let read = async {
        let store = super::open(&settings.store).await?;
        let found = catalogue::search(&*store, settings.name.as_ref()).await?;
        Ok(catalogue::read_all(&store, &found, settings.trusted.as_ref()).await)
    };
    let read: Vec<Result<Backup>> = stop.or(read).await?;
    let good: Vec<&Backup> = read.iter().filter_map(|backup| backup.as_ref().ok()).collect();
    match (&settings.name, read.is_empty()) {
        (Some(name), true) => return Err(catalogue::none_of(name)),
        (None, true) => report.say("no backups yet"),
        (_, false) => {}
    }
    let document: Vec<_> = good.iter().map(|backup| row(backup)).collect();
    report.answer(if good.is_empty() { String::new() } else { table(&good).to_string() }, &document)?;

    // A manifest that cannot be trusted is not listed, and not passed over in silence either.
    let mut bad: Vec<Error> = read.into_iter().filter_map(Result::err).collect();
    for error in &bad {
        tracing::warn!("{error}");
    }
    match (bad.len(), bad.pop()) {
        (0, _) | (_, None) => Ok(()),
        (1, Some(error)) => Err(error),
        (more, Some(error)) => {
            Err(Error::new(error.kind(), format!("{more} backups could not be read")).because(error))
        }
    }
}

fn row(backup: &Backup) -> serde_json::Value {
    let manifest = &backup.manifest;
    json!({
        "id": manifest.id,
        "name": manifest.name,
        "kind": manifest.kind,
        "started_at": manifest.started_at,
        "duration_s": manifest.duration().as_secs_f64(),
        "stored_bytes": manifest.stored_bytes(),
        "plain_bytes": manifest.dump().map(|dump| dump.plain_bytes).unwrap_or_default(),
        "tables": manifest.totals.map(|totals| totals.tables),
        "rows": manifest.totals.map(|totals| totals.rows),
        "partial": manifest.partial,
        "database_bytes": manifest.postgres.as_ref().and_then(|postgres| postgres.database_bytes),
        "server_version": manifest.postgres.as_ref().map(|postgres| &postgres.server_version),
        "labels": manifest.labels,
        "signature": backup.signature,
    })
}

fn table(backups: &[&Backup]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["NAME", "ID", "AGE", "STORED", "DATABASE", "TABLES", "ROWS", "SERVER", "TOOK"]);
    for backup in backups {
        let manifest = &backup.manifest;
        let postgres = manifest.postgres.as_ref();
        table.add_row([
            manifest.name.to_string(),
            manifest.id.to_string(),
            age(Timestamp::now().since(manifest.started_at)),
            BinaryBytes(manifest.stored_bytes()).to_string(),
            postgres
                .and_then(|postgres| postgres.database_bytes)
                .map(|bytes| BinaryBytes(bytes).to_string())
                .unwrap_or_default(),
            manifest.totals.map(|totals| tables(totals.tables, manifest.partial)).unwrap_or_default(),
            manifest.totals.map(|totals| HumanCount(totals.rows).to_string()).unwrap_or_default(),
            postgres.map(|postgres| first_word(&postgres.server_version)).unwrap_or_default(),
            age(manifest.duration()),
        ]);
    }
    for right in [2, 3, 4, 5, 6, 8] {
        if let Some(column) = table.column_mut(right) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A backup of chosen tables is not to look like one of them all.
fn tables(number: u64, partial: bool) -> String {
    format!("{}{}", if partial { "part: " } else { "" }, HumanCount(number))
}

fn first_word(version: &str) -> String {
    version.split_whitespace().next().unwrap_or_default().to_owned()
}
