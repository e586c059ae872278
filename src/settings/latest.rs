//! What is said of "latest" once and for all.

use crate::cli::Verb;
use crate::stored::find::catalogue::LATEST;

/// What is said once and for all of "latest" says nothing of a backup that is named, or of many.
pub(super) fn look_back_for_latest_only(verb: &mut Verb) {
    let (before, id) = match verb {
        Verb::Restore(words) => (&mut words.select.before, Some(&words.select.id)),
        Verb::Fetch(words) => (&mut words.select.before, Some(&words.select.id)),
        Verb::Show(words) => (&mut words.select.before, Some(&words.select.id)),
        Verb::Verify(words) => (&mut words.before, words.id.as_ref()),
        Verb::Copy(words) => (&mut words.before, words.id.as_ref()),
        _ => return,
    };
    before.before.take_if(|_| id.is_none_or(|id| id != LATEST));
}
