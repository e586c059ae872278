//! What the words mean: words, environment and `pgstow.toml` become typed, checked settings.
//!
//! Nothing outside this folder reads a flag or the environment. A flag beats a variable, a variable
//! beats the settings file, the file beats the default.

mod adopt;
mod after;
mod backup;
mod clone;
mod command;
mod fetch;
mod file;
mod fitting;
mod keygen;
mod keys;
mod list;
mod neon;
mod reading;
mod restore;
mod show;
mod store;
mod swap;
mod verify;
mod writing;

pub use adopt::Adopt;
pub use backup::{Backup, What};
pub use clone::clone;
pub use command::Feed;
pub use fetch::fetch;
pub use keygen::Keygen;
pub use list::List;
pub use restore::{Goal, Restore};
pub use show::Show;
pub use swap::swap;
pub use verify::verify;

use after::after;
use command::command;
use fitting::fitting;
use neon::{neon_branch, neon_source};
use reading::{reading, reading_without_keys, select, selection};
use restore::proof_by;
use store::location;
use writing::writing;

use crate::archive::Pattern;
use crate::cli::{self, Parsed, ServerWords, TableWords};
use crate::error::Result;
use crate::postgres::{ConnInfo, clients::Search};
use crate::stored::names::Name;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// A variable of the environment, unless it is unset, empty or not text.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Parses the command line, with the settings file's values as defaults.
pub fn words(args: Vec<OsString>) -> Result<Parsed> {
    let file = cli::early(&args, "config").or_else(|| variable("PGSTOW_CONFIG")).map(PathBuf::from);
    let profile = cli::early(&args, "profile").or_else(|| variable("PGSTOW_PROFILE"));
    let values = file::file_values(file, profile.as_deref())?;
    let blank = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    Ok(cli::parse(args, &|key| values.get(key).cloned().unwrap_or_default(), &blank))
}

fn name(text: Option<&str>) -> Result<Option<Name>> {
    text.map(str::parse).transpose()
}

/// The connection and the search for programs; refuses poolers unless asked not to.
fn server(url: &str, words: &ServerWords) -> Result<(ConnInfo, Search)> {
    let connection = ConnInfo::parse(url, variable)?;
    if !words.allow_pooled {
        connection.refuse_pooler()?;
    }
    Ok((connection, search(words.pg_bin.clone())))
}

/// Where to look for PostgreSQL's programs.
fn search(only: Option<PathBuf>) -> Search {
    Search { only, path: std::env::var_os("PATH") }
}

/// The patterns of the wanted tables; none for all.
fn tables(words: &TableWords) -> Result<Vec<Pattern>> {
    patterns(&words.table)
}

fn patterns(texts: &[String]) -> Result<Vec<Pattern>> {
    texts.iter().map(|text| Pattern::parse(text)).collect()
}
