//! Roles that may not do everything: not see all rows, not have many sessions.

use crate::scene::{Place, fresh};
use crate::servers::postgres::{Cluster, Major, PASSWORD};

/// The owner's own policies hide its rows, and there is no way around them.
#[test]
fn rows_hidden_from_their_owner_are_named_and_not_compared() {
    for major in [Major::V14, Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let (database, role) = (cluster.create_database("forced"), fresh("owner"));
        cluster.psql(
            &database,
            &format!(
                "CREATE ROLE {role} LOGIN CREATEDB PASSWORD '{PASSWORD}'; GRANT ALL ON SCHEMA public TO {role};
                 CREATE TABLE secret AS SELECT generate_series(1, 10) AS n;
                 ALTER TABLE secret ENABLE ROW LEVEL SECURITY; ALTER TABLE secret FORCE ROW LEVEL SECURITY;
                 CREATE POLICY few ON secret USING (n < 3);
                 CREATE TABLE seen AS SELECT generate_series(1, 5) AS n;
                 ALTER TABLE secret OWNER TO {role}; ALTER TABLE seen OWNER TO {role};
                 ALTER DATABASE {database} OWNER TO {role}"
            ),
        );
        let place = Place::folder();
        place.backup(&cluster.url(&database), &["--name", "app"]);
        let copy = fresh("forced");
        let words = ["--no-acl", "--target-profile", "plain"];
        place
            .opens(&["restore", "latest", "--no-owner", "--to", &cluster.url_of(&role, &copy)])
            .args(words)
            .succeeds()
            .says("public.secret (row-level security hides its rows)")
            .says("proven: 5 rows in 1 table");
        assert_eq!(cluster.psql(&copy, "SELECT count(*) FROM secret"), "10");
        let swap = ["restore", "latest", "--no-owner", "--swap", "--yes", "--to"];
        place.opens(&swap).arg(cluster.url_of(&role, &database)).args(words).succeeds();
        assert_eq!(cluster.psql(&database, "SELECT count(*) FROM secret"), "10");
        place.opens(&["verify", "latest", "--restore", "--to", &cluster.url_of(&role, "")]).succeeds();
    }
}

#[test]
fn a_role_with_few_sessions_restores() {
    for major in [Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("narrow");
        cluster
            .psql(&database, "CREATE TABLE t AS SELECT generate_series(1, 100) AS n; CREATE INDEX ON t (n)");
        for limit in [1, 2] {
            let role = fresh("narrow");
            cluster.psql(
                &database,
                &format!(
                    "CREATE ROLE {role} LOGIN CREATEDB PASSWORD '{PASSWORD}' CONNECTION LIMIT {limit};
                     GRANT SELECT ON t TO {role}; GRANT pg_read_all_data TO {role}"
                ),
            );
            let place = Place::folder();
            place.backup(&cluster.url(&database), &["--name", "app"]);
            let copy = fresh("narrow");
            let run = place
                .opens(&["restore", "latest", "--no-owner", "--no-acl", "--jobs", "4", "--to"])
                .arg(cluster.url_of(&role, &copy))
                .succeeds()
                .says("proven: 100 rows in 1 table");
            assert_eq!(run.stderr.matches("CONNECTION LIMIT").count(), 1, "{run}");
        }
    }
}
