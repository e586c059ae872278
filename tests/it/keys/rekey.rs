//! `rekey`: existing backups become readable by the new recipients, and by nobody else.

use super::scene::{FAKE, content, for_whom, manifest, noise, opened, plugin, rekey, ssh_key, stream};
use crate::harness::Pgstow;
use crate::keep::scene::{HOUR, folder_and_bucket, put_changed, there};
use crate::scene::{Keys, Place, signing_keys};
use crate::servers::fault::{Fault, FaultProxy, Operation, Rule};
use crate::servers::garage::Garage;
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use pgstow::stored::format::manifest::{Encryption, Object, Rekeying};
use pgstow::stored::format::names::Id;
use tempfile::TempDir;

#[test]
fn recipients_change_and_everything_else_stays() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("rekeyed");
    cluster.psql(&database, "CREATE TABLE t AS SELECT n, md5(n::text) FROM generate_series(1, 5000) n");
    let (signing, verify) = signing_keys();
    for place in folder_and_bucket("rekey") {
        let (old, new) = (Keys::make(), Keys::make());
        let backup = ["backup", "--json", "--name", "app", "--label", "why=test", "-r", &old.recipient];
        let backup = place.pgstow(&backup).arg(cluster.url(&database)).env("PGSTOW_SIGNING_KEY", &signing);
        let id = backup.succeeds().json()["id"].as_str().unwrap().to_owned();
        let (before, plain) = (manifest(&place, "app", &id), content(&place, "app", &id, &old));
        let objects: Vec<Vec<u8>> =
            before.objects.iter().map(|object| place.get(&format!("app/{id}/{}", object.key))).collect();
        assert_eq!(objects.len(), 3, "a dump, roles, an inventory");
        let keys = place.keys();

        // A signature must not be lost on the way.
        let command = || rekey(&place, &["latest"], &new.recipient, &[&old, &new]);
        command().fails(Kind::Settings).says("is signed, and there is no signing key");
        let (other, _) = signing_keys();
        command().env("PGSTOW_SIGNING_KEY", &other).fails(Kind::Verify).says("signature is invalid");
        assert_eq!(place.keys(), keys);

        let run = command().env("PGSTOW_SIGNING_KEY", &signing).succeeds();
        let document = run.json();
        let new_id = document[0]["new_id"].as_str().unwrap().to_owned();
        assert_eq!((&document[0]["id"], &document[0]["old"]), (&id.as_str().into(), &"removed".into()));
        assert_eq!(document[0]["opened_by"], new.recipient.as_str());
        assert!(new_id > id && new_id[..17] == id[..17], "{new_id} takes the place of {id}");
        assert_eq!(there(&place, "app"), std::slice::from_ref(&new_id));
        assert!(!place.keys().iter().any(|key| key.contains(&id)), "{:?}", place.keys());

        let after = manifest(&place, "app", &new_id);
        assert_eq!(after.rekeyed.as_ref().unwrap().former_ids, std::slice::from_ref(&before.id));
        assert_eq!(after.recipients, std::slice::from_ref(&new.recipient));
        let mut same = after.clone();
        same.objects.clone_from(&before.objects);
        (same.id, same.rekeyed, same.recipients) = (before.id.clone(), None, before.recipients.clone());
        assert_eq!(same, before);
        for (number, object) in after.objects.iter().enumerate() {
            let bytes = place.get(&format!("app/{new_id}/{}", object.key));
            assert_eq!(opened(&bytes, &old), None, "{}", object.key);
            let (frames, frames_before) = (opened(&bytes, &new), opened(&objects[number], &old));
            assert!(frames.is_some() && frames == frames_before, "{}: its frames differ", object.key);
            assert_eq!(object.plain_sha256, before.objects[number].plain_sha256);
        }
        assert!(content(&place, "app", "latest", &new) == plain);
        let words = ["verify", "latest", "--verify-key", &verify];
        place.pgstow(&words).env("PGSTOW_IDENTITY", &new.identity).succeeds();
        place
            .pgstow(&["fetch", "latest", "-o", "-"])
            .env("PGSTOW_IDENTITY", &old.identity)
            .fails(Kind::Verify);
        let shown = place.pgstow(&["show", "latest"]).succeeds().text();
        assert!(shown.contains(&format!("was {id}")) && shown.contains(&new.recipient), "{shown}");

        // There is nothing left to do.
        let keys = place.keys();
        let again =
            command().env("PGSTOW_SIGNING_KEY", &signing).succeeds().says("to these recipients already");
        let document = again.json();
        assert_eq!(
            (&document[0]["old"], &document[0]["opened_by"]),
            (&"unchanged".into(), &new.recipient.as_str().into())
        );
        assert_eq!(place.keys(), keys);
    }
}

#[test]
fn a_run_says_what_it_would_do_what_went_with_the_old_and_what_it_is_called_now() {
    let place = Place::folder();
    let (old, new) = (Keys::make(), Keys::make());
    let id = stream(&place, "app", b"x", |backup| backup.args(["-r", &old.recipient]));
    let receipt = format!("app/{id}/receipt-20240229T030000Z-7f3k9q.json");
    place.put(&receipt, b"{}");
    let keys = place.keys();
    let run = rekey(&place, &["--all", "--dry-run"], &new.recipient, &[&old]).succeeds();
    let run = run.says(&format!("which can be read by {}", old.recipient)).says("nothing was changed");
    let run = run.says("1 receipt of a trial restore would go");
    assert_eq!(run.json()[0]["old"], "would-be-removed");
    assert_eq!(place.keys(), keys);

    let run = rekey(&place, &["--all"], &new.recipient, &[&old]).succeeds();
    let run = run.says("1 receipt of a trial restore went with its old backup");
    let run = run.says("no identity of a new recipient was tried");
    assert_eq!(run.json()[0]["receipts_removed"], 1);
    let now = run.json()[0]["new_id"].as_str().unwrap().to_owned();
    for verb in ["show", "delete"] {
        let asked = place.pgstow(&[verb, &id]).fails(Kind::NotFound);
        asked.says(&format!("it was rekeyed as {now}"));
    }
}

#[test]
fn every_kind_of_recipient_gives_way_to_any_other() {
    let place = Place::folder();
    let home = TempDir::new().unwrap();
    let with_plugin = plugin(home.path());
    let (ssh, ssh_recipient) = ssh_key(home.path());
    let (one, two) = (Keys::make(), Keys::make());
    let bytes = noise(300_000);
    let phrase = stream(&place, "phrase", &bytes, |backup| backup.env("PGSTOW_PASSPHRASE", "correct horse"));
    let open = stream(&place, "open", b"x", |backup| backup.arg("--no-encryption"));
    let touched =
        stream(&place, "touch", &bytes, |backup| backup.args(["-r", FAKE.1]).env("PATH", &with_plugin));
    let both = stream(&place, "both", &bytes, for_whom(&[&one.recipient, &two.recipient]));

    let all = |words: &[&str]| place.pgstow(&["rekey", "--all", "--json"]).args(words);
    let run = all(&["--name", "phrase", "-r", &ssh_recipient]).env("PGSTOW_PASSPHRASE", "correct horse");
    run.succeeds().says("not opened: no identity of a new recipient was given");
    let run = all(&["--name", "touch", "-r", &one.recipient]).env("PATH", &with_plugin);
    run.env("PGSTOW_IDENTITY", FAKE.0).succeeds();
    // What is not encrypted needs no identity; with one, it must be asked for.
    rekey(&place, &["--all", "--name", "open"], FAKE.1, &[&one])
        .env("PATH", &with_plugin)
        .fails(Kind::Verify);
    let run = all(&["--name", "open", "-r", FAKE.1]).env("PATH", &with_plugin).succeeds();
    assert_eq!(run.json()[0]["old"], "removed", "{run}");
    // Somebody leaves a team; another one comes.
    let recipients = format!("{},{ssh_recipient}", one.recipient);
    let run = place.pgstow(&["rekey", "latest", "--name", "both", "-i", &ssh]);
    let run = run.env("PGSTOW_RECIPIENTS", recipients).env("PGSTOW_IDENTITY", &two.identity).succeeds();
    assert!(run.text().trim() > both.as_str() && run.stderr.contains("read back with SHA256:"), "{run}");

    for (name, id) in [("phrase", &phrase), ("open", &open), ("touch", &touched), ("both", &both)] {
        let ids = there(&place, name);
        assert!(ids.len() == 1 && ids[0] > *id, "{name}: {ids:?}");
        let manifest = manifest(&place, name, &ids[0]);
        assert_eq!((manifest.encryption, &*manifest.objects[0].key), (Encryption::Age, "stream.zst.age"));
    }
    assert!(
        content(&place, "touch", "latest", &one) == bytes && content(&place, "both", "latest", &one) == bytes
    );
    for (name, want) in [("phrase", &bytes[..]), ("both", &bytes), ("open", b"x")] {
        let fetch = place.pgstow(&["fetch", "latest", "--name", name, "-o", "-", "-i", &ssh]);
        let fetch = fetch.env("PGSTOW_IDENTITY", FAKE.0).env("PATH", &with_plugin).succeeds();
        assert!(fetch.stdout == want, "{name}");
    }
    place
        .pgstow(&["fetch", "latest", "--name", "both", "-o", "-"])
        .env("PGSTOW_IDENTITY", &two.identity)
        .fails(Kind::Verify);
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let place = Place::folder();
    let (old, new) = (Keys::make(), Keys::make());
    let id = stream(&place, "app", b"bytes", for_whom(&[&old.recipient]));
    let keys = place.keys();
    let to = new.recipient.as_str();
    rekey(&place, &[], to, &[&old]).fails(Kind::Usage).says("nothing was named to be rekeyed");
    rekey(&place, &["latest", "--all"], to, &[&old]).fails(Kind::Usage).says("contradict");
    rekey(&place, &["--all", "--name", "other"], to, &[&old]).fails(Kind::NotFound);
    rekey(&place, &["20200101T"], to, &[&old]).fails(Kind::NotFound);
    rekey(&place, &["latest"], to, &[]).fails(Kind::Settings).says("no key was given that can decrypt it");
    rekey(&place, &["latest"], to, &[&new]).fails(Kind::Verify).says(&old.recipient);
    let words = ["rekey", "latest"];
    place
        .pgstow(&words)
        .env("PGSTOW_IDENTITY", &old.identity)
        .fails(Kind::Usage)
        .says("no recipient was given");
    rekey(&place, &["latest"], old.identity.lines().last().unwrap(), &[&old])
        .fails(Kind::Settings)
        .says("secret key");
    assert_eq!(place.keys(), keys);
    let key = place.key("stream.zst.age");
    let mut bytes = place.get(&key);
    *bytes.last_mut().unwrap() ^= 1;
    place.put(&key, bytes);
    let run = rekey(&place, &["--all"], to, &[&old]).fails(Kind::Verify);
    assert_eq!(run.json()[0]["old"], "kept", "{run}");
    assert_eq!(place.keys(), keys, "a damaged backup stays as it is, and nothing is left next to it");
    assert_eq!(there(&place, "app"), [id]);
}

/// Whoever can write to the store could make it look done, so that the old key is destroyed and all is lost.
#[test]
fn a_manifest_is_not_believed_about_who_can_read_a_backup() {
    let place = Place::folder();
    let (old, new) = (Keys::make(), Keys::make());
    let id = stream(&place, "app", b"bytes", for_whom(&[&old.recipient]));
    let mut forged = manifest(&place, "app", &id);
    forged.recipients = vec![new.recipient.clone()];
    place.put(&place.key("manifest.json"), forged.to_bytes().unwrap());
    let (keys, to) = (place.keys(), new.recipient.as_str());
    // Without an identity nothing can be known, and that is said.
    let run = rekey(&place, &["--all"], to, &[]).succeeds();
    run.says("to these recipients already, not opened: no identity was given that opens it");
    let run = rekey(&place, &["--all"], to, &[&new]).fails(Kind::Verify);
    run.says(&format!("{to} does not open it, although its manifest names it"));
    assert_eq!(place.keys(), keys);
    let run = rekey(&place, &["--all"], to, &[&old, &new]).succeeds();
    run.says(&format!("{} opens it, and its manifest does not name that recipient", old.recipient));
    assert_eq!(there(&place, "app").len(), 1);
    assert!(content(&place, "app", "latest", &new) == b"bytes");
}

/// Whoever can write to the store, and not delete, can put a copy next to a backup and say that an earlier run has made it: the
/// good one would be removed for it.
#[test]
fn a_planted_copy_takes_no_backups_place() {
    let (signing, public) = signing_keys();
    for is_signed in [false, true] {
        let place = Place::folder();
        let (old, new) = (Keys::make(), Keys::make());
        let with =
            |pgstow: Pgstow| if is_signed { pgstow.env("PGSTOW_SIGNING_KEY", &signing) } else { pgstow };
        let id = stream(&place, "app", b"bytes", |backup| with(backup.args(["-r", &old.recipient])));
        let planted = id.parse::<Id>().unwrap().again(&[]).unwrap();
        let mut forged = manifest(&place, "app", &id);
        let rekeyed = Rekeying { former_ids: vec![forged.id.clone()], at: forged.finished_at };
        (forged.id, forged.recipients, forged.rekeyed) =
            (planted.clone(), vec![new.recipient.clone()], Some(rekeyed));
        place.put(&format!("app/{planted}/stream.zst.age"), place.get(&format!("app/{id}/stream.zst.age")));
        place.put(&format!("app/{planted}/manifest.json"), forged.to_bytes().unwrap());
        // With a version of the tool that believed it, only the old key opened what was left; or it was not signed any more.
        for words in [&[&*id][..], &["--all"]] {
            with(rekey(&place, words, &new.recipient, &[&old, &new]).args(["--name", "app"])).run();
        }
        let ids = there(&place, "app");
        let opened: Vec<bool> = ids
            .iter()
            .map(|id| opened(&place.get(&format!("app/{id}/stream.zst.age")), &new).is_some())
            .collect();
        assert!(opened.contains(&true) && !ids.contains(&id), "{ids:?} {opened:?}");
        if is_signed {
            let signed =
                ids.iter().find(|id| place.keys().contains(&format!("app/{id}/manifest.json.minisig")));
            let words = ["verify", signed.unwrap(), "--name", "app", "--verify-key", &public];
            place.pgstow(&words).env("PGSTOW_IDENTITY", &new.identity).succeeds();
        }
    }
}

#[test]
fn no_signature_says_more_than_the_one_before() {
    let place = Place::folder();
    let (old, new) = (Keys::make(), Keys::make());
    let ((first, first_public), (second, second_public)) = (signing_keys(), signing_keys());
    stream(&place, "unsigned", b"bytes", for_whom(&[&old.recipient]));
    stream(&place, "signed", b"bytes", |backup| {
        backup.args(["-r", &old.recipient]).env("PGSTOW_SIGNING_KEY", &first)
    });
    let all = |name: &str| rekey(&place, &["--all", "--name", name], &new.recipient, &[&old, &new]);
    all("unsigned").env("PGSTOW_SIGNING_KEY", &second).succeeds();
    assert!(!place.keys().iter().any(|key| key.starts_with("unsigned") && key.ends_with(".minisig")));
    // A new signing key takes over if the old one is vouched for.
    all("signed").env("PGSTOW_SIGNING_KEY", &second).fails(Kind::Verify);
    let run = all("signed").env("PGSTOW_SIGNING_KEY", &second).env("PGSTOW_VERIFY_KEY", &first_public);
    run.succeeds();
    let verify = |key: &str| {
        let verify = place.pgstow(&["verify", "latest", "--name", "signed", "--verify-key", key]);
        verify.env("PGSTOW_IDENTITY", &new.identity)
    };
    verify(&second_public).succeeds();
    verify(&first_public).fails(Kind::Verify);
}

/// What arrives damaged each time it is read back is not what was sent: the old backup stays, and the new one goes.
#[test]
fn the_old_one_stays_if_the_new_one_is_not_read_back() {
    let bucket = Garage::shared().place("rekey-back");
    let proxy = FaultProxy::start(&bucket.endpoint);
    let (place, through) = (Place::S3(bucket.clone()), Place::S3(bucket.through(&proxy.endpoint())));
    let (old, new) = (Keys::make(), Keys::make());
    let id = stream(&place, "app", &noise(10_000), for_whom(&[&old.recipient]));
    let keys = place.keys();
    let of_old = id.clone();
    let is_new = move |request: &crate::servers::fault::Request| !request.path.contains(&of_old);
    let flip = Rule::new(Operation::Get, Fault::Flip(9000)).key_end("stream.zst.age").when(is_new);
    proxy.inject(flip);
    for identities in [&[&old][..], &[&old, &new]] {
        rekey(&through, &["latest"], &new.recipient, identities).fails(Kind::Verify);
        assert_eq!(place.keys(), keys);
    }
    // A store that takes no manifest: nothing is left.
    proxy.heal();
    proxy.inject(Rule::new(Operation::Put, Fault::Answer(403, "AccessDenied")).key_end("manifest.json"));
    rekey(&through, &["latest"], &new.recipient, &[&old]).fails(Kind::Store);
    assert_eq!(place.keys(), keys);
    assert!(bucket.unfinished_uploads().is_empty());
    proxy.heal();
    rekey(&through, &["latest"], &new.recipient, &[&old, &new]).succeeds();
}

/// Done in the first store only, it would look done, and whoever has left could still read the second.
#[test]
fn of_two_stores_one_is_rekeyed_and_the_other_gets_a_copy() {
    let [a, b] = [Place::folder(), Place::folder()];
    let (old, new) = (Keys::make(), Keys::make());
    let both = ["--store", &a.url(), "--store", &b.url()];
    let backup = ["backup", "--name", "app", "--stdin", "-r", &old.recipient];
    a.pgstow(&backup).args(both).stdin(noise(10_000)).succeeds();
    let before = b.keys();
    let run = rekey(&a, &["--all"], &new.recipient, &[&old, &new]).args(both).fails(Kind::Usage);
    run.says("2 stores were given, and only one is changed at a time");
    rekey(&a, &["--all"], &new.recipient, &[&old, &new]).succeeds();
    assert_eq!(b.keys(), before);
    a.pgstow(&["copy", "--all", "--from", &a.url(), "--to", &b.url()]).succeeds();
    assert_eq!(there(&b, "app").len(), 2);
    let run = rekey(&b, &["--all"], &new.recipient, &[&old, &new]).succeeds();
    run.says("is removed, from which it was made");
    assert_eq!(there(&b, "app"), there(&a, "app"));
    let listed = b.pgstow(&["keys", "--json"]).succeeds().json();
    let readers: Vec<&str> = listed["recipients"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["recipient"].as_str().unwrap())
        .collect();
    assert_eq!(readers, [new.recipient.as_str()]);
}

#[test]
fn a_key_that_may_not_write_is_noticed_once() {
    let bucket = Garage::shared().place("rekey-reader");
    let proxy = FaultProxy::start(&bucket.endpoint);
    let (place, through) = (Place::S3(bucket.clone()), Place::S3(bucket.through(&proxy.endpoint())));
    let (old, new) = (Keys::make(), Keys::make());
    for _ in 0..3 {
        stream(&place, "app", b"bytes", for_whom(&[&old.recipient]));
    }
    for operation in [Operation::CreateUpload, Operation::Put, Operation::Delete] {
        proxy.inject(Rule::new(operation, Fault::Answer(403, "AccessDenied")));
    }
    let keys = place.keys();
    let run = rekey(&through, &["--all"], &new.recipient, &[&old, &new]).fails(Kind::Store);
    let run = run.says("3 of 3 backups were not rekeyed").says("no more backups were tried");
    assert_eq!(run.stderr.matches("AccessDenied").count(), 1, "{run}");
    assert!(!run.stderr.contains("remain in the store"), "{run}");
    assert_eq!(
        run.json().as_array().unwrap().iter().filter(|one| one["exit_code"] == 12).count(),
        3,
        "{run}"
    );
    assert_eq!(place.keys(), keys);
}

/// Whoever can write to the store may say anything of sizes.
#[test]
fn sizes_that_no_backup_has_are_no_failure_of_ours() {
    let place = Place::folder();
    let id = put_changed(&place, "app", HOUR, |manifest| {
        manifest.objects[0].plain_bytes = u64::MAX;
        let more = Object { key: "more.zst.age".to_owned(), ..manifest.objects[0].clone() };
        manifest.objects.push(more);
    });
    place.put(&format!("app/{id}/more.zst.age"), place.get(&format!("app/{id}/stream.zst.age")));
    let new = Keys::make();
    let run = rekey(&place, &["latest"], &new.recipient, &[Keys::shared(), &new]).fails(Kind::Verify);
    assert_eq!(there(&place, "app"), [id], "{run}");
}
