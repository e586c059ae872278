//! A database straight into another: on one server or between two, proven, and nothing half-copied left.

use crate::harness::{Pgstow, pgstow};
use crate::scene::{add_bulk, every_client, fresh, motley};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use rustix::process::Signal;
use tempfile::TempDir;

fn clone(source: &str, target: &str) -> Pgstow {
    pgstow(["clone", "--json", source, target]).env("PATH", every_client())
}

#[test]
fn within_a_server_and_between_two_it_is_the_same() {
    for (from, to) in [(Major::Distribution, Major::Distribution), (Major::V16, Major::V18)] {
        let (from, to) = (Cluster::shared(from), Cluster::shared(to));
        let source = motley(from, "cloned");
        let copy = fresh("clone");
        let target = if from.port == to.port { copy.clone() } else { to.url(&copy) };
        let run = clone(&from.url(&source), &target).succeeds().says("proven: ");
        assert_eq!(run.json()["database"], *copy);
        assert!(run.json()["proof"]["rows"].as_u64().unwrap() > 0, "{run}");
        if from.port == to.port {
            assert_eq!(to.text_of(&copy), from.text_of(&source));
        }
    }
}

/// What a newer server reads otherwise is written by the client of its own major.
#[test]
fn a_newer_server_gets_what_it_understands() {
    let newest = Cluster::shared(Major::V18);
    for (from, sql) in [
        (Major::Distribution, "CREATE TABLE t (system_user int)"),
        (
            Major::V17,
            "CREATE UNLOGGED TABLE t (n int) PARTITION BY LIST (n); CREATE TABLE p PARTITION OF t DEFAULT",
        ),
    ] {
        let from = Cluster::shared(from);
        let source = from.create_database("older");
        from.psql(&source, sql);
        clone(&from.url(&source), &newest.url(&fresh("newer"))).succeeds().says("proven: ");
    }
}

/// Nothing is stored from which it could be taken by hand, and nothing is read before it is refused.
#[test]
fn an_older_server_than_the_dump_is_for_is_refused_before_anything_is_read() {
    let (from, to) = (Cluster::shared(Major::V17), Cluster::shared(Major::V16));
    let copy = fresh("never");
    let run = clone(&from.url("postgres"), &to.url(&copy)).fails(Kind::Postgres);
    let run =
        run.says("goes into PostgreSQL 17 or newer only").says("hint: clone into PostgreSQL 17 or newer");
    assert!(!run.stderr.contains("fetch") && !run.stderr.contains("cloning"), "{run}");
    assert!(!to.has_database(&copy), "{run}");
}

/// A server of today: a copy under another owner, before a migration is tried on it.
#[test]
fn all_of_it_belongs_to_another_owner() {
    let cluster = Cluster::shared(Major::Distribution);
    let (old, new) = (fresh("old"), fresh("New Owner"));
    cluster.psql("postgres", &format!("CREATE ROLE {old}; CREATE ROLE \"{new}\" LOGIN PASSWORD 'n'"));
    let source = cluster.create_database("originaldb");
    cluster.psql(
        &source,
        &format!(
            "SET ROLE {old}; RESET ROLE; CREATE SCHEMA app AUTHORIZATION {old};
             CREATE TABLE app.users (id serial PRIMARY KEY, name text); ALTER TABLE app.users OWNER TO {old};
             INSERT INTO app.users (name) SELECT md5(n::text) FROM generate_series(1, 500) n;
             CREATE VIEW app.names AS SELECT name FROM app.users; ALTER VIEW app.names OWNER TO {old};"
        ),
    );
    let copy = format!("{source}_suffix");
    let (url, owner) = (cluster.url(&source), ["--owner", &new]);
    // Checked before anything is made.
    clone(&url, &copy)
        .args(["--owner", "nobody_at_all"])
        .fails(Kind::Postgres)
        .says("there is no role \"nobody_at_all\"");
    clone(&cluster.url("no_such_source"), &copy).args(owner).fails(Kind::Postgres).says("does not exist");
    clone(&url, &source).args(owner).fails(Kind::TargetExists).says("is not empty");
    let empty = cluster.create_database("empty");
    clone(&url, &empty).args(owner).fails(Kind::TargetExists).says("exists already");
    assert!(!cluster.has_database(&copy));

    clone(&url, &copy).args(owner).succeeds();
    let owners = "SELECT DISTINCT pg_get_userbyid(owner) FROM (
        SELECT relowner FROM pg_class WHERE relnamespace = 'app'::regnamespace
        UNION ALL SELECT nspowner FROM pg_namespace WHERE nspname = 'app'
        UNION ALL SELECT datdba FROM pg_database WHERE datname = current_database()) AS all_of_it(owner)";
    assert_eq!(cluster.psql(&copy, owners), new);
    assert_eq!(cluster.psql(&copy, "SELECT count(*) FROM app.names"), "500");
    // The migration can go on.
    cluster.psql(
        &copy,
        &format!("SET ROLE \"{new}\"; ALTER TABLE app.users ADD COLUMN more int; CREATE TABLE public.t ()"),
    );
}

/// A folder of client programs whose `pg_dump` cuts its archive short, and then ends with this status.
fn cut(cluster: &Cluster, keep: &str, status: u8) -> TempDir {
    let folder = TempDir::new().unwrap();
    for program in ["pg_restore", "psql"] {
        std::os::unix::fs::symlink(cluster.bin().join(program), folder.path().join(program)).unwrap();
    }
    let real = cluster.bin().join("pg_dump");
    let script = format!(
        "#!/bin/bash\ncase $* in *--version*) exec {0} --version;; esac\n{0} \"$@\" | {keep}\nexit {status}\n",
        real.display()
    );
    let path = folder.path().join("pg_dump");
    crate::servers::script(&path, &script);
    folder
}

#[test]
fn a_dump_that_is_not_whole_commits_nothing() {
    let cluster = Cluster::shared(Major::Distribution);
    let source = motley(cluster, "cut");
    add_bulk(cluster, &source, 400);
    for (keep, status, kind, says) in [
        // All bytes came, and pg_dump says that they are not all.
        ("cat", 1, Kind::Postgres, "pg_dump failed (exit status 1)"),
        ("head -c -1", 0, Kind::Verify, "archive"),
        ("head -c 300000", 0, Kind::Verify, "archive"),
        ("head -c 300000", 1, Kind::Postgres, "pg_dump failed"),
        ("head -c 1000", 0, Kind::Verify, "archive"),
        ("true", 0, Kind::Verify, "archive"),
    ] {
        let folder = cut(cluster, keep, status);
        let copy = fresh("never");
        let run = clone(&cluster.url(&source), &copy)
            .args(["--pg-bin", folder.path().to_str().unwrap()])
            .fails(kind);
        let run = run.says(says);
        assert!(!cluster.has_database(&copy), "{keep} {status}: {run}");
    }
    let folder = cut(cluster, "cat", 0);
    let copy = fresh("whole");
    clone(&cluster.url(&source), &copy).args(["--pg-bin", folder.path().to_str().unwrap()]).succeeds();
    assert_eq!(cluster.text_of(&copy), cluster.text_of(&source));
}

#[test]
fn a_signal_ends_it_in_order() {
    let cluster = Cluster::shared(Major::V17);
    let source = motley(cluster, "signalled");
    add_bulk(cluster, &source, 4000);
    // More than is ever held back.
    let folder = cut(cluster, "(head -c 3000000; sleep 60)", 0);
    let copy = fresh("signalled");
    let words = ["--pg-bin", folder.path().to_str().unwrap()];
    let running = clone(&cluster.url(&source), &copy).args(words).spawn();
    let begun = format!("SELECT count(*) > 0 FROM pg_database WHERE datname LIKE '{copy}_restoring_%'");
    cluster.eventually("postgres", &begun);
    running.signal(Signal::TERM);
    running.wait().assert_failure(Kind::Terminated);
    assert!(!cluster.has_database(&copy));
    assert_eq!(cluster.psql("postgres", &begun), "f");
}

#[test]
fn a_check_that_reads_rows_that_come_later_is_for_a_backup() {
    let cluster = Cluster::shared(Major::Distribution);
    let source = cluster.create_database("reading");
    cluster.psql(
        &source,
        "CREATE TABLE z (id int PRIMARY KEY); INSERT INTO z VALUES (1);
         CREATE FUNCTION known(i int) RETURNS bool LANGUAGE plpgsql AS
             'BEGIN RETURN EXISTS (SELECT FROM public.z WHERE id = i); END';
         CREATE TABLE a (i int CHECK (public.known(i))); INSERT INTO a VALUES (1)",
    );
    let run = clone(&cluster.url(&source), &fresh("clone")).fails(Kind::Postgres).says("a_i_check");
    run.says("rows come before those that functions of their tables read: public.a; `pgstow backup`");
}
