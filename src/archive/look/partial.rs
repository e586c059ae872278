//! What an archive of a part of a database lacks: `pg_dump` does not write that an entry needs something that was left out.

use crate::archive::format::entry::TocEntry;
use crate::archive::format::toc::Toc;
use crate::sql::{EntryKind, words};
use std::collections::{BTreeMap, HashSet};

/// A schema and a name in it, in the encoding of the archive.
pub type Name = (Vec<u8>, Vec<u8>);

/// What the extensions of an archive make, which it does not define.
#[derive(Debug, Clone, Default)]
pub struct MadeByExtensions {
    /// Tables, and functions for triggers: schema and name of each.
    pub names: HashSet<(String, String)>,
    /// Schemas.
    pub schemas: HashSet<String>,
}

impl Toc {
    /// What ties something to a table, an index or a function that the archive does not make: foreign keys, triggers, and what
    /// makes partitions parts of something. Each comes with the schema and the name of that.
    ///
    /// An extension may make tables and functions that the archive does not define. If it is not known what those of the archive
    /// `made`, nothing is found in an archive with extensions.
    pub fn ties_to_missing(&self, made: Option<&MadeByExtensions>) -> Vec<(&TocEntry, Name)> {
        let none = MadeByExtensions::default();
        let Some(made) = made.or_else(|| self.extensions().next().is_none().then_some(&none)) else {
            return Vec::new();
        };
        let (tables, functions) = (self.named_tables(), self.named_functions());
        let text = |bytes: &[u8]| self.text(bytes).unwrap_or_default().into_owned();
        let find = |entry: &TocEntry, before: &[&[u8]], there: &HashSet<Name>| {
            let mut names = before.iter().filter_map(|word| entry.name_after(word));
            names.find(|(schema, name)| {
                !there.contains(&(schema.clone(), name.clone()))
                    && !made.names.contains(&(text(schema), text(name)))
            })
        };
        let missing = |entry: &TocEntry| match entry.kind() {
            EntryKind::ForeignKey => find(entry, &[b"REFERENCES"], &tables),
            EntryKind::Trigger => find(entry, &[b"EXECUTE"], &functions),
            EntryKind::TableAttach => find(entry, &[b"TABLE", b"PARTITION"], &tables),
            _ => None,
        };
        let found = |missing: &dyn Fn(&TocEntry) -> Option<Name>| -> Vec<(&TocEntry, Name)> {
            self.entries().iter().filter_map(|entry| Some((entry, missing(entry)?))).collect()
        };
        let mut ties = found(&missing);
        // The indexes of an extension's partitioned table are in no archive, so they do not count as missing.
        if ties.iter().any(|(entry, _)| entry.kind() == EntryKind::TableAttach) {
            let indexes = self.named_indexes();
            ties.extend(found(&|entry| match entry.kind() {
                EntryKind::IndexAttach => find(entry, &[b"INDEX", b"PARTITION"], &indexes),
                _ => None,
            }));
        }
        let silent = self.silent_triggers(&ties);
        ties.extend(silent);
        ties
    }

    /// What says of a partition's trigger only whether it fires, if that comes from a table above and these ties take it away:
    /// the partition's own, or that of the trigger there.
    fn silent_triggers(&self, ties: &[(&TocEntry, Name)]) -> Vec<(&TocEntry, Name)> {
        if ties.is_empty() {
            return Vec::new();
        }
        let from = self.inherited_triggers();
        let tie = |is_it: &dyn Fn(&TocEntry) -> bool| {
            ties.iter().find(|(entry, _)| is_it(entry)).map(|(_, needed)| needed.clone())
        };
        let needed = |trigger: &TocEntry| match from.get(&trigger.dump_id()) {
            Some(above) => tie(&|entry| entry.dump_id() == *above),
            None => {
                let table = trigger.name_after(b"TABLE")?;
                tie(&|entry| entry.kind() == EntryKind::TableAttach && own_name(entry) == table)
            }
        };
        let triggers = self.of_kind(EntryKind::Trigger).filter(|trigger| !trigger.creates());
        triggers.filter_map(|trigger| Some((trigger, needed(trigger)?))).collect()
    }

    /// These entries and the remarks about them, by their dump ids.
    pub fn with_remarks(&self, of: impl Iterator<Item = i32>) -> HashSet<i32> {
        let mut all: HashSet<i32> = of.collect();
        let is_about =
            |entry: &&TocEntry| entry.kind().is_remark() && entry.dependencies().any(|id| all.contains(&id));
        let remarks: Vec<i32> = self.entries().iter().filter(is_about).map(TocEntry::dump_id).collect();
        all.extend(remarks);
        all
    }

    /// The schemas that entries are in, or extensions, and that the archive does not make, each with the owner of the first such
    /// entry; none if extensions may make them, and it is not known what those `made`.
    pub fn schemas_missing(&self, made: Option<&MadeByExtensions>) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut missing = BTreeMap::new();
        if made.is_none() && self.extensions().next().is_some() {
            return missing;
        }
        let defined: HashSet<&[u8]> = self.of_kind(EntryKind::Schema).filter_map(TocEntry::tag).collect();
        let is_made = |schema: &[u8]| {
            let name = || self.text(schema).unwrap_or_default();
            schema.starts_with(b"pg_")
                || [&b"public"[..], b"information_schema"].contains(&schema)
                || made.is_some_and(|made| made.schemas.contains(&*name()))
        };
        for entry in self.entries() {
            let (schema, owner) = match entry.kind() {
                EntryKind::Extension => {
                    (entry.schema_of_extension().map(|(_, name)| name).unwrap_or_default(), &b""[..])
                }
                _ => (entry.identity().1.to_vec(), entry.owner().unwrap_or_default()),
            };
            if !schema.is_empty() && !defined.contains(&*schema) && !is_made(&schema) {
                missing.entry(schema).or_insert_with(|| owner.to_vec());
            }
        }
        missing
    }

    /// The tables that it makes or has rows of: those of an extension's tables come without a definition.
    fn named_tables(&self) -> HashSet<Name> {
        use EntryKind::{ForeignTable, Table, TableData};
        let tables =
            self.entries().iter().filter(|entry| matches!(entry.kind(), Table | ForeignTable | TableData));
        tables.map(own_name).collect()
    }

    /// The functions that it makes, without their arguments; their tags have no quotes, so only statements say what is the name.
    fn named_functions(&self) -> HashSet<Name> {
        self.of_kind(EntryKind::Function).filter_map(|entry| entry.name_after(b"FUNCTION")).collect()
    }

    fn named_indexes(&self) -> HashSet<Name> {
        let indexes = self.entries().iter().filter_map(|entry| match entry.kind() {
            EntryKind::Index => Some(own_name(entry)),
            // It is called as its constraint.
            EntryKind::Constraint => {
                let mut rest = words(entry.defn()?).skip_while(|word| !word.is(b"CONSTRAINT"));
                Some((own_name(entry).0, rest.find_map(|word| word.name())?))
            }
            _ => None,
        });
        indexes.collect()
    }
}

fn own_name(entry: &TocEntry) -> Name {
    let (_, schema, name) = entry.identity();
    (schema.to_vec(), name.to_vec())
}

impl TocEntry {
    /// The schema and the name that follow a keyword in its statement.
    pub fn name_after(&self, keyword: &[u8]) -> Option<Name> {
        let rest = words(self.defn()?).skip_while(|word| !word.is(keyword));
        let mut rest = rest.skip_while(|word| word.name().is_none());
        let schema = rest.next()?.name()?;
        rest.next().filter(|dot| dot.is_sign(b'.'))?;
        Some((schema, rest.next()?.name()?))
    }

    /// The schema that an extension is made in: as it is written, and its name.
    pub fn schema_of_extension(&self) -> Option<(&[u8], Vec<u8>)> {
        let defn = self.defn()?;
        let word = words(defn).skip_while(|word| !word.is(b"SCHEMA")).nth(1)?;
        Some((defn.get(word.at.clone())?, word.name()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tests::sample::toc;

    fn entries(more: &[(&'static str, &str, &str, &str)]) -> Toc {
        let base = [
            ("SCHEMA", "", "app", "CREATE SCHEMA app;\n"),
            ("TABLE", "app", "c", "CREATE TABLE app.c (p integer);\n"),
            (
                "CONSTRAINT",
                "app",
                "c c_pkey",
                "ALTER TABLE ONLY app.c\n    ADD CONSTRAINT c_pkey PRIMARY KEY (p);\n",
            ),
        ];
        let all = base.iter().chain(more).map(|(kind, schema, name, defn)| {
            (*kind, (*schema).to_owned(), (*name).to_owned(), (*defn).to_owned(), Vec::new())
        });
        toc(all.collect::<Vec<_>>())
    }

    fn key(to: &str) -> String {
        format!(
            "ALTER TABLE ONLY app.c\n    ADD CONSTRAINT k FOREIGN KEY (p) REFERENCES {to}(id) NOT VALID;\n"
        )
    }

    #[test]
    fn what_needs_what_is_not_there_is_found() {
        let fires = |how: &str| format!("CREATE TRIGGER t BEFORE UPDATE ON app.c FOR EACH ROW {how};\n");
        let odd = key(r#""My ""S"."REFERENCES app.c""#);
        let (own, lost) = (key("app.c"), key("app.p"));
        let all = entries(&[
            ("FK CONSTRAINT", "app", "c own", &own),
            ("FK CONSTRAINT", "app", "c lost", &lost),
            ("FK CONSTRAINT", "app", "c odd", &odd),
            ("TRIGGER", "app", "c t", &fires("WHEN ((new.p > 0)) EXECUTE FUNCTION app.\"Touch(\"('x')")),
            ("TRIGGER", "app", "c u", &fires("EXECUTE PROCEDURE app.gone()")),
            ("TRIGGER", "app", "c v", &fires("EXECUTE FUNCTION suppress_redundant_updates_trigger()")),
            ("FUNCTION", "app", "Touch(()", "CREATE FUNCTION app.\"Touch(\"() RETURNS trigger;\n"),
            (
                "TABLE ATTACH",
                "app",
                "c",
                "ALTER TABLE ONLY app.p ATTACH PARTITION app.c FOR VALUES IN (1);\n",
            ),
            ("INDEX ATTACH", "app", "c_pkey", "ALTER INDEX app.p_pkey ATTACH PARTITION app.c_pkey;\n"),
        ]);
        let ties = all.ties_to_missing(None);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let found = ties
            .iter()
            .map(|(entry, (schema, name))| format!("{} {}.{}", entry.label(), text(schema), text(name)));
        let found: Vec<String> = found.collect();
        let expected = [
            "app.c lost app.p",
            r#"app.c odd My "S.REFERENCES app.c"#,
            "app.c u app.gone",
            "app.c app.p",
            "app.c_pkey app.p_pkey",
        ];
        assert_eq!(found, expected);
        assert!(all.schemas_missing(None).is_empty());
    }

    #[test]
    fn an_extension_may_have_made_it() {
        let lost = key("app.p");
        let all = entries(&[
            ("EXTENSION", "", "x", "CREATE EXTENSION IF NOT EXISTS x WITH SCHEMA ext;\n"),
            ("FK CONSTRAINT", "app", "c lost", &lost),
            ("TABLE ATTACH", "app", "c", "ALTER TABLE ONLY x.p ATTACH PARTITION app.c DEFAULT;\n"),
            ("INDEX ATTACH", "app", "c_pkey", "ALTER INDEX x.p_pkey ATTACH PARTITION app.c_pkey;\n"),
            ("TABLE", "x", "t", "CREATE TABLE x.t ();\n"),
        ]);
        assert_eq!((all.ties_to_missing(None).len(), all.schemas_missing(None).len()), (0, 0));
        let name = |name: &str| ("x".to_owned(), name.to_owned());
        let mut made = MadeByExtensions { names: [name("p")].into(), schemas: ["x".to_owned()].into() };
        let ties = |made: &MadeByExtensions| {
            all.ties_to_missing(Some(made)).iter().map(|(entry, _)| entry.kind()).collect::<Vec<_>>()
        };
        assert_eq!(ties(&made), [EntryKind::ForeignKey]);
        assert_eq!(all.schemas_missing(Some(&made)).into_keys().collect::<Vec<_>>(), [b"ext"]);
        made.names.insert(("app".to_owned(), "p".to_owned()));
        assert_eq!(ties(&made), []);
        made.names.clear();
        assert_eq!(ties(&made), [EntryKind::ForeignKey, EntryKind::TableAttach, EntryKind::IndexAttach]);
    }

    #[test]
    fn schemas_that_nobody_makes_are_found() {
        let table = |schema| ("TABLE", schema, "t", "CREATE TABLE t ();\n");
        let all = entries(&[table("x"), table("public"), table("pg_catalog"), table("x"), table("Y")]);
        assert_eq!(all.schemas_missing(None).into_keys().collect::<Vec<_>>(), [&b"Y"[..], b"x"]);
    }
}
