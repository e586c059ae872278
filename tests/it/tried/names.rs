//! Functions that find what they name by the search path, in indexes, constraints and materialized views: nobody can
//! restore these with an empty path, nor can the server make a plan for their table.

use crate::harness::pgstow;
use crate::scene::{Place, every_client, fresh};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use tempfile::TempDir;

/// A table large enough for several sessions, with an index that only a plan with the search path can have.
const UNACCENTED: &str = "CREATE EXTENSION unaccent;
    CREATE FUNCTION plain(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT unaccent(lower($1))';
    CREATE TABLE words AS SELECT n, 'Élan ' || n AS word, repeat('x', 500) AS more FROM generate_series(1, 4000) n;
    CREATE INDEX ON words (plain(word));
    CREATE TABLE others AS SELECT n, repeat('y', 500) AS more FROM generate_series(1, 4000) n;
    CREATE TABLE checked (word text CHECK (plain(word) <> 'no'), small text GENERATED ALWAYS AS (plain(word)) STORED);
    INSERT INTO checked VALUES ('Été');
    CREATE MATERIALIZED VIEW plainly AS SELECT plain(word) AS word FROM words";

#[test]
fn functions_that_name_no_schema_are_dumped_and_restored() {
    for major in [Major::V14, Major::Distribution] {
        let cluster = Cluster::shared(major);
        let (database, url) = (cluster.create_database("named"), |name: &str| cluster.url(name));
        cluster.psql(&database, UNACCENTED);
        let place = Place::folder();
        let run = place
            .opens(&[
                "backup",
                &url(&database),
                "--readers",
                "2",
                "--reader-range",
                "256KiB",
                "--no-encryption",
            ])
            .succeeds()
            .says(
                "public.words is read by one session: to read a range of it, the server would call functions",
            );
        assert!(run.stderr.contains("reading 1 large table"), "{run}");
        let text = cluster.text_of(&database);
        let restore =
            |name: &str, words: &[&str]| place.opens(&["restore", "latest", "--to", &url(name)]).args(words);
        for jobs in ["1", "2"] {
            let copy = fresh("copy");
            let run = restore(&copy, &["--jobs", jobs]).fails(Kind::Postgres);
            run.says("function unaccent(text) does not exist").says("--search-path public");
            for proof in ["counts", "digests"] {
                let copy = fresh("copy");
                let words = ["--jobs", jobs, "--proof", proof, "--search-path", "public"];
                let run = restore(&copy, &words).succeeds().says("proven: 8,001 rows in 3 tables");
                assert!(!run.stderr.contains("ANALYZE failed"), "{run}");
                assert_eq!(cluster.text_of(&copy), text);
                assert_eq!(cluster.psql(&copy, "SELECT count(*) FROM plainly WHERE word = 'elan 7'"), "1");
            }
        }
        let clone = fresh("clone");
        let words = ["clone", &url(&database), &url(&clone), "--search-path", "public"];
        pgstow(words).env("PATH", every_client()).succeeds().says("proven: 8,001 rows");
        assert_eq!(cluster.text_of(&clone), text);
        let into = ["restore", "latest", "--into", &url(&clone), "--table", "checked", "--truncate"];
        place.opens(&into).fails(Kind::Postgres).says("--search-path public");
        place.opens(&into).args(["--search-path", "public"]).succeeds();
        assert_eq!(cluster.text_of(&clone), text);
    }
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("named");
    cluster.psql(&database, UNACCENTED);
    let place = Place::folder();
    place.backup(&cluster.url(&database), &[]);
    place.opens(&["verify", "latest", "--restore"]).fails(Kind::Verify).says("--search-path public");
    place
        .opens(&["verify", "latest", "--restore", "--search-path", "public"])
        .succeeds()
        .says("proven: 8,001 rows");
    let folder = TempDir::new().unwrap();
    let settings = folder.path().join("pgstow.toml");
    std::fs::write(&settings, "search_path = \" \"").unwrap();
    place
        .opens(&["restore", "latest", "--to", &cluster.url(&fresh("none"))])
        .env("PGSTOW_CONFIG", &settings)
        .fails(Kind::Usage)
        .says("--search-path names no schema");
    let words = ["restore", "latest", "--to", &cluster.url(&fresh("none")), "--search-path", "a b"];
    place.opens(&words).fails(Kind::Postgres).says("search_path");
}

/// A plan calls functions of indexes and statistics, as whoever asks for it: a backup often is a superuser's.
#[test]
fn no_function_of_a_table_s_owner_runs_in_the_backup_s_sessions() {
    for major in [Major::V14, Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let (database, owner) = (cluster.create_database("trap"), fresh("owner"));
        cluster.psql(
            &database,
            &format!(
                "CREATE ROLE {owner}; GRANT CREATE ON SCHEMA public TO {owner}; CREATE TABLE seen (who name); GRANT ALL ON seen TO PUBLIC;
                 SET ROLE {owner};
                 CREATE FUNCTION writes(text) RETURNS text LANGUAGE plpgsql AS
                   'BEGIN INSERT INTO public.seen VALUES (current_user); RETURN $1; END';
                 CREATE FUNCTION trap(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN (SELECT public.writes($1)); END';
                 CREATE TABLE expression AS SELECT n, repeat('x', 500) AS more FROM generate_series(1, 4000) n;
                 CREATE TABLE predicate AS SELECT * FROM expression; CREATE TABLE stats AS SELECT * FROM expression;
                 CREATE TABLE checked AS SELECT * FROM expression; CREATE TABLE plain AS SELECT * FROM expression;
                 CREATE INDEX ON expression ((more || trap('x'))); CREATE INDEX ON predicate (n) WHERE trap('y') = 'y';
                 ALTER TABLE checked ADD CHECK (trap('z') = 'z' OR n > 0)"
            ),
        );
        if cluster.major.number() >= 14 {
            cluster.psql(&database, "CREATE STATISTICS s ON (trap('w') || more), n FROM stats");
        }
        cluster.psql(
            &database,
            &format!("ALTER DATABASE {database} SET constraint_exclusion = on; TRUNCATE seen"),
        );
        let place = Place::folder();
        let run = place
            .opens(&[
                "backup",
                &cluster.url(&database),
                "--readers",
                "2",
                "--reader-range",
                "256KiB",
                "--no-encryption",
            ])
            .succeeds();
        assert!(run.stderr.contains("reading 2 large tables"), "{run}");
        // autovacuum's ANALYZE calls them too, as their owner, whenever it likes
        let others = format!("SELECT DISTINCT who FROM seen WHERE who <> '{owner}'");
        assert_eq!(cluster.psql(&database, &others), "", "{run}");
    }
}
