//! How a backup travels into the store, whatever is in it.

use super::{Encryption, StoreSettings, keys};
use crate::cli::ShippingWords;
use crate::error::{Error, Result};
use crate::pipeline::keys::Recipients;
use crate::stored::signing::SigningKey;
use std::collections::BTreeMap;
use std::sync::Arc;

/// More processors than this do not help one dump, which a single COPY feeds; they only cost memory.
const MOST_WORKERS: usize = 4;

/// Where a backup goes, who can read it, who vouches for it, and how it travels.
#[derive(Debug)]
pub struct Shipping {
    /// Where to.
    pub store: StoreSettings,
    /// For whom.
    pub encryption: Encryption,
    /// Who vouches for it.
    pub signing: Option<SigningKey>,
    /// Notes for the manifest.
    pub labels: BTreeMap<String, String>,
    /// zstd's level.
    pub compression_level: i32,
    /// The size of a part in bytes, where the user chose it.
    pub part_size: Option<u64>,
    /// Frames compressed at the same time.
    pub workers: usize,
    /// Parts on their way at the same time.
    pub uploads: usize,
    /// Whether free space is looked at first.
    pub check_space: bool,
}

impl Shipping {
    pub(super) fn read(words: &ShippingWords) -> Result<Self> {
        let label = |text: &String| match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
            _ => Err(Error::usage(format!("--label {text:?} is not KEY=VALUE"))),
        };
        Ok(Self {
            labels: words.labels.iter().map(label).collect::<Result<_>>()?,
            store: StoreSettings::read(&words.store)?,
            encryption: keys::encryption(words)?,
            signing: keys::signing_key(words.signing_key_file.as_deref())?,
            compression_level: words.compression_level,
            part_size: words.part_size,
            workers: std::thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS),
            uploads: words.uploads.into(),
            check_space: !words.no_space_check,
        })
    }

    /// For whom to encrypt; `None` for everyone who can read the store.
    pub fn recipients(&self) -> Option<&Arc<Recipients>> {
        match &self.encryption {
            Encryption::To(recipients) => Some(recipients),
            Encryption::None => None,
        }
    }
}
