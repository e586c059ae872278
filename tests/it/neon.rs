//! Restores into branches on Neon: into a database made fresh there, production untouched, and no branch
//! left behind by whatever fails.

use crate::harness::{Pgstow, Run, eventually};
use crate::scene::{Keys, Place, add_bulk, fresh};
use crate::servers::neon::{Fault, NeonServer, PROJECT, ROLE, ROLE_PASSWORD};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use rustix::process::Signal;
use std::sync::OnceLock;
use tempfile::TempDir;

/// A backup of a database `app` with owners, grants and names that Neon does not know.
fn backup() -> &'static Place {
    static SHARED: OnceLock<Place> = OnceLock::new();
    SHARED.get_or_init(|| {
        let cluster = Cluster::start(Major::Distribution);
        let boss = fresh("boss");
        cluster.psql("postgres", &format!("CREATE ROLE {boss}"));
        cluster.psql("postgres", "CREATE DATABASE app");
        cluster.psql(
            "app",
            &format!(
                "CREATE SCHEMA shop AUTHORIZATION {boss};
                 CREATE TABLE shop.orders (id serial PRIMARY KEY, what text); ALTER TABLE shop.orders OWNER TO {boss};
                 INSERT INTO shop.orders (what) SELECT md5(n::text) FROM generate_series(1, 2000) n;
                 CREATE FUNCTION slow() RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
                   IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'hold') THEN PERFORM pg_sleep(120); END IF;
                   RETURN true; END $$;
                 CREATE TABLE held (n int CHECK (public.slow())); INSERT INTO held VALUES (1);"
            ),
        );
        add_bulk(&cluster, "app", 200);
        let place = Place::Folder(TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        place.backup(&cluster.url("app"), &[]);
        place
    })
}

fn restore(neon: &NeonServer, words: &[&str]) -> Pgstow {
    backup().opens(&["restore", "latest", "--json", "--neon", PROJECT]).envs(neon.env()).args(words)
}

/// No branch is left, and production is as it was.
#[track_caller]
fn nothing_is_left(neon: &NeonServer, run: &Run) {
    assert_eq!(neon.branches(), Vec::<String>::new(), "{run}");
    neon.is_content();
}

#[test]
fn a_database_is_made_fresh_in_a_new_branch() {
    let neon = NeonServer::start(Major::V17);
    let run = restore(&neon, &["--neon-expires", "7d"]).succeeds();
    let run = run.says("waiting for Neon: create_branch").says("dropping the copy of app").says("proven: ");
    neon.is_content();
    let place = &run.json()["neon"];
    let branch = place["branch"].as_str().unwrap();
    assert!(branch.starts_with("restore-app-20"), "{run}");
    assert_eq!(neon.branches(), [branch]);
    assert_eq!((&place["database"], &place["role"]), (&"app".into(), &ROLE.into()));
    assert!(place["expires_at"].as_str().unwrap().ends_with('Z'), "{run}");
    let cluster = neon.cluster(branch);
    let direct = format!("postgresql://{ROLE}:***@127.0.0.1:{}/app", cluster.port);
    assert_eq!(place["direct"], direct);
    assert_eq!(place["pooled"], direct.replace("127.0.0.1", "localhost"));
    assert!(!format!("{run}").contains(ROLE_PASSWORD), "{run}");
    let found = "SELECT count(*), (SELECT count(*) FROM bulk), (SELECT string_agg(DISTINCT tableowner, ',') FROM pg_tables
        WHERE schemaname IN ('shop', 'public')), to_regclass('production') FROM shop.orders";
    assert_eq!(cluster.psql("app", found), format!("2000|200|{ROLE}|"));

    // The name is taken now; another one, from another parent, with the password, as text.
    restore(&neon, &["--neon-branch", branch]).fails(Kind::TargetExists).says("already");
    let words = [
        "--neon-branch",
        "second",
        "--neon-parent",
        branch,
        "--database",
        "copy",
        "--role",
        ROLE,
        "--show-password",
        "--after-sql",
        "CREATE TABLE masked ()",
    ];
    let run =
        backup().opens(&["restore", "latest", "--neon", PROJECT]).envs(neon.env()).args(words).succeeds();
    let uri = format!(
        "direct      postgresql://{ROLE}:{ROLE_PASSWORD}@127.0.0.1:{}/copy",
        neon.cluster("second").port
    );
    assert!(run.text().contains(&uri), "{run}");
    assert!(neon.cluster("second").has_database("app") && neon.branches().len() == 2);
    assert_eq!(neon.cluster("second").psql("copy", "SELECT to_regclass('public.masked')"), "masked");
    let run = restore(&neon, &["--neon-branch", "some", "--table", "shop.orders"]).succeeds();
    assert_eq!(run.json()["neon"]["database"], "app", "{run}");
    assert_eq!(neon.cluster("some").psql("app", "SELECT to_regclass('held') FROM shop.orders LIMIT 1"), "");
    neon.is_content();
}

#[test]
fn a_busy_api_is_asked_again() {
    let neon = NeonServer::start(Major::V18);
    for (operation, status) in [
        ("getProject", 503),
        ("listProjectBranches", 500),
        ("createProjectBranch", 423),
        ("createProjectBranch", 429),
        ("createProjectBranchDatabase", 503),
        ("getProjectOperation", 502),
        ("deleteProjectBranchDatabase", 423),
    ] {
        neon.inject(operation, Fault::Answer(status));
    }
    neon.inject("getConnectionURI", Fault::LoseAnswer);
    restore(&neon, &[]).succeeds();
    neon.is_content();
    assert_eq!(neon.branches().len(), 1);
    let refused = neon.calls().into_iter().filter(|call| call.status >= 400).count();
    assert!(refused >= 7, "{:?}", neon.calls());
}

#[test]
fn whatever_fails_no_branch_is_left() {
    let neon = NeonServer::start(Major::V17);
    for (operation, fault, says) in [
        ("createProjectBranch", Fault::Answer(400), "Neon refused POST"),
        ("createProjectBranch", Fault::Answer(500), "Neon refused POST"),
        ("createProjectBranch", Fault::LoseAnswer, "the request to Neon's API failed"),
        ("createProjectBranch", Fault::FailLater, "create_branch"),
        ("createProjectBranchDatabase", Fault::Answer(422), "create the database app"),
        ("createProjectBranchDatabase", Fault::LoseAnswer, "the request to Neon's API failed"),
        ("createProjectBranchDatabase", Fault::FailLater, "apply_config"),
        ("deleteProjectBranchDatabase", Fault::FailLater, "ended with status failed"),
        ("getConnectionURI", Fault::Answer(412), "get the connection of app_owner to app"),
    ] {
        if fault == Fault::Answer(400) {
            // Then it is asked for a branch that does not expire.
            neon.inject(operation, fault.clone());
        }
        neon.inject(operation, fault);
        let run = restore(&neon, &[]).fails(Kind::Postgres).says(says);
        nothing_is_left(&neon, &run);
    }
    // Not Neon's fault.
    let damaged = backup().copy();
    let mut dump = damaged.get(&damaged.key("dump.zst.age"));
    let last = dump.len() - 1;
    dump[last] ^= 1;
    damaged.put(&damaged.key("dump.zst.age"), dump);
    let words = ["restore", "latest", "--neon", PROJECT];
    let run = damaged.opens(&words).envs(neon.env()).fails(Kind::Verify).says("deleted the branch");
    nothing_is_left(&neon, &run);
    let run =
        damaged.opens(&words).envs(neon.env()).args(["--keep-failed"]).fails(Kind::Verify).says("is kept");
    assert_eq!(neon.branches().len(), 1, "{run}");
    neon.is_content();
}

#[test]
fn a_branch_that_cannot_be_deleted_is_named() {
    let neon = NeonServer::start(Major::V17);
    neon.inject("getConnectionURI", Fault::Answer(404));
    neon.inject("deleteProjectBranch", Fault::Answer(422));
    let run = restore(&neon, &[]).fails(Kind::Postgres);
    run.says("still exists on Neon").says("neonctl branches delete br-test-");
}

#[test]
fn who_may_not_is_told_before_anything_is_made() {
    let neon = NeonServer::start(Major::V17);
    let run =
        restore(&neon, &[]).env("NEON_API_KEY", "napi_wrong").fails(Kind::Settings).says("NEON_API_KEY");
    assert!(!run.stderr.contains("napi_wrong"), "{run}");
    restore(&neon, &[]).env("NEON_API_KEY", "").fails(Kind::Settings).says("there is no key");
    let key = TempDir::new().unwrap();
    std::fs::write(key.path().join("key"), "napi_wrong\n").unwrap();
    let file = key.path().join("key");
    restore(&neon, &["--neon-api-key-file", file.to_str().unwrap()]).fails(Kind::Settings);
    let other = backup().opens(&["restore", "latest", "--neon", "another-project"]).envs(neon.env());
    other.fails(Kind::Postgres).says("project not found");
    restore(&neon, &["--neon-parent", "nobody"]).fails(Kind::Postgres).says("no branch nobody");
    restore(&neon, &["--neon-expires", "31d"]).fails(Kind::Usage).says("30 days");
    restore(&neon, &["--swap"]).fails(Kind::Usage);
    restore(&neon, &[]).env("PGSTOW_NEON_API", "http://example.com/api").fails(Kind::Settings).says("https");
    backup().opens(&["restore", "latest"]).fails(Kind::Usage).says("--to");
    assert!(!neon.calls().iter().any(|call| call.id == "createProjectBranch"));
}

#[test]
fn a_signal_at_any_time_leaves_no_branch() {
    for held in
        ["createProjectBranch", "getProjectOperation", "createProjectBranchDatabase", "getConnectionURI"]
    {
        let neon = NeonServer::start(Major::V17);
        neon.inject(held, Fault::Hold);
        let running = restore(&neon, &[]).spawn();
        neon.is_held();
        running.signal(Signal::TERM);
        std::thread::sleep(std::time::Duration::from_millis(100));
        neon.release();
        let run = running.wait().assert_failure(Kind::Terminated).says("deleted the branch");
        nothing_is_left(&neon, &run);
    }
}

#[test]
fn a_signal_amid_the_data_leaves_no_branch() {
    let neon = NeonServer::start(Major::V17);
    neon.main.psql("postgres", "CREATE ROLE hold");
    let running = restore(&neon, &[]).spawn();
    let sleeping = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    let asleep = |branch: String| !neon.cluster(&branch).psql("postgres", sleeping).is_empty();
    eventually("its rows stand still", || neon.branches().pop().is_some_and(asleep));
    running.signal(Signal::INT);
    let run = running.wait().assert_failure(Kind::Interrupted).says("deleted the branch");
    nothing_is_left(&neon, &run);
}

/// Nobody can tidy up after SIGKILL but Neon itself.
#[test]
fn a_branch_that_nobody_finished_expires() {
    let neon = NeonServer::start(Major::V17);
    neon.inject("getConnectionURI", Fault::Hold);
    let running = restore(&neon, &["--neon-branch", "killed"]).spawn();
    neon.is_held();
    running.signal(Signal::KILL);
    running.wait();
    neon.release();
    assert!(neon.expires_at("killed").unwrap().ends_with('Z'));

    // What is finished is kept, unless it was to expire.
    let run = restore(&neon, &["--neon-branch", "whole"]).succeeds();
    assert!(run.json()["neon"]["expires_at"].is_null(), "{run}");
    assert_eq!(neon.expires_at("whole"), None);
    restore(&neon, &["--neon-branch", "rehearsal", "--neon-expires", "7d"]).succeeds();
    assert!(neon.expires_at("rehearsal").is_some());

    neon.inject("updateProjectBranch", Fault::Answer(422));
    restore(&neon, &["--neon-branch", "stuck"]).succeeds().says("Neon will delete the branch stuck at 20");
    // An account whose branches cannot expire gets one all the same, unless it was asked to.
    let refusal = Fault::Say(400, "branch expiration is not available");
    neon.inject("createProjectBranch", refusal.clone());
    restore(&neon, &["--neon-branch", "lasting"]).succeeds();
    neon.inject("createProjectBranch", refusal);
    restore(&neon, &["--neon-expires", "7d"]).fails(Kind::Postgres).says("is not available");
    neon.is_content();
}

#[test]
fn a_backup_by_a_branch_leaves_production_alone() {
    let neon = NeonServer::start(Major::V17);
    let place = Place::folder();
    let keys = &Keys::shared().recipient;
    let backup = |words: &[&str]| {
        let command = place.pgstow(&["backup", "--json", "--neon", PROJECT, "--recipient", keys]);
        command.envs(neon.env()).env("DATABASE_URL", "postgres://nobody@127.0.0.1:1/other").args(words)
    };
    // The copy behind the new branch is made by another role.
    let dumped = || neon.main.log().matches(&format!("connection authorized: user={ROLE}")).count();
    let before = dumped();
    let run = backup(&["--via-branch"]).succeeds().says("deleted the branch backup-app-");
    nothing_is_left(&neon, &run);
    assert_eq!(dumped(), before);
    assert_eq!(run.json()["name"], "app");
    assert!(!format!("{run}").contains(ROLE_PASSWORD), "{run}");
    let target = Cluster::shared(Major::V17);
    let copy = fresh("fromneon");
    place.opens(&["restore", "latest", "-O", "-x", "--to", &target.url(&copy)]).succeeds();
    assert_eq!(target.psql(&copy, "SELECT n FROM production"), "1");

    // Without a branch, production itself is read.
    backup(&[]).succeeds();
    assert!(dumped() > before);
    // Whatever fails, the branch goes.
    let run = backup(&["--via-branch", "--pg-dump-arg=--no-such-option"]).fails(Kind::Postgres);
    nothing_is_left(&neon, &run);
    neon.inject("getConnectionURI", Fault::Answer(404));
    let run = backup(&["--via-branch"]).fails(Kind::Postgres).says("deleted the branch");
    nothing_is_left(&neon, &run);
    backup(&["--database", "other"]).fails(Kind::Postgres).says("it has app");
    neon.inject("getConnectionURI", Fault::Hold);
    let running = backup(&["--via-branch"]).spawn();
    neon.is_held();
    running.signal(Signal::TERM);
    let run = running.wait();
    neon.release();
    nothing_is_left(&neon, &run.assert_failure(Kind::Terminated));
}
