//! What a backup's own functions start in a rehearsal ends with it, and runs as nobody who matters.

use super::secrets::backup_that_runs;
use crate::harness::eventually;
use crate::proof::scene::{Play, processes};
use crate::scene::fresh;
use crate::servers::folder;
use rustix::process::Signal;
use std::path::PathBuf;
use std::process::Command;

/// The folders in `/proc` of all processes with these words in their command line.
fn running(words: &str) -> Vec<PathBuf> {
    let folders = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path();
        let line = std::fs::read(path.join("cmdline")).ok()?;
        String::from_utf8_lossy(&line).replace('\0', " ").contains(words).then_some(path)
    });
    folders.collect()
}

/// How long somebody sleeps whom nobody else is.
fn sleep() -> String {
    format!("sleep 5{}", fresh("").chars().filter(char::is_ascii_digit).take(8).collect::<String>())
}

#[test]
fn processes_that_leave_their_group_end_with_the_rehearsal() {
    let (spied, scratch) = (folder("spied"), folder("scratch"));
    let begun = spied.path().join("begun");
    for start in ["setsid", "env -i /usr/bin/setsid /bin/sh -c 'cd /; \"$@\" & wait' sh"] {
        let sleep = sleep();
        let place = backup_that_runs(&format!(
            "cat >/dev/null; {start} {sleep} >/dev/null 2>&1 & sleep 0.2; echo $! > {}",
            begun.display()
        ));
        let words = ["verify", "latest", "--restore", "--scratch", scratch.path().to_str().unwrap()];
        place.opens(&words).succeeds();
        std::fs::remove_file(&begun).expect("the backup's function has not run, so this proves nothing");
        let left = running(&sleep);
        assert!(left.is_empty(), "{start}: {left:?} outlived the rehearsal");
    }
}

/// As by `docker exec`: the session that pgstow belongs to cannot be seen from inside the container.
#[test]
fn a_session_outside_of_the_container_is_no_obstacle() {
    let container = ["--pid", "--fork", "--mount-proc"];
    let can = Command::new("unshare").args(container).arg("true").output();
    if !can.is_ok_and(|ended| ended.status.success()) {
        crate::skip!("processes of a container's own cannot be made here");
    }
    let play = Play::new("CREATE TABLE t AS SELECT 1 AS n;");
    // Not as the first process, which would be the parent of all in any case.
    let words = ["unshare"].into_iter().chain(container).chain(["sh", "-c", "\"$@\"; exit $?", "sh"]);
    play.rehearse(&[]).under(words).succeeds().says("1 row in 1 table");
    play.nothing_is_left();
}

#[test]
fn they_end_too_if_pgstow_is_killed() {
    let sleep = sleep();
    let play = Play::new(&format!(
        "CREATE FUNCTION hold(n int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
           IF n = 1 AND current_setting('application_name') LIKE 'pgstow%' THEN
             COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; setsid {sleep} >/dev/null 2>&1 &';
             PERFORM pg_sleep(300);
           END IF;
           RETURN true; END $$;
         CREATE TABLE slow (n int CHECK (public.hold(n))); INSERT INTO slow VALUES (1);"
    ));
    let pgstow = play.rehearse(&[]).spawn();
    eventually("it sleeps", || !running(&sleep).is_empty());
    pgstow.signal(Signal::KILL);
    pgstow.wait();
    play.nothing_is_left();
    eventually("the sleeper has ended", || running(&sleep).is_empty());
}

/// As root, nothing that handles what is in the backup is root.
#[test]
fn clients_of_a_rehearsal_are_its_servers_user() {
    if !rustix::process::geteuid().is_root() {
        crate::skip!("only root can give its processes to somebody else");
    }
    let play = Play::new(
        "CREATE FUNCTION hold(n int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
           IF current_setting('application_name') LIKE 'pgstow%' THEN PERFORM pg_sleep(300); END IF;
           RETURN true; END $$;
         CREATE TABLE slow (n int CHECK (public.hold(n))); INSERT INTO slow VALUES (1);",
    );
    let pgstow = play.rehearse(&[]).spawn();
    let socket = format!("host='{}", play.scratch.path().display());
    eventually("rows are being restored", || {
        running(&socket)
            .iter()
            .any(|of| std::fs::read_to_string(of.join("comm")).is_ok_and(|name| name.trim() == "pg_restore"))
    });
    for of in running(&socket) {
        let status = std::fs::read_to_string(of.join("status")).unwrap();
        let uid = status.lines().find(|line| line.starts_with("Uid:")).unwrap();
        assert!(!uid.split_whitespace().any(|word| word == "0"), "{}: {status}", of.display());
    }
    assert!(!processes(play.scratch.path()).is_empty());
    pgstow.signal(Signal::TERM);
    pgstow.wait();
    play.nothing_is_left();
}
