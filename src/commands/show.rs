//! `pgstow show`: everything the manifest says of one backup; its tables, from the inventory.

use super::source::{Shelf, Source};
use super::tables;
use crate::catalogue::{Backup, Signature};
use crate::error::{Error, Result};
use crate::inventory::Inventory;
use crate::manifest::Kind;
use crate::names::{MANIFEST, Timestamp};
use crate::report::Report;
use crate::settings;
use crate::signal::Stop;
use crate::units::{age, count};
use indicatif::BinaryBytes;

/// Runs `pgstow show`.
pub async fn run(settings: settings::Show, report: &Report, stop: &Stop) -> Result<()> {
    let read = async {
        let settings::Source { select, reading } = settings.source;
        let shelf = Shelf::open(reading).await?;
        let source = shelf.find(select.name.as_ref(), &select.id).await?;
        let mut within = Within::default();
        if settings.tables || settings.diff.is_some() {
            within.now = Some(inventory(&source).await?);
        }
        if let Some(id) = &settings.diff {
            let earlier = match id.as_str() {
                "previous" => shelf.before(source.place()).await?,
                id => shelf.find(Some(&source.place().name), id).await?,
            };
            within.earlier = Some(inventory(&earlier).await?);
        }
        Ok((shelf.store().display_url(), source.backup, within))
    };
    let (store, backup, within) = stop.or(read).await?;
    let mut document = serde_json::to_value(&backup.manifest)
        .map_err(|e| Error::unexpected(format!("the {MANIFEST} cannot be shown")).because(e))?;
    if let Some(fields) = document.as_object_mut() {
        fields.insert("store".into(), store.clone().into());
        fields.insert("folder".into(), backup.place.key("").into());
        fields.insert("duration_s".into(), backup.manifest.duration().as_secs_f64().into());
        fields.insert("stored_bytes".into(), backup.manifest.stored_bytes().into());
        fields.insert("signature".into(), serde_json::to_value(backup.signature).unwrap_or_default());
    }
    let (text, more) = match (&within.earlier, &within.now) {
        (Some(before), Some(now)) => {
            (tables::diff_text(before, now), Some(("changes", tables::diff_json(before, now))))
        }
        (None, Some(now)) => (tables::list_text(now), Some(("tables", tables::list_json(now)))),
        (_, None) => (text(&store, &backup), None),
    };
    if let (Some(fields), Some((key, value))) = (document.as_object_mut(), more) {
        fields.insert(key.into(), value);
    }
    report.answer(text, &document)
}

/// What was read besides the manifest.
#[derive(Default)]
struct Within {
    now: Option<Inventory>,
    /// Of the backup to compare with.
    earlier: Option<Inventory>,
}

async fn inventory(source: &Source) -> Result<Inventory> {
    source.inventory().await?.ok_or_else(|| super::excerpt::not_known(source))
}

fn text(store: &str, backup: &Backup) -> String {
    let manifest = &backup.manifest;
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut line = |what: &str, value: String| lines.push((what.to_owned(), value));
    line("backup", manifest.id.to_string());
    line("name", manifest.name.to_string());
    line("kind", manifest.kind.to_string());
    line("store", store.to_owned());
    line("folder", backup.place.key(""));
    let ago = age(Timestamp::now().since(manifest.started_at));
    line("started", format!("{} ({ago} ago)", manifest.started_at));
    line("took", age(manifest.duration()));
    if let Some(postgres) = &manifest.postgres {
        line("server", format!("PostgreSQL {}", postgres.server_version));
        line("dumped by", format!("pg_dump {}", postgres.pg_dump_version));
        if let Some(bytes) = postgres.database_bytes {
            line("database", BinaryBytes(bytes).to_string());
        }
    }
    if let Some(totals) = manifest.totals {
        let part = if manifest.partial { "a part of the database: " } else { "" };
        line("holds", format!("{part}{}, {}", count(totals.tables, "table"), count(totals.rows, "row")));
    }
    if manifest.kind != Kind::Stream {
        line("roles", manifest.globals.to_string());
    }
    for object in &manifest.objects {
        line(
            &object.key,
            format!("{} stored, {} plain", BinaryBytes(object.stored_bytes), BinaryBytes(object.plain_bytes)),
        );
        line("", format!("SHA-256 of the stored bytes {}", object.stored_sha256));
        line("", format!("SHA-256 of the plaintext    {}", object.plain_sha256));
        if let Some(checksum) = &object.store_checksum {
            line("", format!("the store's own checksum    {checksum}"));
        }
    }
    if manifest.recipients.is_empty() {
        line("encryption", "none: readable by everyone who can read the store".into());
    }
    for (at, recipient) in manifest.recipients.iter().enumerate() {
        line(if at == 0 { "readable by" } else { "" }, recipient.clone());
    }
    line(
        "signature",
        match backup.signature {
            Signature::Verified => "verified".into(),
            Signature::NotChecked => "not checked (give --verify-key)".into(),
        },
    );
    for (key, value) in &manifest.labels {
        line("label", format!("{key}={value}"));
    }
    line("written by", manifest.tool.clone());
    let width = lines.iter().map(|(what, _)| what.len()).max().unwrap_or_default();
    lines.iter().map(|(what, value)| format!("{what:width$}  {value}\n")).collect()
}
