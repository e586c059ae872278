//! The command line, with the settings file's values as defaults.

use super::environment::{is_blank, variable};
use super::file::{SettingsFile, Values};
use super::keys;
use crate::cli::{self, Parsed};
use crate::error::Result;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What is to be said about the settings file, once somebody listens.
#[derive(Debug, Default)]
pub struct Remarks {
    in_use: Option<PathBuf>,
    warnings: Vec<String>,
}

impl Remarks {
    /// The settings file in use.
    pub fn in_use(&self) -> Option<&Path> {
        self.in_use.as_deref()
    }

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

/// Parses the command line.
pub fn words(args: Vec<OsString>) -> Result<(Parsed, Remarks)> {
    let named = cli::early(&args, "config").or_else(|| variable("PGSTOW_CONFIG")).map(PathBuf::from);
    let profile = cli::early(&args, "profile").or_else(|| variable("PGSTOW_PROFILE"));
    let parse = |values: &Values| {
        let defaults = |key: &str| values.get(key).cloned().unwrap_or_default();
        cli::parse(args.clone(), &defaults, &|name| is_blank(name))
    };
    let Some(file) = SettingsFile::read(named, profile.as_deref())? else {
        return Ok((parse(&Values::new()), Remarks::default()));
    };
    let mut warnings: Vec<String> = file.exposed().into_iter().collect();
    let mut parsed = parse(&file.values);
    if let Parsed::Words(words) = &parsed
        && let Some((values, warning)) = keys::only_typed_recipients(words, &file)
    {
        warnings.push(warning);
        parsed = parse(&values);
    }
    Ok((parsed, Remarks { in_use: Some(file.path), warnings }))
}
