//! What `show` answers.

use super::Answer;
use super::tables::{Change, TableRow, changes, diff_text, list_text, rows};
use crate::stored::find::catalogue::{Backup, Signature};
use crate::stored::find::proven::MaybeProven;
use crate::stored::format::inventory::Inventory;
use crate::stored::format::manifest::{BackupKind, Manifest, Object};
use crate::stored::format::names::{Id, Timestamp};
use crate::text::one_line;
use crate::units::{age, count};
use indicatif::BinaryBytes;
use serde::Serialize;

/// Everything that is known of one backup.
#[derive(Debug, Serialize)]
pub struct Shown {
    #[serde(flatten)]
    manifest: Manifest,
    /// The store's address.
    store: String,
    /// Where in the store it is.
    folder: String,
    duration_s: f64,
    stored_bytes: u64,
    signature: Signature,
    /// When it was last proven to restore.
    proven_at: Option<Timestamp>,
    /// Every table, largest first, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    tables: Option<Vec<TableRow>>,
    /// What changed since another backup, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Vec<Change>>,
    #[serde(skip)]
    text: String,
}

impl Shown {
    /// The backup; with an inventory its tables; with two, what changed since the `earlier` one.
    pub fn new(
        store: String,
        MaybeProven { backup, proven }: MaybeProven,
        now: Option<&Inventory>,
        earlier: Option<&Inventory>,
    ) -> Self {
        let (text, tables, changes) = match (now, earlier) {
            (Some(now), Some(before)) => (diff_text(before, now), None, Some(changes(before, now))),
            (Some(now), None) => (list_text(now), Some(rows(now)), None),
            (None, _) => (text(&store, &backup, proven.at()), None, None),
        };
        Self {
            folder: backup.place.key(""),
            duration_s: backup.manifest.duration().as_secs_f64(),
            stored_bytes: backup.manifest.stored_bytes(),
            signature: backup.signature,
            proven_at: proven.at(),
            manifest: backup.manifest,
            store,
            tables,
            changes,
            text,
        }
    }
}

impl Answer for Shown {
    fn text(&self) -> String {
        self.text.clone()
    }
}

/// What is known of an object, a line each.
fn facts(object: &Object) -> Vec<String> {
    let Object { stored_bytes, plain_bytes, .. } = object;
    let sizes = format!("{} stored, {} plain", BinaryBytes(*stored_bytes), BinaryBytes(*plain_bytes));
    let stored = format!("SHA-256 of the stored bytes {}", object.stored_sha256);
    let plain = object.plain_sha256.map(|sha256| format!("SHA-256 of the plaintext    {sha256}"));
    let own = object.store_checksum.as_ref().map(|sum| format!("the store's own checksum    {sum}"));
    [sizes, stored].into_iter().chain(plain).chain(own).collect()
}

fn text(store: &str, backup: &Backup, proven: Option<Timestamp>) -> String {
    let manifest = &backup.manifest;
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut line = |what: &str, value: String| lines.push((what.to_owned(), value));
    line("backup", manifest.id.to_string());
    line("name", manifest.name.to_string());
    line("kind", manifest.kind.to_string());
    line("store", store.to_owned());
    line("folder", backup.place.key(""));
    line("started", format!("{} ({})", manifest.started_at, manifest.started_at.ago()));
    line("took", age(manifest.duration()));
    if let Some(postgres) = &manifest.postgres {
        line("server", format!("PostgreSQL {}", postgres.server_version));
        if let Some(source) = &postgres.source {
            line("source", source.to_string());
        }
        line("dumped by", format!("pg_dump {}", postgres.pg_dump_version));
        if let Some(bytes) = postgres.database_bytes {
            line("database", BinaryBytes(bytes).to_string());
        }
    }
    if let Some(totals) = manifest.totals {
        let part = if manifest.partial { "a part of the database: " } else { "" };
        line("holds", format!("{part}{}, {}", count(totals.tables, "table"), count(totals.rows, "row")));
    }
    if !manifest.left_out.is_empty() {
        line("lacks", format!("{}: the role may not read them", manifest.left_out));
    }
    if manifest.kind != BackupKind::Stream {
        line("roles", manifest.globals.to_string());
    }
    for object in &manifest.objects {
        for (at, fact) in facts(object).into_iter().enumerate() {
            line(if at == 0 { &object.key } else { "" }, fact);
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
    if let Some(moment) = proven {
        line("proven", format!("{moment} ({}), by a trial restore", moment.ago()));
    }
    for (key, value) in &manifest.labels {
        line("label", format!("{key}={value}"));
    }
    if let Some(rekeyed) = &manifest.rekeyed {
        let formers: Vec<&str> = rekeyed.former_ids.iter().map(Id::as_str).collect();
        line("rekeyed", format!("{}; was {}", rekeyed.at, formers.join(", ")));
    }
    line("written by", manifest.tool.clone());
    let width = lines.iter().map(|(what, _)| what.len()).max().unwrap_or_default();
    lines.iter().map(|(what, value)| format!("{what:width$}  {}\n", one_line(value))).collect()
}
