//! The settings of `pgstow swap`.

use super::server;
use crate::cli::SwapWords;
use crate::error::Result;
use crate::restore::swap::SwapOptions;

/// Checks the words of `pgstow swap`.
pub fn swap(words: SwapWords) -> Result<SwapOptions> {
    let (target, clients) = server(Some(&words.to), &words.server)?;
    target.target_name()?;
    Ok(SwapOptions { target, with: words.with, yes: words.yes, clients })
}
