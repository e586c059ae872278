//! Chooses tables from a table of contents, with all that belongs to them and all they are made of.
//!
//! What a table is made of (its schema, types, functions, sequences, extensions) is found by following
//! the entries' own dependencies; so an archive of the chosen entries restores into an empty database.
//! What ties a chosen table to one that was not chosen, such as a foreign key, is left out and named.

use std::collections::{HashMap, HashSet};

use super::pattern::Pattern;
use crate::archive::format::toc::{Toc, TocEntry};
use crate::error::{Error, Result};

/// Those of which a pattern may speak.
const RELATIONS: [&[u8]; 5] = [b"TABLE", b"VIEW", b"MATERIALIZED VIEW", b"FOREIGN TABLE", SEQUENCE];
const SEQUENCE: &[u8] = b"SEQUENCE";
const ROWS: &[u8] = b"TABLE DATA";

/// Kinds of entries that belong to what they depend on.
const PARTS: [&[u8]; 18] = [
    ROWS,
    SEQUENCE,
    b"SEQUENCE OWNED BY",
    b"SEQUENCE SET",
    b"DEFAULT",
    b"CONSTRAINT",
    b"CHECK CONSTRAINT",
    FOREIGN_KEY,
    b"INDEX",
    b"INDEX ATTACH",
    ATTACH,
    b"TRIGGER",
    b"RULE",
    b"POLICY",
    b"ROW SECURITY",
    b"STATISTICS",
    b"STATISTICS DATA",
    REFRESH,
];
const FOREIGN_KEY: &[u8] = b"FK CONSTRAINT";
const ATTACH: &[u8] = b"TABLE ATTACH";
const REFRESH: &[u8] = b"MATERIALIZED VIEW DATA";

/// Kinds of entries that say something about any other.
const REMARKS: [&[u8]; 3] = [b"ACL", b"COMMENT", b"SECURITY LABEL"];

/// What was chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The dump ids of the entries to keep.
    pub entries: HashSet<i32>,
    /// Tables and views without which a chosen one cannot be made, by name: they come empty.
    pub only_defined: Vec<String>,
    /// What is left out of chosen tables and why, a phrase each.
    pub left_out: Vec<String>,
}

impl Toc {
    /// Chooses the tables, views, sequences and foreign tables that any of the patterns fits, and the
    /// partitions of those.
    ///
    /// # Errors
    /// `Kind::NotFound` where a pattern fits nothing; it names what comes near.
    pub fn select(&self, patterns: &[Pattern]) -> Result<Selection> {
        let mut choice = Choice::of(self);
        for pattern in patterns {
            let fits = |entry: &&TocEntry| {
                let (_, schema, name) = entry.identity();
                choice.is_relation(entry) && pattern.fits(schema, name)
            };
            let fitting: Vec<i32> = self.entries().iter().filter(fits).map(TocEntry::dump_id).collect();
            if fitting.is_empty() {
                return Err(self.nothing_fits(pattern));
            }
            choice.chosen.extend(fitting);
        }
        choice.add_partitions();
        choice.keep_all();
        Ok(choice.done())
    }

    fn nothing_fits(&self, pattern: &Pattern) -> Error {
        let (schema, name) = pattern.nearly();
        let lower = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_lowercase();
        let relations = self.entries().iter().filter(|entry| RELATIONS.contains(&kind(entry)));
        let mut near: Vec<(f64, String)> = relations
            .filter_map(|entry| {
                let (_, its_schema, its_name) = entry.identity();
                let likeness = strsim::jaro_winkler(&name, &lower(its_name));
                let schema = schema.as_ref().map(|schema| strsim::jaro_winkler(schema, &lower(its_schema)));
                (likeness > 0.8).then(|| (likeness + schema.unwrap_or_default(), quoted(entry)))
            })
            .collect();
        near.sort_by(|(one, name), (other, another)| other.total_cmp(one).then_with(|| name.cmp(another)));
        near.dedup_by(|(_, one), (_, other)| one == other);
        let names: Vec<String> = near.into_iter().take(3).map(|(_, name)| name).collect();
        let error = Error::not_found(format!("no table, view or sequence of the backup fits {pattern}"));
        if names.is_empty() {
            error.hint("`pgstow show … --tables` lists every table with rows")
        } else {
            error.hint(format!("there is {}", names.join(", ")))
        }
    }
}

/// What is being chosen.
struct Choice<'t> {
    toc: &'t Toc,
    by_id: HashMap<i32, &'t TocEntry>,
    /// Entries that belong to others so closely that these are nothing without them: the rules that
    /// make a view of what begins as an empty shell.
    made_by: HashMap<i32, i32>,
    /// Tables that the dump does not define, since an extension does.
    of_extensions: HashSet<i32>,
    chosen: HashSet<i32>,
    kept: HashSet<i32>,
    /// Those of the kept whose parts come too.
    whole: HashSet<i32>,
}

impl<'t> Choice<'t> {
    fn of(toc: &'t Toc) -> Self {
        let by_id: HashMap<i32, &TocEntry> =
            toc.entries().iter().map(|entry| (entry.dump_id(), entry)).collect();
        let of = |wanted: &'static [u8]| toc.entries().iter().filter(move |entry| kind(entry) == wanted);
        let shells = of(b"RULE").filter(|rule| rule.tag().is_some_and(|tag| tag.ends_with(b" _RETURN")));
        let made_by = shells
            .filter_map(|rule| {
                let view =
                    rule.dependencies().find(|id| by_id.get(id).is_some_and(|view| is_part_of(rule, view)));
                Some((view?, rule.dump_id()))
            })
            .collect();
        let undefined = |rows: &&TocEntry| !rows.dependencies().any(|id| by_id.contains_key(&id));
        let of_extensions = of(ROWS).filter(undefined).map(TocEntry::dump_id).collect();
        let (chosen, kept, whole) = (HashSet::new(), HashSet::new(), HashSet::new());
        Self { toc, by_id, made_by, of_extensions, chosen, kept, whole }
    }

    fn is_relation(&self, entry: &TocEntry) -> bool {
        RELATIONS.contains(&kind(entry)) || self.of_extensions.contains(&entry.dump_id())
    }

    /// Partitions hold the rows of the table they are parts of.
    fn add_partitions(&mut self) {
        loop {
            let (before, toc) = (self.chosen.len(), self.toc);
            for entry in toc.entries() {
                let ids: Vec<i32> = entry.dependencies().collect();
                if !ids.iter().any(|id| self.chosen.contains(id)) {
                    continue;
                }
                if kind(entry) == ATTACH {
                    let (_, schema, name) = entry.identity();
                    let is_partition = |id: &&i32| {
                        self.by_id.get(id).is_some_and(|table| {
                            let (_, its_schema, its_name) = table.identity();
                            self.is_relation(table) && (its_schema, its_name) == (schema, name)
                        })
                    };
                    self.chosen.extend(ids.iter().find(is_partition).copied());
                } else if kind(entry) == b"TABLE" && attaches_itself(entry) {
                    self.chosen.insert(entry.dump_id());
                }
            }
            if self.chosen.len() == before {
                return;
            }
        }
    }

    fn keep_all(&mut self) {
        // What every archive has: settings of the session that restores, and the database itself.
        let always =
            self.toc.entries().iter().filter(|entry| entry.is_setting() || kind(entry) == b"DATABASE");
        self.kept.extend(always.map(TocEntry::dump_id));
        // Which extension fills a table that the dump does not define, nobody says.
        let extensions = self.toc.entries().iter().filter(|entry| kind(entry) == b"EXTENSION");
        let extensions: Vec<i32> = extensions.map(TocEntry::dump_id).collect();
        if self.chosen.iter().any(|id| self.of_extensions.contains(id)) {
            extensions.into_iter().for_each(|id| self.keep(id));
        }
        self.chosen.clone().into_iter().for_each(|id| self.keep(id));
        loop {
            let (before, toc) = (self.kept.len(), self.toc);
            for entry in toc.entries() {
                if !self.kept.contains(&entry.dump_id())
                    && self.belongs(entry)
                    && self.missing(entry).is_empty()
                {
                    self.keep(entry.dump_id());
                    self.whole.insert(entry.dump_id());
                }
            }
            if self.kept.len() == before {
                return;
            }
        }
    }

    /// Keeps an entry and all it is made of.
    fn keep(&mut self, id: i32) {
        for id in self.made_of(id, |_| true) {
            let entry = self.by_id.get(&id);
            if self.chosen.contains(&id) || entry.is_some_and(|entry| kind(entry) == SEQUENCE) {
                self.whole.insert(id);
            }
            self.kept.insert(id);
        }
    }

    /// An entry and what it is made of, as far as `deeper` goes.
    fn made_of(&self, id: i32, deeper: impl Fn(i32) -> bool) -> HashSet<i32> {
        let (mut found, mut next) = (HashSet::new(), vec![id]);
        while let Some(id) = next.pop() {
            let Some(entry) = self.by_id.get(&id) else { continue };
            if !found.insert(id) || !deeper(id) {
                continue;
            }
            next.extend(entry.dependencies());
            next.extend(self.made_by.get(&id));
        }
        found
    }

    /// Whether it is a part of something that comes whole, or a remark on something that comes.
    fn belongs(&self, entry: &TocEntry) -> bool {
        if REMARKS.contains(&kind(entry)) {
            return entry.dependencies().any(|id| self.kept.contains(&id)) || self.is_about_a_schema(entry);
        }
        PARTS.contains(&kind(entry)) && entry.dependencies().any(|id| self.whole.contains(&id))
    }

    /// Whether it is a remark on a schema that every database has, and that the dump therefore lacks.
    fn is_about_a_schema(&self, remark: &TocEntry) -> bool {
        let schema = remark.tag().and_then(|tag| tag.strip_prefix(b"SCHEMA "));
        schema.is_some_and(|schema| {
            self.chosen
                .iter()
                .any(|id| self.by_id.get(id).and_then(|entry| entry.namespace()) == Some(schema))
        })
    }

    /// The tables and views that an entry needs and that do not come, or not with their rows.
    fn missing(&self, entry: &TocEntry) -> Vec<&'t TocEntry> {
        let chosen = |id: i32| self.chosen.contains(&id);
        let needed: Vec<i32> = match kind(entry) {
            // Rows have to be there.
            FOREIGN_KEY => entry.dependencies().filter(|id| !chosen(*id)).collect(),
            REFRESH => {
                let all = self.made_of(entry.dump_id(), |_| true).into_iter();
                all.filter(|id| {
                    !chosen(*id) && self.by_id.get(id).is_some_and(|entry| kind(entry) != b"VIEW")
                })
                .collect()
            }
            _ => {
                let all = self.made_of(entry.dump_id(), |id| !self.kept.contains(&id));
                all.into_iter().filter(|id| !self.kept.contains(id)).collect()
            }
        };
        let needed = needed.into_iter().filter_map(|id| self.by_id.get(&id).copied());
        needed.filter(|entry| self.is_relation(entry) && kind(entry) != SEQUENCE).collect()
    }

    fn done(self) -> Selection {
        let entries = || self.toc.entries().iter();
        let empty = |entry: &&TocEntry| {
            let id = entry.dump_id();
            self.kept.contains(&id)
                && !self.chosen.contains(&id)
                && self.is_relation(entry)
                && kind(entry) != SEQUENCE
        };
        let only_defined = entries().filter(empty).map(TocEntry::label).collect();
        let left_out = entries()
            .filter(|entry| PARTS.contains(&kind(entry)) && !self.kept.contains(&entry.dump_id()))
            .filter(|entry| {
                let mut of = entry.dependencies().filter(|id| self.chosen.contains(id));
                of.any(|id| self.by_id.get(&id).is_some_and(|whole| is_part_of(entry, whole)))
            })
            .map(|entry| {
                let mut missing: Vec<String> = self.missing(entry).into_iter().map(TocEntry::label).collect();
                missing.sort();
                missing.dedup();
                let what = String::from_utf8_lossy(kind(entry));
                format!("{what} {} (needs {})", entry.label(), missing.join(", "))
            })
            .collect();
        Selection { entries: self.kept, only_defined, left_out }
    }
}

fn kind(entry: &TocEntry) -> &[u8] {
    entry.desc().unwrap_or_default()
}

/// Whether an entry is named after a table or view: `orders`, or `orders` and its own name.
fn is_part_of(part: &TocEntry, whole: &TocEntry) -> bool {
    let ((_, schema, tag), (_, its_schema, name)) = (part.identity(), whole.identity());
    schema == its_schema
        && tag.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(b" "))
}

/// Up to PostgreSQL 13 the statement that makes a partition also says of what.
fn attaches_itself(table: &TocEntry) -> bool {
    table.defn().is_some_and(|defn| memchr::memmem::find(defn, b"ATTACH PARTITION").is_some())
}

/// The name of a table as one would have to type it in a pattern.
fn quoted(entry: &TocEntry) -> String {
    let (_, schema, name) = entry.identity();
    let word = |bytes: &[u8]| {
        let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_' || *b >= 0x80;
        let text = String::from_utf8_lossy(bytes);
        if bytes.iter().all(plain) { text.into_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
    };
    if schema.is_empty() { word(name) } else { format!("{}.{}", word(schema), word(name)) }
}
