//! Servers and clients of several majors side by side: what goes together, and what is refused before any data moves.

use super::scene::{copied_plainly, everything, restored, roles, same};
use crate::scene::{Keys, Place, fresh, restore_fails};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;

fn bin(major: Major) -> String {
    major.bin().to_str().unwrap().to_owned()
}

/// Into its own major: `everything_comes_back_in_every_major`.
#[test]
fn a_backup_restores_into_the_next_major() {
    std::thread::scope(|scope| {
        for pair in Major::ALL.windows(2) {
            scope.spawn(move || {
                let (source, target) = (Cluster::shared(pair[0]), Cluster::shared(pair[1]));
                let database = everything(source, "majors");
                roles(target);
                let place = Place::folder();
                place.backup(&source.url(&database), &[]);
                let plain = target.text_of(&copied_plainly(pair[0], source, &database, target));
                for jobs in ["1", "2"] {
                    let copy = restored(&place, target, &["--jobs", jobs]);
                    same(&target.text_of(&copy), &plain);
                }
            });
        }
    });
}

/// An old server's dump by the newest client, as where only that one is installed.
#[test]
fn a_newer_client_dumps_an_older_server() {
    let (source, target) = (Cluster::shared(Major::Distribution), Cluster::shared(Major::V18));
    let database = everything(source, "newer");
    roles(target);
    let place = Place::folder();
    let taken = place.pgstow(&["backup", &source.url(&database), "--recipient", &Keys::shared().recipient]);
    let taken = taken.args(["--pg-bin", &bin(Major::V18)]).succeeds();
    taken.says("can be restored into PostgreSQL 17 or newer only").says("postgresql-client-15");
    let copy = restored(&place, target, &["--pg-bin", &bin(Major::V18)]);
    same(&target.text_of(&copy), &target.text_of(&copied_plainly(Major::V18, source, &database, target)));

    // What that client wrote goes nowhere older than 17, not even home; said at once.
    for old in [Major::Distribution, Major::V16] {
        restore_fails(&place, Cluster::shared(old), &[], Kind::Postgres)
            .says("older than the archive allows")
            .says("/^SET transaction_timeout/d");
    }
}

#[test]
fn an_older_client_never_begins_a_dump() {
    for (server, client) in
        [(Major::V16, Major::Distribution), (Major::V17, Major::V16), (Major::V18, Major::V17)]
    {
        let cluster = Cluster::shared(server);
        let database = cluster.create_database("toonew");
        for place in [Place::folder(), Place::garage("toonew")] {
            place
                .pgstow(&["backup", &cluster.url(&database), "--recipient", &Keys::shared().recipient])
                .args(["--pg-bin", &bin(client)])
                .fails(Kind::Settings)
                .says("an older pg_dump cannot dump it")
                .says(&format!("postgresql-client-{}", server.number()));
            assert!(place.keys().is_empty());
            if let Place::S3(s3) = &place {
                assert!(s3.unfinished_uploads().is_empty());
            }
        }
    }
}

#[test]
fn an_archive_is_never_given_to_a_client_or_server_that_cannot_take_it() {
    let refused = |source: Major, target: Major, client: Option<Major>, kind: Kind, words: &str| {
        let cluster = Cluster::shared(source);
        let database = cluster.create_database("refused");
        cluster.psql(&database, "CREATE TABLE t AS SELECT generate_series(1, 100)");
        let place = Place::folder();
        place.backup(&cluster.url(&database), &[]);
        let bin = client.map(bin);
        for jobs in ["1", "2"] {
            let mut arguments = vec!["--jobs", jobs];
            arguments.extend(bin.iter().flat_map(|bin| ["--pg-bin", bin]));
            let run = restore_fails(&place, Cluster::shared(target), &arguments, kind);
            assert!(run.stderr.contains(words), "{source:?} into {target:?} by {client:?}: {run}");
        }
    };
    // The archive is too new for the client.
    let newer = |major: u32| format!("needs a pg_restore of PostgreSQL {major} or newer");
    refused(Major::V16, Major::V16, Some(Major::Distribution), Kind::Settings, &newer(16));
    refused(Major::V17, Major::V17, Some(Major::V16), Kind::Settings, &newer(17));
    refused(Major::V18, Major::V18, Some(Major::V17), Kind::Settings, &newer(18));
    // The client is too new for the target: it begins with what older servers refuse.
    let between = "or newer and at most 16";
    refused(Major::Distribution, Major::Distribution, Some(Major::V17), Kind::Settings, between);
    refused(Major::Distribution, Major::V16, Some(Major::V18), Kind::Settings, between);
    // The archive is too new for the target, whatever clients there are.
    let old = "older than the archive allows";
    refused(Major::V17, Major::V16, None, Kind::Postgres, old);
    refused(Major::V17, Major::Distribution, None, Kind::Postgres, old);
    refused(Major::V18, Major::V16, None, Kind::Postgres, old);
    refused(Major::V18, Major::Distribution, None, Kind::Postgres, old);
}

#[test]
fn what_only_the_newer_server_understands_leaves_nothing_in_an_older_one() {
    let (new, old) = (Cluster::shared(Major::V18), Cluster::shared(Major::V17));
    let database = new.create_database("virtual");
    new.psql(&database, "CREATE TABLE t (n int, m int GENERATED ALWAYS AS (n + 1) VIRTUAL)");
    let place = Place::folder();
    place.backup(&new.url(&database), &[]);
    restore_fails(&place, old, &[], Kind::Postgres).says("is older than the server that was dumped");
    restore_fails(&place, old, &["--jobs", "2"], Kind::Postgres);
    // And one client only, where it fits.
    let alone = fresh("alone");
    place.opens(&["restore", "latest", "--to", &new.url(&alone), "--pg-bin", &bin(Major::V18)]).succeeds();
}

#[test]
fn statistics_are_left_out_if_the_server_has_no_functions_for_them() {
    let (new, old) = (Cluster::shared(Major::V18), Cluster::shared(Major::V17));
    let database = new.create_database("statistics");
    new.psql(&database, "CREATE TABLE t AS SELECT generate_series(1, 1000) n; ANALYZE");
    let place = Place::folder();
    place.backup(&new.url(&database), &["--pg-dump-arg=--statistics"]);
    let copy = restored(&place, new, &[]);
    assert_eq!(new.psql(&copy, "SELECT count(*) FROM t"), "1000");
    for jobs in ["1", "2"] {
        let copy = fresh("older");
        let run = place.opens(&["restore", "latest", "--to", &old.url(&copy), "--jobs", jobs]).succeeds();
        run.says("left out: the statistics of 1 object");
        assert_eq!(old.psql(&copy, "SELECT count(*) FROM pg_stats WHERE tablename = 't'"), "1");
    }
    // Without them the older server takes it, since nothing else in it is new.
    let plain = Place::folder();
    plain.backup(&new.url(&database), &[]);
    restored(&plain, old, &["--jobs", "2"]);
    // And one client only, where it fits.
    let alone = fresh("alone");
    plain.opens(&["restore", "latest", "--to", &new.url(&alone), "--pg-bin", &bin(Major::V18)]).succeeds();
}
