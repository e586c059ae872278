//! What `backup` and `adopt` answer.

use super::Answer;
use crate::dump::every::{EveryDatabase, Failed};
use crate::record::{self, Entry};
use crate::stored::format::manifest::Object;
use crate::stored::format::names::{Id, Name};
use crate::stored::write::compare::Held;
use crate::stored::write::destinations::InStore;
use crate::stored::write::writer::StoredBackup;
use serde::Serialize;
use std::time::Duration;

/// A backup that was stored.
#[derive(Debug, Serialize)]
pub struct Stored {
    id: Id,
    name: Name,
    objects: Vec<Object>,
    /// Bytes of the dump.
    plain_bytes: u64,
    /// Bytes of all objects in the store.
    stored_bytes: u64,
    duration_s: f64,
    tables: Option<u64>,
    rows: Option<u64>,
    /// Whether size and checksum were asked for again after the upload.
    read_back: bool,
    /// What became of it in each store.
    stores: Vec<StoreRow>,
    #[serde(skip)]
    before: Option<Held>,
    /// Why the run failed although there is a backup: a store lacks it.
    #[serde(skip)]
    failed: Option<record::Failed>,
}

/// What became of a backup in one store.
#[derive(Debug, Serialize)]
struct StoreRow {
    store: String,
    optional: bool,
    stored: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u8>,
}

impl From<InStore> for StoreRow {
    fn from(InStore { store, is_optional, failed }: InStore) -> Self {
        Self {
            store,
            optional: is_optional,
            stored: failed.is_none(),
            error: failed.as_ref().map(|error| error.message().to_owned()),
            exit_code: failed.map(|error| error.kind().exit_code()),
        }
    }
}

impl From<StoredBackup> for Stored {
    fn from(stored: StoredBackup) -> Self {
        let failed = stored.conclude().err().map(|error| record::Failed::new(&error, true));
        let StoredBackup { manifest, read_back, before, stores } = stored;
        Self {
            before,
            failed,
            stores: stores.into_iter().map(StoreRow::from).collect(),
            plain_bytes: manifest.dump().map(|dump| dump.plain_bytes).unwrap_or_default(),
            stored_bytes: manifest.stored_bytes(),
            duration_s: manifest.duration().as_secs_f64(),
            tables: manifest.totals.map(|totals| totals.tables),
            rows: manifest.totals.map(|totals| totals.rows),
            id: manifest.id,
            name: manifest.name,
            objects: manifest.objects,
            read_back,
        }
    }
}

impl Answer for Stored {
    fn text(&self) -> String {
        self.id.to_string()
    }

    fn entries(&self) -> Vec<Entry> {
        let before = self.before.as_ref().map(|before| record::Before {
            id: before.id.to_string(),
            stored_bytes: before.stored_bytes,
            held: before.totals.map(|totals| (totals.tables, totals.rows)),
        });
        vec![Entry {
            name: self.name.to_string(),
            id: Some(self.id.to_string()),
            stored_bytes: Some(self.stored_bytes),
            plain_bytes: Some(self.plain_bytes),
            tables: self.tables,
            rows: self.rows,
            took: Some(Duration::from_secs_f64(self.duration_s)),
            before,
            failed: self.failed.clone(),
            lacking: self.stores.iter().filter(|row| !row.stored).map(|row| row.store.clone()).collect(),
            ..Entry::default()
        }]
    }
}

/// Several backups, and the databases that were not backed up.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct StoredMany(Vec<One>);

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum One {
    Stored(Box<Stored>),
    Failed {
        database: String,
        error: String,
        exit_code: u8,
        #[serde(skip)]
        name: Option<Name>,
    },
}

impl StoredMany {
    /// The backups of all databases of a server; takes them out of `every`.
    pub fn of_databases(every: &mut EveryDatabase) -> Self {
        let one = |(database, outcome)| match outcome {
            Ok(stored) => One::Stored(Box::new(Stored::from(stored))),
            Err(Failed { error, exit_code, name }) => One::Failed { database, error, exit_code, name },
        };
        Self(std::mem::take(&mut every.databases).into_iter().map(one).collect())
    }

    /// The backups that were made of one file.
    pub fn adopted(all: Vec<StoredBackup>) -> Self {
        Self(all.into_iter().map(|stored| One::Stored(Box::new(stored.into()))).collect())
    }
}

impl Answer for StoredMany {
    /// The ids, one a line.
    fn text(&self) -> String {
        let ids = self.0.iter().filter_map(|one| match one {
            One::Stored(stored) => Some(stored.text()),
            One::Failed { .. } => None,
        });
        ids.collect::<Vec<_>>().join("\n")
    }

    fn entries(&self) -> Vec<Entry> {
        let of_one = |one: &One| match one {
            One::Stored(stored) => stored.entries(),
            One::Failed { database, error, exit_code, name } => vec![Entry {
                name: name.as_ref().map_or_else(|| database.clone(), Name::to_string),
                failed: Some(record::Failed::reported(error, *exit_code)),
                ..Entry::default()
            }],
        };
        self.0.iter().flat_map(of_one).collect()
    }
}
