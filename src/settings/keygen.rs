//! The settings of `pgstow keygen`.

use crate::cli::KeygenWords;
use std::path::{Path, PathBuf};

/// `pgstow keygen`.
#[derive(Debug)]
pub struct Keygen {
    /// Where the secret goes; `None` is stdout.
    pub output: Option<PathBuf>,
    /// Whether a signing key is wanted instead of an identity.
    pub signing: bool,
}

impl Keygen {
    /// Checks the words of `pgstow keygen`.
    pub fn read(words: KeygenWords) -> Self {
        Self { output: words.output.filter(|path| path != Path::new("-")), signing: words.signing }
    }
}
