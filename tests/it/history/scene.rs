//! Signed backups of streams, and a reader who remembers what it has seen.

use crate::harness::{Pgstow, Run};
use crate::keep::scene::Template;
use crate::scene::{Keys, Place, signing_keys};
use pgstow::error::Kind;
use pgstow::stored::format::manifest::Manifest;
use pgstow::stored::format::signing::{Signed, SigningKey};
use std::time::Duration;
use tempfile::TempDir;

/// A store, whose backups are signed, and a reader with a folder for its state.
pub struct Scene {
    pub place: Place,
    /// The secret side of the key that signs.
    pub signing: String,
    /// Its public side.
    pub public: String,
    pub state: TempDir,
}

impl Scene {
    pub fn of(place: Place) -> Scene {
        let (signing, public) = signing_keys();
        Scene { place, signing, public, state: TempDir::new().unwrap() }
    }

    /// On a folder, and in a bucket.
    pub fn everywhere(label: &str) -> [Scene; 2] {
        [Place::folder(), Place::garage(label)].map(Scene::of)
    }

    /// Makes a signed backup; its id.
    pub fn back_up(&self) -> String {
        back_up(&self.place, &self.signing)
    }

    /// Puts a signed backup of `app` into the store that was begun so long ago; its id.
    pub fn put(&self, age: Duration, change: impl FnOnce(&mut Manifest)) -> String {
        let (id, mut objects) = Template::shared().aged("app", age, change);
        let (key, manifest) = objects.pop().unwrap();
        let signing = SigningKey::parse(&self.signing, None).unwrap();
        let signature = signing.sign(Signed::Manifest, &manifest, "a test").unwrap();
        objects.push((format!("{key}.minisig"), signature.into()));
        objects.push((key, manifest));
        objects.into_iter().for_each(|(key, bytes)| self.place.put(&key, bytes));
        id
    }

    /// A command of the reader, who checks signatures and remembers.
    pub fn reads(&self, words: &[&str]) -> Pgstow {
        let command = self.place.opens(words).env("PGSTOW_VERIFY_KEY", &self.public);
        command.env("XDG_STATE_HOME", self.state.path())
    }

    /// Whoever wants to use the newest backup is refused, for this reason.
    #[track_caller]
    pub fn refuses(&self, why: &str) -> Vec<Run> {
        let uses: [&[&str]; 4] = [
            &["fetch", "latest", "-o", "-"],
            &["restore", "latest", "--", "cat"],
            &["verify", "latest"],
            &["verify", "--newest-per-name"],
        ];
        uses.into_iter().map(|words| self.reads(words).fails(Kind::Verify).says(why)).collect()
    }

    /// Removes all objects of a backup, as somebody would who has the keys to the store.
    pub fn remove(&self, id: &str) {
        let keys = self.place.keys().into_iter().filter(|key| key.contains(id));
        keys.collect::<Vec<_>>().iter().for_each(|key| self.place.delete(key));
    }

    /// What the manifest of a backup says.
    pub fn manifest(&self, id: &str) -> Manifest {
        Manifest::from_bytes(&self.place.get(&format!("app/{id}/manifest.json"))).unwrap()
    }
}

/// Makes a backup of `app` that this key signs; its id.
pub fn back_up(place: &Place, signing: &str) -> String {
    let words = ["backup", "--stdin", "--name", "app", "--json", "-r", &Keys::shared().recipient];
    let run = place.pgstow(&words).stdin("good").env("PGSTOW_SIGNING_KEY", signing).succeeds();
    run.json()["id"].as_str().unwrap().to_owned()
}
