//! Extensions come back where they are installed, and are missed aloud where they are not.

use super::scene::{restored, there_and_back};
use crate::scene::{Place, restore_fails};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;

#[test]
fn extensions_come_back_with_their_columns_and_indexes() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("extended");
    cluster.psql(
        &database,
        "CREATE SCHEMA ext; CREATE EXTENSION hstore SCHEMA ext; CREATE EXTENSION citext; CREATE EXTENSION btree_gist;
         CREATE EXTENSION pg_trgm; COMMENT ON EXTENSION citext IS 'ours';
         CREATE TABLE t (k citext PRIMARY KEY, v ext.hstore DEFAULT 'a=>1', r int4range, n int,
             EXCLUDE USING gist (n WITH =, r WITH &&));
         CREATE INDEX ON t USING gin (k gin_trgm_ops);
         INSERT INTO t VALUES ('Ab', NULL, '[1,2)', 1), ('ac', 'x=>\"\\\\ \\\" \n\"', '[1,2)', 2);",
    );
    let place = there_and_back(cluster, &database, &[]);

    // A server without them: said, and nothing is left.
    restore_fails(&place, Cluster::shared(Major::V16), &[], Kind::Postgres).says("extension");
}

#[test]
fn vectors_come_back_in_the_next_major() {
    let (source, target) = (Cluster::shared(Major::V16), Cluster::shared(Major::V18));
    let database = source.create_database("vectors");
    source.psql(
        &database,
        "CREATE EXTENSION vector; CREATE TABLE t (id int PRIMARY KEY, v vector(3));
         INSERT INTO t SELECT n, format('[%s,0.5,-1e-3]', n)::vector FROM generate_series(1, 500) n;
         CREATE INDEX ON t USING hnsw (v vector_l2_ops);",
    );
    let place = Place::folder();
    place.backup(&source.url(&database), &[]);
    for jobs in ["1", "2"] {
        let copy = restored(&place, target, &["--jobs", jobs]);
        let digest = "SELECT count(*), md5(string_agg(v::text, ',' ORDER BY id)) FROM t";
        assert_eq!(target.psql(&copy, digest), source.psql(&database, digest));
    }
}
