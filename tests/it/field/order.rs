//! Tables that need others to be there before them, and sessions that are dead on one side only.

use crate::scene::{Place, add_bulk, fresh};
use crate::servers::postgres::{Cluster, Major};
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
           IF NOT EXISTS (SELECT FROM public.third) THEN RAISE 'nothing is known'; END IF; RETURN true;
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

/// Passes connections on; the first that loads the table `slow` dies towards the client, and lives on towards the
/// server.
fn half_dead(port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    let died = Arc::new(AtomicBool::new(false));
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
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
