//! The settings of `pgstow copy`.

use super::store::one;
use super::{history, keys, location, name};
use crate::cli::CopyWords;
use crate::copy::{CopyOptions, Which};
use crate::error::{Error, Result};

/// Checks the words of `pgstow copy`.
pub fn copy(words: &CopyWords) -> Result<CopyOptions> {
    let many = words.all || words.newest_per_name;
    let which = match (&words.id, many) {
        (Some(id), false) => Which::One(id.clone()),
        (None, true) => Which::Many { newest_per_name: words.newest_per_name },
        (Some(_), true) => return Err(Error::usage("an id and a choice of many contradict each other")),
        (None, false) => {
            return Err(Error::usage("nothing was named to be copied")
                .hint("give an id, \"latest\", --all or --newest-per-name"));
        }
    };
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
