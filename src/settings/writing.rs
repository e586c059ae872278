//! How a backup is written into the store, whatever is in it.

use super::store::lock;
use super::{destinations, keys, lines};
use crate::cli::WritingWords;
use crate::error::{Error, Result};
use crate::store::refuse_impossible;
use crate::stored::destinations::Destination;
use crate::stored::writer::WriteOptions;
use std::collections::BTreeMap;

/// More processors than this do not help one dump, which a single COPY feeds; they only cost memory.
const MOST_WORKERS: usize = 4;

/// Checks the words; `is_signed` if there must be a signature.
pub(super) fn writing(words: &WritingWords, is_signed: bool) -> Result<WriteOptions> {
    let (mut destinations, lock) = (destinations(&words.store, &words.optional)?, lock(words)?);
    for Destination { location, .. } in &mut destinations {
        location.options.lock = lock;
        refuse_impossible(&location.url, &location.options)?;
    }
    Ok(WriteOptions {
        labels: labels(&words.labels)?,
        destinations,
        recipients: keys::recipients(words)?,
        signing: keys::signing_key(words.signing_key_file.as_deref(), is_signed)?,
        compression_level: words.compression_level,
        part_size: words.part_size,
        workers: std::thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS),
        uploads: words.uploads.into(),
        check_space: !words.no_space_check,
    })
}

/// Checks labels, one a line.
pub(super) fn labels(texts: &[String]) -> Result<BTreeMap<String, String>> {
    let label = |text: String| match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err(Error::usage(format!("--label {text:?} is not KEY=VALUE"))),
    };
    lines(texts).into_iter().map(label).collect()
}
