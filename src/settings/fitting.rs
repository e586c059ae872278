//! How a backup is fitted to the server it is restored on.

use crate::cli::{FittingWords, MissingRoles, TargetProfile};
use crate::error::{Error, Result};
use crate::postgres::{LONGEST_NAME, PgRestoreOptions};
use crate::restore::request::{Fitting, Profile, Roles};
use std::collections::BTreeMap;

/// Checks the words.
pub(super) fn fitting(words: FittingWords) -> Result<Fitting> {
    let options =
        PgRestoreOptions { no_owner: words.no_owner, no_acl: words.no_acl, ..PgRestoreOptions::default() };
    let skip_refresh = words.skip_refresh;
    if words.owner.is_some() && options.no_owner {
        return Err(Error::usage("--owner and --no-owner contradict each other"));
    }
    let mut map = BTreeMap::new();
    for (old, new) in words.map_roles.into_iter().flatten() {
        if let Some(other) = map.insert(old.clone(), new.clone()).filter(|other| *other != new) {
            return Err(Error::usage(format!("--map-role maps {old} to both {other} and {new}")));
        }
    }
    // They may be roles that `--roles` makes.
    if let Some(role) = map.values().chain(&words.owner).find(|role| role.len() > LONGEST_NAME) {
        return Err(Error::usage(format!(
            "no role can be called {role:?}: a name has at most {LONGEST_NAME} bytes"
        )));
    }
    let roles = match words.roles {
        MissingRoles::Check => Roles::Check,
        MissingRoles::Create => Roles::Create,
        MissingRoles::Restore => Roles::Restore,
    };
    let profile = match words.target_profile {
        TargetProfile::Auto => Profile::Auto,
        TargetProfile::Plain => Profile::Plain,
        TargetProfile::Managed => Profile::Managed,
    };
    let search_path = search_path(words.search_path)?;
    Ok(Fitting { options, roles, map, owner: words.owner, profile, trial: false, skip_refresh, search_path })
}

/// Checks the schemas that functions find names in.
pub(super) fn search_path(schemas: Option<String>) -> Result<Option<String>> {
    match schemas {
        Some(schemas) if schemas.trim().is_empty() => {
            Err(Error::usage("--search-path names no schema").hint("such as --search-path public"))
        }
        schemas => Ok(schemas),
    }
}
