//! `restore --into`: triggers that write rows, and those that leave some out.

use crate::scene::Place;
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;

#[test]
fn rows_that_triggers_leave_out_are_not_counted() {
    for major in [Major::V13, Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("left_out");
        cluster.psql(
            &database,
            "CREATE TABLE t AS SELECT generate_series(1, 10) AS id; CREATE TABLE other AS SELECT 1 AS id;
             CREATE FUNCTION odd() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN RETURN CASE new.id % 2 WHEN 1 THEN new END; END'",
        );
        let place = Place::folder();
        place.backup(&cluster.url(&database), &[]);
        cluster.psql(&database, "CREATE TRIGGER odd BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION odd()");
        let into =
            ["restore", "latest", "--into", &cluster.url(&database), "-t", "t", "-t", "other", "--json"];
        for words in [&[][..], &["--truncate"]] {
            let run = place.opens(&into).args(words).succeeds();
            assert_eq!(run.json()["rows"], 6, "{run}");
            run.says("public.t has 5 of 10 rows of the backup: its triggers left out the others")
                .says(": 6 of 11 rows, ");
        }
        assert_eq!(cluster.psql(&database, "SELECT count(*) FROM t"), "5");
    }
}

#[test]
fn a_row_that_a_trigger_wrote_is_not_called_one_that_was_there() {
    for (when, truncate) in [("BEFORE", false), ("AFTER", false), ("AFTER", true)] {
        let cluster = Cluster::shared(Major::Distribution);
        let database = cluster.create_database("triggered");
        cluster.psql(
            &database,
            &format!(
                "CREATE TABLE item (id int PRIMARY KEY, kind text); CREATE TABLE post (id int PRIMARY KEY, t text);
                 CREATE FUNCTION tg() RETURNS trigger LANGUAGE plpgsql AS
                     'BEGIN INSERT INTO public.item VALUES (new.id, ''post''); RETURN new; END';
                 CREATE TRIGGER \"Also item\" {when} INSERT ON post FOR EACH ROW EXECUTE FUNCTION tg();
                 INSERT INTO post VALUES (1, 'x'), (2, 'y')"
            ),
        );
        let place = Place::folder();
        place.backup(&cluster.url(&database), &["--name", "app"]);
        cluster.psql(&database, "TRUNCATE item, post");
        let words = ["restore", "latest", "--into", &cluster.url(&database), "-t", "item", "-t", "post"];
        let restore = || place.opens(&words).args(if truncate { &["--truncate"][..] } else { &[] });
        let run = restore().fails(Kind::Postgres).says("duplicate key");
        let run =
            run.says("ALTER TABLE \"public\".\"post\" DISABLE TRIGGER \"Also item\";").says("afterwards: ");
        assert!(!run.stderr.contains("--truncate removes"), "{run}");
        cluster.psql(&database, "ALTER TABLE \"public\".\"post\" DISABLE TRIGGER \"Also item\";");
        restore().succeeds();
    }
}
