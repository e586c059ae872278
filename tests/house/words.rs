//! Plain English wherever a person reads: no word of the list in `rules.rs`.

use crate::exceptions::{Offence, assert_none};
use crate::rules::{BANNED, BANNED_IN_PRINT, Banned};
use crate::tree::{Tree, files, read};
use crate::{help, messages::Text};

/// The phrases of these lists that a text has, with what to say instead.
fn found<'a>(text: &str, lists: &'a [&'a [Banned]]) -> Vec<&'a Banned> {
    // Whatever is no letter only separates words; `` ` `` and `"` do too.
    let plain: String =
        text.to_lowercase().chars().map(|c| if c.is_whitespace() { ' ' } else { c }).collect();
    let has = |banned: &&Banned| {
        plain.match_indices(banned.phrase).any(|(at, _)| {
            let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            let (before, after) = (&plain[..at], &plain[at + banned.phrase.len()..]);
            let whole = !word(before.chars().next_back()) && !word(after.chars().next());
            // Who speaks about a word may name it.
            let quoted = before.ends_with('"') && after.starts_with('"');
            let excused = banned.but.iter().any(|fine| {
                let offset = fine.find(banned.phrase).unwrap();
                at.checked_sub(offset).is_some_and(|start| plain[start..].starts_with(fine))
            });
            whole && !quoted && !excused
        })
    };
    lists.iter().copied().flatten().filter(has).collect()
}

fn offences(file: &str, line: usize, text: &str, lists: &[&[Banned]]) -> Vec<Offence> {
    let offence = |banned: &Banned| Offence {
        subject: file.to_owned(),
        detail: format!("{file}:{line}: say \"{}\", not \"{}\": {}", banned.say, banned.phrase, text.trim()),
    };
    found(text, lists).into_iter().map(offence).collect()
}

#[test]
fn messages_are_in_plain_english() {
    let mut all = Vec::new();
    for source in &Tree::get().sources {
        for Text { text, line, .. } in &source.texts {
            all.extend(offences(&source.file, *line, text, &[&BANNED, &BANNED_IN_PRINT]));
        }
    }
    assert_none("messages", "words that people should not have to read", all);
}

#[test]
fn help_is_in_plain_english() {
    let mut all = Vec::new();
    for (name, text) in help::pages() {
        for (at, line) in text.lines().enumerate() {
            all.extend(offences(&name, at + 1, line, &[&BANNED, &BANNED_IN_PRINT]));
        }
    }
    assert_none("help", "words that people should not have to read", all);
}

#[test]
fn the_docs_are_in_plain_english() {
    let pages =
        files(".", ".md").into_iter().filter(|file| !file.contains("/.") && !file.starts_with("target"));
    let mut all = Vec::new();
    for file in pages {
        // What programs print is not the page's to word.
        let mut in_code = false;
        for (at, line) in read(&file).lines().enumerate() {
            in_code ^= line.trim_start().starts_with("```");
            if !in_code {
                all.extend(offences(&file, at + 1, line, &[&BANNED, &BANNED_IN_PRINT]));
            }
        }
    }
    assert_none("docs", "words that people should not have to read", all);
}

#[test]
fn comments_are_in_plain_english() {
    let sources = files("src", ".rs").into_iter().chain(files("tests", ".rs")).chain(files("scripts", ".sh"));
    let mut all = Vec::new();
    for file in sources.filter(|file| !file.starts_with("tests/house/")) {
        for (at, line) in read(&file).lines().enumerate() {
            let line = line.trim_start();
            if line.starts_with("//") || line.starts_with("# ") {
                all.extend(offences(&file, at + 1, line, &[&BANNED]));
            }
        }
    }
    assert_none("comments", "words that people should not have to read", all);
}
