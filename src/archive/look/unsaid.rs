//! What entries need although none of their dependencies says so, as what would say it has no entry: the index of a
//! constraint, a partition's copy of a trigger; or as PostgreSQL does not know it: what a function calls.

use std::collections::HashMap;

use super::classes::Comparing;
use super::names::function_name;
use super::select::RELATIONS;
use crate::archive::format::entry::TocEntry;
use crate::archive::format::toc::Toc;
use crate::sql::EntryKind;

impl Toc {
    /// What entries cannot be without, apart from their dependencies. Whether a constraint compares by an extension's operator
    /// classes is a guess.
    pub(super) fn unsaid_needs(&self) -> HashMap<i32, Vec<i32>> {
        let of_kind = |kind| self.entries().iter().filter(move |entry| entry.kind() == kind);
        let mut needs: HashMap<i32, Vec<i32>> = HashMap::new();
        for mapping in of_kind(EntryKind::UserMapping) {
            let is_of = |server: &&TocEntry| {
                let name = [b" SERVER ", server.tag().unwrap_or_default()].concat();
                mapping.tag().is_some_and(|tag| tag.ends_with(&name))
            };
            let servers = of_kind(EntryKind::Server).filter(is_of).map(TocEntry::dump_id);
            needs.entry(mapping.dump_id()).or_default().extend(servers);
        }
        for entry in of_kind(EntryKind::Constraint) {
            let Some(constraint) = Comparing::of(entry) else { continue };
            let used = of_kind(EntryKind::Extension).filter(|extension| constraint.may_use(extension));
            needs.entry(entry.dump_id()).or_default().extend(used.map(TocEntry::dump_id));
        }
        needs
    }

    /// The views that begin as an empty shell, each with the rule that makes it one: whatever the view needs, only the
    /// rule depends on.
    pub fn made_by(&self) -> HashMap<i32, i32> {
        let by_id: HashMap<i32, &TocEntry> =
            self.entries().iter().map(|entry| (entry.dump_id(), entry)).collect();
        let rules = self.of_kind(EntryKind::Rule);
        let shells = rules.filter_map(|rule| {
            let (_, schema, tag) = rule.identity();
            let name = tag.strip_suffix(b" _RETURN")?;
            let is_shell = |id: &i32| {
                by_id.get(id).is_some_and(|view| {
                    let (_, its_schema, its_name) = view.identity();
                    RELATIONS.contains(&view.kind()) && (its_schema, its_name) == (schema, name)
                })
            };
            Some((rule.dependencies().find(is_shell)?, rule.dump_id()))
        });
        shells.collect()
    }

    /// What says of a partition's trigger only whether it fires, each with the trigger of a table above that it comes from.
    pub(super) fn inherited_triggers(&self) -> HashMap<i32, i32> {
        let of_kind = |kind| self.entries().iter().filter(move |entry| entry.kind() == kind);
        let silent: Vec<&TocEntry> =
            of_kind(EntryKind::Trigger).filter(|trigger| !trigger.creates()).collect();
        if silent.is_empty() {
            return HashMap::new();
        }
        let tables: HashMap<i32, &TocEntry> =
            of_kind(EntryKind::Table).map(|table| (table.dump_id(), table)).collect();
        let above = self.tables_above(&tables);
        let mut created: HashMap<(i32, &[u8]), i32> = HashMap::new();
        for trigger in of_kind(EntryKind::Trigger).filter(|trigger| trigger.creates()) {
            for table in trigger.dependencies().filter_map(|id| tables.get(&id)) {
                if let Some(name) = name_of(trigger, table) {
                    created.entry((table.dump_id(), name)).or_insert(trigger.dump_id());
                }
            }
        }
        let found = silent.into_iter().filter_map(|trigger| {
            let own = trigger.dependencies().find_map(|id| tables.get(&id))?;
            let name = name_of(trigger, own)?;
            let mut table = own;
            // A damaged archive may say that a table is above itself.
            for _ in 0..above.len() {
                table = above.get(&table.dump_id()).and_then(|id| tables.get(id))?;
                if let Some(from) = created.get(&(table.dump_id(), name)) {
                    return Some((trigger.dump_id(), *from));
                }
            }
            None
        });
        found.collect()
    }

    /// Partitions, each with the table that it is a part of.
    fn tables_above(&self, tables: &HashMap<i32, &TocEntry>) -> HashMap<i32, i32> {
        let pairs = self.entries().iter().filter_map(|entry| {
            let mut of: Vec<&TocEntry> =
                entry.dependencies().filter_map(|id| tables.get(&id).copied()).collect();
            let own = match entry.kind() {
                EntryKind::TableAttach => {
                    let is_own = |table: &&TocEntry| same_table(table, entry);
                    of.iter().find(|table| is_own(table)).map(|own| own.dump_id())?
                }
                EntryKind::Table if entry.attaches_itself() => entry.dump_id(),
                _ => return None,
            };
            of.retain(|table| table.dump_id() != own);
            Some((own, of.first()?.dump_id()))
        });
        pairs.collect()
    }

    /// Functions by their names in small letters.
    pub(super) fn functions(&self) -> HashMap<Vec<u8>, Vec<i32>> {
        let mut functions: HashMap<Vec<u8>, Vec<i32>> = HashMap::new();
        let is_one = |entry: &&TocEntry| {
            matches!(entry.kind(), EntryKind::Function | EntryKind::Procedure | EntryKind::Aggregate)
        };
        for entry in self.entries().iter().filter(is_one) {
            functions.entry(function_name(entry).to_ascii_lowercase()).or_default().push(entry.dump_id());
        }
        functions
    }
}

fn same_table(one: &TocEntry, other: &TocEntry) -> bool {
    let ((_, schema, name), (_, its_schema, its_name)) = (one.identity(), other.identity());
    (schema, name) == (its_schema, its_name)
}

/// A trigger's own name, without that of its table.
fn name_of<'t>(trigger: &'t TocEntry, table: &TocEntry) -> Option<&'t [u8]> {
    let ((_, schema, tag), (_, its_schema, name)) = (trigger.identity(), table.identity());
    tag.strip_prefix(name)?.strip_prefix(b" ").filter(|_| schema == its_schema)
}
