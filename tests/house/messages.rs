//! Every word the program can say, on a few pages: `tests/snapshots/messages.snap`.
//!
//! What is printed is written down as text in the sources; all of it is collected, in its order: messages,
//! hints, warnings and notes by the call they are given to, and whatever else reads like a sentence.

use crate::tree::Tree;
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::fmt::Write;
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
    let mut finder = Finder { found: Vec::new(), calls: vec!["text".to_owned()] };
    finder.visit_file(tree);
    finder.found
}

struct Finder {
    found: Vec<Text>,
    /// The calls around the place that is looked at, the innermost last.
    calls: Vec<String>,
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

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        match error_label(call) {
            Some(label) => self.within(label, |finder| visit::visit_expr_call(finder, call)),
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
                        let mut inner = Finder { found: Vec::new(), calls: finder.calls.clone() };
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
    let (name, of) = (segments.next()?, segments.next()?);
    if !of.ends_with("Error") || name == "from" {
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
