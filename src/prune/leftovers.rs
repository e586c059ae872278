//! What runs that were killed have left: unfinished uploads, temporary files of a folder, folders without a manifest.
//!
//! Only what is old: the rest may belong to a run that is still going on. Nothing goes of a name whose backups have
//! stopped: there a dump without a manifest may be the last one.

use super::outcome::{Fate, Leftover, LeftoverKind, PrunedBackup};
use super::refused::explain;
use super::request::PruneOptions;
use crate::error::Result;
use crate::retention::Stale;
use crate::store::{Situation, Store};
use crate::stored::find::contents::{Folder, prefix};
use crate::stored::format::name_pattern::NamePattern;
use crate::stored::format::names::{Name, Place};
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

/// Finds what killed runs have left.
pub(super) async fn find(
    store: &dyn Store,
    folders: Vec<Folder>,
    options: &PruneOptions,
    stale: &BTreeMap<Name, Stale>,
    backups: &[PrunedBackup],
    now: SystemTime,
) -> Result<Vec<Leftover>> {
    let unfinished = match store.unfinished(&prefix(&options.names)).await {
        // The rules for backups do not need them, and backups would pile up.
        Err(error) if error.situation() == Situation::Denied => {
            tracing::warn!(
                "whether there are unfinished uploads is not known, and they stay: {}",
                explain(error)
            );
            Vec::new()
        }
        unfinished => unfinished.map_err(explain)?,
    };
    // By the slower of both clocks, this one and the store's: by the other, what is being written now could look old.
    let now = store.now().map_or(now, |there| there.min(now));
    let named: BTreeSet<&Name> = backups.iter().map(|backup| &backup.place.name).collect();
    let fate = |place: &Place, last: Option<SystemTime>, is_readable: bool| {
        // What is newer than the clock is not older than a moment: answers leave out fractions of a second.
        let age = last.map(|last| now.duration_since(last).unwrap_or_default());
        if age.is_none_or(|age| age < options.leftovers) {
            return Fate::KeptAnyway("it may belong to a run that is still going on".to_owned());
        }
        // A dump may be all that there is of its name; half an upload is of no use, nor is a probe.
        let is_last = stale.contains_key(&place.name) || (is_readable && !named.contains(&place.name));
        match is_last && !options.policy.force {
            true => Fate::KeptAnyway(format!("{} has no fresh whole backup", place.name)),
            false => Fate::Removed,
        }
    };
    let mut all = Vec::new();
    for folder in folders {
        let last_written = folder.last_written();
        let fate = fate(&folder.place, last_written, !folder.is_of_doctor());
        let kind = LeftoverKind::Folder(folder.bytes());
        all.push(Leftover { place: folder.place, kind, last_written, fate });
    }
    for upload in unfinished {
        let Some((place, _)) = Place::of_object(&upload.key) else { continue };
        if !NamePattern::any(&options.names, &place.name) {
            continue;
        }
        // One that began long ago may still get its parts.
        let last_written = store.last_written(&upload).await.map_err(explain)?;
        let fate = fate(&place, last_written, false);
        all.push(Leftover { place, kind: LeftoverKind::Upload(upload), last_written, fate });
    }
    all.sort_by(|a, b| a.place.cmp(&b.place));
    Ok(all)
}
