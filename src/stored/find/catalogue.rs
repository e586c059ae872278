//! What backups the store holds, and which one the user means.
//!
//! A backup is where a manifest is. Names, ids and "latest" are looked up from the store's own
//! listing, so there is no index that could be lost or disagree.

use crate::error::{Error, Kind, Result};
use crate::sha256;
use crate::store::{self, Listed, Situation, Store, StoreError};
use crate::stored::download;
use crate::stored::format::digest::Digest;
use crate::stored::format::manifest::{self, Manifest};
use crate::stored::format::names::{Id, MANIFEST, Name, Place, SIGNATURE, Timestamp};
use crate::stored::format::receipt;
use crate::stored::format::signing::{Signed, VerifyKeys};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// At most this number of backups is named if one has to be chosen.
const MOST_NAMED: usize = 5;
/// The id of the newest backup, whichever it is.
pub const LATEST: &str = "latest";
/// Backups read at the same time when many are listed.
pub(super) const READ_AHEAD: usize = 64;

/// One backup as its manifest tells it.
#[derive(Debug, Clone)]
pub struct Backup {
    /// Where it lies.
    pub place: Place,
    /// What is written about it.
    pub manifest: Manifest,
    /// The digest of the whole manifest, as `sha256sum` shows it.
    pub manifest_sha256: Digest,
    /// What is known of who wrote it.
    pub signature: Signature,
}

/// What is known of who wrote a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signature {
    /// Signed by the key the user trusts.
    Verified,
    /// No key was given to check it with.
    NotChecked,
}

/// The situation of a failure to read a manifest: it has no signature, and there is a key to check one with.
#[derive(Debug, Clone, Copy)]
pub struct Unsigned;

/// A backup that the store lists; nothing of it is read yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Where it lies.
    pub place: Place,
    /// The manifest's size in bytes.
    pub manifest_bytes: u64,
    /// The ids of its receipts, oldest first.
    pub receipts: Vec<Id>,
}

impl Found {
    /// Whether its id names a moment that is still to come, or that does not exist.
    pub fn is_from_the_future(&self, now: Timestamp) -> bool {
        self.place.id.is_from_the_future(now)
    }

    /// How long ago it was begun; `None` if its id names a moment that does not exist.
    pub fn age(&self, now: Timestamp) -> Option<Duration> {
        self.place.id.started_at().map(|start| now.since(start))
    }
}

/// The newest of one name's backups, which `found` lists oldest first; none from the future.
pub fn newest(found: &[Found]) -> Option<&Found> {
    let now = Timestamp::now();
    found.iter().rfind(|found| !found.is_from_the_future(now))
}

/// Warns of the backups from the future, and leaves them out.
pub fn leave_out_the_future(found: &mut Vec<Found>) {
    let now = Timestamp::now();
    found.retain(|found| {
        let is_believed = !found.is_from_the_future(now);
        if !is_believed {
            warn(found);
        }
        is_believed
    });
}

/// Warns of the backups from the future.
pub fn warn_of_the_future(found: &[Found]) {
    let now = Timestamp::now();
    found.iter().filter(|found| found.is_from_the_future(now)).for_each(warn);
}

fn warn(found: &Found) {
    tracing::warn!(
        "{}: its id is of a moment that is still to come, so it is never \"latest\"; a clock is wrong, or somebody else \
         put it there",
        found.place
    );
}

/// Finds every backup below the store's prefix, or of one name; oldest first within a name.
pub async fn search(store: &dyn Store, name: Option<&Name>) -> Result<Vec<Found>, StoreError> {
    let mut search = Search::of(name);
    search.add(&store.list(&search.prefix()).await?);
    Ok(search.finish())
}

/// The same, and reads their manifests while the store is still listed: what came of each, in their order.
///
/// One that cannot be read does not hide the others. Only what is needed `of` each is kept: there may be a hundred
/// thousand.
pub async fn search_and_read<T>(
    store: &Arc<dyn Store>,
    name: Option<&Name>,
    trusted: Option<&VerifyKeys>,
    of: impl Fn(Backup) -> T,
) -> Result<(Vec<Found>, Vec<Result<T>>)> {
    let (mut search, of) = (Search::of(name), &of);
    let pages = store::pages(store, &search.prefix()).map_err(Error::from);
    let found =
        pages.map_ok(|page| stream::iter(search.add(&page).to_vec()).map(Ok::<_, Error>)).try_flatten();
    let reading = found.map_ok(|found| async move {
        let backup = read(store, &found, trusted).await;
        Ok((found.place, backup.map(of)))
    });
    let mut read: Vec<_> = reading.try_buffer_unordered(READ_AHEAD).try_collect().await?;
    read.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok((search.finish(), read.into_iter().map(|(_, read)| read).collect()))
}

/// A search for backups in what the store lists.
struct Search<'n> {
    name: Option<&'n Name>,
    found: Vec<Found>,
    receipts: BTreeMap<Place, Vec<Id>>,
}

impl<'n> Search<'n> {
    fn of(name: Option<&'n Name>) -> Self {
        Self { name, found: Vec::new(), receipts: BTreeMap::new() }
    }

    /// What the keys of all that is searched begin with; others' may too: `app/` begins those of a name `app/users`.
    fn prefix(&self) -> String {
        self.name.map(|name| format!("{}/", name.folder())).unwrap_or_default()
    }

    /// Adds some of what is listed; returns the backups in it, whose receipts may still come.
    fn add(&mut self, listed: &[Listed]) -> &[Found] {
        let before = self.found.len();
        for object in listed {
            let Some((place, object_name)) = Place::of_object(&object.key) else { continue };
            if self.name.is_some_and(|name| place.name != *name) {
                continue;
            }
            if object_name == MANIFEST {
                self.found.push(Found { place, manifest_bytes: object.bytes, receipts: Vec::new() });
            } else if let Some(id) = receipt::id_of(object_name) {
                self.receipts.entry(place).or_default().push(id);
            }
        }
        self.found.get(before..).unwrap_or_default()
    }

    /// The backups, oldest first within a name.
    fn finish(mut self) -> Vec<Found> {
        for found in &mut self.found {
            found.receipts = self.receipts.remove(&found.place).unwrap_or_default();
            found.receipts.sort();
        }
        self.found.sort();
        self.found
    }
}

/// Finds the backups of one name before another one is written; none in a folder that the first backup will make.
pub async fn earlier(store: &dyn Store, name: &Name) -> Result<Vec<Found>, StoreError> {
    match search(store, Some(name)).await {
        Err(error) if error.situation() == Situation::NoStore => Ok(Vec::new()),
        found => found,
    }
}

/// Finds what `id` means: a whole id, an unambiguous beginning of one, or "latest".
///
/// That is one backup. For "latest" those that it would be if there were no newer one come after it, newest first.
pub async fn find(store: &dyn Store, name: Option<&Name>, id: &str) -> Result<Vec<Found>> {
    if id.is_empty() {
        return Err(Error::usage("the id of the backup is empty")
            .hint("an unset variable looks like that; \"latest\" is the newest backup"));
    }
    let mut all = search(store, name).await?;
    if all.is_empty() {
        return Err(nothing_found(store, name).await);
    }
    let mut names: Vec<String> = all.iter().map(|found| found.place.name.to_string()).collect();
    names.dedup();
    match (id, &names[..]) {
        (LATEST, [name]) => {
            leave_out_the_future(&mut all);
            all.reverse();
            return if all.is_empty() { Err(only_the_future(name)) } else { Ok(all) };
        }
        (LATEST, _) => {
            return Err(Error::usage("\"latest\" needs a name: the store holds several")
                .hint(format!("add --name with one of: {}", names.join(", "))));
        }
        _ => {}
    }
    let told = |found: &Found| match names[..] {
        [_] => found.place.id.to_string(),
        _ => found.place.to_string(),
    };
    let mut matching: Vec<&Found> =
        all.iter().filter(|found| found.place.id.as_str().starts_with(id)).collect();
    match (matching.pop(), matching.len()) {
        (None, _) => {
            let of = name.map(|name| format!(" of {name}")).unwrap_or_default();
            let error = Error::not_found(format!("there is no backup {id:?}{of}"))
                .hint("`pgstow list` shows what is there");
            Err(match names.iter().any(|name| name == id) {
                true => error.hint(format!(
                    "it is a name, not an id: the newest of its backups is latest --name {id}"
                )),
                false if id.eq_ignore_ascii_case(LATEST) => {
                    error.hint("the newest one is latest, in small letters")
                }
                false => error.hint("latest is the newest one"),
            })
        }
        (Some(found), 0) => Ok(vec![found.clone()]),
        (Some(newest), more) => {
            let earlier = matching.iter().rev().take(MOST_NAMED - 1);
            let mut all: Vec<String> = std::iter::once(&newest).chain(earlier).map(|one| told(one)).collect();
            if more + 1 > all.len() {
                all.push(format!("and {} more", more + 1 - all.len()));
            }
            Err(Error::usage(format!("{id:?} begins the ids of {} backups", more + 1))
                .hint(format!("give more of the id: {}", all.join(", "))))
        }
    }
}

fn only_the_future(name: &str) -> Error {
    Error::not_found(format!(
        "no backup of {name} can be \"latest\": each has an id of a moment that is still to come"
    ))
    .hint("check this machine's clock; if it is right, choose a backup by its id")
}

/// Says that no backup was found, where it was looked for, and what is there instead.
pub async fn nothing_found(store: &dyn Store, name: Option<&Name>) -> Error {
    let address = store.display_url();
    let error = Error::not_found(match name {
        Some(name) => {
            format!("the store holds no backup of {name}: {address} has none in {}/", name.folder())
        }
        None => format!("{address} holds no backup"),
    });
    // What else is there helps if it can be had; if not, nothing is lost.
    let listed = store.list("").await.unwrap_or_default();
    if let Some(parent) = is_folder_of_one_name(&address, &listed) {
        return error.hint(format!("that is the folder of one name's backups: the store is {parent}"));
    }
    let mut names: Vec<Name> =
        listed.iter().filter_map(|object| Place::of_manifest(&object.key)).map(|place| place.name).collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return error.hint("`pgstow list` shows what is there");
    }
    let named: Vec<&str> = names.iter().take(MOST_NAMED).map(Name::as_str).collect();
    let more = if names.len() > named.len() { ", …" } else { "" };
    error.hint(format!("there are backups of {}{more}", named.join(", ")))
}

/// Fails if backups were expected: those of a name, or of the name whose folder the address is.
pub async fn expect_none(store: &dyn Store, name: Option<&Name>) -> Result<()> {
    if name.is_some() || is_folder_of_one_name(&store.display_url(), &store.list("").await?).is_some() {
        return Err(nothing_found(store, name).await);
    }
    Ok(())
}

/// The address one level up, if this one is the folder of one name's backups: ids stand where names should.
fn is_folder_of_one_name<'a>(address: &'a str, listed: &[Listed]) -> Option<&'a str> {
    let is_id = |object: &Listed| {
        let (id, rest) = object.key.split_once('/')?;
        (rest == MANIFEST && id.parse::<Id>().is_ok()).then_some(())
    };
    listed.iter().find_map(is_id)?;
    let (path, _query) = address.split_once('?').unwrap_or((address, ""));
    path.trim_end_matches('/').rsplit_once('/').map(|(parent, _)| parent)
}

/// Finds the backup before this one, of the same name; none that it was made from.
pub async fn before(store: &dyn Store, backup: &Backup) -> Result<Found> {
    let Backup { place, manifest, .. } = backup;
    let all = search(store, Some(&place.name)).await?;
    let is_earlier = |found: &Found| found.place < *place && !manifest.is_made_from(&found.place.id);
    let earlier = all.into_iter().rfind(is_earlier);
    earlier.ok_or_else(|| Error::not_found(format!("there is no backup before {place}")))
}

/// Reads one backup's manifest, and checks that it is whole, in its place, and by whom the user trusts.
pub async fn read(store: &Arc<dyn Store>, found: &Found, trusted: Option<&VerifyKeys>) -> Result<Backup> {
    let Found { place, manifest_bytes, .. } = found;
    let trusted = match trusted {
        Some(key) => Some((key, signature_bytes(store, place).await?)),
        None => None,
    };
    let read = async || {
        let bytes = small(store, &place.key(MANIFEST), *manifest_bytes).await?;
        if let Some((key, signature_bytes)) = trusted {
            let signature = small(store, &place.key(SIGNATURE), signature_bytes).await?;
            let checked = key.verify(Signed::Manifest, &bytes, &String::from_utf8_lossy(&signature));
            checked.map_err(|e| {
                e.hint("do not restore this backup before you know who wrote it; if your signing key was replaced, give the old verification key too (repeat --verify-key)")
            })?;
        }
        Ok((Manifest::from_bytes(&bytes)?, Digest(sha256::digest(&bytes))))
    };
    let read = download::twice(format_args!("{place}: its manifest"), read).await;
    let (manifest, manifest_sha256) = read.map_err(|e| match trusted {
        Some(_) if e.kind() == Kind::Verify => e.context(place).hint(others_are_signed(&place.name)),
        _ => e.context(place),
    })?;
    let signature = if trusted.is_some() { Signature::Verified } else { Signature::NotChecked };
    // A manifest copied over another backup's would pass every check of its own.
    if manifest.id != place.id || manifest.name != place.name {
        return Err(Error::verify(format!(
            "{place}: the manifest is that of another backup, {} of {}",
            manifest.id, manifest.name
        )));
    }
    Ok(Backup { place: place.clone(), manifest, manifest_sha256, signature })
}

/// The length of the manifest's signature.
async fn signature_bytes(store: &Arc<dyn Store>, place: &Place) -> Result<u64> {
    match store.head(&place.key(SIGNATURE)).await {
        Ok(info) => Ok(info.bytes),
        Err(error) if error.situation() == Situation::NotFound => {
            Err(Error::verify(format!("{place} is not signed, and --verify-key asks for a signature"))
                .hint(others_are_signed(&place.name))
                .hint("leave --verify-key out if you know who wrote it")
                .in_situation(Unsigned))
        }
        Err(error) => Err(error.into()),
    }
}

fn others_are_signed(name: &Name) -> String {
    format!("`pgstow list {name} --verify-key KEY` shows those that are signed; choose one by its id")
}

/// Whether a signature is there, whatever it is.
pub async fn is_signed(store: &dyn Store, place: &Place) -> Result<bool> {
    match store.head(&place.key(SIGNATURE)).await {
        Ok(_) => Ok(true),
        Err(error) if error.situation() == Situation::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Reads the manifests of many backups, in their order; one that cannot be read does not hide the others.
pub async fn read_all(
    store: &Arc<dyn Store>,
    found: &[Found],
    trusted: Option<&VerifyKeys>,
) -> Vec<Result<Backup>> {
    each(found, |found| read(store, found, trusted)).await
}

/// Reads something of many backups, of some at the same time; what came of it, in their order.
pub(super) async fn each<'f, T, F: Future<Output = Result<T>>>(
    found: &'f [Found],
    read: impl Fn(&'f Found) -> F,
) -> Vec<Result<T>> {
    let mut reading = stream::iter(found).map(read).buffered(READ_AHEAD);
    // As large as it will be: there may be a hundred thousand.
    let mut all = Vec::with_capacity(found.len());
    while let Some(read) = reading.next().await {
        all.push(read);
    }
    all
}

async fn small(store: &Arc<dyn Store>, key: &str, bytes: u64) -> Result<Bytes> {
    if bytes > manifest::LARGEST {
        return Err(Error::verify(format!("{key} is too large for what its name says")));
    }
    download::small(store, key, bytes, None, download::Options::default()).await
}
