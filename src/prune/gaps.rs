//! Backups that are gone although the rules keep them: signed manifests name the backup before them.
//!
//! Rules remove old backups, so most of those that are named are rightly gone. What these rules would still keep was
//! removed by somebody else, or by other rules.

use crate::retention::{self, Policy};
use crate::stored::find::contents::Entry;
use crate::stored::format::names::Id;
use std::collections::BTreeSet;
use std::time::SystemTime;

/// How many are named.
const MOST_NAMED: usize = 5;

/// Warns of what is gone of the backups of one name, which are all that there are.
pub(super) fn warn(entries: &[Entry], policy: &Policy) {
    let Some(first) = entries.first() else { return };
    let gone = gone(entries, policy);
    let named: Vec<String> = gone.iter().rev().take(MOST_NAMED).map(ToString::to_string).collect();
    if !named.is_empty() {
        let more = if gone.len() > named.len() { ", …" } else { "" };
        tracing::warn!(
            "{} of {}: gone, although the rules keep it and a newer backup names it; somebody removed it, or other rules did",
            named.join(", ") + more,
            first.folder.place.name
        );
    }
}

/// The ids that signed backups name and the store does not have, although the rules would keep them.
fn gone(entries: &[Entry], policy: &Policy) -> Vec<Id> {
    let there: BTreeSet<&Id> = entries.iter().map(|entry| &entry.folder.place.id).collect();
    let manifests = || entries.iter().filter_map(|entry| Some(&entry.backup.as_ref()?.manifest));
    let named = manifests().filter_map(|manifest| manifest.previous.as_ref());
    // What was encrypted to other recipients has another id.
    let is_rekeyed = |id: &Id| manifests().any(|manifest| manifest.is_made_from(id));
    let missing: BTreeSet<&Id> = named.filter(|id| !there.contains(id) && !is_rekeyed(id)).collect();
    let at = |id: &Id| id.started_at().map(SystemTime::from);
    let all: BTreeSet<&Id> = there.iter().chain(&missing).copied().filter(|id| at(id).is_some()).collect();
    let moments: Vec<SystemTime> = all.iter().filter_map(|id| at(id)).collect();
    let kept = retention::kept_by_rule(&moments, policy);
    let is_gone = |(id, kept): &(&Id, bool)| *kept && missing.contains(id);
    all.into_iter().zip(kept).filter(is_gone).map(|(id, _)| id.clone()).collect()
}
