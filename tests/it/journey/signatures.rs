//! Signed manifests: minisign's keys are ours, and ours its.

use super::scene::{backup, path, small};
use crate::harness::pgstow;
use crate::scene::{Place, fetch, signing_keys};
use pgstow::error::Kind;
use std::io::Write;
use std::process::{Command, Stdio};
use tempfile::TempDir;

#[test]
fn signatures_are_minisigns_own() {
    let (cluster, database) = small();
    let home = TempDir::new().unwrap();
    let at = |name: &str| home.path().join(name);
    let place = Place::folder();
    let url = cluster.url(database);

    // Our key, our signature; checked by minisign.
    let public = pgstow(["keygen", "--signing", "-o", path(&at("sign.key"))]).succeeds().text();
    let public = public.trim();
    assert!(public.starts_with("RW"), "{public}");
    backup(&place, &["--signing-key-file", path(&at("sign.key")), &url]).succeeds();
    let key = place.key("manifest.json");
    // Without the comment above it the key is the same.
    let alone = std::fs::read_to_string(at("sign.key")).unwrap().lines().last().unwrap().to_owned();
    let other = Place::folder();
    backup(&other, &[&url]).env("PGSTOW_SIGNING_KEY", alone).succeeds();
    other.opens(&["verify", "latest", "--verify-key", public]).succeeds();
    let minisign_checks = |manifest: &[u8], signature: &[u8], key: &[&str]| {
        std::fs::write(at("manifest"), manifest).unwrap();
        std::fs::write(at("manifest.minisig"), signature).unwrap();
        let mut minisign = Command::new("minisign");
        minisign
            .args(["-V", "-q", "-m", path(&at("manifest")), "-x", path(&at("manifest.minisig"))])
            .args(key);
        minisign.output().unwrap().status.success()
    };
    let (manifest, signature) = (place.get(&key), place.get(&format!("{key}.minisig")));
    assert!(minisign_checks(&manifest, &signature, &["-P", public]));
    assert!(!minisign_checks(&manifest[1..], &signature, &["-P", public]));

    // The public key as a word, a file, and a variable.
    std::fs::write(at("sign.pub"), format!("untrusted comment: minisign public key\n{public}\n")).unwrap();
    for verify_key in [public, path(&at("sign.pub"))] {
        place.opens(&["fetch", "latest", "-o", "-", "--verify-key", verify_key]).succeeds();
    }
    let shown =
        place.pgstow(&["show", "latest", "--json"]).env("PGSTOW_VERIFY_KEY", public).succeeds().json();
    assert_eq!(shown["signature"], "verified");
    let listed = place.pgstow(&["list", "--json"]).env("PGSTOW_VERIFY_KEY", public).succeeds().json();
    assert_eq!(listed[0]["signature"], "verified");

    // minisign signs with our key; we check it.
    let sign = |with: &[&str], password: &str| {
        let mut minisign = Command::new("minisign");
        minisign.args(["-S", "-m", path(&at("manifest")), "-x", path(&at("manifest.minisig"))]).args(with);
        let mut minisign = minisign.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        minisign.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
        assert!(minisign.wait().unwrap().success());
        place.put(&format!("{key}.minisig"), std::fs::read(at("manifest.minisig")).unwrap());
    };
    std::fs::write(at("manifest"), &manifest).unwrap();
    sign(&["-s", path(&at("sign.key"))], "");
    place.opens(&["fetch", "latest", "-o", "-", "--verify-key", public]).succeeds();

    // A key of minisign's, protected by a password: its signature, and ours made with it.
    let mut make = Command::new("minisign");
    make.args(["-G", "-f", "-p", path(&at("their.pub")), "-s", path(&at("their.key"))]);
    let mut make = make.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    make.stdin.take().unwrap().write_all(b"opensesame\nopensesame\n").unwrap();
    assert!(make.wait().unwrap().success());
    sign(&["-s", path(&at("their.key"))], "opensesame\n");
    place.opens(&["fetch", "latest", "-o", "-", "--verify-key", path(&at("their.pub"))]).succeeds();

    let second = Place::folder();
    let with_theirs = |password: &str| {
        let command = backup(&second, &["--signing-key-file", path(&at("their.key")), &url]);
        if password.is_empty() { command } else { command.env("PGSTOW_SIGNING_PASSWORD", password) }
    };
    with_theirs("").fails(Kind::Settings).says("protected by a password").says("PGSTOW_SIGNING_PASSWORD");
    let no_file = place.opens(&["fetch", "latest", "-o", "-", "--verify-key", "nosuch.pub"]);
    no_file.fails(Kind::Settings).says("the verification key nosuch.pub is not there").says("looked for in");
    let no_key = backup(&second, &[&url]).env("PGSTOW_SIGNING_KEY", "sign.key").fails(Kind::Settings);
    no_key.says("it is not a minisign secret key").says("holds the key itself");
    let wrong = with_theirs("open barley").fails(Kind::Settings).says("password does not open it");
    assert!(!wrong.stderr.contains("barley"));
    assert!(second.keys().is_empty());
    with_theirs("opensesame").succeeds();
    let key = second.key("manifest.json");
    let (manifest, signature) = (second.get(&key), second.get(&format!("{key}.minisig")));
    assert!(minisign_checks(&manifest, &signature, &["-p", path(&at("their.pub"))]));

    // The key itself in a variable, as CI has it.
    let (secret, public) = signing_keys();
    let third = Place::folder();
    backup(&third, &[&url]).env("PGSTOW_SIGNING_KEY", secret).succeeds();
    third.opens(&["fetch", "latest", "-o", "-", "--verify-key", &public]).succeeds();

    // Keys of two pairs store nothing; while one replaces the other, both are given.
    let (none, (secret, new)) = (Place::folder(), signing_keys());
    let with_key = |key: &str| backup(&none, &["--verify-key", key, &url]).env("PGSTOW_SIGNING_KEY", &secret);
    with_key(&public).fails(Kind::Settings).says("does not accept what the signing key signs");
    assert!(none.keys().is_empty());
    with_key(&format!("{public},{new}")).succeeds();
}

#[test]
fn verify_key_is_asked_of_every_backup_listed() {
    let (cluster, database) = small();
    let place = Place::folder();
    let (secret, public) = signing_keys();
    let url = cluster.url(database);
    let signed = backup(&place, &[&url]).env("PGSTOW_SIGNING_KEY", secret).succeeds().json()["id"].clone();
    backup(&place, &[&url]).succeeds();
    // The signed one is listed; the other is refused aloud, with the exit code for it.
    let listed =
        place.pgstow(&["list", "--json", "--verify-key", &public]).fails(Kind::Verify).says("is not signed");
    assert_eq!(listed.json().as_array().unwrap().len(), 1);
    assert_eq!(listed.json()[0]["id"], signed);
    // The advice is not this very command, and what was read is not called unread.
    let listed = listed.says("1 of 2 backups is not signed").says("without --verify-key");
    assert!(!listed.stderr.contains("list app --verify-key") && !listed.stderr.contains("could not be read"));
    assert!(!fetch(&place, &["latest"]).is_empty());
}
