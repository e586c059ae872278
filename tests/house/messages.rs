//! Every word the program can say, on a few pages: `tests/snapshots/messages.snap`.
//!
//! What is printed is written down as text in the sources; all of it is collected, in its order: messages,
//! hints, warnings and notes by the call they are given to, and whatever else reads like a sentence.

use crate::errors::shown;
use crate::tree::Tree;
use clap::error::ErrorKind;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Expr, Token};

/// A text in the sources that people may read.
pub struct Text {
    /// What it is: `error verify`, `hint`, `warning`, `note`, `text`.
    pub label: String,
    pub text: String,
    pub line: usize,
}

/// Methods whose arguments are printed, and what they are called in the snapshot.
const METHODS: [(&str, &str); 6] = [
    ("hint", "hint"),
    ("context", "doing"),
    ("and", "and"),
    ("because", "because"),
    ("say", "note"),
    ("ask", "question"),
];
/// Events, and what they are called in the snapshot.
const EVENTS: [(&str, &str); 5] =
    [("error", "error"), ("warn", "warning"), ("info", "note"), ("debug", "debug"), ("trace", "debug")];
/// Texts with one of these words are SQL, which only a server reads.
const SQL: [&str; 22] = [
    "SELECT", "FROM", "WHERE", "JOIN", "CREATE", "ALTER", "DROP", "GRANT", "REVOKE", "INSERT", "SET",
    "COMMENT", "BEGIN", "COMMIT", "LOCK", "ANALYZE", "COPY", "ORDER", "DO", "CASE", "OWNER", "NULL",
];

pub fn texts(tree: &syn::File) -> Vec<Text> {
    let mut finder = Finder { found: Vec::new(), calls: vec!["text".to_owned()], named: BTreeMap::new() };
    finder.visit_file(tree);
    finder.found
}

struct Finder {
    found: Vec<Text>,
    /// The calls around the place that is looked at, the innermost last.
    calls: Vec<String>,
    /// Variables, and which of the texts found are in what they are.
    named: BTreeMap<String, Range<usize>>,
}

impl Finder {
    fn within(&mut self, call: String, look: impl FnOnce(&mut Self)) {
        self.calls.push(call);
        look(self);
        self.calls.pop();
    }
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_local(&mut self, local: &'ast syn::Local) {
        let before = self.found.len();
        visit::visit_local(self, local);
        if let syn::Pat::Ident(name) = &local.pat {
            self.named.insert(name.ident.to_string(), before..self.found.len());
        }
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        match error_label(call) {
            Some(label) => {
                self.relabel(call.args.last(), &label);
                self.within(label, |finder| visit::visit_expr_call(finder, call));
            }
            None => visit::visit_expr_call(self, call),
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.visit_expr(&call.receiver);
        let name = call.method.to_string();
        let label = METHODS.iter().find(|(method, _)| *method == name).map(|(_, label)| (*label).to_owned());
        let arguments = |finder: &mut Self| call.args.iter().for_each(|argument| finder.visit_expr(argument));
        match label {
            Some(label) => self.within(label, arguments),
            None => arguments(self),
        }
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let name = call.path.segments.last().unwrap().ident.to_string();
        let event = EVENTS.iter().find(|(event, _)| *event == name).map(|(_, label)| (*label).to_owned());
        let label = event.unwrap_or_else(|| self.calls.last().unwrap().clone());
        self.within(label, |finder| {
            match call.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated) {
                Ok(arguments) => {
                    // Borrowed for less than the file: a visitor of its own.
                    for argument in &arguments {
                        let calls = finder.calls.clone();
                        let mut inner = Finder { found: Vec::new(), calls, named: BTreeMap::new() };
                        inner.visit_expr(argument);
                        finder.found.append(&mut inner.found);
                    }
                }
                Err(_) => finder.scan(call.tokens.clone()),
            }
        });
    }

    fn visit_lit_str(&mut self, literal: &'ast syn::LitStr) {
        let (label, text) = (self.calls.last().unwrap().clone(), literal.value());
        let said = label != "text" && text.contains(char::is_alphabetic);
        let is_sql = text.split(|c: char| !c.is_alphabetic()).any(|word| SQL.contains(&word));
        let is_sentence = text.trim().contains(' ') && text.contains(char::is_lowercase) && !is_sql;
        if said || is_sentence {
            self.found.push(Text { label, text, line: literal.span().start().line });
        }
    }
}

impl Finder {
    /// Makes the texts of a variable an error's message.
    fn relabel(&mut self, message: Option<&Expr>, label: &str) {
        let Some(Expr::Path(path)) = message else { return };
        let Some(texts) = path.path.get_ident().and_then(|name| self.named.get(&name.to_string())) else {
            return;
        };
        let texts = self.found.get_mut(texts.clone()).into_iter().flatten();
        texts.filter(|text| text.label == "text").for_each(|text| text.label = label.to_owned());
    }

    /// Looks for texts in what does not parse as arguments.
    fn scan(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                // `#[doc = "…"]` and its like.
                TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {}
                TokenTree::Group(group) => self.scan(group.stream()),
                other => {
                    if let Ok(literal) = syn::parse2::<syn::LitStr>(other.into()) {
                        self.visit_lit_str(&literal);
                    }
                }
            }
        }
    }
}

/// `error verify` for `Error::verify(…)`, `error Denied` for `StoreError::new(Situation::Denied, …)`.
fn error_label(call: &syn::ExprCall) -> Option<String> {
    let Expr::Path(function) = &*call.func else { return None };
    let mut segments = function.path.segments.iter().rev().map(|segment| segment.ident.to_string());
    let (name, of) = (segments.next()?, segments.next());
    // `new(Situation::Denied, …)` of a store.
    let is_short = of.is_none() && name == "new" && is_situation(call.args.first()?);
    if !(is_short || of.is_some_and(|of| of.ends_with("Error"))) || name == "from" {
        return None;
    }
    if name != "new" {
        return Some(format!("error {name}"));
    }
    let kind = match call.args.first()? {
        Expr::Path(kind) => kind.path.segments.last()?.ident.to_string(),
        _ => "?".to_owned(),
    };
    Some(format!("error {kind}"))
}

/// Whoever types what a message names must not hear of a usage error.
#[test]
fn command_lines_in_messages_can_be_typed() {
    for source in &Tree::get().sources {
        for text in &source.texts {
            for line in text.text.split('`').skip(1).step_by(2).filter(|line| line.starts_with("pgstow ")) {
                let words = shown(line).replace('…', "x");
                let words = pgstow::cli::command().try_get_matches_from(words.split(' '));
                // A message may leave out what is needed besides.
                let refused = words.err().map(|error| error.kind());
                let is_fine = matches!(refused, None | Some(ErrorKind::MissingRequiredArgument));
                assert!(is_fine, "{}:{}: `{line}` is refused: {refused:?}", source.file, text.line);
            }
        }
    }
}

fn is_situation(argument: &Expr) -> bool {
    let Expr::Path(path) = argument else { return false };
    path.path.segments.first().is_some_and(|first| first.ident == "Situation")
}

#[test]
fn words_change_only_on_purpose() {
    let mut page = String::new();
    for source in Tree::get().sources.iter().filter(|source| !source.texts.is_empty()) {
        writeln!(page, "\n{}", source.file).unwrap();
        for Text { label, text, .. } in &source.texts {
            writeln!(page, "  {label:<16} {}", text.replace('\n', "\\n")).unwrap();
        }
    }
    crate::snapshots::assert_matches("", "messages", page.trim_start_matches('\n'));
}
