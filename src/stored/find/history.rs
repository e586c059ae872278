//! What this machine has seen of the stores it reads: the newest backup of each name.
//!
//! Whoever can write to a store may also be able to remove its newest backups, and every one that is left is properly
//! signed. So a reader that checks signatures remembers the newest backup it saw, in a small file of its own. It
//! notices if that backup is newer than "latest" now, and if a newer backup was made when that one was no longer
//! there: `prune` never removes the newest backup of a name.

use super::catalogue::{self, Backup, Found};
use crate::error::{Error, Kind, Result};
use crate::store::Store;
use crate::stored::format::names::{Id, Name, Place, Timestamp};
use crate::stored::format::signing::VerifyKeys;
use crate::temporary::Partial;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Backups without a good signature that are passed over before one is made: whoever can write may have put many there.
const MOST_PLANTED: usize = 100;

/// How long a reader waits for others to be done with the file; each needs a moment.
const PATIENCE: Duration = Duration::from_secs(5);

/// The format of the file.
const FORMAT: u32 = 1;

/// What to do about a break in the history.
pub const HINT: &str = "if nobody of you removed it, look for older versions of its objects, or for a copy; and replace the keys that may write to the store";

/// What keeps "latest" from being taken, if signatures are asked for; anything else that is wrong is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caution {
    /// Nothing: the backup is only looked at.
    Report,
    /// A newer one was seen before, and is gone.
    RefuseOlder,
    /// The same, a gap in the history, and a newer backup that is not signed.
    Strict,
}

/// A break in the history of a name: what is wrong, in a sentence.
#[derive(Debug, PartialEq, Eq)]
pub enum Break {
    /// The newest backup is older than one that was seen before.
    WentBack(String),
    /// A newer backup was made when the one that was seen before was gone.
    Gap(String),
}

impl Break {
    /// Reports it, or refuses the newest backup because of it.
    fn judge(self, name: &Name, caution: Caution) -> Result<()> {
        let way_on = match self {
            Self::WentBack(_) if caution >= Caution::RefuseOlder => format!(
                "if you removed it, choose a backup by its id (`pgstow list {name}`), or add --no-state"
            ),
            Self::Gap(_) if caution == Caution::Strict => {
                "without --strict it is taken all the same; or choose one by its id".to_owned()
            }
            wrong => {
                tracing::warn!("{wrong}; {HINT}");
                return Ok(());
            }
        };
        Err(Error::verify(self.to_string()).hint(HINT).hint(way_on))
    }
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::WentBack(what) | Self::Gap(what)) = self;
        f.write_str(what)
    }
}

/// The file that says what was seen.
#[derive(Debug, Clone)]
pub struct History(PathBuf);

#[derive(Debug, Serialize, Deserialize)]
struct Contents {
    format: u32,
    newest: Vec<Sighting>,
}

/// The newest backup of a name in a store.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sighting {
    store: String,
    name: Name,
    id: Id,
    seen_at: Timestamp,
}

impl History {
    /// In this file, which is made, with its folder, once there is something to remember.
    pub fn at(file: PathBuf) -> Self {
        Self(file)
    }

    /// What to do if a whole name is gone, and that is right.
    pub fn how_to_forget(&self) -> String {
        let file = self.0.display();
        format!("if you removed all backups of a name, take it out of {file}, or add --no-state")
    }

    /// Compares the newest backup of a name, whose signature was checked, with the newest one that was seen before;
    /// `found` is all that the store lists, of this name at least.
    ///
    /// # Errors
    /// Those of the store; if it is not known what was seen before, `Kind::Verify` if that is to be strict.
    pub async fn compare(
        &self,
        store: &Arc<dyn Store>,
        found: &[Found],
        newest: &Backup,
        trusted: &VerifyKeys,
        caution: Caution,
    ) -> Result<Option<Break>> {
        let Place { name, id } = &newest.place;
        let seen = match self.seen(&store.identity(), name) {
            Err(unknown) if caution == Caution::Strict => return Err(unknown),
            Err(unknown) => {
                tracing::warn!("{}", unknown.with_hints());
                None
            }
            Ok(seen) => seen,
        };
        match seen {
            Some(seen) if seen.id > *id => Ok(Some(Break::WentBack(format!(
                "{} is the newest backup, but {} was in the store at {}: newer backups were removed or hidden",
                newest.place, seen.id, seen.seen_at
            )))),
            Some(seen) if seen.id < *id => made_without(&seen, store, found, trusted).await,
            _ => Ok(None),
        }
    }

    /// Remembers the newest backup of a name, unless a newer one was seen before. A gap is not found again then.
    pub async fn remember(&self, store: &dyn Store, newest: &Backup) {
        let Place { name, id } = newest.place.clone();
        self.keep(Sighting { store: store.identity(), name, id, seen_at: Timestamp::now() }, PATIENCE).await;
    }

    /// Compares and remembers the newest of each name among the backups in `found` that could be read; warns.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn compare_all(
        &self,
        store: &Arc<dyn Store>,
        found: &[Found],
        is_read: &[bool],
        trusted: &VerifyKeys,
    ) -> Result<()> {
        let now = Timestamp::now();
        for of_name in found.chunk_by(|a, b| a.place.name == b.place.name) {
            let Some(name) = of_name.first().map(|found| &found.place.name) else { continue };
            let is_newest = |(found, is_read): &(&Found, &bool)| {
                found.place.name == *name && **is_read && !found.is_from_the_future(now)
            };
            let Some((newest, _)) = found.iter().zip(is_read).rfind(is_newest) else { continue };
            let newest = catalogue::read(store, newest, Some(trusted)).await?;
            self.look_back(store, of_name, &newest, trusted, Caution::Report).await?;
        }
        Ok(())
    }

    /// [Compares](Self::compare) the newest backup of a name, judges what is wrong, and remembers it unless it is refused.
    ///
    /// # Errors
    /// Those of the store; `Kind::Verify` if it is refused.
    pub async fn look_back(
        &self,
        store: &Arc<dyn Store>,
        found: &[Found],
        newest: &Backup,
        trusted: &VerifyKeys,
        caution: Caution,
    ) -> Result<()> {
        if let Some(wrong) = self.compare(store, found, newest, trusted, caution).await? {
            wrong.judge(&newest.place.name, caution)?;
        }
        self.remember(&**store, newest).await;
        Ok(())
    }

    /// The names that had a backup in this store, and are not among those that have one now; of each what is known.
    ///
    /// # Errors
    /// `Kind::Verify` if it is not known what was seen before.
    pub fn vanished(&self, store: &dyn Store, there: &[Name]) -> Result<Vec<(Name, String)>> {
        let identity = store.identity();
        let gone = self.contents()?.newest.into_iter();
        let gone = gone.filter(|seen| seen.store == identity && !there.contains(&seen.name));
        let what = |Sighting { name, id, seen_at, .. }| {
            (
                name,
                format!(
                    "no backup is left, but {id} was in the store at {seen_at}: all were removed or hidden"
                ),
            )
        };
        Ok(gone.map(what).collect())
    }

    /// Whether the newest backup of a name that was seen before was begun at this moment or later.
    pub fn has_seen_since(&self, store: &dyn Store, name: &Name, moment: Timestamp) -> bool {
        // If that is not known, whoever compares says so.
        let seen = self.seen(&store.identity(), name).ok().flatten();
        seen.and_then(|seen| seen.id.started_at()).is_some_and(|start| start >= moment)
    }

    fn seen(&self, store: &str, name: &Name) -> Result<Option<Sighting>> {
        let mut seen = self.contents()?.newest.into_iter();
        Ok(seen.find(|seen| seen.store == store && seen.name == *name))
    }

    fn contents(&self) -> Result<Contents> {
        read(&self.0).map_err(|e| {
            let file = self.0.display();
            Error::verify(format!(
                "{file} cannot be read, so it is not known which backups were seen before: {e}"
            ))
            .hint("if it is damaged, remove it: a new one is made then")
        })
    }

    /// Keeps it, if that can be: a machine without a home, or with one that is read-only, has no history.
    async fn keep(&self, sighting: Sighting, patience: Duration) {
        use ErrorKind::{NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem};
        let kept = match self.turn(patience).await {
            Ok(_turn) => self.add(sighting),
            Err(error) => Err(error),
        };
        let file = self.0.display();
        match kept {
            Ok(()) => {}
            Err(e)
                if matches!(e.kind(), NotADirectory | NotFound | PermissionDenied | ReadOnlyFilesystem) =>
            {
                tracing::debug!("{file}: the newest backup is not remembered: {e}");
            }
            Err(e) => tracing::warn!("{file}: the newest backup is not remembered: {e}"),
        }
    }

    /// Waits for its turn, which ends with the file: two readers at the same time do not lose what the other has seen.
    async fn turn(&self, patience: Duration) -> io::Result<File> {
        let folder = self.0.parent().unwrap_or(Path::new("."));
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let lock = self.0.with_extension("lock");
        let (turn, since) = (File::create(&lock)?, Instant::now());
        loop {
            match turn.try_lock() {
                Ok(()) => return Ok(turn),
                // On a file system of another machine a lock may have no owner any more.
                Err(TryLockError::WouldBlock) if since.elapsed() > patience => {
                    return Err(io::Error::other(format!("{} is locked by another process", lock.display())));
                }
                Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    fn add(&self, sighting: Sighting) -> io::Result<()> {
        // It was said already that it cannot be read.
        let Ok(mut contents) = read(&self.0) else { return Ok(()) };
        let same = |seen: &Sighting| seen.store == sighting.store && seen.name == sighting.name;
        if contents.newest.iter().any(|seen| same(seen) && seen.id >= sighting.id) {
            return Ok(());
        }
        contents.newest.retain(|seen| !same(seen));
        contents.newest.push(sighting);
        let partial = Partial::begin(self.0.parent().unwrap_or(Path::new(".")))?;
        serde_json::to_writer_pretty(partial.file(), &contents)?;
        partial.commit(&self.0, true)
    }
}

/// The oldest signed backup that is newer than the one that was seen, if it was made when that one was gone.
async fn made_without(
    seen: &Sighting,
    store: &Arc<dyn Store>,
    found: &[Found],
    trusted: &VerifyKeys,
) -> Result<Option<Break>> {
    let is_newer = |one: &&Found| one.place.name == seen.name && one.place.id > seen.id;
    let mut since: Vec<&Found> = found.iter().filter(is_newer).collect();
    since.sort();
    for one in since {
        // Whoever planted it must not keep the others from being looked at.
        let Some(next) = signed(store, one, trusted).await? else { continue };
        // The one seen may have been encrypted to other recipients since.
        let is_without = !next.manifest.is_made_from(&seen.id)
            && next.manifest.previous.is_some_and(|previous| previous < seen.id);
        if !is_without || is_there(seen, store, found, trusted).await? {
            return Ok(None);
        }
        return Ok(Some(Break::Gap(format!(
            "{} was made when {}, the newest backup at {}, was no longer in the store: it was removed or hidden",
            next.place, seen.id, seen.seen_at
        ))));
    }
    Ok(None)
}

/// Whether the backup that was seen is still in the store, as it was signed. Then nothing is gone: the next one was begun
/// before the one seen was whole, because two runs of one name overlapped.
async fn is_there(
    seen: &Sighting,
    store: &Arc<dyn Store>,
    found: &[Found],
    trusted: &VerifyKeys,
) -> Result<bool> {
    match found.iter().find(|one| one.place.name == seen.name && one.place.id == seen.id) {
        Some(one) => Ok(signed(store, one, trusted).await?.is_some()),
        None => Ok(false),
    }
}

/// The newest of these backups, oldest first, that such a key has signed; none if that is not one of the last.
pub async fn newest_signed(
    store: &Arc<dyn Store>,
    found: &[Found],
    trusted: &VerifyKeys,
) -> Result<Option<Id>> {
    for one in found.iter().rev().take(MOST_PLANTED) {
        if signed(store, one, trusted).await?.is_some() {
            return Ok(Some(one.place.id.clone()));
        }
    }
    Ok(None)
}

/// Reads the manifest of a backup; none if it cannot be believed, or is gone by now.
async fn signed(store: &Arc<dyn Store>, found: &Found, trusted: &VerifyKeys) -> Result<Option<Backup>> {
    match catalogue::read(store, found, Some(trusted)).await {
        Ok(backup) => Ok(Some(backup)),
        Err(error) if matches!(error.kind(), Kind::Verify | Kind::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

fn read(file: &Path) -> io::Result<Contents> {
    let text = match std::fs::read(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(Contents { format: FORMAT, newest: Vec::new() });
        }
        text => text?,
    };
    let contents: Contents = serde_json::from_slice(&text)?;
    match contents.format {
        FORMAT => Ok(contents),
        other => Err(io::Error::other(format!("it is of format {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sighting(id: &str) -> Sighting {
        let (store, name) = ("file:///s".to_owned(), "app".parse().unwrap());
        Sighting { store, name, id: id.parse().unwrap(), seen_at: Timestamp::now() }
    }

    #[tokio::test]
    async fn the_newest_is_remembered_and_an_older_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::at(folder.path().join("state/pgstow/newest.json"));
        let seen = || {
            let seen = history.seen("file:///s", &"app".parse().unwrap()).unwrap();
            seen.map(|seen| seen.id.to_string())
        };
        assert_eq!(seen(), None);
        for (id, expected) in [
            ("20260102T000000Z-aaaaaa", "20260102T000000Z-aaaaaa"),
            ("20260101T000000Z-aaaaaa", "20260102T000000Z-aaaaaa"),
            ("20260103T000000Z-aaaaaa", "20260103T000000Z-aaaaaa"),
        ] {
            history.keep(sighting(id), PATIENCE).await;
            assert_eq!(seen().as_deref(), Some(expected));
        }
        let other = Sighting { store: "file:///other".into(), ..sighting("20260101T000000Z-aaaaaa") };
        history.keep(other, PATIENCE).await;
        assert_eq!(seen().as_deref(), Some("20260103T000000Z-aaaaaa"));
        assert_eq!(read(&history.0).unwrap().newest.len(), 2);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn readers_at_the_same_time_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::at(folder.path().join("newest.json"));
        let readers = (0..16).map(|number| {
            let (history, name) = (history.clone(), format!("app{number}").parse().unwrap());
            let seen = Sighting { name, ..sighting("20260101T000000Z-aaaaaa") };
            tokio::spawn(async move { history.keep(seen, PATIENCE * 6).await })
        });
        futures_util::future::join_all(readers.collect::<Vec<_>>()).await;
        assert_eq!(read(&history.0).unwrap().newest.len(), 16);
    }

    #[tokio::test]
    async fn a_lock_that_nobody_gives_back_keeps_no_reader() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::at(folder.path().join("newest.json"));
        let held = File::create(folder.path().join("newest.lock")).unwrap();
        held.lock().unwrap();
        history.keep(sighting("20260102T000000Z-aaaaaa"), Duration::from_millis(200)).await;
        assert!(!history.0.exists());
        held.unlock().unwrap();
        history.keep(sighting("20260102T000000Z-aaaaaa"), PATIENCE).await;
        assert!(history.0.exists());
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_read_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::at(folder.path().join("newest.json"));
        for text in ["", "nonsense", "{\"format\": 2, \"newest\": []}"] {
            std::fs::write(&history.0, text).unwrap();
            history.keep(sighting("20260102T000000Z-aaaaaa"), PATIENCE).await;
            assert_eq!(std::fs::read_to_string(&history.0).unwrap(), text);
            let unknown = history.seen("file:///s", &"app".parse().unwrap()).unwrap_err();
            assert!(unknown.with_hints().contains("remove it"), "{unknown:?}");
        }
    }
}
