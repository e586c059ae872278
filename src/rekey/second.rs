//! Two runs rekey one backup at the same time: one of them gives way.

use super::{OF_OTHERS, Work};
use crate::error::{Error, Kind, Result};
use crate::stored::find::contents::{self, Folder};
use crate::stored::format::manifest::Manifest;
use crate::stored::format::names::{Id, Place};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long another run has at the least to give way.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether it has.
const EVERY: Duration = Duration::from_millis(500);

impl Work<'_> {
    /// Refuses to go on if another run has made a new backup of the same one meanwhile: both would stay, and each run would say
    /// that the old one is replaced. Each publishes its own before it looks for others, so at least one sees the other; the
    /// later id gives way, never both. The other one waits for that: the later may have to read back its own before it looks.
    ///
    /// # Errors
    /// `Kind::Locked` if this run gives way, or if the other has not done so within the time that this one `took`, or a little more.
    pub(super) async fn refuse_second(
        &self,
        old: &Manifest,
        own: &Place,
        peers: &[Folder],
        took: Duration,
    ) -> Result<()> {
        // One that had no manifest then was being made.
        let seen = peers.iter().filter_map(Folder::found).map(|peer| peer.place).chain([own.clone()]);
        let seen: BTreeSet<Place> = seen.collect();
        let deadline = Instant::now() + PATIENCE.max(took);
        let mut waiting = false;
        while let Some(other) = self.second(old, own, &seen).await? {
            let error =
                Error::new(Kind::Locked, format!("another run rekeyed it at the same time, as {other}"));
            if own.id > other {
                self.discard(own).await;
                return Err(error.hint("nothing of this run stays: let the other one end, and run it again"));
            }
            if Instant::now() >= deadline {
                return Err(error.hint(format!(
                    "{} of this run stays too, and both count as one backup: run it again, so that both have these recipients",
                    own.id
                )));
            }
            if !std::mem::replace(&mut waiting, true) {
                self.run.say(format!(
                    "another run rekeys {} at the same time, and is to give way: waiting for that",
                    old.id
                ));
            }
            sleep(EVERY).await;
        }
        Ok(())
    }

    /// The first of the backups that other runs have made of the same one, and that nobody has `seen` before.
    async fn second(&self, old: &Manifest, own: &Place, seen: &BTreeSet<Place>) -> Result<Option<Id>> {
        let now = contents::of_same_second(self.store.store(), own).await?;
        let mut others = Vec::new();
        for found in now.iter().filter_map(Folder::found).filter(|found| !seen.contains(&found.place)) {
            match self.store.take_trusting(&found, None).await {
                Ok(other) if other.backup.manifest.is_made_from(&old.id) => others.push(found.place.id),
                // One that gives way just now is not found any more.
                Err(error) if !OF_OTHERS.contains(&error.kind()) => return Err(error),
                _ => {}
            }
        }
        Ok(others.into_iter().min())
    }
}
