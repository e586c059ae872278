//! Every way by which what is in a backup, or what a server calls its tables, could run a program where pgstow runs:
//! psql's own commands, in plain dumps, in archives, and in the scripts that pgstow gives to psql itself.

use super::trap::Trap;
use crate::back::scene::{forge, sha256, zstd};
use crate::harness::Run;
use crate::scene::{Keys, Place, fresh};
use crate::servers::postgres::{Cluster, Major};
use crate::servers::{folder, run};
use pgstow::error::Kind;
use tempfile::TempDir;

/// Commands that run `touch FILE`, make `FILE`, or run the commands in another file.
const COMMANDS: [&str; 24] = [
    "\\! touch FILE",
    "\\copy (SELECT 1) TO PROGRAM 'cat > FILE'",
    "\\copy (SELECT 1) TO 'FILE'",
    "\\copy s.t FROM PROGRAM 'touch FILE'",
    "SELECT 1 \\g |touch FILE",
    "SELECT 1 \\g FILE",
    "SELECT 1 \\gx |touch FILE",
    "SELECT 1 \\gset `touch FILE`",
    "SELECT 1 \\w |touch FILE",
    "\\o |touch FILE",
    "\\s FILE",
    "\\set x `touch FILE`",
    "\\echo `touch FILE`",
    "\\if `touch FILE`",
    "\\cd `touch FILE`",
    "\\i OTHER",
    "\\ir OTHER",
    "\\lo_import `touch FILE`",
    "\\connect `touch FILE`",
    "\\restrict `touch FILE`",
    // The one command that psql does not refuse in its restricted mode.
    "\\unrestrict `touch FILE`",
    "SELECT 1 \\unrestrict 'x\n'`touch FILE`",
    "SELECT (\nCOPY s.t FROM stdin;\n\\unrestrict `touch FILE`",
    "\\unre\0x\nstrict `touch FILE`",
];

/// A trap, and the commands that would spring it.
fn commands(trap: &Trap) -> Vec<String> {
    let file = trap.file();
    let other = file.with_file_name("other.sql");
    std::fs::write(&other, format!("{}\n", trap.command())).unwrap();
    let (file, other) = (file.to_str().unwrap(), other.to_str().unwrap());
    COMMANDS.iter().map(|command| command.replace("FILE", file).replace("OTHER", other)).collect()
}

/// A database with a table `s.t`, which has a long comment.
fn source(major: Major) -> (&'static Cluster, String) {
    let cluster = Cluster::shared(major);
    let database = cluster.create_database("programs");
    let comment = "x".repeat(300);
    let sql = "CREATE SCHEMA s; CREATE TABLE s.t AS SELECT 1 AS n";
    cluster.psql(&database, &format!("{sql}; COMMENT ON TABLE s.t IS '{comment}'"));
    (cluster, database)
}

fn adopt(dump: &[u8]) -> (Run, Place) {
    let (place, folder) = (Place::folder(), TempDir::new().unwrap());
    let file = folder.path().join("dump");
    std::fs::write(&file, dump).unwrap();
    let words = ["adopt", "--name", "app", "--no-encryption"];
    (place.pgstow(&words).arg(&file).run(), place)
}

/// A trial restore with this major's programs.
fn rehearse(place: &Place, major: Major) -> Run {
    let scratch = folder("scratch");
    let words = ["verify", "latest", "--restore", "--scratch", scratch.path().to_str().unwrap()];
    place.opens(&words).arg("--pg-bin").arg(major.bin()).run()
}

/// The same backup with another script in it, as somebody would put it there who may write to the store.
fn planted(honest: &Place, script: &str) -> Place {
    let place = honest.copy();
    let stored = zstd(script.as_bytes());
    forge(&place, |manifest| {
        let dump = &mut manifest.objects[0];
        assert_eq!(dump.key, "dump.sql.zst");
        (dump.stored_bytes, dump.stored_sha256) = (stored.len() as u64, sha256(&stored));
        (dump.plain_bytes, dump.plain_sha256) = (script.len() as u64, Some(sha256(script.as_bytes())));
        dump.store_checksum = None;
    });
    place.put(&place.key("dump.sql.zst"), stored);
    place
}

/// `adopt` refuses it at once, and psql never does it, whoever has put it into the store.
#[test]
fn no_command_in_a_plain_dump_runs_a_program() {
    for (first, major) in [Major::Distribution, Major::V18].into_iter().enumerate() {
        let (cluster, database) = source(major);
        let dump = run(cluster.client("pg_dump").arg(&database));
        let (adopted, honest) = adopt(dump.as_bytes());
        adopted.assert_success();
        let trap = Trap::new();
        for command in commands(&trap).into_iter().skip(first).step_by(2) {
            let script = dump.replacen("CREATE TABLE", &format!("{command}\nCREATE TABLE"), 1);
            let (refused, _) = adopt(script.as_bytes());
            refused.assert_failure(Kind::Usage).says("holds a command of psql's own in line ");
            let (place, copy) = (planted(&honest, &script), fresh("programs"));
            let restore = place.opens(&["restore", "latest", "--to", &cluster.url(&copy), "--pg-bin"]);
            let restored = restore.arg(major.bin()).run();
            trap.is_not_sprung(&restored);
            let refused = ["backslash commands are restricted", "so psql is not given it"];
            assert!(refused.iter().any(|said| restored.stderr.contains(said)), "{command}: {restored}");
            assert!(!cluster.has_database(&copy), "{command}: {restored}");
        }
        for command in ["\\! touch FILE", "\\unrestrict `touch FILE`"] {
            let command = command.replace("FILE", trap.file().to_str().unwrap());
            let script = dump.replacen("CREATE TABLE", &format!("{command}\nCREATE TABLE"), 1);
            let rehearsed = rehearse(&planted(&honest, &script), major);
            trap.is_not_sprung(&rehearsed);
            rehearsed.assert_failure(Kind::Verify);
        }
    }
}

/// A statement of an archive goes to the server, which knows no such commands.
#[test]
fn nor_does_one_in_an_archive() {
    for major in [Major::Distribution, Major::V18] {
        let (cluster, database) = source(major);
        let archive = cluster.client("pg_dump").args(["-Fc", &database]).output().unwrap().stdout;
        let honest = format!("COMMENT ON TABLE s.t IS '{}';\n", "x".repeat(300));
        let at = memchr::memmem::find(&archive, honest.as_bytes()).expect("the comment's statement");
        let trap = Trap::new();
        for command in ["\\! touch FILE", "SELECT 1 \\g |touch FILE", "\\unrestrict `touch FILE`"] {
            let command = command.replace("FILE", trap.file().to_str().unwrap());
            let mut forged = archive.clone();
            let statement = format!("{command:<width$}\n", width = honest.len() - 1);
            forged[at..at + honest.len()].copy_from_slice(statement.as_bytes());
            let (adopted, place) = adopt(&forged);
            adopted.assert_success();
            let to = cluster.url(&fresh("programs"));
            let restore = place.opens(&["restore", "latest", "--to", &to, "--pg-bin"]);
            let restored = restore.arg(major.bin()).run();
            trap.is_not_sprung(&restored);
            restored.assert_failure(Kind::Postgres).says("syntax error");
        }
        let statement = format!("{:<width$}\n", trap.command(), width = honest.len() - 1);
        let mut forged = archive.clone();
        forged[at..at + honest.len()].copy_from_slice(statement.as_bytes());
        let (_, place) = adopt(&forged);
        let rehearsed = rehearse(&place, major);
        trap.is_not_sprung(&rehearsed);
        rehearsed.assert_failure(Kind::Verify);
        // Whoever has it written as SQL gets a script in which psql is restricted.
        let (home, again) = (TempDir::new().unwrap(), cluster.create_database("again"));
        let file = home.path().join("dump.sql");
        let fetch = place.opens(&["fetch", "latest", "--format", "sql", "-o", file.to_str().unwrap()]);
        let fetched = fetch.arg("--pg-bin").arg(major.bin()).succeeds();
        cluster.client("psql").args(["-X", "-q", "-d", &again, "-f"]).arg(&file).output().unwrap();
        trap.is_not_sprung(&fetched);
    }
}

/// A name with a backslash could become a command in the scripts of the sessions that read rows. Nobody has to follow
/// what a lying server could make of that: such a table is read by `pg_dump` itself.
#[test]
fn a_table_whose_names_hold_a_backslash_is_read_by_pg_dump() {
    for major in [Major::Distribution, Major::V18] {
        let (cluster, database) = source(major);
        let trap = Trap::new();
        let name = trap.command();
        let rows = "SELECT n AS a, repeat('x', 200) AS b FROM generate_series(1, 5000) n";
        for table in [
            format!("CREATE TABLE s.\"t {name}\" AS {rows}"),
            format!("CREATE TABLE s.columns AS {rows}; ALTER TABLE s.columns RENAME a TO \"あ {name}\""),
            format!("CREATE SCHEMA \"s {name}\"; CREATE TABLE \"s {name}\".t AS {rows}"),
            format!("CREATE TABLE s.plain AS {rows}"),
        ] {
            cluster.psql(&database, &table);
        }
        let place = Place::folder();
        let backup = place.pgstow(&["backup", "--name", "shop", "--readers", "2", "--reader-range", "64KiB"]);
        let backup = backup.args(["--recipient", &Keys::shared().recipient, &cluster.url(&database)]);
        let made = backup.succeeds();
        trap.is_not_sprung(&made);
        assert!(made.stderr.contains("reading 1 large table"), "only the plain one is cut: {made}");
        let copy = fresh("programs");
        place.opens(&["restore", "latest", "--to", &cluster.url(&copy)]).succeeds().says("20,001 rows");
        assert_eq!(cluster.text_of(&copy), cluster.text_of(&database));
    }
}
