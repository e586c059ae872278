//! Roles of a server on an older one: what that does not know is reported, and nobody may do more than on the source.

use crate::scene::{Place, fresh, restore_fails};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;

const ROLES: &str = "
    CREATE ROLE mgr CREATEROLE; CREATE ROLE lead; CREATE ROLE peon; CREATE ROLE tuner;
    GRANT lead TO peon WITH INHERIT FALSE, SET FALSE; GRANT pg_use_reserved_connections TO peon;
    GRANT SET ON PARAMETER log_min_duration_statement TO tuner;
    SET ROLE mgr; CREATE ROLE team; GRANT team TO mgr;";

/// Owned by each role, and by whoever owns the database.
const OBJECTS: &str = "
    CREATE TABLE a (); ALTER TABLE a OWNER TO team; CREATE TABLE b (); ALTER TABLE b OWNER TO lead;
    CREATE TABLE c (); ALTER TABLE c OWNER TO tuner; CREATE TABLE d (); ALTER TABLE d OWNER TO pg_database_owner;
    CREATE PROCEDURE p (OUT n int) LANGUAGE sql AS 'SELECT 1';";

#[test]
fn a_server_keeps_or_reports_what_roles_of_a_newer_one_may() {
    let source = Cluster::start(Major::V16);
    source.psql("postgres", ROLES);
    let database = source.create_database("older");
    source.psql(&database, OBJECTS);
    let place = Place::folder();
    place.backup(&source.url(&database), &[]);
    let restore = |target: &Cluster, words: &[&str]| {
        place.opens(&["restore", "latest", "--to", &target.url(&fresh("older"))]).args(words).succeeds()
    };

    let newer = Cluster::start(Major::V18);
    let run = restore(&newer, &["--roles", "restore"]);
    assert!(!run.stderr.contains("is no member of") && !run.stderr.contains("has more"), "{run}");
    let may =
        "SELECT r.rolname, m.rolname, bool_or(admin_option), bool_or(inherit_option), bool_or(set_option)
        FROM pg_auth_members JOIN pg_roles r ON r.oid = roleid JOIN pg_roles m ON m.oid = member
        WHERE r.rolname IN ('lead', 'team', 'pg_use_reserved_connections') GROUP BY 1, 2 ORDER BY 1, 2";
    assert_eq!(newer.psql("postgres", may), source.psql("postgres", may), "{run}");
    let may_set = "SELECT has_parameter_privilege('tuner', 'log_min_duration_statement', 'SET')";
    assert_eq!(newer.psql("postgres", may_set), "t", "{run}");

    let older = Cluster::start(Major::V14);
    let run = restore(&older, &["--roles", "restore"]);
    let run = run.says("\"peon\" is no member of \"lead\" here: PostgreSQL 14 has no membership WITH ");
    let run = run.says("\"peon\" is no member of \"pg_use_reserved_connections\" here: there is no role ");
    let run = run.says("\"tuner\" has no SET on parameter \"log_min_duration_statement\" here: ");
    let run = run.says("\"mgr\" has more with CREATEROLE here: ");
    let run = run.says("PUBLIC may create objects in its schema public");
    assert_eq!(run.stderr.matches("\"peon\" is no member of \"lead\" here").count(), 1, "{run}");
    assert_eq!(older.psql("postgres", "SELECT pg_has_role('peon', 'lead', 'MEMBER')"), "f", "{run}");
    assert_eq!(older.psql("postgres", "SELECT pg_has_role('mgr', 'team', 'MEMBER')"), "t", "{run}");

    // Nobody can create a role of the system's own, and all of it can belong to another.
    let oldest = Cluster::start(Major::V13);
    oldest.psql("postgres", "CREATE ROLE lead; CREATE ROLE team; CREATE ROLE tuner");
    let run = restore_fails(&place, &oldest, &[], Kind::Postgres);
    let run = run
        .says("the target server lacks roles that the backup needs: \"pg_database_owner\" (owns 1 object)");
    assert!(!run.stderr.contains("--roles"), "{run}");
    let run = restore_fails(&place, &oldest, &["--owner", "postgres"], Kind::Postgres);
    let run = run.says("OUT arguments").says("the target is older than the source: --schema-only shows");
    assert!(!run.stderr.contains("quote-all-identifiers"), "{run}");
}
