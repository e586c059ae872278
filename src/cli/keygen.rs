//! The words of `pgstow keygen`.

use clap::Args;
use std::path::PathBuf;

/// `pgstow keygen`.
#[derive(Debug, Args)]
pub struct KeygenWords {
    /// Write the secret key to this file, which only you can read
    ///
    /// Without it, or with "-o -", the secret key is printed.
    #[arg(short, long, value_name = "FILE", env = "PGSTOW_KEYGEN_OUTPUT")]
    pub output: Option<PathBuf>,
    /// Write a sheet to print into this file: the secret key as text and QR code, and how to restore without pgstow
    ///
    /// HTML, one page, readable only by you. Without -o the sheet is the only place with the secret key.
    #[arg(long, value_name = "FILE", env = "PGSTOW_KEYGEN_PAPER")]
    pub paper: Option<PathBuf>,
    /// Create a key that signs manifests instead of an age identity
    ///
    /// It has the format of minisign.
    #[arg(long, env = "PGSTOW_SIGNING")]
    pub signing: bool,
}
