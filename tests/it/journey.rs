//! The user's story on every store, and every way to say which database, which backup and whose key.

use crate::harness::{Pgstow, pgstow};
use crate::scene::{
    Keys, Place, Sample, add_bulk, every_client, fetch, files_below, fresh, listing, motley, signing_keys,
};
use crate::servers::postgres::{Cluster, Major, PASSWORD, USER};
use crate::servers::run;
use pgstow::error::Kind;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// keygen, backup, list, show, fetch, restore, as the README tells it.
fn story(kind: &str, place: &Place, cluster: &Cluster, database: &str) {
    let home = TempDir::new().unwrap();
    let key_file = home.path().join("key.txt");
    let recipient = pgstow(["keygen", "-o", path(&key_file)]).succeeds().text().trim().to_owned();
    assert!(recipient.starts_with("age1"), "{recipient}");
    assert_eq!(key_file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let empty = place.pgstow(&["list", "--json"]).succeeds();
    assert_eq!(empty.json(), serde_json::json!([]), "{kind}");

    let backup = place
        .pgstow(&[
            "backup",
            &cluster.url(database),
            "--recipient",
            &recipient,
            "--json",
            "--label",
            "why=story",
        ])
        .succeeds();
    let made = backup.json();
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["name"], database);
    assert_eq!(made["objects"][0]["key"], "dump.zst.age");
    assert!(made["duration_s"].as_f64().unwrap() >= 0.0);
    let (plain_bytes, stored_bytes) =
        (made["plain_bytes"].as_u64().unwrap(), made["stored_bytes"].as_u64().unwrap());
    assert!(backup.stderr.contains(&format!("stored {id} of {database}")), "{backup}");

    // What lies there: the dump, its inventory and the manifest, nothing else, and nothing half-way.
    let folder = format!("{database}/{id}");
    let objects = ["dump.zst.age", "inventory.json.zst.age", "manifest.json"];
    assert_eq!(place.keys(), objects.map(|object| format!("{folder}/{object}")), "{kind}");
    assert_eq!(place.get(&place.key("dump.zst.age")).len() as u64, made["objects"][0]["stored_bytes"]);
    if let Place::S3(s3) = place {
        assert!(s3.unfinished_uploads().is_empty(), "{kind}");
    }

    let listed = place.pgstow(&["list", "--json"]).succeeds().json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!((&listed[0]["id"], &listed[0]["name"]), (&made["id"], &made["name"]));
    assert_eq!(listed[0]["stored_bytes"], stored_bytes);
    assert!(listed[0]["started_at"].as_str().unwrap().ends_with('Z'));
    let table = place.pgstow(&["list"]).succeeds().text();
    let row = table.lines().nth(1).unwrap();
    assert!(row.contains(database) && row.contains(id) && row.contains(&cluster.major.version()), "{table}");

    let show = place.pgstow(&["show", id, "--json"]).succeeds().json();
    assert_eq!((&show["id"], &show["objects"]), (&made["id"], &made["objects"]));
    assert_eq!(show["recipients"], serde_json::json!([recipient]));
    assert_eq!(show["labels"]["why"], "story");
    let shown = place.pgstow(&["show", "latest"]).succeeds().text();
    for fact in [id, database, &recipient, "why=story", &cluster.major.version(), "not checked"] {
        assert!(shown.contains(fact), "{fact} is not shown:\n{shown}");
    }

    let archive = home.path().join("app.dump");
    let key = ["--identity-file", path(&key_file)];
    place.pgstow(&["fetch", "latest", "--name", database, "-o", path(&archive)]).args(key).succeeds();
    let bytes = std::fs::read(&archive).unwrap();
    assert_eq!(bytes.len() as u64, plain_bytes);
    assert!(listing(cluster.major, &bytes).contains("TABLE DATA app users"));
    let piped = place.pgstow(&["fetch", "latest", "--name", database, "-o", "-"]).args(key).succeeds();
    assert!(piped.stdout == bytes, "{kind}: the file and the pipe differ");

    let copy = fresh("copy");
    let restore = place
        .pgstow(&["restore", "latest", "--name", database, "--to", &cluster.url(&copy), "--json"])
        .args(key)
        .succeeds();
    let restored = restore.json();
    assert_eq!((restored["id"].as_str(), restored["created"].as_bool()), (Some(id), Some(true)));
    assert_eq!((&restored["tables"], &restored["rows"]), (&made["tables"], &made["rows"]));
    assert_eq!(cluster.text_of(&copy), cluster.text_of(database), "{kind}");
    // ANALYZE was run.
    let estimate = cluster.psql(&copy, "SELECT reltuples FROM pg_class WHERE relname = 'orders'");
    assert_eq!(estimate, "500", "{kind}");
    cluster.psql("postgres", &format!("DROP DATABASE {copy}"));
}

#[test]
fn the_story_on_a_folder() {
    let sample = Sample::shared();
    story("folder", &Place::folder(), sample.cluster, &sample.database);
}

#[test]
fn the_story_on_every_object_store() {
    let sample = Sample::shared();
    for (kind, place) in Place::every("story") {
        if let Place::S3(_) = place {
            story(kind, &place, sample.cluster, &sample.database);
        }
    }
}

#[test]
fn a_backup_of_several_parts_comes_back_from_every_store() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("large");
    add_bulk(cluster, &database, 13 << 10);
    for (kind, place) in Place::every("large") {
        place.backup(&cluster.url(&database), &["--part-size", "5MiB", "--name", "large"]);
        let copy = fresh("large");
        place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).succeeds();
        let digest = "SELECT count(*), md5(string_agg(bytes, '' ORDER BY n)) FROM bulk";
        assert_eq!(cluster.psql(&copy, digest), cluster.psql(&database, digest), "{kind}");
        cluster.psql("postgres", &format!("DROP DATABASE {copy}"));
    }
}

/// The small database that the tests below use, and what a backup of it says about its name.
fn small() -> (&'static Cluster, &'static str) {
    static SMALL: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let cluster = Cluster::shared(Major::Distribution);
    let database = SMALL.get_or_init(|| {
        let name = cluster.create_database("small");
        cluster.psql(&name, "CREATE TABLE t (n int); INSERT INTO t SELECT generate_series(1, 10)");
        name
    });
    (cluster, database)
}

/// `backup` for the shared recipient, to be completed.
fn backup(place: &Place, words: &[&str]) -> Pgstow {
    place.pgstow(&["backup", "--json", "--recipient", &Keys::shared().recipient]).args(words)
}

#[test]
fn the_database_is_whatever_libpq_says() {
    let (cluster, database) = small();
    let place = Place::folder();
    let home = TempDir::new().unwrap();
    let service_file = home.path().join("services.conf");
    let (port, host) = (cluster.port.to_string(), "127.0.0.1");
    let service =
        format!("[mine]\nhost={host}\nport={port}\nuser={USER}\npassword={PASSWORD}\ndbname={database}\n");
    std::fs::write(&service_file, service).unwrap();
    let pass_file = home.path().join("pgpass");
    std::fs::write(&pass_file, format!("{host}:{port}:*:{USER}:{PASSWORD}\n")).unwrap();
    std::fs::set_permissions(&pass_file, std::fs::Permissions::from_mode(0o600)).unwrap();

    let keywords = format!("host={host} port={port} user={USER} dbname={database}");
    let without = |command: Pgstow| command.env("PGHOST", host).env("PGPORT", &port).env("PGUSER", USER);
    let ways: [(&str, Pgstow); 6] = [
        ("PG*", without(backup(&place, &[])).env("PGPASSWORD", PASSWORD).env("PGDATABASE", database)),
        ("name", without(backup(&place, &[database])).env("PGPASSWORD", PASSWORD)),
        ("PGSERVICE", backup(&place, &[]).env("PGSERVICEFILE", &service_file).env("PGSERVICE", "mine")),
        ("service=", backup(&place, &["service=mine"]).env("PGSERVICEFILE", &service_file)),
        ("DATABASE_URL", backup(&place, &[]).env("DATABASE_URL", cluster.url(database))),
        ("keywords, .pgpass", backup(&place, &[&keywords]).env("PGPASSFILE", &pass_file)),
    ];
    for (way, command) in ways {
        let made = command.succeeds().json();
        assert_eq!((made["name"].as_str(), made["rows"].as_u64()), (Some(database), Some(10)), "{way}");
    }
    let socket =
        format!("postgres:///{database}?host={}&port={port}&user={USER}", cluster.socket_folder().display());
    backup(&place, &[&socket]).env("PGPASSWORD", PASSWORD).succeeds();

    // On the way back too; but a target is never guessed.
    let copy = fresh("by_service");
    let to = format!("service=mine dbname={copy}");
    place.opens(&["restore", "latest", "--to", &to]).env("PGSERVICEFILE", &service_file).succeeds();
    assert_eq!(cluster.psql(&copy, "SELECT count(*) FROM t"), "10");
    place
        .opens(&["restore", "latest", "--to", "service=mine"])
        .env("PGSERVICEFILE", &service_file)
        .fails(Kind::Usage)
        .says("names no database");
}

#[test]
fn names_ids_and_labels_choose_the_backup() {
    let (cluster, database) = small();
    let place = Place::folder();
    let url = cluster.url(database);
    let made = |words: &[&str]| {
        backup(&place, words).args([&url]).succeeds().json()["id"].as_str().unwrap().to_owned()
    };
    let first = made(&["--label", "ticket=7", "--label", "by=me, myself", "--name", "portal/users"]);
    assert!(place.key("manifest.json").starts_with("portal/users/"));

    // One name only: it may be left out.
    let shown = place.pgstow(&["show", "latest", "--json"]).succeeds().json();
    assert_eq!((shown["id"].as_str(), shown["name"].as_str()), (Some(&*first), Some("portal/users")));
    assert_eq!(shown["labels"], serde_json::json!({"ticket": "7", "by": "me, myself"}));

    // Ids sort by the second.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let second = made(&["--name", "portal/users"]);
    let other = made(&["--name", "portal"]);
    let strange = made(&["--name", "Straße 7%"]);

    // Several: "latest" needs one, and the message says which there are.
    place
        .opens(&["fetch", "latest", "-o", "-"])
        .fails(Kind::Usage)
        .says("needs a name")
        .says("portal/users")
        .says("Straße 7%");
    for (name, id) in [("portal/users", &second), ("portal", &other), ("Straße 7%", &strange)] {
        let shown = place.pgstow(&["show", "latest", "--name", name, "--json"]).succeeds().json();
        assert_eq!(shown["id"].as_str(), Some(&**id), "{name}");
    }
    let of = |name: &str| place.pgstow(&["list", "--json", name]).succeeds().json().as_array().unwrap().len();
    assert_eq!([of("portal/users"), of("portal"), of("Straße 7%"), of("nobody")], [2, 1, 1, 0]);

    // An id needs no name, and no more of it than is unambiguous.
    let shown = |id: &str| place.pgstow(&["show", id, "--json"]).succeeds().json()["id"].clone();
    assert_eq!(shown(&first), *first);
    assert_eq!(shown(&first[..22]), *first);
    place.pgstow(&["show", &first[..4]]).fails(Kind::Usage).says("begins the ids of 4 backups");
    place.pgstow(&["show", "2001"]).fails(Kind::NotFound).says("no backup \"2001\"");
    place.pgstow(&["show", ""]).run();

    place.pgstow(&["show", "latest", "--name", "nobody"]).fails(Kind::NotFound).says("no backup of nobody");
    backup(&place, &["--name", "../up", &url]).fails(Kind::Usage).says("cannot be a name");
    let labelled = backup(&place, &["--name", "labels", &url]).env("PGSTOW_LABELS", "a=1\nb=2, or=3");
    let labelled = labelled.succeeds().json()["id"].as_str().unwrap().to_owned();
    let shown = place.pgstow(&["show", &labelled, "--json"]).succeeds().json();
    assert_eq!(shown["labels"], serde_json::json!({"a": "1", "b": "2, or=3"}));
    backup(&place, &["--label", "nothing", &url]).fails(Kind::Usage).says("KEY=VALUE");
}

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
    // The wrong ones beside the right one do no harm.
    let wrong = Keys::make().file(home.path());
    assert!(fetch_with(&place, |command| command.args(["-i", path(&wrong), "-i", &ssh])) == whole);

    let recipients = place.pgstow(&["show", "latest", "--json"]).succeeds().json()["recipients"].clone();
    let recipients = recipients.to_string();
    assert_eq!(recipients.matches("age1").count(), 3, "{recipients}");
    assert!(!recipients.contains("me@here"), "an SSH key's comment is nobody's business: {recipients}");
}

fn fetch_with(place: &Place, with: impl Fn(Pgstow) -> Pgstow) -> Vec<u8> {
    with(place.pgstow(&["fetch", "latest", "-o", "-"])).succeeds().stdout
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
        assert!(wrong.stderr.contains("passphrase does not open it"), "{wrong}");
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
        .says("nothing was given")
        .says("PGSTOW_PASSPHRASE");

    // And by variable on the way there; a recipient beside it cannot be.
    place.pgstow(&["backup", &cluster.url(database)]).env("PGSTOW_PASSPHRASE", "correct horse").succeeds();
    backup(&place, &[&cluster.url(database)])
        .env("PGSTOW_PASSPHRASE", "correct horse")
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
    std::fs::write(&plugin, include_str!("age-plugin-fake.sh")).unwrap();
    std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o755)).unwrap();
    let clients = every_client();
    let here = std::iter::once(home.path().to_owned()).chain(std::env::split_paths(&clients));
    let with_plugin = std::env::join_paths(here).unwrap();
    let (identity, recipient) =
        ("AGE-PLUGIN-FAKE-1WPNHXAR0WUS8GETNW3ESX670HD", "age1fake1wpnhxar0wus8getnw3eseagp73");

    let backup = || place.pgstow(&["backup", &cluster.url(database), "--recipient", recipient]);
    backup().fails(Kind::Settings).says("the age plugin age-plugin-fake is not installed");
    assert!(place.keys().is_empty());
    backup().env("PATH", &with_plugin).succeeds();
    let fetch = || place.pgstow(&["fetch", "latest", "-o", "-"]).env("PGSTOW_IDENTITY", identity);
    let archive = fetch().env("PATH", &with_plugin).succeeds().stdout;
    assert!(listing(Major::Distribution, &archive).contains("TABLE DATA public t"));
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
    place.pgstow(&["backup", "--no-encryption", &url]).succeeds();
    let whole = fetch_with(&place, |command| command);
    assert!(whole.starts_with(b"PGDMP"));
    assert!(place.pgstow(&["show", "latest"]).succeeds().text().contains("readable by everyone"));
    assert_eq!(place.keys().len(), 3);
    assert!(place.key("dump.zst").ends_with("/dump.zst"));
}

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
}

#[test]
fn a_settings_file_and_its_profiles_stand_in_for_flags() {
    let (cluster, database) = small();
    let (place, home) = (Place::folder(), TempDir::new().unwrap());
    let keys = Keys::shared();
    let identity_file = keys.file(home.path());
    let text = format!(
        "recipients = [\"{}\"]\nidentity_file = \"{}\"\ncompression_level = 1\n\
         [profile.prod]\nstore = \"{}\"\nname = \"production\"\ndatabase_url = \"{}\"\nquiet = true\n",
        keys.recipient,
        identity_file.display(),
        place.url(),
        cluster.url(database)
    );
    std::fs::write(home.path().join("pgstow.toml"), &text).unwrap();
    let here = |words: &[&str]| pgstow(words).env("PATH", every_client()).in_folder(home.path());
    assert_eq!(here(&["--profile", "prod", "backup"]).succeeds().stderr, "");
    assert_eq!(here(&["list", "--profile", "prod", "--json"]).succeeds().json()[0]["name"], "production");
    let archive = here(&["fetch", "latest", "-o", "-"]).env("PGSTOW_PROFILE", "prod").succeeds().stdout;
    assert!(archive.starts_with(b"PGDMP"));
    // A flag beats a variable beats the file.
    let named = |command: Pgstow| command.succeeds().json()["name"].as_str().unwrap().to_owned();
    let backup = || here(&["--profile", "prod", "backup", "--json"]).env("PGSTOW_NAME", "by-variable");
    assert_eq!(named(backup()), "by-variable");
    assert_eq!(named(backup().args(["--name", "by-flag"])), "by-flag");
    // Elsewhere, by name; the profile's name is what is listed, unless another is typed.
    let settings_file = home.path().join("pgstow.toml");
    let elsewhere = |words: &[&str]| {
        let list = pgstow(["list", "--json", "--config", path(&settings_file), "--profile=prod"]).args(words);
        list.succeeds().json()[0]["name"].as_str().unwrap().to_owned()
    };
    assert_eq!([elsewhere(&[]), elsewhere(&["by-flag"])], ["production", "by-flag"]);

    here(&["list"]).fails(Kind::Usage).says("no store was given");
    here(&["list", "--profile", "test"]).fails(Kind::Settings).says("no [profile.test]").says("it has: prod");
    pgstow(["list", "--profile", "prod"]).fails(Kind::Settings).says("no pgstow.toml");
    std::fs::write(home.path().join("pgstow.toml"), "recipent = \"x\"").unwrap();
    here(&["list"]).fails(Kind::Settings).says("\"recipent\" is not a setting");
    std::fs::write(home.path().join("pgstow.toml"), "password = 'hunter2").unwrap();
    let broken = here(&["list"]).fails(Kind::Settings);
    assert!(!broken.stderr.contains("hunter2"), "{broken}");
}

#[test]
fn an_empty_database_that_exists_is_used_as_it_is() {
    let sample = Sample::shared();
    let cluster = sample.cluster;
    let target = cluster.create_database("waiting");
    let restored =
        sample.place.opens(&["restore", "latest", "--to", &cluster.url(&target), "--json"]).succeeds();
    assert_eq!(restored.json()["created"], false);
    assert_eq!(cluster.text_of(&target), cluster.text_of(&sample.database));
}

#[test]
fn a_backup_restores_into_its_own_major_and_the_next() {
    let majors = [Major::Distribution, Major::V16, Major::V17, Major::V18];
    std::thread::scope(|scope| {
        for (at, major) in majors.into_iter().enumerate() {
            scope.spawn(move || {
                let source = Cluster::shared(major);
                let database = motley(source, "majors");
                let place = Place::folder();
                place.backup(&source.url(&database), &[]);
                for target in majors.into_iter().skip(at).take(2).map(Cluster::shared) {
                    let (copy, plain) = (fresh("majors"), fresh("plain"));
                    place.opens(&["restore", "latest", "--to", &target.url(&copy)]).succeeds();
                    copied_plainly(source, &database, target, &plain);
                    let into = target.major;
                    assert_eq!(target.text_of(&copy), target.text_of(&plain), "{major:?} into {into:?}");
                }
            });
        }
    });
}

/// Copies a database the old way, `pg_dump | psql`: what any restore is measured by. A newer server
/// may tell the same view in other words, so only copies on the same server can be compared.
fn copied_plainly(source: &Cluster, database: &str, target: &Cluster, copy: &str) {
    let text = source.client("pg_dump").arg(database).output().unwrap();
    assert!(text.status.success());
    target.psql("postgres", &format!("CREATE DATABASE {copy} TEMPLATE template0"));
    let mut psql = source.client("psql");
    psql.env("PGPORT", target.port.to_string()).args(["-Xq", "-v", "ON_ERROR_STOP=1", "-d", copy]);
    let mut psql = psql.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    psql.stdin.take().unwrap().write_all(&text.stdout).unwrap();
    assert!(psql.wait().unwrap().success());
}

#[test]
fn what_a_server_is_too_old_for_is_refused_before_anything_moves() {
    let (new, old) = (Cluster::shared(Major::V18), Cluster::shared(Major::Distribution));
    let database = new.create_database("toonew");
    new.psql(&database, "CREATE TABLE t (n int)");
    let place = Place::folder();
    place.backup(&new.url(&database), &[]);
    let copy = fresh("tooold");
    place
        .opens(&["restore", "latest", "--to", &old.url(&copy)])
        .fails(Kind::Postgres)
        .says("older than the archive allows");
    assert!(!old.has_database(&copy));
    // No client for the server: said on the way there, with what to install.
    place
        .pgstow(&["backup", &new.url(&database), "--recipient", &Keys::shared().recipient])
        .args(["--pg-bin", path(&Major::V17.bin())])
        .fails(Kind::Settings)
        .says("an older pg_dump cannot dump it")
        .says("postgresql-client-18");
    // One client only, and it fits.
    let words = ["--pg-bin", path(&Major::V18.bin())].map(str::to_owned);
    place.backup(&new.url(&database), &words.each_ref().map(String::as_str));
}

#[test]
fn an_empty_database_comes_back_empty() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("void");
    let place = Place::folder();
    let made = backup(&place, &[&cluster.url(&database)]).succeeds().json();
    assert_eq!((&made["tables"], &made["rows"]), (&0.into(), &0.into()));
    let copy = fresh("void");
    place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).succeeds();
    assert_eq!(cluster.text_of(&copy), cluster.text_of(&database));
}

#[test]
fn encoding_and_locale_come_along() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = fresh("latin");
    cluster.psql(
        "postgres",
        &format!("CREATE DATABASE {database} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"),
    );
    cluster.psql(&database, "CREATE TABLE t (s text); INSERT INTO t VALUES (U&'\\00e4')");
    let place = Place::folder();
    place.backup(&cluster.url(&database), &[]);
    let copy = fresh("latin");
    place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).succeeds();
    let facts = |name: &str| {
        let query =
            "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname =";
        cluster.psql("postgres", &format!("{query} '{name}'"))
    };
    assert_eq!(facts(&copy), "LATIN1|C|C");
    assert_eq!(cluster.psql(&copy, "SELECT s::bytea, ascii(s) FROM t"), "\\xe4|228");
}

#[test]
fn a_selection_of_tables_is_a_backup_too() {
    let sample = Sample::shared();
    let url = sample.cluster.url(&sample.database);
    let listed = |words: &[&str]| {
        let place = Place::folder();
        place.backup(&url, words);
        listing(
            Major::Distribution,
            &fetch_with(&place, |c| c.env("PGSTOW_IDENTITY", &Keys::shared().identity)),
        )
    };
    let tables = listed(&["--table", "app.users", "--table", "public.nothing_in_it"]);
    assert!(
        tables.contains("TABLE DATA app users") && tables.contains("TABLE public nothing_in_it"),
        "{tables}"
    );
    assert!(!tables.contains("orders") && !tables.contains("BLOB"), "{tables}");
    let schema = listed(&["--schema", "\"Größe\"*"]);
    assert!(schema.contains("TABLE DATA Größe") && !schema.contains("TABLE DATA app"), "{schema}");
    let without_rows = listed(&["--exclude-table-data", "app.orders", "--exclude-table-data", "public.bulk"]);
    assert!(without_rows.contains("TABLE app orders") && !without_rows.contains("TABLE DATA app orders"));
    let without = listed(&["--exclude-table", "app.orders", "--exclude-schema", "public"]);
    assert!(!without.contains("orders postgres") && !without.contains("bulk"), "{without}");
    let further = listed(&["--pg-dump-arg=--no-comments", "--pg-dump-arg", "--no-blobs"]);
    assert!(!further.contains("COMMENT") && !further.contains("BLOB"), "{further}");

    let place = Place::folder();
    backup(&place, &["--table", "no.such", &url]).fails(Kind::Postgres).says("no matching tables");
    assert!(place.keys().is_empty());
    backup(&place, &["--pg-dump-arg=--inserts", &url]).fails(Kind::Usage).says("--inserts");
}

#[test]
fn quiet_is_quiet_and_json_is_one_document() {
    let (cluster, database) = small();
    let place = Place::folder();
    let url = cluster.url(database);
    let quiet = backup(&place, &["--quiet", &url]).succeeds();
    assert_eq!(quiet.stderr, "");
    assert!(quiet.json()["id"].is_string());
    let copy = fresh("quiet");
    let restored = place.opens(&["restore", "latest", "--to", &cluster.url(&copy), "-q"]).succeeds();
    assert_eq!((restored.stderr.as_str(), restored.text().as_str()), ("", ""));
    let fetched = place.opens(&["fetch", "latest", "-o", "-", "-q"]).succeeds();
    assert_eq!(fetched.stderr, "");
    // Failures are said all the same.
    place.opens(&["fetch", "2001", "-o", "-", "-q"]).fails(Kind::NotFound).says("error: ");

    let home = TempDir::new().unwrap();
    let file = home.path().join("archive");
    let fetched = place.opens(&["fetch", "latest", "--json", "-o", path(&file)]).succeeds().json();
    assert_eq!(fetched["plain_bytes"], file.metadata().unwrap().len());
    place.opens(&["fetch", "latest", "--json", "-o", "-"]).fails(Kind::Usage).says("both want stdout");
}

#[test]
fn help_tells_the_exit_codes_and_version_the_version() {
    let verbs = ["backup", "list", "show", "fetch", "restore", "keygen"];
    let helps = verbs.map(|verb| vec![verb, "--help"]);
    for words in std::iter::once(vec!["--help"]).chain(helps) {
        let help = pgstow(&words).succeeds();
        assert_eq!(help.stderr, "");
        let text = help.text();
        for kind in Kind::ALL {
            let line = format!("{:>5}  {}", kind.exit_code(), kind.meaning());
            assert!(text.contains(&line), "{words:?} lacks {line:?}:\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 110), "{words:?}");
    }
    let version = pgstow(["--version"]).succeeds().text();
    assert_eq!(version.trim(), concat!("pgstow ", env!("CARGO_PKG_VERSION")));
    pgstow([] as [&str; 0]).fails(Kind::Usage).says("Usage: pgstow");
    pgstow(["bakcup"]).fails(Kind::Usage).says("'backup'");
}

#[test]
fn keys_are_never_overwritten() {
    let home = TempDir::new().unwrap();
    let file = home.path().join("key.txt");
    pgstow(["keygen", "-o", path(&file)]).succeeds();
    let before = std::fs::read(&file).unwrap();
    pgstow(["keygen", "-o", path(&file)]).fails(Kind::TargetExists).says("exists");
    assert_eq!(std::fs::read(&file).unwrap(), before);
    // Without a file the secret is the answer, and the public side is said.
    let made = pgstow(["keygen"]).succeeds();
    assert!(made.text().contains("AGE-SECRET-KEY-1") && made.stderr.contains("public key: age1"), "{made}");
    pgstow(["keygen", "-o", "no/such/folder/key"]).fails(Kind::LocalFile).says("cannot be written");
    assert_eq!(files_below(home.path()), ["key.txt"]);
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
    assert!(!fetch(&place, &["latest"]).is_empty());
}

/// That is what a secret looks like in CI that nobody has set.
#[test]
fn an_empty_variable_counts_as_unset() {
    let folder = tempfile::tempdir().unwrap();
    let listing = pgstow(["list"]).env("PGSTOW_STORE", format!("file://{}", folder.path().display()));
    let empty = ["PGSTOW_NAME", "PGSTOW_VERIFY_KEY", "PGSTOW_TIMEOUT", "PGSTOW_JSON", "PGSTOW_PROFILE"];
    empty.iter().fold(listing, |listing, name| listing.env(name, "")).succeeds().says("no backups yet");
    pgstow(["list"]).env("PGSTOW_STORE", "").fails(Kind::Usage).says("no store was given");
}
