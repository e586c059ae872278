//! No password, key or passphrase is seen where it has no business: in the arguments of any process, in
//! what is said with -vv, in what is stored readable, in the server's log, in errors.

use crate::harness::{Pgstow, Run, pgstow};
use crate::scene::{Keys, Place, fresh, motley};
use crate::servers::garage::Garage;
use crate::servers::postgres::{Cluster, Major, PASSWORD};
use pgstow::error::Kind;
use std::collections::BTreeSet;
use std::process::Command;
use tempfile::TempDir;

/// Everything that nobody may see.
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    #[track_caller]
    fn are_not_in(&self, bytes: &[u8], place: &str) {
        for (what, secret) in &self.0 {
            assert!(!secret.is_empty());
            let seen = memchr::memmem::find(bytes, secret.as_bytes());
            assert!(seen.is_none(), "{place} shows the {what}:\n{}", String::from_utf8_lossy(bytes));
        }
    }
}

/// Runs a command, and reads meanwhile the arguments of every process below it, again and again.
fn watched(command: Pgstow) -> (Run, BTreeSet<String>) {
    let running = command.spawn();
    let pid = running.pid();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                arguments_below(pid, &mut seen);
            }
            seen
        });
        let run = running.wait();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        (run, watch.join().unwrap())
    })
}

fn arguments_below(pid: u32, seen: &mut BTreeSet<String>) {
    // A process may be gone by the time it is looked at.
    if let Ok(arguments) = std::fs::read(format!("/proc/{pid}/cmdline")) {
        seen.insert(String::from_utf8_lossy(&arguments).replace('\0', " "));
    }
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return };
    for thread in threads.filter_map(Result::ok) {
        let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
            arguments_below(child, seen);
        }
    }
}

/// The part of an identity, signing key or the like that is secret: its longest word.
fn core_of(text: &str) -> String {
    text.split_whitespace().max_by_key(|word| word.len()).unwrap().to_owned()
}

#[test]
fn nothing_shows_them_there_or_back() {
    // Everything the server hears goes into its log.
    let cluster = Cluster::start_with(Major::Distribution, &["log_statement=all", "log_connections=on"]);
    let database = motley(&cluster, "secrets");
    let home = TempDir::new().unwrap();
    let place = Garage::shared().place("secrets");
    let keys = Keys::make();
    let signing_file = home.path().join("sign.key");
    let verify_key = pgstow(["keygen", "--signing", "-o", signing_file.to_str().unwrap()]).succeeds().text();
    let ssh_file = home.path().join("id");
    let mut ssh_keygen = Command::new("ssh-keygen");
    ssh_keygen.args([
        "-q",
        "-t",
        "ed25519",
        "-N",
        "open-sesame-passphrase",
        "-f",
        ssh_file.to_str().unwrap(),
    ]);
    crate::servers::run(&mut ssh_keygen);
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    let secrets = Secrets(vec![
        ("database's password", PASSWORD.to_owned()),
        ("identity", core_of(&keys.identity)),
        ("signing key", core_of(&read(&signing_file))),
        ("passphrase", "open-sesame-passphrase".to_owned()),
        ("store's secret key", place.secret_key.clone()),
    ]);
    let with_all = |words: &[&str]| {
        Place::S3(place.clone())
            .pgstow(words)
            .args(["-vv"])
            .env("PGSTOW_IDENTITY", &keys.identity)
            .env("PGSTOW_SIGNING_KEY", read(&signing_file))
    };
    // By variable, since this test's own words are arguments too.
    let backup = with_all(&["backup", "-R", ssh_file.with_extension("pub").to_str().unwrap()])
        .env("DATABASE_URL", cluster.url(&database))
        .env("PGSTOW_RECIPIENTS", &keys.recipient);
    let (backup, arguments) = watched(backup);
    let backup = backup.assert_success();
    assert!(arguments.iter().any(|line| line.contains("pg_dump")), "{arguments:?}");
    assert!(backup.stderr.contains("debug: "), "{backup}");
    secrets.are_not_in(&backup.stdout, "stdout of backup");
    secrets.are_not_in(backup.stderr.as_bytes(), "stderr of backup");
    secrets.are_not_in(format!("{arguments:#?}").as_bytes(), "an argument of backup");

    let copy = fresh("secrets");
    let restore = with_all(&["restore", "latest", "--verify-key", verify_key.trim()])
        .env("PGSTOW_TO", cluster.url(&copy))
        .env("PGSTOW_IDENTITY_FILE", &ssh_file)
        .env("PGSTOW_PASSPHRASE", "open-sesame-passphrase");
    let (restore, arguments) = watched(restore);
    let restore = restore.assert_success();
    assert!(arguments.iter().any(|line| line.contains("pg_restore")), "{arguments:?}");
    secrets.are_not_in(&restore.stdout, "stdout of restore");
    secrets.are_not_in(restore.stderr.as_bytes(), "stderr of restore");
    secrets.are_not_in(format!("{arguments:#?}").as_bytes(), "an argument of restore");

    for verb in [&["list", "--json"][..], &["list"], &["show", "latest"], &["show", "latest", "--json"]] {
        let run = with_all(verb).succeeds();
        secrets.are_not_in(&run.stdout, "an answer");
        secrets.are_not_in(run.stderr.as_bytes(), "what is said");
    }
    for key in place.keys() {
        secrets.are_not_in(&place.get(&key), &key);
        let request =
            place.client().head_object().bucket(&place.bucket).key(format!("{}/{key}", place.prefix));
        let head = crate::servers::s3::wait(async move { request.send().await.unwrap() });
        secrets.are_not_in(format!("{:?}", head.metadata()).as_bytes(), "the metadata");
    }
    let log = cluster.log();
    assert!(log.contains("COPY app.users"), "the statements are not in the log");
    secrets.are_not_in(log.as_bytes(), "the server's log");

    for words in [&["--help"][..], &["backup", "--help"], &["restore", "--help"]] {
        let help =
            with_all(words).env("DATABASE_URL", cluster.url(&database)).env("PGSTOW_TO", cluster.url("x"));
        secrets.are_not_in(&help.succeeds().stdout, "help");
    }
}

#[test]
fn errors_do_not_repeat_them() {
    let cluster = Cluster::shared(Major::Distribution);
    let keys = Keys::make();
    let secret = core_of(&keys.identity);
    let home = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let place = Place::folder();
    let url = cluster.url("postgres");
    let backup = |words: &[&str]| place.pgstow(&["backup", "-vv"]).args(words);
    let recipient = ["--recipient", &keys.recipient];
    let quiet = |what: &str, run: Run, secret: &str| {
        assert!(!run.stderr.contains(secret) && !run.text().contains(secret), "{what}: {run}");
    };

    // Secret keys where public ones belong.
    let key_file = file("key.txt", &keys.identity);
    let wrong_side = [
        backup(&["--recipient", &secret, &url]),
        backup(&[&url]).env("PGSTOW_RECIPIENTS", &secret),
        backup(&["-R", &key_file, &url]),
        backup(&["-R", &file("both.txt", &format!("{}\n{secret}", keys.recipient)), &url]),
    ];
    for command in wrong_side {
        quiet("a secret key as recipient", command.fails(Kind::Settings).says("not a recipient"), &secret);
    }
    // Mistyped ones: cut, or with something before them.
    let cut = &secret[..secret.len() - 3];
    quiet("cut", backup(&["--recipient", cut, &url]).fails(Kind::Settings), cut);
    let open = |identity: &str| {
        let fetch = place.pgstow(&["fetch", "latest", "-o", "-", "-vv"]).env("PGSTOW_IDENTITY", identity);
        fetch.fails(Kind::Settings)
    };
    quiet("cut identity", open(cut), cut);
    quiet("identity with a prefix", open(&format!("key={secret}")), &secret);
    let ssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2VzYW1lLW9wZW4=\n-----END OPENSSH PRIVATE KEY-----\n";
    quiet("broken SSH key", open(ssh), "c2VzYW1lLW9wZW4=");

    // Connections that cannot be read, or do not work.
    let password = "s3same%2Fopen";
    let plain = "s3same/open";
    for broken in [
        format!("postgres://postgres:{password}@127.0.0.1:{}/postgres", cluster.port),
        format!("postgres://postgres:{password}@127.0.0.1:port/postgres"),
        format!("postgres://postgres:{plain}@127.0.0.1:{}/postgres", cluster.port),
        format!("postgres://postgres:{password}@127.0.0.1:{}/postgres?sslmode=perhaps", cluster.port),
        format!("postgres://postgres@127.0.0.1:{}/postgres?password={password}&nonsense=1", cluster.port),
        format!("host=127.0.0.1 port={} user=postgres password='{plain}", cluster.port),
        format!("host=127.0.0.1 port={} user=postgres password={plain} nonsense", cluster.port),
        format!("host=127.0.0.1 port={} user=postgres dbname=postgres password={plain}", cluster.port),
        format!("mysql://postgres:{password}@127.0.0.1/postgres"),
        format!("postgres:{password}@127.0.0.1/postgres"),
    ] {
        for command in [
            backup(&recipient).env("DATABASE_URL", &broken),
            place.opens(&["restore", "latest", "-vv"]).env("PGSTOW_TO", &broken),
        ] {
            let run = command.run();
            assert!(!run.status.success(), "{broken}: {run}");
            quiet(&broken, run, "s3same");
        }
    }

    // A signing key that is none, a verify key that is the secret one.
    let (signing_key, _) = crate::scene::signing_keys();
    let secret_line = core_of(&signing_key);
    let cut = &signing_key[..signing_key.len() - 10];
    quiet(
        "cut",
        backup(&recipient).args([&url]).env("PGSTOW_SIGNING_KEY", cut).fails(Kind::Settings),
        &secret_line[..40],
    );
    let list = place.pgstow(&["list"]).env("PGSTOW_VERIFY_KEY", &secret_line);
    quiet("verify key", list.fails(Kind::Settings), &secret_line);
    // Secrets where the names of their files belong. A file that is not there is named if its folder is.
    for (variable, given) in [
        ("PGSTOW_SIGNING_KEY_FILE", secret_line.as_str()),
        ("PGSTOW_SSE_C_KEY_FILE", "dnQWo0q3zQm5/u4L7m3tq0n1f7kYk1p8Zb1yqC2x0vE="),
        ("PGSTOW_SSE_C_KEY_FILE", "/nQWo0q3zQm5u4L7m3tq0n1f7kYk1p8Zb1yqC2x0vE="),
        ("PGSTOW_PASSPHRASE_FILE", "correct horse battery"),
        ("PGSTOW_IDENTITY_FILE", secret_line.as_str()),
    ] {
        let fetch = place.pgstow(&["fetch", "latest", "-o", "-", "-vv"]);
        // A backup reads no identity, and no passphrase next to recipients that are typed.
        let writes = match variable {
            "PGSTOW_IDENTITY_FILE" => None,
            "PGSTOW_PASSPHRASE_FILE" => Some(place.pgstow(&["backup", "-vv", &url])),
            _ => Some(backup(&recipient).args([&url])),
        };
        for command in writes.into_iter().chain([fetch]) {
            let run = command.env(variable, given).run();
            assert!(!run.status.success(), "{variable}: {run}");
            quiet(variable, run, given);
        }
    }
    let typo = home.path().join("sing.key");
    let named = backup(&recipient).args([&url]).env("PGSTOW_SIGNING_KEY_FILE", &typo).fails(Kind::Settings);
    named.says(typo.to_str().unwrap());
    // Credentials in the store's URL are refused, and not shown.
    for store in [
        "s3://AKIAX:sesame-secret@bucket/x",
        "file://me:sesame-secret@host/x",
        "s3://b/x?secret_key=sesame-secret",
    ] {
        let list = pgstow(["list", "-vv"]).env("PGSTOW_STORE", store);
        quiet(store, list.fails(Kind::Usage), "sesame-secret");
    }
    assert!(place.keys().is_empty());
}
