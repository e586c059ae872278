//! The command line, with the settings file's values as defaults.

use super::environment::{is_blank, variable};
use super::file::{SettingsFile, Values};
use super::keys;
use crate::cli::{self, Parsed, Verb, Words};
use crate::error::{Error, Result};
use std::ffi::OsString;
use std::path::PathBuf;

/// What is to be said about the settings file, once somebody listens.
#[derive(Debug, Default)]
pub struct Remarks {
    in_use: Option<PathBuf>,
    warnings: Vec<String>,
}

impl Remarks {
    /// Says which settings file is in use, and warns of what is wrong with it.
    pub fn say(&self) {
        if let Some(file) = &self.in_use {
            tracing::debug!("settings are taken from {}", file.display());
        }
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
    }
}

/// Flags that say nothing without a Neon project, by their keys in a settings file.
const ABOUT_NEON: [(&str, &str); 7] = [
    ("neon_database", "--database"),
    ("neon_role", "--role"),
    ("via_branch", "--via-branch"),
    ("neon_parent", "--neon-parent"),
    ("neon_branch", "--neon-branch"),
    ("neon_expires", "--neon-expires"),
    ("show_password", "--show-password"),
];

/// Refuses flags about a Neon project if none is named, be it here or in the settings file.
fn check_neon(words: &Words) -> Result<()> {
    let neon = match &words.verb {
        Verb::Backup(words) => &words.neon.neon,
        Verb::Restore(words) => &words.neon.neon,
        _ => return Ok(()),
    };
    match ABOUT_NEON.into_iter().find(|(key, _)| words.given.contains(*key)) {
        Some((_, flag)) if neon.is_none() => {
            Err(Error::usage(format!("{flag} is about a Neon project, and none is named"))
                .hint("name it with --neon (PGSTOW_NEON)"))
        }
        _ => Ok(()),
    }
}

/// Parses the command line.
pub fn words(args: Vec<OsString>) -> Result<(Parsed, Remarks)> {
    let named = cli::early(&args, "config").or_else(|| variable("PGSTOW_CONFIG")).map(PathBuf::from);
    let profile = cli::early(&args, "profile").or_else(|| variable("PGSTOW_PROFILE"));
    let parse = |values: &Values| {
        let defaults = |key: &str| values.get(key).cloned().unwrap_or_default();
        cli::parse(args.clone(), &defaults, &|name| is_blank(name))
    };
    let (mut parsed, mut remarks) = (parse(&Values::new()), Remarks::default());
    if let Some(file) = SettingsFile::read(named, profile.as_deref())? {
        parsed = parse(&file.values);
        remarks.warnings.extend(file.exposed());
        if let Parsed::Words(words) = &parsed
            && let Some((values, warning)) = keys::only_typed_recipients(words, &file)
        {
            remarks.warnings.push(warning);
            parsed = parse(&values);
        }
        remarks.in_use = Some(file.path);
    }
    if let Parsed::Words(words) = &parsed {
        check_neon(words)?;
    }
    Ok((parsed, remarks))
}
