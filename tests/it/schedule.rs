//! `pgstow schedule`, with schedules of seconds.

use crate::harness::{Pgstow, Running, pgstow, repository};
use crate::scene::{Keys, Place, fresh};
use crate::servers::free_port;
use crate::servers::pushgateway::samples;
use pgstow::cli::{self, Parsed};
use pgstow::error::Kind;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Waits until something is so; panics with what it says instead.
#[track_caller]
fn wait_until<T>(mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + Duration::from_secs(100);
    loop {
        match look() {
            Ok(found) => return found,
            Err(why) => assert!(Instant::now() < deadline, "{why}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A schedule that runs and answers at a port.
struct Scheduled {
    running: Running,
    port: u16,
}

impl Scheduled {
    /// Starts `schedule` with these words, and a backup of what a shell prints.
    fn start(place: &Place, words: &[&str], shell: &str) -> Self {
        Self::run(place, words, shell, |schedule| schedule)
    }

    fn run(place: &Place, words: &[&str], shell: &str, by: impl FnOnce(Pgstow) -> Pgstow) -> Self {
        let port = free_port();
        let listen = format!("--listen=127.0.0.1:{port}");
        let backup =
            ["--", "backup", "--name", "app", "-r", &Keys::shared().recipient, "--", "sh", "-c", shell];
        let schedule = place.pgstow(&["schedule", &listen]).args(words).args(backup);
        Self { running: by(schedule).spawn(), port }
    }

    /// Status and body of an answer; `Err` while nobody answers.
    fn ask(&self, method: &str, path: &str) -> Result<(u16, String), String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(|e| e.to_string())?;
        let request = format!("{method} {path} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).map_err(|e| e.to_string())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(|e| e.to_string())?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or(answer.clone())?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(head.to_owned())?;
        Ok((status, body.to_owned()))
    }

    /// Waits until `/healthz` answers so, with these words.
    #[track_caller]
    fn wait_for(&self, status: u16, words: &str) {
        wait_until(|| match self.ask("GET", "/healthz")? {
            (found, body) if found == status && body.contains(words) => Ok(()),
            other => Err(format!("{other:?} instead of {status} and {words:?}")),
        });
    }

    /// Waits until the metrics are so.
    #[track_caller]
    fn metrics(&self, are: impl Fn(&BTreeMap<String, f64>) -> bool) -> BTreeMap<String, f64> {
        wait_until(|| {
            let (status, text) = self.ask("GET", "/metrics")?;
            let all = samples(&text);
            if status == 200 && are(&all) { Ok(all) } else { Err(text) }
        })
    }

    fn ends(self, signal: Signal) -> crate::harness::Run {
        self.running.signal(signal);
        self.running.wait()
    }
}

fn counted(all: &BTreeMap<String, f64>, name: &str) -> f64 {
    all[&format!("pgstow_schedule_{name}_runs_total{{}}")]
}

#[test]
fn it_runs_again_and_again_and_says_so_to_prometheus() {
    let place = Place::folder();
    let scheduled = Scheduled::start(&place, &["--every", "1s", "--jitter", "100ms"], "echo hello");
    let all = scheduled.metrics(|all| counted(all, "succeeded") >= 2.0);
    let last = all["pgstow_backup_last_success_timestamp_seconds{name=app}"];
    assert!(all["pgstow_schedule_next_run_timestamp_seconds{}"] >= last, "{all:?}");
    assert_eq!(all["pgstow_schedule_last_run_exit_code{}"], 0.0, "{all:?}");
    assert_eq!(counted(&all, "failed"), 0.0, "{all:?}");
    assert_eq!(scheduled.ask("POST", "/metrics").unwrap().0, 405);
    assert_eq!(scheduled.ask("GET", "/").unwrap().0, 404);
    scheduled.ends(Signal::TERM).says("the run succeeded after");
    let backups = place.opens(&["list", "--json"]).succeeds().json();
    assert!(backups.as_array().unwrap().len() >= 2, "{backups}");
}

#[test]
fn while_nothing_is_running_a_signal_ends_it_with_0() {
    let place = Place::folder();
    let zone = ["--cron", "17 3 29 2 *", "--timezone", "America/New_York"];
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let scheduled = Scheduled::start(&place, &zone, "echo hello");
        scheduled.wait_for(200, "02-29 03:17:00 America/New_York");
        let run = scheduled.ends(signal).assert_success();
        run.says("the next run begins at ").says("told to end while nothing was running");
    }
    assert!(place.keys().is_empty());
}

#[test]
fn a_signal_in_the_middle_of_a_backup_leaves_nothing_of_it() {
    for (signal, kind) in [(Signal::TERM, Kind::Terminated), (Signal::HUP, Kind::HungUp)] {
        ended_in_the_middle(signal, kind);
    }
}

fn ended_in_the_middle(signal: Signal, kind: Kind) {
    let (place, folder) = (Place::folder(), TempDir::new().unwrap());
    let marker = folder.path().join("pid");
    let shell = format!(
        "head -c 3000000 /dev/urandom; echo $$ >{0}.new; mv {0}.new {0}; exec sleep 600",
        marker.display()
    );
    let scheduled = Scheduled::start(&place, &["--every", "1d", "--at-start"], &shell);
    let pid = wait_until(|| std::fs::read_to_string(&marker).map_err(|e| e.to_string()));
    scheduled.wait_for(200, "running since");
    let run = scheduled.ends(signal).assert_failure(kind);
    run.says("the run that was running has ended");
    assert!(place.keys().is_empty(), "{:?}", place.keys());
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "the command of the backup is still running");
}

#[test]
fn the_words_of_a_run_are_not_printed() {
    let (place, port) = (Place::folder(), free_port());
    let listen = format!("--listen=127.0.0.1:{port}");
    let words = ["schedule", &listen, "--every", "1d", "--at-start", "--", "backup", "--no-encryption"];
    let secret = ["postgres://u:s3cret-a@127.0.0.1:1/db", "--ping-url", "http://127.0.0.1:1/s3cret-b"];
    let scheduled = Scheduled { running: place.pgstow(&words).args(secret).spawn(), port };
    scheduled.wait_for(503, "exit code 11");
    let run = scheduled.ends(Signal::TERM).says("run: pgstow backup\n");
    assert!(!run.stderr.contains("s3cret"), "{run}");
}

#[test]
fn a_run_that_fails_is_reported_and_the_next_one_comes() {
    let (place, folder) = (Place::folder(), TempDir::new().unwrap());
    let broken = folder.path().join("broken");
    std::fs::write(&broken, "").unwrap();
    let shell = format!("test ! -e {} && echo hello", broken.display());
    let scheduled = Scheduled::start(&place, &["--every", "1s"], &shell);
    scheduled.wait_for(503, "exit code 18, the command after -- failed");
    std::fs::remove_file(broken).unwrap();
    scheduled.wait_for(200, "the next run begins at");
    let all = scheduled.metrics(|all| counted(all, "succeeded") >= 1.0);
    assert!(counted(&all, "failed") >= 1.0, "{all:?}");
    scheduled.ends(Signal::TERM).says("warning: the run failed after ");
}

#[test]
fn two_never_run_at_once_and_one_makes_up_for_all() {
    let (place, folder) = (Place::folder(), TempDir::new().unwrap());
    let log = folder.path().join("log");
    let shell = format!("echo begin >>{0}; sleep 2.5; echo end >>{0}; echo hello", log.display());
    let begun = Instant::now();
    let scheduled = Scheduled::start(&place, &["--every", "1s"], &shell);
    scheduled.wait_for(503, "still runs, and the next was due at ");
    let all = scheduled.metrics(|all| counted(all, "succeeded") >= 3.0 && counted(all, "left_out") >= 3.0);
    let due = begun.elapsed().as_secs_f64() + 1.0;
    assert_eq!(counted(&all, "failed"), 0.0, "the lock of the name stopped none: {all:?}");
    assert!(counted(&all, "succeeded") + counted(&all, "left_out") <= due, "{due}: {all:?}");
    scheduled.ends(Signal::TERM).says("became due while this one was running; one makes up for all, now");
    let text = std::fs::read_to_string(log).unwrap();
    for (at, line) in text.lines().enumerate() {
        assert_eq!(line, ["begin", "end"][at % 2], "{text}");
    }
}

#[test]
fn after_the_machine_slept_one_run_makes_up_for_all() {
    let place = Place::folder();
    let begun = Instant::now();
    let scheduled = Scheduled::start(&place, &["--every", "1s"], "echo hello");
    let before = scheduled.metrics(|all| counted(all, "succeeded") >= 1.0);
    scheduled.running.signal(Signal::STOP);
    std::thread::sleep(Duration::from_secs(5));
    scheduled.running.signal(Signal::CONT);
    let all = scheduled.metrics(|all| {
        counted(all, "succeeded") > counted(&before, "succeeded")
            && counted(all, "left_out") >= counted(&before, "left_out") + 3.0
    });
    let due = begun.elapsed().as_secs_f64() + 1.0;
    assert!(counted(&all, "succeeded") + counted(&all, "left_out") <= due, "{due}: {all:?}");
    scheduled.ends(Signal::TERM);
}

#[test]
fn what_cannot_run_is_refused_before_the_first_wait() {
    let place = Place::folder();
    let refused = |words: &[&str], kind| place.pgstow(&["schedule"]).args(words).fails(kind);
    let daily = |command: &[&str], kind| {
        let words: Vec<&str> = ["--every", "1d", "--"].iter().chain(command).copied().collect();
        refused(&words, kind)
    };
    daily(&["backup", "--nmae", "app"], Kind::Usage)
        .says("the command after -- is refused: unexpected argument");
    daily(&["pgstow", "list"], Kind::Usage).says("leave out the word pgstow");
    daily(&["schedule", "--every", "1d", "--", "list"], Kind::Usage).says("does not run another one");
    daily(&["prune"], Kind::Usage).says("the command after --: no rule says which backups are kept");
    daily(&["status", "--webhook", "ftp://h"], Kind::Settings)
        .says("the command after --: --webhook (PGSTOW_WEBHOOK): the address cannot be used");
    daily(&["swap", "--to", "postgres://h/x", "--back"], Kind::Usage)
        .says("swap is nothing to run again and again");
    daily(&["version"], Kind::Usage).says("again and again");
    daily(&["backup", "--passphrase"], Kind::Usage).says("nobody is there to be asked for a passphrase");
    daily(&["restore", "latest", "--to", "postgres://h/x", "-i", "/nope"], Kind::Settings).says("/nope");
    daily(&["restore", "latest", "--table", "t", "--into", "postgres://h"], Kind::Usage).says("no database");
    daily(&["restore", "latest", "-i", "/nope", "--", "cat"], Kind::Settings).says("/nope");
    daily(&["clone", "postgres://ep-x-pooler.eu.aws.neon.tech/a", "b"], Kind::Usage)
        .says("the command after --: ");
    daily(&["copy", "--all"], Kind::Usage).says("no store to copy to was given");
    daily(&["rekey", "--all"], Kind::Usage).says("no recipient was given");
    daily(&["report"], Kind::Usage).says("no output file was given");
    daily(&["--profile", "prod", "list"], Kind::Settings).says("to take the profile \"prod\" from");
    refused(&["--cron", "61 3 * * *", "--", "list"], Kind::Usage).says("is not a cron expression");
    refused(&["--cron", "@daily", "--timezone", "Berlin", "--", "list"], Kind::Usage).says("no time zone");
    refused(&["--cron", "@daily", "--every", "1d", "--", "list"], Kind::Usage).says("contradict each other");
    let typed = |words: &[&str], name, value| {
        // What is typed comes first: it is refused for being too long, and not for the contradiction.
        place.pgstow(&["schedule"]).args(words).env(name, value).args(["--", "list"]).fails(Kind::Usage)
    };
    typed(&["--every", "99999999999d"], "PGSTOW_CRON", "@daily").says("is too long: at most 1000y");
    typed(&["--cron=@reboot"], "PGSTOW_EVERY", "1d").says("@reboot is not one of @hourly");
    refused(&["--every", "1h", "--jitter", "1h", "--", "list"], Kind::Usage).says("--jitter 1h is too long");
    refused(&["--every", "1d"], Kind::Usage).says("<COMMAND>");
    refused(&["--", "list"], Kind::Usage).says("nothing says when to run");
    for command in
        ["backup", "adopt x --name x", "list", "show latest", "keys", "fetch latest -o x", "doctor --thief"]
    {
        let schedule = pgstow(["schedule", "--every", "1d", "--"]).args(command.split(' '));
        schedule.env("PGSTOW_NO_ENCRYPTION", "true").fails(Kind::Usage).says("no store was given");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    refused(&["--every", "1d", "--listen", &listen, "--", "list"], Kind::Settings).says("cannot listen on");
}

#[test]
fn the_first_process_of_a_container_reaps_what_lost_its_parent() {
    let alone = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];
    let can = Command::new(alone[0]).args(&alone[1..]).arg("true").output();
    if !can.is_ok_and(|output| output.status.success()) {
        crate::skip!("a PID namespace cannot be made here");
    }
    let (place, folder) = (Place::folder(), TempDir::new().unwrap());
    let name = fresh("orphan").chars().rev().take(12).collect::<String>();
    let program = folder.path().join(&name);
    std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
    let shell = format!("(setsid {} 2 >/dev/null 2>&1 &); echo hello", program.display());
    let scheduled = Scheduled::run(&place, &["--every", "1s"], &shell, |schedule| schedule.under(alone));
    let orphan = wait_until(|| named(&name).ok_or("no process lost its parent".to_owned()));
    wait_until(|| {
        let left = Path::new("/proc").join(orphan.to_string()).exists();
        if left { Err(format!("{orphan} was not reaped")) } else { Ok(()) }
    });
    scheduled.metrics(|all| counted(all, "succeeded") >= 2.0);
    // --kill-child ends what is in the namespace.
    kill_process(Pid::from_raw(scheduled.running.pid() as i32).unwrap(), Signal::KILL).unwrap();
}

/// A process with this name.
fn named(name: &str) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_so = |pid: &u32| {
        let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        comm.trim() == name
    };
    pids.into_iter().find(is_so)
}

#[test]
fn the_compose_file_runs_what_there_is_and_looks_at_its_health() {
    let text = std::fs::read_to_string(repository("deploy/compose/compose.yaml")).unwrap();
    let file: serde_yaml_ng::Value = serde_yaml_ng::from_str(&text).unwrap();
    let list = |value: &serde_yaml_ng::Value| -> Vec<String> {
        value.as_sequence().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    for service in ["backup", "drill"] {
        let words = list(&file["services"][service]["command"]);
        let inner = words.iter().skip_while(|word| *word != "--").skip(1).cloned().collect();
        for line in [words, inner] {
            let line = ["pgstow".to_owned()].into_iter().chain(line).map(Into::into).collect();
            let parsed = cli::parse(line, &|_| Vec::new(), &|_| None);
            assert!(matches!(parsed, Parsed::Words(_)), "{parsed:?}");
        }
    }
    // What opens backups is not where they are made.
    assert_eq!(file["services"]["backup"]["env_file"], "backup.env");
    assert_eq!(file["services"]["drill"]["env_file"], "drill.env");
    // Its check, asked of a real one.
    let test = list(&file["services"]["backup"]["healthcheck"]["test"]);
    let [_, bash, flag, script] = &test[..] else { panic!("{test:?}") };
    let is_healthy = |port: u16| {
        let script = script.replace("$$", "$").replace("9187", &port.to_string());
        Command::new(bash).args([flag, &script]).output().unwrap().status.success()
    };
    let place = Place::folder();
    assert!(!is_healthy(free_port()));
    let good = Scheduled::start(&place, &["--every", "1d"], "echo hello");
    good.wait_for(200, "ok: ");
    assert!(is_healthy(good.port));
    let bad = Scheduled::start(&place, &["--every", "1d", "--at-start"], "false");
    bad.wait_for(503, "bad: ");
    assert!(!is_healthy(bad.port));
}
