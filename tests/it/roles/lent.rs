//! A database that a service lends: nobody else is let into any other one of its server, and the service has things of its
//! own in it, as on Heroku.

use crate::scene::Place;
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;

/// What a service has in each database that it lends.
const OF_SERVICE: &str = "
    CREATE SCHEMA _heroku; CREATE SCHEMA heroku_ext; GRANT USAGE, CREATE ON SCHEMA heroku_ext TO PUBLIC;
    CREATE FUNCTION _heroku.validate() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
    CREATE EVENT TRIGGER validate ON ddl_command_start EXECUTE FUNCTION _heroku.validate();
    COMMENT ON SCHEMA _heroku IS 'not yours';
    GRANT EXECUTE ON FUNCTION _heroku.validate() TO lent_source;
    CREATE EXTENSION pg_stat_statements SCHEMA heroku_ext;
    GRANT CREATE ON SCHEMA public TO PUBLIC;
";
const OF_CUSTOMER: &str = "
    CREATE SCHEMA shop; CREATE TABLE shop.orders AS SELECT generate_series(1, 50) AS n;
    CREATE TABLE users (id serial PRIMARY KEY, name text); INSERT INTO users (name) VALUES ('a'), ('b');
    CREATE VIEW names AS SELECT name FROM users;
    CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n';
";

/// A server whose customers may use the database of their name, and no other.
fn service(major: Major, customers: &[&str]) -> Cluster {
    let cluster = Cluster::start(major);
    for name in customers {
        cluster.psql("postgres", &format!("CREATE ROLE {name} LOGIN PASSWORD 'lent'"));
    }
    for name in customers {
        cluster.psql("postgres", &format!("CREATE DATABASE {name}"));
        cluster.psql(
            "postgres",
            &format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC; GRANT ALL ON DATABASE {name} TO {name}"),
        );
        cluster.psql(name, OF_SERVICE);
    }
    cluster.psql("postgres", "REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC");
    cluster
}

/// The customer's own connection to this database.
fn url(cluster: &Cluster, customer: &str, database: &str) -> String {
    format!("postgres://{customer}:lent@127.0.0.1:{}/{database}", cluster.port)
}

fn run_as(cluster: &Cluster, customer: &str, sql: &str) {
    cluster.psql(customer, &format!("SET SESSION AUTHORIZATION {customer}; {sql}"));
}

#[test]
fn a_lent_database_is_filled_and_the_service_keeps_its_own() {
    for major in [Major::Distribution, Major::V14] {
        let cluster = service(major, &["lent_source", "lent_new", "lent_other"]);
        run_as(&cluster, "lent_source", OF_CUSTOMER);
        let place = Place::folder();
        place.backup(&url(&cluster, "lent_source", "lent_source"), &["--name", "lent"]);
        let restore = |to: &str| {
            let place = &place;
            place.opens(&["restore", "latest", "--json", "--no-owner", "--no-acl", "--to", to])
        };

        let new = url(&cluster, "lent_new", "lent_new");
        let run = restore(&new).succeeds().says("proven: 52 rows in 2 tables");
        let left_out = run.json()["left_out"].to_string();
        for what in [
            "SCHEMA _heroku (there already)",
            "SCHEMA heroku_ext (there already)",
            "COMMENT SCHEMA _heroku (",
            "FUNCTION _heroku.validate() (there already)",
            "EVENT TRIGGER validate (",
        ] {
            assert!(left_out.contains(what), "{what}: {run}");
        }
        // Grants that nobody wants are no news.
        assert!(!left_out.contains("ACL"), "{run}");
        let all = "SELECT count(*), (SELECT count(*) FROM names), twice(21) FROM shop.orders";
        assert_eq!(cluster.psql("lent_new", all), "50|2|42");

        // Now it is full, and there is no other.
        let run = restore(&new).fails(Kind::TargetExists).says("is not empty: view names, table shop.orders");
        run.says("the role may not create databases").says("`pg_restore -L`");
        let run = restore(&url(&cluster, "lent_new", "lent_fresh")).fails(Kind::Postgres);
        let run = run.says(
            "none of the databases postgres, defaultdb, template1 and \"lent_fresh\" can be connected to",
        );
        run.says("if the service lets nobody create databases");
    }
}

#[test]
fn what_others_have_is_passed_over_unless_it_is_in_the_way() {
    let cluster = service(Major::Distribution, &["lent_source", "lent_new"]);
    run_as(&cluster, "lent_source", OF_CUSTOMER);
    run_as(
        &cluster,
        "lent_source",
        "CREATE TABLE heroku_ext.places (n int); CREATE FUNCTION heroku_ext.twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2'",
    );
    let audit =
        "CREATE SCHEMA audit; CREATE TABLE audit.log AS SELECT 7 AS n; GRANT USAGE ON SCHEMA audit TO PUBLIC;
        GRANT SELECT ON audit.log TO PUBLIC";
    cluster.psql("lent_source", audit);
    cluster.psql("lent_new", &format!("{audit}; CREATE TABLE heroku_ext.places (n int)"));
    let place = Place::folder();
    place.backup(&url(&cluster, "lent_source", "lent_source"), &["--name", "lent"]);
    let to = url(&cluster, "lent_new", "lent_new");
    let restore = || place.opens(&["restore", "latest", "--json", "--no-owner", "--no-acl", "--to", &to]);
    let run = restore().fails(Kind::Postgres);
    let run = run.says("in which this role may not create what the backup has there: audit.log");
    run.says("leave these rows out: --exclude-table-data '\"audit\".*'");
    let without = ["--exclude-table-data", "\"audit\".*"];
    let run = restore().args(without).fails(Kind::TargetExists);
    run.says("has already what the backup would create: TABLE heroku_ext.places");
    cluster.psql("lent_new", "DROP TABLE heroku_ext.places");
    // A function of the same name is another one if its arguments are, and an empty schema is none of the backup's content.
    cluster
        .psql("lent_new", "CREATE FUNCTION heroku_ext.twice(n text) RETURNS int LANGUAGE sql AS 'SELECT 2'");
    run_as(&cluster, "lent_new", "CREATE SCHEMA shop");
    restore().args(without).succeeds().says("proven: 52 rows in 3 tables");
    assert_eq!(cluster.psql("lent_new", "SELECT count(*) FROM audit.log"), "1");
    // What this role has in a schema of others is content.
    cluster.psql("lent_new", "DROP SCHEMA shop CASCADE; DROP TABLE users CASCADE; DROP FUNCTION twice");
    restore().fails(Kind::TargetExists).says("is not empty: table heroku_ext.places");
}
