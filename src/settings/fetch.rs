//! The settings of `pgstow fetch`.

use super::{search, selection, tables};
use crate::archive::Pattern;
use crate::cli::FetchWords;
use crate::error::{Error, Result};
use crate::fetch::FetchFormat;
use crate::fetch::output::Output;
use crate::postgres::clients::Search;
use crate::stored::opened::BackupSelection;
use std::path::{Path, PathBuf};

/// `pgstow fetch`.
#[derive(Debug)]
pub struct Fetch {
    /// What to fetch.
    pub source: BackupSelection,
    /// Which tables of it; none for all.
    pub tables: Vec<Pattern>,
    /// As what.
    pub format: FetchFormat,
    /// Where to put it; `None` where only the list is wanted.
    pub output: Option<Output>,
    /// Where to put the list of its entries.
    pub list: Option<Output>,
    /// Whether the server's roles are wanted instead of the dump.
    pub globals: bool,
    /// Whether existing files are replaced.
    pub force: bool,
    /// Whether free space is looked at first.
    pub check_space: bool,
    /// Where to look for PostgreSQL's programs.
    pub clients: Search,
}

fn output(path: PathBuf) -> Output {
    if path == Path::new("-") { Output::Stdout } else { Output::File(path) }
}

impl Fetch {
    /// Checks the words of `pgstow fetch`.
    pub fn read(words: FetchWords) -> Result<Self> {
        let format = match &*words.format {
            "sql" => FetchFormat::Sql,
            "csv" => FetchFormat::Csv,
            "copy" => FetchFormat::Copy,
            _ => FetchFormat::Archive,
        };
        let tables = tables(&words.tables)?;
        if matches!(format, FetchFormat::Csv | FetchFormat::Copy) && tables.is_empty() {
            let one = format!("--format {} prints the rows of one table", words.format);
            return Err(Error::usage(one).hint("--table names it"));
        }
        Ok(Self {
            source: selection(words.select, &words.store, &words.open)?,
            tables,
            format,
            output: words.output.map(output),
            list: words.list_file.map(output),
            globals: words.globals,
            force: words.force,
            check_space: !words.no_space_check,
            clients: search(words.pg_bin),
        })
    }
}
