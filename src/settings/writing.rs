//! How a backup is written into the store, whatever is in it.

use super::store::lock;
use super::{destinations, keys, lines};
use crate::cli::WritingWords;
use crate::error::{Error, Result};
use crate::store::refuse_impossible;
use crate::stored::write::destinations::Destination;
use crate::stored::write::writer::WriteOptions;
use std::collections::BTreeMap;

/// More processors than this do not help one dump, which a single COPY feeds; they only cost memory.
const MOST_WORKERS: usize = 4;

/// Checks the words; `is_signed` if there must be a signature.
pub(super) fn writing(words: &WritingWords, is_signed: bool) -> Result<WriteOptions> {
    Ok(WriteOptions {
        destinations: locking(destinations(&words.store, &words.optional)?, words)?,
        labels: labels(&words.labels)?,
        recipients: keys::recipients(words)?,
        signing: keys::signing_key(words.signing_key_file.as_deref(), is_signed)?,
        compression_level: words.compression_level,
        part_size: words.part_size,
        workers: std::thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS),
        uploads: words.uploads.into(),
        check_space: !words.no_space_check,
    })
}

/// The same stores, with the lock that what is written there gets; refuses those that cannot have it.
pub(super) fn locking(stores: Vec<Destination>, words: &WritingWords) -> Result<Vec<Destination>> {
    let (mut stores, lock) = (stores, lock(words)?);
    for Destination { location, .. } in &mut stores {
        location.options.lock = lock;
        refuse_impossible(&location.url, &location.options)?;
    }
    Ok(stores)
}

/// Checks labels, one a line.
pub(super) fn labels(texts: &[String]) -> Result<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    for text in lines(texts) {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => (key.trim().to_owned(), value.to_owned()),
            _ => return Err(Error::usage(format!("--label {text:?} is not KEY=VALUE"))),
        };
        if let Some(other) = labels.insert(key.clone(), value.clone()).filter(|other| *other != value) {
            return Err(Error::usage(format!("--label sets {key} to both {other:?} and {value:?}")));
        }
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_one_value() {
        let of = |texts: &[&str]| labels(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            of(&["a=1", "b=x=y\na=1"]).unwrap(),
            [("a", "1"), ("b", "x=y")].map(|(k, v)| (k.into(), v.into())).into()
        );
        let twice = of(&["a=1", "a=2"]).unwrap_err();
        assert_eq!(twice.to_string(), r#"--label sets a to both "1" and "2""#);
        assert!(of(&["=1"]).is_err() && of(&["a"]).is_err());
    }
}
