//! The settings of `pgstow copy`.

use super::store::one;
use super::{history, keys, location, name, which};
use crate::cli::CopyWords;
use crate::copy::CopyOptions;
use crate::error::{Error, Result};
use crate::stored::find::newest::Which;

/// Checks the words of `pgstow copy`.
pub fn copy(words: &CopyWords) -> Result<CopyOptions> {
    let (newest_per_name, newer_than) = (words.newest_per_name, words.newer_than);
    let many = Which::Many { newest_per_name, older_than: None, newer_than };
    let many = (words.all || newest_per_name || newer_than.is_some()).then_some(many);
    let which = which(words.id.as_deref(), Some(&words.before), many)?.ok_or_else(|| {
        Error::usage("nothing was named to be copied")
            .hint("give an id, \"latest\", --all, --newest-per-name or --newer-than 31d")
    })?;
    let to = words.to.as_deref().ok_or_else(|| {
        Error::usage("no store to copy to was given").hint("give it with --to, or in PGSTOW_COPY_TO")
    })?;
    Ok(CopyOptions {
        from: location(&words.store)?,
        to: one(to, &words.store)?,
        which,
        name: name(words.name.as_deref())?,
        trusted: keys::verify_keys(&words.trust)?,
        history: history(&words.trust),
        jobs: words.jobs.map_or(DEFAULT_JOBS, usize::from),
    })
}

/// Backups that are copied at the same time if nobody says otherwise.
const DEFAULT_JOBS: usize = 4;
