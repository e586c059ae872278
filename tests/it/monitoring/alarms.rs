//! Pings and webhooks.

use super::{backup, clinic};
use crate::harness::pgstow;
use crate::keep::scene::days;
use crate::scene::{Keys, Place, every_client, fresh};
use crate::servers::folder;
use crate::servers::inbox::{Inbox, Letter};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

/// A part of an address that nobody may print.
const SECRET: &str = "5ec7e7-a1a4";

/// The address of a check.
fn check(inbox: &Inbox) -> String {
    format!("{}/ping/{SECRET}?create=1", inbox.url)
}

/// The paths that were pinged, without their queries; and that all were of one run.
fn pinged(inbox: &Inbox) -> Vec<String> {
    let letters = inbox.letters();
    let targets = letters.iter().map(|letter| letter.target.split_once("?create=1&rid=").unwrap());
    let (paths, runs): (Vec<&str>, Vec<&str>) = targets.unzip();
    assert!(runs.iter().all(|run| run.len() == 36 && *run == runs[0]), "{runs:?}");
    assert!(letters.iter().all(|letter| letter.method == "POST"));
    paths.into_iter().map(str::to_owned).collect()
}

fn last(inbox: &Inbox) -> Letter {
    inbox.letters().pop().unwrap()
}

#[test]
fn every_verb_for_a_schedule_pings_when_it_begins_and_ends() {
    let (cluster, database) = clinic();
    let place = Place::folder();
    let copy = fresh("clinic_copy");
    let restored = fresh("clinic_restored");
    let begun = format!("/ping/{SECRET}/start");
    let ended = format!("/ping/{SECRET}");
    let verify = place.opens(&["verify", "--newest-per-name"]);
    let restore = place.opens(&["restore", "latest", "--to", &cluster.url(&restored)]);
    let clone = pgstow(["clone", &cluster.url(database), &copy]).env("PATH", every_client());
    for (verb, run) in
        [("backup", backup(&place)), ("verify", verify), ("restore", restore), ("clone", clone)]
    {
        let inbox = Inbox::open();
        let run = run.env("PGSTOW_PING_URL", check(&inbox)).succeeds();
        assert_eq!(pinged(&inbox), [begun.clone(), ended.clone()], "{verb}: {run}");
        let body = last(&inbox).body;
        assert!(body.starts_with(&format!("pgstow {verb} of ")) && body.contains(" succeeded: "), "{body}");
        assert!(body.contains("4,321 rows"), "{body}");
        assert!(!run.stderr.contains(SECRET) && !run.text().contains(SECRET), "{run}");
    }
    for name in [copy, restored] {
        cluster.psql("postgres", &format!("DROP DATABASE {name}"));
    }
    // What nobody runs on a schedule has no such flags.
    place.pgstow(&["list", "--ping-url", "https://x/y"]).fails(Kind::Usage);
}

#[test]
fn a_run_that_fails_pings_with_its_last_lines() {
    let (inbox, place) = (Inbox::open(), Place::folder());
    let failing = backup(&place).args(["--table", "no_such_table"]).env("PGSTOW_PING_URL", check(&inbox));
    let run = failing.fails(Kind::Usage);
    assert_eq!(pinged(&inbox), [format!("/ping/{SECRET}/start"), format!("/ping/{SECRET}/fail")]);
    let body = last(&inbox).body;
    assert!(
        body.starts_with("pgstow backup of app failed (exit code 2): ") && body.contains("\nerror: "),
        "{body}"
    );
    assert!(run.stderr.contains("no_such_table") && body.contains("no_such_table"), "{run}\n{body}");

    // Also before anything was reached: a secret that is not set is found by the alarm, not by luck.
    let inbox = Inbox::open();
    let blank = backup(&place).env("PGSTOW_STORE", "").env("PGSTOW_PING_URL", check(&inbox));
    blank.fails(Kind::Usage);
    assert!(last(&inbox).target.contains("/fail") && last(&inbox).body.contains("no store was given"));
}

/// A mistake in the settings must not keep the alarm from being raised that is among them.
#[test]
fn a_run_whose_words_are_not_understood_pings_too() {
    let (place, home) = (Place::folder(), TempDir::new().unwrap());
    let failed = [format!("/ping/{SECRET}/fail")];
    let inbox = Inbox::open();
    let unknown = backup(&place).arg("--no-such-flag").env("PGSTOW_WEBHOOK", &inbox.url);
    unknown.fails(Kind::Usage);
    let told: Value = serde_json::from_str(&last(&inbox).body).unwrap();
    assert_eq!((&told["command"], &told["exit_code"]), (&"backup".into(), &2.into()), "{told}");
    assert!(
        told["error"].as_str().unwrap().starts_with("unexpected argument '--no-such-flag' found"),
        "{told}"
    );
    // The first line alone does not say what is missing.
    let inbox = Inbox::open();
    place.pgstow(&["restore"]).env("PGSTOW_WEBHOOK", &inbox.url).fails(Kind::Usage);
    let body = last(&inbox).body;
    assert!(body.contains("were not provided: ") && !body.contains("Usage"), "{body}");
    // Anything may have been typed, or set, at the wrong place: an alarm repeats no value.
    let hook = format!("https://hooks.slack.com/services/{SECRET}");
    for words in
        [vec!["--passphrase", SECRET], vec!["--notify", &hook], vec!["--notify", SECRET], vec![SECRET]]
    {
        let inbox = Inbox::open();
        backup(&place).args(&words).env("PGSTOW_WEBHOOK", &inbox.url).fails(Kind::Usage);
        assert!(!last(&inbox).body.contains(SECRET), "{words:?}: {}", last(&inbox).body);
    }
    let inbox = Inbox::open();
    let run = backup(&place).env("PGSTOW_NOTIFY", &hook).env("PGSTOW_PING_URL", check(&inbox));
    let run = run.fails(Kind::Usage).says("invalid value 'https://hooks.slack.com/…' for PGSTOW_NOTIFY");
    let body = last(&inbox).body;
    assert!(!run.stderr.contains(SECRET) && !body.contains(SECRET), "{run}\n{body}");
    assert!(body.contains("invalid value '…' for PGSTOW_NOTIFY (--notify <WHEN>)"), "{body}");
    let given =
        backup(&place).env("PGSTOW_TIMEOUT", format!("postgres://u:{SECRET}@h/db")).fails(Kind::Usage);
    assert!(given.stderr.contains("postgres://u:…@h/db"), "{given}");
    let inbox = Inbox::open();
    let wrong = backup(&place).env("PGSTOW_TIMEOUT", "soon").env("PGSTOW_PING_URL", check(&inbox));
    wrong.fails(Kind::Usage).says("invalid value 'soon' for PGSTOW_TIMEOUT (--timeout <DURATION>)");
    assert_eq!(pinged(&inbox), failed);
    let file = home.path().join("my.toml");
    for (mistake, why) in [("uplods = 2", "is not a setting"), ("name = ", "line 1: ")] {
        let inbox = Inbox::open();
        std::fs::write(&file, format!("{mistake}\nping_url = \"{}\"\n", check(&inbox))).unwrap();
        let run = place.pgstow(&["backup", "--config", file.to_str().unwrap()]).fails(Kind::Settings);
        assert_eq!(pinged(&inbox), failed, "{run}");
        assert!(last(&inbox).body.contains(why) && !run.stderr.contains(SECRET), "{run}");
    }
    // What nobody runs on a schedule raises no alarm, nor does what only says what it would do.
    let inbox = Inbox::open();
    for words in [&["list", "--nope"][..], &["help", "backup", "--nope"], &["prune", "--dry-run", "--nope"]] {
        place.pgstow(words).env("PGSTOW_PING_URL", check(&inbox)).fails(Kind::Usage);
    }
    let dry = place.pgstow(&["prune", "--nope"]).env("PGSTOW_DRY_RUN", "true");
    dry.env("PGSTOW_PING_URL", check(&inbox)).fails(Kind::Usage);
    std::fs::write(&file, "dry_run = true\n").unwrap();
    let dry = place.pgstow(&["prune", "--nope", "--config", file.to_str().unwrap()]);
    dry.env("PGSTOW_PING_URL", check(&inbox)).fails(Kind::Usage);
    assert!(inbox.letters().is_empty(), "{:?}", inbox.letters());
    // All who are to hear of it do, and of the verb that was typed.
    let (inbox, other) = (Inbox::open(), Inbox::open());
    let words = ["--profile", "backup", "status", "--webhook", &inbox.url, "--webhook", &other.url, "--nope"];
    place.pgstow(&words).fails(Kind::Settings);
    for inbox in [&inbox, &other] {
        assert!(last(inbox).body.contains("pgstow status failed"), "{:?}", inbox.letters());
    }
}

/// Nor does the line break keep it that an address from a file has at its end.
#[test]
fn a_run_whose_verb_is_mistyped_pings_as_the_one_that_is_meant() {
    let (inbox, place) = (Inbox::open(), Place::folder());
    let run = |word: &str| place.pgstow(&[word]).env("PGSTOW_PING_URL", format!("{}\n", check(&inbox)));
    run("lst").fails(Kind::Usage);
    run("nightly").fails(Kind::Usage);
    assert!(inbox.letters().is_empty(), "{:?}", inbox.letters());
    run("bakcup").fails(Kind::Usage);
    assert_eq!(pinged(&inbox), [format!("/ping/{SECRET}/fail")]);
    assert!(last(&inbox).body.contains("pgstow backup failed"), "{:?}", last(&inbox));
}

/// What is measured without a name stays until the next run of the verb, and an alert on it as long.
#[test]
fn a_run_whose_words_are_not_understood_is_measured_by_its_name() {
    let (place, home) = (Place::folder(), TempDir::new().unwrap());
    let metrics = home.path().join("pgstow.prom");
    let typed = |words: &[&str]| {
        place.pgstow(words).env("PGSTOW_METRICS_FILE", &metrics).fails(Kind::Usage);
        std::fs::read_to_string(&metrics).unwrap_or_default()
    };
    assert_eq!(typed(&["backup", "--nope"]), "");
    assert_eq!(typed(&["backup", "--nope", "--name", "postgres://u:x@h/db"]), "", "it is no name");
    let of_backup = typed(&["backup", "-n", "app", "--nope"]);
    assert!(of_backup.contains("pgstow_backup_last_run_success{name=\"app\"} 0"), "{of_backup}");
    let of_both = typed(&["verify", "--name", "app", "--quick", "--nope"]);
    let quick = "pgstow_verify_last_run_success{name=\"app\",mode=\"quick\"} 0";
    assert!(of_both.contains(quick) && of_both.starts_with(of_backup.lines().next().unwrap()), "{of_both}");
}

#[test]
fn nobody_hears_of_a_run_that_only_says_what_it_would_do() {
    let (inbox, place, home) = (Inbox::open(), Place::folder(), TempDir::new().unwrap());
    days(&place, "app", 3);
    let metrics = home.path().join("pgstow.prom");
    let prune = || {
        let words = ["prune", "--keep-last", "1", "--min-keep", "1", "--notify", "always", "--metrics-file"];
        let prune = place.pgstow(&words).arg(metrics.to_str().unwrap());
        prune.env("PGSTOW_PING_URL", check(&inbox)).env("PGSTOW_WEBHOOK", format!("{}/hook", inbox.url))
    };
    prune().arg("--dry-run").succeeds().says("would remove 2 backups");
    assert!(inbox.letters().is_empty() && !metrics.exists(), "{:?}", inbox.letters());
    prune().succeeds().says("removed 2 backups");
    assert!(inbox.letters().len() == 3 && metrics.exists(), "{:?}", inbox.letters());
}

#[test]
fn a_run_that_is_terminated_pings_too() {
    let (inbox, place) = (Inbox::open(), Place::folder());
    let words = ["backup", "--name", "app", "-r", &Keys::shared().recipient, "--", "sleep", "600"];
    let running = place.pgstow(&words).env("PGSTOW_PING_URL", check(&inbox)).spawn();
    inbox.wait_for(1);
    running.signal(Signal::TERM);
    running.wait().assert_failure(Kind::Terminated);
    assert!(last(&inbox).target.contains("/fail"), "{:?}", inbox.letters());
}

#[test]
fn an_alarm_that_fails_is_reported_and_fails_no_run() {
    let place = Place::folder();
    let (refusing, broken) = (Inbox::answering(404, "no such\nhook"), Inbox::answering(500, "oh"));
    // A pause that no clock can count.
    let busy = Inbox::start(|_| (503, "retry-after: 18446744073709551615\r\n".into(), String::new()));
    let hooks = [&refusing.url, &broken.url, "http://127.0.0.1:1", &busy.url];
    let hooks = hooks.map(|url| format!("{url}/{SECRET}")).join("\n");
    let run = backup(&place)
        .env("PGSTOW_WEBHOOK", hooks)
        .env("PGSTOW_NOTIFY", "always")
        .env("PGSTOW_PING_URL", format!("ftp://user:{SECRET}@host/"))
        .succeeds()
        .says("warning: --ping-url cannot be used, so nobody hears from it: it does not begin with https://")
        .says("it answered 404: no such\\nhook")
        .says("it answered 500: oh")
        .says("it answered 503")
        .says("warning: the webhook at http://127.0.0.1:1/… was not reached: ");
    assert!(!run.stderr.contains(SECRET), "{run}");
    assert_eq!((refusing.letters().len(), broken.letters().len()), (1, 3), "what may pass is tried again");
    assert_eq!(place.opens(&["list", "--json"]).succeeds().json().as_array().unwrap().len(), 1);

    // healthchecks.io answers so for a check that does not exist.
    let unknown = Inbox::answering(200, "OK (not found)");
    let run = backup(&place).env("PGSTOW_PING_URL", check(&unknown)).succeeds();
    run.says("what expects a ping at ").says("did not count the ping: OK (not found)");
}

#[test]
fn a_webhook_hears_of_failures_unless_it_wants_more() {
    let place = Place::folder();
    let told = |inbox: &Inbox| -> Vec<Value> {
        inbox.letters().iter().map(|letter| serde_json::from_str(&letter.body).unwrap()).collect()
    };
    let inbox = Inbox::open();
    backup(&place).env("PGSTOW_WEBHOOK", &inbox.url).succeeds();
    assert!(told(&inbox).is_empty(), "it succeeded");

    backup(&place).env("PGSTOW_WEBHOOK", &inbox.url).args(["--notify", "always"]).succeeds();
    let success = &told(&inbox)[0];
    assert_eq!((success["status"].as_str(), success["exit_code"].as_u64()), (Some("success"), Some(0)));
    let result = &success["results"][0];
    assert_eq!((result["name"].as_str(), result["rows"].as_u64()), (Some("app"), Some(4321)));
    assert_eq!(last(&inbox).header("content-type"), Some("application/json"));

    let failing = backup(&place).args(["--table", "no_such_table", "-q"]).env("PGSTOW_WEBHOOK", &inbox.url);
    failing.fails(Kind::Usage);
    let failure = &told(&inbox)[1];
    assert_eq!((failure["status"].as_str(), failure["exit_code"].as_u64()), (Some("failure"), Some(2)));
    assert!(failure["error"].as_str().unwrap().contains("no_such_table"), "{failure}");
    assert!(
        failure["log"].as_array().unwrap().iter().any(|line| line.as_str().unwrap().starts_with("error: "))
    );
    let only_success = backup(&place).args(["--table", "no_such_table", "--notify", "success"]);
    only_success.env("PGSTOW_WEBHOOK", &inbox.url).fails(Kind::Usage);
    assert_eq!(inbox.letters().len(), 2);
}

#[test]
fn of_several_databases_each_is_named() {
    let (inbox, place) = (Inbox::open(), Place::folder());
    // Other tests make and drop databases on the server that all share.
    let cluster = Cluster::start(Major::Distribution);
    let database = cluster.create_database("several");
    let scratch = folder("unused");
    let words = [
        "backup",
        "--all-databases",
        "--name",
        "s",
        "-r",
        &Keys::shared().recipient,
        &cluster.url("postgres"),
    ];
    let run = place.pgstow(&words).env("PGSTOW_WEBHOOK", &inbox.url).args(["--notify", "always"]);
    run.env("TMPDIR", scratch.path()).succeeds();
    let told: Value = serde_json::from_str(&last(&inbox).body).unwrap();
    let names: Vec<&str> =
        told["results"].as_array().unwrap().iter().map(|result| result["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 2);
    assert!(names.contains(&"s/postgres") && names.contains(&&*format!("s/{database}")), "{names:?}");
}
