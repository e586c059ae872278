//! How a backup is fitted to the server it is restored on.

use crate::cli::FittingWords;
use crate::error::{Error, Result};
use crate::postgres::{Provider, RestoreOptions};
use std::collections::BTreeMap;

/// How a backup is fitted to a server.
#[derive(Debug, Clone, Default)]
pub struct Fitting {
    /// How `pg_restore` treats owners and grants.
    pub options: RestoreOptions,
    /// What becomes of roles that the server lacks.
    pub roles: Roles,
    /// Which roles take the place of which.
    pub map: BTreeMap<String, String>,
    /// To whom everything belongs.
    pub owner: Option<String>,
    /// What kind of server it is.
    pub profile: Profile,
}

/// What becomes of roles that the backup needs and the server lacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Roles {
    /// They are told, and nothing is restored.
    #[default]
    Check,
    /// They are made, for nobody to log in as.
    Create,
    /// They are made as they were on the source.
    Restore,
}

/// What kind of server a backup is restored on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Profile {
    /// Its roles tell.
    #[default]
    Auto,
    /// It takes everything.
    Plain,
    /// One of these.
    Of(Provider),
}

impl Fitting {
    /// Takes a backup as it is.
    pub fn plain(options: RestoreOptions) -> Self {
        Self { options, profile: Profile::Plain, ..Self::default() }
    }

    /// Checks the words.
    pub(super) fn read(words: FittingWords) -> Result<Self> {
        let options =
            RestoreOptions { no_owner: words.no_owner, no_acl: words.no_acl, ..RestoreOptions::default() };
        if words.owner.is_some() && options.no_owner {
            return Err(Error::usage("--owner and --no-owner contradict each other"));
        }
        let mut map = BTreeMap::new();
        for (old, new) in words.map_roles {
            if let Some(other) = map.insert(old.clone(), new.clone()).filter(|other| *other != new) {
                return Err(Error::usage(format!("--map-role gives {old} two places: {other} and {new}")));
            }
        }
        let roles = match words.roles.as_str() {
            "create" => Roles::Create,
            "restore" => Roles::Restore,
            _ => Roles::Check,
        };
        let profile = match words.target_profile.as_str() {
            "plain" => Profile::Plain,
            "neon" => Profile::Of(Provider::Neon),
            "rds" => Profile::Of(Provider::Rds),
            "supabase" => Profile::Of(Provider::Supabase),
            "cloudsql" => Profile::Of(Provider::CloudSql),
            _ => Profile::Auto,
        };
        Ok(Self { options, roles, map, owner: words.owner, profile })
    }
}
