//! Databases that hold everything, nothing, and names that are not text.

use super::scene::{everything, restored, there_and_back};
use crate::inventory::COUNTS;
use crate::scene::{Place, fetch, fresh, restore_fails};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;

#[test]
fn everything_comes_back_in_every_major() {
    std::thread::scope(|scope| {
        for major in Major::ALL {
            scope.spawn(move || {
                let cluster = Cluster::shared(major);
                there_and_back(cluster, &everything(cluster, "everything"), &[]);
            });
        }
    });
}

/// The hash of an enum's value is another in every database, so `pg_dump` has such rows loaded through the
/// root, and they land in other partitions than they came from.
#[test]
fn rows_that_change_their_partition_come_back() {
    let cluster = Cluster::shared(Major::V18);
    let database = everything(cluster, "through_root");
    let partition =
        |n| format!("CREATE TABLE moods_{n} PARTITION OF moods FOR VALUES WITH (MODULUS 3, REMAINDER {n});");
    cluster.psql(
        &database,
        &format!(
            "CREATE TYPE mood AS ENUM ({}); CREATE TABLE moods (mood mood, n int) PARTITION BY HASH (mood); {}
             INSERT INTO moods SELECT ('m' || n % 30)::mood, n FROM generate_series(1, 3000) n",
            (0..30).map(|n| format!("'m{n}'")).collect::<Vec<_>>().join(","),
            [0, 1, 2].map(partition).concat(),
        ),
    );
    let rows = "SELECT count(*), md5(string_agg(mood::text || n, ',' ORDER BY n)) FROM moods";
    let places = "SELECT md5(string_agg(tableoid::regclass::text, ',' ORDER BY n)) FROM moods";
    for words in [&[][..], &["--pg-dump-arg=--load-via-partition-root"]] {
        let place = Place::folder();
        place.backup(&cluster.url(&database), words);
        for jobs in ["1", "3"] {
            let copy = restored(&place, cluster, &["--jobs", jobs]);
            assert_eq!(cluster.psql(&copy, rows), cluster.psql(&database, rows));
            let (copied, original) = (cluster.psql(&copy, COUNTS), cluster.psql(&database, COUNTS));
            let others = |counts: &str| {
                let others = counts.lines().filter(|line| !line.starts_with("public|moods_"));
                others.map(str::to_owned).collect::<Vec<_>>()
            };
            assert_eq!(others(&copied), others(&original));
            let moved = cluster.psql(&copy, places) != cluster.psql(&database, places);
            assert!(moved, "no row has changed its partition, so nothing was shown");
        }
    }
}

#[test]
fn nothing_comes_back_as_nothing() {
    for major in Major::ALL {
        let cluster = Cluster::shared(major);
        there_and_back(cluster, &cluster.create_database("void"), &[]);
    }
}

/// In an SQL_ASCII database any bytes are a name, and no server can say in which encoding.
#[test]
fn names_that_are_no_text_come_back() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = fresh("ascii");
    let create = "TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'";
    cluster.psql("postgres", &format!("CREATE DATABASE {database} {create}"));
    cluster.psql(
        &database,
        r"DO $$ DECLARE odd text; BEGIN
            odd := quote_ident(convert_from('\xe4fff6', 'SQL_ASCII'));
            EXECUTE format('CREATE SCHEMA %s; CREATE TABLE %s.%s (%s text)', odd, odd, odd, odd);
            EXECUTE format('INSERT INTO %s.%s VALUES (%L), (NULL)', odd, odd, convert_from('\x80ff', 'SQL_ASCII'));
        END $$",
    );
    let place = Place::folder();
    place.backup(&cluster.url(&database), &[]);
    let bytes_of = |database: &str| {
        let mut dump = cluster.client("pg_dump");
        let output = dump.args(["--no-password", "--restrict-key=none", database]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    for jobs in ["1", "3"] {
        let copy = restored(&place, cluster, &["--jobs", jobs]);
        assert!(bytes_of(&copy) == bytes_of(&database), "{copy} differs from {database}");
    }
    let shown = place.opens(&["show", "latest", "--tables"]).succeeds().text();
    // As it can be typed, each byte a character: this one table's rows, and no other's.
    assert!(shown.contains("äÿö.äÿö"), "{shown}");
    let rows = fetch(&place, &["latest", "-t", "äÿö.äÿö", "--format", "copy"]);
    assert_eq!(rows, [0x80, 0xff, b'\n', b'\\', b'N', b'\n']);
}

/// No server makes them one as `pg_dump` writes it.
#[test]
fn exclusion_constraints_of_partitioned_tables_come_back() {
    let exclude = "
        CREATE TABLE e (id int4range, \"V x\" daterange, EXCLUDE USING gist (id WITH =, \"V x\" WITH &&) WHERE (NOT isempty(id)))
          PARTITION BY RANGE (id);
        CREATE TABLE e_a PARTITION OF e FOR VALUES FROM ('[0,1)') TO ('[9,10)') PARTITION BY RANGE (id);
        CREATE TABLE e_a_b PARTITION OF e_a FOR VALUES FROM ('[0,1)') TO ('[5,6)');
        CREATE INDEX ON e (id); INSERT INTO e VALUES ('[1,2)', '[2020-01-01,2020-02-01)');
        COMMENT ON CONSTRAINT \"e_a_id_V x_excl\" ON e_a IS 'of a partition';";
    let overlaps = "
        CREATE TABLE o (id int4range, v daterange, PRIMARY KEY (id, v WITHOUT OVERLAPS)) PARTITION BY LIST (id);
        CREATE TABLE o_a PARTITION OF o FOR VALUES IN ('[1,2)');
        CREATE TABLE r (id int4range, v daterange, FOREIGN KEY (id, PERIOD v) REFERENCES o (id, PERIOD v));
        CREATE TABLE late (id int4range, v daterange) PARTITION BY LIST (id);
        CREATE TABLE late_a PARTITION OF late FOR VALUES IN ('[1,2)');
        ALTER TABLE late ADD CONSTRAINT own UNIQUE (id, v WITHOUT OVERLAPS)";
    for (major, sql) in [(Major::V17, exclude.to_owned()), (Major::V18, format!("{exclude}{overlaps}"))] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("excluded");
        cluster.psql(&database, &sql);
        there_and_back(cluster, &database, &[]);
    }
    // What the server would name otherwise is not given another name.
    let cluster = Cluster::shared(Major::V17);
    let database = cluster.create_database("renamed");
    cluster.psql(
        &database,
        &format!("{exclude} ALTER TABLE e_a_b RENAME CONSTRAINT \"e_a_b_id_V x_excl\" TO other"),
    );
    let place = Place::folder();
    place.backup(&cluster.url(&database), &[]);
    restore_fails(&place, cluster, &[], Kind::Postgres).says("cannot attach index").says("--on-error keep");
}
