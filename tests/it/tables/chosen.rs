//! `fetch --table`: the smaller archive is one that every `pg_restore` reads without further words.

use super::scene::{RELATED, Scene, relations, same, stock_restore};
use crate::scene::{Place, fetch_fails, files_below, listing};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;
use tempfile::TempDir;

const CHOSEN: [&str; 4] = ["app.users", "app.orders", "app.per_buyer", "\"Größe\".\"Täb\"\"le x\""];
const THEIRS: [&str; 7] = [
    "Größe.Täb\"le x",
    "app.orders",
    "app.orders_id_seq",
    "app.per_buyer",
    "app.users",
    "app.users_id_seq",
    "other.tickets",
];

fn words<'w>(tables: &[&'w str]) -> Vec<&'w str> {
    tables.iter().flat_map(|table| ["--table", *table]).collect()
}

#[test]
fn every_pg_restore_reads_the_smaller_archive() {
    for dumped in Major::CLIENTS {
        let scene = Scene::new(dumped, RELATED);
        let (run, archive) = scene.fetch(&words(&CHOSEN));
        assert!(!run.stderr.contains("left out"), "{run}");
        let told = run.json();
        assert_eq!((&told["tables"], &told["rows"]), (&3.into(), &26.into()));
        assert_eq!(told["plain_bytes"], archive.len());

        for major in Major::CLIENTS.into_iter().filter(|major| major.number() >= dumped.number()) {
            let cluster = Cluster::shared(major);
            let copy = stock_restore(cluster, &archive);
            assert_eq!(relations(cluster, &copy), THEIRS, "{dumped:?} by {major:?}");
            if major == dumped {
                same(cluster, &scene.database, &copy, &CHOSEN);
            }
            let rows = cluster
                .psql(&copy, "SELECT count(*) FROM app.per_buyer; SELECT last_value FROM other.tickets");
            assert_eq!(rows, "5\n1026", "{dumped:?} by {major:?}");
        }
    }
}

#[test]
fn each_table_alone_restores_into_an_empty_database() {
    let scene = Scene::new(Major::V18, RELATED);
    for table in relations(scene.cluster, &scene.database) {
        let (schema, name) = table.split_once('.').unwrap();
        let pattern = format!("\"{schema}\".\"{}\"", name.replace('"', "\"\""));
        let (_, archive) = scene.fetch(&["-t", &pattern]);
        let copy = stock_restore(scene.cluster, &archive);
        assert!(relations(scene.cluster, &copy).contains(&table), "{table}");
    }
    let (_, everything) = scene.fetch(&["-t", "*"]);
    let copy = stock_restore(scene.cluster, &everything);
    same(scene.cluster, &scene.database, &copy, &["app.*", "other.*", "\"Größe\".*"]);
}

#[test]
fn what_comes_and_what_does_not_is_said() {
    let scene = Scene::new(Major::Distribution, RELATED);
    let (run, archive) = scene.fetch(&["--table", "orders"]);
    let run = run.says("warning: left out: FK CONSTRAINT app.orders orders_buyer_fkey (needs app.users)");
    assert!(!run.stderr.contains("without rows"), "{run}");
    let copy = stock_restore(scene.cluster, &archive);
    assert_eq!(relations(scene.cluster, &copy), ["app.orders", "app.orders_id_seq"]);
    let (run, _) = scene.fetch(&["--table", "app.happy"]);
    run.says("warning: created because they are needed, but without rows: app.users");
}

#[test]
fn a_pattern_that_matches_nothing_gives_similar_names() {
    let scene = Scene::new(Major::Distribution, RELATED);
    let fails = |words: &[&str], kind| fetch_fails(&scene.place, words, kind);
    fails(&["-t", "app.order"], Kind::NotFound)
        .says("matches app.order")
        .says("did you mean app.orders")
        .says("latest --before TIME");
    fails(&["-t", "users", "-t", "\"mixed case\""], Kind::NotFound).says("app.\"Mixed Case\"");
    fails(&["-t", "app.(users|orders)"], Kind::Usage).says("only * and ? are wildcards");
    fails(&["-t", "a.b.c"], Kind::Usage).says("too many dots");
}

#[test]
fn the_list_is_that_of_pg_restore() {
    let scene = Scene::new(Major::V18, RELATED);
    let folder = TempDir::new().unwrap();
    let list = folder.path().join("app.list");
    let entries = |list: &str| -> Vec<String> {
        list.lines().filter(|line| !line.starts_with(';')).map(str::to_owned).collect()
    };
    for tables in [&[][..], &["-t", "app.events"], &["-t", "*"]] {
        let (_, archive) =
            scene.fetch(&[tables, &["--force", "--list-file", list.to_str().unwrap()]].concat());
        let written = std::fs::read_to_string(&list).unwrap();
        assert_eq!(entries(&written), entries(&listing(Major::V18, &archive)), "{tables:?}");
        assert!(written.contains("Dump Version: 1.16-0"), "{written}");
    }
    // Alone, without a byte of the dump; edited, it is what pg_restore takes.
    std::fs::remove_file(&list).unwrap();
    scene
        .place
        .opens(&["fetch", "latest", "-t", "app.tree", "--list-file", list.to_str().unwrap()])
        .succeeds();
    assert_eq!(files_below(folder.path()), ["app.list"]);
    let written = std::fs::read_to_string(&list).unwrap();
    let edited = written.replace("FK CONSTRAINT", "; FK CONSTRAINT");
    let edited: Vec<String> = edited
        .lines()
        .map(|line| if line.contains("; FK") { format!(";{line}") } else { line.into() })
        .collect();
    std::fs::write(&list, edited.join("\n")).unwrap();
    let (_, archive) = scene.fetch(&["-t", "app.tree"]);
    let copy = scene.cluster.create_database("listed");
    let mut restore = scene.cluster.client("pg_restore");
    restore.args(["-e", "-d", &copy, "-L", list.to_str().unwrap()]);
    super::scene::feed(&mut restore, &archive);
    let constraints = scene.cluster.psql(
        &copy,
        "SELECT conname FROM pg_constraint WHERE conrelid = 'app.tree'::regclass AND contype <> 'n'",
    );
    assert_eq!(constraints, "tree_pkey");
}

#[test]
fn a_backup_without_an_inventory_says_so() {
    let scene = Scene::new(Major::Distribution, "CREATE TABLE t AS SELECT 1 AS n");
    let bare = crate::back::scene::without_inventory(&scene.place);
    fetch_fails(&bare, &["-t", "t"], Kind::NotFound).says("no inventory").says("brings all of it");
    let place: &Place = &bare;
    assert!(!crate::scene::fetch(place, &["latest"]).is_empty());
}
