//! What is not in a backup, or is in one under another's name: it is said, and refused if nothing would be left.

use crate::scene::{Keys, Place, fresh};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;

fn backup(place: &Place, url: &str, words: &[&str]) -> crate::harness::Run {
    place.pgstow(&["backup", "--recipient", &Keys::shared().recipient, url]).args(words).run()
}

#[test]
fn options_of_user_mappings_that_may_not_be_read() {
    for major in [Major::Distribution, Major::V18] {
        let (cluster, place) = (Cluster::shared(major), Place::folder());
        let (database, reader) = (cluster.create_database("mapped"), fresh("reader"));
        cluster.psql(
            &database,
            &format!(
                "CREATE ROLE {reader} LOGIN PASSWORD 'secret' IN ROLE pg_read_all_data; CREATE FOREIGN DATA WRAPPER w;
                 CREATE SERVER far FOREIGN DATA WRAPPER w; CREATE TABLE t AS SELECT 1 AS n;
                 CREATE USER MAPPING FOR postgres SERVER far OPTIONS (password 'hidden');
                 CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (password 'hidden')"
            ),
        );
        let url = format!("postgres://{reader}:secret@127.0.0.1:{}/{database}", cluster.port);
        let run = backup(&place, &url, &[]).assert_success();
        run.says(&format!("role {reader} may not read the options of user mappings"))
            .says("those of postgres on far, public on far, such as passwords, are not backed up");
        let shown = || place.pgstow(&["show", "latest", "--json"]).succeeds().json();
        assert_eq!(shown()["left_out"]["user_mapping_options"], 2);
        let text = place.pgstow(&["show", "latest"]).succeeds().text();
        assert!(text.contains("the options of 2 user mappings: the role may not read them"), "{text}");
        // Who sees all has nothing left out.
        let run = backup(&place, &cluster.url(&database), &[]).assert_success();
        assert!(!run.stderr.contains("user mappings") && shown()["left_out"].is_null(), "{run}");
    }
}

#[test]
fn patterns_that_match_nothing() {
    for major in [Major::Distribution, Major::V18] {
        let (cluster, place) = (Cluster::shared(major), Place::folder());
        let database = fresh("latin");
        cluster.psql(
            "postgres",
            &format!("CREATE DATABASE {database} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"),
        );
        cluster.psql(
            &database,
            "CREATE TABLE U&\"gr\\00F6\\00DFe\" AS SELECT generate_series(1, 10) n; CREATE SCHEMA app;
             CREATE TABLE app.\"Big\" AS SELECT generate_series(1, 20) n",
        );
        let url = cluster.url(&database);
        let rows = || place.pgstow(&["show", "latest", "--json"]).succeeds().json()["totals"]["rows"].clone();
        let refused = |words: &[&str], said: &str| {
            backup(&place, &url, words).assert_failure(Kind::Usage).says(said);
        };
        refused(&["--table", "größ"], "--table größ matches nothing in the database");
        refused(&["--table", "app.big"], "--table app.big matches nothing in the database");
        refused(&["--table", "Big", "--table", "größe"], "--table Big matches nothing");
        refused(&["--schema", "ap"], "--schema ap matches nothing");
        // Nothing here can have that letter.
        refused(&["--table", "größe", "--table", "t€"], "--table t€ matches nothing in the database");
        assert!(place.keys().is_empty());

        let excluded = |words: &[&str], said: Option<&str>, left: u64| {
            let run = backup(&place, &url, words).assert_success();
            assert_eq!(said.is_some(), run.stderr.contains("matches nothing"), "{run}");
            said.into_iter().for_each(|said| assert!(run.stderr.contains(said), "{run}"));
            assert_eq!(rows(), left, "{words:?}");
        };
        let said = "warning: --exclude-table-data größer matches nothing, so it leaves nothing out";
        excluded(&["--exclude-table-data", "größer"], Some(said), 30);
        excluded(&["--exclude-table-data", "gr*e"], None, 20);
        // A function of the server has at most 100 arguments.
        excluded(&["--exclude-table-data", "gr*e"].repeat(101), None, 20);
        let said = "warning: --exclude-table-data t€ matches nothing, so it leaves nothing out";
        excluded(&["--exclude-table-data", "t€", "--exclude-table-data", "größe"], Some(said), 20);
        excluded(&["--exclude-table-data", "größe"], None, 20);
        excluded(
            &["--exclude-table", "app.\"B?g\""],
            Some("--exclude-table app.\"B?g\" matches nothing"),
            30,
        );
        excluded(&["--exclude-table", "app.\"Big\""], None, 10);
        excluded(&["--exclude-schema", "a(p|q)+"], None, 10);
        excluded(&["--table", "größe"], None, 10);
        // pg_dump speaks UTF-8 here.
        excluded(&["--exclude-table-data", "größe", "--pg-dump-arg=-EUTF8"], None, 20);
        let words = ["backup", "--recipient", &Keys::shared().recipient, &url, "--table", "größe"];
        place.pgstow(&words).env("PGCLIENTENCODING", "UTF8").succeeds();
        assert_eq!(rows(), 10);
    }
}

#[test]
fn another_server_under_the_same_name() {
    let (one, other) = (Cluster::shared(Major::Distribution), Cluster::shared(Major::V18));
    let (place, database) = (Place::folder(), fresh("same"));
    for cluster in [one, other] {
        cluster.psql("postgres", &format!("CREATE DATABASE {database}"));
    }
    let another = |cluster: &Cluster, database: &str, words: &[&str]| {
        let run = backup(&place, &cluster.url(database), words).assert_success();
        run.stderr.contains("is of another database")
    };
    assert!(!another(one, &database, &[]));
    assert!(!another(one, &database, &[]));
    assert!(another(other, &database, &[]));
    assert!(!another(other, &database, &[]));
    // Another database of the server is another source too.
    assert!(another(other, "postgres", &["--name", &database]));
    let shown = place.pgstow(&["show", "latest", "--json"]).succeeds().json();
    let source = &shown["postgres"]["source"];
    assert_eq!(source["database"], "postgres");
    assert_eq!(source["port"], other.port.to_string());
    assert!(source["system_identifier"].as_str().unwrap().parse::<u64>().is_ok(), "{source}");
    let text = place.pgstow(&["show", "latest"]).succeeds().text();
    assert!(text.contains(&format!("postgres on 127.0.0.1, port {}, system ", other.port)), "{text}");
}

/// It is said by psql, pg_dump and pg_dumpall, each when it connects.
#[test]
fn a_collation_of_another_version_is_said_once() {
    for major in [Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let (database, place) = (fresh("collated"), Place::folder());
        // Each of its versions is known on any machine.
        let provider =
            if major.number() < 17 { "icu ICU_LOCALE 'de'" } else { "builtin BUILTIN_LOCALE 'C.UTF-8'" };
        cluster.psql(
            "postgres",
            &format!(
                "CREATE DATABASE {database} TEMPLATE template0 LOCALE_PROVIDER {provider} LOCALE 'C.UTF-8'"
            ),
        );
        cluster.psql(
            "postgres",
            &format!("UPDATE pg_database SET datcollversion = '1.2' WHERE datname = '{database}'"),
        );
        let url = cluster.url(&database);
        let run = backup(&place, &url, &["--quiet"]).assert_success();
        assert_eq!(run.stderr.matches("collation version mismatch").count(), 1, "{run}");
        let run = backup(&place, &url, &["--quiet", "--accept", "collation"]).assert_success();
        assert!(!run.stderr.contains("collation"), "{run}");
    }
}

/// What the reader would refuse is refused before anything is stored.
#[test]
fn more_labels_than_a_manifest_holds() {
    let (cluster, place) = (Cluster::shared(Major::Distribution), Place::folder());
    let labels = (0..12).flat_map(|n| ["--label".to_owned(), format!("l{n}={}", "x".repeat(100_000))]);
    let labels: Vec<String> = labels.collect();
    let words = ["backup", "--no-encryption", &cluster.url("postgres")];
    let run = place.pgstow(&words).args(&labels).fails(Kind::Usage);
    run.says("the manifest would have 12").says("use fewer or shorter labels");
    assert!(place.keys().is_empty());
    place.pgstow(&words).args(&labels[..18]).succeeds();
    place.pgstow(&["verify", "latest"]).succeeds();
}

/// Whatever else `pg_dump` is given, a part of the database is not taken for the whole.
#[test]
fn options_of_pg_dump_that_leave_something_out() {
    let (cluster, database) = (Cluster::shared(Major::V18), fresh("parts"));
    cluster.psql("postgres", &format!("CREATE DATABASE {database}"));
    cluster.psql(
        &database,
        "CREATE TABLE small AS SELECT generate_series(1, 10) n; SELECT lo_from_bytea(0, 'a large object')",
    );
    for (words, is_partial) in [
        (&["-xtsmall"][..], true),
        (&["-a"], true),
        (&["--data-o"], true),
        (&["--section=pre-data"], true),
        (&["--section", "data"], true),
        (&["-xB"], true),
        (&["--no-large-objects"], true),
        (&["--no-data"], true),
        (&["--no-schema"], true),
        (&["--statistics-only"], true),
        (&["--no-policies"], true),
        (&["--extra-float-digits=0"], true),
        (&["-xO", "--no-comm", "--no-publications", "--encoding", "UTF8"], false),
    ] {
        let place = Place::folder();
        let given: Vec<String> = words.iter().map(|word| format!("--pg-dump-arg={word}")).collect();
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        let run = backup(&place, &cluster.url(&database), &given).assert_success();
        let is_alone =
            ["-a", "--data-o", "--section", "--no-schema", "--statistics-only"].contains(&words[0]);
        assert_eq!(run.stderr.contains("the backup defines no tables"), is_alone, "{words:?}: {run}");
        let shown = place.pgstow(&["show", "latest", "--json"]).succeeds().json();
        assert_eq!(shown["partial"] == true, is_partial, "{words:?}: {shown}");
        let status = place.pgstow(&["status"]);
        if is_partial {
            let status = status.fails(Kind::Overdue).says("no whole backup").says("add --count-partial");
            assert!(!status.stderr.contains("look at the job"), "{status}");
        } else {
            status.succeeds();
        }
    }
}
