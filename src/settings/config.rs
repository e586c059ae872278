//! Which settings are in effect, and where each comes from; no secret among them is shown.

use super::environment::{is_blank, variable};
use super::file::{SECRET, SettingsFile, Values, holds_password};
use crate::cli::{self, CommonWords};
use crate::error::{Error, Result};
use crate::web::SecretUrl;
use std::path::PathBuf;
use url::Url;

/// Variables that no flag and no settings file can replace; all hold secrets.
const ONLY_VARIABLES: [&str; 11] = [
    "PGSTOW_IDENTITY",
    "PGSTOW_PASSPHRASE",
    "PGSTOW_SIGNING_KEY",
    "PGSTOW_SSE_C_KEY",
    "PGSTOW_SIGNING_PASSWORD",
    "NEON_API_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "B2_APPLICATION_KEY",
    "PGPASSWORD",
];
/// How much alike two names are, from 0 to 1, if one may be a mistyped other.
const ALIKE: f64 = 0.85;
const HIDDEN: &str = "***";

/// The settings in effect.
#[derive(Debug)]
pub struct Config {
    /// The settings file in use.
    pub file: Option<PathBuf>,
    /// The profile in it.
    pub profile: Option<String>,
    /// The settings, by key.
    pub settings: Vec<Setting>,
    /// Variables with secrets that are set.
    pub secrets: Vec<&'static str>,
    /// What is not valid, a sentence each.
    problems: Vec<String>,
}

/// One setting.
#[derive(Debug)]
pub struct Setting {
    /// Its key in the settings file.
    pub key: String,
    /// Its values, as they may be shown.
    pub values: Vec<String>,
    /// Where it comes from.
    pub source: Source,
}

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// This variable.
    Variable(String),
    /// The settings file.
    File,
    /// Nobody said anything else.
    Default,
}

impl Config {
    /// Finds out what is in effect; with `all` also what has its default.
    pub fn read(common: &CommonWords, all: bool) -> Result<Self> {
        let file = SettingsFile::read(common.config.clone(), common.profile.as_deref())?;
        let none = Values::new();
        let values = file.as_ref().map_or(&none, |file| &file.values);
        let known = cli::known();
        warn_of_unknown_variables(&known);
        let setting = |known: cli::Known| {
            let of_file = values.get(&known.key).cloned();
            let (found, source) = match (variable(&known.variable), of_file) {
                (Some(value), _) => (vec![value], Source::Variable(known.variable)),
                (None, Some(values)) => (values, Source::File),
                (None, None) => (known.default, Source::Default),
            };
            let shown = found.iter().map(|value| shown(&known.key, value)).collect();
            Setting { key: known.key, values: shown, source }
        };
        let settings = known.into_iter().map(setting);
        let settings = settings.filter(|setting| all || setting.source != Source::Default).collect();
        let defaults = |key: &str| values.get(key).cloned().unwrap_or_default();
        Ok(Self {
            file: file.as_ref().map(|file| file.path.clone()),
            profile: common.profile.clone(),
            settings,
            secrets: ONLY_VARIABLES.into_iter().filter(|name| variable(name).is_some()).collect(),
            problems: cli::refused(&defaults, &|name| is_blank(name)),
        })
    }

    /// Fails if a setting is not valid.
    pub fn conclude(self) -> Result<()> {
        match &self.problems[..] {
            [] => Ok(()),
            problems => Err(Error::settings(problems.join("; "))),
        }
    }
}

/// A value without what is secret in it.
fn shown(key: &str, value: &str) -> String {
    // A command may have a secret in it, and is no URL.
    if key == "password_command" {
        return HIDDEN.to_owned();
    }
    if SECRET.contains(&key) {
        let one =
            |line: &str| SecretUrl::parse(line).map_or_else(|_| HIDDEN.to_owned(), |url| url.to_string());
        return value.lines().map(one).collect::<Vec<_>>().join("\n");
    }
    if !holds_password(value) {
        return value.to_owned();
    }
    match Url::parse(value) {
        Ok(mut url) if url.query().is_none_or(|query| !query.contains("password=")) => {
            match url.set_password(Some(HIDDEN)) {
                Ok(()) => url.into(),
                Err(()) => HIDDEN.to_owned(),
            }
        }
        _ => HIDDEN.to_owned(),
    }
}

/// A variable that is mistyped is passed over in silence otherwise.
fn warn_of_unknown_variables(known: &[cli::Known]) {
    let names: Vec<&str> = known.iter().map(|known| known.variable.as_str()).chain(ONLY_VARIABLES).collect();
    let others = ["PGSTOW_CONFIG", "PGSTOW_PROFILE"];
    for (name, _) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with("PGSTOW_")) else { continue };
        if names.contains(&name) || others.contains(&name) {
            continue;
        }
        let alike = names.iter().map(|other| (strsim::jaro_winkler(name, other), other));
        let nearest = alike.filter(|(alike, _)| *alike >= ALIKE).max_by(|(a, _), (b, _)| a.total_cmp(b));
        let meant = nearest.map(|(_, other)| format!("; {other} is")).unwrap_or_default();
        tracing::warn!("{name} is not a variable of pgstow's{meant}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden() {
        for (key, value, seen) in [
            ("database_url", "postgres://u:secret@h/db", "postgres://u:***@h/db"),
            ("database_url", "host=h password=secret", "***"),
            ("to", "postgres://h/db?password=secret", "***"),
            ("ping_url", "https://hc-ping.com/secret", "https://hc-ping.com/…"),
            ("webhook", "https://a/secret\nsecret", "https://a/…\n***"),
            ("password_command", "curl -H 'X-Vault-Token: secret' https://v", "***"),
            ("push_gateway", "http://u:secret@g:9091/", "http://u:***@g:9091/"),
            ("store", "s3://bucket/prefix", "s3://bucket/prefix"),
        ] {
            assert_eq!(shown(key, value), seen);
        }
    }
}
