//! ARCHITECTURE.md against the sources: its table of rooms is the one that is checked, and its files exist.

use crate::rules::{GROUND, ROOMS};
use crate::tree::{files, read};

/// The words in backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_map_has_the_rooms_and_what_they_may_import() {
    let map = read("ARCHITECTURE.md");
    let (_, table) = map.split_once("| room |").unwrap();
    let rows = table.lines().skip(2).take_while(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.split(" | ").collect::<Vec<_>>());
    let drawn: Vec<_> = cells.map(|cells| (quoted(cells[0])[0], quoted(cells[2]))).collect();
    let ground = GROUND.map(|room| (room, vec![]));
    let listed: Vec<_> = ground.into_iter().chain(ROOMS.map(|(room, may)| (room, may.to_vec()))).collect();
    assert_eq!(drawn, listed, "ARCHITECTURE.md and tests/house/rules.rs differ");
}

#[test]
fn the_map_leads_to_files_that_exist() {
    let map = read("ARCHITECTURE.md");
    let all = files("src", ".rs").into_iter().chain(files("tests", "")).chain(files("docs", ".md"));
    let all: Vec<String> = all.chain(files("scripts", ".sh")).collect();
    let (_, below) = map.split_once("## The way of a backup").unwrap();
    // In the drawings files stand without backticks.
    let words =
        below.split(['`', ' ', '(', ')', '[', ']', ',', ';', '\n']).filter(|word| !word.contains("NAME"));
    for place in words.filter(|word| word.contains('/') || word.ends_with(".rs")) {
        let place = place.trim_end_matches(['.', ':']);
        let exists =
            all.iter().any(|file| file.starts_with(place) || file.starts_with(&format!("src/{place}")));
        assert!(exists, "ARCHITECTURE.md names {place}, which is not there");
    }
}
