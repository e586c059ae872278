//! What the words mean: words, environment and `pgstow.toml` become typed, checked settings.
//!
//! Nothing outside this folder reads a flag or the environment. A flag beats a variable, a variable
//! beats the settings file, the file beats the default.

mod actions;
mod adopt;
mod after;
mod backup;
mod clone;
mod command;
mod config;
mod environment;
mod fetch;
mod file;
mod fitting;
mod keygen;
mod keys;
mod list;
mod monitoring;
mod neon;
mod permissions;
mod reading;
mod restore;
mod show;
mod store;
mod swap;
mod verify;
mod words;
mod writing;

pub use actions::{actions, masks};
pub use adopt::Adopt;
pub use backup::{Backup, What};
pub use clone::clone;
pub use command::Feed;
pub use config::{Config, Setting, Source};
pub use fetch::fetch;
pub use keygen::Keygen;
pub use list::List;
pub use monitoring::{monitoring, subject};
pub use restore::{Goal, Restore};
pub use show::Show;
pub use swap::swap;
pub use verify::verify;
pub use words::{Remarks, words};

use after::after;
use command::command;
use environment::variable;
use fitting::fitting;
use neon::{neon_branch, neon_source};
use reading::{reading, reading_without_keys, select, selection};
use restore::proof_by;
use store::location;
use writing::writing;

use crate::archive::Pattern;
use crate::cli::{ServerWords, TableWords};
use crate::error::Result;
use crate::postgres::{ConnInfo, Environment, clients::Search};
use crate::stored::names::Name;
use std::path::PathBuf;

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
    Search { only, environment: Environment::new(std::env::vars_os()) }
}

/// The patterns of the wanted tables; none for all.
fn tables(words: &TableWords) -> Result<Vec<Pattern>> {
    patterns(&words.table)
}

fn patterns(texts: &[String]) -> Result<Vec<Pattern>> {
    texts.iter().map(|text| Pattern::parse(text)).collect()
}
