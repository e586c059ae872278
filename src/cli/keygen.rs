//! The words of `pgstow keygen`.

use clap::Args;
use std::path::PathBuf;

/// `pgstow keygen`.
#[derive(Debug, Args)]
pub struct KeygenWords {
    /// Where to write the secret key, readable by you only; without it, or with "-o -", stdout
    #[arg(short, long, value_name = "FILE", env = "PGSTOW_KEYGEN_OUTPUT")]
    pub output: Option<PathBuf>,
    /// Make a key that signs manifests (minisign's format) instead of an age identity
    #[arg(long, env = "PGSTOW_SIGNING")]
    pub signing: bool,
}
