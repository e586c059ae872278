//! `pgstow doctor`: each of its findings is provoked, on real servers and stores.

mod database;
mod keys;
mod store;
mod thief;

use crate::harness::{Pgstow, Run};
use crate::scene::{Keys, Place, motley, signing_keys};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use serde_json::Value;

/// What doctor said.
pub struct Seen {
    lines: Vec<Value>,
    run: Run,
}

impl Seen {
    /// Runs doctor to its end, whatever that is.
    #[track_caller]
    pub fn of(command: Pgstow) -> Seen {
        let run = command.env("PGSTOW_JSON", "1").run();
        let lines = run.json().as_array().unwrap().clone();
        let worst = lines.iter().find_map(|line| line["exit_code"].as_i64()).unwrap_or_default();
        assert_eq!(run.status.code().map(i64::from), Some(worst), "the first failure decides: {run}");
        Seen { lines, run }
    }

    /// Expects a finding of this check, in this state, with these words in its detail or fix.
    #[track_caller]
    pub fn has(&self, check: &str, state: &str, words: &str) -> &Seen {
        let is_it = |line: &&Value| line["check"] == check && line["state"] == state;
        let found: Vec<&Value> = self.lines.iter().filter(is_it).collect();
        let says = |line: &&Value| format!("{} {}", line["detail"], line["fix"]).contains(words);
        assert!(found.iter().any(says), "no {state} of {check} says {words:?}: {}", self.run);
        self
    }

    /// Expects these checks, and no others, in this state.
    #[track_caller]
    pub fn only(&self, state: &str, checks: &[&str]) -> &Seen {
        let of_state = self.lines.iter().filter(|line| line["state"] == state);
        let mut found: Vec<&str> = of_state.map(|line| line["check"].as_str().unwrap()).collect();
        found.dedup();
        assert_eq!(found, checks, "{state}: {}", self.run);
        self
    }

    /// Expects that it ended with the exit code of this kind.
    #[track_caller]
    pub fn fails(&self, kind: Kind) -> &Seen {
        assert_eq!(self.run.status.code(), Some(i32::from(kind.exit_code())), "{}", self.run);
        self
    }
}

#[test]
fn nothing_is_wrong_and_nothing_is_left() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = motley(cluster, "healthy");
    let (signing_key, verify_key) = signing_keys();
    for (kind, place) in Place::every("doctor") {
        let words = ["doctor", &cluster.url(&database), "--recipient", &Keys::shared().recipient];
        let doctor = || {
            let doctor = place.opens(&words).env("PGSTOW_SIGNING_KEY", &signing_key);
            Seen::of(doctor.env("PGSTOW_VERIFY_KEY", &verify_key))
        };
        let seen = doctor();
        seen.only("failed", &[]).has("backups", "warning", &format!("there is no backup of {database} yet"));
        seen.has("decryption", "fine", "is opened").has("signatures", "fine", "accepts");
        seen.has("dump", "fine", "pg_dump has read all definitions").has("reading", "fine", "removed");
        assert_eq!(place.keys(), [""; 0], "{kind}: a probe is left");
        if let Place::S3(s3) = &place {
            assert_eq!(s3.unfinished_uploads(), [""; 0], "{kind}: an upload is left");
        }
        let backup = place.pgstow(&["backup", &cluster.url(&database), "--recipient"]);
        backup.arg(&Keys::shared().recipient).env("PGSTOW_SIGNING_KEY", &signing_key).succeeds();
        let before = place.keys();
        let seen = doctor();
        seen.only("failed", &[]).has("backups", "fine", &format!("{database}: 1 backup"));
        seen.has("newest", "fine", "an identity opens");
        assert_eq!(place.keys(), before, "{kind}: what is stored was changed");
        if kind == "folder" {
            seen.only("warning", &[]).only("not-checked", &["settings"]);
        }
    }
}

#[test]
fn what_was_not_given_is_not_checked() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("alone");
    let place = Place::folder();
    let doctor = |words: &[&str]| crate::harness::pgstow(["doctor"]).args(words);
    doctor(&[]).fails(Kind::Usage).says("neither a database nor a store was given");
    let seen = Seen::of(doctor(&[&cluster.url(&database)]));
    seen.only("failed", &[]).has("store", "not-checked", "--store").has("dump", "fine", "definitions");
    seen.has("recipients", "not-checked", "--recipient");
    let seen = Seen::of(doctor(&["--store", &place.url()]));
    seen.only("failed", &[]).has("database", "not-checked", "DATABASE_URL").has("reading", "fine", "");
    let words = ["--store", &place.url(), "--name", "notes", "--no-encryption", "--", "false"];
    let seen = Seen::of(doctor(&words));
    seen.only("failed", &[]).has("database", "not-checked", "command's output");
    seen.has("recipients", "warning", "everybody who can read the store");
    // libpq's variables name a server too.
    let seen = Seen::of(doctor(&["--store", &place.url()]).env("PGHOST", "/nowhere"));
    seen.fails(Kind::Postgres).has("connection", "failed", "/nowhere").has("reading", "fine", "");
}

#[test]
fn people_see_a_line_for_each_and_the_fix_below() {
    let place = Place::folder();
    let run = place.pgstow(&["doctor", "--recipient", "age1typo"]).fails(Kind::Settings);
    let text = run.text();
    for line in [
        "– database     not checked: no database was given",
        "✗ recipients   the mistyped or incomplete \"age1…\" is not a recipient\n               → a recipient is",
        "✓ reading      a probe was written, read back, and removed",
        "! backups      there is no backup yet\n               → make the first one",
    ] {
        assert!(text.contains(line), "{line}: {run}");
    }
    run.says("1 of 12 checks failed");
    let quiet = place.pgstow(&["doctor", "-q", "--recipient", "age1typo"]).fails(Kind::Settings).text();
    assert!(quiet.contains("✗ recipients") && quiet.contains("! backups"), "{quiet}");
    assert!(!quiet.contains('✓') && !quiet.contains('–'), "{quiet}");
}

#[test]
fn addresses_of_alarms_are_looked_at() {
    let place = Place::folder();
    let doctor = |url: &str| Seen::of(place.pgstow(&["doctor"]).env("PGSTOW_PING_URL", url));
    doctor("https://hc.example.com/x").only("failed", &[]).has("alarms", "fine", "nothing was sent");
    doctor("ftp://hc.example.com/x").fails(Kind::Settings).has("alarms", "failed", "PGSTOW_PING_URL");
    // All that is wrong is said at once.
    let both = place.pgstow(&["doctor"]).env("PGSTOW_PING_URL", "ftp://hc.example.com/x");
    let both = Seen::of(both.env("PGSTOW_WEBHOOK", "https://hooks.example.com/x\nhooks.example.com"));
    both.fails(Kind::Settings).has("alarms", "failed", "--ping-url (PGSTOW_PING_URL): ").has(
        "alarms",
        "failed",
        "--webhook (PGSTOW_WEBHOOK): address 2 of 2 cannot be used: ",
    );
}

#[test]
fn a_folder_that_is_not_there_is_not_there_afterwards() {
    let above = tempfile::tempdir().unwrap();
    let store = format!("file://{}/store", above.path().display());
    for words in
        [&["doctor"][..], &["doctor", "--thief"], &["doctor", "--no-encryption", "--name", "x", "--", "true"]]
    {
        let run = crate::harness::pgstow(words).env("PGSTOW_STORE", &store).succeeds();
        assert_eq!(above.path().read_dir().unwrap().count(), 0, "{words:?}");
        // That it is not there is no fault of what was to be listed.
        assert!(!run.text().contains("cannot be listed"), "{run}");
    }
}
