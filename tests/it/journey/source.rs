//! Every way to say which database, and which of its tables.

use super::scene::{backup, fetch_with, small};
use crate::harness::Pgstow;
use crate::scene::{Keys, Place, Sample, fresh, listing};
use crate::servers::postgres::{Major, PASSWORD, USER};
use pgstow::error::Kind;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

#[test]
fn the_database_is_whatever_libpq_says() {
    let (cluster, database) = small();
    let place = Place::folder();
    let home = TempDir::new().unwrap();
    let service_file = home.path().join("services.conf");
    let (port, host) = (cluster.port.to_string(), "127.0.0.1");
    let service =
        format!("[mine]\nhost={host}\nport={port}\nuser={USER}\npassword={PASSWORD}\ndbname={database}\n");
    std::fs::write(&service_file, service).unwrap();
    let pass_file = home.path().join("pgpass");
    std::fs::write(&pass_file, format!("{host}:{port}:*:{USER}:{PASSWORD}\n")).unwrap();
    std::fs::set_permissions(&pass_file, std::fs::Permissions::from_mode(0o600)).unwrap();

    let keywords = format!("host={host} port={port} user={USER} dbname={database}");
    let without = |command: Pgstow| command.env("PGHOST", host).env("PGPORT", &port).env("PGUSER", USER);
    let ways: [(&str, Pgstow); 6] = [
        ("PG*", without(backup(&place, &[])).env("PGPASSWORD", PASSWORD).env("PGDATABASE", database)),
        ("name", without(backup(&place, &[database])).env("PGPASSWORD", PASSWORD)),
        ("PGSERVICE", backup(&place, &[]).env("PGSERVICEFILE", &service_file).env("PGSERVICE", "mine")),
        ("service=", backup(&place, &["service=mine"]).env("PGSERVICEFILE", &service_file)),
        ("DATABASE_URL", backup(&place, &[]).env("DATABASE_URL", cluster.url(database))),
        ("keywords, .pgpass", backup(&place, &[&keywords]).env("PGPASSFILE", &pass_file)),
    ];
    for (way, command) in ways {
        let made = command.succeeds().json();
        assert_eq!((made["name"].as_str(), made["rows"].as_u64()), (Some(database), Some(10)), "{way}");
    }
    let socket =
        format!("postgres:///{database}?host={}&port={port}&user={USER}", cluster.socket_folder().display());
    backup(&place, &[&socket]).env("PGPASSWORD", PASSWORD).succeeds();

    // On the way back too; but a target is never guessed.
    let copy = fresh("by_service");
    let to = format!("service=mine dbname={copy}");
    place.opens(&["restore", "latest", "--to", &to]).env("PGSERVICEFILE", &service_file).succeeds();
    assert_eq!(cluster.psql(&copy, "SELECT count(*) FROM t"), "10");
    place
        .opens(&["restore", "latest", "--to", "service=mine"])
        .env("PGSERVICEFILE", &service_file)
        .fails(Kind::Usage)
        .says("names no database");
}

#[test]
fn a_selection_of_tables_is_a_backup_too() {
    let sample = Sample::shared();
    let url = sample.cluster.url(&sample.database);
    let listed = |words: &[&str]| {
        let place = Place::folder();
        place.backup(&url, words);
        listing(
            Major::Distribution,
            &fetch_with(&place, |c| c.env("PGSTOW_IDENTITY", &Keys::shared().identity)),
        )
    };
    let tables = listed(&["--table", "app.users", "--table", "public.nothing_in_it"]);
    assert!(
        tables.contains("TABLE DATA app users") && tables.contains("TABLE public nothing_in_it"),
        "{tables}"
    );
    assert!(!tables.contains("orders") && !tables.contains("BLOB"), "{tables}");
    let schema = listed(&["--schema", "\"Größe\"*"]);
    assert!(schema.contains("TABLE DATA Größe") && !schema.contains("TABLE DATA app"), "{schema}");
    let without_rows = listed(&["--exclude-table-data", "app.orders", "--exclude-table-data", "public.bulk"]);
    assert!(without_rows.contains("TABLE app orders") && !without_rows.contains("TABLE DATA app orders"));
    let without = listed(&["--exclude-table", "app.orders", "--exclude-schema", "public"]);
    assert!(!without.contains("orders postgres") && !without.contains("bulk"), "{without}");
    let further = listed(&["--pg-dump-arg=--no-comments", "--pg-dump-arg", "--no-blobs"]);
    assert!(!further.contains("COMMENT") && !further.contains("BLOB"), "{further}");

    let place = Place::folder();
    backup(&place, &["--table", "no.such", &url])
        .fails(Kind::Usage)
        .says("no.such matches nothing in the database");
    assert!(place.keys().is_empty());
    backup(&place, &["--pg-dump-arg=--inserts", &url]).fails(Kind::Usage).says("--inserts");
}
