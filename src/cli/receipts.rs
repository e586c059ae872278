//! The words about receipts: of `pgstow receipts`, and of `verify`, which writes them.

use super::shared::{StoreWords, TrustWords};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `pgstow receipts`.
#[derive(Debug, Args)]
pub struct ReceiptsWords {
    /// What to do
    #[arg(value_name = "ACTION")]
    pub action: ReceiptsAction,
    /// The receipt; its signature is in the file of the same name with .minisig
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub store: StoreWords,
    #[command(flatten)]
    #[allow(missing_docs, reason = "the flags have their own")]
    pub trust: TrustWords,
}

/// What to do with a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReceiptsAction {
    /// Check that it is what it says; with a store also that the backup there is the one it is about
    Verify,
}

/// What is written about a trial restore.
#[derive(Debug, Args)]
pub struct ReceiptWords {
    /// Write a receipt of the trial restore to this file, as evidence: an in-toto statement
    ///
    /// It is written only if everything agrees, and replaces no file. With a signing key its signature is in the file of
    /// the same name with .minisig.
    #[arg(long, value_name = "FILE", env = "PGSTOW_RECEIPT", help_heading = "Receipts")]
    pub receipt: Option<PathBuf>,
    /// Record the receipt next to the backup, so that list, status and prune know that it is proven
    ///
    /// It does not contain the queries of --check. It needs a key that may write to the store.
    #[arg(long, env = "PGSTOW_RECORD", help_heading = "Receipts")]
    pub record: bool,
    /// Sign the receipt with the secret key in this file
    ///
    /// The variable PGSTOW_SIGNING_KEY can hold the key itself.
    #[arg(
        long,
        value_name = "FILE",
        env = "PGSTOW_SIGNING_KEY_FILE",
        help_heading = "Receipts",
        hide_short_help = true
    )]
    pub signing_key_file: Option<PathBuf>,
}
