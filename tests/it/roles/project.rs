//! A new project of a service that is never empty, and whose customer owns some of what is in it, as on Supabase.

use crate::scene::Place;
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;

const ROLES: &str = "
    CREATE ROLE supabase_admin SUPERUSER; CREATE ROLE supabase_auth_admin; CREATE ROLE anon;
    CREATE ROLE me LOGIN PASSWORD 'mine' CREATEDB CREATEROLE BYPASSRLS; GRANT pg_read_all_data, anon TO me;
";
/// What every project has.
const OF_SERVICE: &str = r#"
    CREATE SCHEMA auth AUTHORIZATION supabase_admin; GRANT USAGE ON SCHEMA auth TO me, anon, supabase_auth_admin;
    CREATE TABLE auth.users (id int PRIMARY KEY, email text UNIQUE);
    CREATE TABLE auth.identities (id serial PRIMARY KEY, who int REFERENCES auth.users);
    CREATE INDEX identities_who ON auth.identities (who);
    CREATE TABLE auth."users x" (id int);
    CREATE TABLE auth.schema_migrations (version int); INSERT INTO auth.schema_migrations VALUES (1), (2);
    CREATE FUNCTION auth.uid() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE TABLE auth.objects (name text PRIMARY KEY, owner int); ALTER TABLE auth.objects ENABLE ROW LEVEL SECURITY;
    CREATE POLICY of_service ON auth.objects TO supabase_auth_admin USING (true);
    ALTER TABLE auth.users OWNER TO supabase_auth_admin; ALTER TABLE auth.identities OWNER TO supabase_auth_admin;
    ALTER TABLE auth.objects OWNER TO supabase_auth_admin; ALTER TABLE auth.schema_migrations OWNER TO supabase_auth_admin;
    GRANT ALL ON auth.users, auth.identities, auth.objects TO me; GRANT ALL ON SEQUENCE auth.identities_id_seq TO me;

    CREATE SCHEMA extensions AUTHORIZATION me;
    CREATE FUNCTION extensions.notices() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
    CREATE FUNCTION extensions.grants() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
    ALTER FUNCTION extensions.notices() OWNER TO supabase_admin; ALTER FUNCTION extensions.grants() OWNER TO me;
    COMMENT ON FUNCTION extensions.notices() IS 'of the service';
    CREATE SCHEMA pgbouncer AUTHORIZATION supabase_admin;
    CREATE FUNCTION pgbouncer.get_auth() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION pgbouncer.get_auth() OWNER TO me;
    CREATE EVENT TRIGGER notices ON ddl_command_end EXECUTE FUNCTION extensions.notices();
    CREATE EVENT TRIGGER grants ON sql_drop EXECUTE FUNCTION extensions.grants();
    CREATE PUBLICATION supabase_realtime; ALTER PUBLICATION supabase_realtime OWNER TO me;
    ALTER DEFAULT PRIVILEGES FOR ROLE supabase_admin IN SCHEMA public GRANT ALL ON TABLES TO me, anon;
    ALTER DEFAULT PRIVILEGES FOR ROLE me IN SCHEMA public GRANT ALL ON TABLES TO anon;
    ALTER DEFAULT PRIVILEGES FOR ROLE me IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO anon;
    ALTER DEFAULT PRIVILEGES FOR ROLE me IN SCHEMA extensions GRANT USAGE ON SEQUENCES TO anon WITH GRANT OPTION;
    ALTER DEFAULT PRIVILEGES FOR ROLE me REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
    GRANT ALL ON SCHEMA public TO me;
"#;
const OF_CUSTOMER: &str = r#"
    CREATE TABLE profiles (id int PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE, name text);
    ALTER TABLE profiles ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON profiles USING (auth.uid() = id);
    CREATE SCHEMA private; CREATE TABLE private.posts AS SELECT generate_series(1, 30) AS n;
    CREATE FUNCTION greet() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public
        AS 'BEGIN INSERT INTO profiles VALUES (new.id, new.email); RETURN new; END';
    CREATE TRIGGER greeting AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION greet();
    CREATE TABLE secrets (word text); REVOKE ALL ON secrets FROM anon;
    CREATE FUNCTION admin() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
    REVOKE ALL ON FUNCTION admin() FROM PUBLIC, anon;
    ALTER PUBLICATION supabase_realtime ADD TABLE private.posts;
    CREATE PUBLICATION "supabase_realtime two" FOR TABLE private.posts;
    INSERT INTO auth.users SELECT n, 'u' || n FROM generate_series(1, 20) n;
    INSERT INTO auth.identities (who) SELECT id FROM auth.users; INSERT INTO auth.objects VALUES ('a.png', 1);
"#;

/// What else there is of the customer: this role cannot make all of it in another project.
const OF_OTHERS: &str = r#"
    CREATE POLICY mine ON auth.objects USING (owner = auth.uid());
    CREATE TRIGGER note AFTER INSERT ON auth."users x" FOR EACH ROW EXECUTE FUNCTION greet();
    CREATE TRIGGER asleep AFTER UPDATE ON auth.users FOR EACH ROW EXECUTE FUNCTION greet();
    ALTER TABLE auth.users DISABLE TRIGGER asleep;
"#;
/// Who may do what with all that is the customer's.
const RIGHTS: &str = "
    SELECT string_agg(concat_ws(' ', name, one), E'\n' ORDER BY name, one::text) FROM (
      SELECT relname, coalesce(relacl, acldefault('r', relowner)) FROM pg_class WHERE relkind = 'r'
         AND relnamespace::regnamespace::text IN ('public', 'private')
      UNION ALL SELECT proname, coalesce(proacl, acldefault('f', proowner)) FROM pg_proc
       WHERE pronamespace = 'public'::regnamespace) AS t (name, acl), unnest(acl) AS one";
/// And with what this role creates.
const DEFAULTS: &str = "
    SELECT string_agg(concat_ws(' ', coalesce(nspname, ''), defaclobjtype, one), E'\n' ORDER BY nspname, defaclobjtype, one::text)
      FROM pg_default_acl LEFT JOIN pg_namespace n ON n.oid = defaclnamespace, unnest(defaclacl) AS one";

/// The customer's connection to a project.
fn project(cluster: &Cluster, name: &str) -> String {
    cluster.psql("postgres", &format!("CREATE DATABASE {name} OWNER me"));
    cluster.psql(name, OF_SERVICE);
    format!("postgres://me:mine@127.0.0.1:{}/{name}", cluster.port)
}

#[test]
fn a_project_is_moved_into_a_new_one() {
    for major in [Major::Distribution, Major::V17] {
        let cluster = Cluster::start_with(major, &["wal_level=logical"]);
        cluster.psql("postgres", ROLES);
        let [old, new] = ["old", "new"].map(|name| project(&cluster, name));
        cluster.psql("old", &format!("SET SESSION AUTHORIZATION me; {OF_CUSTOMER}"));
        cluster.psql("old", OF_OTHERS);
        let place = Place::folder();
        place.backup(&old, &["--name", "shop"]);
        let restore = || place.opens(&["restore", "latest", "--name", "shop", "--json", "--to", &new]);

        let run = restore().fails(Kind::Postgres);
        let run = run.says("in which this role may not create what the backup has there: auth.identities");
        let run = run.says(r#"leave these rows out: --exclude-table-data '"auth".*'"#);
        run.says("before that, append the rows that are wanted to tables that are there (auth.identities, auth.objects, auth.schema_migrations");

        let defaults = cluster.psql("new", DEFAULTS);
        let without_rows = ["--exclude-table-data", "auth.*"];
        let run = restore().args(without_rows).fails(Kind::Postgres).says("profiles_id_fkey");
        assert!(!run.stderr.contains("--on-error keep"), "{run}");
        assert_eq!(cluster.psql("new", DEFAULTS), defaults);

        let tables =
            ["--table", "auth.users", "--table", "auth.identities", "--table", "auth.objects", "--into"];
        place.opens(&["restore", "latest", "--name", "shop"]).args(tables).arg(&new).succeeds();

        // What was appended there since is not forgotten.
        let (set, next) = if major == Major::V17 { ("51", "52") } else { ("1", "21") };
        cluster.psql("new", &format!("SELECT setval('auth.identities_id_seq', {set})"));
        let proof = if major == Major::V17 { "digests" } else { "counts" };
        let run = restore().args(without_rows).args(["--proof", proof]).succeeds();
        let run = run.says("proven: 50 rows in 3 tables");
        assert_eq!(cluster.psql("new", RIGHTS), cluster.psql("old", RIGHTS));
        assert_eq!(cluster.psql("new", DEFAULTS), defaults);
        let run = run.says("objects of the schema \"auth\" (there already)");
        let run = run.says("left out: FUNCTION extensions.grants() (there already, from the service)");
        let run = run.says("TRIGGER auth.users asleep (only the owner of its table may say when it fires)");
        let run = run.says("TRIGGER auth.users x note (in a schema of somebody else there)");
        let run = run.says("left out: POLICY auth.objects mine (in a schema");
        let left_out = run.json()["left_out"].to_string();
        for what in ["TABLE auth.users (there already)", "POLICY auth.objects of_service (there"] {
            assert!(left_out.contains(what), "{what}: {run}");
        }
        assert!(left_out.contains("PUBLICATION TABLE private.supabase_realtime two"), "{run}");
        for lost in
            ["TRIGGER auth.users greeting", "supabase_realtime posts", "FK CONSTRAINT public.profiles"]
        {
            assert!(!left_out.contains(lost), "{lost}: {run}");
        }

        let published = "SELECT string_agg(tablename, ',') FROM pg_publication_tables";
        assert_eq!(cluster.psql("new", published), "posts");
        assert_eq!(cluster.psql("new", "SELECT nextval('auth.identities_id_seq')"), next);
        // Whoever signs up has a profile, and whoever leaves has none.
        cluster
            .psql("new", "INSERT INTO auth.users VALUES (21, 'u21'); DELETE FROM auth.users WHERE id = 21");
        cluster.psql("new", "INSERT INTO auth.users VALUES (22, 'u22')");
        assert_eq!(cluster.psql("new", "SELECT count(*), max(name) FROM profiles"), "21|u9");
        let run = restore().args(without_rows).fails(Kind::TargetExists);
        run.says("is not empty: table private.posts, table profiles");
    }
}

const ELSEWHERE: &str = r#"
    CREATE TABLE t AS SELECT generate_series(1, 9) AS n; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 7';
    CREATE SCHEMA auth; CREATE FUNCTION auth.mine() RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE TABLE needy (n int DEFAULT auth.mine());
    CREATE SCHEMA extensions; CREATE SCHEMA "T1"; CREATE SCHEMA "T2";
    CREATE TYPE "T1".st AS (n int); CREATE TYPE "T2".st AS (n int);
    CREATE FUNCTION extensions.cmp("T1".st) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION extensions.cmp("T2".st) RETURNS int LANGUAGE sql AS 'SELECT 2';
"#;
const SAME_NAME: &str = "
    CREATE SCHEMA x AUTHORIZATION supabase_admin; CREATE TYPE x.st AS (n int); ALTER TYPE x.st OWNER TO supabase_admin;
    CREATE FUNCTION extensions.cmp(x.st) RETURNS int LANGUAGE sql AS 'SELECT 3';
    ALTER FUNCTION extensions.cmp OWNER TO me;
";

/// What comes from elsewhere has nothing of the service's.
#[test]
fn another_database_moves_into_a_new_project() {
    let cluster = Cluster::start(Major::Distribution);
    cluster.psql("postgres", ROLES);
    let source = cluster.create_database("elsewhere");
    cluster.psql(&source, ELSEWHERE);
    let place = Place::folder();
    place.backup(&cluster.url(&source), &["--name", "t"]);
    let new = project(&cluster, "new");
    let restore = || place.opens(&["restore", "latest", "--no-owner", "--no-acl", "--to", &new]);
    // What the customer has made is not taken for the service's.
    for (make, what) in [
        ("TABLE extensions.own (n int)", "table extensions.own"),
        ("FUNCTION own() RETURNS int LANGUAGE sql AS 'SELECT 1'", "function own"),
        ("TEXT SEARCH CONFIGURATION own (COPY = simple)", "text search configuration own"),
        ("PUBLICATION own", "publication own"),
    ] {
        cluster.psql("new", &format!("SET SESSION AUTHORIZATION me; CREATE {make}"));
        restore().fails(Kind::TargetExists).says(&format!("is not empty: {what}"));
        let name = make.split(" RETURNS").next().unwrap().split(" (").next().unwrap();
        cluster.psql("new", &format!("DROP {name}"));
    }
    // A function there of another type with the same name is another function.
    cluster.psql("new", SAME_NAME);
    let run = restore().fails(Kind::Postgres);
    run.says("in which this role may not create what other parts of the backup need: FUNCTION auth.mine() for TABLE public.needy");
    restore().args(["--exclude-table", "needy"]).succeeds().says("proven: 9 rows in 1 table");
    assert_eq!(cluster.psql("new", "SELECT count(*), f() FROM t"), "9|7");
    assert_eq!(cluster.psql("new", "SELECT count(*) FROM pg_proc WHERE proname = 'cmp'"), "3");

    // A superuser is no customer, and another database of the server no project.
    let plain = cluster.create_database("plain");
    cluster.psql(&plain, "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 999'");
    let run = place.opens(&["restore", "latest", "--to", &cluster.url(&plain)]);
    run.fails(Kind::TargetExists).says("is not empty: function f");
}
