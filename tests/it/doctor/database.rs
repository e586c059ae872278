//! What can be wrong with a database, its role, and the programs to dump it.

use super::Seen;
use crate::harness::{eventually, pgstow};
use crate::scene::{Place, every_client, fresh};
use crate::servers::postgres::{Cluster, Major, PASSWORD, USER};
use crate::there::preflight::pgbouncer;
use pgstow::error::Kind;
use std::process::Stdio;

/// Doctor on this database alone.
fn doctor(url: &str, words: &[&str]) -> Seen {
    Seen::of(pgstow(["doctor", url]).args(words).env("PATH", every_client()))
}

/// A new role that may do nothing, and its URL for a database.
fn role(cluster: &Cluster, database: &str) -> (String, String) {
    let name = fresh("role");
    cluster.psql("postgres", &format!("CREATE ROLE {name} LOGIN PASSWORD 'open-there'"));
    let url = format!("postgres://{name}:open-there@127.0.0.1:{}/{database}", cluster.port);
    (name, url)
}

/// What doctor calls fine is enough for a backup.
#[track_caller]
fn backs_up(url: &str) {
    Place::folder().pgstow(&["backup", url, "--no-encryption"]).succeeds();
}

#[test]
fn all_that_a_role_may_not_read_is_named() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("rights");
    let (role, url) = role(cluster, &database);
    cluster.psql(
        &database,
        "CREATE TABLE public.\"Secret\" (id serial); CREATE TABLE open (id int); CREATE SCHEMA closed;
         CREATE TABLE closed.parted (n int) PARTITION BY LIST (n); GRANT SELECT ON open TO PUBLIC;
         CREATE TABLE policed (id int); GRANT SELECT ON policed TO PUBLIC; SELECT lo_create(4242);
         ALTER TABLE policed ENABLE ROW LEVEL SECURITY",
    );
    let seen = doctor(&url, &[]);
    seen.fails(Kind::Postgres).only("failed", &["row security", "rights", "dump"]);
    seen.has(
        "rights",
        "failed",
        "schema closed; tables closed.parted, public.\\\"Secret\\\"; sequence public.",
    );
    seen.has("rights", "failed", "1 large object").has("rights", "failed", "GRANT pg_read_all_data");
    seen.has("rights", "failed", "--exclude-schema closed --exclude-table 'public.\\\"Secret\\\"'");
    seen.has("row security", "failed", "public.policed").has("row security", "failed", "BYPASSRLS");
    seen.has("dump", "failed", "permission denied for table");
    // The tables that are chosen decide, not the others.
    doctor(&url, &["--table", "open"]).only("failed", &[]).has("rights", "not-checked", "chosen");
    // What it advises is enough.
    let all = format!(
        "DO $$ DECLARE one oid; BEGIN FOR one IN SELECT oid FROM pg_largeobject_metadata LOOP
           EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO {role}', one); END LOOP; END $$"
    );
    cluster.psql(&database, &format!("ALTER ROLE {role} BYPASSRLS; GRANT pg_read_all_data TO {role}; {all}"));
    doctor(&url, &[]).only("failed", &[]).only("warning", &[]).has("rights", "fine", "large object");
    backs_up(&url);
    // So it is if the role is another than the one that logs in.
    let (login, url) = self::role(cluster, &database);
    cluster.psql(&database, &format!("ALTER ROLE {login} NOINHERIT; GRANT {role} TO {login}"));
    let taken = format!("--pg-dump-arg=--role={role}");
    let soon = cluster.psql("postgres", "SELECT now() + '9 days 1 hour'::interval");
    cluster.psql(&database, &format!("ALTER ROLE {login} VALID UNTIL '{soon}'"));
    let seen = doctor(&url, &[&taken]);
    seen.only("failed", &[]).has("password", "warning", &format!("the password of {login} expires in 9days"));
}

#[test]
fn what_a_role_is_set_up_for() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("presets");
    let (role, url) = role(cluster, &database);
    doctor(&url, &[]).has("timeouts", "fine", "none is set").has("extensions", "fine", "none");
    cluster.psql(
        &database,
        &format!(
            "CREATE TABLE open AS SELECT 1; GRANT SELECT ON open TO PUBLIC; CREATE EXTENSION pg_trgm;
             ALTER ROLE {role} SET statement_timeout = '30s'; ALTER ROLE {role} SET default_transaction_read_only = on;
             ALTER ROLE {role} CONNECTION LIMIT 2; ALTER ROLE {role} VALID UNTIL '{}'",
            cluster.psql("postgres", "SELECT now() + '9 days 1 hour'::interval"),
        ),
    );
    let seen = doctor(&url, &[]);
    // They are switched off for the run, so that nothing fails.
    // A session that has just ended may still count, so there may be a warning that the next one has to wait.
    seen.only("failed", &[]);
    seen.has("timeouts", "fine", "default_transaction_read_only = on, statement_timeout = 30000ms");
    seen.has("extensions", "fine", "pg_trgm").has("password", "warning", "expires in 9days");
    seen.has("password", "warning", "VALID UNTIL").has("sessions", "warning", "CONNECTION LIMIT");
    backs_up(&url);
}

#[test]
fn a_table_that_is_locked_now() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("locked");
    cluster.psql(&database, "CREATE TABLE orders (id int)");
    let lock = "BEGIN; LOCK TABLE orders; SELECT pg_sleep(60)";
    let mut holder = cluster.client("psql");
    let mut holder = holder.args(["-Xq", "-d", &database, "-c", lock]).stderr(Stdio::null()).spawn().unwrap();
    let held =
        "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'orders'::regclass";
    eventually("the lock is held", || cluster.psql(&database, held) == "1");
    let seen = doctor(&cluster.url(&database), &[]);
    seen.only("failed", &[]).only("warning", &["locks", "dump"]);
    seen.has("locks", "warning", "public.orders by process").has("locks", "warning", "--lock-wait-timeout");
    seen.has("dump", "warning", "another session holds a lock");
    let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'");
    cluster.psql("postgres", &end);
    holder.wait().unwrap();
    doctor(&cluster.url(&database), &[]).only("warning", &[]).has("locks", "fine", "nobody");
}

#[test]
fn poolers_and_programs_that_do_not_fit() {
    let seen = doctor("postgres://u@ep-cool-1-pooler.eu-central-1.aws.neon.tech/app", &[]);
    seen.fails(Kind::Usage).has(
        "database",
        "failed",
        "use the direct host ep-cool-1.eu-central-1.aws.neon.tech",
    );
    let (_server, port) = pgbouncer(Cluster::shared(Major::Distribution), "transaction");
    let url = format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{port}/postgres");
    doctor(&url, &[]).fails(Kind::Usage).has("pooler", "failed", "in transaction mode");
    doctor(&url, &["--allow-pooled"]).has("pooler", "warning", "--allow-pooled");

    let cluster = Cluster::shared(Major::V17);
    let bin = Major::V16.bin();
    let seen = doctor(&cluster.url("postgres"), &["--pg-bin", bin.to_str().unwrap()]);
    seen.fails(Kind::Settings).only("failed", &["pg_dump"]);
    seen.has("pg_dump", "failed", "an older pg_dump cannot dump it").has(
        "connection",
        "fine",
        "PostgreSQL 17",
    );
    let older = Cluster::shared(Major::Distribution).url("postgres");
    let seen = doctor(&older, &["--pg-bin", Major::V18.bin().to_str().unwrap()]);
    seen.only("warning", &["pg_dump"]).has("pg_dump", "warning", "PostgreSQL 17 or newer only");
    let seen = doctor(&cluster.url("postgres"), &["--pg-bin", "/usr/share"]);
    seen.fails(Kind::Settings).has("programs", "failed", "no pg_dump");
    doctor(&cluster.url("nowhere"), &[]).fails(Kind::Postgres).has("connection", "failed", "does not exist");
    let seen = doctor(&cluster.url("postgres"), &["--table", "nothing_like_it", "--pg-dump-arg=--inserts"]);
    seen.fails(Kind::Usage).has("patterns", "failed", "matches nothing").has(
        "options",
        "failed",
        "--inserts",
    );
}

#[test]
fn servers_of_every_major_answer() {
    for major in Major::ALL {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("majors");
        cluster.psql(&database, "CREATE TABLE open (id serial); SELECT lo_create(0)");
        let seen = doctor(&cluster.url(&database), &[]);
        seen.only("failed", &[]).only("warning", &[]).has("rights", "fine", "large object");
        // A role that may do nothing is noticed on every one of them.
        let (_, url) = role(cluster, &database);
        doctor(&url, &[]).only("failed", &["rights", "dump"]).has("rights", "failed", "1 large object");
    }
}

#[test]
fn every_database_of_a_server() {
    let cluster = Cluster::start(Major::Distribution);
    let (_, url) = role(&cluster, "postgres");
    cluster.psql("postgres", "CREATE DATABASE good");
    cluster.psql("postgres", "CREATE DATABASE bad");
    cluster.psql("bad", "CREATE TABLE secret (id int)");
    let seen = doctor(&url, &["--all-databases"]);
    seen.fails(Kind::Postgres).has("databases", "fine", "3 databases to back up: bad, good, postgres");
    seen.has("rights", "failed", "bad: role").has("rights", "fine", "good: ").has("dump", "fine", "good: ");
    seen.only("failed", &["rights", "dump"]);
}
