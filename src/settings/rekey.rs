//! The settings of `pgstow rekey`.

use super::{keys, name, only_location, which};
use crate::cli::RekeyWords;
use crate::error::{Error, Result};
use crate::rekey::{Change, RekeyOptions};
use crate::stored::find::history::Caution;
use crate::stored::find::newest::Which;
use crate::stored::read::opened::ReadOptions;
use std::sync::Arc;

/// Checks the words of `pgstow rekey`.
pub fn rekey(words: RekeyWords) -> Result<RekeyOptions> {
    let all = Which::Many { newest_per_name: false, older_than: None, newer_than: None };
    let which = which(words.id.as_deref(), None, words.all.then_some(all))?.ok_or_else(|| {
        Error::usage("nothing was named to be rekeyed").hint("give an id, \"latest\" or --all")
    })?;
    let recipients = keys::public_recipients(&words.recipients, &words.recipients_file)?;
    if recipients.is_empty() {
        return Err(Error::usage("no recipient was given, so nobody could read the new backups")
            .hint("name everybody who will be able to read them, with --recipient"));
    }
    Ok(RekeyOptions {
        which,
        name: name(words.name.as_deref())?,
        reading: ReadOptions {
            location: only_location(&words.store)?,
            identities: Arc::new(keys::identities(&words.identity)?),
            ask: keys::ask,
            trusted: keys::verify_keys(&words.trust)?,
            history: None,
            caution: Caution::Report,
            allow_unencrypted: words.allow_unencrypted,
        },
        change: Change {
            recipients: Arc::new(recipients),
            signing: keys::signing_key(words.signing_key_file.as_deref(), false)?,
            keep_old: words.keep_old,
        },
        dry_run: words.dry_run,
    })
}
