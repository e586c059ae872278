//! `verify --restore`: a restore is rehearsed, everything is looked at, and nothing is left.

use super::scene::{Play, clients_only, give_all};
use crate::scene::{Place, every_client, motley};
use crate::servers::postgres::{Cluster, Major, PASSWORD, USER};
use crate::servers::{as_server_user, folder};
use pgstow::error::Kind;
use serde_json::json;

/// Owners, grants and policies for roles that only the source's server has.
const ROLES: &str = r#"
DO $$ BEGIN
  CREATE ROLE "the ""boss"""; CREATE ROLE reader; CREATE ROLE größe SUPERUSER;
EXCEPTION WHEN duplicate_object THEN NULL; END $$;
CREATE SCHEMA s AUTHORIZATION "the ""boss""";
CREATE TABLE s.t (id serial PRIMARY KEY, n int NOT NULL UNIQUE);
INSERT INTO s.t (n) SELECT generate_series(1, 50);
ALTER TABLE s.t OWNER TO "the ""boss""";
GRANT SELECT (n), UPDATE (id) ON s.t TO reader;
CREATE POLICY mine ON s.t TO reader, "the ""boss""" USING (n > 1);
CREATE FUNCTION s.watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION s.watch();
ALTER EVENT TRIGGER watch OWNER TO größe;
ALTER DEFAULT PRIVILEGES FOR ROLE "the ""boss""" IN SCHEMA s GRANT SELECT ON TABLES TO reader;
"#;

#[test]
fn a_whole_backup_is_rehearsed_in_a_cluster_of_its_own() {
    let cluster = Cluster::shared(Major::Distribution);
    let play = Play::of(cluster, motley(cluster, "rehearsal"));
    let check = "SELECT count(*) = 500 FROM app.orders";
    let run = play.rehearse(&["--json", "--check", check, "--check", "SELECT true -- indeed"]).succeeds();
    // The server's user may not enter the folder in which this runs.
    assert!(!run.stderr.contains("could not change directory"), "{run}");
    let verdict = &run.json()[0];
    let restored = &verdict["restored"];
    assert_eq!((&verdict["verified"], &verdict["rows"]), (&json!(true), &json!(610)));
    assert_eq!((&restored["own_cluster"], &restored["proof"]["rows"]), (&json!(true), &json!(610)));
    assert!(restored["restore_s"].as_f64().unwrap() > 0.0, "{run}");
    assert!(restored["server_version"].as_str().unwrap().starts_with(&cluster.major.version()), "{run}");
    let objects = &restored["objects"];
    let found =
        ["table", "sequence", "constraint", "fk constraint", "index"].map(|kind| objects[kind].clone());
    assert_eq!(found, [11, 2, 4, 1, 7].map(|count| json!(count)), "{objects}");
    assert_eq!(restored["checks"][0], json!({ "sql": check, "passed": true }));
    play.nothing_is_left();

    let run = play.rehearse(&["--proof", "digests"]).succeeds();
    run.says("2 large objects, digest by digest, 2 sequences, 0 extensions, 5 constraints, 7 indexes");
    let run = play.rehearse(&["--proof", "none"]).succeeds();
    assert!(!run.stderr.contains("counting"), "{run}");
    play.nothing_is_left();
}

#[test]
fn a_user_without_rights_rehearses_too() {
    let play = Play::new("CREATE TABLE t AS SELECT 1 AS n;");
    let Place::Folder(store) = &play.place else { panic!("another place") };
    give_all(store.path());
    let home = folder("home");
    let user = as_server_user("/usr/bin/env");
    let words = [user.get_program()].into_iter().chain(user.get_args());
    let run = play.rehearse(&[]).under(words).env("HOME", home.path()).in_folder(home.path()).succeeds();
    run.says("1 row in 1 table");
    play.nothing_is_left();
}

/// What the environment says of another server is not meant for the temporary cluster.
#[test]
fn the_environment_does_not_lead_elsewhere() {
    let play = Play::new("CREATE TABLE t AS SELECT 1 AS n;");
    let mut run = play.rehearse(&["--check", "SELECT current_user = 'postgres'", "--proof", "digests"]);
    for (name, value) in [
        ("PGHOST", "db.example.com"),
        ("PGHOSTADDR", "192.0.2.1"),
        ("PGPORT", "1"),
        ("PGUSER", "somebody"),
        ("PGPASSWORD", "secret-word"),
        ("PGDATABASE", "nowhere"),
        ("PGSERVICE", "prod"),
        ("PGOPTIONS", "-c default_transaction_read_only=on"),
        ("PGSSLMODE", "verify-full"),
        ("PGCHANNELBINDING", "require"),
        ("PGTARGETSESSIONATTRS", "read-only"),
    ] {
        run = run.env(name, value);
    }
    run.succeeds();
    play.nothing_is_left();
}

#[test]
fn every_major_has_its_own_cluster() {
    for major in [Major::V16, Major::V17, Major::V18] {
        let cluster = Cluster::shared(major);
        let play = Play::of(cluster, motley(cluster, "major"));
        let run = play.rehearse(&["--proof", "digests", "--json"]).succeeds();
        let version = run.json()[0]["restored"]["server_version"].clone();
        assert!(version.as_str().unwrap().starts_with(&major.version()), "{version}");
        play.nothing_is_left();
    }
    // No older server takes it, and the nearest newer one does.
    let cluster = Cluster::shared(Major::V16);
    let play = Play::of(cluster, motley(cluster, "major"));
    let newer = |major: Major| play.rehearse(&["--pg-bin", major.bin().to_str().unwrap()]);
    newer(Major::V18).succeeds().says("starting a temporary cluster of PostgreSQL 18");
    newer(Major::Distribution).fails(Kind::Settings).says("server (initdb, postgres) of 16");
    play.nothing_is_left();
}

#[test]
fn roles_are_made_for_the_rehearsal() {
    let play = Play::new(ROLES);
    let boss = r#"SELECT pg_get_userbyid(relowner) = 'the "boss"' AND has_column_privilege('reader', 's.t', 'n', 'SELECT')
                  FROM pg_class WHERE oid = 's.t'::regclass"#;
    let no_super = "SELECT NOT rolsuper AND NOT rolcanlogin FROM pg_roles WHERE rolname = 'reader'";
    play.rehearse(&["--check", boss, "--check", no_super]).succeeds().says("2 checks true");
    // On a server of somebody's no role is made; there, these happen to be.
    let run = play.rehearse_there(&["--check", boss]).fails(Kind::Verify);
    run.says("gave \"f\" instead of true");
    play.nothing_is_left();
}

#[test]
fn a_server_of_the_users_is_left_as_it_was() {
    let play = Play::new("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1);");
    let run = play.rehearse_there(&["--json", "--check", "SELECT count(*) = 1 FROM t"]).succeeds();
    assert_eq!(run.json()[0]["restored"]["own_cluster"], false);
    play.nothing_is_left();

    let named = format!("{}_trial", play.database);
    let to = |database: &str| {
        play.place.opens(&["verify", "latest", "--restore", "--to", &play.cluster.url(database)])
    };
    to(&named).args(["--check", "SELECT current_database() LIKE '%trial'"]).succeeds();
    assert!(!play.cluster.has_database(&named));
    // What exists would have to be dropped afterwards, even when it is empty.
    let empty = play.cluster.create_database("empty");
    to(&empty).fails(Kind::TargetExists);
    assert!(play.cluster.has_database(&empty));
}

#[test]
fn a_check_that_is_not_true_is_named() {
    let play = Play::new("CREATE TABLE t AS SELECT 1 AS n;");
    let checks = [
        ("SELECT count(*) > 1 FROM t", "gave \\\"f\\\" instead of true"),
        ("SELECT NULL::bool", "gave nothing instead of true"),
        ("SELECT true; SELECT true", "instead of true"),
        ("SELECT 1", "gave \\\"1\\\" instead of true"),
        ("SELECT 1 / 0 = 1", "division by zero"),
        ("SELECT * FROM nowhere", "relation \\\"nowhere\\\" does not exist"),
    ];
    for (sql, problem) in checks {
        let run =
            play.rehearse_there(&["--json", "--check", sql, "--check", "SELECT true"]).fails(Kind::Verify);
        let run = run.says(&format!("the check {sql:?}"));
        let verdict = &run.json()[0];
        let told = verdict["restored"]["checks"][0]["problem"].to_string();
        assert!(told.contains(problem), "{told}");
        assert_eq!((&verdict["verified"], &verdict["exit_code"]), (&json!(false), &json!(14)));
        assert_eq!(verdict["restored"]["checks"][1]["passed"], true);
    }
    play.rehearse(&["--check", checks[0].0]).fails(Kind::Verify);
    // What is no SQL says nothing about the backup; what is not true comes before it.
    let run = play.rehearse_there(&["--check", "SELCT true"]).fails(Kind::Usage).says("syntax error");
    let run = run.says("nothing was found wrong with the backup");
    assert_eq!(run.stderr.matches("the check \"SELCT true\"").count(), 1, "{run}");
    play.rehearse_there(&["--check", "SELCT true", "--check", "SELECT false"]).fails(Kind::Verify);
    play.nothing_is_left();
    for flag in [["--check", "SELECT true"], ["--proof", "digests"], ["--jobs", "2"], ["--scratch", "/tmp"]] {
        play.place.opens(&["verify", "latest"]).args(flag).fails(Kind::Usage).says("--restore");
    }
    play.place.opens(&["verify", "latest"]).env("PGSTOW_JOBS", "2").succeeds();
    play.rehearse(&["--quick"]).fails(Kind::Usage);
}

/// Only a rehearsal finds this: the function finds its table by a search path that a restore has not.
#[test]
fn a_backup_that_does_not_restore_is_not_to_be_trusted() {
    let play = Play::new(
        "CREATE TABLE allowed AS SELECT 1 AS n;
         CREATE FUNCTION fine(int) RETURNS bool LANGUAGE sql AS 'SELECT EXISTS (SELECT FROM allowed WHERE n = $1)';
         CREATE TABLE t (n int CHECK (fine(n))); INSERT INTO t VALUES (1);",
    );
    play.place.opens(&["verify", "latest"]).succeeds();
    let run = play.rehearse(&[]).fails(Kind::Verify);
    run.says("it cannot be restored").says("relation \"allowed\" does not exist");
    play.nothing_is_left();
}

#[test]
fn what_a_restore_does_to_the_data_is_found() {
    let play = Play::new(
        "CREATE TABLE a AS SELECT 1 AS n; CREATE TABLE b (n int); INSERT INTO b VALUES (1); CREATE SEQUENCE q;
         CREATE FUNCTION meddle() RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
           IF current_setting('application_name') LIKE 'pgstow%' THEN UPDATE public.a SET n = 2; END IF;
           RETURN true; END $$;
         ALTER TABLE b ADD CHECK (public.meddle());",
    );
    play.rehearse(&[]).succeeds();
    let run = play.rehearse(&["--proof", "digests", "--json"]).fails(Kind::Verify);
    let run = run.says("public.a: the same number of rows, with different content");
    let proof = &run.json()[0]["restored"]["proof"];
    assert_eq!(proof["differences"].as_array().unwrap().len(), 1);
    play.nothing_is_left();
}

#[test]
fn what_the_machine_lacks_is_not_the_backups_fault() {
    let play = Play::new("CREATE EXTENSION citext; CREATE TABLE t AS SELECT 'a'::citext AS a;");
    let clients = clients_only(Major::Distribution);
    let run = play.rehearse(&["--pg-bin", clients.path().to_str().unwrap()]).fails(Kind::Settings);
    run.says("a temporary cluster needs a PostgreSQL server (initdb, postgres) of 15").says("--to");

    let run = play.rehearse(&["--pg-bin", Major::V16.bin().to_str().unwrap()]).fails(Kind::Settings);
    run.says("lacks the extensions citext").says("--to");

    let nowhere = play.place.opens(&["verify", "latest", "--restore", "--scratch", "/nowhere/at/all"]);
    nowhere.fails(Kind::Settings).says("--scratch");
    let deep = folder(&"deep".repeat(30));
    let deep =
        play.place.opens(&["verify", "latest", "--restore", "--scratch", deep.path().to_str().unwrap()]);
    deep.fails(Kind::Settings).says("too long");

    // A word that is reserved only there, and what only the distribution's build can compress.
    let play = Play::new("CREATE TABLE t (system_user int)");
    let run = play.rehearse(&["--pg-bin", Major::V18.bin().to_str().unwrap()]).fails(Kind::Postgres);
    run.says("another major version").says("install PostgreSQL 15's server");
    let play = Play::new("CREATE TABLE t (a text COMPRESSION lz4)");
    let run = play.rehearse(&["--pg-bin", Major::V16.bin().to_str().unwrap()]).fails(Kind::Postgres);
    run.says("requires the server to be built with").says("--no-toast-compression");

    // Only the distribution's build has ICU.
    let icu = format!("{}_icu", play.database);
    let create = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de' LOCALE 'C.UTF-8'";
    play.cluster.psql("postgres", &format!("CREATE DATABASE {icu} {create}"));
    let play = Play::of(play.cluster, icu);
    let run = play.rehearse(&["--pg-bin", Major::V16.bin().to_str().unwrap()]).fails(Kind::Postgres);
    run.says("ICU is not supported").says("locale");
    play.nothing_is_left();
}

/// They are on another server, which has them already.
#[test]
fn rows_of_foreign_tables_are_written_nowhere() {
    let cluster = Cluster::shared(Major::Distribution);
    let (far, near) = (cluster.create_database("far"), cluster.create_database("near"));
    cluster.psql(&far, "CREATE TABLE t AS SELECT generate_series(1, 3) AS n");
    cluster.psql(
        &near,
        &format!(
            "CREATE EXTENSION postgres_fdw;
             CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw
               OPTIONS (host '127.0.0.1', port '{}', dbname '{far}');
             CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user '{USER}', password '{PASSWORD}');
             CREATE FOREIGN TABLE t (n int) SERVER far; CREATE TABLE own AS SELECT 1 AS n;
             CREATE FUNCTION most(from_here int) RETURNS int LANGUAGE plpgsql IMMUTABLE
               AS $$BEGIN RETURN (SELECT max(n) FROM public.own WHERE n >= from_here); END$$;
             CREATE TABLE late (n int, m int GENERATED ALWAYS AS (n + public.most(n)) STORED);
             INSERT INTO late (n) VALUES (1)",
            cluster.port
        ),
    );
    let place = Place::Folder(folder("play"));
    let words = ["--name", "play", "--pg-dump-arg=--include-foreign-data=far"];
    let id = place.backup(&cluster.url(&near), &words);
    let play = Play { cluster, database: near, place, id, scratch: folder("scratch") };
    let says = "left out: the rows of the foreign table public.t";
    let why = "the rows of a foreign table are on another server";
    // The rows of `late` come last in both ways, and those of `t` in none.
    play.rehearse(&["--jobs", "1"]).succeeds().says(says).says("2 rows in 2 tables");
    let run = play.rehearse_there(&["--proof", "digests", "--json"]).succeeds();
    assert!(run.json()[0]["restored"]["proof"]["not_compared"][0].to_string().contains(why), "{run}");
    for jobs in ["1", "3"] {
        let (copy, run) = play.restore(&["--jobs", jobs]);
        run.succeeds().says(says).says(why);
        assert_eq!(cluster.psql(&copy, "SELECT count(*), (SELECT m FROM late) FROM own"), "1|2");
    }
    let (_, run) = play.restore(&["-t", "t"]);
    run.succeeds().says(says).says(why);
    let into = play.place.opens(&["restore", "latest", "--into", &cluster.url(&play.database), "-t", "t"]);
    into.fails(Kind::Postgres).says("is not a table").says("pgstow fetch … --table NAME");
    assert_eq!(cluster.psql(&far, "SELECT count(*) FROM t"), "3");
    play.nothing_is_left();
}

#[test]
fn many_are_rehearsed_one_after_another() {
    let play = Play::new("CREATE TABLE t AS SELECT 1 AS n;");
    let other = play.cluster.create_database("other");
    play.cluster.psql(&other, "CREATE TABLE t AS SELECT 2 AS n");
    play.place.backup(&play.cluster.url(&other), &["--name", "other"]);
    let scratch = play.scratch.path().to_str().unwrap();
    let all = ["verify", "--newest-per-name", "--restore", "--scratch", scratch, "--json"];
    let run = play.place.opens(&all).args(["--check", "SELECT n = 1 FROM t"]).env("PATH", every_client());
    let run = run.fails(Kind::Verify);
    let verdict = |name: &str| {
        let all = run.json();
        let of = all.as_array().unwrap().iter().find(|verdict| verdict["name"] == name).unwrap().clone();
        of["verified"].clone()
    };
    assert_eq!((verdict("play"), verdict("other")), (json!(true), json!(false)), "{run}");
    play.nothing_is_left();
}

/// Names of roles are bytes of the encoding in which they were made; a restore on such a server gives them what is theirs.
#[test]
fn names_in_another_encoding_are_rehearsed_and_restored() {
    let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start(Major::Distribution)));
    cluster.psql("postgres", "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
    cluster.psql(
        "latin",
        r#"CREATE ROLE U&"m\00FCller"; CREATE ROLE app; CREATE TABLE t AS SELECT 1 AS n; ALTER TABLE t OWNER TO U&"m\00FCller";
           CREATE MATERIALIZED VIEW U&"gr\00F6\00DFe" AS SELECT n FROM t; GRANT CONNECT ON DATABASE latin TO U&"m\00FCller""#,
    );
    let play = Play::of(cluster, "latin".into());
    let check = r#"SELECT count(*) = 1 AND pg_get_userbyid(relowner) = U&'m\00FCller' AND (SELECT count(*) FROM U&"gr\00F6\00DFe") = 1
                   FROM pg_class WHERE oid = 't'::regclass GROUP BY relowner"#;
    let run = play.rehearse(&["--check", check]).succeeds();
    assert!(!run.stderr.contains("warning"), "{run}");
    let (copy, run) = play.restore(&[]);
    let run = run.succeeds();
    assert_eq!(cluster.psql(&copy, check), "t", "{run}");
    let granted =
        r"SELECT datacl::text LIKE U&'%m\00FCller%=c/%' FROM pg_database WHERE datname = current_database()";
    assert_eq!(cluster.psql(&copy, granted), "t", "{run}");
    // Everything belongs to another role.
    for words in [["--owner", "app"], ["--map-role", "müller=app"]] {
        let (copy, run) = play.restore(&words);
        let run = run.succeeds();
        assert_eq!(
            cluster.psql(&copy, "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 't'"),
            "app",
            "{run}"
        );
    }
}
