//! Every way to say for whom, and whose key opens it.

use super::scene::{backup, fetch_with, path, small};
use crate::harness::pgstow;
use crate::scene::{Keys, Place, every_client, files_below, listing};
use crate::servers::postgres::Major;
use crate::servers::run;
use pgstow::error::Kind;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// What a program of age's or SSH's makes, or nothing where it is not installed.
fn ssh_key(folder: &Path, name: &str, passphrase: &str) -> (String, String) {
    let file = folder.join(name);
    run(Command::new("ssh-keygen").args([
        "-q",
        "-t",
        "ed25519",
        "-C",
        "me@here",
        "-N",
        passphrase,
        "-f",
        path(&file),
    ]));
    (path(&file).to_owned(), std::fs::read_to_string(file.with_extension("pub")).unwrap().trim().to_owned())
}

#[test]
fn each_of_several_recipients_opens_it() {
    let (cluster, database) = small();
    let place = Place::folder();
    let home = TempDir::new().unwrap();
    let (one, two, three) = (Keys::make(), Keys::make(), Keys::make());
    let (ssh, ssh_recipient) = ssh_key(home.path(), "id", "");
    let recipients_file = home.path().join("recipients.txt");
    std::fs::write(&recipients_file, format!("# the team\n\n{}\n{ssh_recipient}\n", two.recipient)).unwrap();
    let both = format!("{},{}", one.recipient, three.recipient);
    let made = place
        .pgstow(&["backup", &cluster.url(database), "--recipients-file", path(&recipients_file)])
        .env("PGSTOW_RECIPIENTS", both)
        .succeeds();
    assert_eq!(made.text().trim().len(), 23, "the id is the answer: {made}");

    let whole = fetch_with(&place, |command| command.env("PGSTOW_IDENTITY", &one.identity));
    assert!(listing(Major::Distribution, &whole).contains("TABLE DATA public t"));
    for keys in [&two, &three] {
        let file = keys.file(home.path());
        assert!(fetch_with(&place, |command| command.args(["-i", path(&file)])) == whole);
    }
    assert!(fetch_with(&place, |command| command.args(["--identity-file", &ssh])) == whole);
    // Wrong ones in addition to the right one do no harm.
    let wrong = Keys::make().file(home.path());
    assert!(fetch_with(&place, |command| command.args(["-i", path(&wrong), "-i", &ssh])) == whole);

    let recipients = place.pgstow(&["show", "latest", "--json"]).succeeds().json()["recipients"].clone();
    let recipients = recipients.to_string();
    assert_eq!(recipients.matches("age1").count(), 3, "{recipients}");
    assert!(!recipients.contains("me@here"), "an SSH key's comment is nobody's business: {recipients}");
}

#[test]
fn protected_identities_open_with_their_passphrase() {
    let (cluster, database) = small();
    let place = Place::folder();
    let home = TempDir::new().unwrap();
    let (ssh, ssh_recipient) = ssh_key(home.path(), "id", "open sesame");
    let keys = Keys::make();
    place.pgstow(&["backup", &cluster.url(database), "-r", &keys.recipient, "-r", &ssh_recipient]).succeeds();
    let passphrase_file = home.path().join("passphrase");
    std::fs::write(&passphrase_file, "open sesame\n").unwrap();
    let protected = home.path().join("protected.age");
    age_with_passphrase(&keys.file(home.path()), &protected, "open sesame");

    for identity in [ssh.as_str(), path(&protected)] {
        let command = || place.pgstow(&["fetch", "latest", "-o", "-", "-i", identity]);
        let by_file = command().args(["--passphrase-file", path(&passphrase_file)]).succeeds().stdout;
        assert!(by_file.starts_with(b"PGDMP"));
        let by_variable = command().env("PGSTOW_PASSPHRASE", "open sesame").succeeds().stdout;
        assert!(by_file == by_variable);
        let wrong = command().env("PGSTOW_PASSPHRASE", "close sesame").fails(Kind::Settings);
        assert!(wrong.stderr.contains("passphrase is wrong"), "{wrong}");
        assert!(!wrong.stderr.contains("sesame"), "{wrong}");
        // Nobody to ask.
        let none = command().fails(Kind::Settings).says("protected by a passphrase");
        assert!(none.stderr.contains("PGSTOW_PASSPHRASE"), "{none}");
    }
}

/// Protects a file with a passphrase, as `age -p` does; that one asks on a terminal only.
fn age_with_passphrase(from: &Path, to: &Path, passphrase: &str) {
    let mut recipient = age::scrypt::Recipient::new(passphrase.to_owned().into());
    recipient.set_work_factor(10);
    let recipient: &dyn age::Recipient = &recipient;
    let encryptor = age::Encryptor::with_recipients(std::iter::once(recipient)).unwrap();
    let mut writer = encryptor.wrap_output(std::fs::File::create(to).unwrap()).unwrap();
    writer.write_all(&std::fs::read(from).unwrap()).unwrap();
    writer.finish().unwrap();
}

#[test]
fn a_passphrase_is_a_recipient() {
    let (cluster, database) = small();
    let home = TempDir::new().unwrap();
    let file = home.path().join("passphrase");
    std::fs::write(&file, "correct horse\r\n").unwrap();
    let place = Place::folder();
    place.pgstow(&["backup", &cluster.url(database), "--passphrase-file", path(&file)]).succeeds();
    let by_variable = fetch_with(&place, |command| command.env("PGSTOW_PASSPHRASE", "correct horse"));
    assert!(by_variable.starts_with(b"PGDMP"));
    let with_newline = fetch_with(&place, |command| command.env("PGSTOW_PASSPHRASE", "correct horse\n"));
    assert!(with_newline == by_variable, "by the same rule as in a file");
    for blank in ["\n", " "] {
        let run = place.pgstow(&["backup", &cluster.url(database)]).env("PGSTOW_PASSPHRASE", blank);
        run.fails(Kind::Usage).says("PGSTOW_PASSPHRASE is set, but empty");
    }
    let by_file = fetch_with(&place, |command| command.args(["--passphrase-file", path(&file)]));
    assert!(by_file == by_variable);
    let shown = place.pgstow(&["show", "latest", "--json"]).succeeds().json();
    assert_eq!(shown["recipients"], serde_json::json!(["passphrase"]));

    let wrong = place.pgstow(&["fetch", "latest", "-o", "-"]).env("PGSTOW_PASSPHRASE", "incorrect horse");
    let wrong = wrong.fails(Kind::Verify);
    assert!(wrong.stderr.contains("passphrase") && !wrong.stderr.contains("horse"), "{wrong}");
    place
        .pgstow(&["fetch", "latest", "-o", "-"])
        .fails(Kind::Settings)
        .says("no key was given")
        .says("PGSTOW_PASSPHRASE");

    // And by variable on the way there; a recipient in addition to it cannot be.
    place.pgstow(&["backup", &cluster.url(database)]).env("PGSTOW_PASSPHRASE", "correct horse").succeeds();
    backup(&place, &[&cluster.url(database), "--passphrase-file", path(&file)])
        .fails(Kind::Settings)
        .says("only recipient");
    place
        .pgstow(&["backup", &cluster.url(database), "--passphrase"])
        .fails(Kind::Settings)
        .says("no terminal");
}

#[test]
fn age_plugins_are_spoken_to() {
    let (cluster, database) = small();
    let place = Place::folder();
    let home = TempDir::new().unwrap();
    let plugin = home.path().join("age-plugin-fake");
    let seen = home.path().join("seen");
    let script = include_str!("../age-plugin-fake.sh");
    crate::servers::script(&plugin, &script.replacen('\n', &format!("\nenv >> {}\n", seen.display()), 1));
    let clients = every_client();
    let here = std::iter::once(home.path().to_owned()).chain(std::env::split_paths(&clients));
    let with_plugin = std::env::join_paths(here).unwrap();
    let (identity, recipient) =
        ("AGE-PLUGIN-FAKE-1WPNHXAR0WUS8GETNW3ESX670HD", "age1fake1wpnhxar0wus8getnw3eseagp73");

    let backup = || place.pgstow(&["backup", &cluster.url(database), "--recipient", recipient]);
    backup().fails(Kind::Settings).says("the age plugin age-plugin-fake is not installed");
    assert!(place.keys().is_empty());
    backup().env("PATH", &with_plugin).env("AWS_SECRET_ACCESS_KEY", "s3same").succeeds();
    let fetch = || {
        let fetch = place.pgstow(&["fetch", "latest", "-o", "-"]).env("PGSTOW_IDENTITY", identity);
        fetch.env("NEON_API_KEY", "s3same").env("PGPASSWORD", "s3same")
    };
    let archive = fetch().env("PATH", &with_plugin).succeeds().stdout;
    assert!(listing(Major::Distribution, &archive).contains("TABLE DATA public t"));
    // It got what it needs, and nothing else of pgstow's environment.
    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(seen.contains("PATH=") && seen.contains("HOME="), "{seen}");
    assert!(!seen.contains("s3same") && !seen.contains("PGSTOW"), "{seen}");
    fetch().fails(Kind::Settings).says("the age plugin age-plugin-fake is not installed");
    let other =
        place.pgstow(&["fetch", "latest", "-o", "-"]).env("PGSTOW_IDENTITY", &Keys::shared().identity);
    other.fails(Kind::Verify).says(recipient);
}

#[test]
fn unencrypted_only_when_asked_for_by_name() {
    let (cluster, database) = small();
    let place = Place::folder();
    let url = cluster.url(database);
    place
        .pgstow(&["backup", &url])
        .fails(Kind::Usage)
        .says("pgstow keygen -o key.txt")
        .says("--no-encryption");
    assert!(place.keys().is_empty());
    backup(&place, &["--no-encryption", &url]).fails(Kind::Usage).says("contradict");
    let set = place.pgstow(&["backup", "--no-encryption", &url]).env("PGSTOW_RECIPIENTS", "age1x");
    set.fails(Kind::Usage).says("the environment sets PGSTOW_RECIPIENTS");
    // Recipients that are typed are for whom it is.
    let typed = || place.pgstow(&["backup", "--name", "t", &url, "-r", &Keys::shared().recipient, "--json"]);
    for (name, value) in
        [("PGSTOW_NO_ENCRYPTION", "1"), ("PGSTOW_PASSPHRASE", "x"), ("PGSTOW_PASSPHRASE_FILE", "no")]
    {
        let id = typed().env(name, value).succeeds().json()["id"].as_str().unwrap().to_owned();
        let shown = place.pgstow(&["show", &id, "--json"]).succeeds().json();
        assert_eq!(shown["recipients"], serde_json::json!([Keys::shared().recipient]), "{name}");
        place.pgstow(&["delete", &id, "--yes", "--force"]).succeeds();
    }
    place.pgstow(&["backup", "--no-encryption", &url]).succeeds();
    let whole = fetch_with(&place, |command| command);
    assert!(whole.starts_with(b"PGDMP"));
    assert!(place.pgstow(&["show", "latest"]).succeeds().text().contains("readable by everyone"));
    assert_eq!(place.keys().len(), 4);
    assert!(place.key("dump.zst").ends_with("/dump.zst"));
}

#[test]
fn keys_are_never_overwritten() {
    let home = TempDir::new().unwrap();
    let file = home.path().join("key.txt");
    pgstow(["keygen", "-o", path(&file)]).succeeds();
    let before = std::fs::read(&file).unwrap();
    pgstow(["keygen", "-o", path(&file)]).fails(Kind::TargetExists).says("exists");
    // A disk that is full leaves no empty key, which would refuse the next try.
    let other = home.path().join("other.txt");
    let full = ["sh", "-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\""];
    pgstow(["keygen", "-o", path(&other)]).under(full).fails(Kind::LocalFile).says("cannot be written");
    assert!(!other.exists());
    assert_eq!(std::fs::read(&file).unwrap(), before);
    // Without a file the secret is the answer, and the public side is said.
    let made = pgstow(["keygen"]).succeeds();
    assert!(made.text().contains("AGE-SECRET-KEY-1") && made.stderr.contains("public key: age1"), "{made}");
    pgstow(["keygen", "-o", "no/such/folder/key"])
        .fails(Kind::LocalFile)
        .says("there is no folder no/such/folder")
        .says("make the folder first");
    assert_eq!(files_below(home.path()), ["key.txt"]);
}

/// Editors begin a text with a mark, PowerShell writes UTF-16, and a file with a key is easily given for one with a passphrase.
#[test]
fn files_with_keys_are_read_as_they_were_meant() {
    let (place, home, keys) = (Place::folder(), TempDir::new().unwrap(), Keys::make());
    let write = |name: &str, bytes: &[u8]| {
        let file = home.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        path(&file).to_owned()
    };
    let identity = std::fs::read(keys.file(home.path())).unwrap();
    let marked = |bytes: &[u8]| [b"\xef\xbb\xbf", bytes].concat();
    let (identity_file, recipients) =
        (write("marked", &marked(&identity)), write("recipients", &marked(keys.recipient.as_bytes())));
    let backup =
        |words: &[&str]| place.pgstow(&["backup", "--stdin", "--name", "s"]).args(words).stdin("bytes");
    let fetch = |words: &[&str]| place.pgstow(&["fetch", "latest", "-o", "-"]).args(words);
    backup(&["--recipients-file", &recipients]).succeeds();
    assert_eq!(fetch(&["-i", &identity_file]).succeeds().stdout, b"bytes");
    let wide: Vec<u8> = identity.iter().flat_map(|byte| [*byte, 0]).collect();
    let wide = write("wide", &[b"\xff\xfe", &*wide].concat());
    fetch(&["-i", &wide]).fails(Kind::Settings).says("it is text in UTF-16").says("save it as UTF-8");

    let several = backup(&["--passphrase-file", &write("identity", &identity)]).fails(Kind::Settings);
    several.says("the passphrase has several lines").says("is for --recipient");
    std::thread::sleep(std::time::Duration::from_secs(1));
    backup(&["--passphrase-file", &write("phrase", &marked(b"open sesame\n"))]).succeeds();
    let plain = write("plain", b"open sesame");
    assert_eq!(fetch(&["--passphrase-file", &plain]).succeeds().stdout, b"bytes");
    let empty = write("empty", b"\n");
    fetch(&["--passphrase-file", &empty]).fails(Kind::Settings).says("is empty");
    let wrong = place.pgstow(&["verify", "latest"]).env("PGSTOW_PASSPHRASE", "close").fails(Kind::Verify);
    wrong.says("give the passphrase that the backup was made with");
}
