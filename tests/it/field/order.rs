//! Tables that need others to be there before them, and sessions that are dead on one side only.

use crate::scene::{Place, add_bulk, fresh};
use crate::servers::at_once;
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Rows that a constraint compares with another table's, which several workers load later.
#[test]
fn a_table_that_looks_at_another_is_loaded_after_it() {
    for major in [Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("looks");
        for (table, kib) in [("first", 36 << 10), ("second", 34 << 10)] {
            add_bulk(cluster, &database, kib);
            cluster.psql(
                &database,
                &format!("ALTER TABLE bulk RENAME TO {table}; ALTER INDEX bulk_pkey RENAME TO {table}_pkey"),
            );
        }
        cluster.psql(
            &database,
            "CREATE TABLE third AS SELECT 7 AS n;
         CREATE FUNCTION known(n int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
           IF pg_relation_size(('public.th' || 'ird')::regclass) = 0 THEN RAISE 'nothing is known'; END IF;
           RETURN true;
         END $$;
         ALTER TABLE first ADD CHECK (public.known(n));",
        );
        let place = Place::folder();
        let words = [
            "backup",
            &cluster.url(&database),
            "--no-encryption",
            "--compression-level",
            "1",
            "--name",
            "app",
        ];
        place.pgstow(&words).succeeds();
        let copy = fresh("looks");
        place
            .opens(&["restore", "latest", "--jobs", "2", "--to", &cluster.url(&copy)])
            .succeeds()
            .says("loading it again when all other tables are there")
            .says("proven: ");
    }
}

/// Tables whose values are computed from those of tables with later names. The server looks into functions in SQL when it
/// creates such a table.
const COMPUTED: &str = "CREATE TABLE rates (n int, rate int); INSERT INTO rates VALUES (1, 7);
    CREATE FUNCTION rate(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
        'BEGIN RETURN (SELECT r.rate FROM public.rates r WHERE r.n = $1); END';
    CREATE TABLE base (n int, rated int GENERATED ALWAYS AS (public.rate(n)) STORED); INSERT INTO base VALUES (1);
    CREATE FUNCTION rated(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
        'BEGIN RETURN (SELECT b.rated FROM public.base b WHERE b.n = $1); END';
    CREATE TABLE also (n int CHECK (public.rated(n) IS NOT NULL), twice int GENERATED ALWAYS AS (2 * public.rated(n)) STORED);
    INSERT INTO also VALUES (1);";

#[test]
fn what_is_computed_from_other_tables_is_computed_when_their_rows_are_there() {
    for major in [Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("computed");
        cluster.psql(&database, COMPUTED);
        let place = Place::folder();
        place.backup(&cluster.url(&database), &[]);
        let values = "SELECT (SELECT rated FROM base), (SELECT twice FROM also)";
        for jobs in ["1", "2"] {
            let copy = fresh("computed");
            let restore = ["restore", "latest", "--jobs", jobs, "--proof", "digests", "--to"];
            let run = place.opens(&restore).arg(cluster.url(&copy)).succeeds();
            let run = run.says("proven: 3 rows in 3 tables, digest by digest");
            assert!(!run.stderr.contains("generated columns"), "{run}");
            assert_eq!(cluster.psql(&copy, values), "7|14", "{jobs}");
            let into = ["restore", "latest", "-t", "also", "-t", "base", "--truncate", "--into"];
            place.opens(&into).arg(cluster.url(&copy)).succeeds();
            assert_eq!(cluster.psql(&copy, values), "7|14", "{jobs}");
        }
        let part = |words: &[&str]| {
            let copy = fresh("computed");
            let run = place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).args(words).succeeds();
            (cluster.psql(&copy, "SELECT rated FROM base"), run)
        };
        let (rated, run) = part(&["-t", "base", "-t", "rates"]);
        assert!(rated == "7" && !run.stderr.contains("generated columns"), "{rated}: {run}");
        let lacking = "generated columns of public.base are computed without the rows of public.rates";
        let (rated, run) = part(&["-T", "also", "--exclude-table-data", "rates"]);
        assert_eq!(rated, "", "{run}");
        run.says(lacking).says("do not exclude them");
        // Nothing says that the table itself is needed, either.
        let lonely = ["restore", "latest", "-t", "base", "--to", &cluster.url(&fresh("computed"))];
        place.opens(&lonely).run().says(lacking).says("add --table public.rates");
        // The rows pass in pg_dump's order.
        cluster.psql(&database, "DROP TABLE also");
        let run = place.pgstow(&["clone", &cluster.url(&database), &fresh("computed")]).succeeds();
        run.says("generated columns may have other values: public.base");
    }
}

/// Small tables are loaded together; what one of them needs is not seen in any text.
#[test]
fn a_table_that_is_refused_does_not_keep_those_out_that_it_needs() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("refused");
    cluster.psql(
        &database,
        "CREATE TABLE rates AS SELECT 1 AS n;
         CREATE FUNCTION known(n int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
           RETURN pg_relation_size(('public.ra' || 'tes')::regclass) > 0;
         END $$;
         CREATE TABLE against (n int CHECK (public.known(n))); INSERT INTO against VALUES (1);",
    );
    let place = Place::folder();
    place.backup(&cluster.url(&database), &[]);
    let copy = fresh("refused");
    let one = ["restore", "latest", "--jobs", "1", "--to", &cluster.url(&copy)];
    place.opens(&one).fails(Kind::Postgres).says("violates check constraint").says("--jobs 2 may help");
    place
        .opens(&["restore", "latest", "--jobs", "2", "--to", &cluster.url(&copy)])
        .succeeds()
        .says("loading it again when all other tables are there")
        .says("proven: 2 rows in 2 tables");
}

/// Passes connections on; the first that loads the table `slow` dies towards the client, and lives on towards the
/// server.
fn half_dead(port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    let died = Arc::new(AtomicBool::new(false));
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(|client| client.and_then(at_once).ok()) {
            let server = TcpStream::connect(("127.0.0.1", port)).and_then(at_once).unwrap();
            let died = Arc::clone(&died);
            let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
            std::thread::spawn(move || pass(client, server, &died));
        }
    });
    own
}

static KEPT: Mutex<Vec<TcpStream>> = Mutex::new(Vec::new());

fn pass(mut client: TcpStream, mut server: TcpStream, died: &AtomicBool) {
    let (mut buffer, mut loads, mut passed) = (vec![0; 8 << 10], false, 0);
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        let bytes = &buffer[..count];
        loads |= bytes.windows(16).any(|window| window == b"COPY public.slow");
        passed += if loads { count } else { 0 };
        if passed > 64 << 10 && !died.swap(true, Ordering::Relaxed) {
            let _ = client.shutdown(Shutdown::Both);
            // The server does not learn of it for as long as the test runs.
            KEPT.lock().unwrap().push(server);
            return;
        }
        if server.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}

#[test]
fn a_session_that_is_dead_on_our_side_only_is_ended_on_the_server() {
    for major in [Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("half");
        cluster.psql(
            &database,
            "CREATE TABLE slow (n int PRIMARY KEY, word text);
             INSERT INTO slow SELECT n, repeat('x', 200) FROM generate_series(1, 60000) n",
        );
        let place = Place::folder();
        place.backup(&cluster.url(&database), &[]);
        let copy = fresh("half");
        let port = half_dead(cluster.port);
        let to = cluster.url(&copy).replace(&format!(":{}/", cluster.port), &format!(":{port}/"));
        place
            .opens(&["restore", "latest", "--jobs", "2", "--to", &format!("{to}?sslmode=disable")])
            .succeeds()
            .says("loading it again")
            .says("proven: 60,000 rows");
        assert_eq!(cluster.psql(&copy, "SELECT count(*) FROM slow"), "60000");
    }
}
