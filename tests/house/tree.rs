//! The sources, read once: every file that `mod` declarations reach, without its test modules.
//!
//! Only modules marked `#[cfg(test)]` are left out; whatever else stands in a file, before them or after, is read.

use crate::items::{Function, Item};
use crate::messages::Text;
use crate::{items, messages};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, ItemMod, Meta, UseTree, Visibility};

/// One file of `src/`.
pub struct Source {
    /// Its path from the repository's folder.
    pub file: String,
    /// Its module's path: `["archive", "toc"]`; empty for `lib.rs` and `main.rs`.
    pub module: Vec<String>,
    /// The text as it is.
    pub text: String,
    /// How many lines are left without the test modules.
    pub lines: usize,
    /// Its words and signs, comments left out, brackets opened.
    pub tokens: Vec<Token>,
    pub functions: Vec<Function>,
    pub items: Vec<Item>,
    /// The fields that its patterns take out of structs.
    pub taken: BTreeSet<String>,
    pub texts: Vec<Text>,
    imports: Vec<Import>,
    /// The modules it declares, without test modules.
    children: BTreeSet<String>,
    /// The names that come from elsewhere in this crate, and what each stands for.
    names: BTreeMap<String, Vec<String>>,
}

/// A word or a sign.
pub struct Token {
    pub text: String,
    pub line: usize,
    /// Whether it stands in a `use` declaration.
    pub in_use: bool,
}

/// One name that a `use` brings in.
struct Import {
    path: Vec<String>,
    name: String,
    public: bool,
    line: usize,
}

/// Every source of the crate.
pub struct Tree {
    pub sources: Vec<Source>,
    /// The files that hold test modules only.
    pub for_tests: BTreeSet<String>,
    by_module: BTreeMap<Vec<String>, usize>,
}

/// The repository's folder.
pub fn repository() -> PathBuf {
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap())
}

/// The files below a folder of the repository whose names end so, sorted.
pub fn files(folder: &str, end: &str) -> Vec<String> {
    fn collect(folder: &Path, end: &str, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // What cargo builds is not ours.
            if path.is_dir() && !path.join("CACHEDIR.TAG").exists() {
                collect(&path, end, found);
            } else if path.to_str().unwrap().ends_with(end) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    collect(&repository().join(folder), end, &mut found);
    found.sort();
    let below = |path: &PathBuf| path.strip_prefix(repository()).unwrap().to_str().unwrap().to_owned();
    found.iter().map(below).collect()
}

/// A file of the repository.
pub fn read(file: &str) -> String {
    fs::read_to_string(repository().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

impl Tree {
    pub fn get() -> &'static Tree {
        static TREE: OnceLock<Tree> = OnceLock::new();
        TREE.get_or_init(Tree::read)
    }

    fn read() -> Tree {
        let mut tree = Tree { sources: Vec::new(), for_tests: BTreeSet::new(), by_module: BTreeMap::new() };
        tree.add("src/main.rs".to_owned(), vec![]);
        tree.add("src/lib.rs".to_owned(), vec![]);
        for at in 0..tree.sources.len() {
            let source = &tree.sources[at];
            let absolute = |import: &Import| Some((import.name.clone(), source.absolute(&import.path)?));
            tree.sources[at].names = source.imports.iter().filter_map(absolute).collect();
        }
        tree.sources.sort_by(|one, other| one.file.cmp(&other.file));
        for (at, source) in tree.sources.iter().enumerate().filter(|(_, source)| source.file != "src/main.rs")
        {
            tree.by_module.insert(source.module.clone(), at);
        }
        tree
    }

    /// Reads a file and the modules it declares.
    fn add(&mut self, file: String, module: Vec<String>) {
        let source = Source::read(file, module);
        let whole = syn::parse_file(&source.text).unwrap();
        self.sources.push(source);
        let source = self.sources.last().unwrap();
        let (mut wanted, mut for_tests) = (Vec::new(), Vec::new());
        for module in declared(&whole) {
            let name = module.ident.to_string();
            if source.children.contains(&name) {
                wanted.push((child_file(&source.file, &name), source.below(&name)));
            } else {
                for_tests.push(child_file(&source.file, &name));
            }
        }
        wanted.into_iter().for_each(|(file, module)| self.add(file, module));
        for_tests.into_iter().for_each(|file| self.add_for_tests(file));
    }

    fn add_for_tests(&mut self, file: String) {
        let tree = syn::parse_file(&read(&file)).unwrap();
        declared(&tree).for_each(|module| self.add_for_tests(child_file(&file, &module.ident.to_string())));
        self.for_tests.insert(file);
    }

    /// The file that has what a path from the crate's root names; and whether the path names that whole file.
    ///
    /// Follows re-exports: who names `postgres::Client` depends on the file that has it, not on `postgres/mod.rs`.
    pub fn resolve(&self, path: &[String]) -> (&Source, bool) {
        let mut path = path.to_vec();
        'follow: for _ in 0..20 {
            let mut at = &self.sources[self.by_module[&vec![]]];
            for (index, segment) in path.iter().enumerate() {
                if at.children.contains(segment) {
                    at = &self.sources[self.by_module[&at.below(segment)]];
                } else if let Some(target) = at.names.get(segment) {
                    path = target.iter().chain(&path[index + 1..]).cloned().collect();
                    continue 'follow;
                } else {
                    return (at, false);
                }
            }
            return (at, true);
        }
        panic!("a circle of re-exports: {path:?}");
    }

    /// The files that a file depends on, each with the first line that says so.
    ///
    /// `mod x;` and passing a name on (`pub use`, or `use` for child modules) are no dependency; using it is.
    pub fn dependencies<'a>(&'a self, source: &'a Source) -> BTreeMap<&'a str, (usize, &'a Source)> {
        let passed_on =
            |import: &&Import| import.public || !source.children.is_empty() && !source.names_itself(import);
        let imported = source.imports.iter().filter(|import| !passed_on(import));
        let imported = imported.filter_map(|import| Some((source.absolute(&import.path)?, import.line)));
        let named =
            source.paths().into_iter().filter_map(|(path, line)| Some((source.absolute(&path)?, line)));
        let mut found = BTreeMap::new();
        for (path, line) in imported.chain(named) {
            let (target, whole) = self.resolve(&path);
            // What a module is imported for is named where it is used.
            if !whole && target.file != source.file {
                let first = found.entry(target.file.as_str()).or_insert((line, target));
                first.0 = first.0.min(line);
            }
        }
        found
    }
}

impl Source {
    fn read(file: String, module: Vec<String>) -> Source {
        let text = read(&file);
        let whole = syn::parse_file(&text).unwrap_or_else(|e| panic!("{file}: {e}"));
        let mut tests = TestModules(Vec::new());
        tests.visit_file(&whole);
        let code = blank(&text, &tests.0);
        let tree = syn::parse_file(&code).unwrap();
        let mut uses = Uses::default();
        uses.visit_file(&tree);
        let tokens = tokens(&code, &uses.places);
        let in_tests: usize = tests.0.iter().map(|place| text[place.clone()].lines().count()).sum();
        Source {
            module,
            lines: text.lines().count() - in_tests,
            tokens,
            functions: items::functions(&tree),
            items: items::public(&tree),
            taken: items::taken(&tree),
            texts: messages::texts(&tree),
            imports: uses.imports,
            children: declared(&tree).map(|module| module.ident.to_string()).collect(),
            names: BTreeMap::new(),
            file,
            text,
        }
    }

    /// The room it is in: the first folder or file below `src/`.
    pub fn room(&self) -> &str {
        self.file.trim_start_matches("src/").split(['/', '.']).next().unwrap()
    }

    /// Whether the file itself uses what it imports; a module may import it for its children alone.
    fn names_itself(&self, import: &Import) -> bool {
        let own = self.absolute(&import.path).is_some_and(|path| path.starts_with(&self.module));
        !own || self.paths().iter().any(|(path, _)| path[0] == import.name)
    }

    fn below(&self, child: &str) -> Vec<String> {
        self.module.iter().cloned().chain([child.to_owned()]).collect()
    }

    /// A path as it stands in this file, from the crate's root; `None` if it leads out of the crate.
    fn absolute(&self, path: &[String]) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        let mut segments = match first.as_str() {
            "crate" => vec![],
            // The program is a crate of its own.
            "pgstow" if self.file == "src/main.rs" => vec![],
            "self" => self.module.clone(),
            "super" => self.module.split_last()?.1.to_vec(),
            name => match self.names.get(name) {
                Some(path) => path.clone(),
                None if self.children.contains(name) => self.below(name),
                None => return None,
            },
        };
        for segment in rest {
            match segment.as_str() {
                "super" => drop(segments.pop()?),
                "self" => {}
                other => segments.push(other.to_owned()),
            }
        }
        Some(segments)
    }

    /// Every path outside `use`, macros and attributes included, as it stands, with its line.
    pub fn paths(&self) -> Vec<(Vec<String>, usize)> {
        let word = |at: usize| self.tokens.get(at).filter(|token| is_word(&token.text));
        let colon = |at: usize| self.tokens.get(at).is_some_and(|token| token.text == ":");
        let mut found = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            let Some(first) = word(at).filter(|first| !first.in_use) else {
                at += 1;
                continue;
            };
            let before = at.checked_sub(1).map_or("", |before| self.tokens[before].text.as_str());
            let mut path = vec![first.text.clone()];
            while let Some(next) = word(at + 3).filter(|_| colon(at + 1) && colon(at + 2)) {
                path.push(next.text.clone());
                at += 3;
            }
            at += 1;
            // `pub(super)` says who may look in, not where this file looks; `.name` and `mod name;` are no paths.
            let visibility = path.len() == 1 && matches!(path[0].as_str(), "crate" | "super" | "self");
            if !visibility && before != "." && before != "mod" {
                found.push((path, first.line));
            }
        }
        found
    }
}

pub fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The file of a module that another file declares.
fn child_file(parent: &str, name: &str) -> String {
    let stem = parent.trim_end_matches(".rs");
    let folder = match stem.rsplit_once('/').unwrap() {
        (folder, "mod" | "lib" | "main") => folder,
        _ => stem,
    };
    let alone = format!("{folder}/{name}.rs");
    if repository().join(&alone).exists() { alone } else { format!("{folder}/{name}/mod.rs") }
}

fn declared(tree: &syn::File) -> impl Iterator<Item = &ItemMod> {
    tree.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.content.is_none() => Some(module),
        _ => None,
    })
}

/// What the `use` declarations of a file bring in, those inside functions included, and where they stand.
#[derive(Default)]
struct Uses {
    imports: Vec<Import>,
    places: Vec<Range<usize>>,
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let public = !matches!(item.vis, Visibility::Inherited);
        let line = item.span().start().line;
        self.places.push(item.span().byte_range());
        self.add(&item.tree, &[], &|path: Vec<String>, name: String| Import { path, name, public, line });
    }
}

impl Uses {
    fn add(&mut self, tree: &UseTree, before: &[String], import: &dyn Fn(Vec<String>, String) -> Import) {
        let with = |name: &syn::Ident| before.iter().cloned().chain([name.to_string()]).collect::<Vec<_>>();
        let own = |path: Vec<String>| {
            let name = path.last().cloned().unwrap_or_default();
            import(path, name)
        };
        match tree {
            UseTree::Path(path) => self.add(&path.tree, &with(&path.ident), import),
            UseTree::Name(name) if name.ident == "self" => self.imports.push(own(before.to_vec())),
            UseTree::Name(name) => self.imports.push(own(with(&name.ident))),
            UseTree::Rename(name) => self.imports.push(import(with(&name.ident), name.rename.to_string())),
            UseTree::Glob(_) => self.imports.push(import(before.to_vec(), "*".to_owned())),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add(tree, before, import)),
        }
    }
}

/// The words and signs of a text with these `use` declarations.
pub fn tokens(text: &str, uses: &[Range<usize>]) -> Vec<Token> {
    let mut all = Vec::new();
    flatten(text.parse().unwrap(), uses, &mut all);
    all
}

/// Opens the brackets of a stream.
fn flatten(stream: TokenStream, uses: &[Range<usize>], all: &mut Vec<Token>) {
    for token in stream {
        let span = token.span();
        let (line, start) = (span.start().line, span.byte_range().start);
        let in_use = uses.iter().any(|range| range.contains(&start));
        let mut add = |text: &str, line| all.push(Token { text: text.to_owned(), line, in_use });
        let TokenTree::Group(group) = token else {
            add(&token.to_string(), line);
            continue;
        };
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Brace => ("{", "}"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
        };
        add(open, line);
        flatten(group.stream(), uses, all);
        all.push(Token { text: close.to_owned(), line: group.span_close().start().line, in_use });
    }
}

/// Where the test modules of a file stand.
struct TestModules(Vec<Range<usize>>);

impl<'ast> Visit<'ast> for TestModules {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if module.attrs.iter().any(is_for_tests) {
            self.0.push(module.span().byte_range());
        } else {
            visit::visit_item_mod(self, module);
        }
    }
}

fn is_for_tests(attribute: &Attribute) -> bool {
    matches!(&attribute.meta, Meta::List(list) if list.path.is_ident("cfg") && list.tokens.to_string() == "test")
}

/// Blanks parts of a text out, and keeps its lines.
fn blank(text: &str, parts: &[Range<usize>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for byte in parts.iter().cloned().flatten() {
        if bytes[byte] != b'\n' {
            bytes[byte] = b' ';
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn every_source_file_is_declared_by_a_module() {
    let tree = Tree::get();
    let declared = |file: &String| {
        tree.for_tests.contains(file) || tree.sources.iter().any(|source| source.file == *file)
    };
    let lost: Vec<_> = files("src", ".rs").into_iter().filter(|file| !declared(file)).collect();
    assert!(lost.is_empty(), "no module declares {lost:?}");
}
