//! Which backups are meant: which is "latest", and which is the newest of each name.
//!
//! Whoever can write to the store must not decide that. So with a key to believe, the newest backup is the newest one that
//! is signed, and it is compared with the one that was the newest before.

use super::catalogue::{self, Found};
use super::history::{Caution, History};
use super::renamed;
use crate::error::{Error, Kind, Result};
use crate::store::Store;
use crate::stored::format::names::{Name, Place, Timestamp};
use crate::stored::format::signing::VerifyKeys;
use crate::units::age;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::sync::Arc;
use std::time::Duration;

/// Names that are looked at at the same time.
const AT_ONCE: usize = 16;

/// Which backups, one or many.
#[derive(Debug)]
pub enum Which {
    /// This one.
    One {
        /// Its id, the beginning of it, or "latest".
        id: String,
        /// With "latest": only those begun before this moment.
        before: Option<Timestamp>,
    },
    /// All that fit.
    Many {
        /// Only the newest of each name.
        newest_per_name: bool,
        /// Only those begun at least this long ago.
        older_than: Option<Duration>,
        /// Only those begun at most this long ago.
        newer_than: Option<Duration>,
    },
}

/// Says that no backup has the age that is asked for.
fn no_match(of: usize, older_than: bool, newer_than: bool) -> Error {
    let flags = match (older_than, newer_than) {
        (true, true) => "--older-than and --newer-than leave out",
        (true, false) => "--older-than leaves out",
        (false, true) => "--newer-than leaves out",
        (false, false) => "its id has a moment that is still to come for",
    };
    Error::not_found(format!("no backup matches: {flags} all {of}")).hint("`pgstow list` shows what is there")
}

/// Who chooses, and from which store.
pub struct Chooser<'a> {
    /// The store.
    pub store: &'a Arc<dyn Store>,
    /// Whose manifests are believed; everybody's if nobody is named.
    pub trusted: Option<&'a VerifyKeys>,
    /// Which backups were seen before, if that is to be compared.
    pub history: Option<&'a History>,
    /// What keeps the newest one from being taken.
    pub caution: Caution,
}

/// A backup that was chosen.
pub struct Chosen {
    /// Which it is.
    pub found: Found,
    /// Why it is not taken, though it is the newest of its name.
    pub refused: Option<Error>,
}

impl Chosen {
    /// One that is taken.
    fn taken(found: Found) -> Self {
        Self { found, refused: None }
    }
}

impl Chooser<'_> {
    /// Finds the backups that are meant, oldest first within a name.
    ///
    /// # Errors
    /// Those of [`Self::find`], and `Kind::NotFound` if there is none: a job that has nothing to do because backups have
    /// stopped must not look like one that did its work.
    pub async fn find_all(&self, which: &Which, name: Option<&Name>) -> Result<Vec<Chosen>> {
        let (newest_per_name, older_than, newer_than) = match *which {
            Which::One { ref id, before } => {
                return Ok(vec![Chosen::taken(self.find(name, id, before).await?)]);
            }
            Which::Many { newest_per_name, older_than, newer_than } => {
                (newest_per_name, older_than, newer_than)
            }
        };
        let store = &**self.store;
        let found = catalogue::search(store, name).await?;
        if found.is_empty() {
            return Err(catalogue::nothing_found(store, name).await);
        }
        let of = found.len();
        let mut chosen = match newest_per_name {
            true => self.newest_of_each(found).await?,
            false => found.into_iter().map(Chosen::taken).collect(),
        };
        if chosen.is_empty() {
            return Err(no_match(of, false, false));
        }
        let (now, all) = (Timestamp::now(), chosen.len());
        if let Some(least) = older_than {
            chosen.retain(|one| one.found.age(now).is_some_and(|age| age >= least));
        }
        if let Some(most) = newer_than {
            chosen.retain(|one| one.found.age(now).is_some_and(|age| age <= most));
        }
        if chosen.is_empty() {
            return Err(no_match(all, older_than.is_some(), newer_than.is_some()));
        }
        Ok(chosen)
    }

    /// Finds the one backup that `id` means; if it is "latest", the newest of those begun `before` a moment, and says
    /// which that is. Nothing of it is read yet.
    ///
    /// # Errors
    /// Those of the store, `Kind::Verify` if it is "latest" and refused, `Kind::NotFound` if none was begun before the
    /// moment, and those of [`catalogue::find`].
    pub async fn find(&self, name: Option<&Name>, id: &str, before: Option<Timestamp>) -> Result<Found> {
        let mut candidates = match catalogue::find(&**self.store, name, id).await {
            Err(error) => return Err(renamed::explain(error, self.store, self.trusted, name, id).await),
            found => found?,
        };
        if id != catalogue::LATEST {
            return Ok(candidates.swap_remove(0));
        }
        match before {
            Some(moment) => self.newest_before(candidates, moment).await,
            None => self.newest(candidates).await,
        }
    }

    /// The newest of these backups of one name, which come newest first, that was begun before a moment.
    async fn newest_before(&self, mut candidates: Vec<Found>, moment: Timestamp) -> Result<Found> {
        let oldest = candidates.last().map(|oldest| oldest.place.clone());
        candidates.retain(|found| found.place.id.started_at().is_some_and(|start| start < moment));
        if let (true, Some(Place { name, id })) = (candidates.is_empty(), &oldest) {
            return Err(Error::not_found(format!("no backup of {name} was begun before {moment}"))
                .hint(format!("the oldest is {id}")));
        }
        // If the one that was seen last is left out on purpose, an older one is no surprise. If it was begun before the
        // moment, it has to be there.
        let name = oldest.map(|oldest| oldest.name);
        let is_left_out = |history: &&History| {
            name.as_ref().is_some_and(|name| history.has_seen_since(&**self.store, name, moment))
        };
        let history = self.history.filter(|history| !is_left_out(history));
        let refused = |error: Error| match error.kind() {
            Kind::Verify => error.context(format!("before {moment}")),
            _ => error,
        };
        let found = Chooser { history, ..*self }.newest(candidates).await.map_err(refused)?;
        let old = found.age(Timestamp::now()).map(age).unwrap_or_default();
        tracing::info!("the newest backup begun before {moment} is {}: {old} old", found.place);
        Ok(found)
    }

    /// The newest of these backups of one name, which come newest first.
    ///
    /// # Errors
    /// Those of the store, and `Kind::Verify` if it is refused.
    pub async fn newest(&self, candidates: Vec<Found>) -> Result<Found> {
        let Chosen { found, refused } = self.choose(candidates).await?;
        refused.map_or(Ok(found), Err)
    }

    /// The newest of each name, of backups that are sorted; none from the future.
    ///
    /// # Errors
    /// Those of the store.
    async fn newest_of_each(&self, mut found: Vec<Found>) -> Result<Vec<Chosen>> {
        catalogue::leave_out_the_future(&mut found);
        let names = found.chunk_by(|one, other| one.place.name == other.place.name);
        let names = names.map(|of_name| of_name.iter().rev().cloned().collect());
        stream::iter(names)
            .map(|newest_first| self.choose(newest_first))
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    /// Chooses the newest. If none is signed that should be, it is the first one: reading it will say so.
    async fn choose(&self, mut candidates: Vec<Found>) -> Result<Chosen> {
        let at = self.newest_signed(&candidates).await?.unwrap_or(0);
        let refused = match self.check(&candidates, at).await {
            Err(error) if !error.kind().is_signal() => Some(error),
            checked => checked.map(|()| None)?,
        };
        Ok(Chosen { found: candidates.swap_remove(at), refused })
    }

    /// The first one with a signature, if signatures are asked for.
    async fn newest_signed(&self, candidates: &[Found]) -> Result<Option<usize>> {
        if self.trusted.is_some() {
            for (at, one) in candidates.iter().enumerate() {
                if catalogue::is_signed(&**self.store, &one.place).await? {
                    return Ok(Some(at));
                }
            }
        }
        Ok(None)
    }

    async fn check(&self, candidates: &[Found], at: usize) -> Result<()> {
        let (newer, newest) = (&candidates[..at], &candidates[at]);
        self.look_back(candidates, newest).await?;
        self.pass_over(newer, newest)
    }

    /// Reports if the newest backup of a name is older than one that was seen before, or newer ones were made without
    /// that, or refuses to go on.
    async fn look_back(&self, found: &[Found], newest: &Found) -> Result<()> {
        let (Some(history), Some(trusted)) = (self.history, self.trusted) else { return Ok(()) };
        // Whatever keeps it from being read: a store that hides newer ones may let it be read the second time only.
        let newest = catalogue::read(self.store, newest, Some(trusted)).await?;
        history.look_back(self.store, found, &newest, trusted, self.caution).await
    }

    /// Says which newer backups are passed over because they are not signed, or refuses to.
    fn pass_over(&self, unsigned: &[Found], signed: &Found) -> Result<()> {
        let Some(newest) = unsigned.first() else { return Ok(()) };
        if self.caution == Caution::Strict {
            return Err(Error::verify(format!(
                "{} is not signed, and newer than {}, which is",
                newest.place, signed.place.id
            ))
            .hint("without --strict the newest signed backup is taken; or choose one by its id"));
        }
        for found in unsigned {
            tracing::warn!(
                "{} is not signed, and passed over: \"latest\" is {}",
                found.place,
                signed.place.id
            );
        }
        Ok(())
    }
}
