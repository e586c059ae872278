//! How a backup is fitted to the server it is restored on.

use crate::cli::FittingWords;
use crate::error::{Error, Result};
use crate::postgres::{Provider, RestoreOptions};
use crate::restore::request::{Fitting, Profile, Roles};
use std::collections::BTreeMap;

/// Checks the words.
pub(super) fn fitting(words: FittingWords) -> Result<Fitting> {
    let options =
        RestoreOptions { no_owner: words.no_owner, no_acl: words.no_acl, ..RestoreOptions::default() };
    let skip_refresh = words.skip_refresh;
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
    Ok(Fitting { options, roles, map, owner: words.owner, profile, skip_refresh })
}
