//! A store at a glance: of each name its backups over time, gaps, growth, and what retention would remove; as facts, and
//! as one page of HTML.
//!
//! It reads one listing, the manifests, and with a key a few inventories of each name. It decides nothing: what goes is
//! said by `prune`'s own functions.

mod facts;
mod gaps;
mod growth;
mod page;

pub use facts::{BackupFacts, NameFacts, Overview, State};
pub use gaps::Gap;
pub use growth::{Growth, Size};
pub use page::page;

use crate::error::Result;
use crate::prune;
use crate::retention::Policy;
use crate::run::Run;
use crate::stored::find::contents::{self, Entry, Standard};
use crate::stored::format::manifest::Encryption;
use crate::stored::format::name_pattern::NamePattern;
use crate::stored::format::names::Timestamp;
use crate::stored::read::opened::{OpenStore, ReadOptions};

/// Inventories that are read of each name; they are spread over all of its backups.
const INVENTORIES: usize = 12;

/// What to look at.
#[derive(Debug)]
pub struct OverviewOptions {
    /// Where the backups are, and the keys to them, if there are any.
    pub reading: ReadOptions,
    /// The names that match, or all if there are no patterns.
    pub names: Vec<NamePattern>,
    /// Which backups count as whole.
    pub standard: Standard,
    /// By which rules old backups are removed, if that is to be said.
    pub policy: Option<Policy>,
}

/// Looks at a store.
pub async fn look(options: OverviewOptions, run: &Run) -> Result<Overview> {
    run.or(all_names(options)).await
}

async fn all_names(options: OverviewOptions) -> Result<Overview> {
    let OverviewOptions { reading, names, standard, policy } = options;
    let store = reading.location.open().await?;
    let has_keys = !reading.identities.is_empty();
    let opened = OpenStore::open(reading).await?;
    let mut folders = contents::folders(&*store, &names).await?;
    folders.retain(|folder| folder.found().is_some());
    let is_nowhere =
        |pattern: &&NamePattern| !folders.iter().any(|folder| pattern.matches(&folder.place.name));
    if let Some(pattern) = names.iter().find(is_nowhere) {
        return Err(contents::nothing_of(&*store, pattern).await);
    }
    let entries = contents::entries(&store, folders, &standard).await?;
    let made_at = Timestamp::now();
    let mut facts = Vec::new();
    for of_name in entries.chunk_by(|a, b| a.folder.place.name == b.folder.place.name) {
        let tables = tables(&opened, of_name, has_keys).await;
        facts.extend(name(of_name, policy.as_ref(), tables, made_at));
    }
    Ok(Overview { store: store.display_url(), made_at, retention: policy.is_some(), names: facts })
}

fn name(
    entries: &[Entry],
    policy: Option<&Policy>,
    tables: Option<Vec<Growth>>,
    now: Timestamp,
) -> Option<NameFacts> {
    let name = entries.first()?.folder.place.name.clone();
    let fates = policy.map(|policy| prune::foresee(entries, policy, now.into()));
    let fate = |at: usize| fates.as_ref().and_then(|fates| fates.get(at));
    let twin = |at| prune::later_twin(entries, at).map(|twin| entries[twin].folder.place.id.clone());
    let backups = entries.iter().enumerate();
    let backups = backups.filter_map(|(at, entry)| BackupFacts::new(entry, twin(at), fate(at)));
    let backups: Vec<BackupFacts> = backups.collect();
    let counted = backups.iter().filter(|backup| backup.counts);
    let moments: Vec<Timestamp> = counted.map(|backup| backup.started_at).collect();
    let (gaps, usual) = gaps::find(&moments, now);
    let state = match moments.last() {
        None => State::Missing,
        Some(_) if gaps.last().is_some_and(|gap| gap.until.is_none()) => State::Late,
        Some(_) => State::Ok,
    };
    let proven = |entry: &Entry| Some((entry.folder.place.id.clone(), entry.proven_at()?));
    let (proven_id, proven_at) = entries.iter().rev().find_map(proven).unzip();
    Some(NameFacts {
        name,
        state,
        usual_interval_s: usual.map(|usual| usual.as_secs()),
        proven_id,
        proven_at,
        proven_age_s: proven_at.map(|moment| now.since(moment).as_secs()),
        backups,
        gaps,
        tables,
    })
}

/// How the tables of a name grew, if inventories can be read; warns if a key does not fit.
async fn tables(store: &OpenStore, entries: &[Entry], has_keys: bool) -> Option<Vec<Growth>> {
    let readable = |entry: &&Entry| {
        let manifest = entry.backup.as_ref().map(|backup| &backup.manifest);
        manifest.is_some_and(|manifest| {
            manifest.inventory().is_some() && (has_keys || manifest.encryption == Encryption::None)
        })
    };
    // One that is there twice, for other recipients, would count twice.
    let counted = entries.iter().enumerate().filter(|(at, _)| prune::later_twin(entries, *at).is_none());
    let readable: Vec<&Entry> = counted.map(|(_, entry)| entry).filter(readable).collect();
    let mut sizes = Vec::new();
    for entry in spread(&readable, INVENTORIES) {
        let (Some(found), Some(at)) = (entry.folder.found(), entry.folder.place.id.started_at()) else {
            continue;
        };
        let read = async { store.take(&found).await?.inventory().await };
        match read.await {
            Ok(Some(inventory)) => sizes.push((at, inventory)),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!("the tables of {} are left out: {}", entry.folder.place, error.with_hints());
            }
        }
    }
    (!sizes.is_empty()).then(|| growth::of(&sizes))
}

/// Some of all, evenly spread, with the first and the last.
fn spread<T: Copy>(all: &[T], most: usize) -> Vec<T> {
    if all.len() <= most || most < 2 {
        return all.to_vec();
    }
    (0..most).map(|at| all[at * (all.len() - 1) / (most - 1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_has_the_first_and_the_last() {
        assert_eq!(spread(&[1, 2, 3], 4), [1, 2, 3]);
        let all: Vec<usize> = (0..100).collect();
        assert_eq!(spread(&all, 4), [0, 33, 66, 99]);
    }
}
