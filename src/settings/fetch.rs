//! The settings of `pgstow fetch`.

use super::environment::explain_empty;
use super::{refuse_same_file, search, selection, tables};
use crate::cli::{FetchWords, Format};
use crate::error::{Error, Result};
use crate::fetch::output::Output;
use crate::fetch::{FetchFormat, FetchOptions};

/// Checks the words of `pgstow fetch`.
pub fn fetch(words: FetchWords) -> Result<FetchOptions> {
    let (format, rows) = match words.format {
        Format::Archive => (FetchFormat::Archive, None),
        Format::Sql => (FetchFormat::Sql, None),
        Format::Csv => (FetchFormat::Csv, Some("csv")),
        Format::Copy => (FetchFormat::Copy, Some("copy")),
    };
    let tables = tables(&words.tables)?;
    if let (Some(rows), true) = (rows, tables.is_empty()) {
        return Err(Error::usage(format!("--format {rows} writes the rows of one table"))
            .hint("name the table with --table"));
    }
    if words.output.is_none() && words.list_file.is_none() {
        let missing = Error::usage("no output file was given")
            .hint("give one with --output (- is stdout), or with --list-file");
        return Err(explain_empty(missing, &["PGSTOW_OUTPUT"]));
    }
    refuse_same_file(&[("--output", words.output.as_deref()), ("--list-file", words.list_file.as_deref())])?;
    Ok(FetchOptions {
        selection: selection(words.select, &words.store, &words.open)?,
        tables,
        format,
        output: words.output.map(Output::at),
        list: words.list_file.map(Output::at),
        globals: words.globals,
        force: words.force,
        check_space: !words.no_space_check,
        clients: search(words.pg_bin),
    })
}
