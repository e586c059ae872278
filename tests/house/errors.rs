//! Every error and what to do about it, as `docs/errors.md`: written from the sources, so that the page is whole.

use crate::messages::Text;
use crate::tree::{Tree, repository};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use syn::visit::{self, Visit};

/// How an error is raised → its exit code. What is raised otherwise has the code that its caller gives it.
const CODES: [(&str, u8); 11] = [
    ("usage", 2),
    ("settings", 10),
    ("Settings", 10),
    ("postgres", 11),
    ("store", 12),
    ("not_found", 13),
    ("verify", 14),
    ("target_exists", 15),
    ("Locked", 16),
    ("local_file", 17),
    ("Prune", 19),
];
/// What the page says before its lists.
const HEAD: &str = "\
# Every error, and what to do

What pgstow prints after `error:`, by exit code, with its hints. `…` is a name, a number or what another program said.
For the usual cases see [troubleshooting.md](troubleshooting.md). Exit code 1 is a bug in pgstow: please report it with the
output of the same command and `-vv`.

This page is written from the sources by a test.
";

#[test]
fn the_page_of_errors_has_them_all() {
    let path = repository().join("docs/errors.md");
    let made = page();
    if std::env::var("INSTA_UPDATE").as_deref() == Ok("always") {
        return std::fs::write(path, made).unwrap();
    }
    let shown = std::fs::read_to_string(path).unwrap();
    for (line, (shown, made)) in shown.lines().zip(made.lines()).enumerate() {
        assert_eq!(shown, made, "docs/errors.md:{}; INSTA_UPDATE=always writes it anew", line + 1);
    }
    assert_eq!(shown.len(), made.len(), "INSTA_UPDATE=always writes docs/errors.md anew");
}

fn page() -> String {
    let mut by_code: BTreeMap<u8, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for source in &Tree::get().sources {
        for (label, message, hints) in errors(&source.texts) {
            let store = source.file.starts_with("src/store/") && label.chars().all(char::is_alphabetic);
            let known = CODES.iter().find(|(raised, _)| *raised == label).map(|(_, code)| *code);
            if let Some(code) = known.or(store.then_some(12)) {
                by_code.entry(code).or_default().entry(message).or_default().extend(hints);
            }
        }
    }
    let mut page = HEAD.to_owned();
    for (code, messages) in by_code {
        let kind = pgstow::error::Kind::ALL.into_iter().find(|kind| kind.exit_code() == code).unwrap();
        write!(page, "\n## {code}: {}\n\n", kind.meaning()).unwrap();
        for (message, hints) in messages {
            writeln!(page, "- **{message}**").unwrap();
            hints.iter().for_each(|hint| writeln!(page, "  - {hint}").unwrap());
        }
    }
    page.push_str(
        "\n## What PostgreSQL says\n\nMessages of the server and its programs are passed on as they are. \
         To these pgstow adds what to do:\n\n",
    );
    let words = table("src/postgres/failure/situation.rs");
    for row in table("src/postgres/failure/advice.rs") {
        let said = words.iter().filter(|other| other.situation == row.situation);
        let said: Vec<String> = said.map(|other| format!("**{}**", shown(&other.texts.join("…")))).collect();
        let said = if said.is_empty() { format!("({})", in_words(&row.situation)) } else { said.join(", ") };
        writeln!(page, "- {said}\n  - {}", shown(&row.texts[0])).unwrap();
    }
    page
}

/// The errors of a file, each with the hints that follow it.
fn errors(texts: &[Text]) -> Vec<(String, String, Vec<String>)> {
    let mut all: Vec<(String, String, Vec<String>)> = Vec::new();
    let mut open = false;
    for text in texts {
        if let Some(label) = text.label.strip_prefix("error ") {
            all.push((label.to_owned(), shown(&text.text), Vec::new()));
            open = true;
        } else if text.label == "hint" && open && text.text.trim().contains(' ') {
            all.last_mut().unwrap().2.push(shown(&text.text));
        } else {
            open = text.label == "hint" && open;
        }
    }
    all.retain(|(_, message, _)| message.matches(char::is_alphabetic).count() > 5);
    all
}

/// A text with its gaps as dots, safe in a page.
fn shown(text: &str) -> String {
    let mut parts = text.split('{');
    let mut shown = parts.next().unwrap().to_owned();
    for part in parts {
        shown.push('…');
        shown.push_str(part.split_once('}').map_or("", |(_, rest)| rest));
    }
    let line = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace('<', "&lt;").replace('*', "\\*").trim_matches([':', ';', ' ']).to_owned()
}

/// `PasswordWrong` → `password wrong`.
fn in_words(name: &str) -> String {
    let spaced = name.char_indices().map(|(at, c)| match c.is_uppercase() && at > 0 {
        true => format!(" {}", c.to_lowercase()),
        false => c.to_lowercase().to_string(),
    });
    spaced.collect()
}

/// A row of one of the tables about PostgreSQL's messages.
struct Row {
    situation: String,
    texts: Vec<String>,
}

/// The rows of the constant TABLE in a file, of the one for everything, and of the one for restores: each has texts and a situation.
fn table(file: &str) -> Vec<Row> {
    struct Finder(Row);
    impl<'ast> Visit<'ast> for Finder {
        fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
            self.0.texts.push(text.value());
        }
        fn visit_path(&mut self, path: &'ast syn::Path) {
            // `S::ConstraintViolated(Constraint::ForeignKey)` is named by its last part.
            self.0.situation = path.segments.last().unwrap().ident.to_string();
        }
    }
    struct Rows(Vec<Row>);
    impl<'ast> Visit<'ast> for Rows {
        fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
            if ["TABLE", "ANYWHERE", "AFTER_PG_RESTORE"].iter().any(|name| item.ident == name) {
                visit::visit_expr(self, &item.expr);
            }
        }
        fn visit_expr_tuple(&mut self, tuple: &'ast syn::ExprTuple) {
            let mut row = Finder(Row { situation: String::new(), texts: Vec::new() });
            visit::visit_expr_tuple(&mut row, tuple);
            self.0.push(row.0);
        }
    }
    let source = Tree::get().sources.iter().find(|source| source.file == file).unwrap();
    let mut rows = Rows(Vec::new());
    rows.visit_file(&syn::parse_file(&source.text).unwrap());
    assert!(rows.0.len() > 20, "{file}");
    rows.0
}
