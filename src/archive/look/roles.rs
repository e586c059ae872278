//! Which roles an archive names: owners, and those in grants, policies and user mappings.

use std::collections::{BTreeMap, BTreeSet};

use crate::archive::format::entry::TocEntry;
use crate::archive::format::toc::Toc;
use crate::sql::{EntryKind, named_roles};

/// What an archive needs a role for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoleUses {
    /// Objects that it owns.
    pub owns: usize,
    /// Statements that grant to it, or in its name.
    pub granted: usize,
    /// Default privileges of its own.
    pub defaults: usize,
    /// Policies and user mappings for it.
    pub named: usize,
}

impl Toc {
    /// The names of all roles that must be there for the archive to be restored as it is, in the
    /// dump's encoding.
    pub fn roles(&self) -> BTreeSet<Vec<u8>> {
        self.role_uses().into_keys().collect()
    }

    /// What each role is needed for. The database itself, its settings and its grants are counted too,
    /// although `pg_restore` leaves them out unless it makes the database.
    pub fn role_uses(&self) -> BTreeMap<Vec<u8>, RoleUses> {
        let mut uses = BTreeMap::<Vec<u8>, RoleUses>::new();
        for entry in self.entries() {
            if let Some(owner) = entry.owner().filter(|_| entry.is_object()) {
                uses.entry(owner.to_vec()).or_default().owns += 1;
            }
            for (role, _) in named_roles(entry.kind(), entry.defn().unwrap_or_default()) {
                let its_own = entry.owner() == Some(&role);
                let of_role = uses.entry(role).or_default();
                match entry.kind() {
                    EntryKind::DefaultAcl if its_own => of_role.defaults += 1,
                    EntryKind::Policy | EntryKind::UserMapping => of_role.named += 1,
                    _ => of_role.granted += 1,
                }
            }
        }
        uses
    }

    /// The roles that own something in a schema that is not their own, by schema; the system's schemas are left out.
    pub fn owners_by_schema(&self) -> BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>> {
        let mut owners = BTreeMap::<Vec<u8>, BTreeSet<Vec<u8>>>::new();
        for entry in self.entries().iter().filter(|entry| entry.is_object()) {
            let schema = entry.namespace().filter(|schema| !schema.is_empty() && !schema.starts_with(b"pg_"));
            if let (Some(schema), Some(owner)) = (schema, entry.owner()) {
                owners.entry(schema.to_vec()).or_default().insert(owner.to_vec());
            }
        }
        for schema in self.of_kind(EntryKind::Schema) {
            if let (Some(name), Some(owner)) = (schema.tag(), schema.owner()) {
                owners.entry(name.to_vec()).or_default().remove(owner);
            }
        }
        owners.retain(|_, owners| !owners.is_empty());
        owners
    }

    /// Those of them that must be superusers: only superusers may own what they own.
    pub fn superusers(&self) -> BTreeSet<Vec<u8>> {
        let entries = self.entries().iter().filter(|entry| entry.kind().is_of_superusers());
        entries.filter_map(TocEntry::owner).map(<[u8]>::to_vec).collect()
    }
}

impl TocEntry {
    /// Whether `pg_restore` gives it to an owner: what belongs to others, and is not dropped on its own, goes along with them.
    fn is_object(&self) -> bool {
        let is_said = |text: Option<&[u8]>| text.is_some_and(|text| !text.is_empty());
        is_said(self.owner()) && is_said(self.drop_statement())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tests::sample::preamble;

    #[test]
    fn each_use_of_a_role_is_counted() {
        let toc = preamble(&[
            ("TABLE", "CREATE TABLE boss.t ();", "boss"),
            ("ACL", "GRANT SELECT ON TABLE t TO reader;\nGRANT ALL ON TABLE t TO boss;", "boss"),
            (
                "DEFAULT ACL",
                "ALTER DEFAULT PRIVILEGES FOR ROLE boss GRANT SELECT ON TABLES TO reader;",
                "boss",
            ),
            ("POLICY", "CREATE POLICY p ON t TO reader;", "boss"),
            ("PUBLICATION", "CREATE PUBLICATION all_of_it;", "chief"),
        ])
        .toc;
        let uses = toc.role_uses();
        assert_eq!(uses[&b"boss"[..]], RoleUses { owns: 1, granted: 1, defaults: 1, ..RoleUses::default() });
        assert_eq!(uses[&b"reader"[..]], RoleUses { granted: 2, named: 1, ..RoleUses::default() });
        assert_eq!(uses.len(), 2);
        assert_eq!(toc.roles().len(), 2);
        assert_eq!(toc.superusers(), BTreeSet::from([b"chief".to_vec()]));
    }
}
