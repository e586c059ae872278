//! What is known of a backup without fetching it, what `verify` finds, and what a restore proves.

use crate::back::scene::sha256;
use crate::harness::{Pgstow, pgstow};
use crate::keep::scene::Template;
use crate::scene::named;
use crate::servers::fault::{Fault, FaultProxy, Operation, Rule};
use crate::servers::garage::Garage;
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use pgstow::stored::format::manifest::Manifest;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Everything that makes a table's name, rows or place unusual.
const MOTLEY: &str = r#"
CREATE SCHEMA "we ird";
CREATE TABLE big (id int PRIMARY KEY, note text);
INSERT INTO big SELECT i, repeat('line ' || i || E'\n\\', 20) FROM generate_series(1, 5000) i;
CREATE TABLE "we ird"."Na""me.x" (v text);
INSERT INTO "we ird"."Na""me.x" VALUES ('a'), (E'b\nc'), ('\.'), (NULL);
CREATE TABLE "größe" (v int);
INSERT INTO "größe" VALUES (1);
CREATE TABLE empty (id int);
CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES;
INSERT INTO no_columns DEFAULT VALUES;
CREATE TABLE parent (id int);
CREATE TABLE child (extra int) INHERITS (parent);
INSERT INTO parent VALUES (1);
INSERT INTO child VALUES (2, 2), (3, 3);
CREATE TABLE parted (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE parted_old PARTITION OF parted FOR VALUES FROM ('2000-01-01') TO ('2020-01-01');
CREATE TABLE parted_new PARTITION OF parted FOR VALUES FROM ('2020-01-01') TO ('2040-01-01');
INSERT INTO parted SELECT i, '2010-01-01'::date + i * 300 FROM generate_series(1, 20) i;
CREATE TABLE secret (id int);
INSERT INTO secret VALUES (1), (2);
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
CREATE MATERIALIZED VIEW sums AS SELECT sum(id) FROM big;
SELECT lo_from_bytea(0, '\x0102'), lo_from_bytea(0, '\x03');
"#;
/// Every table with rows of its own, as `schema|table|rows`.
pub const COUNTS: &str = "
CREATE FUNCTION pg_temp.rows(name regclass, OUT rows bigint) LANGUAGE plpgsql AS
    $$ BEGIN EXECUTE 'SELECT count(*) FROM ONLY ' || name INTO rows; END $$;
SELECT n.nspname, c.relname, pg_temp.rows(c.oid)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2";

/// A database, a folder to keep its backups in, and the key to them.
struct Scene {
    cluster: &'static Cluster,
    database: String,
    folder: TempDir,
    recipient: String,
}

impl Scene {
    fn new(sql: &str) -> Self {
        let cluster = Cluster::shared(Major::Distribution);
        let database = cluster.create_database("inventory");
        cluster.psql(&database, sql);
        let folder = TempDir::new().unwrap();
        let key = folder.path().join("key.txt");
        let recipient = pgstow(["keygen", "-o", key.to_str().unwrap()]).succeeds().text().trim().to_owned();
        Self { cluster, database, folder, recipient }
    }

    /// A command with the store; the way back has the key too.
    fn run(&self, words: &[&str]) -> Pgstow {
        let run = pgstow(words).env("PGSTOW_STORE", format!("file://{}", self.store().display()));
        if words[0] == "backup" {
            run.args(["--recipient", &self.recipient, &self.cluster.url(&self.database)])
        } else {
            run.env("PGSTOW_IDENTITY_FILE", self.folder.path().join("key.txt"))
        }
    }

    /// Takes a backup; the next one begins in another second, so that it is the latest.
    fn backup(&self) -> String {
        let id = self.run(&["backup"]).succeeds().text().trim().to_owned();
        std::thread::sleep(Duration::from_secs(1));
        id
    }

    fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    fn object(&self, id: &str, name: &str) -> PathBuf {
        self.store().join(&self.database).join(id).join(name)
    }

    fn restore_as(&self, database: &str, words: &[&str]) -> Pgstow {
        self.run(&["restore", "latest", "--to", &self.cluster.url(database)]).args(words)
    }

    /// Rewrites a manifest, digest and all, as somebody who may write the store could.
    fn change_manifest(&self, id: &str, change: impl Fn(&mut Manifest)) {
        let path = self.object(id, "manifest.json");
        let mut manifest = Manifest::from_bytes(&std::fs::read(&path).unwrap()).unwrap();
        change(&mut manifest);
        std::fs::write(&path, manifest.to_bytes().unwrap()).unwrap();
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = at.min(bytes.len() - 1);
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// Tables of `show --tables --json`, as `schema|table|rows`, in the order of [`COUNTS`].
pub fn counts(shown: &Value) -> String {
    let tables = shown["tables"].as_array().unwrap().iter().filter(|table| table["kind"] == "table");
    let line = |table: &Value| {
        let text = |field: &str| table[field].as_str().unwrap().to_owned();
        format!("{}|{}|{}", text("schema"), text("table"), table["rows"])
    };
    let mut lines: Vec<String> = tables.map(line).collect();
    lines.sort();
    lines.join("\n")
}

pub fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[test]
fn every_table_is_known_with_its_rows() {
    let scene = Scene::new(MOTLEY);
    let id = scene.backup();
    let shown = scene.run(&["show", "latest", "--tables", "--json"]).succeeds().json();
    assert_eq!(counts(&shown), sorted(&scene.cluster.psql(&scene.database, COUNTS)));
    let large = shown["tables"].as_array().unwrap().iter().find(|table| table["kind"] == "large-objects");
    assert_eq!(large.unwrap()["rows"], 2);

    let bytes: Vec<u64> =
        shown["tables"].as_array().unwrap().iter().map(|table| table["bytes"].as_u64().unwrap()).collect();
    assert!(bytes.is_sorted_by(|a, b| a >= b), "{bytes:?}");
    let text = scene.run(&["show", &id, "--tables"]).succeeds().text();
    assert!(text.lines().nth(1).unwrap().trim().starts_with("public.big"), "{text}");

    let listed = scene.run(&["list", "--json"]).succeeds().json();
    assert_eq!((&listed[0]["tables"], &listed[0]["rows"]), (&json!(11), &shown["totals"]["rows"]));
    assert_eq!(shown["totals"]["rows"], 5032);
    // What is public tells nothing of what is inside but how much.
    let manifest = std::fs::read_to_string(scene.object(&id, "manifest.json")).unwrap();
    assert!(!manifest.contains("parted") && manifest.contains("inventory.json.zst.age"), "{manifest}");
}

#[test]
fn two_backups_are_compared_table_by_table() {
    let scene = Scene::new(MOTLEY);
    let before = scene.backup();
    scene.cluster.psql(
        &scene.database,
        "DELETE FROM big WHERE id > 1000; DROP TABLE empty; CREATE TABLE fresh AS SELECT 1;
         UPDATE parted SET id = 99 WHERE id = 20",
    );
    let after = scene.backup();
    let diff = scene.run(&["show", &after, "--diff", &before, "--json"]).succeeds().json();
    let change = |change: &Value| {
        let side = if change["after"].is_null() { "before" } else { "after" };
        format!("{} {}", change[side]["table"].as_str().unwrap(), change["change"].as_str().unwrap())
    };
    let mut changes: Vec<String> = diff["changes"].as_array().unwrap().iter().map(change).collect();
    changes.sort();
    assert_eq!(changes, ["big rows", "empty vanished", "fresh appeared", "parted_new content"]);
    let text = scene.run(&["show", &after, "--diff", &before]).succeeds().text();
    assert!(text.lines().nth(1).unwrap().contains("public.big"), "{text}");
    let same = scene.run(&["show", &after, "--diff", &after]).succeeds().text();
    assert!(same.contains("the same rows"), "{same}");
}

#[test]
fn verify_tells_whole_backups_from_damaged_ones() {
    let scene = Scene::new(MOTLEY);
    let id = scene.backup();
    let good = scene.run(&["verify", "latest", "--json"]).succeeds().json();
    assert_eq!((&good[0]["verified"], &good[0]["rows"]), (&json!(true), &json!(5032)));
    scene
        .run(&["verify", &id, "--quick"])
        .env("PGSTOW_IDENTITY_FILE", "/nowhere")
        .succeeds()
        .says("nothing was read");
    scene.run(&["verify", "--older-than", "1d"]).fails(Kind::NotFound);
    scene.run(&["verify", "latest", "--all"]).fails(Kind::Usage);

    // One of two is bad: both are judged, and the end is 14.
    let bad = scene.backup();
    for (object, at) in [
        ("inventory.json.zst.age", 0),
        ("inventory.json.zst.age", 900),
        ("dump.zst.age", 300),
        ("dump.zst.age", usize::MAX),
    ] {
        let path = scene.object(&bad, object);
        let whole = std::fs::read(&path).unwrap();
        flip(&path, at);
        scene.run(&["verify", &bad]).fails(Kind::Verify);
        let run = scene.run(&["verify", "--all", "--json"]).fails(Kind::Verify);
        let verdicts: Vec<_> = run.json().as_array().unwrap().iter().map(|v| v["verified"].clone()).collect();
        assert_eq!(verdicts, [json!(true), json!(false)], "{run}");
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        scene.run(&["verify", &bad, "--quick"]).fails(Kind::Verify);
        std::fs::remove_file(&path).unwrap();
        scene.run(&["verify", "--newest-per-name", "--quick"]).fails(Kind::Verify);
        std::fs::write(&path, whole).unwrap();
    }
    scene.run(&["verify", "--all"]).succeeds();

    let keyless = |words: &[&str]| scene.run(words).env("PGSTOW_IDENTITY_FILE", scene.store());
    keyless(&["verify", &id, "--quick"]).succeeds();
    keyless(&["show", &id]).succeeds();
    let other = scene.folder.path().join("other.txt");
    pgstow(["keygen", "-o", other.to_str().unwrap()]).succeeds();
    scene.run(&["verify", &id]).env("PGSTOW_IDENTITY_FILE", &other).fails(Kind::Verify);
}

#[test]
fn an_inventory_of_another_dump_is_noticed() {
    let scene = Scene::new("CREATE TABLE t (v text); INSERT INTO t VALUES ('a'), ('b');");
    let one = scene.backup();
    scene.cluster.psql(&scene.database, "TRUNCATE t; INSERT INTO t VALUES ('abcdefgh')");
    // As long as the first one: a dump of another length is refused before it is read.
    let two = scene.backup();
    let name = "inventory.json.zst.age";
    std::fs::copy(scene.object(&one, name), scene.object(&two, name)).unwrap();
    let of_one = Manifest::from_bytes(&std::fs::read(scene.object(&one, "manifest.json")).unwrap()).unwrap();
    scene.change_manifest(&two, |manifest| {
        let at = manifest.objects.iter().position(|object| object.key == name).unwrap();
        manifest.objects[at] = of_one.inventory().unwrap().clone();
        manifest.totals = of_one.totals;
    });
    scene.run(&["verify", &two]).fails(Kind::Verify).says("public.t: 1 row instead of 2");

    // The restore finds it too, and takes the database back unless it is to be kept.
    let target = format!("{}_proof", scene.database);
    let run = scene.restore_as(&target, &[]).fails(Kind::Verify);
    assert!(run.stderr.contains("public.t: 1 row instead of 2"), "{run}");
    assert!(!scene.cluster.has_database(&target));
    scene.restore_as(&target, &["--keep-failed"]).fails(Kind::Verify);
    assert!(!scene.cluster.has_database(&target), "it is not proven");
    let kept = named(scene.cluster, &target);
    assert!(kept.starts_with(&format!("{target}_restoring_")), "{kept}");
    scene.restore_as(&format!("{target}_none"), &["--proof", "none"]).succeeds();
}

#[test]
fn a_restore_counts_every_table() {
    let scene = Scene::new(MOTLEY);
    scene.backup();
    let target = format!("{}_copy", scene.database);
    let run = scene.restore_as(&target, &["--json"]).succeeds().says("proven: 5,032 rows in 11 tables");
    assert_eq!(run.json()["proof"]["differences"], json!([]));
    assert_eq!(scene.cluster.text_of(&target), scene.cluster.text_of(&scene.database));
}

#[test]
fn partitions_loaded_through_their_root_are_compared_together() {
    let sql = "CREATE TABLE h (id int) PARTITION BY HASH (id);
        CREATE TABLE h0 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE h1 PARTITION OF h FOR VALUES WITH (MODULUS 2, REMAINDER 1);
        INSERT INTO h SELECT generate_series(1, 100);";
    let scene = Scene::new(sql);
    scene.run(&["backup", "--pg-dump-arg=--load-via-partition-root"]).succeeds();
    scene
        .restore_as(&format!("{}_copy", scene.database), &[])
        .succeeds()
        .says("proven: 100 rows in 3 tables");
}

#[test]
fn names_that_are_not_utf_8_are_kept_and_compared() {
    let scene = Scene::new("");
    let latin = format!("{}_latin", scene.database);
    let create =
        format!("CREATE DATABASE {latin} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'");
    scene.cluster.psql("postgres", &create);
    // The first is größe in LATIN1; the second is so only when its bytes are taken for UTF-8.
    for name in [r#"U&"gr\00F6\00DFe""#, r#"U&"gr\00C3\00B6\00C3\009Fe""#] {
        scene.cluster.psql(&latin, &format!("CREATE TABLE {name} AS SELECT 1"));
    }
    let scene = Scene { database: latin, ..scene };
    scene.backup();
    let shown = scene.run(&["show", "latest", "--tables", "--json"]).succeeds().json();
    let mut names: Vec<_> =
        shown["tables"].as_array().unwrap().iter().map(|table| table["table"].to_string()).collect();
    names.sort();
    assert_eq!(names, ["\"größe\"", "[\"gr\u{FFFD}\u{FFFD}e\",\"Z3L232U=\"]"]);
    let target = format!("{}_copy", scene.database);
    scene.restore_as(&target, &[]).succeeds().says("proven: 2 rows in 2 tables");
    let target = scene.cluster.create_database("inventory_utf8");
    scene.restore_as(&target, &[]).succeeds().says("proven: 2 rows in 2 tables");
}

#[test]
fn a_backup_without_an_inventory_still_restores_and_says_what_is_not_proven() {
    let scene = Scene::new("CREATE TABLE t AS SELECT generate_series(1, 3);");
    let id = scene.backup();
    let archive = scene.run(&["fetch", &id, "-o", "-"]).succeeds().stdout;
    std::fs::remove_file(scene.object(&id, "inventory.json.zst.age")).unwrap();
    let manifest = std::fs::read(scene.object(&id, "manifest.json")).unwrap();
    let without_inventory = |plain_sha256| {
        std::fs::write(scene.object(&id, "manifest.json"), &manifest).unwrap();
        scene.change_manifest(&id, |manifest| {
            manifest.objects.truncate(1);
            manifest.objects[0].plain_sha256 = plain_sha256;
            manifest.totals = None;
        });
    };
    // Then nothing says what its plaintext was.
    without_inventory(None);
    scene.run(&["verify", &id]).fails(Kind::Verify).says("dump.zst.age has no SHA-256 of its plaintext");
    without_inventory(Some(sha256(&archive[1..])));
    scene.run(&["verify", &id]).fails(Kind::Verify).says("the plaintext: the SHA-256 is not the manifest's");
    without_inventory(Some(sha256(&archive)));
    scene.run(&["verify", &id]).succeeds().says("cannot be compared");
    scene.run(&["show", &id, "--tables"]).fails(Kind::NotFound).says("no inventory");
    scene.run(&["list"]).succeeds();
    let target = format!("{}_copy", scene.database);
    scene.restore_as(&target, &[]).succeeds().says("will not be compared");
    assert_eq!(scene.cluster.psql(&target, "SELECT count(*) FROM t"), "3");
}

#[test]
fn an_inventory_that_cannot_be_stored_leaves_nothing_behind() {
    let scene = Scene::new("CREATE TABLE t AS SELECT generate_series(1, 3);");
    let place = Garage::shared().place("inventory");
    let proxy = FaultProxy::start(&place.endpoint);
    proxy.inject(
        Rule::new(Operation::Put, Fault::Answer(403, "AccessDenied")).key_end("inventory.json.zst.age"),
    );
    let backup = || {
        let run = pgstow(["backup", "--recipient", &scene.recipient, &scene.cluster.url(&scene.database)]);
        run.env("PGSTOW_STORE", place.through(&proxy.endpoint()).url()).envs(place.env())
    };
    backup().fails(Kind::Store);
    assert!(place.keys().is_empty(), "{:?}", place.keys());
    proxy.heal();
    backup().succeeds();
    assert_eq!(place.keys().len(), 4, "{:?}", place.keys());
}

#[test]
fn a_backup_that_lost_much_is_said_or_refused() {
    let scene = Scene::new("CREATE TABLE t AS SELECT generate_series(1, 100); CREATE TABLE u AS SELECT 1;");
    scene.run(&["backup", "--fail-shrink", "10%"]).succeeds();
    std::thread::sleep(Duration::from_secs(1));
    scene.cluster.psql(&scene.database, "DELETE FROM t WHERE generate_series > 60");
    let quiet = scene.run(&["backup"]).succeeds();
    assert!(!quiet.stderr.contains("gone"), "{quiet}");
    std::thread::sleep(Duration::from_secs(1));

    scene.cluster.psql(&scene.database, "DELETE FROM t WHERE generate_series > 20");
    let before = scene.run(&["list", "--json"]).succeeds().json().as_array().unwrap().len();
    let run = scene.run(&["backup", "--fail-shrink", "10%"]).fails(Kind::Verify);
    assert!(run.stderr.contains("all tables together: 21 rows instead of 61"), "{run}");
    assert!(!run.stderr.contains("public.t"), "{run}");
    let folders = std::fs::read_dir(scene.store().join(&scene.database)).unwrap();
    let whole = folders.filter(|folder| folder.as_ref().unwrap().path().join("dump.zst.age").exists());
    assert_eq!(whole.count(), before);
    scene.run(&["backup"]).succeeds().says("all tables together: 21 rows instead of 61");

    // A backup of some tables is compared with its like, and so is one of all. What nobody can read decides nothing.
    scene.run(&["backup", "--table", "u", "--fail-shrink", "10%"]).succeeds();
    let planted = |age: Duration, change: fn(&mut Manifest)| {
        let (id, objects) = Template::shared().aged(&scene.database, age, change);
        for (key, bytes) in objects {
            let path = scene.store().join(key);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        scene.store().join(format!("{}/{id}", scene.database))
    };
    // The letters of an id are random: one that is planted is the newest for certain in a second of its own.
    std::thread::sleep(Duration::from_secs(1));
    let unreadable = planted(Duration::ZERO, |manifest| manifest.objects.clear());
    scene.cluster.psql(&scene.database, "DELETE FROM t");
    let run = scene.run(&["backup", "--fail-shrink", "10%"]).fails(Kind::Verify);
    run.says("all tables together: 1 row instead of 21").says("compared with an older one");
    // Nor is room asked for that no backup of this database takes.
    std::fs::remove_dir_all(unreadable).unwrap();
    let vast = planted(Duration::ZERO, |manifest| manifest.objects[0].stored_bytes = u64::MAX);
    scene.run(&["backup"]).succeeds();
    std::fs::remove_dir_all(vast).unwrap();

    // Without encryption, each table is compared.
    let open = |words: &[&str]| {
        pgstow(["backup", "--no-encryption", "--name", "open", &scene.cluster.url(&scene.database)])
            .args(words)
            .env("PGSTOW_STORE", format!("file://{}", scene.store().display()))
    };
    open(&[]).succeeds();
    std::thread::sleep(Duration::from_secs(1));
    scene.cluster.psql(&scene.database, "DROP TABLE u");
    open(&[]).succeeds().says("public.u: 0 rows instead of 1");
}
