//! The settings of `pgstow fetch`.

use super::{search, selection, tables};
use crate::cli::FetchWords;
use crate::error::{Error, Result};
use crate::fetch::output::Output;
use crate::fetch::{FetchFormat, FetchOptions};
use std::path::{Path, PathBuf};

fn output(path: PathBuf) -> Output {
    if path == Path::new("-") { Output::Stdout } else { Output::File(path) }
}

/// Checks the words of `pgstow fetch`.
pub fn fetch(words: FetchWords) -> Result<FetchOptions> {
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
    Ok(FetchOptions {
        selection: selection(words.select, &words.store, &words.open)?,
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
