//! Roles that the target lacks: reported, created, brought along, replaced, or done without.

use super::scene::{Scene, limited, rights, roles};
use crate::back::scene::without_inventory;
use crate::scene::{fresh, restore_fails};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;

/// All that the roles of the scene would be called on the source.
const ALL: &str = "Größe, \"x\"|boss|grp|planner|reader";

#[test]
fn what_is_missing_is_told_before_anything_is_made() {
    let scene = Scene::new(Major::Distribution);
    let target = Cluster::start(Major::Distribution);
    for jobs in ["1", "2"] {
        let run = scene.restore_fails(&target, &["--jobs", jobs]);
        let run = run.says("the target server lacks roles that the backup needs: ");
        let run = run.says("\"boss\" (owns ").says("\"reader\" (in ").says("\"Größe, \"\"x\"\"\" (in ");
        let run = run.says("\"grp\" (in 1 grant)").says("\"planner\" (in 1 policy or user mapping)");
        run.says("--roles restore").says("--roles create").says("--map-role ");
    }
    // Without an inventory it is the stream itself that says it.
    let bare = without_inventory(&scene.place);
    let run = restore_fails(&bare, &target, &["--proof", "none"], Kind::Postgres);
    run.says("the target server lacks roles that the backup needs: ").says("no inventory");
    let run = scene.restore_fails(&target, &["--no-owner"]);
    assert!(!run.stderr.contains("owns"), "{run}");
    let run = scene.restore_fails(&target, &["--no-owner", "--no-acl"]);
    let run = run.says("needs: \"Größe, \"\"x\"\"\" (in 1 policy or user mapping), \"planner\" (in 1 policy or user mapping)");
    assert!(!run.stderr.contains("unnecessary"), "{run}");
    let trial = ["verify", "latest", "--restore", "--to", &target.url(&fresh("trial"))];
    let run =
        scene.place.opens(&trial).fails(Kind::Postgres).says("\"planner\" (in 1 policy or user mapping)");
    let run = run.says(
        "create them there (CREATE ROLE \"Größe, \"\"x\"\"\", CREATE ROLE \"planner\"), or leave --to out",
    );
    assert!(!run.stderr.contains("--roles"), "{run}");
    // A role that is left out of the policy needs nothing.
    target.psql("postgres", "CREATE ROLE planner; CREATE ROLE \"Größe, \"\"x\"\"\"");
    let (copy, run) = scene.restore(&target, &["--no-owner", "--no-acl"]);
    run.succeeds();
    assert_eq!(
        target.psql(&copy, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'app'"),
        "postgres"
    );
}

#[test]
fn roles_are_made_for_nobody_to_log_in_as() {
    let scene = Scene::new(Major::Distribution);
    for jobs in ["1", "2"] {
        let target = Cluster::start(Major::V18);
        let (copy, run) = scene.restore(&target, &["--roles", "create", "--jobs", jobs]);
        let run = run.succeeds().says("created the roles ").says("proven: ");
        assert_eq!(run.json()["made_roles"].as_array().unwrap().len(), 5, "{run}");
        assert_eq!(roles(&target), ALL);
        assert_eq!(target.psql("postgres", "SELECT count(*) FROM pg_roles WHERE rolcanlogin"), "1");
        assert_eq!(rights(&target, &copy), rights(&scene.source, &scene.database));
        let owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()";
        assert_eq!(target.psql(&copy, owner), "boss");
    }
}

#[test]
fn roles_come_back_as_they_were() {
    let scene = Scene::new(Major::Distribution);
    for major in [Major::Distribution, Major::V18] {
        let target = Cluster::start(major);
        target.psql("postgres", "CREATE ROLE reader LOGIN CONNECTION LIMIT 3");
        let (copy, run) = scene.restore(&target, &["--roles", "restore"]);
        let run = run.succeeds().says("roles that log in, and have no password here: ");
        // Those that are tied to them by membership too, and no stranger.
        assert_eq!(roles(&target), format!("{ALL}|web"), "{run}");
        assert_eq!(rights(&target, &copy), rights(&scene.source, &scene.database));
        let of = |cluster: &Cluster, what: &str| {
            cluster.psql(
                "postgres",
                &format!("SELECT {what} FROM pg_roles WHERE rolname IN ('web', 'boss') ORDER BY rolname"),
            )
        };
        for what in
            ["rolcanlogin", "rolcreatedb", "rolconnlimit", "rolconfig", "shobj_description(oid, 'pg_authid')"]
        {
            assert_eq!(of(&target, what), of(&scene.source, what), "{what}");
        }
        // What was there is as it was.
        assert_eq!(
            target.psql("postgres", "SELECT rolconnlimit FROM pg_roles WHERE rolname = 'reader'"),
            "3"
        );
        let members = "SELECT roleid::regrole, member::regrole, admin_option FROM pg_auth_members
                        WHERE 'boss'::regrole IN (roleid, member) ORDER BY 1::text";
        assert_eq!(target.psql("postgres", members), scene.source.psql("postgres", members));
        let in_stats = "SELECT pg_has_role('reader', 'pg_read_all_stats', 'MEMBER')";
        assert_eq!(target.psql("postgres", in_stats), "f", "neither of the two was made");
    }
}

#[test]
fn another_role_takes_the_place_of_one() {
    let scene = Scene::new(Major::Distribution);
    let target = Cluster::start(Major::Distribution);
    target.psql("postgres", "CREATE ROLE \"New \"\"Boss\"\"\"; CREATE ROLE everybody");
    let map = [
        "--map-role",
        "boss=New \"Boss\"",
        "--map-role",
        "reader=everybody",
        "--map-role",
        "grp=everybody",
        "--map-role",
        "planner=everybody",
        "--map-role",
        "Größe, \"x\"=everybody",
    ];
    for jobs in ["1", "2"] {
        let (copy, run) = scene.restore(&target, &[&map[..], &["--jobs", jobs]].concat());
        run.succeeds();
        let owners = "SELECT string_agg(DISTINCT tableowner, '|') FROM pg_tables WHERE schemaname = 'app'";
        assert_eq!(target.psql(&copy, owners), "New \"Boss\"");
        let rights = rights(&target, &copy);
        assert!(rights.contains("everybody=SELECT*") && !rights.contains("reader"), "{rights}");
        let policy = "SELECT roles FROM pg_policies WHERE policyname = 'p'";
        assert_eq!(target.psql(&copy, policy), "{everybody}");
        // What its owner had taken from itself stays taken.
        assert!(rights.contains("closed|New \"Boss\"|\"New \"\"Boss\"\"\"=SELECT\n"), "{rights}");
    }
    // One that is missing too is reported by its new name.
    let run = scene.restore_fails(&target, &["--map-role", "boss=nobody_here"]);
    run.says("\"nobody_here\" (owns ");
    scene
        .place
        .opens(&["restore", "latest", "--to", &target.url("x"), "--map-role", "boss"])
        .fails(Kind::Usage);
    scene
        .place
        .opens(&["restore", "latest", "--to", &target.url("x"), "--map-role", "a=b", "--map-role", "a=c"])
        .fails(Kind::Usage)
        .says("maps");
}

#[test]
fn everything_belongs_to_one_role() {
    let scene = Scene::new(Major::Distribution);
    let target = Cluster::start(Major::Distribution);
    target.psql("postgres", "CREATE ROLE \"The Owner\" LOGIN");
    scene.restore_fails(&target, &["--owner", "nobody_here", "--no-acl"]).says("\"nobody_here\" (owns ");
    for jobs in ["1", "2"] {
        let words = ["--owner", "The Owner", "--roles", "create", "--jobs", jobs];
        let (copy, run) = scene.restore(&target, &words);
        let run = run.succeeds();
        let owners = "SELECT string_agg(DISTINCT pg_get_userbyid(owner), '|') FROM (
            SELECT relowner FROM pg_class WHERE relnamespace = 'app'::regnamespace
            UNION ALL SELECT proowner FROM pg_proc WHERE pronamespace = 'app'::regnamespace
            UNION ALL SELECT nspowner FROM pg_namespace WHERE nspname = 'app'
            UNION ALL SELECT defaclrole FROM pg_default_acl
            UNION ALL SELECT datdba FROM pg_database WHERE datname = current_database()) AS all_of_it(owner)";
        assert_eq!(target.psql(&copy, owners), "The Owner", "{run}");
        // Nobody needs the old one any more.
        assert!(!roles(&target).contains("boss"), "{run}");
        target.psql(
            &copy,
            "SET ROLE \"The Owner\"; ALTER TABLE app.t ADD COLUMN more int; CREATE TABLE public.t ()",
        );
    }
    let url = target.url("x");
    scene.place.opens(&["restore", "latest", "--to", &url, "--owner", "a", "-O"]).fails(Kind::Usage);
}

#[test]
fn a_role_without_rights_is_told_which_it_must_be_a_member_of() {
    let scene = Scene::new(Major::Distribution);
    for major in [Major::Distribution, Major::V18] {
        let target = Cluster::start(major);
        target.psql(
            "postgres",
            "CREATE ROLE boss; CREATE ROLE reader; CREATE ROLE grp; CREATE ROLE planner; CREATE ROLE \"Größe, \"\"x\"\"\"",
        );
        let url = limited(&target, "me");
        let copy = fresh("mine");
        let restore =
            |words: &[&str]| scene.place.opens(&["restore", "latest", "--to", &url(&copy)]).args(words);
        let run = restore(&[]).fails(Kind::Postgres);
        let run = run.says(
            "\"me\" is not a member of roles which have to own objects and default privileges: \"boss\"",
        );
        run.says("GRANT \"boss\" TO \"me\"").says("--owner").says("--map-role boss=NEW");
        assert!(!target.has_database(&copy));
        target.psql("postgres", "GRANT boss TO me");
        restore(&[]).succeeds();
        assert_eq!(target.psql(&copy, "SELECT tableowner FROM pg_tables WHERE tablename = 't'"), "boss");
        // The one who passed a grant on cannot be spoken for; the grant is there.
        assert!(rights(&target, &copy).contains("grp=SELECT"));
    }
}

#[test]
fn a_limited_role_makes_the_roles_it_may() {
    let scene = Scene::new(Major::Distribution);
    for (major, how) in [(Major::Distribution, "create"), (Major::V18, "create"), (Major::V18, "restore")] {
        let target = Cluster::start(major);
        let url = limited(&target, "me");
        let copy = fresh("mine");
        for jobs in ["1", "2"] {
            let to = format!("{copy}_{jobs}");
            let words = ["restore", "latest", "--to", &url(&to), "--roles", how, "--jobs", jobs];
            let run = scene.place.opens(&words).succeeds();
            let owner = "SELECT tableowner FROM pg_tables WHERE tablename = 't'";
            assert_eq!(target.psql(&to, owner), "boss", "{run}");
            assert!(rights(&target, &to).contains("reader=SELECT*"), "{run}");
        }
    }
    // Who may not create roles learns that, and nothing is left.
    let target = Cluster::shared(Major::V17);
    let (role, copy) = (fresh("guest"), fresh("never"));
    target.psql("postgres", &format!("CREATE ROLE {role} LOGIN PASSWORD 'guest-word' CREATEDB"));
    let to = format!("postgres://{role}:guest-word@127.0.0.1:{}/{copy}", target.port);
    let run =
        scene.place.opens(&["restore", "latest", "--to", &to, "--roles", "create"]).fails(Kind::Postgres);
    run.says("permission denied to create role");
    assert!(!target.has_database(&copy));
}

#[test]
fn roles_that_were_made_go_with_a_restore_that_fails() {
    let scene = Scene::new(Major::Distribution);
    let target = Cluster::start(Major::V16);
    // Damaged after its table of contents: what fails is the data.
    let damaged = scene.place.copy();
    let dump = damaged.key("dump.zst.age");
    let mut bytes = damaged.get(&dump);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    damaged.put(&dump, bytes);
    let run = restore_fails(&damaged, &target, &["--roles", "create", "--jobs", "1"], Kind::Verify);
    assert_eq!(roles(&target), "", "{run}");
}
