//! What is to be looked at. Each part may be unusable for itself: then that is what was found out.

use crate::dump::request::DumpRequest;
use crate::error::Result;
use crate::pipeline::keys::{Identities, Recipients};
use crate::stored::format::names::Name;
use crate::stored::format::signing::{SigningKey, VerifyKeys};
use crate::stored::write::destinations::Destination;
use std::path::PathBuf;
use std::sync::Arc;

/// What is to be looked at; `None` is what was not given.
#[derive(Debug)]
pub struct DoctorRequest {
    /// What is to be backed up.
    pub subject: Result<Option<Subject>>,
    /// Where the backups are.
    pub stores: Result<Vec<Destination>>,
    /// Who can read the backups.
    pub readers: Result<Option<Readers>>,
    /// The keys that open backups.
    pub identities: Result<Option<Arc<Identities>>>,
    /// The key that signs backups.
    pub signing: Result<Option<SigningKey>>,
    /// Whose signature is believed.
    pub trusted: Result<Option<VerifyKeys>>,
    /// Under what name the backups are, if it was given.
    pub name: Option<Name>,
    /// The size of an upload's parts in bytes, if the user chose it.
    pub part_size: Option<u64>,
    /// Whether free space is checked.
    pub check_space: bool,
    /// The settings file in use.
    pub settings_file: Option<PathBuf>,
    /// Whether the labels and the lock that a backup is stored with can be used.
    pub storing: Result<()>,
    /// Whether there are rules about which backups are kept, which can be used.
    pub retention: Result<bool>,
    /// How many addresses of alarms were given.
    pub alarms: Result<usize>,
    /// What the settings file was warned of.
    pub about_settings: Vec<String>,
    /// What files with secrets were warned of.
    pub about_secrets: Vec<String>,
}

/// What is to be backed up.
#[derive(Debug)]
pub enum Subject {
    /// A database.
    Database(Box<DumpRequest>),
    /// Every database of a server.
    Every {
        /// How each is backed up.
        each: Box<DumpRequest>,
        /// Patterns of those to leave out.
        exclude: Vec<String>,
    },
    /// What a command prints, under this name.
    Stream(Name),
}

/// Who can read the backups.
#[derive(Debug)]
pub enum Readers {
    /// These.
    Recipients(Arc<Recipients>),
    /// Everybody who can read the store.
    Everybody,
}

impl DoctorRequest {
    /// Whether a backup is to be written, and not only read.
    pub fn wants_to_write(&self) -> bool {
        !matches!((&self.subject, &self.readers), (Ok(None), Ok(None)))
    }
}
