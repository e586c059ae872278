//! What is read while rows come: what the functions that compute or check their values depend on, and what the names in
//! their texts may stand for.

use std::collections::{HashMap, HashSet};

use super::names::{Name, function_name, named};
use super::places::Places;
use super::select::RELATIONS;
use crate::archive::format::entry::TocEntry;
use crate::archive::format::toc::Toc;
use crate::sql::{EntryKind, Word, words};

/// What is read while rows come.
#[derive(Default)]
pub(super) struct Reads {
    /// The rows, by their places.
    pub rows: Places,
    /// Whether it may be any others, as a statement is put together at that time.
    pub anything: bool,
    /// Whether it is for a generated column, and more than rows of extensions.
    pub generated: bool,
}

impl Reads {
    fn add(&mut self, others: &Self) {
        self.rows.add(&others.rows);
        self.anything |= others.anything;
    }
}

/// What may be read or called.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Node {
    /// The entry with this dump id.
    Entry(i32),
    /// All that this one of the names may stand for.
    Name(usize),
}

/// How far it is known what is read through something.
#[derive(Clone, Copy)]
enum State {
    /// It is being looked at, as this one of those that are.
    Open(usize),
    /// It is this one of what is found; those that reach each other read the same.
    Found(usize),
}

/// What a table of contents says of what is read.
pub(super) struct Reading<'t> {
    by_id: HashMap<i32, &'t TocEntry>,
    made_by: HashMap<i32, i32>,
    /// The numbers of names in small letters, alone and with the schema and a dot before them.
    names: HashMap<Vec<u8>, usize>,
    /// For each of them: relations, functions, and rows of tables that an extension defines.
    meanings: Vec<Vec<i32>>,
    /// A table's partitions, and the tables that inherit from it.
    below: HashMap<i32, Vec<i32>>,
    /// All entries with rows.
    rows: Vec<&'t TocEntry>,
    /// The places among them of a table's.
    rows_of: HashMap<i32, Places>,
    of_extensions: Places,
    states: HashMap<Node, State>,
    found: Vec<Reads>,
}

impl<'t> Reading<'t> {
    pub fn of(toc: &'t Toc) -> Self {
        let by_id = toc.entries().iter().map(|entry| (entry.dump_id(), entry)).collect();
        let is_rows = |entry: &&TocEntry| entry.kind() == EntryKind::TableData;
        let rows: Vec<_> = toc.with_data().filter(is_rows).collect();
        let (names, meanings, below, rows_of, of_extensions) = Default::default();
        let (states, found) = Default::default();
        let made_by = toc.made_by();
        let mut reading =
            Self { by_id, made_by, names, meanings, below, rows, rows_of, of_extensions, states, found };
        for entry in toc.entries() {
            reading.add(entry);
        }
        for (place, rows) in reading.rows.clone().into_iter().enumerate() {
            let mut tables: Vec<i32> = reading.tables(rows).collect();
            if tables.is_empty() {
                reading.add_name(rows, rows.identity().2);
                reading.of_extensions.insert(place);
                // They stand for themselves.
                tables.push(rows.dump_id());
            }
            tables.into_iter().for_each(|id| reading.rows_of.entry(id).or_default().insert(place));
        }
        reading
    }

    fn add(&mut self, entry: &TocEntry) {
        let (id, (_, schema, name)) = (entry.dump_id(), entry.identity());
        let tables: Vec<i32> = self.tables(entry).collect();
        match entry.kind() {
            EntryKind::TableAttach => {
                let is_child = |id: &&i32| {
                    let identity = self.by_id.get(id).map(|table| table.identity());
                    identity.is_some_and(|(_, its_schema, its_name)| (its_schema, its_name) == (schema, name))
                };
                if let Some(child) = tables.iter().find(is_child).copied() {
                    let parents = tables.into_iter().filter(|table| *table != child);
                    parents.for_each(|parent| self.below.entry(parent).or_default().push(child));
                }
            }
            EntryKind::Function | EntryKind::Procedure => self.add_name(entry, function_name(entry)),
            kind if RELATIONS.contains(&kind) => {
                self.add_name(entry, name);
                tables.into_iter().for_each(|parent| self.below.entry(parent).or_default().push(id));
            }
            _ => {}
        }
    }

    fn add_name(&mut self, entry: &TocEntry, name: &[u8]) {
        let (_, schema, _) = entry.identity();
        let name = Name::new(Some(schema), name);
        for key in [name.qualified, Some(name.alone)].into_iter().flatten() {
            let number = *self.names.entry(key).or_insert(self.meanings.len());
            if number == self.meanings.len() {
                self.meanings.push(Vec::new());
            }
            self.meanings.get_mut(number).into_iter().for_each(|of| of.push(entry.dump_id()));
        }
    }

    /// All entries with rows, in the archive's order.
    pub fn rows(&self) -> &[&'t TocEntry] {
        &self.rows
    }

    fn kind(&self, id: i32) -> Option<EntryKind> {
        self.by_id.get(&id).map(|entry| entry.kind())
    }

    /// The tables that an entry depends on.
    fn tables(&self, entry: &TocEntry) -> impl Iterator<Item = i32> {
        entry.dependencies().filter(|id| self.kind(*id) == Some(EntryKind::Table))
    }

    fn is_partitioned(&self, table: i32) -> bool {
        self.by_id.get(&table).is_some_and(|table| !table.partition_key().is_empty())
    }

    /// What is read while the rows at this place come; `None` if it is nothing but themselves.
    pub fn reads(&mut self, place: usize) -> Option<Reads> {
        let tables: Vec<i32> = self.tables(self.rows.get(place)?).collect();
        let (mut called, mut of_extensions, mut generated) = (Vec::new(), false, false);
        for table in tables {
            let calls = self.called_by(table);
            called.extend(calls.called);
            of_extensions |= calls.of_extensions;
            generated |= calls.generated;
        }
        let mut reads = self.reached(called);
        // Nobody knows which functions of an extension are called, nor what they read.
        if of_extensions {
            reads.rows.add(&self.of_extensions);
        }
        reads.rows.remove(place);
        // An extension brings its own rows, and few of its functions read the user's.
        reads.generated = generated && (reads.anything || !reads.rows.is_in(&self.of_extensions));
        (reads.anything || !reads.rows.is_empty()).then_some(reads)
    }

    /// The functions and operators that compute or check a table's values.
    fn called_by(&self, table: i32) -> Calls {
        let (mut calls, mut seen, mut next) = (Calls::default(), HashSet::new(), vec![table]);
        while let Some(id) = next.pop() {
            let Some(entry) = self.by_id.get(&id).filter(|_| seen.insert(id)) else { continue };
            let text = computing(entry);
            calls.generated |= memchr::memmem::find(&text, b"GENERATED").is_some();
            for id in entry.dependencies() {
                match self.kind(id) {
                    Some(EntryKind::Domain | EntryKind::Type) => next.push(id),
                    Some(EntryKind::Table) if entry.inherits() || self.is_partitioned(id) => next.push(id),
                    Some(EntryKind::Function) if self.is_in(id, &text) => calls.called.push(Node::Entry(id)),
                    Some(EntryKind::Operator | EntryKind::Cast) if !text.is_empty() => {
                        calls.called.push(Node::Entry(id));
                    }
                    Some(EntryKind::Extension) => calls.of_extensions |= !text.is_empty(),
                    _ => {}
                }
            }
        }
        calls
    }

    /// Whether a function's name is in a text.
    fn is_in(&self, function: i32, text: &[u8]) -> bool {
        let name = self.by_id.get(&function).map(|entry| function_name(entry)).unwrap_or_default();
        !text.is_empty() && memchr::memmem::find(text, name).is_some()
    }

    /// All that is read through these. What is found on the way is looked for once, however many lead there.
    fn reached(&mut self, from: Vec<Node>) -> Reads {
        // Tarjan's algorithm as Gabow wrote it: `groups` has where those begin in `open` that may reach each other.
        let (mut open, mut groups) = (Vec::new(), Vec::new());
        let mut path = vec![(usize::MAX, Reads::default(), from)];
        while let Some((_, reads, next)) = path.last_mut() {
            match next.pop().map(|node| (node, self.states.get(&node).copied())) {
                Some((_, Some(State::Found(number)))) => {
                    self.found.get(number).into_iter().for_each(|found| reads.add(found));
                }
                Some((_, Some(State::Open(number)))) => {
                    while groups.pop_if(|begin| *begin > number).is_some() {}
                }
                Some((node, None)) => {
                    self.states.insert(node, State::Open(open.len()));
                    let (reads, next) = self.look(node);
                    path.push((open.len(), reads, next));
                    groups.push(open.len());
                    open.push(node);
                }
                None => {
                    let Some((number, reads, _)) = path.pop() else { break };
                    let Some((_, above, _)) = path.last_mut() else { return reads };
                    above.add(&reads);
                    if groups.pop_if(|begin| *begin == number).is_some() {
                        let found = open.drain(number..).map(|node| (node, State::Found(self.found.len())));
                        self.states.extend(found);
                        self.found.push(reads);
                    }
                }
            }
        }
        Reads::default()
    }

    /// What is read if this is, and what else leads to more.
    fn look(&self, node: Node) -> (Reads, Vec<Node>) {
        let entries = |ids: Option<&Vec<i32>>| ids.into_iter().flatten().map(|id| Node::Entry(*id)).collect();
        let id = match node {
            Node::Entry(id) => id,
            Node::Name(number) => return (Reads::default(), entries(self.meanings.get(number))),
        };
        let mut reads =
            Reads { rows: self.rows_of.get(&id).cloned().unwrap_or_default(), ..Reads::default() };
        let Some(entry) = self.by_id.get(&id) else { return (reads, Vec::new()) };
        match entry.kind() {
            EntryKind::TableData => (reads, Vec::new()),
            // Who reads a table reads no function of its columns.
            EntryKind::Table => (reads, entries(self.below.get(&id))),
            kind => {
                let others = entry.dependencies().chain(self.made_by.get(&id).copied());
                let mut next: Vec<Node> = others.map(Node::Entry).collect();
                if matches!(kind, EntryKind::Function | EntryKind::Procedure) {
                    let (names, executes) = self.named_in(entry.defn().unwrap_or_default());
                    next.extend(names.into_iter().map(Node::Name));
                    reads.anything = executes;
                }
                (reads, next)
            }
        }
    }

    /// The names in a text that may stand for something, and whether it puts statements together.
    fn named_in(&self, text: &[u8]) -> (HashSet<usize>, bool) {
        let (mut names, mut executes) = (HashSet::new(), false);
        for Name { alone, qualified } in named(text) {
            executes |= alone == b"execute";
            // What stands before the dot may be something other than a schema.
            let number = qualified.and_then(|name| self.names.get(&name)).or_else(|| self.names.get(&alone));
            names.extend(number);
        }
        (names, executes)
    }
}

/// What computes or checks a table's values.
#[derive(Default)]
struct Calls {
    /// Functions and operators.
    called: Vec<Node>,
    /// Whether there may be any of extensions.
    of_extensions: bool,
    /// Whether there are generated columns.
    generated: bool,
}

/// What of a definition is computed for every row that comes: generated columns, CHECK constraints and the partition key,
/// but no defaults, as the rows have all values.
fn computing(entry: &TocEntry) -> Vec<u8> {
    let defn = entry.defn().unwrap_or_default();
    let depth = usize::from(entry.kind() == EntryKind::Table);
    let words: Vec<Word<'_>> = words(defn).filter(|word| word.depth >= depth).collect();
    let parts = words.split(|word| word.depth == depth && word.is_sign(b','));
    let has =
        |part: &[Word<'_>], keyword: &[u8]| part.iter().any(|word| word.depth == depth && word.is(keyword));
    let is_default = |part: &[Word<'_>]| entry.kind() == EntryKind::Table && has(part, b"DEFAULT");
    let computing = parts.filter(|part| has(part, b"CHECK") || has(part, b"GENERATED"));
    let mut text = entry.partition_key().to_vec();
    for part in computing.filter(|part| !is_default(part)) {
        let (Some(first), Some(last)) = (part.first(), part.last()) else { continue };
        text.extend_from_slice(defn.get(first.at.start..last.at.end).unwrap_or_default());
        text.push(b'\n');
    }
    text
}
