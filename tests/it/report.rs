//! `pgstow report`: the facts of a store with a past, and its page in a real browser.

mod browser;

use crate::harness::{Pgstow, Run};
use crate::keep::scene::{DAY, HOUR, days, put, put_changed};
use crate::keys::scene::rekey;
use crate::scene::{Keys, Place};
use crate::servers::postgres::{Cluster, Major};
use crate::servers::run;
use pgstow::error::Kind;
use serde_json::Value;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

/// A name and a table that would be markup if they were not escaped.
const HOSTILE: &str = "<img src=x onerror=alert(1)>";
const HOSTILE_TABLE: &str = "</td><script>alert('t')</script>";

/// A store with a past: a name with a gap, one that is late, and one with a hostile name, hostile tables and a damaged
/// backup.
pub struct Past {
    pub place: Place,
}

impl Past {
    pub fn shared() -> &'static Past {
        static SHARED: OnceLock<Past> = OnceLock::new();
        SHARED.get_or_init(Past::make)
    }

    fn make() -> Past {
        let files = TempDir::new().unwrap();
        let dumps = dumps(&files);
        let place = Place::Folder(TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        let adopt = |name: &str, dump: usize, days: u64| {
            let started_at = humantime::format_rfc3339_seconds(days_ago(days)).to_string();
            let dump = dumps[dump].to_str().unwrap();
            let words = ["adopt", dump, "--name", name, "--no-encryption", "--started-at", &started_at];
            place.pgstow(&words).succeeds();
        };
        // Every week, then every day; the night of 6 days ago is missing.
        for (number, days) in
            [35, 28, 21, 14, 13, 12, 11, 10, 9, 8, 7, 5, 4, 3, 2, 1, 0].into_iter().enumerate()
        {
            adopt("shop/orders", number / 6, days);
        }
        for days in [9, 8, 7, 6] {
            adopt("late", 0, days);
        }
        for days in [2, 1] {
            adopt(HOSTILE, 2, days);
        }
        // The backup of two days ago is the last one that was proven; an older one was too.
        let place = prove(place, 2..4);
        let newest =
            place.keys().into_iter().rfind(|key| key.starts_with('%') && key.ends_with("manifest.json"));
        let newest = newest.unwrap();
        let mut manifest = place.get(&newest);
        manifest[100] ^= 1;
        place.put(&newest, manifest);
        Past { place }
    }

    pub fn report(&self, words: &[&str]) -> Pgstow {
        self.place.opens(&["report"]).args(words)
    }
}

/// Proves those of the last backups of the shop, counted back from the newest.
fn prove(place: Place, back: Range<usize>) -> Place {
    let listed = place.pgstow(&["list", "shop/orders", "--json"]).succeeds().json();
    let ids: Vec<&str> =
        listed.as_array().unwrap().iter().rev().map(|one| one["id"].as_str().unwrap()).collect();
    let server = Cluster::shared(Major::Distribution).url("");
    for id in &ids[back] {
        let words = ["verify", id, "--name", "shop/orders", "--restore", "--record", "--to", &server];
        place.opens(&words).succeeds();
        // Proofs have whole seconds; the next one is a later one.
        std::thread::sleep(Duration::from_millis(1100));
    }
    place
}

/// Dumps of a database that grows.
fn dumps(files: &TempDir) -> Vec<PathBuf> {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("report");
    cluster.psql(
        &database,
        &format!(
            "CREATE TABLE orders (n int, what text); CREATE TABLE customers (n int);
             CREATE TABLE \"{HOSTILE_TABLE}\" (n int); INSERT INTO customers VALUES (1), (2), (3)"
        ),
    );
    let dump = |number: usize| {
        let grow = "INSERT INTO orders SELECT n, repeat(md5(n::text), 20) FROM generate_series(1, 500) n";
        cluster.psql(&database, grow);
        let file = files.path().join(format!("{number}.dump"));
        let words = ["-Fc", "-Z0", "-d", &database, "-f", file.to_str().unwrap()];
        run(cluster.client("pg_dump").args(words));
        file
    };
    (0..3).map(dump).collect()
}

fn days_ago(days: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(days * 86400 + 3600)
}

/// The facts of one name.
fn facts<'a>(document: &'a Value, name: &str) -> &'a Value {
    document["names"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap()
}

#[test]
fn it_says_gaps_lateness_growth_and_what_is_removed_next() {
    let past = Past::shared();
    let keep = ["--json", "--keep-daily", "7", "--min-keep", "1"];
    let document = past.report(&keep).succeeds().json();
    let shop = facts(&document, "shop/orders");
    assert_eq!((&shop["state"], &shop["usual_interval_s"]), (&"ok".into(), &86400.into()), "{shop}");
    let gaps = shop["gaps"].as_array().unwrap();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let moment = |text: &Value| humantime::parse_rfc3339(text.as_str().unwrap()).unwrap();
    let long = moment(&gaps[0]["until"]).duration_since(moment(&gaps[0]["since"])).unwrap();
    // One run takes a moment after the other.
    assert!(long.as_secs().abs_diff(2 * 86400) < 300, "{long:?}");
    let backups = shop["backups"].as_array().unwrap();
    let kept = |kept: bool| backups.iter().filter(|backup| backup["kept"] == kept).count();
    assert_eq!((backups.len(), kept(true), kept(false)), (17, 7, 10), "{backups:?}");
    let orders =
        shop["tables"].as_array().unwrap().iter().find(|one| one["table"] == "public.orders").unwrap();
    let sizes = orders["sizes"].as_array().unwrap();
    assert_eq!(
        (sizes.len(), &sizes[0]["rows"], &sizes[11]["rows"]),
        (12, &500.into(), &1500.into()),
        "{sizes:?}"
    );

    // Of two that are proven the newer one counts, although its proof is the older one.
    let two_days_ago = &backups[14];
    assert_eq!((&shop["proven_id"], &shop["proven_at"]), (&two_days_ago["id"], &two_days_ago["proven_at"]));
    let proven: Vec<bool> = backups.iter().map(|backup| backup["proven_at"].is_string()).collect();
    assert_eq!(proven[12..], [false, true, true, false, false], "{backups:?}");
    assert!(!proven[..12].contains(&true) && moment(&shop["proven_at"]) < moment(&backups[13]["proven_at"]));
    assert!(shop["proven_age_s"].as_u64().unwrap() < 3600, "{shop}");

    let late = facts(&document, "late");
    assert_eq!((&late["proven_at"], &late["proven_age_s"]), (&Value::Null, &Value::Null), "{late}");
    assert_eq!((&late["state"], &late["gaps"][0]["until"]), (&"late".into(), &Value::Null), "{late}");
    let hostile = facts(&document, HOSTILE);
    let flaw = hostile["backups"][1]["flaw"].as_str().unwrap();
    assert!(
        flaw.contains("the manifest is damaged") && hostile["backups"][1]["usable"] == false,
        "{hostile}"
    );

    // What it says is what prune does.
    let words =
        ["prune", "--dry-run", "--json", "--keep-daily", "7", "--min-keep", "1", "--name", "shop/orders"];
    let plan = past.place.pgstow(&words).succeeds().json();
    let removed = plan["backups"].as_array().unwrap().iter().filter(|one| one["action"] == "remove");
    let removed: Vec<&Value> = removed.map(|one| &one["id"]).collect();
    let going: Vec<&Value> =
        backups.iter().filter(|backup| backup["kept"] == false).map(|backup| &backup["id"]).collect();
    assert_eq!(removed, going, "{plan}");
}

#[test]
fn without_a_key_and_without_rules_it_says_less() {
    let place = Place::folder();
    place.pgstow(&["backup", "--name", "app", "-r", &Keys::shared().recipient, "--", "echo", "x"]).succeeds();
    let document = place.pgstow(&["report", "--json"]).succeeds().json();
    let app = facts(&document, "app");
    assert!(app.get("tables").is_none() && app["backups"][0].get("kept").is_none(), "{app}");
    assert_eq!(document["retention"], false);
    place.pgstow(&["report", "--json", "-o", "-"]).fails(Kind::Usage).says("would both go to stdout");
    let empty = Place::folder().pgstow(&["report", "-o", "-"]).succeeds();
    assert!(empty.text().contains("There is no backup."), "{empty}");
}

#[test]
fn a_name_without_backups_is_an_error() {
    let place = Place::folder();
    days(&place, "app", 1);
    let nope = |name: &str| place.pgstow(&["report", "--json", "--name", name]).fails(Kind::NotFound);
    nope("nope").says("the store holds no backup of nope").says("there are backups of app");
    nope("no*").says("no backup has a name like no*");
    place.pgstow(&["report", "--json", "--name", "a*"]).succeeds();
}

#[test]
fn one_for_other_recipients_and_a_partial_one_are_no_backups_of_their_own() {
    let place = Place::folder();
    days(&place, "app", 4);
    rekey(&place, &["--all", "--keep-old"], &Keys::make().recipient, &[Keys::shared()]).succeeds();
    let partial = |name: &str| put_changed(&place, name, HOUR / 2, |manifest| manifest.partial = true);
    partial("app");
    partial("part");
    let document = place.pgstow(&["report", "--json"]).succeeds().json();
    let app = facts(&document, "app");
    let usual = app["usual_interval_s"].as_u64().unwrap();
    assert!(app["state"] == "ok" && usual.abs_diff(86400) < 300, "{app}");
    let backups = app["backups"].as_array().unwrap();
    for (number, backup) in backups.iter().enumerate() {
        let twin = if number < 8 && number % 2 == 0 { &backups[number + 1]["id"] } else { &Value::Null };
        assert_eq!(&backup["same_as"], twin, "{number}: {app}");
    }
    assert_eq!((backups.len(), app["gaps"].as_array().unwrap().len()), (9, 0), "{app}");
    assert_eq!(facts(&document, "part")["state"], "missing", "{document}");
    let page = place.pgstow(&["report", "-o", "-", "--name", "app"]).succeeds().text();
    assert!(page.contains("<dt>Backups</dt><dd>4</dd>") && page.contains("the same as "), "{page}");
}

#[test]
fn a_dump_adopted_from_long_ago_makes_nothing_late() {
    let place = Place::folder();
    for age in [DAY * 400, DAY * 2 + HOUR, DAY + HOUR, HOUR] {
        put(&place, "app", age);
    }
    let document = place.pgstow(&["report", "--json", "--keep-daily", "7"]).succeeds().json();
    assert_eq!(facts(&document, "app")["state"], "ok", "{document}");
}

#[test]
fn the_file_is_replaced_only_if_that_was_asked_for() {
    let (past, folder) = (Past::shared(), TempDir::new().unwrap());
    let file = folder.path().join("report.html");
    let file = file.to_str().unwrap();
    let wrote: Run = past.report(&["-o", file, "--name", "late"]).succeeds().says("wrote ");
    assert!(wrote.stdout.is_empty(), "{wrote}");
    let page = std::fs::read_to_string(file).unwrap();
    assert!(page.contains("<h2 id=\"name-0\">late") && !page.contains("shop/orders"), "{page}");
    past.report(&["-o", file]).fails(Kind::TargetExists).says("--force replaces it");
    past.report(&["-o", file, "--force"]).succeeds();
    assert!(std::fs::read_to_string(file).unwrap().contains("shop/orders"));
    past.report(&[]).fails(Kind::Usage).says("no output file was given");
}
