//! Backups of streams for any recipient, and who they are for.

use crate::harness::Pgstow;
use crate::scene::{Keys, Place, every_client};
use pgstow::stored::format::manifest::Manifest;
use std::ffi::OsString;
use std::io::Read;
use std::path::Path;
use std::process::Command;

/// The identity and the recipient of the plugin that protects nothing.
pub const FAKE: (&str, &str) =
    ("AGE-PLUGIN-FAKE-1WPNHXAR0WUS8GETNW3ESX670HD", "age1fake1wpnhxar0wus8getnw3eseagp73");

/// Backs these bytes up under this name, by a command that says for whom; the id.
#[track_caller]
pub fn stream(place: &Place, name: &str, bytes: &[u8], with: impl Fn(Pgstow) -> Pgstow) -> String {
    let backup = place.pgstow(&["backup", "--json", "--stdin", "--name", name]).stdin(bytes);
    with(backup).succeeds().json()["id"].as_str().unwrap().to_owned()
}

/// Makes an SSH key: the path of the secret side, and the public line.
pub fn ssh_key(folder: &Path) -> (String, String) {
    let file = folder.join("id");
    let words = ["-q", "-t", "ed25519", "-C", "me@here", "-N", "", "-f", file.to_str().unwrap()];
    crate::servers::run(Command::new("ssh-keygen").args(words));
    let public = std::fs::read_to_string(file.with_extension("pub")).unwrap();
    (file.to_str().unwrap().to_owned(), public.trim().to_owned())
}

/// Puts the plugin into this folder; a `PATH` with it.
pub fn plugin(folder: &Path) -> OsString {
    let plugin = folder.join("age-plugin-fake");
    crate::servers::script(&plugin, include_str!("../age-plugin-fake.sh"));
    let clients = every_client();
    let all = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&clients));
    std::env::join_paths(all).unwrap()
}

/// Bytes that no compression makes smaller.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(length).collect()
}

/// Says for which recipients a backup is.
pub fn for_whom(recipients: &[&str]) -> impl Fn(Pgstow) -> Pgstow {
    let words: Vec<String> = recipients.iter().flat_map(|one| ["-r".to_owned(), (*one).to_owned()]).collect();
    move |backup| backup.args(&words)
}

/// `rekey` to this recipient, with these identities.
pub fn rekey(place: &Place, words: &[&str], to: &str, identities: &[&Keys]) -> Pgstow {
    let all: Vec<&str> = identities.iter().map(|keys| keys.identity.as_str()).collect();
    place.pgstow(&["rekey", "--json", "-r", to]).args(words).env("PGSTOW_IDENTITY", all.join("\n"))
}

/// The manifest of this backup.
pub fn manifest(place: &Place, name: &str, id: &str) -> Manifest {
    Manifest::from_bytes(&place.get(&format!("{name}/{id}/manifest.json"))).unwrap()
}

/// What the whole of a backup is, fetched with this identity.
pub fn content(place: &Place, name: &str, id: &str, keys: &Keys) -> Vec<u8> {
    let fetch = place.pgstow(&["fetch", id, "--name", name, "-o", "-"]);
    fetch.env("PGSTOW_IDENTITY", &keys.identity).succeeds().stdout
}

/// What age opens of an object with this identity.
pub fn opened(bytes: &[u8], keys: &Keys) -> Option<Vec<u8>> {
    let secret = keys.identity.lines().last().unwrap();
    let identity: age::x25519::Identity = secret.parse().unwrap();
    let identity: &dyn age::Identity = &identity;
    let mut opened = Vec::new();
    let age = age::Decryptor::new_buffered(bytes).unwrap();
    age.decrypt(std::iter::once(identity)).ok()?.read_to_end(&mut opened).unwrap();
    Some(opened)
}
