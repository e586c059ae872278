//! Public items that nobody names: the compiler does not look for them in a library.
//!
//! By name, not by type: an item whose name others have too passes although nobody uses it.

use crate::exceptions::{Offence, assert_none};
use crate::items::{Item, ItemKind};
use crate::rules::NAMED_ELSEWHERE;
use crate::tree::{Source, Token, Tree, files, read, tokens};
use std::collections::{BTreeMap, BTreeSet};

/// How a name is used, with what stands before it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    /// By itself, or as the beginning of a path.
    Bare,
    /// `.name`, called.
    Call,
    /// `.name`, read.
    Read,
    /// `Of::name`.
    Of(String),
}

/// All uses of every name in some files: how, in which file, in which line.
#[derive(Default)]
struct Uses(BTreeMap<String, BTreeSet<(Use, String, usize)>>);

impl Uses {
    /// Adds what the tokens of a file use.
    fn add(&mut self, file: &str, tokens: &[Token]) {
        let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
        let mut in_header = false;
        for (at, token) in tokens.iter().enumerate() {
            match token.text.as_str() {
                "impl" => in_header = true,
                "{" => in_header = false,
                _ => {}
            }
            let before = at.checked_sub(1).map_or("", text);
            let defines = ["fn", "struct", "enum", "trait", "type", "const", "static", "mod", "union"];
            if token.in_use || defines.contains(&before) || !crate::tree::is_word(&token.text) {
                continue;
            }
            let path = before == ":" && at >= 2 && text(at - 2) == ":";
            let how = match before {
                "." if text(at + 1) == "(" || text(at + 1) == ":" && text(at + 2) == ":" => Use::Call,
                "." => Use::Read,
                _ if path => Use::Of(at.checked_sub(3).map_or("", text).to_owned()),
                // The type whose methods follow is not used by having them.
                _ if in_header => continue,
                _ => Use::Bare,
            };
            self.0.entry(token.text.clone()).or_default().insert((how, file.to_owned(), token.line));
        }
    }

    fn name(&self, source: &Source, item: &Item) -> bool {
        let Some(uses) = self.0.get(&item.name) else { return false };
        let own = |of: &str| item.of.as_deref() == Some(of);
        uses.iter().any(|(how, file, line)| {
            let elsewhere = *file != source.file || *line != item.line;
            let on_type = matches!(how, Use::Of(of) if own(of) || of == "Self" && *file == source.file);
            match item.kind {
                ItemKind::Free => matches!(how, Use::Bare | Use::Of(_)),
                ItemKind::Method { has_self: true } => *how == Use::Call || on_type,
                ItemKind::Method { has_self: false } | ItemKind::Constant => on_type,
                // A macro may get it without its enum.
                ItemKind::Variant => matches!(how, Use::Of(_)) || *how == Use::Bare && elsewhere,
                ItemKind::Field => *how == Use::Read,
            }
        })
    }
}

#[test]
fn somebody_names_every_public_item() {
    let tree = Tree::get();
    let mut uses = Uses::default();
    tree.sources.iter().for_each(|source| uses.add(&source.file, &source.tokens));
    // The fuzzer takes modules of the tests by their paths.
    let by_path = read("fuzz/src/lib.rs");
    let by_path = by_path.split("\"../../").skip(1).filter_map(|rest| rest.split_once('"'));
    let by_path = by_path.map(|(file, _)| file.to_owned()).filter(|file| tree.for_tests.contains(file));
    for file in files("benches", ".rs").into_iter().chain(files("fuzz", ".rs")).chain(by_path) {
        uses.add(&file, &tokens(&read(&file), &[]));
    }
    let mut offences = Vec::new();
    for source in &tree.sources {
        for item in source.items.iter().filter(|item| !uses.name(source, item)) {
            if item.kind == ItemKind::Field
                && tree.sources.iter().any(|other| other.taken.contains(&item.name))
            {
                continue;
            }
            let name = item.of.iter().chain([&item.name]).map(String::as_str).collect::<Vec<_>>().join("::");
            if NAMED_ELSEWHERE.iter().any(|(allowed, _)| *allowed == name) {
                continue;
            }
            let (file, line) = (&source.file, item.line);
            offences.push(Offence {
                subject: format!("{file} {name}"),
                detail: format!("{file}:{line}: nobody names {name}"),
            });
        }
    }
    assert_none(
        "named",
        "a public item that nobody names is dead, or for the tests: then make it theirs",
        offences,
    );
}
