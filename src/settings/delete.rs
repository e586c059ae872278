//! The settings of `pgstow delete`.

use super::{keys, name, only_location};
use crate::cli::DeleteWords;
use crate::error::{Error, Result};
use crate::prune::DeleteOptions;
use crate::stored::format::names::Id;

/// Checks the words of `pgstow delete`.
pub fn delete(words: &DeleteWords) -> Result<DeleteOptions> {
    // The beginning of an id, or "latest", may mean another backup tomorrow.
    let id = |text: &String| {
        text.parse::<Id>().map_err(|_| {
            Error::usage(format!("{text:?} is not the whole id of a backup, which delete needs"))
                .hint("`pgstow list` shows ids")
        })
    };
    Ok(DeleteOptions {
        location: only_location(&words.store)?,
        ids: words.ids.iter().map(id).collect::<Result<_>>()?,
        name: name(words.name.as_deref())?,
        trusted: keys::verify_keys(&words.trust)?,
        force: words.force,
        yes: words.yes,
        dry_run: words.dry_run,
    })
}
