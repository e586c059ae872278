//! A database with owners, readers and policies, and servers that have none of them.

use crate::harness::{Pgstow, Run};
use crate::scene::{Place, fresh};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;

/// A database of a server of its own with roles of its own, backed up.
pub struct Scene {
    pub source: Cluster,
    pub database: String,
    pub place: Place,
}

/// Roles, and a database in which each of them is needed for something else.
const ROLES: &str = r#"
    CREATE ROLE boss; CREATE ROLE reader; CREATE ROLE "Größe, ""x"""; CREATE ROLE grp; CREATE ROLE planner; CREATE ROLE stranger;
    CREATE ROLE web LOGIN PASSWORD 'web-word' CREATEDB CONNECTION LIMIT 7;
    GRANT boss TO web; GRANT reader TO boss WITH ADMIN OPTION; GRANT pg_read_all_stats TO reader;
    ALTER ROLE boss SET search_path TO app, public; COMMENT ON ROLE boss IS 'the boss''s';
"#;
const OBJECTS: &str = r#"
    CREATE SCHEMA app AUTHORIZATION boss;
    SET ROLE boss;
    CREATE TABLE app.t (a int PRIMARY KEY, b text);
    INSERT INTO app.t SELECT n, 'row ' || n FROM generate_series(1, 100) n;
    CREATE SEQUENCE app.numbers;
    CREATE TABLE app.closed (a int); REVOKE ALL ON app.closed FROM boss; GRANT SELECT ON app.closed TO boss;
    GRANT USAGE ON SCHEMA app TO reader;
    GRANT SELECT ON app.t TO reader WITH GRANT OPTION;
    GRANT SELECT (a) ON app.t TO "Größe, ""x""";
    ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO reader;
    CREATE FUNCTION app.f("TO" text) RETURNS int LANGUAGE sql AS 'SELECT 1';
    GRANT EXECUTE ON FUNCTION app.f TO reader;
    CREATE POLICY p ON app.t TO planner, "Größe, ""x""" USING (a = 1);
    SET ROLE reader;
    GRANT SELECT ON app.t TO grp;
    RESET ROLE;
"#;

impl Scene {
    pub fn new(major: Major) -> Scene {
        let source = Cluster::start(major);
        source.psql("postgres", ROLES);
        source.psql("postgres", "CREATE DATABASE shop OWNER boss TEMPLATE template0");
        source.psql("shop", OBJECTS);
        let place = Place::folder();
        place.backup(&source.url("shop"), &["--name", "shop"]);
        Scene { source, database: "shop".into(), place }
    }

    /// A restore into a database that does not exist yet, and its name.
    pub fn restore(&self, target: &Cluster, words: &[&str]) -> (String, Pgstow) {
        let copy = fresh("copy");
        let run = self.place.opens(&["restore", "latest", "--json", "--to", &target.url(&copy)]).args(words);
        (copy, run)
    }

    /// A restore that must fail, and leave neither database nor role behind.
    #[track_caller]
    pub fn restore_fails(&self, target: &Cluster, words: &[&str]) -> Run {
        let before = roles(target);
        let (copy, run) = self.restore(target, words);
        let run = run.fails(Kind::Postgres);
        assert!(!target.has_database(&copy), "{copy} is left: {run}");
        assert_eq!(roles(target), before, "{run}");
        run
    }
}

/// The roles of a server that are not the system's.
pub fn roles(cluster: &Cluster) -> String {
    let question = "SELECT string_agg(rolname, '|' ORDER BY rolname COLLATE \"C\") FROM pg_roles WHERE rolname !~ '^(pg_|postgres$)'";
    cluster.psql("postgres", question)
}

/// Owners and grants of all that is in a database.
pub fn rights(cluster: &Cluster, database: &str) -> String {
    cluster.psql(
        database,
        "SELECT c.relname, pg_get_userbyid(relowner), (SELECT string_agg(coalesce(nullif(grantee, 0)::regrole::text, 'all')
                || '=' || privilege_type || CASE WHEN is_grantable THEN '*' ELSE '' END, ' ' ORDER BY grantee::regrole::text, privilege_type)
             FROM aclexplode(relacl) WHERE privilege_type <> 'MAINTAIN') FROM pg_class c
          WHERE relnamespace = 'app'::regnamespace AND relkind IN ('r', 'S') ORDER BY 1",
    )
}

/// A role that may make databases and roles, and is no superuser: what a managed service lends. Its URL.
pub fn limited(cluster: &Cluster, name: &str) -> impl Fn(&str) -> String {
    cluster
        .psql("postgres", &format!("CREATE ROLE {name} LOGIN PASSWORD 'limited-word' CREATEDB CREATEROLE"));
    let (port, name) = (cluster.port, name.to_owned());
    move |database| format!("postgres://{name}:limited-word@127.0.0.1:{port}/{database}")
}
