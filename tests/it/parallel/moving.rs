//! Backups by several sessions while everything in the database moves: no row is there twice or not at all.
//!
//! Each backup is compared with what its own snapshot shows to another session, which joins it while the backup runs,
//! and with what is true in every state that the database ever has.

use super::{Work, backup, hold, ranges, release, tables};
use crate::scene::{Place, add_bulk};
use crate::servers::postgres::{Cluster, Major, PASSWORD};
use crate::soak::dice::Dice;
use pgstow::error::Kind;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const SEED: u64 = 20_261_127;

#[test]
fn every_row_is_read_once_whatever_moves() {
    rows_that_move(3, 1);
}

#[test]
#[ignore = "ten minutes"]
fn every_row_is_read_once_in_200_backups() {
    rows_that_move(100, 20);
}

/// The snapshot is there, and `pg_dump` waits for the first table: another is emptied before its turn, and its rows are
/// in neither table as the snapshot sees them then. That is noticed with several sessions and with one, and with a role
/// that may not share its snapshot.
#[test]
fn rows_that_move_before_their_table_is_locked_are_not_lost() {
    for major in [Major::Distribution, Major::V18] {
        let (cluster, place) = (Cluster::start(major), Place::folder());
        let role = format!("CREATE ROLE plain LOGIN PASSWORD '{PASSWORD}'; GRANT pg_read_all_data TO plain");
        cluster.psql("postgres", &role);
        for (sessions, role) in [("2", "postgres"), ("1", "postgres"), ("1", "plain"), ("2", "plain")] {
            let database = cluster.create_database("emptied");
            cluster.psql(&database, "CREATE TABLE first (n int)");
            add_bulk(&cluster, &database, 1000);
            cluster.psql(&database, "CREATE TABLE moved (LIKE bulk)");
            let alone = "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_export_snapshot() FROM PUBLIC";
            cluster.psql(&database, alone);
            let _holder = hold(&cluster, &database, "LOCK TABLE first");
            let url = cluster.url_of(role, &database);
            let running = ranges(&place, &url, &database, sessions, "64KiB").spawn();
            let waits =
                "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'first'::regclass AND NOT granted";
            cluster.eventually(&database, waits);
            cluster.psql(&database, "BEGIN; INSERT INTO moved SELECT * FROM bulk; TRUNCATE bulk; COMMIT");
            release(&cluster, &database);
            let run = running.wait().assert_success();
            let rows = |name: &str| {
                let tables = tables(&place, &database);
                tables.iter().find(|table| table["table"] == name).unwrap()["rows"].as_u64()
            };
            let context = format!("{major:?}, {sessions}, {role}: {run}");
            assert_eq!((rows("bulk"), rows("moved")), (Some(0), Some(1000)), "{context}");
            if (sessions, role) == ("2", "plain") {
                run.says("reading with one session: the server shares no snapshots");
            }
        }
    }
}

/// Rows are in one of `a` and `b`, and the sum of their versions is 0; all rows of `c`, and of `d`, which is dropped
/// and made again, are of one generation.
const TABLES: &str = "
CREATE TABLE a (id int PRIMARY KEY, version int NOT NULL, filler text);
CREATE TABLE b (LIKE a INCLUDING ALL);
INSERT INTO a SELECT n, 0, repeat('x', 100) FROM generate_series(1, 20000) n;
CREATE TABLE c (generation int, n int, filler text);
INSERT INTO c SELECT 0, n, repeat('c', 100) FROM generate_series(1, 3000) n;
CREATE TABLE d AS SELECT * FROM c;";

/// Rows per table, as `COPY` writes them, sorted.
type Content = BTreeMap<String, Vec<String>>;

/// Some transactions that move, add and remove rows.
fn moves(dice: &mut Dice) -> String {
    let mut sql = String::new();
    for _ in 0..20_000 {
        let (part, of) = (dice.below(97), 90 + dice.below(7));
        sql += &match dice.below(4) {
            0 => format!("WITH gone AS (DELETE FROM a WHERE id % {of} = {part} RETURNING *) INSERT INTO b SELECT * FROM gone;\n"),
            1 => format!("WITH gone AS (DELETE FROM b WHERE id % {of} = {part} RETURNING *) INSERT INTO a SELECT * FROM gone;\n"),
            2 => format!(
                "BEGIN; LOCK TABLE a IN SHARE ROW EXCLUSIVE MODE;
                 UPDATE a SET version = version + 1 WHERE id = (SELECT min(id) FROM a WHERE id > {part});
                 UPDATE a SET version = version - 1 WHERE id = (SELECT max(id) FROM a); COMMIT;\n"
            ),
            _ => format!(
                "BEGIN; INSERT INTO a SELECT -n, 0, 'new' FROM generate_series(1, 500) n; SELECT pg_sleep(0.01);
                 DELETE FROM a WHERE id < 0; COMMIT; UPDATE a SET filler = repeat('y', {part}) WHERE id % {of} = {part};\n"
            ),
        };
    }
    sql
}

/// What needs a table for itself, with pauses: whoever waits for one that `pg_dump` has locked keeps the others away,
/// and that must not always be so.
fn maintenance(dice: &mut Dice) -> String {
    let mut sql = String::new();
    for generation in 1..5000 {
        let rows = format!("SELECT {generation}, n, repeat('c', 100) FROM generate_series(1, 3000) n");
        sql += &match dice.below(7) {
            0 => "VACUUM FULL a;".to_owned(),
            1 => "VACUUM FULL c;".to_owned(),
            2 => "VACUUM b;".to_owned(),
            3 | 4 => format!("BEGIN; TRUNCATE c; INSERT INTO c {rows}; COMMIT;"),
            5 => format!("BEGIN; DROP TABLE d; CREATE TABLE d (LIKE c); INSERT INTO d {rows}; COMMIT;"),
            _ => "CREATE TABLE come (n int); DROP TABLE come; CLUSTER b USING b_pkey;".to_owned(),
        };
        sql += &format!(" SELECT pg_sleep({}.{});\n", dice.below(4), dice.below(10));
    }
    sql
}

/// A `psql` that is asked one thing after the other.
struct Asked {
    child: Child,
    stdin: ChildStdin,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Asked {
    fn open(cluster: &Cluster, database: &str) -> Asked {
        let mut psql = cluster.client("psql");
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database]);
        let mut child =
            psql.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Asked { child, stdin, lines: BufReader::new(stdout).lines() }
    }

    /// What it prints; `None` if something failed.
    fn ask(&mut self, sql: &str) -> Option<Vec<String>> {
        self.stdin.write_all(format!("{sql}\n\\echo '=end='\n").as_bytes()).ok()?;
        let mut said = Vec::new();
        loop {
            match self.lines.next()?.ok()? {
                end if end == "=end=" => return Some(said),
                line => said.push(line),
            }
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a snapshot shows; `None` if somebody waits for a table, or has changed its files since then: those who do not
/// hold the table from the beginning see it empty.
fn shown(cluster: &Cluster, database: &str, snapshot: &str) -> Option<Content> {
    let mut session = Asked::open(cluster, database);
    session.ask(&format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '{snapshot}';
         LOCK TABLE a, b, c, d IN ACCESS SHARE MODE NOWAIT;"
    ))?;
    let same = "SELECT count(*) FROM pg_class WHERE relname IN ('a', 'b', 'c', 'd') AND relkind = 'r'
                AND relfilenode = pg_relation_filenode(oid);";
    if session.ask(same)? != ["4"] {
        return None;
    }
    let mut content = Content::new();
    for table in ["a", "b", "c", "d"] {
        let mut rows = session.ask(&format!("COPY {table} TO STDOUT;"))?;
        rows.sort_unstable();
        content.insert(table.to_owned(), rows);
    }
    Some(content)
}

/// Takes a backup, and joins its snapshot meanwhile.
fn watched(cluster: &Cluster, database: &str, place: &Place) -> (crate::harness::Run, Option<Content>) {
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let witness = scope.spawn(|| {
            let mut session = Asked::open(cluster, database);
            let (mut last, mut content) = (Vec::new(), None);
            while !ended.load(Ordering::Relaxed) {
                // If definitions were disturbed, a second snapshot takes the place of the first.
                let there = session.ask("SELECT pg_ls_dir('pg_snapshots');").unwrap();
                if !there.is_empty() && there != last {
                    content = shown(cluster, database, &there[0]);
                    last = there;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            content
        });
        let run = scope.spawn(|| backup(place, &cluster.url(database), "moving", "3")).join();
        ended.store(true, Ordering::Relaxed);
        (run.unwrap(), witness.join().unwrap())
    })
}

/// What is in the newest backup, as `pg_restore` writes it.
fn stored(cluster: &Cluster, place: &Place) -> Content {
    let archive = place.opens(&["fetch", "latest", "--name", "moving", "-o", "-"]).succeeds().stdout;
    let mut restore = cluster.client("pg_restore");
    restore.args(["--data-only", "-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = restore.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let written = std::thread::spawn(move || stdin.write_all(&archive));
    let output = child.wait_with_output().unwrap();
    written.join().unwrap().unwrap();
    assert!(output.status.success());
    let (mut content, mut table) = (Content::new(), None);
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        match (&table, line.strip_prefix("COPY public.")) {
            (None, Some(copy)) => {
                let name = copy.split(' ').next().unwrap().to_owned();
                content.insert(name.clone(), Vec::new());
                table = Some(name);
            }
            (Some(_), _) if line == "\\." => table = None,
            (Some(name), _) => content.get_mut(name).unwrap().push(line.to_owned()),
            (None, None) => {}
        }
    }
    content.values_mut().for_each(|rows| rows.sort_unstable());
    content
}

/// What is true in every state.
fn is_sound(content: &Content, context: &str) {
    let field = |row: &str, at: usize| row.split('\t').nth(at).unwrap().parse::<i64>().unwrap();
    let rows: Vec<&String> = content["a"].iter().chain(&content["b"]).collect();
    let mut ids: Vec<i64> = rows.iter().map(|row| field(row, 0)).collect();
    ids.sort_unstable();
    assert!(ids.iter().copied().eq(1..=20_000), "{context}: {} rows in a and b", ids.len());
    assert_eq!(rows.iter().map(|row| field(row, 1)).sum::<i64>(), 0, "{context}");
    for table in ["c", "d"] {
        let rows = &content[table];
        let one = rows.iter().all(|row| field(row, 0) == field(&rows[0], 0));
        assert!(rows.len() == 3000 && one, "{context}: {} rows in {table}", rows.len());
    }
}

fn rows_that_move(rounds: u64, enough: usize) {
    for (major, seed) in [(Major::Distribution, SEED), (Major::V18, SEED + 1)] {
        let (cluster, place) = (Cluster::start(major), Place::folder());
        let database = cluster.create_database("moving");
        cluster.psql(&database, TABLES);
        let (mut shared, mut compared, mut disturbed) = (0, 0, 0);
        let mut work = Vec::new();
        for worker in 0..2 {
            work.push(Work::begin(&cluster, &database, moves(&mut Dice::new(seed, worker))));
        }
        for round in 0..rounds {
            if round == 1 {
                // The first backup has nobody to wait for, so it is read by several for certain.
                work.push(Work::begin(&cluster, &database, maintenance(&mut Dice::new(seed, 9))));
            }
            let (run, seen) = watched(&cluster, &database, &place);
            let context = format!("{major:?}, seed {seed}, round {round}: {run}");
            if !run.status.success() {
                run.assert_failure(Kind::Postgres).says("3 times in a row");
                disturbed += 1;
                continue;
            }
            let content = stored(&cluster, &place);
            // The snapshot of a backup by one session is gone before its rows are read.
            if run.stderr.contains("sessions at the same time") {
                shared += 1;
                if let Some(seen) = seen {
                    compared += 1;
                    assert!(content == seen, "not what the snapshot shows: {context}");
                }
            }
            is_sound(&content, &context);
        }
        eprintln!(
            "{major:?}, seed {seed}: of {rounds} backups {shared} were read by several sessions, {compared} of \
             them compared with their snapshot; {disturbed} were refused, as definitions changed"
        );
        assert!(shared >= enough, "only {shared} were read by several sessions");
        assert!(rounds < 10 || compared >= enough / 2, "only {compared} were compared with their snapshot");
    }
}
