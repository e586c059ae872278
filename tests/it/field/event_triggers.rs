//! Event triggers that write a row, or forbid what is done: a restore neither trips over them nor is seen by them.

use crate::scene::{Place, for_major, fresh};
use crate::servers::postgres::{Cluster, Major};

const WATCHED: &str = "CREATE TABLE seen (what text);
CREATE TABLE t (n int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100);
CREATE MATERIALIZED VIEW m AS SELECT sum(n) FROM t; CREATE INDEX ON m (sum);
CREATE FUNCTION see() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.seen VALUES (tg_tag); END $$;
CREATE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no changes here'; END $$;
CREATE EVENT TRIGGER see ON ddl_command_end EXECUTE FUNCTION see();
COMMENT ON EVENT TRIGGER see IS 'an audit';
/*17+*/CREATE EVENT TRIGGER see_login ON login EXECUTE FUNCTION see();
CREATE EVENT TRIGGER forbid ON ddl_command_start EXECUTE FUNCTION forbid();";

fn every_way_works(major: Major) {
    let cluster = Cluster::shared(major);
    let database = cluster.create_database("watched");
    cluster.psql(&database, &for_major(major, WATCHED));
    let place = Place::folder();
    place.backup(&cluster.url(&database), &[]);
    for words in [&["--jobs", "1"][..], &["--jobs", "3"], &["--jobs", "2", "--grant-read", "pg_monitor"]] {
        let copy = fresh("watched");
        let run = place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).args(words);
        // On 17 and newer no session of a superuser is seen; before that, grants are made with the triggers there.
        if words.len() > 2 && major.number() < 17 {
            continue;
        }
        run.succeeds().says("proven: ");
        let triggers = "SELECT count(*) FROM pg_event_trigger";
        assert_eq!(cluster.psql(&copy, triggers), cluster.psql(&database, triggers), "{words:?}");
    }
    place.opens(&["verify", "latest", "--restore", "--to", &cluster.url("")]).succeeds();
    place.opens(&["verify", "latest", "--restore"]).succeeds();
}

#[test]
fn a_restore_is_not_watched_on_the_distribution_s_major() {
    every_way_works(Major::Distribution);
}

#[test]
fn a_restore_is_not_watched_on_13() {
    every_way_works(Major::V13);
}

#[test]
fn a_restore_is_not_watched_on_18() {
    every_way_works(Major::V18);
}
