//! Somebody else does something in the middle of a restore: another pgstow, an administrator, a server that ends.

use super::races::Session;
use crate::harness::eventually;
use crate::keep::scene::{HOUR, put};
use crate::scene::{Place, fresh};
use crate::servers::fault::{Fault, FaultProxy, Operation, Rule};
use crate::servers::garage::Garage;
use crate::servers::postgres::{Cluster, Major};
use crate::servers::{folder, script};
use pgstow::error::Kind;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A folder for `--pg-bin` whose `pg_restore` is the real one, with shell commands before and after it. In them `ask SQL` asks
/// the server, and `folder` is this one.
struct Meanwhile(TempDir);

impl Meanwhile {
    fn new(cluster: &Cluster, before: &str, after: &str) -> Meanwhile {
        let (folder, bin) = (folder("meanwhile"), cluster.bin());
        // No links: the folder that these lead to would be taken.
        for program in ["pg_dump", "psql"] {
            let text = format!("#!/bin/sh\nexec {} \"$@\"\n", bin.join(program).display());
            script(&folder.path().join(program), &text);
        }
        let text = format!(
            "#!/bin/bash\nreal={bin}/pg_restore; folder={}\n[ \"$1\" = --version ] && exec \"$real\" \"$@\"\n\
             ask() {{ {bin}/psql -XAtq '{}' -c \"$1\" </dev/null 2>&1; }}\n\
             {{ {before}; }} >&2\n\"$real\" \"$@\"; status=$?\n{{ {after}; }} >&2\nexit $status\n",
            folder.path().display(),
            cluster.url("postgres"),
            bin = bin.display(),
        );
        script(&folder.path().join("pg_restore"), &text);
        Meanwhile(folder)
    }

    fn words(&self) -> [&str; 2] {
        ["--pg-bin", self.0.path().to_str().unwrap()]
    }

    /// Waits until this file is there.
    fn has(&self, file: &str) {
        eventually(file, || self.0.path().join(file).exists());
    }
}

/// A backup of a table with a thousand rows, and no key.
fn thousand(cluster: &Cluster) -> (Place, String) {
    let (place, database) = (Place::folder(), cluster.create_database("meanwhile"));
    cluster.psql(&database, "CREATE TABLE t AS SELECT generate_series(1, 1000) n");
    place.backup(&cluster.url(&database), &["--name", "app"]);
    (place, database)
}

/// Both would find the table empty, and each row would be there twice; a swap would put another database in its place.
#[test]
fn rows_are_appended_by_one_run_at_a_time() {
    let cluster = Cluster::shared(Major::Distribution);
    let (place, database) = thousand(cluster);
    cluster.psql(&database, "TRUNCATE t");
    let url = cluster.url(&database);
    let into = ["restore", "latest", "--into", &url, "-t", "t"];
    let mut gate = Session::open(cluster, &database);
    gate.does("BEGIN; LOCK TABLE t IN SHARE MODE");
    cluster.eventually(&database, "SELECT count(*) > 0 FROM pg_locks WHERE relation = 't'::regclass");
    let running = place.opens(&into).spawn();
    let waits = "SELECT count(*) > 0 FROM pg_locks WHERE relation = 't'::regclass AND NOT granted";
    cluster.eventually(&database, waits);
    let busy = format!("another restore into {database} is running");
    for words in [&[][..], &["--truncate"]] {
        place.opens(&into).args(words).fails(Kind::Locked).says(&busy);
    }
    place.opens(&["restore", "latest", "--swap", "--yes", "--to", &url]).fails(Kind::Locked).says(&busy);
    gate.does("COMMIT");
    running.wait().assert_success();
    assert_eq!(cluster.psql(&database, "SELECT count(*) FROM t"), "1000");
}

/// A reader that sleeps would keep the rows out for ever, and all other readers too.
#[test]
fn a_lock_is_not_waited_for_without_an_end() {
    let cluster = Cluster::shared(Major::Distribution);
    let (place, database) = thousand(cluster);
    let into =
        ["restore", "latest", "--into", &cluster.url(&database), "-t", "t", "--lock-wait-timeout", "1s"];
    for (mode, words) in [("SHARE", &[][..]), ("ACCESS SHARE", &["--truncate"]), ("ACCESS EXCLUSIVE", &[])] {
        let mut holder = Session::open(cluster, &database);
        holder.does(&format!("BEGIN; LOCK TABLE t IN {mode} MODE"));
        cluster.eventually(&database, "SELECT count(*) > 0 FROM pg_locks WHERE relation = 't'::regclass");
        let run = place.opens(&into).args(words).fails(Kind::Postgres);
        run.says("waited 1s for a lock, and gave up: it is held on public.t by process ")
            .says("idle in transaction")
            .says("nothing was changed")
            .says("end that session, try again later, or raise --lock-wait-timeout");
        holder.does("COMMIT");
        cluster.eventually(&database, "SELECT count(*) = 0 FROM pg_locks WHERE relation = 't'::regclass");
    }
    assert_eq!(cluster.psql(&database, "SELECT count(*) FROM t"), "1000");
}

#[test]
fn a_backup_that_was_removed_meanwhile_is_not_called_damaged() {
    let bucket = Garage::shared().place("removed-meanwhile");
    let proxy = FaultProxy::start(&bucket.endpoint);
    let (place, through) = (Place::S3(bucket.clone()), Place::S3(bucket.through(&proxy.endpoint())));
    put(&place, "app", HOUR);
    // Between its manifest, which was read, and its objects.
    proxy.inject(Rule::new(Operation::Head, Fault::Answer(404, "NoSuchKey")));
    for words in [&["verify", "latest"][..], &["fetch", "latest", "-o", "-"]] {
        let run = through.opens(words).fails(Kind::NotFound).says("is missing, and so is its manifest");
        let run = run.says("removed meanwhile").says("`latest` is the newest");
        assert!(!run.stderr.contains("pgstow fetch"), "{run}");
    }
    proxy.heal();
    proxy.inject(Rule::new(Operation::Head, Fault::Answer(404, "NoSuchKey")).key_end(".age"));
    through.opens(&["verify", "latest"]).fails(Kind::Verify).says("although its manifest exists");
}

/// A receipt of it would be something that was left, in a folder without a manifest.
#[test]
fn a_backup_that_was_removed_during_its_trial_gets_no_receipt() {
    let cluster = Cluster::shared(Major::Distribution);
    let (place, _) = thousand(cluster);
    let Place::Folder(store) = &place else { unreachable!() };
    let meanwhile = Meanwhile::new(cluster, ":", &format!("rm -rf {}/app", store.path().display()));
    let (url, (signing, _)) = (cluster.url(""), crate::scene::signing_keys());
    let verify = ["verify", "latest", "--restore", "--record", "--to", &url];
    let verify = place.opens(&verify).args(meanwhile.words()).env("PGSTOW_SIGNING_KEY", signing);
    let run = verify.fails(Kind::NotFound).says("was removed meanwhile");
    assert!(!run.stderr.contains("the receipt is recorded"), "{run}");
    assert_eq!(place.keys(), Vec::<String>::new());
}

/// The name of each has the second in it, and nothing else that differs.
#[test]
fn trials_of_one_backup_in_the_same_second() {
    let cluster = Cluster::shared(Major::Distribution);
    let (place, _) = thousand(cluster);
    let verify = || place.opens(&["verify", "latest", "--restore", "--to", &cluster.url("")]).spawn();
    for _ in 0..3 {
        let all = [verify(), verify(), verify()];
        all.into_iter().for_each(|one| drop(one.wait().assert_success()));
    }
}

/// The other restore has created it, and drops it when it fails.
#[test]
fn a_role_that_was_dropped_meanwhile() {
    let cluster = Cluster::shared(Major::Distribution);
    let (place, database, role) = (Place::folder(), cluster.create_database("owned"), fresh("owner"));
    cluster.psql(&database, &format!("CREATE ROLE {role}; CREATE TABLE t (); ALTER TABLE t OWNER TO {role}"));
    place.backup(&cluster.url(&database), &[]);
    cluster.psql("postgres", &format!("DROP DATABASE {database}"));
    let meanwhile = Meanwhile::new(cluster, &format!("ask 'DROP ROLE {role}'"), ":");
    let url = cluster.url(&fresh("owned"));
    let restore = ["restore", "latest", "--roles", "restore", "--to", &url];
    let run = place.opens(&restore).args(meanwhile.words()).fails(Kind::Postgres);
    let run =
        run.says(&format!("role \"{role}\" does not exist")).says("dropped it again; run this one again");
    assert!(!run.stderr.contains("create it with --roles"), "{run}");
    place.opens(&restore).succeeds().says(&format!("created the roles {role}"));
}

/// What has its name now is another database, and says nothing about this one.
#[test]
fn a_database_that_was_replaced_before_it_was_compared_is_not_called_complete() {
    let cluster = Cluster::shared(Major::Distribution);
    let ((place, _), copy) = (thousand(cluster), fresh("replaced"));
    let found = format!("SELECT datname FROM pg_database WHERE datname LIKE '{copy}_restoring_%'");
    let replace =
        format!("it=$(ask \"{found}\"); ask \"DROP DATABASE $it WITH (FORCE)\"; ask \"CREATE DATABASE $it\"");
    let meanwhile = Meanwhile::new(cluster, ":", &replace);
    let restore = ["restore", "latest", "--jobs", "1", "--to", &cluster.url(&copy)];
    let run = place.opens(&restore).args(meanwhile.words()).fails(Kind::Postgres);
    let run = run.says("was dropped or renamed by somebody else before it was compared");
    assert!(!run.stderr.contains("is complete") && !run.stderr.contains("dropped the new"), "{run}");
    assert!(cluster.psql("postgres", &found).starts_with(&copy), "it is not ours to drop");
}

#[test]
fn a_server_that_starts_again_during_the_last_rename() {
    let cluster = Cluster::start(Major::Distribution);
    let (place, _) = thousand(&cluster);
    let wait = "touch $folder/reached; while [ ! -e $folder/go ]; do sleep 0.02; done";
    let meanwhile = Meanwhile::new(&cluster, ":", wait);
    let restore = ["restore", "latest", "--jobs", "1", "--to", &cluster.url("copy")];
    let running = place.opens(&restore).args(meanwhile.words()).spawn();
    meanwhile.has("reached");
    let mut gate = Session::open(&cluster, "postgres");
    let name =
        cluster.psql("postgres", "SELECT datname FROM pg_database WHERE datname LIKE 'copy_restoring_%'");
    gate.does(&format!("BEGIN; COMMENT ON DATABASE {name} IS 'it waits'"));
    let held = "SELECT count(*) > 0 FROM pg_locks WHERE classid = 'pg_database'::regclass AND mode = 'ShareUpdateExclusiveLock'";
    cluster.eventually("template1", held);
    std::fs::write(meanwhile.0.path().join("go"), "").unwrap();
    let renames = "pg_stat_activity WHERE query LIKE '%RENAME TO%' AND wait_event_type = 'Lock'";
    cluster.eventually("template1", &format!("SELECT count(*) > 0 FROM {renames}"));
    let pid: i32 = cluster.psql("template1", &format!("SELECT pid FROM {renames}")).parse().unwrap();
    // The server ends all other sessions too, and recovers.
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    let run = running.wait().assert_success();
    assert!(!run.stderr.contains("not known"), "{run}");
    assert_eq!(cluster.psql("copy", "SELECT count(*) FROM t"), "1000");
}
