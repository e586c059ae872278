//! The stores that one backup goes into, the same encrypted bytes into all of them at once.
//!
//! A store that fails is left out from then on, and the backup goes on in the others: a whole backup in one store is
//! worth more than none, and the dump is not read twice. Whether the run has failed is decided at the end: it has, if
//! a store was left out that is not optional.

use crate::error::{Error, Result};
use crate::store::{Limits, Situation, Store};
use crate::stored::read::opened::Location;
use crate::text::shell_word;
use futures_util::future::join_all;
use indicatif::BinaryBytes;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

/// A store that a backup goes into.
#[derive(Debug, Clone)]
pub struct Destination {
    /// Where it is.
    pub location: Location,
    /// Whether the run succeeds although this store fails.
    pub is_optional: bool,
}

/// The stores of one backup, opened.
pub struct Destinations(Vec<OpenDestination>);

/// One of them.
pub struct OpenDestination {
    /// The store's URL, without secrets.
    pub url: String,
    /// The store.
    pub store: Arc<dyn Store>,
    is_optional: bool,
    /// Why it was left out.
    failed: OnceLock<Error>,
}

/// What became of a backup in one store.
#[derive(Debug, Clone)]
pub struct InStore {
    /// The store's URL, without secrets.
    pub store: String,
    /// Whether the run succeeds although this store fails.
    pub is_optional: bool,
    /// Why the store does not have the backup.
    pub failed: Option<Error>,
}

impl Destinations {
    /// Opens all of them; no request is made yet.
    ///
    /// # Errors
    /// If one cannot be opened, optional or not: that is a mistake in the settings and no outage.
    pub async fn open(all: &[Destination]) -> Result<Self> {
        let mut open = Vec::new();
        for Destination { location, is_optional } in all {
            let store = location.open().await.map_err(|error| match all {
                [_] => error,
                _ => error.context(&location.url),
            })?;
            let (url, is_optional, failed) = (store.display_url(), *is_optional, OnceLock::new());
            open.push(OpenDestination { url, store, is_optional, failed });
        }
        Ok(Self(open))
    }

    /// Which stores they are, each once, in an order that does not depend on that of the words.
    pub fn identities(&self) -> BTreeSet<String> {
        self.0.iter().map(|one| one.store.identity()).collect()
    }

    /// What all stores accept.
    ///
    /// # Errors
    /// If no size of a part suits all of them.
    pub fn limits(&self) -> Result<Limits> {
        let limits = self.0.iter().map(|one| one.store.limits()).reduce(Limits::and);
        let limits = limits.ok_or_else(|| Error::unexpected("a backup without a store"))?;
        if limits.min_part > limits.max_part {
            return Err(Error::usage("no size of parts suits all of the stores")
                .hint("back up into one of them, and copy the backup with `pgstow copy`"));
        }
        Ok(limits)
    }

    /// All of them, by position, those that were left out too.
    pub fn all(&self) -> &[OpenDestination] {
        &self.0
    }

    /// The store at this position.
    pub fn at(&self, at: usize) -> Option<&OpenDestination> {
        self.0.get(at)
    }

    /// Asks the first store; if it does not answer, it is left out, and the next one is asked.
    pub async fn ask<T>(&self, question: impl AsyncFn(&Arc<dyn Store>) -> Result<T>) -> Result<T> {
        for (at, one) in self.left() {
            match question(&one.store).await {
                Err(error) if self.0.len() > 1 && is_outage(&error) => self.leave_out(at, error),
                answer => return answer,
            }
        }
        Err(self.none_left())
    }

    /// Does the same in every store that is left, at once; one that fails is left out.
    ///
    /// # Errors
    /// If no store is left.
    pub async fn each<T>(
        &self,
        work: impl AsyncFn(usize, &OpenDestination) -> Result<T>,
    ) -> Result<Vec<(usize, T)>> {
        let work = &work;
        let all = self.left().map(async |(at, one)| match work(at, one).await {
            Ok(done) => Some((at, done)),
            Err(error) => {
                self.leave_out(at, error);
                None
            }
        });
        let done: Vec<(usize, T)> = join_all(all).await.into_iter().flatten().collect();
        if done.is_empty() { Err(self.none_left()) } else { Ok(done) }
    }

    /// Goes on without this store, and warns of it, unless it is the only one.
    pub fn leave_out(&self, at: usize, error: Error) {
        let Some(one) = self.0.get(at) else { return };
        if self.0.len() > 1 {
            let what = if one.is_optional { "the optional store" } else { "the store" };
            tracing::warn!("{what} {} failed, and gets no backup: {}", one.url, error.with_hints());
        }
        // The first failure is the one that counts.
        let _ = one.failed.set(error);
    }

    /// Whether a store was left out.
    pub fn is_left_out(&self, at: usize) -> bool {
        self.0.get(at).is_none_or(|one| one.failed.get().is_some())
    }

    /// Why there is no backup: no store is left.
    pub fn none_left(&self) -> Error {
        let mut failed = self.0.iter().filter_map(|one| Some((one.is_optional, one.failed.get()?)));
        let first = failed.clone().find(|(is_optional, _)| !is_optional).or_else(|| failed.next());
        match (first, self.0.len()) {
            (None, _) => Error::unexpected("no store failed, and none is left"),
            (Some((_, only)), 1) => only.clone(),
            (Some((_, first)), all) => {
                Error::new(first.kind(), format!("all {all} stores failed")).because(first.clone())
            }
        }
    }

    /// What became of the backup in each store.
    pub fn outcomes(&self) -> Vec<InStore> {
        let one = |one: &OpenDestination| InStore {
            store: one.url.clone(),
            is_optional: one.is_optional,
            failed: one.failed.get().cloned(),
        };
        self.0.iter().map(one).collect()
    }

    /// The stores that are left.
    pub fn stores(&self) -> impl Iterator<Item = &dyn Store> {
        self.left().map(|(_, one)| &*one.store)
    }

    fn left(&self) -> impl Iterator<Item = (usize, &OpenDestination)> {
        self.0.iter().enumerate().filter(|(_, one)| one.failed.get().is_none())
    }
}

/// Whether a store did not answer, for whatever reason, or is busy; a refusal is an answer.
fn is_outage(error: &Error) -> bool {
    error.situation::<Situation>().is_some_and(Situation::may_pass)
}

/// Refuses to begin what a store cannot hold, if it can tell: such a store is left out.
///
/// # Errors
/// If no store is left.
pub async fn enough_space(stores: &Destinations, expected: u64) -> Result<()> {
    stores.each(async |_, one| room_in(&*one.store, expected).await).await.map(drop)
}

/// Fails if the store cannot hold as much, and can tell.
pub async fn room_in(store: &dyn Store, expected: u64) -> Result<()> {
    // A store that is not there yet will say so itself when the upload begins.
    let Ok(Some(free)) = store.free_space().await else { return Ok(()) };
    if free >= expected {
        return Ok(());
    }
    Err(Error::store(format!(
        "the store has {} free, and the backup will take about {}",
        BinaryBytes(free),
        BinaryBytes(expected)
    ))
    .hint("make room, or start anyway with --no-space-check"))
}

/// Fails if a store does not have the backup although it must.
///
/// # Errors
/// Of the kind of the first such failure; it names the stores that have the backup, and those that do not.
pub fn conclude(what: impl std::fmt::Display, id: &str, outcomes: &[InStore]) -> Result<()> {
    let names = |want: &dyn Fn(&InStore) -> bool| {
        outcomes.iter().filter(|one| want(one)).map(|one| one.store.as_str()).collect::<Vec<_>>()
    };
    let lacking = names(&|one| one.failed.is_some() && !one.is_optional);
    let first = outcomes.iter().filter(|one| !one.is_optional).find_map(|one| one.failed.as_ref());
    let (Some(first), Some(to)) = (first, lacking.first()) else { return Ok(()) };
    let whole = names(&|one| one.failed.is_none());
    let from = whole.first().copied().unwrap_or_default();
    Err(Error::new(
        first.kind(),
        format!("{what} is whole in {}, but not in {}", whole.join(" and "), lacking.join(" and ")),
    )
    .because(first.clone())
    .hint(format!(
        "when the store is available again: pgstow copy {id} --from {} --to {}",
        shell_word(from),
        shell_word(to)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::store::{OpenOptions, StoreUrl};

    async fn folders(optional: &[bool]) -> (tempfile::TempDir, Destinations) {
        let folder = tempfile::tempdir().unwrap();
        let one = |(at, is_optional): (usize, &bool)| Destination {
            location: Location {
                url: StoreUrl::File(folder.path().join(at.to_string())),
                options: OpenOptions::default(),
            },
            is_optional: *is_optional,
        };
        let all: Vec<Destination> = optional.iter().enumerate().map(one).collect();
        let open = Destinations::open(&all).await.unwrap();
        (folder, open)
    }

    #[tokio::test]
    async fn a_store_that_fails_is_left_out_and_the_others_go_on() {
        let (_folder, stores) = folders(&[false, false, true]).await;
        let fail = |bad: usize| {
            async move |at: usize, _: &OpenDestination| match at == bad {
                true => Err(Error::store("gone")),
                false => Ok(at),
            }
        };
        assert_eq!(stores.each(fail(1)).await.unwrap(), [(0, 0), (2, 2)]);
        assert_eq!(stores.each(fail(9)).await.unwrap(), [(0, 0), (2, 2)]);
        assert!(stores.is_left_out(1) && !stores.is_left_out(0));
        let error = conclude("it", "ID", &stores.outcomes()).unwrap_err();
        assert_eq!(error.kind(), Kind::Store);
        let message = error.message();
        assert!(
            message.starts_with("it is whole in file://") && message.contains("/2, but not in"),
            "{message}"
        );
        assert!(error.hints()[0].contains("pgstow copy ID --from"), "{error:?}");
        assert_eq!(stores.each(fail(0)).await.unwrap(), [(2, 2)]);
        let error = stores.each(fail(2)).await.unwrap_err();
        assert_eq!(error.message(), "all 3 stores failed");
    }

    #[test]
    fn the_command_that_copies_it_can_be_typed() {
        let in_store = |store: &str, failed: Option<Error>| InStore {
            store: store.to_owned(),
            is_optional: false,
            failed,
        };
        let all = [in_store("s3://a/it's?region=x", None), in_store("s3://b", Some(Error::store("gone")))];
        let error = conclude("it", "ID", &all).unwrap_err();
        let command = r"pgstow copy ID --from 's3://a/it'\''s?region=x' --to s3://b";
        assert!(error.hints()[0].ends_with(command), "{error:?}");
    }

    #[tokio::test]
    async fn an_optional_store_may_fail_and_the_only_one_says_why() {
        let (_folder, stores) = folders(&[false, true]).await;
        stores.leave_out(1, Error::store("gone"));
        conclude("it", "ID", &stores.outcomes()).unwrap();
        let (_folder, only) = folders(&[false]).await;
        let error = only.each(async |_, _| Err::<(), _>(Error::verify("no").hint("do"))).await.unwrap_err();
        assert_eq!((error.kind(), error.with_hints().as_str()), (Kind::Verify, "no (hint: do)"));
    }

    #[tokio::test]
    async fn a_question_goes_to_the_next_store_if_the_first_does_not_answer() {
        let (_folder, stores) = folders(&[false, false]).await;
        let url = |at: usize| stores.at(at).unwrap().url.clone();
        let first = url(0);
        let question = async |store: &Arc<dyn Store>| match store.display_url() == first {
            true => Err(Error::store("no answer").in_situation(Situation::Unreachable)),
            false => Ok(store.display_url()),
        };
        assert_eq!(stores.ask(question).await.unwrap(), url(1));
        assert!(stores.is_left_out(0));
        let refused =
            async |_: &Arc<dyn Store>| Err::<(), _>(Error::store("no").in_situation(Situation::Denied));
        assert_eq!(stores.ask(refused).await.unwrap_err().message(), "no");
        assert!(!stores.is_left_out(1), "a refusal is an answer");
    }
}
