//! A server with little room for locks, and more objects than one transaction can hold.

use super::as_script;
use crate::harness::pgstow;
use crate::scene::{Place, every_client, fresh};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;

/// Three hundred tables with serial keys, and six hundred large objects.
const MANY: &str = "DO $$ BEGIN
  FOR n IN 1..300 LOOP
    EXECUTE format('CREATE TABLE t%s (id serial PRIMARY KEY, word text); INSERT INTO t%1$s (word) VALUES (%1$s)', n);
    COMMIT;
  END LOOP;
  FOR n IN 1..600 LOOP
    PERFORM lo_from_bytea(5000 + n, 'x');
    EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO PUBLIC', 5000 + n);
    COMMIT;
  END LOOP;
END $$";

fn every_way_works(major: Major) {
    let source = Cluster::shared(major);
    let limited = Cluster::start_with(major, &["max_locks_per_transaction=16", "max_connections=20"]);
    let database = source.create_database("many");
    source.psql(&database, MANY);
    let place = Place::folder();
    place.backup(&source.url(&database), &[]);
    let scripts = as_script(&place);

    let ways: [(&Place, &[&str]); 4] =
        [(&place, &[]), (&place, &["--jobs", "1"]), (&place, &["--jobs", "4"]), (&scripts, &[])];
    for (place, words) in ways {
        let copy = fresh("many");
        place.opens(&["restore", "latest", "--to", &limited.url(&copy)]).args(words).succeeds();
        let counted = "SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relname ~ '^t[0-9]'";
        assert_eq!(limited.psql(&copy, counted), "300", "{words:?}");
        assert_eq!(limited.psql(&copy, "SELECT count(*) FROM pg_largeobject_metadata"), "600", "{words:?}");
        limited.psql("postgres", &format!("DROP DATABASE {copy}"));
    }
    for jobs in ["1", "4"] {
        let (from, to) = (source.url(&database), limited.url(&fresh("copy")));
        pgstow(["clone", &from, &to, "--jobs", jobs]).env("PATH", every_client()).succeeds();
    }
    place
        .opens(&["verify", "latest", "--restore", "--to", &limited.url("")])
        .succeeds()
        .says("300 rows in 300 tables");

    // What was there before is filled in one transaction, or not at all.
    let existing = limited.create_database("existing");
    place
        .opens(&["restore", "latest", "--to", &limited.url(&existing), "--jobs", "1"])
        .fails(Kind::Postgres)
        .says("that takes 1500 locks or more, and the server has room for about 320")
        .says("max_locks_per_transaction on the server to 30");
}

#[test]
fn more_objects_than_locks_are_restored_every_way_on_the_distribution_s_major() {
    every_way_works(Major::Distribution);
}

#[test]
fn more_objects_than_locks_are_restored_every_way_on_18() {
    every_way_works(Major::V18);
}
