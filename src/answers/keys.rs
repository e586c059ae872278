//! What `keys` answers.

use super::Answer;
use crate::readers::{Readable, Readers};
use crate::stored::format::manifest::Encryption;
use crate::stored::format::names::{Id, Name, Timestamp};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The longest recipient that a table shows whole; post-quantum ones have two thousand characters.
const LONGEST: usize = 100;
/// At most this number of names is shown for a recipient.
const MOST_NAMES: usize = 5;

/// Who can read the backups in a store.
#[derive(Debug, Serialize)]
pub struct KeysInUse {
    /// The store's address.
    store: String,
    recipients: Vec<Recipient>,
    backups: Vec<One>,
    /// The public names of the identities that were tried.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tried: Vec<String>,
}

/// What one recipient can read.
#[derive(Debug, Serialize)]
struct Recipient {
    /// Its public name; `null` for everybody: those backups are not encrypted.
    recipient: Option<String>,
    backups: u64,
    oldest: Timestamp,
    newest: Timestamp,
    names: BTreeSet<Name>,
    /// How many of them an identity opens that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    opened: Option<u64>,
}

#[derive(Debug, Serialize)]
struct One {
    name: Name,
    id: Id,
    started_at: Timestamp,
    encryption: Encryption,
    recipients: Vec<String>,
    /// The identity that opens it; only if some were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    opened_by: Option<Option<String>>,
}

impl KeysInUse {
    /// Of what was found out.
    pub fn new(readers: &Readers) -> Self {
        let tried = !readers.tried.is_empty();
        let mut recipients: BTreeMap<Option<&str>, Recipient> = BTreeMap::new();
        for readable in &readers.backups {
            let manifest = &readable.backup.manifest;
            let named: BTreeSet<Option<&str>> = match readable.is_public() {
                true => [None].into(),
                false => manifest.recipients.iter().map(|recipient| Some(recipient.as_str())).collect(),
            };
            for name in named {
                let row = recipients.entry(name).or_insert_with(|| Recipient::new(name, readable, tried));
                row.add(readable);
            }
        }
        Self {
            store: readers.store.clone(),
            recipients: recipients.into_values().collect(),
            backups: readers.backups.iter().map(|readable| One::new(readable, tried)).collect(),
            tried: readers.tried.clone(),
        }
    }
}

impl Recipient {
    /// With nothing in it yet.
    fn new(recipient: Option<&str>, first: &Readable, tried: bool) -> Self {
        let at = first.backup.manifest.started_at;
        Self {
            recipient: recipient.map(str::to_owned),
            backups: 0,
            oldest: at,
            newest: at,
            names: BTreeSet::new(),
            opened: tried.then_some(0),
        }
    }

    fn add(&mut self, readable: &Readable) {
        let manifest = &readable.backup.manifest;
        self.backups += 1;
        self.oldest = self.oldest.min(manifest.started_at);
        self.newest = self.newest.max(manifest.started_at);
        self.names.insert(manifest.name.clone());
        let is_open = readable.is_public() || readable.opened_by.is_some();
        self.opened = self.opened.map(|opened| opened + u64::from(is_open));
    }

    fn cells(&self) -> Vec<String> {
        let names: Vec<&str> = self.names.iter().take(MOST_NAMES).map(Name::as_str).collect();
        let more = match self.names.len() - names.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let mut cells = vec![
            self.recipient.as_deref().map_or("everybody: not encrypted".to_owned(), shortened),
            self.backups.to_string(),
            day(self.oldest),
            day(self.newest),
            format!("{}{more}", names.join(", ")),
        ];
        cells.extend(self.opened.map(|opened| format!("{opened} of {}", self.backups)));
        cells
    }
}

impl One {
    fn new(readable: &Readable, tried: bool) -> Self {
        let manifest = &readable.backup.manifest;
        Self {
            name: manifest.name.clone(),
            id: manifest.id.clone(),
            started_at: manifest.started_at,
            encryption: manifest.encryption,
            recipients: manifest.recipients.clone(),
            opened_by: tried.then(|| readable.opened_by.clone()),
        }
    }
}

impl Answer for KeysInUse {
    fn text(&self) -> String {
        if self.recipients.is_empty() {
            return String::new();
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let mut header = vec!["RECIPIENT", "BACKUPS", "OLDEST", "NEWEST", "NAMES"];
        header.extend((!self.tried.is_empty()).then_some("OPENED"));
        table.set_header(header);
        self.recipients.iter().for_each(|recipient| {
            table.add_row(recipient.cells());
        });
        if let Some(column) = table.column_mut(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table.to_string()
    }
}

fn day(moment: Timestamp) -> String {
    moment.to_string().chars().take(10).collect()
}

fn shortened(recipient: &str) -> String {
    if recipient.len() <= LONGEST || !recipient.is_ascii() {
        return recipient.to_owned();
    }
    format!("{}…{}", &recipient[..40], &recipient[recipient.len() - 20..])
}
