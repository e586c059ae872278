//! What is refused before anything is dumped, with the words that help.

use super::scene::{KEYS, Place, Source, aftermath, backup, backup_of};
use crate::harness::{Run, eventually, pgstow};
use crate::scene::fresh;
use crate::servers::garage::Garage;
use crate::servers::postgres::{Cluster, Major, PASSWORD, USER};
use crate::servers::{Launch, Server, folder, free_port, give};
use pgstow::error::Kind;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Stdio;

/// A backup of this URL into a folder, which fails, and before a folder was even made.
#[track_caller]
fn refused(url: &str, words: &[&str], kind: Kind) -> Run {
    let place = Place::folder();
    let run = backup_of(url, &place).args(words).fails(kind);
    assert!(!place.path().exists(), "something was stored: {run}");
    assert!(!run.stderr.contains(PASSWORD), "the password is shown: {run}");
    run
}

#[test]
fn an_older_pg_dump() {
    for (client, server) in [(Major::Distribution, Major::V18), (Major::V16, Major::V17)] {
        let cluster = Cluster::shared(server);
        let bin = client.bin();
        let run = refused(&cluster.url("postgres"), &["--pg-bin", bin.to_str().unwrap()], Kind::Settings);
        run.says(&format!("the server is PostgreSQL {}", server.number()))
            .says("an older pg_dump cannot dump it")
            .says(&format!("postgresql-client-{}", server.number()));
    }
}

#[test]
fn a_folder_without_clients() {
    let run = refused(&Source::shared().url(), &["--pg-bin", "/usr/share"], Kind::Settings);
    run.says("no pg_dump, pg_restore and psql in /usr/share").says("hint: --pg-bin names");
}

#[test]
fn a_pooled_host() {
    let pooled = "postgres://u@ep-cool-1-pooler.eu-central-1.aws.neon.tech/app";
    let run = refused(pooled, &[], Kind::Usage);
    run.says("is a connection pooler").says("use the direct host ep-cool-1.eu-central-1.aws.neon.tech");
    refused("postgres://u@db.internal:6432/app", &[], Kind::Usage).says("port 6432 is pgbouncer's");
}

#[test]
fn rows_as_inserts_and_other_words_for_pg_dump() {
    let url = Source::shared().url();
    for word in [
        "--inserts",
        "--rows-per-insert=9",
        "--enable-row-security",
        "--format=plain",
        "-fx",
        "-j2",
        "--snapshot=00000003-1",
        "--lock-wait-timeout=5",
    ] {
        let run = refused(&url, &[&format!("--pg-dump-arg={word}")], Kind::Usage);
        run.says("pg_dump may not be given --").says("hint: leave it out");
    }
    let place = Place::folder();
    let run = backup_of(&url, &place).args(["--pg-dump-arg=--no-such-option"]).fails(Kind::Postgres);
    run.says("pg_dump failed (exit status 1): unrecognized option '--no-such-option'")
        .says("hint: this pg_dump");
    refused(&url, &["--pg-dump-arg=--role=nobody-there"], Kind::Postgres)
        .says("role \"nobody-there\" does not exist")
        .says("hint: check the role that --pg-dump-arg --role names");
    aftermath(Source::shared(), &place);
}

#[test]
fn rows_that_a_policy_hides() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("policies");
    cluster.psql(
        &database,
        "CREATE TABLE secret (id int); CREATE TABLE plain (id int); INSERT INTO secret VALUES (1), (2);
         ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
         DROP ROLE IF EXISTS dumper; CREATE ROLE dumper LOGIN PASSWORD 'open-there';
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO dumper;",
    );
    let url = format!("postgres://dumper:open-there@127.0.0.1:{}/{database}", cluster.port);
    let run = refused(&url, &[], Kind::Postgres);
    run.says("row-level security hides rows of public.secret from role dumper").says("BYPASSRLS");
    // Where tables are chosen, pg_dump decides.
    let run = backup_of(&url, &Place::folder()).args(["--table=secret"]).fails(Kind::Postgres);
    run.says("BYPASSRLS");
    let place = Place::folder();
    backup_of(&url, &place).args(["--exclude-table=secret"]).succeeds();
    cluster.psql("postgres", "ALTER ROLE dumper BYPASSRLS");
    backup_of(&url, &place).succeeds();
    assert_eq!(place.listed().len(), 2);
    // The role that pg_dump takes decides, and all sessions are in it.
    let member = fresh("member");
    let create = format!("CREATE ROLE {member} LOGIN PASSWORD 'open-there' NOINHERIT IN ROLE dumper");
    cluster.psql(&database, &create);
    let member = url.replace("dumper:", &format!("{member}:"));
    backup_of(&member, &place).args(["--pg-dump-arg=--role=dumper"]).succeeds();
    cluster.psql("postgres", "ALTER ROLE dumper NOBYPASSRLS");
    let run =
        refused(&cluster.url(&database), &["--pg-dump-arg=--role", "--pg-dump-arg=dumper"], Kind::Postgres);
    run.says("row-level security hides rows of public.secret from role dumper");
}

/// `pg_dump` reads each partition itself.
#[test]
fn policies_of_a_partitioned_table_hide_nothing() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("parts");
    let (role, copy) = (fresh("parts"), fresh("parts"));
    cluster.psql(
        &database,
        &format!(
            "CREATE TABLE parts (id int) PARTITION BY RANGE (id);
             CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (9); INSERT INTO parts VALUES (1), (2);
             ALTER TABLE parts ENABLE ROW LEVEL SECURITY; ALTER TABLE parts FORCE ROW LEVEL SECURITY;
             CREATE ROLE {role} LOGIN CREATEDB PASSWORD '{PASSWORD}' IN ROLE pg_read_all_data"
        ),
    );
    let url = |name: &str| cluster.url(name).replace(&format!("//{USER}:"), &format!("//{role}:"));
    let place = crate::scene::Place::folder();
    for words in [&["--pg-dump-arg=--load-via-partition-root"][..], &[]] {
        place.backup(&url(&database), words);
    }
    let restore = ["restore", "latest", "--no-owner", "--no-acl", "--to", &url(&copy)];
    let run = place.opens(&restore).succeeds().says("proven: 2 rows in 2 tables");
    assert!(!run.stderr.contains("not compared"), "{run}");
    // What hides rows of a partition itself matters.
    cluster.psql(&database, "ALTER TABLE part ENABLE ROW LEVEL SECURITY");
    refused(&url(&database), &[], Kind::Postgres)
        .says("row-level security hides rows of public.part from role");
}

#[test]
fn a_table_that_may_not_be_read() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("privileges");
    cluster
        .psql(&database, "CREATE TABLE secret (id int); CREATE ROLE hidden_from LOGIN PASSWORD 'open-there'");
    let url = format!("postgres://hidden_from:open-there@127.0.0.1:{}/{database}", cluster.port);
    let place = Place::folder();
    let run = backup_of(&url, &place).fails(Kind::Postgres);
    run.says("permission denied for table secret").says("hint: the connecting role lacks a privilege");
    assert!(place.keys().is_empty() && place.unfinished().is_empty());
}

#[test]
fn a_table_locked_by_somebody_else() {
    let source = Source::new();
    let place = Place::folder();
    let lock = "BEGIN; LOCK TABLE beta; SELECT pg_sleep(60)";
    let mut holder = source
        .cluster
        .client("psql")
        .args(["-Xq", "-d", &source.database, "-c", lock])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the lock is held", || {
        let sql = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'beta'::regclass";
        source.cluster.psql(&source.database, sql) == "1"
    });
    let run = backup(&source, &place).args(["--lock-wait-timeout", "500ms"]).fails(Kind::Postgres);
    run.says("another session holds a lock on a table");
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
        source.database
    );
    source.cluster.psql("postgres", &end);
    holder.wait().unwrap();
    aftermath(&source, &place);
}

#[test]
fn a_wrong_password() {
    let source = Source::shared();
    let url = source.url().replace(PASSWORD, "wrong-there");
    let run = refused(&url, &[], Kind::Postgres);
    assert!(!run.stderr.contains("wrong-there"), "{run}");
    run.says("password authentication failed").says("hint: check user and password");
    let url = source.url().replace(&format!(":{PASSWORD}"), "");
    refused(&url, &[], Kind::Postgres).says("no password supplied").says("PGPASSWORD");
}

#[test]
fn a_server_that_is_down() {
    let url = format!("postgres://{USER}@127.0.0.1:{}/app", free_port());
    refused(&url, &[], Kind::Postgres).says("Connection refused").says("hint: nothing listens there");
}

#[test]
fn an_unknown_database() {
    let url = Source::shared().cluster.url("nowhere");
    refused(&url, &[], Kind::Postgres)
        .says("database \"nowhere\" does not exist")
        .says("at the end of the URL");
}

#[test]
fn no_recipient() {
    let place = Place::folder();
    let words = ["backup", &Source::shared().url(), "--store", &place.url()];
    let run = pgstow(words).fails(Kind::Usage);
    run.says("no recipient was given").says("pgstow keygen").says("--no-encryption");
    let run = pgstow(words).args(["--recipient", "age1typo"]).run();
    assert!(!run.status.success());
    assert!(!place.path().exists());
}

#[test]
fn a_store_that_is_none() {
    let words = ["backup", &Source::shared().url(), "--recipient", &KEYS.1];
    pgstow(words).fails(Kind::Usage).says("no store was given");
    for (store, said) in [
        ("ftp://host/backups", "ftp:// is not the URL of a store"),
        ("/var/backups", "the store is not a URL"),
        ("s3://AKIA:secret-there@bucket", "contains credentials"),
    ] {
        let run = pgstow(words).args(["--store", store]).fails(Kind::Usage).says(said);
        assert!(!run.stderr.contains("secret-there"), "{run}");
    }
}

#[test]
fn a_bucket_that_is_not_there() {
    let mut missing = Garage::shared().place("preflight");
    missing.bucket = "no-such-bucket".into();
    let run = backup(Source::shared(), &Place::Bucket(missing)).fails(Kind::Store);
    run.says("there is no bucket no-such-bucket").says("hint: check the bucket's name");
}

#[test]
fn a_bucket_that_does_not_let_in() {
    let place = Garage::shared().place("preflight");
    let wrong = place.with_key(&place.access_key, &"0".repeat(64));
    let run = backup(Source::shared(), &Place::Bucket(wrong)).fails(Kind::Store);
    assert!(!run.stderr.contains(&"0".repeat(64)), "{run}");
    run.says("hint: ");
    let unknown = place.with_key("GK00000000000000000000dead", &place.secret_key);
    backup(Source::shared(), &Place::Bucket(unknown)).fails(Kind::Store).says("hint: ");
    let url = place.url();
    let words = ["backup", &Source::shared().url(), "--recipient", &KEYS.1, "--store", &url];
    let run = pgstow(words).env("AWS_EC2_METADATA_DISABLED", "true").fails(Kind::Store);
    run.says("no credentials for the store were found").says("AWS_ACCESS_KEY_ID");
    aftermath(Source::shared(), &Place::Bucket(place));
}

#[test]
fn a_bucket_that_nobody_answers_for() {
    let mut nobody = Garage::shared().place("preflight");
    nobody.endpoint = format!("http://127.0.0.1:{}", free_port());
    let run = backup(Source::shared(), &Place::Bucket(nobody)).fails(Kind::Store);
    run.says("refuses connections").says("hint: check endpoint and port");
}

/// A real pgbouncer in front of a server.
pub fn pgbouncer(cluster: &Cluster, mode: &str) -> (Server, u16) {
    let port = free_port();
    let folder = folder("pgbouncer");
    let (config, users) = (folder.path().join("pgbouncer.ini"), folder.path().join("users.txt"));
    let text = format!(
        "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         unix_socket_dir =\nauth_type = plain\nauth_file = {}\npool_mode = {mode}\n",
        cluster.port,
        users.display()
    );
    std::fs::write(&config, text).unwrap();
    std::fs::write(&users, format!("\"{USER}\" \"{PASSWORD}\"\n")).unwrap();
    give(&config);
    give(&users);
    let program = PathBuf::from("/usr/sbin/pgbouncer");
    let launch = Launch { folder, signal: "KILL", program, args: vec![config.into()], env: [].into() };
    (Server::start(launch, || TcpStream::connect(("127.0.0.1", port)).is_ok()), port)
}

#[test]
fn a_pooler_at_an_ordinary_address() {
    let source = Source::shared();
    // Of several sessions each question gets the next one, as if there were others who ask.
    for mode in ["session", "transaction", "transaction\nserver_round_robin = 1\nmin_pool_size = 4"] {
        let (_server, port) = pgbouncer(source.cluster, mode);
        let in_transaction = mode != "session";
        let url = format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{port}/{}", source.database);
        let run = refused(&format!("{url}?options=-cwork_mem%3D8MB"), &[], Kind::Postgres);
        run.says("unsupported startup parameter").says("hint: this is a connection pooler (pgbouncer)");
        let place = Place::folder();
        if in_transaction {
            let run = refused(&url, &[], Kind::Usage);
            run.says("a connection pooler in transaction mode").says("--allow-pooled tries it anyway");
            // Whoever gets these sessions next finds them as they were.
            for _ in 0..5 {
                let mut psql = source.cluster.client("psql");
                let psql = psql.args(["-XAtq", &url, "-c", "SHOW search_path"]);
                assert_eq!(crate::servers::run(psql).trim(), "\"$user\", public", "{mode}");
            }
        }
        // In session mode it does no harm; what passes through it is whole. In transaction mode pg_dump may get another session
        // than the one whose search_path it has set, so the archive may name another one.
        let allowed: &[&str] = if in_transaction { &["--allow-pooled"] } else { &[] };
        // A role is no startup parameter, which it would refuse.
        for role in [None, Some(format!("--pg-dump-arg=--role={USER}"))] {
            let id = backup_of(&url, &place).args(allowed).args(role.iter()).succeeds().text();
            if in_transaction {
                let verify = pgstow(["verify", id.trim(), "--store", &place.url()]);
                verify.envs(place.env()).env("PGSTOW_IDENTITY", &KEYS.0).succeeds();
            } else {
                super::scene::is_whole(source, &place, id.trim());
            }
        }
    }
}

#[test]
fn a_pooler_in_front_of_the_newest_server() {
    let (cluster, place) = (Cluster::shared(Major::V18), crate::scene::Place::folder());
    for mode in ["session", "transaction"] {
        let (_server, port) = pgbouncer(cluster, mode);
        let url = format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{port}/postgres");
        let run = place.pgstow(&["backup", "--no-encryption", &url]);
        match mode {
            "session" => run.succeeds(),
            _ => run.fails(Kind::Usage).says("a connection pooler in transaction mode"),
        };
    }
}
