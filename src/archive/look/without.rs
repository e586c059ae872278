//! What is left of a table of contents without some tables, without their rows, or without extensions.
//!
//! Whatever depends on what goes, goes too: views, foreign keys of other tables, the table's own sequences.

use std::collections::{HashMap, HashSet};

use super::pattern::Pattern;
use super::select::RELATIONS;
use crate::archive::format::entry::TocEntry;
use crate::archive::format::toc::Toc;
use crate::sql::EntryKind;

/// What is to be left out.
#[derive(Debug, Clone, Copy)]
pub struct Unwanted<'a> {
    /// Tables, views and sequences.
    pub tables: &'a [Pattern],
    /// Tables whose rows are not wanted.
    pub rows: &'a [Pattern],
    /// Extensions, by their names.
    pub extensions: &'a [String],
    /// What these extensions define, as far as it is known.
    pub of_extensions: &'a Defined,
}

/// What extensions define that a dump says something about.
#[derive(Debug, Clone, Default)]
pub struct Defined {
    /// Tables and sequences: schema and name of each.
    pub content: Vec<[String; 2]>,
    /// Schemas.
    pub schemas: Vec<String>,
    /// What else has grants: schema and name of each, without arguments.
    pub granted: Vec<[String; 2]>,
}

/// What is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// The dump ids of the entries that go.
    pub entries: HashSet<i32>,
    /// What goes with the tables although it is no part of them, a phrase each.
    pub others: Vec<String>,
    /// Patterns that match nothing.
    pub idle: Vec<String>,
}

impl Unwanted<'_> {
    fn is_of_extension(&self, entry: &TocEntry) -> bool {
        let (_, schema, name) = entry.identity();
        let is_it = |of: &[String; 2]| of[0].as_bytes() == schema && of[1].as_bytes() == name;
        matches!(entry.kind(), EntryKind::TableData | EntryKind::SequenceSet)
            && self.of_extensions.content.iter().any(is_it)
    }

    /// Whether it says something about what these extensions define: `SCHEMA cron`, `FUNCTION schedule(text, text)`.
    fn is_about_extension(&self, entry: &TocEntry) -> bool {
        let (_, schema, tag) = entry.identity();
        let of_schema = |name: &String| {
            name.as_bytes() == schema || tag.strip_prefix(b"SCHEMA ") == Some(name.as_bytes())
        };
        let is_of = |of: &[String; 2]| {
            let name = tag.splitn(2, |byte| *byte == b' ').nth(1).unwrap_or_default();
            let rest = name.strip_prefix(of[1].as_bytes());
            of[0].as_bytes() == schema && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"("))
        };
        let Defined { schemas, granted, content } = self.of_extensions;
        (entry.kind().is_remark() || entry.kind().is_grant())
            && (schemas.iter().any(of_schema) || granted.iter().chain(content).any(is_of))
    }
}

impl Toc {
    /// Leaves out what is not wanted, and what needs it.
    pub fn without(&self, unwanted: &Unwanted<'_>) -> LeftOut {
        let mut left_out = LeftOut::default();
        // Of what an extension defines there are only the rows, or the value.
        let kinds = [&RELATIONS[..], &[EntryKind::TableData, EntryKind::SequenceSet]].concat();
        let mut chosen = self.matching(unwanted.tables, &kinds, &mut left_out.idle);
        let emptied = self.matching(unwanted.rows, &[EntryKind::TableData], &mut left_out.idle);
        let (made_by, unsaid) = (self.made_by(), self.unsaid_needs());
        let kind_of: HashMap<i32, EntryKind> =
            self.entries().iter().map(|entry| (entry.dump_id(), entry.kind())).collect();
        let mut gone: HashSet<i32> = HashSet::new();
        for extension in unwanted.extensions {
            match self.extension(extension) {
                Some(entry) => chosen.push(entry),
                None => left_out.idle.push(extension.clone()),
            }
        }
        for content in self.entries().iter().filter(|entry| unwanted.is_of_extension(entry)) {
            chosen.push(content);
            // What needs the table names it by an id that no entry has.
            gone.extend(content.dependencies().filter(|id| !kind_of.contains_key(id)));
        }
        chosen.extend(self.entries().iter().filter(|entry| unwanted.is_about_extension(entry)));
        gone.extend(chosen.iter().map(|entry| entry.dump_id()));
        loop {
            let before = gone.len();
            for entry in self.entries() {
                // Without its rule, a view would stay the shell that it begins as, with one row of nulls.
                let rule = made_by.get(&entry.dump_id()).copied();
                let unsaid = unsaid.get(&entry.dump_id()).into_iter().flatten().copied();
                let needs_gone = entry.dependencies().chain(rule).chain(unsaid).any(|id| gone.contains(&id));
                if needs_gone && gone.insert(entry.dump_id()) {
                    // The sequence of a serial column.
                    let owned = (entry.kind() == EntryKind::SequenceOwnedBy).then(|| entry.dependencies());
                    let is_sequence = |id: &i32| kind_of.get(id) == Some(&EntryKind::Sequence);
                    gone.extend(owned.into_iter().flatten().filter(is_sequence));
                }
            }
            if gone.len() == before {
                break;
            }
        }
        // The views that they make are said.
        let rules: HashSet<i32> = made_by.into_values().collect();
        let names: HashSet<(&[u8], &[u8])> =
            chosen.iter().map(|entry| (entry.identity().1, entry.identity().2)).collect();
        let is_other = |entry: &&TocEntry| {
            // The name of a part begins with that of the whole: `orders orders_pkey`.
            let (_, schema, tag) = entry.identity();
            let mut ends = memchr::memchr_iter(b' ', tag).chain([tag.len()]);
            let is_of_chosen =
                ends.any(|end| tag.get(..end).is_some_and(|name| names.contains(&(schema, name))));
            gone.contains(&entry.dump_id())
                && !entry.kind().is_remark()
                && !matches!(entry.kind(), EntryKind::Sequence | EntryKind::UserMapping)
                && !rules.contains(&entry.dump_id())
                && !is_of_chosen
        };
        let others = self.entries().iter().filter(is_other);
        left_out.others = others.map(TocEntry::described).collect();
        left_out.entries = gone.into_iter().chain(emptied.iter().map(|entry| entry.dump_id())).collect();
        left_out
    }

    /// The entry of an extension.
    pub fn extension(&self, name: &str) -> Option<&TocEntry> {
        let mut all = self.of_kind(EntryKind::Extension);
        all.find(|entry| entry.tag() == Some(name.as_bytes()))
    }

    /// The event triggers whose functions are not here: `pg_dump` writes them all, whatever schemas it leaves out.
    pub fn lost_event_triggers(&self) -> impl Iterator<Item = &TocEntry> {
        let triggers = self.of_kind(EntryKind::EventTrigger);
        // Of a function that is not here, what it needs is named: its language, or the extension that it belongs to.
        let is_language = |entry: &TocEntry| match entry.kind() {
            EntryKind::Extension => entry.tag().is_some_and(|name| name.starts_with(b"pl")),
            kind => kind == EntryKind::ProceduralLanguage,
        };
        let has_function = move |trigger: &TocEntry| {
            let needs: HashSet<i32> = trigger.dependencies().collect();
            let mut all = self.entries().iter().filter(|entry| needs.contains(&entry.dump_id()));
            all.any(|entry| !is_language(entry))
        };
        triggers.filter(move |trigger| !has_function(trigger))
    }

    /// The rows of foreign tables: whoever restores them writes them to another server.
    pub fn foreign_rows(&self) -> impl Iterator<Item = &TocEntry> {
        let of_kind = |kind| self.entries().iter().filter(move |entry| entry.kind() == kind);
        let name = |entry: &TocEntry| {
            let (_, schema, name) = entry.identity();
            (schema.to_vec(), name.to_vec())
        };
        let foreign: HashSet<_> = of_kind(EntryKind::ForeignTable).map(name).collect();
        of_kind(EntryKind::TableData).filter(move |rows| foreign.contains(&name(rows)))
    }

    fn matching(&self, patterns: &[Pattern], kinds: &[EntryKind], idle: &mut Vec<String>) -> Vec<&TocEntry> {
        let mut all = Vec::new();
        let encoding = self.encoding().unwrap_or_default();
        for pattern in patterns {
            let pattern = &pattern.in_encoding(&encoding);
            let matches = |entry: &&TocEntry| {
                let (_, schema, name) = entry.identity();
                kinds.contains(&entry.kind()) && pattern.matches(schema, name)
            };
            let before = all.len();
            all.extend(self.entries().iter().filter(matches));
            if all.len() == before {
                idle.push(pattern.to_string());
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use crate::archive::format::entry::Field;
    use crate::archive::tests::sample::preamble;

    #[test]
    fn a_language_is_no_function_of_an_event_trigger() {
        for (needs, lost) in [
            (&[("FUNCTION", "f()"), ("EXTENSION", "plpgsql")][..], 0),
            (&[("EXTENSION", "hypopg")], 0),
            (&[("EXTENSION", "plperl")], 1),
            (&[("PROCEDURAL LANGUAGE", "sharp")], 1),
            (&[], 1),
        ] {
            let kinds = needs.iter().map(|(kind, _)| (*kind, "", "")).chain([("EVENT TRIGGER", "", "")]);
            let mut names = needs.iter();
            let front = preamble(&kinds.collect::<Vec<_>>()).with(|entry| match names.next() {
                Some((_, name)) => entry.with_text(Field::Tag, name.as_bytes()),
                None => entry.clone(),
            });
            assert_eq!(front.toc.lost_event_triggers().count(), lost, "{needs:?}");
        }
    }
}
