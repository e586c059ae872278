//! The settings file: its top level, overlaid by the chosen profile.

use super::variable;
use crate::cli;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The name of the settings file.
const FILE: &str = "pgstow.toml";

/// Reads the settings file: its top level, overlaid by `[profile.NAME]`.
pub(super) fn file_values(
    file: Option<PathBuf>,
    profile: Option<&str>,
) -> Result<BTreeMap<String, Vec<String>>> {
    let usual = || {
        let config = variable("XDG_CONFIG_HOME").map(PathBuf::from);
        let config = config.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".config")));
        let there = config.map(|folder| folder.join("pgstow").join(FILE));
        [Some(PathBuf::from(FILE)), there].into_iter().flatten().find(|path| path.is_file())
    };
    let Some(path) = file.or_else(usual) else {
        return match profile {
            Some(profile) => {
                Err(Error::settings(format!("there is no {FILE} to take the profile {profile:?} from"))
                    .hint(format!("make ./{FILE} with [profile.{profile}], or name the file with --config")))
            }
            None => Ok(BTreeMap::new()),
        };
    };
    let unusable = |why: String| Error::settings(format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(&path).map_err(|e| unusable("cannot be read".into()).because(e))?;
    let mut table: toml::Table =
        text.parse().map_err(|e: toml::de::Error| unusable(e.message().to_owned()))?;
    let profiles = match table.remove("profile") {
        Some(toml::Value::Table(profiles)) => profiles,
        Some(_) => return Err(unusable("profiles are written as [profile.NAME]".into())),
        None => toml::Table::new(),
    };
    if let Some(profile) = profile {
        let Some(toml::Value::Table(chosen)) = profiles.get(profile) else {
            let known = profiles.keys().cloned().collect::<Vec<_>>().join(", ");
            return Err(unusable(format!("there is no [profile.{profile}]")).hint(format!("it has: {known}")));
        };
        table.extend(chosen.clone());
    }
    let keys = cli::keys();
    let value = |(key, value): (String, toml::Value)| {
        if !keys.contains(&key) {
            let known = keys.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(unusable(format!("{key:?} is not a setting")).hint(format!("settings are: {known}")));
        }
        let values = match value {
            toml::Value::Array(values) => values.into_iter().map(scalar).collect(),
            single => scalar(single).map(|text| vec![text]),
        };
        values.map(|values| (key.clone(), values)).ok_or_else(|| {
            unusable(format!("{key:?} must be a text, a number, true or false, or a list of such"))
        })
    };
    table.into_iter().map(value).collect()
}

fn scalar(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}
