//! Every JSON document, as docs/json.md shows it: documents change only on purpose, and the page with them.
//!
//! One small story makes them all. What differs from run to run is replaced by an example. If a
//! document was meant to change, `INSTA_UPDATE=always cargo test --test it -- documents` writes the page anew.

mod commands;
mod example;

use crate::harness::{Pgstow, Run, pgstow, repository};
use crate::scene::{Keys, Place, every_client, signing_keys};
use crate::servers::neon::{NeonServer, PROJECT};
use crate::servers::postgres::{Cluster, Major};
use crate::servers::{folder, run};
use example::{Ids, example, field};
use pgstow::error::Kind;
use std::collections::BTreeMap;
use tempfile::TempDir;

const SHOP: &str = r#"
CREATE SCHEMA app;
CREATE TABLE app.customers (id int PRIMARY KEY, name text);
INSERT INTO app.customers SELECT n, 'customer ' || n FROM generate_series(1, 200) n;
CREATE TABLE app.orders (id int PRIMARY KEY, customer int REFERENCES app.customers, cents int);
INSERT INTO app.orders SELECT n, 1 + n % 200, n FROM generate_series(1, 1200) n;
CREATE TABLE app."Audit Log" (what text);
INSERT INTO app."Audit Log" VALUES ('opened');
"#;
/// What happened in the shop between its two backups.
const NEXT_DAY: &str = r#"
DELETE FROM app.orders;
UPDATE app."Audit Log" SET what = 'closed';
CREATE TABLE app.coupons (code text);
INSERT INTO app.coupons VALUES ('WELCOME');
"#;

/// A server with a shop's database, and a store with two backups of it.
struct Story {
    cluster: Cluster,
    place: Place,
    signing_key: String,
    files: TempDir,
    documents: BTreeMap<&'static str, String>,
    /// All that was printed, in the order of the story.
    printed: String,
}

impl Story {
    fn begin() -> Story {
        // Its version is always the same.
        let cluster = Cluster::start(Major::V17);
        cluster.psql("postgres", "CREATE DATABASE app");
        cluster.psql("app", SHOP);
        let place = Place::Folder(folder("documents"));
        let (signing_key, _) = signing_keys();
        Story {
            cluster,
            place,
            signing_key,
            files: TempDir::new().unwrap(),
            documents: BTreeMap::new(),
            printed: String::new(),
        }
    }

    fn file(&self, name: &str) -> String {
        self.files.path().join(name).to_str().unwrap().to_owned()
    }

    fn pgstow(&self, words: &[&str]) -> Pgstow {
        self.place.opens(&["--json"]).args(words).env("PGSTOW_RECIPIENTS", &Keys::shared().recipient)
    }

    /// Keeps what a command prints.
    fn keep(&mut self, name: &'static str, command: Pgstow) {
        self.keep_run(name, &command.succeeds());
    }

    /// Keeps one field of what a command prints; the others are another's, whom the page shows whole.
    fn keep_field(&mut self, name: &'static str, key: &str, command: Pgstow) {
        self.documents.insert(name, field(&command.succeeds().text(), key));
    }

    fn keep_run(&mut self, name: &'static str, run: &Run) {
        run.json();
        self.printed.push_str(&run.text());
        self.documents.insert(name, run.text());
    }

    fn back_up(&mut self) {
        let url = self.cluster.url("app");
        let backup = self.pgstow(&["backup", &url, "--label", "why=nightly"]);
        self.keep("backup", backup.env("PGSTOW_SIGNING_KEY", &self.signing_key));
        self.cluster.psql("app", NEXT_DAY);
        // Ids of one second are in no order.
        std::thread::sleep(std::time::Duration::from_secs(1));
        self.printed.push_str(&self.pgstow(&["backup", &url]).succeeds().text());

        let plain = self.file("app.dump");
        run(self.cluster.client("pg_dump").args(["-Fc", "-Z0", "-d", "app", "-f", &plain]));
        // In a store of their own, so that the list stays short.
        let other = Place::folder();
        let into_other = |story: &Story, words: &[&str]| story.pgstow(words).env("PGSTOW_STORE", other.url());
        self.keep("adopt", into_other(self, &["adopt", &plain, "--name", "app"]));
        self.keep("backup-command", into_other(self, &["backup", "--name", "notes", "--", "echo", "text"]));

        // One who may not read all of it.
        self.cluster.psql("postgres", "CREATE ROLE job LOGIN PASSWORD 'p'");
        self.cluster.psql("postgres", "CREATE DATABASE secret");
        self.cluster.psql("secret", "CREATE TABLE vault (n int)");
        self.cluster
            .psql("app", "GRANT USAGE ON SCHEMA app TO job; GRANT SELECT ON ALL TABLES IN SCHEMA app TO job");
        let job = format!("postgres://job:p@127.0.0.1:{}/app", self.cluster.port);
        let words = ["backup", "--all-databases", "--exclude", "postgres", &job];
        let run = into_other(self, &words).fails(Kind::Postgres);
        self.keep_run("backup-all", &run);
    }

    fn look(&mut self) {
        self.keep("list", self.pgstow(&["list"]));
        self.keep("report", self.pgstow(&["report", "--keep-last", "5"]));
        self.keep("show", self.pgstow(&["show", "latest"]));
        self.keep_field("show-tables", "tables", self.pgstow(&["show", "latest", "--tables"]));
        self.keep_field("show-diff", "changes", self.pgstow(&["show", "latest", "--diff", "previous"]));
        self.keep("verify", self.pgstow(&["verify", "latest"]));
        self.keep("verify-quick", self.pgstow(&["verify", "latest", "--quick"]));
        let scratch = folder("scratch");
        let rehearsal =
            ["verify", "latest", "--restore", "--check", "SELECT count(*) = 200 FROM app.customers"];
        let rehearsal = self.pgstow(&rehearsal).args(["--scratch", scratch.path().to_str().unwrap()]);
        let receipt = self.file("r.json");
        self.keep("verify-restore", rehearsal.args(["--receipt", &receipt]));
        self.keep("receipts", self.pgstow(&["receipts", "verify", &receipt]));

        let damaged = self.place.copy();
        let key = self.place.keys().into_iter().rfind(|key| key.ends_with("dump.zst.age")).unwrap();
        let mut bytes = damaged.get(&key);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        damaged.put(&key, bytes);
        let run = self.pgstow(&["verify", "latest"]).env("PGSTOW_STORE", damaged.url()).fails(Kind::Verify);
        self.keep_run("verify-damaged", &run);
    }

    /// A store without backups, and a signing key that is of another pair than the verification key.
    fn look_for_faults(&mut self) {
        let empty = Place::folder();
        let (_, another) = signing_keys();
        let doctor = self.pgstow(&["doctor"]).env("PGSTOW_STORE", empty.url());
        let doctor = doctor.env("PGSTOW_SIGNING_KEY", &self.signing_key).env("PGSTOW_VERIFY_KEY", another);
        let run = doctor.fails(Kind::Settings);
        run.json();
        let text = run.text().replace(&Keys::shared().recipient, "age1ypx…");
        self.documents.insert("doctor", text);
        self.keep("doctor-thief", self.pgstow(&["doctor", "--thief"]).env("PGSTOW_STORE", empty.url()));
    }

    fn bring_back(&mut self) {
        self.keep("fetch", self.pgstow(&["fetch", "latest", "-o", &self.file("fetched.dump")]));
        let list = self.pgstow(&["fetch", "latest", "--list-file", &self.file("app.list")]);
        self.keep("fetch-list", list);
        let url = |database: &str| self.cluster.url(database);
        let restore = self.pgstow(&["restore", "latest", "--to", &url("app_restored")]);
        let clone = self.pgstow(&["clone", &url("app"), "app_copy"]).env("PATH", every_client());
        let orders = ["restore", "latest", "--table", "app.coupons", "--truncate", "--into", &url("app")];
        let into = self.pgstow(&orders);
        let into_command = self.pgstow(&["restore", "latest", "--", "wc", "-c"]);
        let swap = self.pgstow(&["swap", "--with", "app_restored", "--yes", "--to", &url("app")]);
        let in_place = self.pgstow(&["restore", "latest", "--swap", "--yes", "--to", &url("app")]);
        for (name, command) in [
            ("restore", restore),
            ("restore-into", into),
            ("restore-command", into_command),
            ("clone", clone),
            ("swap", swap),
        ] {
            self.keep(name, command);
        }
        self.keep_field("restore-swap", "swap", in_place);
        let neon = NeonServer::start(Major::V17);
        let on_neon = self.pgstow(&["restore", "latest", "--neon", PROJECT]).envs(neon.env());
        self.keep_field("restore-neon", "neon", on_neon);
    }

    fn keep_and_watch(&mut self) {
        self.keep_run("status", &self.pgstow(&["status"]).fails(Kind::Overdue));
        let copy = self.place.copy();
        copy.put("app/20261119T030000Z-7f3k8z/dump.zst.age", "left by a run that was killed");
        let rules = ["prune", "--keep-last", "1", "--min-keep", "1", "--leftovers", "0s"];
        let pruned = self.pgstow(&rules).env("PGSTOW_STORE", copy.url());
        self.keep("prune", pruned);
        let copy = self.place.copy();
        let oldest = copy.keys()[0].split('/').nth(1).unwrap().to_owned();
        self.keep("delete", self.pgstow(&["delete", &oldest, "--yes"]).env("PGSTOW_STORE", copy.url()));
        let to = Place::folder();
        let copying = ["copy", "latest", "--from", &self.place.url(), "--to", &to.url()];
        self.keep("copy", self.pgstow(&copying));
    }

    fn change_keys(&mut self) {
        self.keep("keys", self.pgstow(&["keys"]));
        let (copy, new) = (self.place.copy(), Keys::make());
        let both = format!("{}\n{}", Keys::shared().identity, new.identity);
        let rekey = self.pgstow(&["rekey", "latest"]).env("PGSTOW_RECIPIENTS", &new.recipient);
        let run = rekey.env("PGSTOW_STORE", copy.url()).env("PGSTOW_IDENTITY", both).succeeds();
        run.json();
        self.documents.insert("rekey", run.text());
    }

    fn make_keys(&mut self) {
        self.keep("keygen", pgstow(["keygen", "--json"]));
        self.keep("keygen-output", pgstow(["keygen", "--json", "-o", &self.file("key.txt")]));
        let paper = pgstow(["keygen", "--json", "--paper", &self.file("key.html")]);
        self.keep("keygen-paper", paper);
        self.keep("keygen-signing", pgstow(["keygen", "--signing", "--json"]));
        let check = pgstow(["config", "check", "--json"]).env("PGSTOW_PASSPHRASE", "p");
        self.keep("config", check.env("PGSTOW_STORE", "s3://my-backups/prod"));
        self.keep("version", pgstow(["version", "--json"]));
    }
}

#[test]
fn documents_change_only_on_purpose() {
    let mut story = Story::begin();
    story.back_up();
    story.look();
    story.look_for_faults();
    story.bring_back();
    story.keep_and_watch();
    story.change_keys();
    story.make_keys();
    let ids = Ids::of(&story.printed);
    let documents = story.documents.iter().map(|(name, document)| (*name, example(document, &ids)));
    let documents: BTreeMap<&str, String> = documents.collect();
    let page = std::fs::read_to_string(repository("docs/json.md")).unwrap();
    let anew = with_documents(&page, &documents);
    if std::env::var("INSTA_UPDATE").as_deref() == Ok("always") {
        return std::fs::write(repository("docs/json.md"), &anew).unwrap();
    }
    for (line, (shown, made)) in page.lines().zip(anew.lines()).enumerate() {
        assert_eq!(shown, made, "docs/json.md:{}", line + 1);
    }
    assert_eq!(page.len(), anew.len());
}

/// The page with these documents: each stands in a block below the comment with its name.
fn with_documents(page: &str, documents: &BTreeMap<&str, String>) -> String {
    let mut shown = Vec::new();
    let mut parts = page.split("<!-- ");
    let mut anew = parts.next().unwrap().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(" -->\n```json\n").unwrap();
        let (_, rest) = rest.split_once("```\n").unwrap();
        let document =
            documents.get(name).unwrap_or_else(|| panic!("docs/json.md shows {name}, which is none"));
        shown.push(name);
        anew.push_str(&format!("<!-- {name} -->\n```json\n{document}\n```\n{rest}"));
    }
    shown.sort_unstable();
    assert_eq!(shown, documents.keys().copied().collect::<Vec<_>>(), "docs/json.md lacks a document");
    anew
}
