//! Which settings are in effect, and where each comes from; no secret among them is shown.

use super::environment::{self, variable};
use super::file::{SECRET, SettingsFile, Values};
use super::secrets::{without_given, without_secrets};
use super::writing::labels;
use super::{keep, keys, monitoring, origin, store};
use crate::cli::{self, CommonWords};
use crate::error::{Error, Result};
use crate::pipeline::keys::looks_secret;
use crate::postgres::{ConnInfo, masked};
use crate::schedule::Moments;
use crate::web::SecretUrl;
use jiff::tz::TimeZone;
use std::path::{Path, PathBuf};

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
/// Settings that name files which are read.
const READ_FILES: [&str; 7] = [
    "ca_file",
    "identity_file",
    "neon_api_key_file",
    "passphrase_file",
    "recipients_file",
    "signing_key_file",
    "sse_c_key_file",
];
/// Settings that are connections: of one that libpq would not understand, nobody knows what in it is secret.
const CONNECTIONS: [&str; 4] = ["database_url", "into", "to", "verify_to"];
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
        let defaults = |key: &str| values.get(key).cloned().unwrap_or_default();
        let known = cli::known();
        warn_of_unknown_variables(&known);
        let setting = |known: cli::Known| {
            let of_file = values.get(&known.key).cloned();
            let (found, source) = match (variable(&known.variable), of_file) {
                (Some(value), _) => (vec![value], Source::Variable(known.variable)),
                (None, Some(values)) => (values, Source::File),
                (None, None) => (known.default, Source::Default),
            };
            Setting { key: known.key, values: found, source }
        };
        let settings = known.into_iter().map(setting);
        let mut settings: Vec<Setting> =
            settings.filter(|setting| all || setting.source != Source::Default).collect();
        let refused = cli::invalid(&defaults, &environment::value);
        let given: Vec<String> = settings.iter().flat_map(|setting| setting.values.clone()).collect();
        let said = |text: &String| {
            without_given(&origin::named(text, origin::value(text), &[], file.as_ref()), &given)
        };
        let mut problems: Vec<String> = refused.iter().map(said).collect();
        problems.extend(keys::signing_key(None, false).err().map(|error| error.message().to_owned()));
        problems.extend(monitoring::check_traces().err().map(|error| error.message().to_owned()));
        for setting in &mut settings {
            problems.extend(setting.problem());
            setting.warn_of_missing_files();
            setting.values = setting.values.iter().map(|value| shown(&setting.key, value)).collect();
        }
        Ok(Self {
            file: file.as_ref().map(|file| file.path.clone()),
            profile: common.profile.clone(),
            settings,
            secrets: ONLY_VARIABLES.into_iter().filter(|name| variable(name).is_some()).collect(),
            problems,
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

impl Setting {
    /// What is not valid although the command line takes it: the verbs that need it would say so at night.
    fn problem(&self) -> Option<String> {
        let each = |check: &dyn Fn(&str) -> Result<()>| self.values.iter().try_for_each(|value| check(value));
        let checked = match self.key.as_str() {
            key if self.values.len() > 1 && !cli::may_be_several(key) => {
                Err(Error::settings(format!("it has {} values, and takes one", self.values.len())))
            }
            "store" | "store_optional" => store::check_urls(&self.values),
            "recipients" => keys::public_recipients(&self.values, &[]).map(drop),
            "verify_key" => keys::check_verify_keys(&self.values),
            "name" => keep::patterns(&self.values).map(drop),
            "labels" => labels(&self.values).map(drop),
            "cron" => each(&|expression| Moments::cron(expression, TimeZone::UTC).map(drop)),
            // The command line has refused what is no span.
            "every" => each(&|span| {
                humantime::parse_duration(span).map_or(Ok(()), |span| Moments::every(span).map(drop))
            }),
            // Others use DATABASE_URL too, and not all of them for PostgreSQL.
            key if CONNECTIONS.contains(&key) && self.source == Source::File
                || key != "database_url" && CONNECTIONS.contains(&key) =>
            {
                each(&|url| ConnInfo::parse(url, variable).map(drop))
            }
            key => monitoring::check_addresses(key, &self.values),
        };
        checked.err().map(|error| format!("{}: {}", self.key, error.message()))
    }

    /// The file may be on another machine, or come with the next mount: a warning is enough.
    fn warn_of_missing_files(&self) {
        if !READ_FILES.contains(&self.key.as_str()) {
            return;
        }
        let names = self.values.iter().flat_map(|value| value.split(','));
        for name in names.filter(|name| !looks_secret(name) && !Path::new(name).exists()) {
            tracing::warn!("{}: there is no file {name}", self.key);
        }
    }
}

/// A value without what is secret in it.
fn shown(key: &str, value: &str) -> String {
    // A command may have a secret in it, and is no URL; and a key may have been given for the name of its file.
    if key == "password_command" || looks_secret(value) {
        return HIDDEN.to_owned();
    }
    if ["after_sql", "check"].contains(&key) {
        return masked(value);
    }
    if SECRET.contains(&key) || key == "push_gateway" {
        let one =
            |line: &str| SecretUrl::parse(line).map_or_else(|_| HIDDEN.to_owned(), |url| url.to_string());
        return value.lines().map(one).collect::<Vec<_>>().join("\n");
    }
    if CONNECTIONS.contains(&key) && ConnInfo::parse(value, |_| None).is_err() {
        return HIDDEN.to_owned();
    }
    without_secrets(value, value, HIDDEN)
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
            ("database_url", "host=h password = secret user=u", "host=h password = *** user=u"),
            ("database_url", "postgres://u:sec/ret@h/db", "***"),
            ("into", "u:secret@h/db", "***"),
            ("to", "postgres://h/db?password=secret", "postgres://h/db?password=***"),
            ("ping_url", "https://hc-ping.com/secret", "https://hc-ping.com/…"),
            ("webhook", "https://a/secret\nsecret", "https://a/…\n***"),
            ("password_command", "curl -H 'X-Vault-Token: secret' https://v", "***"),
            ("push_gateway", "http://u:secret@g:9091/secret", "http://g:9091/…"),
            ("store", "s3://bucket/prefix", "s3://bucket/prefix"),
            ("identity_file", "AGE-SECRET-KEY-1QQ", "***"),
        ] {
            assert_eq!(shown(key, value), seen);
        }
    }
}
