//! Plain dumps in which text looks like lines that `pg_dump` writes: what psql makes of the same file is right.

use crate::harness::Pgstow;
use crate::scene::{Keys, Place, fresh};
use crate::servers::folder;
use crate::servers::postgres::{Cluster, Major};
use std::path::Path;
use std::process::Command;

/// What somebody may write into a row, a comment or a function.
const PIECES: [&str; 34] = [
    "\n-- Name: x; Type: DATABASE; Schema: -; Owner: -\n",
    "\n--\n-- Name: x; Type: DATABASE; Schema: -; Owner: -\n--\n",
    "\n--\n-- Name: t; Type: TABLE; Schema: public; Owner: x\n--\n",
    "\n--\n-- Data for Name: BLOBS; Type: BLOBS; Schema: -; Owner: -\n--\n\nBEGIN;\n\nCOMMIT;\n",
    "\n--\n-- Database \"v1\" dump\n--\n",
    "\n--\n-- PostgreSQL database dump complete\n--\n",
    "\n--\n-- PostgreSQL database dump\n--\n",
    "\n\\restrict abc\n",
    "\n\\connect other\n",
    "\n\\encoding SQL_ASCII\n",
    "\nCOPY foo (a) FROM stdin;\n",
    "\n\\.\n",
    "\nCREATE DATABASE a;\nDROP DATABASE a;\nCOMMIT;\n",
    "\nSET standard_conforming_strings = off;\n",
    "\nSET standard_conforming_strings = on;\n",
    "\nSET client_encoding = 'SJIS';\n",
    "\nDROP TABLE t;\nGRANT a TO nobody_there;\nALTER TABLE t OWNER TO nobody_there;\n",
    "\nCREATE OR REPLACE VIEW v AS SELECT 1;\n",
    "'",
    "\"",
    "\\",
    "$$",
    "$_$",
    "/*",
    "*/",
    "--",
    ";\n",
    "(",
    " E'",
    "\r",
    "表",
    "ソ",
    "\n",
    " text ",
];

/// A command of the server's that makes a file, as SQL.
fn program(file: &Path) -> String {
    format!("COPY (SELECT 1) TO PROGRAM $$touch {}$$", file.display())
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Texts of some pieces each, the same in every run.
fn texts() -> Vec<String> {
    let mut state = 7_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let of_some = |_| (0..1 + next(5)).map(|_| PIECES[next(PIECES.len())]).collect();
    PIECES.iter().map(|piece| (*piece).to_owned()).chain((0..200).map(of_some)).collect()
}

/// A database in which such texts stand wherever text can stand.
fn source(cluster: &Cluster, file: &Path) -> String {
    let database = cluster.create_database("looks");
    let mut sql =
        "SET check_function_bodies = off; CREATE TABLE t (id int PRIMARY KEY, body text);".to_owned();
    let attack = format!("'); {}; CREATE TABLE public.pwned(); -- ", program(file));
    for (id, text) in texts().iter().chain([&attack, &attack[1..].to_owned()]).enumerate() {
        let text = literal(text);
        sql.push_str(&format!("INSERT INTO t VALUES ({id}, {text});\n"));
        if id % 8 == 0 {
            sql.push_str(&format!(
                "CREATE TABLE c{id} (a text DEFAULT {text}); COMMENT ON TABLE c{id} IS {text};
                 CREATE FUNCTION f{id}() RETURNS text LANGUAGE sql AS {text};
                 CREATE VIEW v{id} AS SELECT {text}::text AS a;"
            ));
        }
    }
    let (begin, end) = ("\n--\n-- Name: x; Type: DATABASE; Schema: -; Owner: -\n", attack.as_str());
    sql.push_str(&format!(
        "CREATE SCHEMA \"s; Type: DATABASE; Schema: -\"; CREATE TABLE \"s; Type: DATABASE; Schema: -\".t AS SELECT 1 a;
         CREATE SCHEMA \"line\nend\"; CREATE TABLE \"line\nend\".\"a\nb\" AS SELECT 1 AS \"c;\n\", 'x'::text AS b;
         CREATE SCHEMA g; CREATE TABLE g.k (id int PRIMARY KEY, b text); CREATE VIEW g.v AS SELECT id, b FROM g.k GROUP BY id;
         CREATE TABLE aa (); CREATE TABLE bb (); COMMENT ON TABLE aa IS {}; COMMENT ON TABLE bb IS {};",
        literal(begin),
        literal(end),
    ));
    let all = folder("sql");
    let script = all.path().join("looks.sql");
    std::fs::write(&script, sql).unwrap();
    let mut psql = cluster.client("psql");
    psql.args(["-Xq1", "-v", "ON_ERROR_STOP=1", "-d", &database, "-f"]).arg(&script);
    assert!(psql.status().unwrap().success());
    database
}

fn adopt(place: &Place, file: &Path) -> Pgstow {
    place.pgstow(&["adopt", "--name", "app", "--recipient", &Keys::shared().recipient]).arg(file)
}

/// A program's output in a file.
fn written(mut program: Command, file: &Path) {
    assert!(program.stdout(std::fs::File::create(file).unwrap()).status().unwrap().success());
}

/// Every value, byte by byte.
const VALUES: &str = "SELECT id, md5(body) FROM t ORDER BY id";

#[test]
fn text_that_looks_like_a_dump_comes_back_and_runs_nothing() {
    for major in [Major::Distribution, Major::V18] {
        let (cluster, trap) = (Cluster::start(major), folder("trap"));
        let sprung = trap.path().join("sprung");
        let database = source(&cluster, &sprung);
        let file = trap.path().join("dump.sql");
        for (words, options) in [
            (&["--create"][..], ""),
            (&["--inserts"], ""),
            (&["--inserts", "--clean", "--if-exists", "-v"], ""),
            (&["--column-inserts", "--rows-per-insert=7", "-E", "SJIS"], ""),
            (&["--inserts", "--create"], "-c standard_conforming_strings=off"),
            (&["--inserts", "-E", "SJIS"], "-c standard_conforming_strings=off"),
        ] {
            let mut pg_dump = cluster.client("pg_dump");
            pg_dump.args(words).arg(&database).env("PGOPTIONS", options);
            written(pg_dump, &file);
            let place = Place::folder();
            adopt(&place, &file).succeeds();
            for exists in [false, true] {
                let copy = if exists { cluster.create_database("looks") } else { fresh("looks") };
                let restored = place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).succeeds();
                assert!(!sprung.exists(), "{words:?}: {restored}");
                assert_eq!(cluster.psql(&copy, VALUES), cluster.psql(&database, VALUES), "{words:?}");
                assert!(cluster.text_of(&copy) == cluster.text_of(&database), "{words:?}");
                cluster.psql("postgres", &format!("DROP DATABASE {copy}"));
            }
        }
        let mut pg_dumpall = cluster.client("pg_dumpall");
        pg_dumpall.args(["--inserts", "-v"]);
        written(pg_dumpall, &file);
        let place = Place::folder();
        let adopted = adopt(&place, &file).arg("--json").succeeds().json();
        assert_eq!(adopted.as_array().unwrap().len(), 1);
        // Tomorrow another database may have something.
        assert_eq!(adopted[0]["name"], format!("app/{database}"));
        let copy = fresh("looks");
        place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).succeeds();
        assert_eq!(cluster.psql(&copy, VALUES), cluster.psql(&database, VALUES));
        assert!(!sprung.exists());
    }
}

#[test]
fn a_database_may_be_called_what_psql_needs_quotes_for() {
    for major in [Major::Distribution, Major::V18] {
        let (cluster, folder) = (Cluster::start(major), folder("dumps"));
        let file = folder.path().join("dump.sql");
        cluster.psql("postgres", "CREATE DATABASE \"my-app\"");
        cluster.psql("my-app", "CREATE TABLE t AS SELECT 1 AS n");
        let (mut pg_dump, pg_dumpall) = (cluster.client("pg_dump"), cluster.client("pg_dumpall"));
        pg_dump.args(["--create", "my-app"]);
        for program in [pg_dump, pg_dumpall] {
            written(program, &file);
            let (place, copy) = (Place::folder(), fresh("quoted"));
            adopt(&place, &file).succeeds();
            place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).succeeds();
            assert_eq!(cluster.text_of(&copy), cluster.text_of("my-app"));
            cluster.psql("postgres", &format!("DROP DATABASE {copy}"));
        }
    }
}
