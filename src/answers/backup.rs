//! What `backup` and `adopt` answer.

use super::Answer;
use crate::dump::every::{EveryDatabase, Failed};
use crate::stored::manifest::Object;
use crate::stored::names::{Id, Name};
use crate::stored::writer::StoredBackup;
use serde::Serialize;

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
}

impl From<StoredBackup> for Stored {
    fn from(StoredBackup { manifest, read_back }: StoredBackup) -> Self {
        Self {
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
}

/// Several backups, and the databases that were not backed up.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct StoredMany(Vec<One>);

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum One {
    Stored(Stored),
    Failed { database: String, error: String, exit_code: u8 },
}

impl StoredMany {
    /// The backups of all databases of a server; takes them out of `every`.
    pub fn of_databases(every: &mut EveryDatabase) -> Self {
        let one = |(database, outcome)| match outcome {
            Ok(stored) => One::Stored(Stored::from(stored)),
            Err(Failed { error, exit_code }) => One::Failed { database, error, exit_code },
        };
        Self(std::mem::take(&mut every.databases).into_iter().map(one).collect())
    }

    /// The backups that were made of one file.
    pub fn adopted(all: Vec<StoredBackup>) -> Self {
        Self(all.into_iter().map(|stored| One::Stored(stored.into())).collect())
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
}
