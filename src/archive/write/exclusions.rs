//! Exclusion constraints of partitioned tables, and keys of them `WITHOUT OVERLAPS`.
//!
//! `pg_dump` writes one for the table alone, one for each partition, and then makes these part of the first, which no server
//! does: it cannot compare such indexes. But it makes all of them at once if the constraint is added to the table with its
//! partitions.

use crate::archive::format::entry::TocEntry;
use crate::archive::format::preamble::Preamble;
use crate::sql::{EntryKind, Word, replaced, words};
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// More bytes than this are no name: the server shortens it.
const LONGEST_NAME: usize = 63;

/// A schema, and the name of what is in it.
type Name = (Vec<u8>, Vec<u8>);

impl TocEntry {
    /// Whether it adds such a constraint to a table and to its partitions.
    pub fn excludes_in_partitions(&self) -> bool {
        excluding(self).is_some_and(|constraint| constraint.only.is_none())
    }
}

impl Preamble {
    /// The same, but such a constraint is added to a table with its partitions, if these get the very constraints that they had.
    #[must_use]
    pub fn with_exclusions_in_partitions(&self) -> Self {
        let entries = || self.toc.entries().iter();
        let constraints: HashMap<Name, Excluding<'_>> = entries().filter_map(excluding).map(named).collect();
        let mut parts: HashMap<Name, Vec<(i32, Name)>> = HashMap::new();
        for (id, whole, part) in entries().filter_map(attached) {
            parts.entry(whole).or_default().push((id, part));
        }
        let of_others: HashSet<&Name> = parts.values().flatten().map(|(_, part)| part).collect();
        let roots =
            constraints.iter().filter(|(name, _)| !of_others.contains(name) && parts.contains_key(*name));
        let (mut only, mut gone, mut first) = (HashMap::new(), HashSet::new(), HashMap::new());
        for (name, root) in roots {
            let Some(ids) = ids_below(name, root, &constraints, &parts) else { continue };
            only.extend(root.only.clone().map(|only| (root.entry.dump_id(), only)));
            // What is said about the others comes after them.
            first.extend(
                entries()
                    .position(|entry| ids.contains(&entry.dump_id()))
                    .map(|at| (root.entry.dump_id(), at)),
            );
            gone.extend(ids);
        }
        if gone.is_empty() {
            return self.clone();
        }
        let places: HashMap<i32, usize> = entries().map(TocEntry::dump_id).zip(0..).collect();
        let place = |entry: &TocEntry| {
            let at = places.get(&entry.dump_id()).copied().unwrap_or_default();
            first.get(&entry.dump_id()).copied().unwrap_or(at).min(at)
        };
        let left = self.in_order(place).keep(|entry| !gone.contains(&entry.dump_id()));
        left.with(|entry| match only.get(&entry.dump_id()) {
            Some(only) => {
                let defn = entry.defn().unwrap_or_default();
                entry.with_defn(&replaced(defn, &[(only.clone(), Vec::new())]))
            }
            None => entry.clone(),
        })
    }
}

impl Preamble {
    /// The same without what would make these indexes, by the dump ids of what does it, parts of those of a table that a database
    /// has; and without constraints of this kind among them: the server makes them when it attaches the partition. Returns
    /// those that get another name then, too.
    #[must_use]
    pub fn without_joined(&self, joined: &HashSet<i32>) -> (Self, Vec<String>) {
        let entries = || self.toc.entries().iter();
        let constraints: HashMap<Name, Excluding<'_>> = entries().filter_map(excluding).map(named).collect();
        let mut parts: HashMap<Name, Vec<(i32, Name)>> = HashMap::new();
        for (id, whole, part) in entries().filter_map(attached) {
            parts.entry(whole).or_default().push((id, part));
        }
        let tops = entries().filter(|entry| joined.contains(&entry.dump_id())).filter_map(attached);
        let mut next: Vec<Name> = tops.map(|(_, _, part)| part).collect();
        let (mut gone, mut renamed) = (joined.clone(), Vec::new());
        while let Some(name) = next.pop() {
            let Some(constraint) = constraints.get(&name) else { continue };
            gone.insert(constraint.entry.dump_id());
            if name_by_server(constraint).is_none_or(|by_server| by_server != constraint.name) {
                renamed.push(constraint.entry);
            }
            for (attached, part) in parts.remove(&name).into_iter().flatten() {
                gone.insert(attached);
                next.push(part);
            }
        }
        let ids: HashSet<i32> = renamed.iter().map(|entry| entry.dump_id()).collect();
        let is_about =
            |entry: &TocEntry| entry.kind().is_remark() && entry.dependencies().any(|id| ids.contains(&id));
        let kept = self.keep(|entry| !gone.contains(&entry.dump_id()) && !is_about(entry));
        (kept, renamed.into_iter().map(TocEntry::described).collect())
    }
}

/// A constraint of this kind.
struct Excluding<'t> {
    entry: &'t TocEntry,
    schema: Vec<u8>,
    table: Vec<u8>,
    name: Vec<u8>,
    /// Where it says that it is of no partition.
    only: Option<Range<usize>>,
    /// What follows its name.
    rest: &'t [u8],
}

fn named(constraint: Excluding<'_>) -> (Name, Excluding<'_>) {
    ((constraint.schema.clone(), constraint.name.clone()), constraint)
}

/// `ALTER TABLE ONLY s.t ADD CONSTRAINT c …`, if it excludes.
fn excluding(entry: &TocEntry) -> Option<Excluding<'_>> {
    let defn = entry.defn().filter(|_| entry.kind() == EntryKind::Constraint)?;
    let holds = |words: &[u8]| memchr::memmem::find(defn, words).is_some();
    if !holds(b" EXCLUDE ") && !holds(b" WITHOUT OVERLAPS") {
        return None;
    }
    let mut words = words(defn).peekable();
    follow(&mut words, &[b"ALTER", b"TABLE"])?;
    let only = words.next_if(|word| word.is(b"ONLY")).map(|word| word.at.start..word.at.end + 1);
    let (schema, table) = qualified_name(&mut words)?;
    follow(&mut words, &[b"ADD", b"CONSTRAINT"])?;
    let name = words.next()?;
    let rest = defn.get(name.at.end..)?;
    Some(Excluding { entry, schema, table, name: name.name()?, only, rest })
}

/// `ALTER INDEX s.i ATTACH PARTITION s.j`: its id and the two names.
fn attached(entry: &TocEntry) -> Option<(i32, Name, Name)> {
    let defn = entry.defn().filter(|_| entry.kind() == EntryKind::IndexAttach)?;
    let mut words = words(defn);
    follow(&mut words, &[b"ALTER", b"INDEX"])?;
    let whole = qualified_name(&mut words)?;
    follow(&mut words, &[b"ATTACH", b"PARTITION"])?;
    Some((entry.dump_id(), whole, qualified_name(&mut words)?))
}

fn follow<'t>(words: &mut impl Iterator<Item = Word<'t>>, keywords: &[&[u8]]) -> Option<()> {
    keywords.iter().all(|keyword| words.next().is_some_and(|word| word.is(keyword))).then_some(())
}

fn qualified_name<'t>(words: &mut impl Iterator<Item = Word<'t>>) -> Option<Name> {
    let schema = words.next()?.name()?;
    words.next().filter(|word| word.is_sign(b'.'))?;
    Some((schema, words.next()?.name()?))
}

/// The entries of what is below a constraint; `None` if a server would make something else of it.
fn ids_below(
    name: &Name,
    root: &Excluding<'_>,
    constraints: &HashMap<Name, Excluding<'_>>,
    parts: &HashMap<Name, Vec<(i32, Name)>>,
) -> Option<HashSet<i32>> {
    let (mut ids, mut next) = (HashSet::new(), vec![name]);
    while let Some(name) = next.pop() {
        for (attached, part) in parts.get(name).into_iter().flatten() {
            let constraint = constraints.get(part)?;
            let is_same =
                constraint.rest == root.rest && constraint.entry.tablespace() == root.entry.tablespace();
            if !is_same || constraint.name != name_by_server(constraint)? {
                return None;
            }
            if ids.insert(*attached) && ids.insert(constraint.entry.dump_id()) {
                next.push(part);
            }
        }
    }
    Some(ids)
}

/// The name that a server gives such a constraint of a partition; `None` if that is not sure.
fn name_by_server(constraint: &Excluding<'_>) -> Option<Vec<u8>> {
    let mut words = words(constraint.rest).peekable();
    let kind = words.next()?;
    let mut name = constraint.table.clone();
    if kind.is(b"PRIMARY") {
        name.extend(b"_pkey");
        return (name.len() <= LONGEST_NAME).then_some(name);
    }
    words.find(|word| word.is_sign(b'('))?;
    let mut begins = true;
    while let Some(word) = words.next_if(|word| word.depth > 0) {
        if begins {
            name.push(b'_');
            name.extend(word.name()?);
            // Of a function.
            words.peek().filter(|next| !next.is_sign(b'('))?;
        }
        begins = word.depth == 1 && word.is_sign(b',');
    }
    // Its columns are in the name, too.
    if words.any(|word| word.is(b"INCLUDE")) {
        return None;
    }
    name.extend(b"_excl");
    (name.len() <= LONGEST_NAME).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tests::sample::preamble;

    /// The constraint of a table and of two levels of partitions, then what makes them one; `last` is the lowest one's.
    fn archive(last: (&str, &str)) -> Preamble {
        let adds = |of: &str, name: &str, what: &str| {
            format!("ALTER TABLE ONLY s.{of}\n    ADD CONSTRAINT {name} {what};\n")
        };
        let what = "EXCLUDE USING gist (id WITH =, \"V\" WITH &&)";
        let (part, lowest) = (adds("a", "\"a_id_V_excl\"", what), adds("a_b", last.0, last.1));
        let whole = adds("t", "odd", what);
        preamble(&[
            ("CONSTRAINT", &part, ""),
            ("COMMENT", "COMMENT ON CONSTRAINT …;\n", ""),
            ("CONSTRAINT", &lowest, ""),
            ("CONSTRAINT", &whole, ""),
            ("CONSTRAINT", "ALTER TABLE ONLY s.t ADD CONSTRAINT u UNIQUE (id);\n", ""),
            ("INDEX ATTACH", "ALTER INDEX s.odd ATTACH PARTITION s.\"a_id_V_excl\";\n", ""),
            ("INDEX ATTACH", &format!("ALTER INDEX s.\"a_id_V_excl\" ATTACH PARTITION s.{};\n", last.0), ""),
            ("INDEX ATTACH", "ALTER INDEX s.u ATTACH PARTITION s.a_u;\n", ""),
        ])
    }

    #[test]
    fn a_table_gets_its_constraint_with_its_partitions() {
        let what = "EXCLUDE USING gist (id WITH =, \"V\" WITH &&)";
        let left = archive(("\"a_b_id_V_excl\"", what)).with_exclusions_in_partitions();
        let defns: Vec<_> =
            left.toc.entries().iter().map(|entry| String::from_utf8_lossy(entry.defn().unwrap())).collect();
        assert_eq!(
            defns,
            [
                &*format!("ALTER TABLE s.t\n    ADD CONSTRAINT odd {what};\n"),
                "COMMENT ON CONSTRAINT …;\n",
                "ALTER TABLE ONLY s.t ADD CONSTRAINT u UNIQUE (id);\n",
                "ALTER INDEX s.u ATTACH PARTITION s.a_u;\n",
            ]
        );
        let whole: Vec<bool> = left.toc.entries().iter().map(TocEntry::excludes_in_partitions).collect();
        assert_eq!(whole, [true, false, false, false]);
    }

    #[test]
    fn what_the_server_would_make_otherwise_stays_as_it_is() {
        for last in [
            ("renamed", "EXCLUDE USING gist (id WITH =, \"V\" WITH &&)"),
            ("\"a_b_id_V_excl\"", "EXCLUDE USING gist (id WITH =, \"V\" WITH &&) DEFERRABLE"),
        ] {
            let archive = archive(last);
            assert_eq!(archive.with_exclusions_in_partitions(), archive, "{last:?}");
        }
    }

    #[test]
    fn names_are_those_that_a_server_gives() {
        let name = |table: &str, what: &str| {
            let defn = format!("ALTER TABLE ONLY s.{table} ADD CONSTRAINT c {what};");
            let preamble = preamble(&[("CONSTRAINT", &defn, "")]);
            let name = name_by_server(&excluding(&preamble.toc.entries()[0]).unwrap())?;
            Some(String::from_utf8(name).unwrap())
        };
        for (what, expected) in [
            ("PRIMARY KEY (id, v WITHOUT OVERLAPS)", Some("t_pkey")),
            ("UNIQUE (id, \"V x\" WITHOUT OVERLAPS)", Some("t_id_V x_excl")),
            ("UNIQUE (id, v WITHOUT OVERLAPS) INCLUDE (w)", None),
            (
                "EXCLUDE USING gist (id s.gist_ops (x='1') WITH =, v WITH OPERATOR(pg_catalog.&&)) WHERE ((w > 0))",
                Some("t_id_v_excl"),
            ),
            ("EXCLUDE USING gist (lower(id) WITH =)", None),
            ("EXCLUDE USING gist (((id + 1)) WITH =)", None),
        ] {
            assert_eq!(name("t", what).as_deref(), expected, "{what}");
        }
        assert_eq!(name(&"t".repeat(59), "PRIMARY KEY (v WITHOUT OVERLAPS)"), None);
    }
}
