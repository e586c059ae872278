//! What is asked of a restore: which roles take whose place, what the server takes, what is done at the end.

use crate::error::{Error, Result};
use crate::postgres::clients::Version;
use crate::postgres::grants::Grant;
use crate::postgres::{KnownRoles, PgRestoreOptions};
use crate::stored::format::extension::Extension;
use crate::stored::read::opened::OpenedBackup;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What is asked of a restore, and what the source is known to have had for roles.
#[derive(Debug)]
pub struct RestoreRequest {
    /// How the backup is fitted to the server.
    pub fitting: Fitting,
    /// The source's roles, if they are to be created.
    pub known: Option<KnownRoles>,
    /// What is done after the data is there.
    pub after: After,
    /// What of the backup is left out already, and why.
    pub left_out: Vec<String>,
    /// The source's extensions, if they are known.
    pub extensions: Vec<Extension>,
}

impl RestoreRequest {
    /// The request for this backup; reads the roles it holds if they are needed.
    ///
    /// # Errors
    /// `Kind::NotFound` if the roles are to be restored and the backup holds none.
    pub async fn of(fitting: Fitting, after: After, backup: &OpenedBackup) -> Result<Self> {
        if fitting.roles != Roles::Restore {
            return Ok(Self { fitting, known: None, after, left_out: Vec::new(), extensions: Vec::new() });
        }
        let Some(sql) = backup.globals().await? else {
            let why = backup.backup.manifest.globals;
            return Err(Error::not_found(format!("{} holds no roles: they {why}", backup.place()))
                .hint("--roles create creates those that are needed as NOLOGIN roles"));
        };
        let source = backup.backup.manifest.postgres.as_ref();
        let source = source.and_then(|postgres| Version::parse(&postgres.server_version));
        let known = KnownRoles::read(&String::from_utf8_lossy(&sql)).of(source.map(|version| version.major));
        let known = Some(known);
        Ok(Self { fitting, known, after, left_out: Vec::new(), extensions: Vec::new() })
    }

    /// Restores the backup as it is.
    pub fn plain(options: PgRestoreOptions) -> Self {
        let (known, after, left_out, extensions) = Default::default();
        Self { fitting: Fitting::plain(options), known, after, left_out, extensions }
    }
}

/// How a backup is fitted to a server.
#[derive(Debug, Clone, Default)]
pub struct Fitting {
    /// How `pg_restore` treats owners and grants.
    pub options: PgRestoreOptions,
    /// What happens to roles that the server lacks.
    pub roles: Roles,
    /// Roles to be replaced: old name → new name.
    pub map: BTreeMap<String, String>,
    /// The role that will own everything.
    pub owner: Option<String>,
    /// What kind of server it is.
    pub profile: Profile,
    /// Whether it is a trial, which has no flags for any of this.
    pub trial: bool,
    /// Whether materialized views stay empty.
    pub skip_refresh: bool,
    /// In which schemas functions find what they name without one, as `search_path` lists them.
    pub search_path: Option<String>,
}

impl Fitting {
    /// Takes a backup as it is.
    pub fn plain(options: PgRestoreOptions) -> Self {
        Self { options, profile: Profile::Plain, ..Self::default() }
    }
}

/// What happens to roles that the backup needs and the server lacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Roles {
    /// They are reported, and nothing is restored.
    #[default]
    Check,
    /// They are created as NOLOGIN roles.
    Create,
    /// They are created as they were on the source.
    Restore,
}

/// What kind of server a backup is restored on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Profile {
    /// Managed, unless the restoring role is a superuser.
    #[default]
    Auto,
    /// It takes everything.
    Plain,
    /// One on which nobody is a superuser.
    Managed,
}

/// What is done when all data is there and proven.
#[derive(Debug, Clone, Default)]
pub struct After {
    /// Scripts, in their order.
    pub scripts: Vec<Script>,
    /// Roles, and what they are granted.
    pub grants: Vec<(String, Grant)>,
}

impl After {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.scripts.is_empty() && self.grants.is_empty()
    }
}

/// SQL of the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// What a failure calls it.
    pub label: String,
    /// What is said before it runs.
    pub title: String,
    /// The file; `-` for the text.
    pub file: PathBuf,
    /// What comes from no file.
    pub text: Vec<u8>,
}
