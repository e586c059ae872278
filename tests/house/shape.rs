//! How long things may be, and how a file begins.

use crate::exceptions::{Offence, assert_none};
use crate::rules::{CODE, FILE, FUNCTION, VERB};
use crate::tree::{Tree, files, read};

#[test]
fn no_function_is_longer_than_a_page() {
    let mut offences = Vec::new();
    for source in &Tree::get().sources {
        for function in source.functions.iter().filter(|function| function.lines > FUNCTION) {
            let (file, name) = (&source.file, &function.name);
            offences.push(Offence {
                subject: format!("{file} {name}"),
                detail: format!("{file}:{}: {name} has {} lines", function.line, function.lines),
            });
        }
    }
    assert_none("function", &format!("no function has more than {FUNCTION} lines"), offences);
}

#[test]
fn no_file_is_longer_than_three_pages_or_four() {
    let lengths = Tree::get().sources.iter().map(|source| (source.file.clone(), source.lines, CODE));
    let all = files("src", ".rs").into_iter().chain(files("tests", ".rs"));
    let lengths = lengths.chain(all.map(|file| (file.clone(), read(&file).lines().count(), FILE)));
    let long = lengths.filter(|(_, lines, most)| lines > most).map(|(file, lines, most)| Offence {
        detail: format!("{file} has {lines} lines, more than {most}"),
        subject: file,
    });
    assert_none("file", "a file holds one thing", long.collect());
}

#[test]
fn every_verb_is_one_page() {
    let verbs = Tree::get().sources.iter().filter(|source| source.file.starts_with("src/commands/"));
    let long = verbs.filter(|source| source.lines > VERB).map(|source| Offence {
        subject: source.file.clone(),
        detail: format!("{} has {} lines; a verb is settings, engine, answer", source.file, source.lines),
    });
    assert_none("verb", &format!("no verb has more than {VERB} lines"), long.collect());
}

#[test]
fn every_file_says_what_it_is_for() {
    let all = files("src", ".rs").into_iter().chain(files("tests", ".rs")).chain(files("benches", ".rs"));
    let silent = all
        .filter(|file| !read(file).starts_with("//!"))
        .map(|file| Offence { detail: format!("{file} does not open with its purpose"), subject: file });
    assert_none(
        "head",
        "every file opens with `//!`: what it is for, and what it refuses to do",
        silent.collect(),
    );
}
