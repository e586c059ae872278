//! Databases of other encodings, with nothing in them, and restores into one that is there.

use super::scene::backup;
use crate::scene::{Place, Sample, fresh};
use crate::servers::postgres::{Cluster, Major};

#[test]
fn an_empty_database_that_exists_is_used_as_it_is() {
    let sample = Sample::shared();
    let cluster = sample.cluster;
    let target = cluster.create_database("waiting");
    let restored =
        sample.place.opens(&["restore", "latest", "--to", &cluster.url(&target), "--json"]).succeeds();
    assert_eq!(restored.json()["created"], false);
    assert_eq!(cluster.text_of(&target), cluster.text_of(&sample.database));
}

#[test]
fn an_empty_database_comes_back_empty() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("void");
    let place = Place::folder();
    let made = backup(&place, &[&cluster.url(&database)]).succeeds().json();
    assert_eq!((&made["tables"], &made["rows"]), (&0.into(), &0.into()));
    let copy = fresh("void");
    place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).succeeds();
    assert_eq!(cluster.text_of(&copy), cluster.text_of(&database));
}

#[test]
fn encoding_and_locale_come_along() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = fresh("latin");
    cluster.psql(
        "postgres",
        &format!("CREATE DATABASE {database} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'"),
    );
    cluster.psql(&database, "CREATE TABLE t (s text); INSERT INTO t VALUES (U&'\\00e4')");
    let place = Place::folder();
    place.backup(&cluster.url(&database), &[]);
    let copy = fresh("latin");
    place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).succeeds();
    let facts = |name: &str| {
        let query =
            "SELECT pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname =";
        cluster.psql("postgres", &format!("{query} '{name}'"))
    };
    assert_eq!(facts(&copy), "LATIN1|C|C");
    assert_eq!(cluster.psql(&copy, "SELECT s::bytea, ascii(s) FROM t"), "\\xe4|228");
}

/// What is said of a database is kept as bytes of the encoding in which it was said; the server's other databases have another.
#[test]
fn what_is_said_of_a_database_keeps_its_letters() {
    let (cluster, place) = (Cluster::shared(Major::Distribution), Place::folder());
    let create = |label: &str| {
        let database = fresh(label);
        let create = format!("CREATE DATABASE {database} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
        cluster.psql("postgres", &create);
        database
    };
    let database = create("said");
    cluster.psql(
        &database,
        &format!(
            "CREATE TABLE t (n int); COMMENT ON DATABASE {database} IS U&'M\\00FCller';
             ALTER DATABASE {database} SET app.title TO U&'Gr\\00F6\\00DFe'; ALTER DATABASE {database} SET app.word TO 'x'"
        ),
    );
    place.backup(&cluster.url(&database), &[]);
    let said = |name: &str| {
        let hex = |text: &str| format!("encode(convert_to({text}, 'UTF8'), 'hex')");
        let comment = "shobj_description((SELECT oid FROM pg_database WHERE datname = current_database()), 'pg_database')";
        let title = hex("current_setting('app.title')");
        cluster.psql(name, &format!("SELECT {}, {title}, current_setting('app.word')", hex(comment)))
    };
    let expected = "4dc3bc6c6c6572|4772c3b6c39f65|x";
    assert_eq!(said(&database), expected);
    let existing = create("existing");
    for copy in [fresh("said"), existing] {
        let run = place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).succeeds();
        assert_eq!(said(&copy), expected, "{run}");
        assert!(!run.stderr.contains("not applied"), "{run}");
    }
}
