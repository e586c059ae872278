//! The output of any command, there and back, without any PostgreSQL; and every way in which it fails.

use crate::harness::{Pgstow, eventually};
use crate::scene::{Keys, Place};
use pgstow::error::Kind;
use rustix::process::Signal;
use std::time::Duration;
use tempfile::TempDir;

/// `backup` under a name, without any client of PostgreSQL in reach.
fn backup(place: &Place, words: &[&str]) -> Pgstow {
    place
        .pgstow(&["backup", "--pg-bin", "/nonexistent", "--name", "portal/users"])
        .args(["--recipient", &Keys::shared().recipient])
        .args(words)
}

fn of_sh(place: &Place, script: &str) -> Pgstow {
    backup(place, &["--", "sh", "-c", script])
}

fn into_sh(place: &Place, script: &str) -> Pgstow {
    place.opens(&["restore", "latest", "--", "sh", "-c", script])
}

fn fetched(place: &Place) -> Vec<u8> {
    place.opens(&["fetch", "latest", "-o", "-"]).succeeds().stdout
}

/// What does not compress, and does not fit into a pipe.
const NOISE: &str = "seq 1 400000 | sha256sum; seq 1 600000";

#[test]
fn what_a_command_prints_comes_back() {
    let (place, folder) = (Place::folder(), TempDir::new().unwrap());
    let made = backup(&place, &["--json", "--", "sh", "-c", "echo one; echo aside >&2; printf two"])
        .env("DATABASE_URL", "postgres://of.the.application/app")
        .succeeds()
        .says("aside");
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert!(made.json()["tables"].is_null());
    let keys = ["manifest.json", "stream.zst.age"].map(|object| format!("portal/users/{id}/{object}"));
    assert_eq!(place.keys(), keys);
    assert_eq!(fetched(&place), b"one\ntwo");

    let listed = place.pgstow(&["list", "--json"]).succeeds().json();
    assert_eq!((&listed[0]["kind"], &listed[0]["rows"]), (&"stream".into(), &serde_json::Value::Null));
    assert!(place.pgstow(&["list"]).succeeds().text().contains("portal/users"));
    assert!(place.pgstow(&["show", "latest"]).succeeds().text().contains("stream.zst.age"));
    place.opens(&["verify", "latest"]).succeeds().says("all digests verified");
    place.pgstow(&["verify", "--all", "--quick"]).succeeds();

    let file = folder.path().join("file");
    let run = into_sh(&place, &format!("cat > {}; echo done", file.display())).succeeds();
    assert_eq!((run.text().as_str(), std::fs::read(&file).unwrap().as_slice()), ("done\n", &b"one\ntwo"[..]));
    let run = place.opens(&["restore", "latest", "--json", "--", "wc", "-c"]).succeeds().says("7");
    assert_eq!(run.json()["plain_bytes"], 7);
}

#[test]
fn a_command_that_fails_leaves_nothing() {
    for (script, said) in [
        (format!("{NOISE}; exit 3"), "sh failed (exit status 3)"),
        ("exit 1".to_owned(), "sh failed (exit status 1)"),
        ("echo much; kill -KILL $$".to_owned(), "sh was killed by signal 9"),
    ] {
        let place = Place::folder();
        of_sh(&place, &script).fails(Kind::Command).says(said);
        assert_eq!(place.keys(), Vec::<String>::new(), "{script}");
    }
    let place = Place::garage("command-fails");
    of_sh(&place, &format!("{NOISE}; exit 3")).fails(Kind::Command);
    assert_eq!(place.keys(), Vec::<String>::new());
    backup(&place, &["--", "no-such-program"]).fails(Kind::Command).says("cannot start no-such-program");
    of_sh(&place, "true").succeeds().says("the backup is empty");
}

#[test]
fn a_signal_ends_the_command_and_its_children() {
    let (place, folder) = (Place::folder(), TempDir::new().unwrap());
    let file = folder.path().join("pid");
    let running =
        of_sh(&place, &format!("sleep 300 & echo $! > {}; echo much; wait", file.display())).spawn();
    let pid = || std::fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<u32>().ok());
    eventually("it runs", || pid().is_some());
    running.signal(Signal::TERM);
    running.wait().assert_failure(Kind::Terminated);
    let pid = pid().unwrap();
    // One that ended, and that the first process of a container does not wait for, has no arguments any more.
    eventually("it has ended", || {
        std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default().is_empty()
    });
    assert_eq!(place.keys(), Vec::<String>::new());
}

#[test]
fn a_lost_terminal_ends_it_in_order_unless_nohup_started_it() {
    let (place, folder) = (Place::folder(), TempDir::new().unwrap());
    let file = folder.path().join("begun");
    let run = |command: Pgstow| {
        let running = command.spawn();
        eventually("it has begun", || file.exists());
        // The shell, the terminal and the system tell it.
        for _ in 0..3 {
            running.signal(Signal::HUP);
            std::thread::sleep(Duration::from_millis(20));
        }
        std::fs::remove_file(&file).unwrap();
        running.wait()
    };
    let slow = || of_sh(&place, &format!("echo much; touch {}; sleep 2", file.display()));
    run(slow()).assert_failure(Kind::HungUp).says(Kind::HungUp.meaning());
    assert_eq!(place.keys(), Vec::<String>::new());
    run(slow().under(["nohup"])).assert_success();
}

/// Of a stream no rows are known: its bytes are compared.
#[test]
fn a_stream_that_is_much_smaller_is_noticed() {
    let place = Place::folder();
    of_sh(&place, "seq 1 1000").succeeds();
    let few = &["--fail-shrink", "50%", "--", "seq", "1", "10"];
    backup(&place, few).fails(Kind::Verify).says("far less than in backup").says("21 B instead of 3.80 KiB");
    assert_eq!(place.pgstow(&["list", "--json"]).succeeds().json().as_array().unwrap().len(), 1);
    let stdin = backup(&place, &["--fail-shrink", "50%", "--stdin"]).stdin("little");
    stdin.fails(Kind::Verify).says("6 B instead of 3.80 KiB");
    backup(&place, &["--fail-shrink", "50%", "--", "seq", "1", "900"]).succeeds();
    of_sh(&place, "seq 1 10").succeeds().says("warning: far less than in backup");
}

#[test]
fn what_comes_on_stdin_is_stored_with_a_word_of_warning() {
    let place = Place::folder();
    let run = backup(&place, &["--stdin"]).stdin("from a pipe").succeeds();
    run.says("cannot know whether the program that wrote to stdin succeeded");
    assert_eq!(fetched(&place), b"from a pipe");
    backup(&place, &["--stdin", "--name", "other"]).fails(Kind::Usage);
    let empty = Place::folder();
    backup(&empty, &["--stdin"]).fails(Kind::Verify).says("stdin was empty");
    assert_eq!(empty.keys(), Vec::<String>::new());
}

#[test]
fn words_that_do_not_fit_together_are_refused() {
    let place = Place::folder();
    let words = |words: &[&str]| {
        place.pgstow(&["backup", "--recipient", &Keys::shared().recipient]).args(words).fails(Kind::Usage)
    };
    words(&["--", "true"]).says("--name portal/users");
    words(&["--name", "a", "--stdin", "--", "true"]).says("contradict each other");
    words(&["--name", "a", "postgres://h/db", "--", "true"]).says("two backups");
    for flag in ["--table", "--exclude-table", "--exclude-table-data", "--schema", "--exclude-schema"] {
        words(&["--name", "a", flag, "secrets", "--", "true"])
            .says(&format!("{flag} and a stream contradict"));
    }
    words(&["--name", "a", "--pg-dump-arg=--no-comments", "--stdin"]).says("--pg-dump-arg and a stream");
    for flags in
        [&["--neon", "a-project"][..], &["--exclude", "a*"], &["--role-passwords"], &["--readers", "2"]]
    {
        let run = words(&[&["--name", "a"], flags, &["--", "true"]].concat());
        run.says(&format!("{} and a stream contradict", flags[0]));
    }
    // How databases are read may be set for all backups.
    let set = of_sh(&place, "echo x").env("PGSTOW_READERS", "2");
    set.env("PGSTOW_ROLE_PASSWORDS", "true").succeeds();

    of_sh(&place, "echo x").succeeds();
    let to = ["restore", "latest", "--to", "postgres://h/db"];
    place.opens(&to).args(["--", "true"]).fails(Kind::Usage).says("contradict each other");
    place.opens(&to).fails(Kind::Usage).says("is a stream").says("-- COMMAND");
}

/// Whoever leaves something out, or masks it, must not get all of it.
#[test]
fn what_a_command_or_tables_that_exist_would_pass_over_is_refused() {
    let place = Place::folder();
    of_sh(&place, "echo x").succeeds();
    let restore = |words: &[&str]| place.opens(&["restore", "latest"]).args(words);
    let goals = [&["--into", "postgres://h/db", "-t", "a.b"][..], &["--", "cat"]];
    for words in [
        &["--exclude-table", "app.a"][..],
        &["--exclude-table-data", "app.a"],
        &["--schema-only"],
        &["--after", "/no/such/mask.sql"],
        &["--after-sql", "UPDATE a SET b = 1"],
        &["--no-owner"],
        &["--no-acl"],
        &["--grant-all", "web"],
        &["--map-role", "a=b"],
        &["--proof", "digests"],
        &["--on-error", "keep"],
    ] {
        for goal in goals {
            let run = restore(&[words, goal].concat()).fails(Kind::Usage);
            assert!(run.stdout.is_empty(), "{run}");
            run.says("contradict each other").says(words[0]);
        }
    }
    restore(&["-t", "app.a", "--", "cat"]).fails(Kind::Usage).says("--table and a command contradict");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("pgstow.toml");
    std::fs::write(&file, "after_sql = \"UPDATE a SET b = 1\"\nno_owner = true\n").unwrap();
    for goal in goals {
        let run = restore(&[&["--config", file.to_str().unwrap()], goal].concat()).fails(Kind::Usage);
        run.says("--after-sql and ").says("contradict each other");
    }
    // What a file says of databases in general is no mistake.
    std::fs::write(&file, "no_owner = true\non_error = \"keep\"\n").unwrap();
    restore(&["--config", file.to_str().unwrap(), "--", "cat"]).succeeds();
}

#[test]
fn the_end_of_a_command_that_is_fed_decides() {
    let place = Place::folder();
    of_sh(&place, NOISE).succeeds();
    into_sh(&place, "cat >/dev/null; exit 7").fails(Kind::Command).says("sh failed (exit status 7)");
    into_sh(&place, "exit 7").fails(Kind::Command).says("sh failed (exit status 7)");
    into_sh(&place, "head -c 10").succeeds().says("without reading the last");
}

/// It never sees the end of its input, so it commits nothing.
#[test]
fn a_command_is_not_given_the_end_of_a_damaged_backup() {
    let (place, folder) = (Place::folder(), TempDir::new().unwrap());
    of_sh(&place, NOISE).succeeds();
    let file = folder.path().join("ended");
    let script = format!("cat >/dev/null; touch {}", file.display());
    into_sh(&place, &script).succeeds();
    std::fs::remove_file(&file).unwrap();

    let key = place.key("stream.zst.age");
    let mut bytes = place.get(&key);
    let last = bytes.len() - 20;
    bytes[last] ^= 1;
    place.put(&key, bytes);
    into_sh(&place, &script).fails(Kind::Verify);
    assert!(!file.exists());
    place.opens(&["verify", "latest"]).fails(Kind::Verify);
}

#[test]
fn the_words_of_a_command_are_told_to_nobody() {
    let place = Place::folder();
    let run = backup(&place, &["-vv", "--", "sh", "-c", "echo x", "hunter22"]).succeeds();
    assert!(!run.stderr.contains("hunter22"), "{run}");
    let manifest = place.get(&place.key("manifest.json"));
    assert!(!String::from_utf8(manifest).unwrap().contains("hunter22"));
}

/// A variable that is not set, in whose place the database would be backed up.
#[test]
fn nothing_after_two_dashes_is_no_command() {
    let place = Place::folder();
    backup(&place, &["--"]).fails(Kind::Usage).says("nothing follows --").says("an unset variable");
    assert!(place.keys().is_empty());
}

/// By whatever name, stdout is written to, and what the shell has led it to is not replaced.
#[test]
fn the_file_behind_stdout_is_not_replaced() {
    let place = Place::folder();
    of_sh(&place, "echo middle").succeeds();
    for name in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        let all = "(echo first; \"$@\"; echo last) >all; cat all";
        let fetch = place.opens(&["fetch", "latest", "--force", "-o", name]).under(["sh", "-c", all, "-"]);
        assert_eq!(fetch.succeeds().text(), "first\nmiddle\nlast\n", "{name}");
    }
}
