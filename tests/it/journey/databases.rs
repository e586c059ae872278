//! Databases of other encodings, with nothing in them, and restores into one that is there.

use super::scene::backup;
use crate::scene::{Place, Sample, fresh};
use crate::servers::postgres::{Cluster, Major};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

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

/// A schema without content is no content, but it is not the backup's either.
#[test]
fn an_empty_schema_of_ones_own_gets_its_owner() {
    let (cluster, place) = (Cluster::shared(Major::Distribution), Place::folder());
    let [source, target] = ["owned", "waits"].map(|label| cluster.create_database(label));
    let owner = fresh("alice");
    cluster.psql(
        &source,
        &format!(
            "CREATE ROLE {owner}; CREATE SCHEMA shop AUTHORIZATION {owner}; CREATE TABLE shop.t (n int)"
        ),
    );
    place.backup(&cluster.url(&source), &[]);
    cluster.psql(&target, "CREATE SCHEMA shop");
    place.opens(&["restore", "latest", "--to", &cluster.url(&target)]).succeeds();
    let whose = "SELECT nspowner::regrole FROM pg_namespace WHERE nspname = 'shop'";
    assert_eq!(cluster.psql(&target, whose), owner);
}

/// Roles are the server's: their names have the bytes of the session that made them, whatever a database's encoding is.
#[test]
fn roles_and_databases_have_letters_in_any_encoding() {
    let (cluster, place) = (Cluster::start(Major::Distribution), Place::folder());
    let [role, other, first, second] = ["größe", "other", "büro", "nächst"].map(fresh);
    let url = |name: &str| cluster.url(&utf8_percent_encode(name, NON_ALPHANUMERIC).to_string());
    let create = format!("CREATE DATABASE \"{first}\" TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
    cluster.psql("postgres", &format!("CREATE ROLE \"{role}\"; CREATE ROLE {other}"));
    cluster.psql("postgres", &create);
    cluster.psql(
        "postgres",
        &format!(
            "REVOKE CONNECT ON DATABASE \"{first}\" FROM PUBLIC; GRANT CONNECT ON DATABASE \"{first}\" TO \"{role}\";
             ALTER DATABASE \"{first}\" SET statement_timeout = '55s'; ALTER DATABASE \"{first}\" OWNER TO \"{role}\";
             COMMENT ON DATABASE \"{first}\" IS 'Müller'"
        ),
    );
    place.backup(&url(&first), &["--name", "app"]);
    let said = |name: &str| {
        cluster.psql(
            "postgres",
            &format!(
                "SELECT pg_get_userbyid(datdba), has_database_privilege('{role}', oid, 'CONNECT'),
                   has_database_privilege('{other}', oid, 'CONNECT'), shobj_description(oid, 'pg_database'),
                   (SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = d.oid)
                 FROM pg_database d WHERE datname = '{name}'"
            ),
        )
    };
    let expected = format!("{role}|t|f|Müller|{{statement_timeout=55s}}");
    assert_eq!(said(&first), expected);
    let restore =
        |words: &[&str]| place.opens(&["restore", "latest", "--to", &url(&second)]).args(words).succeeds();
    let run = restore(&[]);
    assert_eq!(said(&second), expected, "{run}");
    assert!(!run.stderr.contains("not applied"), "{run}");
    cluster.psql("postgres", &format!("DROP DATABASE \"{second}\""));
    let run = restore(&["--map-role", &format!("{role}={other}")]);
    assert!(said(&second).starts_with(&format!("{other}|")), "{run}");
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
    let said = |name: &str| {
        let hex = |text: &str| format!("encode(convert_to({text}, 'UTF8'), 'hex')");
        let comment = "shobj_description((SELECT oid FROM pg_database WHERE datname = current_database()), 'pg_database')";
        let title = hex("current_setting('app.title')");
        cluster.psql(name, &format!("SELECT {}, {title}, current_setting('app.word')", hex(comment)))
    };
    let expected = "4dc3bc6c6c6572|4772c3b6c39f65|x";
    assert_eq!(said(&database), expected);
    let ways = [&[][..], &["--pg-dump-arg=--encoding=UTF8"]];
    let copies = ways.iter().flat_map(|words| [(words, fresh("said")), (words, create("existing"))]);
    for (words, copy) in copies {
        place.backup(&cluster.url(&database), words);
        let run = place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).succeeds();
        assert_eq!(said(&copy), expected, "{run}");
        assert!(!run.stderr.contains("not applied"), "{run}");
    }
}

/// Where a backslash in a plain string is doubled, it is still one.
#[test]
fn what_is_said_of_a_database_keeps_its_backslashes() {
    let (cluster, place) = (Cluster::shared(Major::Distribution), Place::folder());
    let database = cluster.create_database("strings");
    cluster.psql(
        &database,
        &format!(
            "CREATE TABLE t (n int); ALTER DATABASE {database} SET standard_conforming_strings = off;
             ALTER DATABASE {database} SET app.folder TO 'D:\\old'; COMMENT ON DATABASE {database} IS 'C:\\dir\\new'"
        ),
    );
    place.backup(&cluster.url(&database), &[]);
    let said = |name: &str| {
        let comment = "shobj_description((SELECT oid FROM pg_database WHERE datname = current_database()), 'pg_database')";
        cluster.psql(name, &format!("SELECT {comment}, current_setting('app.folder')"))
    };
    let copy = fresh("strings");
    let to = cluster.url(&copy);
    place.opens(&["restore", "latest", "--to", &to, "--search-path", "public, \"a\\b\""]).succeeds();
    assert_eq!(
        (said(&copy).as_str(), said(&database).as_str()),
        (r"C:\dir\new|D:\old", r"C:\dir\new|D:\old")
    );
}
