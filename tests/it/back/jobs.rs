//! Restores with several workers: what comes out is what one transaction gives, and what fails leaves nothing.

use super::ended::{Stuck, children};
use super::scene::{DUMP, forge_dump, without_inventory};
use crate::scene::{Place, add_bulk, fresh, motley, named, restore_fails};
use crate::servers::fault::{Fault, FaultProxy, Operation, Request, Rule};
use crate::servers::garage::Garage;
use crate::servers::postgres::{Cluster, Major, PASSWORD};
use pgstow::error::Kind;
use rustix::process::{Pid, Signal, kill_process};
use std::sync::OnceLock;
use tempfile::TempDir;

/// Restores the newest backup, and says what must be said when it went well.
#[track_caller]
fn restore(place: &Place, cluster: &Cluster, copy: &str, jobs: &str) {
    let words = ["restore", "latest", "--to", &cluster.url(copy), "--jobs", jobs];
    place.opens(&words).succeeds().says("all digests verified").says("proven: ");
}

/// A bit of everything, and a table that is worth cutting in two.
struct Cut {
    /// One of its own, whose log tells every COPY.
    cluster: Cluster,
    database: String,
    encrypted: Place,
    readable: Place,
}

impl Cut {
    fn shared() -> &'static Cut {
        static SHARED: OnceLock<Cut> = OnceLock::new();
        SHARED.get_or_init(|| {
            let cluster =
                Cluster::start_with(Major::Distribution, &["log_statement=mod", "log_line_prefix=%d "]);
            let database = motley(&cluster, "cut");
            add_bulk(&cluster, &database, 40 << 10);
            let place = || Place::Folder(TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
            let (encrypted, readable) = (place(), place());
            let url = cluster.url(&database);
            encrypted.backup(&url, &["--compression-level", "1"]);
            readable
                .pgstow(&["backup", &url, "--no-encryption", "--compression-level", "1", "--name", "cut"])
                .succeeds();
            Cut { cluster, database, encrypted, readable }
        })
    }

    /// In how many stretches this copy's large table was loaded.
    fn stretches(&self, copy: &str) -> usize {
        // It has another name while it is filled.
        let begun = "LOG:  statement: COPY public.bulk (n, bytes) FROM stdin";
        self.cluster.log().lines().filter(|line| line.contains(copy) && line.contains(begun)).count()
    }
}

/// Foreign keys in a ring: whoever adds two at once, each on its own connection, stands in its own way.
#[test]
fn what_would_lock_each_other_out_is_made_one_after_the_other() {
    let cluster = Cluster::shared(Major::V18);
    let database = cluster.create_database("ring");
    let tables = 24;
    let make = |n| format!("CREATE TABLE t{n} (id int PRIMARY KEY, next int);\n");
    let link = |n| {
        let next = (n + 1) % tables;
        format!(
            "ALTER TABLE t{n} ADD FOREIGN KEY (next) REFERENCES t{next}; \
             ALTER TABLE t{next} ADD FOREIGN KEY (next) REFERENCES t{n};\n"
        )
    };
    let (made, linked): (String, String) = ((0..tables).map(make).collect(), (0..tables).map(link).collect());
    cluster.psql(&database, &(made + &linked));
    let place = Place::folder();
    place.backup(&cluster.url(&database), &[]);
    for _ in 0..3 {
        let copy = fresh("ring");
        restore(&place, cluster, &copy, "8");
        assert_eq!(cluster.text_of(&copy), cluster.text_of(&database));
    }
}

#[test]
fn a_large_table_is_shared_and_comes_back_as_it_was() {
    let cut = Cut::shared();
    let text = cut.cluster.text_of(&cut.database);
    for place in [&cut.encrypted, &cut.readable] {
        let copy = fresh("cut");
        restore(place, &cut.cluster, &copy, "3");
        assert_eq!(cut.stretches(&copy), 2);
        // In another order, perhaps: its two halves were loaded side by side.
        let cluster = &cut.cluster;
        let rows = "SELECT count(*), sum(hashtextextended(bulk::text, 0)) FROM bulk";
        assert_eq!(cluster.psql(&copy, rows), cluster.psql(&cut.database, rows));
        let sorted = "ALTER TABLE bulk RENAME TO b; CREATE TABLE bulk AS SELECT * FROM b ORDER BY n;
            DROP TABLE b; ALTER TABLE bulk ADD PRIMARY KEY (n)";
        cluster.psql(&copy, sorted);
        assert!(cluster.text_of(&copy) == text, "{copy} is not what {} is", cut.database);
        cluster.psql("postgres", &format!("DROP DATABASE {copy}"));
    }
    // One worker is one transaction of the whole stream, with the table in one piece.
    let copy = fresh("cut");
    restore(&cut.encrypted, &cut.cluster, &copy, "1");
    assert_eq!(cut.stretches(&copy), 1);
    assert!(cut.cluster.text_of(&copy) == text, "{copy} is not what {} is", cut.database);
}

#[test]
fn every_major_comes_back_through_several_workers() {
    std::thread::scope(|scope| {
        for major in Major::ALL {
            scope.spawn(move || {
                let cluster = Cluster::shared(major);
                let database = motley(cluster, "hands");
                let other = fresh("other");
                cluster.psql(
                    &database,
                    &format!(
                        "CREATE ROLE {other}; ALTER LARGE OBJECT 4243 OWNER TO {other};
                         GRANT SELECT ON LARGE OBJECT 4243 TO PUBLIC;
                         SELECT lo_from_bytea(n, 'x') FROM generate_series(5000, 5010) n;
                         GRANT SELECT, UPDATE ON LARGE OBJECT 5001, 5002, 5003 TO {other};
                         CREATE FUNCTION app.watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
                         CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION app.watch();
                         COMMENT ON EVENT TRIGGER watch IS 'last of all'"
                    ),
                );
                let place = Place::folder();
                place.backup(&cluster.url(&database), &[]);
                let copy = fresh("hands");
                restore(&place, cluster, &copy, "3");
                assert_eq!(cluster.text_of(&copy), cluster.text_of(&database), "{major:?}");
            });
        }
    });
}

#[test]
fn partitions_loaded_through_their_root_come_back() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("root");
    let sql = "CREATE TABLE h (id int PRIMARY KEY) PARTITION BY HASH (id);
        CREATE TABLE h0 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE h1 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        INSERT INTO h SELECT generate_series(1, 1000)";
    cluster.psql(&database, sql);
    let place = Place::folder();
    place.backup(&cluster.url(&database), &["--pg-dump-arg=--load-via-partition-root"]);
    let copy = fresh("root");
    restore(&place, cluster, &copy, "2");
    assert_eq!(cluster.text_of(&copy), cluster.text_of(&database));
}

#[test]
fn text_in_another_encoding_than_the_server_s_comes_back() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = fresh("latin");
    let create = format!("CREATE DATABASE {database} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
    cluster.psql("postgres", &create);
    cluster.psql(&database, "CREATE TABLE t (s text); INSERT INTO t VALUES (U&'\\00e4')");
    let place = Place::folder();
    place.backup(&cluster.url(&database), &["--pg-dump-arg=--encoding=UTF8"]);
    let copy = fresh("latin");
    restore(&place, cluster, &copy, "2");
    assert_eq!(cluster.psql(&copy, "SELECT s::bytea, ascii(s) FROM t"), "\\xe4|228");
}

#[test]
fn an_owner_who_may_not_insert_gets_the_rows_back() {
    let cluster = Cluster::shared(Major::Distribution);
    let (database, keeper) = (cluster.create_database("keeper"), fresh("keeper"));
    cluster.psql(
        &database,
        &format!(
            "CREATE ROLE {keeper} LOGIN CREATEDB PASSWORD '{PASSWORD}'; CREATE SCHEMA k AUTHORIZATION {keeper};
             SET ROLE {keeper}; CREATE TABLE k.ledger (n int); INSERT INTO k.ledger VALUES (1), (2);
             REVOKE INSERT, UPDATE, DELETE ON k.ledger FROM {keeper};"
        ),
    );
    let place = Place::folder();
    place.backup(&cluster.url(&database), &[]);
    let url = |name: &str| format!("postgres://{keeper}:{PASSWORD}@127.0.0.1:{}/{name}", cluster.port);
    for jobs in ["1", "2"] {
        let copy = fresh("keeper");
        place.opens(&["restore", "latest", "--to", &url(&copy), "--no-owner", "--jobs", jobs]).succeeds();
        assert_eq!(cluster.text_of(&copy), cluster.text_of(&database), "{jobs}");
    }
}

#[test]
fn a_database_that_was_there_is_filled_in_one_transaction() {
    let stuck = Stuck::shared();
    let waiting = stuck.cluster.create_database("waiting");
    let running = stuck.restore(&waiting, &["--jobs", "2"]);
    assert_eq!(stuck.cluster.psql(&waiting, "SELECT count(*) FROM pg_class WHERE relname = 'first'"), "0");
    running.signal(Signal::TERM);
    running.wait().assert_failure(Kind::Terminated).says("one transaction");
    assert!(stuck.cluster.has_database(&waiting));
}

#[test]
fn a_backup_without_an_inventory_is_restored_in_one_transaction() {
    let cut = Cut::shared();
    let place = without_inventory(&cut.readable);
    let copy = fresh("cut");
    place
        .opens(&["restore", "latest", "--to", &cut.cluster.url(&copy), "--jobs", "3"])
        .succeeds()
        .says("no inventory")
        .says("one transaction");
    assert_eq!(cut.stretches(&copy), 1);
}

#[test]
fn a_flipped_bit_ends_all_workers_and_leaves_no_database() {
    let cut = Cut::shared();
    for place in [&cut.encrypted, &cut.readable] {
        let damaged = place.copy();
        let key =
            damaged.key(if damaged.keys().iter().any(|key| key.ends_with(DUMP)) { DUMP } else { "dump.zst" });
        let good = damaged.get(&key);
        for at in [good.len() / 3, good.len() * 2 / 3, good.len() - 1] {
            let mut bytes = good.clone();
            bytes[at] ^= 4;
            damaged.put(&key, bytes);
            restore_fails(&damaged, &cut.cluster, &["--jobs", "3"], Kind::Verify);
        }
        damaged.put(&key, &good[..good.len() - 1]);
        restore_fails(&damaged, &cut.cluster, &["--jobs", "3"], Kind::Verify)
            .says("bytes in the store instead of");
    }
}

#[test]
fn another_dump_in_its_place_is_noticed_though_it_decrypts() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("swapped");
    cluster.psql(&database, "CREATE TABLE t (n int); INSERT INTO t VALUES (1)");
    let (one, two) = (Place::folder(), Place::folder());
    one.backup(&cluster.url(&database), &[]);
    cluster.psql(&database, "UPDATE t SET n = 2");
    two.backup(&cluster.url(&database), &[]);
    // Whoever knows the recipient and may write to the store: the same tables, other rows.
    forge_dump(&one, two.get(&two.key(DUMP)));
    restore_fails(&one, cluster, &["--jobs", "2"], Kind::Verify);
}

#[test]
fn reads_that_break_go_on_and_refusals_leave_no_database() {
    let cut = Cut::shared();
    let bucket = Garage::shared().place("hands");
    let there = Place::S3(bucket.clone());
    for key in cut.encrypted.keys() {
        there.put(&key, cut.encrypted.get(&key));
    }
    let behind = || {
        let proxy = FaultProxy::start(&bucket.endpoint);
        let place = Place::S3(bucket.through(&proxy.endpoint()));
        (proxy, place)
    };
    let rule = |fault| Rule::new(Operation::Get, fault).key_end(DUMP);
    // Headers are read too, and are too short to break off so late.
    let long = |request: &Request| {
        let range = request.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        range.is_some_and(|(from, to)| to.parse::<u64>().unwrap() - from.parse::<u64>().unwrap() > 2_000_000)
    };

    let (proxy, place) = behind();
    proxy.inject(rule(Fault::Cut(100_000)).when(long).times(2));
    proxy.inject(rule(Fault::Stall(1_000_000)).when(long).times(1));
    proxy.inject(rule(Fault::Answer(503, "SlowDown")).when(long).times(2));
    let copy = fresh("hands");
    let words = ["restore", "latest", "--to", &cut.cluster.url(&copy), "--jobs", "3", "--timeout", "2s"];
    let run = place.opens(&words).succeeds().says("resumed at byte");
    let rows = "SELECT count(*), sum(hashtextextended(bulk::text, 0)) FROM bulk";
    assert_eq!(cut.cluster.psql(&copy, rows), cut.cluster.psql(&cut.database, rows), "{run}");

    let (proxy, place) = behind();
    proxy.inject(rule(Fault::Answer(403, "AccessDenied")).after(6));
    restore_fails(&place, &cut.cluster, &["--jobs", "3"], Kind::Store);
}

#[test]
fn a_killed_pg_restore_leaves_no_database() {
    let stuck = Stuck::shared();
    let copy = fresh("killed");
    let running = stuck.restore(&copy, &["--jobs", "2"]);
    let pg_restore = children(running.pid(), "pg_restore");
    assert!(!pg_restore.is_empty());
    for pid in pg_restore {
        kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::KILL).unwrap();
    }
    running.wait().assert_failure(Kind::Postgres).says("killed by signal 9");
    stuck.is_gone(&copy);
    stuck.goes_through(&copy);
}

#[test]
fn a_session_that_is_lost_is_begun_again_and_no_row_comes_twice() {
    let stuck = Stuck::shared();
    let copy = fresh("lost");
    let running = stuck.restore(&copy, &["--jobs", "2"]);
    // The next try is not held up.
    let filling = named(stuck.cluster, &copy);
    stuck
        .cluster
        .psql(&filling, "CREATE OR REPLACE FUNCTION hold(n int) RETURNS bool LANGUAGE sql RETURN true");
    stuck.end_session(&copy);
    let run = running.wait().assert_success().says("loading it again").says("proven: 3,000 rows");
    assert_eq!(
        stuck.cluster.psql(&copy, "SELECT count(*), count(DISTINCT n) FROM slow"),
        "2000|2000",
        "{run}"
    );
}

#[test]
fn a_session_that_is_lost_again_and_again_ends_the_restore() {
    let stuck = Stuck::shared();
    let copy = fresh("ended");
    let running = stuck.restore(&copy, &["--jobs", "2"]);
    for _ in 0..2 {
        stuck.end_session(&copy);
        std::thread::sleep(std::time::Duration::from_secs(1));
        stuck.until_in_the_middle(&copy);
    }
    stuck.end_session(&copy);
    running.wait().assert_failure(Kind::Postgres);
    stuck.is_gone(&copy);
}

#[test]
fn signals_end_all_workers_in_order() {
    let stuck = Stuck::shared();
    for (signal, kind) in [(Signal::TERM, Kind::Terminated), (Signal::INT, Kind::Interrupted)] {
        let copy = fresh("signal");
        let running = stuck.restore(&copy, &["--jobs", "4"]);
        let pid = running.pid();
        running.signal(signal);
        running.wait().assert_failure(kind);
        stuck.is_gone(&copy);
        assert!(children(pid, "pg_restore").is_empty());
    }
}

#[test]
fn a_failure_after_the_data_leaves_no_database() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("later");
    // The view is refreshed when all is there, and divides by a setting that only the source has.
    let sql = "CREATE TABLE t (n int); INSERT INTO t VALUES (1);
        CREATE FUNCTION risky(n int) RETURNS int LANGUAGE plpgsql AS
          $$ BEGIN RETURN n / current_setting('app.divisor')::int; END $$;
        SET app.divisor = 1;
        CREATE MATERIALIZED VIEW m AS SELECT public.risky(n) FROM public.t;";
    cluster.psql(&database, sql);
    let place = Place::folder();
    place.backup(&cluster.url(&database), &[]);
    restore_fails(&place, cluster, &["--jobs", "2"], Kind::Postgres).says("app.divisor");
    restore_fails(&place, cluster, &["--jobs", "1"], Kind::Postgres).says("app.divisor");
}

#[test]
fn nothing_moves_where_there_is_no_room_for_the_table_of_contents() {
    let stuck = Stuck::shared();
    let copy = fresh("full");
    stuck
        .place
        .opens(&["restore", "latest", "--to", &stuck.cluster.url(&copy), "--jobs", "2"])
        .env("TMPDIR", "/nowhere")
        .fails(Kind::LocalFile)
        .says("TMPDIR");
    assert!(!stuck.cluster.has_database(&copy));
}
