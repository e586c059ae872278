//! The settings of `pgstow keygen`.

use super::refuse_same_file;
use crate::cli::KeygenWords;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

/// `pgstow keygen`.
#[derive(Debug)]
pub struct Keygen {
    /// The file for the secret.
    pub output: Option<PathBuf>,
    /// The file for the sheet to print.
    pub paper: Option<PathBuf>,
    /// Whether the secret is printed on stdout.
    pub print: bool,
    /// Whether a signing key is wanted instead of an identity.
    pub signing: bool,
}

impl Keygen {
    /// Checks the words of `pgstow keygen`.
    pub fn read(words: KeygenWords) -> Result<Self> {
        let KeygenWords { output, paper, signing } = words;
        if signing && paper.is_some() {
            return Err(Error::usage(
                "--paper is for a key that decrypts backups, and --signing makes another one",
            )
            .hint("leave one of them out: a signing key that is lost is replaced by a new one"));
        }
        refuse_same_file(&[("--output", output.as_deref()), ("--paper", paper.as_deref())])?;
        let is_stdout = |path: &PathBuf| path == Path::new("-");
        let print = output.as_ref().map_or(paper.is_none(), is_stdout);
        Ok(Self { output: output.filter(|path| !is_stdout(path)), paper, print, signing })
    }
}
