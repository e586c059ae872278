//! Dumps that people have enter the same catalogue, and come back from it.

use crate::harness::Pgstow;
use crate::scene::{Keys, Place, add_bulk, fetch, fresh, motley};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A database with a bit of everything, and a folder for its dumps.
struct Scene {
    cluster: &'static Cluster,
    database: String,
    folder: TempDir,
}

impl Scene {
    fn new(major: Major) -> Scene {
        let cluster = Cluster::shared(major);
        Scene { cluster, database: motley(cluster, "adopted"), folder: TempDir::new().unwrap() }
    }

    /// A dump, made by the server's own `pg_dump` writing to a file as a shell would have it.
    fn dump(&self, file: &str, words: &[&str]) -> PathBuf {
        let path = self.folder.path().join(file);
        let mut pg_dump = self.cluster.client("pg_dump");
        pg_dump.args(words).arg(&self.database).stdout(std::fs::File::create(&path).unwrap());
        assert!(pg_dump.status().unwrap().success());
        path
    }

    /// Restores the latest, which must give the same database.
    #[track_caller]
    fn comes_back(&self, place: &Place, words: &[&str]) {
        let copy = fresh("adopted");
        place.opens(&["restore", "latest", "--to", &self.cluster.url(&copy)]).args(words).succeeds();
        assert_eq!(self.cluster.text_of(&copy), self.cluster.text_of(&self.database));
        self.cluster.psql("postgres", &format!("DROP DATABASE {copy}"));
    }
}

fn adopt(place: &Place, file: &Path) -> Pgstow {
    place.pgstow(&["adopt", "--name", "app", "--recipient", &Keys::shared().recipient]).arg(file)
}

fn gzip(file: &Path) -> PathBuf {
    let status = Command::new("gzip").arg("--keep").arg(file).stdin(Stdio::null()).status().unwrap();
    assert!(status.success());
    let mut name = file.as_os_str().to_owned();
    name.push(".gz");
    name.into()
}

fn shown(place: &Place) -> serde_json::Value {
    place.pgstow(&["show", "latest", "--json"]).succeeds().json()
}

#[test]
fn archives_of_every_major_are_adopted() {
    for major in Major::CLIENTS {
        let scene = Scene::new(major);
        for (file, words) in [("app.dump", &["-Fc", "-Z0"][..]), ("squeezed.dump", &["-Fc", "-Z6"])] {
            let place = Place::folder();
            if words[1] == "-Z6" && major != Major::Distribution {
                // Only the distribution's is built with zlib.
                continue;
            }
            let path = scene.dump(file, words);
            adopt(&place, &path).succeeds();
            let shown = shown(&place);
            assert_eq!(shown["kind"], "postgres");
            assert_eq!(shown["labels"]["adopted"], file);
            assert!(shown["postgres"]["database_bytes"].is_null());
            // What gzip compressed within is counted too.
            let rows = shown["totals"]["rows"].as_u64().unwrap();
            assert!(rows > 500, "{rows}");
            place.opens(&["verify", "latest"]).succeeds().says(&format!("{rows} rows; all digests verified"));
            scene.comes_back(&place, &["--jobs", "1"]);
            scene.comes_back(&place, &["--jobs", "2", "--proof", "digests"]);
            let csv = ["latest", "--format", "csv", "--table", "app.orders"];
            let printed = String::from_utf8(fetch(&place, &csv)).unwrap();
            let copy = "COPY app.orders TO STDOUT (FORMAT csv, HEADER)";
            assert_eq!(printed.trim_end(), scene.cluster.psql(&scene.database, copy).trim_end());
            let back = fetch(&place, &["latest"]);
            let whole = std::fs::read(&path).unwrap();
            // The shell's redirection makes pg_dump of 16 to 18 append its table of contents once more.
            assert!(whole.starts_with(&back) && back.len() > whole.len() / 2);
        }
    }
}

/// What is appended then has no statistics; a second archive is no second table of contents.
#[test]
fn an_archive_with_statistics_is_adopted_alone() {
    let scene = Scene::new(Major::V18);
    let place = Place::folder();
    let path = scene.dump("counted.dump", &["-Fc", "--statistics"]);
    adopt(&place, &path).succeeds();
    let (whole, back) = (std::fs::read(&path).unwrap(), fetch(&place, &["latest"]));
    assert!(whole.starts_with(&back) && back.len() < whole.len());
    scene.comes_back(&place, &[]);
    std::fs::write(&path, [back.as_slice(), &back].concat()).unwrap();
    adopt(&place, &path).fails(Kind::Usage).says("goes on after the archive");
}

#[test]
fn rows_that_cannot_be_counted_are_not_called_proven() {
    let scene = Scene::new(Major::Distribution);
    let place = Place::folder();
    adopt(&place, &scene.dump("inserts.dump", &["-Fc", "--inserts"])).succeeds().says("cannot be counted");
    assert!(shown(&place)["totals"].is_null());
    let run = place.opens(&["verify", "latest"]).succeeds().says("rows not counted");
    assert!(!run.stderr.contains(" 0 rows"), "{run}");
    for jobs in ["1", "2"] {
        let copy = fresh("inserted");
        let url = scene.cluster.url(&copy);
        let run = place.opens(&["restore", "latest", "--json", "--jobs", jobs, "--to", &url]).succeeds();
        let run = run.says("rows not counted").says("not compared, so not proven");
        assert!(!run.stderr.contains(" 0 rows"), "{run}");
        assert!(run.json()["rows"].is_null());
    }
}

#[test]
fn plain_dumps_are_adopted_and_restored_in_one_transaction() {
    for major in [Major::Distribution, Major::V18] {
        let scene = Scene::new(major);
        let plain = scene.dump("app.sql", &[]);
        let created = scene.dump("created.sql", &["--create"]);
        for file in [&plain, &gzip(&plain), &created, &gzip(&created)] {
            let place = Place::folder();
            adopt(&place, file).succeeds();
            assert_eq!(shown(&place)["kind"], "sql");
            assert!(place.key("dump.sql.zst.age").starts_with("app/"));
            place.opens(&["verify", "latest"]).succeeds().says("all digests verified");
            let check = "SELECT count(*) > 0 FROM app.orders";
            let rehearsed = place.opens(&["verify", "latest", "--restore", "--check", check]).succeeds();
            let rehearsed =
                rehearsed.says("its rows cannot be compared").says("rows not counted; restored in");
            assert!(!rehearsed.stderr.contains("0 sequences"), "{rehearsed}");
            scene.comes_back(&place, &[]);
            let same = if file.extension().unwrap() == "gz" { file.with_extension("") } else { file.clone() };
            assert!(fetch(&place, &["latest"]) == std::fs::read(same).unwrap());
        }
    }
}

#[test]
fn a_plain_dump_that_fails_leaves_no_database() {
    let scene = Scene::new(Major::Distribution);
    let file = scene.dump("app.sql", &[]);
    let place = Place::folder();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("CREATE TABLE ", "CREATE TABEL ", 2)).unwrap();
    adopt(&place, &file).succeeds();
    let copy = fresh("never");
    let run = place.opens(&["restore", "latest", "--to", &scene.cluster.url(&copy)]).fails(Kind::Postgres);
    run.says("psql failed (exit status 3)").says("syntax error");
    assert!(!scene.cluster.has_database(&copy));

    let owners = ["restore", "latest", "--no-owner", "--to", &scene.cluster.url(&copy)];
    place.opens(&owners).fails(Kind::Usage).says("a plain SQL dump is run unchanged");
    assert!(!scene.cluster.has_database(&copy));

    // Damaged in the store: the end never comes.
    let place = Place::folder();
    std::fs::write(&file, text).unwrap();
    adopt(&place, &file).succeeds();
    let key = place.key("dump.sql.zst.age");
    let mut bytes = place.get(&key);
    let last = bytes.len() - 20;
    bytes[last] ^= 1;
    place.put(&key, bytes);
    place.opens(&["restore", "latest", "--to", &scene.cluster.url(&copy)]).fails(Kind::Verify);
    assert!(!scene.cluster.has_database(&copy));
}

/// psql takes the end of its input for the end of the script, and of the rows.
#[test]
fn nothing_is_committed_if_pgstow_is_killed_while_it_fills_a_database_that_exists() {
    let cluster = Cluster::start(Major::Distribution);
    let (database, place) = (cluster.create_database("killed"), Place::folder());
    cluster.psql(&database, "SELECT lo_from_bytea(0, 'object')");
    add_bulk(&cluster, &database, 4 << 10);
    // Rows come slowly into a database with this setting, so that the kill is sure to meet them.
    cluster.psql(
        &database,
        "CREATE FUNCTION slow() RETURNS bool LANGUAGE plpgsql
           AS $$BEGIN PERFORM pg_sleep(current_setting('test.pause', true)::float); RETURN true; END$$;
         ALTER TABLE bulk ADD CHECK (slow())",
    );
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("app.sql");
    let mut pg_dump = cluster.client("pg_dump");
    pg_dump.arg(&database).stdout(std::fs::File::create(&file).unwrap());
    assert!(pg_dump.status().unwrap().success());
    adopt(&place, &file).succeeds();

    let empty = cluster.create_database("empty");
    let restore = || place.opens(&["restore", "latest", "--to", &cluster.url(&empty)]);
    cluster.psql(&empty, &format!("ALTER DATABASE {empty} SET test.pause = 0.005"));
    let running = restore().spawn();
    cluster.eventually(&empty, "SELECT count(*) > 0 FROM pg_stat_progress_copy WHERE tuples_processed > 0");
    running.signal(Signal::KILL);
    running.wait();
    cluster.eventually(&empty, "SELECT count(*) = 0 FROM pg_stat_progress_copy");
    let found = "SELECT (SELECT count(*) FROM pg_class WHERE relname = 'bulk') + (SELECT count(*) FROM pg_largeobject_metadata)";
    assert_eq!(cluster.psql(&empty, found), "0");
    cluster.psql(&empty, &format!("ALTER DATABASE {empty} RESET test.pause"));
    restore().succeeds();
    assert_eq!(cluster.psql(&empty, "SELECT count(*) FROM bulk"), "4096");
    assert_eq!(cluster.psql(&empty, "SELECT count(*) FROM pg_largeobject_metadata"), "1");
}

#[test]
fn a_role_that_is_missing_is_named_before_anything_is_there() {
    let (old, new) = (Cluster::shared(Major::Distribution), Cluster::shared(Major::V16));
    let (role, folder, place) = (fresh("owner"), TempDir::new().unwrap(), Place::folder());
    let database = old.create_database("with_owner");
    old.psql(
        &database,
        &format!("CREATE ROLE {role}; CREATE TABLE t (n int); ALTER TABLE t OWNER TO {role}"),
    );
    let scene = Scene { cluster: old, database, folder };
    adopt(&place, &scene.dump("app.sql", &[])).succeeds();
    let copy = fresh("copy");
    let restore = || place.opens(&["restore", "latest", "--to", &new.url(&copy)]);
    let run = restore().fails(Kind::Postgres).says(&format!("role \"{role}\" does not exist"));
    run.says("create the role first");
    assert!(!new.has_database(&copy));
    new.psql("postgres", &format!("CREATE ROLE {role}"));
    restore().succeeds();
    // A cluster of its own has all roles that the dump names.
    let run = place.opens(&["verify", "latest", "--restore"]).succeeds();
    assert!(!run.stderr.contains("error"), "{run}");
    // What is said of tables works as it is said.
    let tables = ["restore", "latest", "--table", "t", "--to", &new.url("other")];
    place.opens(&tables).fails(Kind::NotFound).says("is a plain SQL dump").says("grep '^CREATE TABLE'");
    assert_eq!(new.psql(&copy, "SELECT tableowner FROM pg_tables WHERE tablename = 't'"), role);
}

#[test]
fn a_whole_server_becomes_one_backup_for_each_database() {
    for major in [Major::Distribution, Major::V18] {
        let cluster = Cluster::start(major);
        let folder = TempDir::new().unwrap();
        for name in ["app", "shop"] {
            cluster.psql("postgres", &format!("CREATE ROLE {name}_owner"));
            cluster.psql("postgres", &format!("CREATE DATABASE {name} OWNER {name}_owner"));
            cluster.psql(
            name,
            &format!(
                "SET ROLE {name}_owner; CREATE SCHEMA s; CREATE TABLE s.t AS SELECT generate_series(1, 10) n; \
                 RESET ROLE; ALTER DATABASE {name} SET work_mem = '8MB'; GRANT CONNECT ON DATABASE {name} TO pg_monitor"
            ),
        );
        }
        let file = folder.path().join("all.sql");
        let mut pg_dumpall = cluster.client("pg_dumpall");
        let status = pg_dumpall.args(["--clean", "--if-exists", "-f"]).arg(&file).status().unwrap();
        assert!(status.success());
        let place = Place::folder();
        let run = adopt(&place, &gzip(&file)).arg("--json").succeeds().says("left out: template1, postgres");
        assert_eq!(run.json().as_array().unwrap().len(), 2);
        let names: Vec<_> = place
            .pgstow(&["list", "--json"])
            .succeeds()
            .json()
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["app/app", "app/shop"]);
        let roles =
            place.opens(&["fetch", "latest", "--name", "app/shop", "--globals", "-o", "-"]).succeeds().text();
        assert!(roles.contains("CREATE ROLE shop_owner;") && !roles.contains("CREATE TABLE"), "{roles}");
        assert!(!roles.contains("\nDROP "), "running it costs no database: {roles}");

        // Next to the database it is from, which does not change; its roles are there, and none is made again.
        cluster.psql(
            "postgres",
            "ALTER DATABASE shop RESET work_mem; REVOKE CONNECT ON DATABASE shop FROM pg_monitor",
        );
        let url = cluster.url("shop_again");
        let run = place.opens(&["restore", "latest", "--name", "app/shop", "--to", &url]).succeeds();
        run.says("said of the old database, and not applied to the new one: ALTER DATABASE shop SET work_mem TO '…'");
        assert_eq!(cluster.text_of("shop_again"), cluster.text_of("shop"));
        let facts = "SELECT datname, datacl, (SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = d.oid) FROM pg_database d WHERE datname LIKE 'shop%' ORDER BY 1";
        assert!(!cluster.psql("postgres", facts).contains("work_mem"), "{}", cluster.psql("postgres", facts));
        assert!(!cluster.psql("postgres", facts).contains("pg_monitor"));
    }
}

#[test]
fn what_is_cut_or_no_dump_is_refused() {
    let scene = Scene::new(Major::Distribution);
    let place = Place::folder();
    let refused = |file: &Path, kind, said: &str| {
        adopt(&place, file).fails(kind).says(said);
        assert_eq!(place.keys(), Vec::<String>::new());
    };
    let cut = |file: &Path| {
        let bytes = std::fs::read(file).unwrap();
        let path = scene.folder.path().join("cut");
        std::fs::write(&path, &bytes[..bytes.len() * 9 / 10]).unwrap();
        path
    };
    let plain = scene.dump("app.sql", &[]);
    refused(&cut(&plain), Kind::Verify, "was cut");
    refused(&cut(&gzip(&plain)), Kind::Verify, "cannot be read");
    refused(&cut(&scene.dump("app.dump", &["-Fc", "-Z0"])), Kind::Verify, "the archive is cut off in");
    let tar = scene.dump("app.tar", &["-Ft"]);
    refused(&tar, Kind::Usage, "is neither an archive of pg_dump -Fc nor its plain text");
    refused(scene.folder.path(), Kind::Usage, "is a folder");
    refused(Path::new("/dev/null"), Kind::Usage, "is not a regular file");
    refused(Path::new("/nonexistent"), Kind::LocalFile, "cannot be read");
    let run = adopt(&place, Path::new("/nonexistent")).fails(Kind::LocalFile);
    assert!(!run.stderr.contains("reading /nonexistent"), "{run}");
    let other = scene.folder.path().join("other");
    std::fs::write(&other, "-- MySQL dump 10.13\n").unwrap();
    refused(&other, Kind::Usage, "pgstow backup --name … -- cat FILE");
}

#[test]
fn what_no_restore_could_run_is_refused() {
    for major in [Major::Distribution, Major::V18] {
        let scene = Scene::new(major);
        let place = Place::folder();
        let refused = |file: &Path, said: &str| {
            adopt(&place, file).fails(Kind::Usage).says(said).says("so it could not be restored");
            assert_eq!(place.keys(), Vec::<String>::new());
        };
        let without = "holds only rows, indexes or constraints, and not the tables for them";
        refused(&scene.dump("clean.sql", &["--clean"]), "drops every object before it creates it");
        refused(&scene.dump("rows.sql", &["--data-only"]), without);
        refused(&scene.dump("late.sql", &["--section=post-data"]), without);
        refused(&scene.dump("rows.dump", &["-Fc", "-Z0", "--data-only"]), without);
        refused(&scene.dump("late.dump", &["-Fc", "-Z0", "--section=post-data"]), without);
        let plain = std::fs::read(scene.dump("app.sql", &[])).unwrap();
        let odd = scene.folder.path().join("odd.sql");
        for text in
            [[b"pg_dump: warning: circular\n", &plain[..]].concat(), [&plain[..], b"COMMIT;\n"].concat()]
        {
            std::fs::write(&odd, text).unwrap();
            refused(&odd, "holds other text before or after the dump");
        }
        // Of 16 to 18, this ends with its table of contents once more.
        let archive = std::fs::read(scene.dump("app.dump", &["-Fc", "-Z0"])).unwrap();
        for after in [&archive[..], b"COMMIT;\n"] {
            std::fs::write(&odd, [&archive[..], after].concat()).unwrap();
            adopt(&place, &odd).fails(Kind::Usage).says("goes on after the archive");
            assert_eq!(place.keys(), Vec::<String>::new());
        }
        // These can be.
        for words in [&["--clean", "--if-exists"][..], &["--clean", "--create"], &["--schema-only"]] {
            let place = Place::folder();
            adopt(&place, &scene.dump("fit.sql", words)).succeeds();
            let copy = fresh("fit");
            place.opens(&["restore", "latest", "--to", &scene.cluster.url(&copy)]).succeeds();
            assert!(scene.cluster.has_database(&scene.database));
            scene.cluster.psql("postgres", &format!("DROP DATABASE {copy}"));
        }
    }
}

#[test]
fn names_that_are_not_utf_8() {
    for major in [Major::Distribution, Major::V18] {
        let cluster = Cluster::start(major);
        for (name, encoding, table) in
            [("latin", "LATIN1", "gr\\00F6\\00DFe"), ("japan", "EUC_JP", "\\9867\\5BA2")]
        {
            let create =
                format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'");
            cluster.psql("postgres", &create);
            cluster.psql(
                name,
                &format!(
                    "CREATE TABLE U&\"{table}\" AS SELECT generate_series(1, 10) n;
                 GRANT SELECT ON U&\"{table}\" TO pg_monitor; GRANT CONNECT ON DATABASE {name} TO pg_monitor"
                ),
            );
        }
        let (folder, place) = (TempDir::new().unwrap(), Place::folder());
        let file = folder.path().join("all.sql");
        assert!(cluster.client("pg_dumpall").arg("-f").arg(&file).status().unwrap().success());
        let run = adopt(&place, &file).succeeds().says("and so left out: template1, postgres");
        assert!(!run.stderr.contains("latin, ") && !run.stderr.contains("japan: left out"), "{run}");
        for name in ["latin", "japan"] {
            let copy = format!("{name}_copy");
            let words = ["restore", "latest", "--name", &format!("app/{name}"), "--to", &cluster.url(&copy)];
            place.opens(&words).succeeds();
            let tables = "SELECT convert_to(relname::text, 'UTF8'), relacl, relkind
                      FROM pg_class WHERE relnamespace = 'public'::regnamespace";
            assert_eq!(cluster.psql(&copy, tables), cluster.psql(name, tables));
            assert!(cluster.psql(&copy, tables).contains("pg_monitor=r/"));
        }
    }
}

#[test]
fn files_of_the_same_second_stay_in_order() {
    for major in [Major::Distribution, Major::V18] {
        let scene = Scene::new(major);
        let (place, file) = (Place::folder(), scene.dump("app.sql", &["--schema-only"]));
        let adopted = || {
            let run = adopt(&place, &file).args(["--started-at", "2024-02-29T03:00:00Z"]).succeeds();
            run.text().trim().to_owned()
        };
        let ids: Vec<String> = (0..6).map(|_| adopted()).collect();
        assert!(ids.is_sorted(), "{ids:?}");
        assert_eq!(shown(&place)["id"], ids[5]);
    }
}

#[test]
fn it_is_as_old_as_its_file_unless_told_otherwise() {
    let scene = Scene::new(Major::Distribution);
    let (place, file) = (Place::folder(), scene.dump("app.sql", &[]));
    let touch = |moment: &str| {
        assert!(Command::new("touch").args(["-d", moment]).arg(&file).status().unwrap().success());
    };
    let ids = |run: crate::harness::Run| run.text().trim().to_owned();
    touch("2024-02-29T03:00:00Z");
    assert!(ids(adopt(&place, &file).succeeds()).starts_with("20240229T030000Z-"));
    let told = adopt(&place, &file).args(["--started-at", "2020-01-01T00:00:00Z"]).succeeds();
    assert!(ids(told).starts_with("20200101T000000Z-"));
    // One mistyped year would make an old dump the newest.
    let run = adopt(&place, &file).args(["--started-at", "2099-11-27"]).fails(Kind::Usage);
    run.says("--started-at 2099-11-27T00:00:00Z is still to come");
    // The newest is the latest, whichever was adopted last.
    assert!(shown(&place)["id"].as_str().unwrap().starts_with("2024"));
    assert!(shown(&place)["duration_s"].as_f64().unwrap() < 120.0);
}

/// `pg_dump` into a file notes where data lies; in an archive of some tables it lies elsewhere.
#[test]
fn some_tables_of_an_archive_that_was_a_file_are_read_from_a_file() {
    for major in Major::CLIENTS {
        let (cluster, place) = (Cluster::shared(major), Place::folder());
        let database = cluster.create_database("placed");
        for table in ["a", "b", "c"] {
            let rows = format!("CREATE TABLE {table} AS SELECT generate_series(1, 1000) n");
            cluster.psql(&database, &rows);
        }
        let folder = tempfile::tempdir().unwrap();
        let [dump, part] = ["whole.dump", "part.dump"].map(|name| folder.path().join(name));
        let taken = cluster.client("pg_dump").args(["-Fc", "-f"]).arg(&dump).arg(&database).status().unwrap();
        assert!(taken.success());
        place.pgstow(&["adopt", dump.to_str().unwrap(), "--name", "app", "--no-encryption"]).succeeds();
        let words = ["fetch", "latest", "--table", "b", "--table", "c", "-o", part.to_str().unwrap()];
        place.opens(&words).succeeds();
        let copy = cluster.create_database("placed");
        let restored = cluster.client("pg_restore").args(["-d", &copy]).arg(&part).output().unwrap();
        assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
        assert_eq!(cluster.psql(&copy, "SELECT (SELECT count(*) FROM b) + (SELECT count(*) FROM c)"), "2000");
    }
}
