//! What `restore`, `clone` and `swap` answer.

use super::Answer;
use crate::branch::Uri;
use crate::proof::Proof;
use crate::record::{Entry, Failed};
use crate::restore::Outcome;
use crate::restore::command::Fed;
use crate::restore::copy::Copied;
use crate::restore::into::Appended;
use crate::restore::neon::NeonPlace;
use crate::restore::swap::Swapped;
use crate::stored::find::catalogue::Signature;
use crate::stored::format::names::{Id, Name};
use crate::stored::read::reader::BackupReader;
use serde::Serialize;
use std::time::Duration;

/// A backup that was restored into a database.
#[derive(Debug, Serialize)]
pub struct Restored {
    id: Id,
    name: Name,
    /// The database it is in.
    database: String,
    /// Whether this run created the database.
    created: bool,
    tables: u64,
    rows: Option<u64>,
    /// Bytes of the archive that was restored.
    plain_bytes: u64,
    /// Bytes of the whole dump in the store.
    stored_bytes: u64,
    /// Bytes of it that were fetched.
    fetched_bytes: u64,
    duration_s: f64,
    /// Checkpoints that the server was asked for outside its schedule while the database was filled; `null` if it does
    /// not say.
    forced_checkpoints: Option<u64>,
    signature: Signature,
    proof: Option<Proof>,
    /// Roles that were created.
    made_roles: Vec<String>,
    /// What was left out, and why.
    left_out: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    swap: Option<NewName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    neon: Option<Branch>,
    #[serde(skip)]
    differs: Option<Failed>,
}

impl Restored {
    /// What was restored of this backup; takes what it tells out of `outcome`.
    pub fn new(reader: &BackupReader, outcome: &mut Outcome) -> Self {
        Self {
            id: reader.place().id.clone(),
            name: reader.place().name.clone(),
            database: outcome.database.clone(),
            created: outcome.created,
            tables: outcome.filled.tables,
            rows: outcome.filled.rows,
            plain_bytes: reader.plain_bytes(),
            stored_bytes: reader.dump.stored_bytes,
            fetched_bytes: reader.fetched_bytes(),
            duration_s: outcome.took.as_secs_f64(),
            forced_checkpoints: outcome.forced_checkpoints,
            signature: reader.backup.signature,
            proof: outcome.proof.take(),
            made_roles: std::mem::take(&mut outcome.filled.plan.made_roles),
            left_out: std::mem::take(&mut outcome.filled.plan.left_out),
            swap: None,
            neon: None,
            differs: outcome.differs.as_ref().map(|error| Failed::new(error, false)),
        }
    }

    /// Adds that it took another database's place.
    #[must_use]
    pub fn swapped(mut self, swapped: Option<Swapped>) -> Self {
        self.swap = swapped.map(NewName::from);
        self
    }

    /// Adds where it is on Neon; passwords are shown only if that was asked for.
    #[must_use]
    pub fn on_neon(mut self, place: Option<NeonPlace>, show_password: bool) -> Self {
        self.neon = place.map(|place| Branch::new(place, show_password));
        self
    }
}

impl Answer for Restored {
    fn text(&self) -> String {
        self.neon.as_ref().map(Branch::text).unwrap_or_default()
    }

    fn entries(&self) -> Vec<Entry> {
        vec![Entry {
            name: self.name.to_string(),
            id: Some(self.id.to_string()),
            stored_bytes: Some(self.stored_bytes),
            plain_bytes: Some(self.plain_bytes),
            tables: Some(self.tables),
            rows: self.rows,
            took: Some(Duration::from_secs_f64(self.duration_s)),
            failed: self.differs.clone(),
            ..Entry::default()
        }]
    }

    fn secrets(&self) -> Vec<String> {
        self.neon.iter().filter_map(|branch| branch.password.clone()).collect()
    }
}

/// A name that changed hands.
#[derive(Debug, Serialize)]
pub struct NewName {
    /// The name.
    database: String,
    /// What the database that has it now was called before.
    was: String,
    /// What the database that had it is called now.
    kept_as: Option<String>,
}

impl From<Swapped> for NewName {
    fn from(Swapped { database, was, kept_as }: Swapped) -> Self {
        Self { database, was, kept_as }
    }
}

impl Answer for NewName {}

/// A branch on Neon with the restored database.
#[derive(Debug, Serialize)]
struct Branch {
    project: String,
    branch: String,
    branch_id: String,
    expires_at: Option<String>,
    host: Option<String>,
    database: String,
    role: String,
    /// The address to connect to.
    direct: String,
    /// The address of Neon's pooler.
    pooled: String,
    /// The password in both, if they show it.
    #[serde(skip)]
    password: Option<String>,
}

impl Branch {
    fn new(place: NeonPlace, show_password: bool) -> Self {
        let uri = |uri: &Uri| {
            if show_password { uri.reveal().to_owned() } else { uri.masked() }
        };
        Self {
            host: place.direct.host(),
            password: place.direct.password().filter(|_| show_password),
            direct: uri(&place.direct),
            pooled: uri(&place.pooled),
            project: place.project,
            branch: place.branch,
            branch_id: place.branch_id,
            expires_at: place.expires_at,
            database: place.database,
            role: place.role,
        }
    }

    /// The same as lines.
    fn text(&self) -> String {
        let lines = [
            ("branch", Some(&self.branch)),
            ("branch_id", Some(&self.branch_id)),
            ("expires_at", self.expires_at.as_ref()),
            ("host", self.host.as_ref()),
            ("pooled", Some(&self.pooled)),
            ("direct", Some(&self.direct)),
        ];
        let lines = lines.iter().filter_map(|(what, value)| Some(format!("{what:<11} {}", (*value)?)));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// A database that was copied.
#[derive(Debug, Serialize)]
pub struct Cloned {
    source: String,
    database: String,
    owner: Option<String>,
    tables: u64,
    rows: Option<u64>,
    /// Bytes of the dump that passed.
    plain_bytes: u64,
    duration_s: f64,
    /// Checkpoints that the server was asked for outside its schedule while the copy was filled; `null` if it does not
    /// say.
    forced_checkpoints: Option<u64>,
    proof: Option<Proof>,
    made_roles: Vec<String>,
    left_out: Vec<String>,
    #[serde(skip)]
    differs: Option<Failed>,
}

impl Cloned {
    /// What was copied; takes what it tells out of `copied`.
    pub fn new(copied: &mut Copied) -> Self {
        let outcome = &mut copied.outcome;
        let filled = &mut outcome.filled;
        Self {
            source: copied.source.clone(),
            database: outcome.database.clone(),
            owner: copied.owner.clone(),
            tables: filled.tables,
            rows: filled.rows,
            plain_bytes: filled.passed.as_ref().map(|passed| passed.archive.bytes).unwrap_or_default(),
            duration_s: outcome.took.as_secs_f64(),
            forced_checkpoints: outcome.forced_checkpoints,
            proof: outcome.proof.take(),
            made_roles: std::mem::take(&mut filled.plan.made_roles),
            left_out: std::mem::take(&mut filled.plan.left_out),
            differs: outcome.differs.as_ref().map(|error| Failed::new(error, false)),
        }
    }
}

impl Answer for Cloned {
    fn entries(&self) -> Vec<Entry> {
        vec![Entry {
            name: self.database.clone(),
            plain_bytes: Some(self.plain_bytes),
            tables: Some(self.tables),
            rows: self.rows,
            took: Some(Duration::from_secs_f64(self.duration_s)),
            failed: self.differs.clone(),
            ..Entry::default()
        }]
    }
}

/// Rows that were appended to tables that exist, or to tables that were created for them.
#[derive(Debug, Serialize)]
pub struct AppendedRows {
    id: Id,
    name: Name,
    /// The database they are in.
    database: String,
    /// Whether all rows of the tables were removed first.
    truncated: bool,
    /// Whether the tables were created.
    created: bool,
    tables: Vec<TableRows>,
    rows: u64,
    /// Bytes of the whole dump in the store.
    stored_bytes: u64,
    /// Bytes of it that were fetched.
    fetched_bytes: u64,
    duration_s: f64,
    signature: Signature,
}

/// A table, and how many rows it was given.
#[derive(Debug, Serialize)]
struct TableRows {
    name: String,
    rows: u64,
}

impl From<Appended> for AppendedRows {
    fn from(Appended { reader, database, truncated, created, tables, took }: Appended) -> Self {
        Self {
            id: reader.place().id.clone(),
            name: reader.place().name.clone(),
            database,
            truncated,
            created,
            rows: tables.iter().map(|(_, rows)| rows).sum(),
            tables: tables.into_iter().map(|(name, rows)| TableRows { name, rows }).collect(),
            stored_bytes: reader.dump.stored_bytes,
            fetched_bytes: reader.fetched_bytes(),
            duration_s: took.as_secs_f64(),
            signature: reader.backup.signature,
        }
    }
}

impl Answer for AppendedRows {
    fn entries(&self) -> Vec<Entry> {
        vec![Entry {
            name: self.name.to_string(),
            id: Some(self.id.to_string()),
            stored_bytes: Some(self.stored_bytes),
            tables: Some(self.tables.len() as u64),
            rows: Some(self.rows),
            took: Some(Duration::from_secs_f64(self.duration_s)),
            ..Entry::default()
        }]
    }
}

/// A backup that was fed to a command.
#[derive(Debug, Serialize)]
pub struct FedCommand {
    id: Id,
    name: Name,
    command: String,
    plain_bytes: u64,
    /// Bytes at the end that the command did not read.
    unread_bytes: u64,
    duration_s: f64,
    signature: Signature,
}

impl From<Fed> for FedCommand {
    fn from(Fed { reader, command, unread, took }: Fed) -> Self {
        Self {
            id: reader.place().id.clone(),
            name: reader.place().name.clone(),
            command,
            plain_bytes: reader.dump.plain_bytes,
            unread_bytes: unread,
            duration_s: took.as_secs_f64(),
            signature: reader.backup.signature,
        }
    }
}

impl Answer for FedCommand {
    fn entries(&self) -> Vec<Entry> {
        vec![Entry {
            name: self.name.to_string(),
            id: Some(self.id.to_string()),
            plain_bytes: Some(self.plain_bytes),
            took: Some(Duration::from_secs_f64(self.duration_s)),
            ..Entry::default()
        }]
    }
}
