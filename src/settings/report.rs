//! The settings of `pgstow report`.

use super::environment::explain_empty;
use super::keep::{patterns, policy, standard};
use super::reading;
use crate::cli::ReportWords;
use crate::error::{Error, Result};
use crate::fetch::output::Output;
use crate::overview::OverviewOptions;
use std::path::Path;

/// `pgstow report`.
#[derive(Debug)]
pub struct StoreReport {
    /// What to look at.
    pub overview: OverviewOptions,
    /// Where the page is written to, if it is.
    pub output: Option<Output>,
    /// Whether a file may be replaced.
    pub force: bool,
}

impl StoreReport {
    /// Checks the words of `pgstow report`; without a document a page is wanted.
    pub fn read(words: ReportWords, has_document: bool) -> Result<Self> {
        if words.output.is_none() && !has_document {
            let missing = Error::usage("no output file was given")
                .hint("give one with --output (- is stdout), or print the facts alone with --json");
            return Err(explain_empty(missing, &["PGSTOW_REPORT_OUTPUT"]));
        }
        if has_document && words.output.as_deref() == Some(Path::new("-")) {
            return Err(Error::usage("the page and the JSON document would both go to stdout")
                .hint("give the page a file, or leave --json or --output out"));
        }
        Ok(Self {
            overview: OverviewOptions {
                standard: standard(&words.keep, &words.open.trust)?,
                policy: policy(&words.keep)?,
                names: patterns(&words.names)?,
                reading: reading(&words.store, &words.open)?,
            },
            output: words.output.map(Output::at),
            force: words.force,
        })
    }
}
