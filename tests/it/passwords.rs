//! A password that a command prints: asked for again by every child that connects, and shown nowhere.

use crate::harness::eventually;
use crate::scene::{Keys, Place, SLOW_INDEX, fresh, motley};
use crate::servers::postgres::{Cluster, Major, PASSWORD, USER};
use pgstow::error::Kind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

/// A role of this name that may do everything, and its URL, which has no password.
fn role(cluster: &Cluster, name: &str, database: &str) -> String {
    cluster.psql("postgres", &format!("CREATE ROLE {name} LOGIN SUPERUSER PASSWORD 'first-there'"));
    format!("postgres://{name}@127.0.0.1:{}/{database}", cluster.port)
}

/// A command that prints the password of this role, counts how often it is asked, and the third time changes the
/// password on the server before.
fn rotating(cluster: &Cluster, folder: &Path, role: &str) -> String {
    let script = format!(
        "cd {folder}; asked=$(($(cat asked) + 1)); echo $asked > asked; test \"$PGUSER\" = {role} || exit 9\n\
         if [ $asked = 3 ]; then\n\
         PGPASSWORD={PASSWORD} {psql} -Xq -h 127.0.0.1 -p {port} -U {USER} -d postgres \
         -c \"ALTER ROLE {role} PASSWORD 'second-there'\"\n\
         echo second-there > password\n\
         fi\n\
         cat password\n",
        folder = folder.display(),
        psql = cluster.bin().join("psql").display(),
        port = cluster.port,
    );
    for (name, text) in [("asked", "0\n"), ("password", "first-there\n"), ("ask.sh", &script)] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    format!("sh {}", folder.join("ask.sh").display())
}

#[test]
fn a_password_that_changes_in_the_middle_of_a_run() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = motley(cluster, "rotating");
    let url = role(cluster, "rotated", &database);
    let (folder, place) = (TempDir::new().unwrap(), Place::folder());
    let command = rotating(cluster, folder.path(), "rotated");
    let words = ["backup", &url, "--recipient", &Keys::shared().recipient, "-vv"];
    // A stale password in the environment is not used either.
    let run = place.pgstow(&words).env("PGPASSWORD", "stale-there").env("PGSTOW_PASSWORD_COMMAND", &command);
    let run = run.succeeds();
    let asked = std::fs::read_to_string(folder.path().join("asked")).unwrap();
    assert!(asked.trim().parse::<u32>().unwrap() > 4, "asked {asked} times: {run}");
    // The first password no longer opens anything: whoever is not asked again is locked out.
    let stale = place.pgstow(&words).env("PGPASSWORD", "first-there").fails(Kind::Postgres);
    stale.says("password authentication failed");
    for secret in ["first-there", "second-there", "ask.sh"] {
        assert!(!run.stderr.contains(secret), "{run}");
    }
    let copy = fresh("rotated_copy");
    let target = format!("postgres://{USER}@127.0.0.1:{}/{copy}", cluster.port);
    let restore = place.opens(&["restore", "latest", "--to", &target]);
    restore.args(["--password-command", &format!("echo {PASSWORD}")]).succeeds();
    assert_eq!(cluster.text_of(&copy), cluster.text_of(&database));
}

/// While it is filled, a database has another name, which a password file may not know.
#[test]
fn a_password_for_the_last_name_only_is_not_enough() {
    let cluster = Cluster::shared(Major::Distribution);
    let place = Place::folder();
    place.backup(&cluster.url(&cluster.create_database("known")), &["--name", "app"]);
    let (folder, copy) = (TempDir::new().unwrap(), fresh("pwdb"));
    let file = folder.path().join("pgpass");
    let line = |database: &str| format!("127.0.0.1:*:{database}:{USER}:{PASSWORD}\n");
    let to = format!("postgres://{USER}@127.0.0.1:{}/{copy}", cluster.port);
    let restore = |lines: &str| {
        std::fs::write(&file, lines).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        place.opens(&["restore", "latest", "--to", &to]).env("PGPASSFILE", &file)
    };
    let run = restore(&[line("postgres"), line(&copy)].concat()).fails(Kind::Postgres);
    let run = run.says("no password supplied").says(&format!("the database is called {copy}_restoring_"));
    assert!(run.stderr.contains("if its database is *") && !cluster.has_database(&copy), "{run}");
    restore(&line("*")).succeeds();
}

/// Whether a silent connection is dead is asked over another one, long after the program was started.
#[test]
fn a_connection_is_watched_over_with_a_new_password() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("watched");
    cluster.psql(&database, SLOW_INDEX);
    let (place, folder) = (Place::folder(), TempDir::new().unwrap());
    place.backup(&cluster.url(&database), &["--name", "watched"]);
    let url = format!("{}?tcp_user_timeout=3000", role(cluster, "watcher", &fresh("watched")));
    let password = folder.path().join("password");
    std::fs::write(&password, "first-there").unwrap();
    let restore = place.opens(&["restore", "latest", "--to", &url, "--password-command"]);
    let running = restore.arg(format!("cat {}", password.display())).spawn();
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'watcher' AND wait_event = 'PgSleep'";
    eventually("the index is being built", || cluster.psql("postgres", asleep) != "0");
    std::fs::write(&password, "second-there").unwrap();
    cluster.psql("postgres", "ALTER ROLE watcher PASSWORD 'second-there'");
    running.wait().assert_success();
}

#[test]
fn a_command_that_prints_no_password() {
    let cluster = Cluster::shared(Major::Distribution);
    let place = Place::folder();
    let url = format!("postgres://{USER}@127.0.0.1:{}/postgres", cluster.port);
    for (command, said) in [
        (
            "echo there-s3cret; echo 'vault is sealed' >&2; exit 3",
            "the password command failed (exit status 3)",
        ),
        ("true", "the password command printed nothing"),
        ("echo there-s3cret; echo more", "the password command printed more than one line"),
    ] {
        let words = ["backup", &url, "--no-encryption", "--password-command", command];
        let run = place.pgstow(&words).fails(Kind::Settings).says(said);
        assert!(!run.stderr.contains("there-s3cret"), "{run}");
        assert_eq!(run.stderr.contains("vault is sealed"), command.contains("sealed"), "{run}");
    }
    // The password in a URL is that connection's own.
    let url = cluster.url("postgres");
    place.pgstow(&["backup", &url, "--no-encryption", "--password-command", "false"]).succeeds();
}

#[test]
fn a_settings_file_that_was_not_named_runs_no_command() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("pgstow.toml");
    std::fs::write(&file, "password_command = \"touch asked\"\n").unwrap();
    let words = ["backup", "postgres://u@127.0.0.1:1/app", "--no-encryption"];
    let place = Place::folder();
    let run = place.pgstow(&words).in_folder(folder.path()).fails(Kind::Settings);
    run.says("\"password_command\" is run to get the password");
    assert!(!folder.path().join("asked").exists());
    let named = place.pgstow(&words).in_folder(folder.path()).args(["--config", "pgstow.toml"]);
    named.fails(Kind::Settings).says("the password command printed nothing");
    assert!(folder.path().join("asked").exists());
}
