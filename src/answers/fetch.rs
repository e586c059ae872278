//! What `fetch` answers.

use super::Answer;
use crate::fetch::output::Output;
use crate::fetch::{Fetched, Written};
use crate::stored::find::catalogue::Signature;
use crate::stored::format::names::{Id, Name};
use serde::Serialize;

/// What was fetched into a file.
#[derive(Debug, Serialize)]
pub struct FetchedFile {
    id: Id,
    name: Name,
    signature: Signature,
    /// The file with the list of entries, if one was wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    list_file: Option<String>,
    #[serde(flatten)]
    file: Option<FileFacts>,
}

#[derive(Debug, Serialize)]
struct FileFacts {
    output: String,
    /// Bytes of the file, if they are known.
    output_bytes: Option<u64>,
    /// Bytes of the archive, or of the stream.
    plain_bytes: u64,
    /// Bytes of the whole dump, or of the roles, in the store.
    stored_bytes: u64,
    /// Bytes of it that were fetched.
    fetched_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    tables: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
}

impl FetchedFile {
    /// `None` if the backup itself went to stdout, where nothing may follow it.
    pub fn new(fetched: Fetched) -> Option<Self> {
        let Fetched { place, signature, list, written } = fetched;
        let file = match written {
            Some(Written { output: Output::Stdout, .. }) => return None,
            Some(written) => Some(FileFacts {
                output: written.output.name(),
                output_bytes: written.output_bytes,
                plain_bytes: written.plain_bytes,
                stored_bytes: written.stored_bytes,
                fetched_bytes: written.fetched_bytes,
                tables: written.held.map(|(tables, _)| tables),
                rows: written.held.and_then(|(_, rows)| rows),
            }),
            None => None,
        };
        Some(Self { id: place.id, name: place.name, signature, list_file: list, file })
    }
}

impl Answer for FetchedFile {}
