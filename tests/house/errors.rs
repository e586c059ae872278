//! Every error and what to do about it, as `docs/errors.md`: written from the sources, so that the page is whole.

use crate::messages::Text;
use crate::tree::{Tree, repository};
use pgstow::error::Kind;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use syn::visit::{self, Visit};

/// Messages whose code depends on who raises them, or on what was being done, and their codes.
const ELSEWHERE: [(&str, &[u8]); 6] = [
    ("none of the identities can decrypt this backup", &[14]),
    ("the passphrase is wrong, or the key does not match this backup", &[14]),
    ("the backup is encrypted with a passphrase, and there is none", &[10, 14]),
    ("… failed (exit status …)", &[11, 18]),
    ("… was killed by signal …", &[11, 18]),
    ("cannot start …: …", &[10, 18]),
];
/// What the page says before its lists.
const HEAD: &str = "\
# Errors, and what to do

What pgstow prints after `error:`, by exit code, with its hints: nearly all of it, except what is put together from parts.
`…` is a name, a number or what another program said. What was being done may stand before a message.
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
            for code in codes(&source.file, &label, &message) {
                by_code.entry(code).or_default().entry(message.clone()).or_default().extend(hints.clone());
            }
        }
    }
    let mut page = HEAD.to_owned();
    for (code, messages) in by_code {
        let kind = Kind::ALL.into_iter().find(|kind| kind.exit_code() == code).unwrap();
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

/// The exit codes of an error, by how it is raised: `Error::usage(…)`, `Error::new(Kind::Usage, …)`, or a store's own. None
/// if its caller gives it one.
fn codes(file: &str, label: &str, message: &str) -> Vec<u8> {
    if let Some((_, codes)) = ELSEWHERE.iter().find(|(known, _)| *known == message) {
        return codes.to_vec();
    }
    if file.starts_with("src/store/") && label.starts_with(char::is_uppercase) {
        let kind = match label {
            "NotFound" => Kind::NotFound,
            "Changed" => Kind::Verify,
            _ => Kind::Store,
        };
        return vec![kind.exit_code()];
    }
    // A bug has no advice, and no line on the page.
    let is_it = |kind: &Kind| label.replace('_', "").eq_ignore_ascii_case(&format!("{kind:?}"));
    Kind::ALL
        .into_iter()
        .filter(|kind| *kind != Kind::Unexpected)
        .filter(is_it)
        .map(Kind::exit_code)
        .collect()
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
pub fn shown(text: &str) -> String {
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
