//! Who may see whom: the rooms by the table in `rules.rs`, and no two files each other.

use crate::exceptions::{Offence, assert_none};
use crate::rules::{FLOORS, GROUND, ROOMS};
use crate::tree::{Source, Tree};
use std::collections::{BTreeMap, BTreeSet};

/// The room's row of the table.
fn may_import(room: &str) -> Option<BTreeSet<&'static str>> {
    let ground = GROUND.into_iter().filter(|_| room != "main");
    if GROUND.contains(&room) {
        return Some(ground.collect());
    }
    let (_, above) = ROOMS.into_iter().find(|(of, _)| *of == room)?;
    Some(ground.chain(above.iter().copied()).collect())
}

#[test]
fn rooms_import_only_what_the_table_allows() {
    let tree = Tree::get();
    let mut offences = Vec::new();
    for source in &tree.sources {
        let room = source.room();
        for (file, (line, target)) in tree.dependencies(source) {
            let other = target.room();
            let allowed = may_import(room).is_some_and(|rooms| rooms.contains(other));
            // `main.rs` imports `lib.rs` only.
            if other != room && !allowed && (room, other) != ("main", "lib") {
                offences.push(Offence {
                    subject: format!("{} sees {other}", source.file),
                    detail: format!("{}:{line}: {room} must not see {file}", source.file),
                });
            }
        }
    }
    assert_none("imports", "the rooms' table in tests/house/rules.rs and ARCHITECTURE.md", offences);
}

#[test]
fn no_row_of_the_table_allows_more_than_is_used() {
    let tree = Tree::get();
    let mut used = BTreeSet::new();
    for source in &tree.sources {
        used.extend(
            tree.dependencies(source).into_values().map(|(_, target)| (source.room(), target.room())),
        );
    }
    let rows = ROOMS.into_iter().flat_map(|(room, may)| may.iter().map(move |other| (room, *other)));
    let offence = |(room, other): (&str, &str)| Offence {
        subject: format!("{room} may see {other}"),
        detail: format!("{room} may see {other} by the table, and no file does"),
    };
    assert_none(
        "imports",
        "the table is no longer than needed",
        rows.filter(|row| !used.contains(row)).map(offence).collect(),
    );
}

#[test]
fn every_room_has_its_row() {
    let rooms: BTreeSet<&str> =
        Tree::get().sources.iter().map(Source::room).filter(|room| *room != "main").collect();
    let listed: BTreeSet<&str> = GROUND.into_iter().chain(ROOMS.map(|(room, _)| room)).collect();
    let offence = |room: &&str| Offence {
        subject: (*room).to_owned(),
        detail: format!("{room} is only in one of the two: src/, and the table in tests/house/rules.rs"),
    };
    assert_none("room", "every room has its row", rooms.symmetric_difference(&listed).map(offence).collect());
}

/// The table itself: only verbs meet what people type and what they get, and no room sees one above it.
#[test]
fn the_table_has_a_floor_and_a_roof() {
    for (at, (room, may)) in ROOMS.iter().enumerate() {
        let seen_by = |other: &str| may.contains(&other);
        assert!(!seen_by("settings") || ["commands", "lib"].contains(room), "{room} must not see settings");
        assert!(!seen_by("answers") || ["commands", "report"].contains(room), "{room} must not see answers");
        assert!(!seen_by("cli") || ["commands", "lib", "settings"].contains(room), "{room} must not see cli");
        for other in *may {
            let below = ROOMS[..at].iter().any(|(room, _)| room == other);
            assert!(below, "{other} stands above {room} in the table");
        }
    }
}

#[test]
fn rooms_in_a_room_see_only_those_before_them() {
    let tree = Tree::get();
    let mut offences = Vec::new();
    for (room, floors) in FLOORS {
        let floor = |source: &Source| match source.module.as_slice() {
            [of, floor, ..] if of == room => floors.iter().position(|name| name == floor),
            _ => None,
        };
        for name in floors {
            let is_there = tree.sources.iter().any(|source| source.module == [room, *name]);
            assert!(is_there, "{room}/{name} is in the table only");
        }
        for source in &tree.sources {
            for (file, (line, target)) in tree.dependencies(source) {
                if floor(target) > floor(source) && floor(source).is_some() {
                    let subject = format!("{} sees {file}", source.file);
                    offences
                        .push(Offence { detail: format!("{}:{line}: sees {file}", source.file), subject });
                }
            }
        }
    }
    assert_none("imports", "a room in a room sees only those before it", offences);
}

#[test]
fn no_two_files_see_each_other() {
    let tree = Tree::get();
    let edges: BTreeMap<&str, Vec<(&str, usize)>> = tree
        .sources
        .iter()
        .map(|source| {
            let seen = tree.dependencies(source).into_iter().map(|(file, (line, _))| (file, line));
            (source.file.as_str(), seen.collect())
        })
        .collect();
    let mut offences = Vec::new();
    for (at, circle) in circles(&edges).iter().enumerate() {
        for file in circle {
            let inside = edges[file].iter().filter(|(other, _)| circle.contains(other));
            let seen: Vec<_> = inside.map(|(other, line)| format!("{other} (line {line})")).collect();
            offences.push(Offence {
                subject: (*file).to_owned(),
                detail: format!("circle {}: {file} sees {}", at + 1, seen.join(", ")),
            });
        }
    }
    assert_none("circle", "move what both need into a file of its own", offences);
}

/// The sets of files that reach each other.
fn circles<'a>(edges: &BTreeMap<&'a str, Vec<(&'a str, usize)>>) -> BTreeSet<BTreeSet<&'a str>> {
    let reach = |from: &'a str| {
        let mut reached = BTreeSet::new();
        let mut next = vec![from];
        while let Some(file) = next.pop() {
            for (to, _) in edges.get(file).into_iter().flatten() {
                if reached.insert(*to) {
                    next.push(to);
                }
            }
        }
        reached
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> = edges.keys().map(|file| (*file, reach(file))).collect();
    let in_circles = edges.keys().filter(|file| reached[**file].contains(**file));
    let circle = |file: &&'a str| {
        let both = reached[*file]
            .iter()
            .filter(|other| reached.get(**other).is_some_and(|back| back.contains(*file)));
        both.copied().collect()
    };
    in_circles.map(circle).collect()
}

#[test]
fn no_verb_sees_another() {
    let tree = Tree::get();
    let verb = |source: &Source| match source.module.as_slice() {
        [commands, verb, ..] if commands == "commands" => Some(verb.clone()),
        _ => None,
    };
    let mut offences = Vec::new();
    for source in &tree.sources {
        let Some(own) = verb(source) else { continue };
        for (file, (line, target)) in tree.dependencies(source) {
            if verb(target).is_some_and(|other| other != own) {
                let subject = format!("{} sees {file}", source.file);
                offences.push(Offence { detail: format!("{}:{line}: sees {file}", source.file), subject });
            }
        }
    }
    assert_none("verbs", "what two verbs share belongs into a room below", offences);
}
