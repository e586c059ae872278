//! A restored database takes the place of the one in use: at every moment the name means the one or the
//! other, whole, wherever it is ended; nothing is dropped, and it can be undone.

use crate::harness::{Pgstow, Run, Running, pgstow};
use crate::scene::{Place, every_client, fresh};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// A database in use, and a backup of what it was before.
struct Scene {
    cluster: Cluster,
    app: String,
    place: Place,
    /// What the backup holds.
    then: String,
    /// What is in use.
    now: String,
}

impl Scene {
    /// The backup stands still where its restore is analyzed, for as long as a session is called "gate".
    fn new(major: Major) -> Scene {
        let cluster = Cluster::start(major);
        let app = cluster.create_database("app");
        cluster.psql(
            &app,
            "CREATE FUNCTION waits(n int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
               WHILE current_query() LIKE 'ANALYZE%'
                     AND EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'gate') LOOP
                 PERFORM pg_stat_clear_snapshot(), pg_sleep(0.02);
               END LOOP;
               RETURN n; END $$;
             CREATE TABLE was (n int); INSERT INTO was SELECT generate_series(1, 1000);
             CREATE INDEX ON was (waits(n)) WHERE n = 1;",
        );
        let place = Place::folder();
        place.backup(&cluster.url(&app), &["--name", "app"]);
        let then = cluster.text_of(&app);
        cluster.psql(&app, "DROP TABLE was; CREATE TABLE is_now (n int); INSERT INTO is_now VALUES (7)");
        let now = cluster.text_of(&app);
        Scene { cluster, app, place, then, now }
    }

    fn restore(&self, words: &[&str]) -> Pgstow {
        let to = self.cluster.url(&self.app);
        self.place.opens(&["restore", "latest", "--swap", "--json", "--to", &to]).args(words)
    }

    fn swap(&self, words: &[&str]) -> Pgstow {
        pgstow(["swap", "--json", "--to", &self.cluster.url(&self.app)])
            .env("PATH", every_client())
            .args(words)
    }

    /// The databases next to the one in use: set aside, being restored, restored.
    fn beside(&self) -> [Vec<String>; 3] {
        let all = self.cluster.psql("postgres", "SELECT datname FROM pg_database ORDER BY 1");
        ["before", "restoring", "restored"].map(|what| {
            let start = format!("{}_{what}_", self.app);
            all.lines().filter(|name| name.starts_with(&start)).map(str::to_owned).collect()
        })
    }

    /// How many of each.
    fn counts(&self) -> [usize; 3] {
        self.beside().map(|names| names.len())
    }

    /// The name means what was in use, and lets people in.
    #[track_caller]
    fn is_untouched(&self) {
        assert_eq!(self.cluster.text_of(&self.app), self.now);
    }

    /// The name means the backup, and what was in use is kept.
    #[track_caller]
    fn is_swapped(&self) {
        assert_eq!(self.cluster.text_of(&self.app), self.then);
        assert_eq!(self.cluster.text_of(&self.beside()[0][0]), self.now);
        assert_eq!(self.counts(), [1, 0, 0]);
    }

    /// What a run left is whole, the next one names it, and the printed command finishes.
    #[track_caller]
    fn finishes(&self, said: &Run) {
        let command = said.stderr.split("pgstow swap --with ").nth(1).unwrap_or_else(|| panic!("{said}"));
        let left = command.split_whitespace().next().unwrap();
        assert_eq!(self.beside(), [vec![], vec![], vec![left.to_owned()]]);
        self.swap(&["--with", left, "--yes"]).succeeds();
        self.is_swapped();
    }

    /// Starts a restore, and waits until it has committed and is not yet proven.
    fn restored(&self) -> (Running, Session) {
        let gate = Session::open(&self.cluster, "gate", "SELECT 1");
        let running = self.restore(&["--yes"]).spawn();
        self.eventually(
            "SELECT FROM pg_stat_activity WHERE query LIKE 'ANALYZE%' AND pid <> pg_backend_pid()",
        );
        (running, gate)
    }

    /// The same, and then on to where the exchange stands still before one of its two renames, for a
    /// lock that the session holds.
    fn held(&self, at: Rename) -> (Running, Session) {
        let (running, gate) = self.restored();
        let hold = |name: &str, lets_go: Session| {
            let lock =
                Session::open(&self.cluster, "lock", &format!("BEGIN; COMMENT ON DATABASE {name} IS NULL"));
            drop(lets_go);
            self.eventually(&format!(
                "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'ALTER DATABASE \"{name}\" RENAME%'"
            ));
            lock
        };
        let lock = hold(&self.app, gate);
        match at {
            Rename::First => (running, lock),
            Rename::Second => (running, hold(&self.beside()[2][0], lock)),
        }
    }

    #[track_caller]
    fn eventually(&self, holds: &str) {
        self.cluster.eventually("postgres", &format!("SELECT EXISTS ({holds})"));
    }
}

/// The two renames of an exchange.
#[derive(Clone, Copy)]
enum Rename {
    First,
    Second,
}

/// A session that has run some SQL, and stays until it is dropped.
struct Session(Child, Option<ChildStdin>);

impl Session {
    fn open(cluster: &Cluster, name: &str, sql: &str) -> Session {
        Session::of(cluster, "postgres", name, sql)
    }

    fn of(cluster: &Cluster, database: &str, name: &str, sql: &str) -> Session {
        let mut psql = cluster.client("psql");
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database]).env("PGAPPNAME", name);
        psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = psql.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{sql};\n\\echo done").unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "done"), "{sql}");
        Session(child, Some(stdin))
    }

    /// Whether the server has ended it.
    fn was_ended(mut self) -> bool {
        let _ = self.1.as_mut().unwrap().write_all(b"SELECT 1;\n");
        drop(self.1.take());
        self.0.wait().is_ok_and(|status| !status.success())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.1.take());
        let _ = self.0.wait();
    }
}

/// The pids of a process's children of this name.
fn children(parent: u32, program: &str) -> Vec<Pid> {
    let of = |pid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(") ")?;
        (name == program && rest.split(' ').nth(1)? == parent.to_string()).then(|| Pid::from_raw(pid))?
    };
    let all = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter_map(of).collect()
}

#[test]
fn a_restored_database_takes_the_name_on_every_major() {
    for major in Major::ALL {
        let scene = Scene::new(major);
        let (cluster, app) = (&scene.cluster, &scene.app);
        let owner = fresh("Owner");
        cluster.psql(
            "postgres",
            &format!(
                "CREATE ROLE \"{owner}\"; CREATE ROLE reader;
                 ALTER DATABASE {app} OWNER TO \"{owner}\"; ALTER DATABASE {app} CONNECTION LIMIT 50;
                 REVOKE ALL ON DATABASE {app} FROM PUBLIC; GRANT CONNECT ON DATABASE {app} TO reader WITH GRANT OPTION;
                 ALTER DATABASE {app} SET search_path = \"$user\", \"Odd Schema\", public;
                 ALTER DATABASE {app} SET work_mem = '7MB'; ALTER DATABASE {app} SET app.odd = 'it''s \\ a, b';
                 ALTER ROLE reader IN DATABASE {app} SET statement_timeout = '3s';
                 COMMENT ON DATABASE {app} IS 'mind the application''s gap';"
            ),
        );
        let belongings = || {
            let what = "(SELECT json_agg(s.setconfig ORDER BY setrole) FROM pg_db_role_setting s WHERE setdatabase = d.oid),
                datdba::regrole, datacl::text, datconnlimit, datallowconn, shobj_description(oid, 'pg_database')";
            cluster.psql("postgres", &format!("SELECT {what} FROM pg_database d WHERE datname = '{app}'"))
        };
        let before = belongings();
        assert!(before.contains("reader=c*/") && before.contains("mind the"), "{before}");

        let (stop, answers) = (AtomicBool::new(false), AtomicU32::new(0));
        let session = Session::of(cluster, app, "application", "SELECT 1");
        std::thread::scope(|scope| {
            // An application that never stops asking: it is cut off for a moment, and never misled.
            let asking = scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let what = "SELECT coalesce(to_regclass('was'), to_regclass('is_now')), pg_sleep(0.01)";
                    match cluster.try_psql(app, what) {
                        Ok(answer) => assert!(["was|", "is_now|"].contains(&&*answer), "{answer}"),
                        Err(said) => assert!(
                            said.contains("administrator command")
                                || said.contains("just been dropped or renamed")
                                || said.contains("closed the connection unexpectedly"),
                            "{said}"
                        ),
                    }
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            });
            let run =
                scene.restore(&["--yes"]).succeeds().says("undo:  pgstow swap --back --to 'user=postgres");
            assert!(!run.stderr.contains("sesame"), "{run}");
            let kept = run.json()["swap"]["kept_as"].as_str().unwrap().to_owned();
            assert!(
                kept.starts_with(&format!("{app}_before_20")) && run.json()["database"] == **app,
                "{run}"
            );
            stop.store(true, Ordering::Relaxed);
            asking.join().unwrap();
        });
        assert!(session.was_ended() && answers.load(Ordering::Relaxed) > 5);
        scene.is_swapped();
        assert_eq!(belongings(), before, "{major:?}");

        // Undone, and that undone; within one second too.
        scene.swap(&["--back"]).fails(Kind::Usage).says("--yes");
        scene.swap(&["--back", "--yes"]).succeeds();
        assert_eq!((cluster.text_of(app), scene.counts()), (scene.now.clone(), [1, 0, 0]));
        assert_eq!(belongings(), before, "{major:?}");
        scene.swap(&["--back", "--yes"]).succeeds();
        scene.is_swapped();
    }
}

/// What was granted and set when the backup was taken is not what counts, but what was when it is replaced.
#[test]
fn what_belongs_to_the_name_is_not_taken_from_the_backup() {
    let scene = Scene::new(Major::V17);
    let (cluster, app) = (&scene.cluster, &scene.app);
    cluster.psql(
        app,
        &format!(
            "CREATE ROLE before_it; CREATE ROLE leaver; ALTER DATABASE {app} SET search_path = odd, public;
             CREATE SCHEMA odd; CREATE TABLE odd.t (n int);
             ALTER DATABASE {app} SET work_mem = '1GB'; ALTER DATABASE {app} CONNECTION LIMIT 7;
             GRANT CONNECT ON DATABASE {app} TO leaver; ALTER DATABASE {app} OWNER TO before_it;
             REVOKE CONNECT ON DATABASE {app} FROM PUBLIC"
        ),
    );
    scene.place.backup(&cluster.url(app), &["--name", "app"]);
    cluster.psql(
        "postgres",
        &format!(
            "REVOKE CONNECT ON DATABASE {app} FROM leaver; ALTER DATABASE {app} OWNER TO postgres;
             ALTER DATABASE {app} RESET work_mem; ALTER DATABASE {app} CONNECTION LIMIT -1"
        ),
    );
    let belongings = || {
        cluster.psql(
            "postgres",
            &format!(
                "SELECT datdba::regrole, (SELECT array_agg(one::text ORDER BY one::text) FROM unnest(datacl) one), datconnlimit,
                   (SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = d.oid)
                   FROM pg_database d WHERE datname = '{app}'"
            ),
        )
    };
    let before = belongings();
    assert!(!before.contains("leaver") && !before.contains("work_mem"), "{before}");
    // The script relies on what the backup says of its database.
    scene.restore(&["--yes", "--after-sql", "INSERT INTO t VALUES (1)"]).succeeds();
    assert_eq!(belongings(), before);
    assert_eq!(cluster.psql(app, "SELECT n FROM odd.t"), "1");
}

/// The server keeps what was set, which need not be SQL.
#[test]
fn a_setting_of_the_database_in_use_is_never_run() {
    let scene = Scene::new(Major::V18);
    let (cluster, app) = (&scene.cluster, &scene.app);
    cluster.psql(
        app,
        &format!(
            "SELECT set_config('search_path', 'public;CREATE/**/ROLE/**/evil/**/SUPERUSER,Mixed , \"Qu\"\"oted, x\"', false);
             ALTER DATABASE {app} SET search_path FROM CURRENT; ALTER DATABASE {app} SET temp_tablespaces = ''"
        ),
    );
    scene.restore(&["--yes"]).succeeds();
    assert_eq!(cluster.psql("postgres", "SELECT count(*) FROM pg_roles WHERE rolname = 'evil'"), "0");
    let set = "SELECT setconfig FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase WHERE datname = ";
    let set = cluster.psql("postgres", &format!("{set}'{app}'"));
    let path = r#"search_path=\"public;create/**/role/**/evil/**/superuser\", mixed, \"Qu\"\"oted, x\""#;
    assert_eq!(set, format!("{{\"{path}\",\"temp_tablespaces=\\\"\\\"\"}}"));
}

#[test]
fn one_run_at_a_time_exchanges_a_name_and_the_newest_is_kept() {
    let scene = Scene::new(Major::Distribution);
    let ahead = format!("{}_before_29991231_000000", scene.app);
    scene.cluster.psql("postgres", &format!("CREATE DATABASE {ahead}"));
    let gate = Session::open(&scene.cluster, "gate", "SELECT 1");
    let running = scene.restore(&["--yes", "--keep-old", "1"]).spawn();
    scene.eventually("SELECT FROM pg_stat_activity WHERE query LIKE 'ANALYZE%' AND pid <> pg_backend_pid()");
    let run = scene.swap(&["--with", "template1", "--yes"]).fails(Kind::Locked);
    let run = run.says(&format!("another restore into {} is running", scene.app));
    assert!(!run.stderr.contains("was killed"), "{run}");
    scene.restore(&["--yes"]).fails(Kind::Locked);
    std::thread::sleep(Duration::from_millis(1100));
    drop(gate);
    let run = running
        .wait()
        .assert_success()
        .says(&format!("dropped {ahead}"))
        .says("undo:  pgstow swap --back --to ");
    // Called by the moment of the exchange, not by that of the restore before it.
    let told = run.json()["swap"].clone();
    let moment = |of: &str| {
        told[of]
            .as_str()
            .unwrap()
            .rsplit_once(&format!("_{}_", if of == "was" { "restored" } else { "before" }))
            .unwrap()
            .1
            .to_owned()
    };
    assert!(moment("kept_as") > moment("was"), "{told}");
    scene.is_swapped();
    let unfinished = "other_restoring_20261121_054500";
    scene.cluster.psql("postgres", &format!("CREATE DATABASE {unfinished}"));
    scene.swap(&["--with", unfinished, "--yes"]).fails(Kind::Verify).says("was not finished");
}

#[test]
fn nothing_is_swapped_without_consent_or_proof() {
    let scene = Scene::new(Major::V17);
    scene.restore(&[]).fails(Kind::Usage).says("--yes");
    scene.restore(&["--yes"]).env("PGSTOW_IDENTITY", "").fails(Kind::Settings);
    let damaged = scene.place.copy();
    let mut dump = damaged.get(&damaged.key("dump.zst.age"));
    let last = dump.len() - 1;
    dump[last] ^= 1;
    damaged.put(&damaged.key("dump.zst.age"), dump);
    let to = scene.cluster.url(&scene.app);
    damaged.opens(&["restore", "latest", "--swap", "--yes", "--to", &to]).fails(Kind::Verify);
    scene.swap(&["--back", "--yes"]).fails(Kind::NotFound).says("no database was set aside");
    let run = scene.swap(&["--with", "nobody", "--yes"]).fails(Kind::NotFound).says("no database \"nobody\"");
    assert!(!run.stderr.contains("swapping"), "{run}");
    scene.swap(&["--with", &scene.app, "--yes"]).fails(Kind::Usage).says("is that database already");
    scene.swap(&["--yes"]).fails(Kind::Usage);
    // The server's own template, and one that nobody could connect to.
    scene.swap(&["--with", "template1", "--yes"]).fails(Kind::Postgres).says("template1\" is a template");
    let shut = scene.cluster.create_database("shut");
    scene.cluster.psql("postgres", &format!("ALTER DATABASE {shut} ALLOW_CONNECTIONS false"));
    scene.swap(&["--with", &shut, "--yes"]).fails(Kind::Postgres).says("nobody can connect to");
    scene
        .cluster
        .psql("postgres", &format!("UPDATE pg_database SET datconnlimit = -2 WHERE datname = '{shut}'"));
    let run = scene.swap(&["--with", &shut, "--yes"]).fails(Kind::Postgres);
    let run =
        run.says("is invalid, because dropping it was begun").says(&format!("DROP DATABASE \"{shut}\";"));
    assert!(!run.stderr.contains("ALLOW_CONNECTIONS"), "{run}");
    scene.is_untouched();
    assert_eq!(scene.counts(), [0, 0, 0]);
    // Whoever wants one that is not whole may have it.
    let incomplete = format!("{}_incomplete", scene.app);
    scene.cluster.psql("postgres", &format!("CREATE DATABASE {incomplete}"));
    let run = scene.swap(&["--with", &incomplete, "--yes"]).succeeds();
    run.says("of a restore in which something is missing");
}

#[test]
fn a_name_that_is_free_is_simply_taken() {
    let scene = Scene::new(Major::V18);
    scene.cluster.psql("postgres", &format!("DROP DATABASE {}", scene.app));
    let run = scene.restore(&[]).succeeds().says("there is no database").says("nothing is swapped");
    assert!(run.json()["swap"]["kept_as"].is_null(), "{run}");
    assert_eq!((scene.cluster.text_of(&scene.app), scene.counts()), (scene.then.clone(), [0, 0, 0]));
}

#[test]
fn a_session_that_cannot_be_ended_keeps_its_database() {
    let mut scene = Scene::new(Major::V16);
    // Restored by another role, which owns it then.
    scene.then = scene.then.replace("Owner: postgres", "Owner: mover").replace("TO postgres", "TO mover");
    let (cluster, app) = (&scene.cluster, &scene.app);
    cluster.psql(
        "postgres",
        &format!("CREATE ROLE mover LOGIN CREATEDB PASSWORD 'm'; ALTER DATABASE {app} OWNER TO mover"),
    );
    let to = format!("postgres://mover:m@127.0.0.1:{}/{app}", cluster.port);
    let superuser = Session::of(cluster, app, "stubborn", "SELECT 1");
    let words = ["restore", "latest", "--swap", "--yes", "--no-owner", "--no-acl", "--to", &to];
    let run = scene.place.opens(&words).fails(Kind::Postgres);
    let run = run.says("is being accessed by other users").says("postgres (stubborn)");
    // Nobody is locked out, and what was restored is not thrown away.
    scene.is_untouched();
    drop(superuser);
    scene.finishes(&run);
    // Nor who may not give what takes its place to its owner.
    cluster.psql(
        "postgres",
        &format!("CREATE ROLE keeper; ALTER DATABASE {app} OWNER TO keeper; GRANT keeper TO mover WITH INHERIT TRUE, SET FALSE"),
    );
    let denied = "\"mover\" may not make that role the owner of the database that takes its place";
    let run = scene.place.opens(&words).fails(Kind::Postgres).says(denied);
    assert!(!run.stderr.contains("restoring "), "{run}");
    let back = scene.beside()[0][0].clone();
    let by_name = pgstow(["swap", "--yes", "--with", &back, "--to", &to]).env("PATH", every_client());
    by_name.fails(Kind::Postgres).says(denied).says("GRANT \"keeper\" TO \"mover\" WITH SET TRUE");
    // An owner of its own is what the new one keeps.
    let owned = |what: &str| cluster.psql(app, what);
    let of_database = "SELECT datdba::regrole FROM pg_database WHERE datname = current_database()";
    let words_of_owner =
        ["restore", "latest", "--swap", "--yes", "--no-acl", "--owner", "mover", "--to", &to];
    scene.place.opens(&words_of_owner).succeeds();
    assert_eq!(owned(of_database), "mover");
    // What the owner has in the public schema comes into it, as the new one is the owner's from the beginning.
    cluster.psql(
        app,
        &format!("GRANT keeper TO mover WITH SET TRUE; ALTER DATABASE {app} OWNER TO keeper; ALTER TABLE was OWNER TO keeper"),
    );
    scene.place.backup(&cluster.url(app), &["--name", "app"]);
    scene.place.opens(&["restore", "latest", "--swap", "--yes", "--to", &to]).succeeds();
    assert_eq!(owned(of_database), "keeper");
    assert_eq!(owned("SELECT relowner::regrole FROM pg_class WHERE oid = 'was'::regclass"), "keeper");
    // The chosen owner is kept by the command that finishes a swap.
    let superuser = Session::of(cluster, app, "stubborn", "SELECT 1");
    scene.place.opens(&words_of_owner).fails(Kind::Postgres).says("postgres (stubborn)");
    drop(superuser);
    let left = scene.beside()[2][0].clone();
    pgstow(["swap", "--yes", "--with", &left, "--to", &to]).env("PATH", every_client()).succeeds();
    assert_eq!(owned(of_database), "mover");
    // Who may not rename learns that at once.
    cluster.psql("postgres", "ALTER ROLE mover NOCREATEDB");
    scene.place.opens(&words).fails(Kind::Postgres).says("may not rename databases");
    cluster.psql("postgres", &format!("ALTER ROLE mover CREATEDB; ALTER DATABASE {app} OWNER TO postgres"));
    scene.place.opens(&words).fails(Kind::Postgres).says("belongs to postgres");
}

#[test]
fn ended_before_the_proof_nothing_is_swapped_in() {
    let scene = Scene::new(Major::Distribution);
    let (running, gate) = scene.restored();
    running.signal(Signal::TERM);
    running.wait().assert_failure(Kind::Terminated);
    drop(gate);
    scene.is_untouched();
    assert!(scene.beside().iter().all(Vec::is_empty), "{:?}", scene.beside());

    let (running, gate) = scene.restored();
    running.signal(Signal::KILL);
    running.wait();
    drop(gate);
    scene.is_untouched();
    let left = scene.beside()[1][0].clone();
    scene.restore(&[]).fails(Kind::Usage).says(&format!("DROP DATABASE \"{left}\";"));
    scene.swap(&["--with", &left, "--yes"]).fails(Kind::Verify).says("was not finished");
    scene.is_untouched();
    // It is in nobody's way.
    scene.restore(&["--yes"]).succeeds();
    assert_eq!(scene.cluster.text_of(&scene.app), scene.then);
}

/// Kills every `psql` that it runs now; one that only asked something may have ended by itself.
fn kill_its_psql(running: &Running) {
    for psql in children(running.pid(), "psql") {
        assert!(matches!(kill_process(psql, Signal::KILL), Ok(()) | Err(Errno::SRCH)));
    }
}

#[test]
fn killed_at_either_rename_the_name_means_one_of_the_two() {
    for (major, at) in [(Major::V16, Rename::First), (Major::V17, Rename::Second)] {
        let scene = Scene::new(major);
        let (running, lock) = scene.held(at);
        kill_its_psql(&running);
        running.signal(Signal::KILL);
        running.wait();
        drop(lock);
        // What its sessions had begun on the server ends others' sessions before it notices that nobody listens.
        scene.eventually(&format!(
            "SELECT WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%{}%' AND pid <> pg_backend_pid())",
            scene.app
        ));
        scene.is_untouched();
        let next = scene.restore(&[]).fails(Kind::Usage);
        scene.finishes(&next);
    }
}

#[test]
fn killed_with_the_exchange_under_way_psql_ends_it() {
    for at in [Rename::First, Rename::Second] {
        let scene = Scene::new(Major::V18);
        let (running, lock) = scene.held(at);
        running.signal(Signal::STOP);
        drop(lock);
        // What was asked of the server is whole: both renames, whoever still listens.
        scene.eventually(&format!("SELECT FROM pg_database WHERE datname LIKE '{}_before_%'", scene.app));
        running.signal(Signal::KILL);
        running.wait();
        scene.is_swapped();
    }
}

#[test]
fn without_its_psql_a_swap_fails_and_says_how_to_finish() {
    let scene = Scene::new(Major::Distribution);
    let (running, lock) = scene.held(Rename::Second);
    kill_its_psql(&running);
    let run = running.wait().assert_failure(Kind::Postgres);
    drop(lock);
    scene.is_untouched();
    scene.finishes(&run);
}
