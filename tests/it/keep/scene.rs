//! Backups of any age, made of a real one: the same objects under another id, and a manifest that says so.

use crate::harness::Pgstow;
use crate::scene::{Keys, Place};
use pgstow::stored::format::manifest::Manifest;
use pgstow::stored::format::names::Timestamp;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

pub const HOUR: Duration = Duration::from_secs(3600);
pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// A backup as pgstow made it.
pub struct Template {
    manifest: Manifest,
    /// Its objects other than the manifest, by their names in its folder.
    objects: Vec<(String, Vec<u8>)>,
}

impl Template {
    pub fn shared() -> &'static Template {
        static SHARED: OnceLock<Template> = OnceLock::new();
        SHARED.get_or_init(|| {
            let place = Place::folder();
            let words = ["backup", "--stdin", "--name", "app", "--recipient", &Keys::shared().recipient];
            place.pgstow(&words).stdin("some bytes").succeeds();
            let manifest = Manifest::from_bytes(&place.get(&place.key("manifest.json"))).unwrap();
            let object = |key: &String| key.rsplit('/').next().unwrap().to_owned();
            let others = place.keys().into_iter().filter(|key| !key.ends_with("manifest.json"));
            let objects = others.map(|key| (object(&key), place.get(&key))).collect();
            Template { manifest, objects }
        })
    }

    /// The objects of a backup that was begun so long ago, the manifest last; and its id.
    pub fn aged(
        &self,
        name: &str,
        age: Duration,
        change: impl FnOnce(&mut Manifest),
    ) -> (String, Vec<(String, Vec<u8>)>) {
        self.begun(name, SystemTime::now() - age, change)
    }

    /// The same of one that was begun at this moment.
    pub fn begun(
        &self,
        name: &str,
        at: SystemTime,
        change: impl FnOnce(&mut Manifest),
    ) -> (String, Vec<(String, Vec<u8>)>) {
        let id = id(at);
        let mut manifest = self.manifest.clone();
        manifest.id = id.parse().unwrap();
        manifest.name = name.parse().unwrap();
        manifest.started_at = Timestamp::from(at);
        manifest.finished_at = manifest.started_at;
        change(&mut manifest);
        let at = |object: &str| format!("{name}/{id}/{object}");
        let mut objects: Vec<_> = self.objects.iter().map(|(key, bytes)| (at(key), bytes.clone())).collect();
        objects.push((at("manifest.json"), manifest.to_bytes().unwrap()));
        (id, objects)
    }
}

/// An id of this moment that no other backup has.
fn id(at: SystemTime) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    const LETTERS: &[u8] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let letters = (0..6).rev().map(|at| char::from(LETTERS[number / 32_usize.pow(at) % 32]));
    let moment = Timestamp::from(at).to_string().replace(['-', ':'], "");
    format!("{moment}-{}", letters.collect::<String>())
}

/// Puts a backup into the store that was begun so long ago; its id.
pub fn put(place: &Place, name: &str, age: Duration) -> String {
    put_changed(place, name, age, |_| {})
}

/// The same with a manifest that says something else.
pub fn put_changed(place: &Place, name: &str, age: Duration, change: impl FnOnce(&mut Manifest)) -> String {
    let (id, objects) = Template::shared().aged(name, age, change);
    objects.into_iter().for_each(|(key, bytes)| place.put(&key, bytes));
    id
}

/// Puts one backup a day into the store, the newest an hour old; their ids, oldest first.
pub fn days(place: &Place, name: &str, number: u32) -> Vec<String> {
    (0..number).rev().map(|day| put(place, name, DAY * day + HOUR)).collect()
}

/// The ids of this name's backups that have a manifest, sorted.
pub fn there(place: &Place, name: &str) -> Vec<String> {
    let begin = format!("{name}/");
    let ids = place.keys().into_iter().filter_map(|key| {
        let id = key.strip_prefix(&begin)?.strip_suffix("/manifest.json")?;
        (!id.contains('/')).then(|| id.to_owned())
    });
    ids.collect()
}

/// `prune` on this store, to be completed.
pub fn prune(place: &Place, words: &[&str]) -> Pgstow {
    place.pgstow(&["prune"]).args(words)
}

/// What `prune --json` says of a backup: its action, and why.
pub fn said_of(document: &serde_json::Value, id: &str) -> (String, Vec<String>) {
    let all = document["backups"].as_array().unwrap();
    let one = all.iter().find(|one| one["id"] == id).unwrap_or_else(|| panic!("{id} is not in {document}"));
    let why = one["why"].as_array().unwrap().iter().map(|why| why.as_str().unwrap().to_owned());
    (one["action"].as_str().unwrap().to_owned(), why.collect())
}

/// A folder and a bucket of one's own.
pub fn folder_and_bucket(label: &str) -> [Place; 2] {
    [Place::folder(), Place::garage(label)]
}
