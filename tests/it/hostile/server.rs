//! A hostile server is backed up, restored into, swapped on: nothing it says runs a program here.

use super::liar::{Liar, Lie};
use super::trap::Trap;
use crate::scene::{Keys, Place, fresh};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use tempfile::TempDir;

/// A database with everything that `pg_dump` tells of a database itself, and roles with all they can have.
fn source(major: Major) -> (Cluster, String) {
    let cluster = Cluster::start(major);
    let database = cluster.create_database("source");
    let sql = format!(
        "CREATE ROLE boss LOGIN PASSWORD 'boss-word' CONNECTION LIMIT 7 VALID UNTIL '2031-01-01 00:00:00+00';
         CREATE ROLE reader; GRANT reader TO boss;
         ALTER ROLE boss SET work_mem TO '8MB'; COMMENT ON ROLE boss IS 'the boss';
         ALTER DATABASE {database} CONNECTION LIMIT 9; ALTER DATABASE {database} SET work_mem TO '5MB';
         ALTER ROLE boss IN DATABASE {database} SET work_mem TO '6MB'; COMMENT ON DATABASE {database} IS 'mine';
         GRANT CREATE ON DATABASE {database} TO boss; CREATE SCHEMA s AUTHORIZATION boss;
         CREATE TABLE s.t AS SELECT 1 AS n; GRANT SELECT ON s.t TO reader;"
    );
    cluster.psql(&database, &sql);
    (cluster, database)
}

#[test]
fn what_it_says_in_a_backup_runs_nothing_when_that_is_restored() {
    for (major, columns) in [
        (Major::Distribution, ["datconnlimit", "rolsuper", "rolpassword", "setconfig"]),
        (Major::V18, ["datistemplate", "rolconnlimit", "rolvaliduntil", "rolcomment"]),
    ] {
        let (cluster, database) = source(major);
        // Its own: roles are made on it, which other tests must not find.
        let honest = Cluster::start(major);
        for column in columns {
            let trap = Trap::new();
            let liar = Liar::start(&cluster, vec![Lie::Column(column, trap.text())]);
            let place = Place::folder();
            let run = place.pgstow(&["backup", "--name", "shop", &liar.url(&database)]);
            let run = run.args(["--recipient", &Keys::shared().recipient]).run();
            trap.is_not_sprung(&run);
            if run.status.success() {
                let copy = fresh("hostile");
                let words = ["restore", "latest", "--roles", "restore", "--to", &honest.url(&copy)];
                trap.is_not_sprung(&place.opens(&words).run());
            }
        }
    }
}

#[test]
fn the_lies_are_really_told() {
    for major in [Major::Distribution, Major::V18] {
        let (cluster, database) = source(major);
        let trap = Trap::new();
        let lies = ["datconnlimit", "rolconnlimit", "rolvaliduntil"];
        let lies = lies.map(|column| Lie::Column(column, trap.text()));
        let liar = Liar::start(&cluster, lies.into());
        let place = Place::folder();
        place.backup(&liar.url(&database), &["--name", "shop"]);
        liar.has_told_all();
        // Its own: roles are made on it, which other tests must not find.
        let honest = Cluster::start(major);
        let copy = fresh("hostile");
        let words = ["restore", "latest", "--roles", "create", "--to", &honest.url(&copy)];
        let run = place.opens(&words).succeeds();
        // What cannot be what pg_dump writes is left out, and said.
        let run = run
            .says("not applied to the new database: ALTER DATABASE")
            .says("pg_dump writes no such statement");
        trap.is_not_sprung(&run);
        assert_eq!(honest.psql(&copy, "SELECT n FROM s.t"), "1");
    }
}

#[test]
fn what_it_says_while_it_is_restored_into_runs_nothing() {
    for (first, major) in [Major::Distribution, Major::V18].into_iter().enumerate() {
        let (cluster, database) = source(major);
        let place = Place::folder();
        place.backup(&cluster.url(&database), &["--name", "shop"]);
        let restore: &[&str] = &["restore", "latest", "--grant-read", "reader", "--to"];
        let swap: &[&str] = &["restore", "latest", "--swap", "--yes", "--to"];
        let backup: &[&str] = &["backup", "--recipient", &Keys::shared().recipient];
        for (words, honest, lying) in [
            (restore, "\"superuser\" : false", "\"superuser\" : \"HERE\""),
            (restore, "\"major\" : ", "\"major\" : \"HERE\", \"minor\": "),
            (restore, "\"me\" : \"postgres\"", "\"me\" : \"HERE\""),
            (restore, "\"pg_monitor\"", "\"HERE\""),
            (restore, "[false]", "[\"HERE\"]"),
            (restore, "[]", "[\"HERE\"]"),
            (swap, "\"oid\" : ", "\"oid\" : \"HERE\", \"x\": "),
            (swap, "\"user\" : \"postgres\"", "\"user\" : \"HERE\""),
            (swap, "\"owner\" : \"postgres\"", "\"owner\" : \"HERE\", \"owned\" : false, \"x\": \"\""),
            (backup, "\"version_num\" : ", "\"version_num\" : \"HERE\", \"x\": "),
            (backup, "\"user\" : \"postgres\"", "\"user\" : \"HERE\""),
        ]
        .into_iter()
        .skip(first)
        .step_by(2)
        {
            let trap = Trap::new();
            // As JSON has it.
            let text = serde_json::to_string(&trap.text()).unwrap();
            let text = lying.replace("HERE", text.trim_matches('"'));
            let liar = Liar::start(&cluster, vec![Lie::Text(honest.to_owned(), text)]);
            let target = if words == restore { fresh("hostile") } else { database.clone() };
            let run = place.opens(words).args([&liar.url(&target), "--name", "shop"]);
            trap.is_not_sprung(&run.run());
            assert!(liar.has_told(0), "{honest} was never answered");
        }
    }
}

/// Whoever wrote a plain dump may have put commands of psql's own into it.
#[test]
fn a_plain_dump_runs_no_commands_of_psqls() {
    let (cluster, database) = source(Major::Distribution);
    let (trap, folder) = (Trap::new(), TempDir::new().unwrap());
    let dump = crate::servers::run(cluster.client("pg_dump").arg(&database));
    let restricted = |line: &&str| !line.starts_with("\\restrict ") && !line.starts_with("\\unrestrict ");
    // As pg_dump wrote it before it knew of them.
    let old: String = dump.lines().filter(restricted).map(|line| format!("{line}\n")).collect();
    let with = |text: &str, before: &str| {
        text.replacen("SET row_security", &format!("{before}{}\nSET row_security", trap.command()), 1)
    };
    let target = Cluster::start(Major::Distribution);
    target.psql("postgres", "CREATE ROLE boss; CREATE ROLE reader");
    let adopt = |text: &str| {
        let (place, file) = (Place::folder(), folder.path().join("dump.sql"));
        std::fs::write(&file, text).unwrap();
        let adopt = place.pgstow(&["adopt", "--name", "app", "--recipient", &Keys::shared().recipient]);
        (adopt.arg(&file).run(), place)
    };
    let restore = |place: &Place, words: &[&str]| {
        place.opens(&["restore", "latest", "--to", &target.url(&fresh("plain"))]).args(words).run()
    };
    // What looks as if it were among rows, to whoever does not know the bodies of functions as psql does.
    let hidden = "CREATE FUNCTION s.f() RETURNS int BEGIN ATOMIC SELECT 1;\nCOPY s.t FROM stdin;\n";
    // psql would take these from a script.
    let aging = old_client();
    for honest in [&dump, &old] {
        let (adopted, place) = adopt(honest);
        adopted.assert_success();
        restore(&place, &[]).assert_success();
        let refused = restore(&place, &["--pg-bin", aging.path().to_str().unwrap()]);
        refused.assert_failure(Kind::Settings).says("psql 15.13 would run commands").says("August 2025");

        let (refused, _) = adopt(&with(honest, ""));
        refused.assert_failure(Kind::Usage).says("holds a command of psql's own in line ").says("\\! touch");
        let (adopted, place) = adopt(&with(honest, hidden));
        adopted.assert_success();
        let run = restore(&place, &[]);
        trap.is_not_sprung(&run);
        run.assert_failure(Kind::Postgres).says("backslash commands are restricted");
        let scratch = crate::servers::folder("scratch");
        let words = ["verify", "latest", "--restore", "--scratch", scratch.path().to_str().unwrap()];
        let run = place.opens(&words).run();
        trap.is_not_sprung(&run);
        run.assert_failure(Kind::Verify).says("backslash commands are restricted");
        // An archive needs no script: the clients can still be used.
        let place = Place::folder();
        place.backup(&cluster.url(&database), &["--name", "app"]);
        restore(&place, &["--pg-bin", aging.path().to_str().unwrap()]).assert_success();
    }
}

/// Programs that call themselves those of a minor from before psql could be restricted.
fn old_client() -> TempDir {
    let folder = TempDir::new().unwrap();
    for program in ["pg_dump", "pg_restore", "psql"] {
        let path = folder.path().join(program);
        let real = Major::Distribution.bin().join(program);
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = --version ] && echo '{program} (PostgreSQL) 15.13' && exit\nexec {} \"$@\"\n",
            real.display()
        );
        crate::servers::script(&path, &script);
    }
    folder
}

/// In Shift JIS, and others, the last byte of あ takes the quote after it along: the next name stands outside
/// of quotes, and psql believes the server about the encoding.
#[test]
fn a_lie_about_the_encoding_opens_no_quotes() {
    let (cluster, database) = source(Major::Distribution);
    let trap = Trap::new();
    // psql reads what the server says of itself instead of this.
    let variable = "アb :SERVER_VERSION_NAME".to_owned();
    for role in ["あ".to_owned(), format!("アa{}", trap.command()), variable] {
        cluster.psql("postgres", &format!("CREATE ROLE \"{role}\""));
        cluster.psql(&database, &format!("GRANT SELECT ON s.t TO \"{role}\""));
    }
    let place = Place::folder();
    place.backup(&cluster.url(&database), &["--name", "shop"]);
    let elsewhere = Cluster::start(Major::Distribution);
    for (parameter, value) in
        [("client_encoding", "SJIS"), ("client_encoding", "GBK"), ("standard_conforming_strings", "off")]
    {
        let lies = [(parameter, value.to_owned()), ("server_version", format!("15.18 {}", trap.command()))];
        let lies = lies.map(|(parameter, value)| Lie::Parameter(parameter, value));
        let liar = Liar::start(&elsewhere, lies.into());
        let words = ["restore", "latest", "--roles", "create", "--to", &liar.url(&fresh("encoding"))];
        // Then the roles are dropped again, all in one statement.
        let run = place.opens(&words).args(["--after-sql", "SELECT 1 / 0"]).run();
        trap.is_not_sprung(&run);
        liar.has_told_all();
    }
}
