//! The same archive, in which roles may create in schemas while it is restored.
//!
//! Whoever is no superuser can give an object only to a role that may create in its schema. `pg_dump` writes grants after all
//! else; and since one may lose that right and keep what one has, perhaps no grant says it.

use std::collections::{BTreeMap, BTreeSet};

use crate::archive::format::entry::TocEntry;
use crate::archive::format::preamble::Preamble;
use crate::archive::format::toc::Toc;
use crate::sql::quoted;

/// What `pg_restore` has no name for is restored in its place; what is called so, after all that is no grant.
const IN_PLACE: &[u8] = b"SCHEMA GRANT";
const WITH_GRANTS: &[u8] = b"ACL";

impl Preamble {
    /// The same, but these roles may create in these schemas: from the first entry there until grants are made, which begins
    /// with taking this back.
    #[must_use]
    pub fn letting_create(&self, roles: &BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>) -> Self {
        let entries = self.toc.entries();
        let Some(plain) = entries.iter().find(|entry| entry.kind().is_setting()) else { return self.clone() };
        let last = entries.iter().map(TocEntry::dump_id).max().unwrap_or_default();
        let (mut grants, mut revokes) = (BTreeMap::new(), Vec::new());
        for ((schema, roles), id) in roles.iter().zip((last + 1..).step_by(2)) {
            let names = roles.iter().map(|role| quoted(role)).collect::<Vec<_>>().join(&b", "[..]);
            let (tag, name) = ([b"SCHEMA ", schema.as_slice()].concat(), quoted(schema));
            let said = |id, kind, verb: &[u8], preposition: &[u8]| {
                let statement =
                    [verb, b" CREATE ON SCHEMA ", &name, b" ", preposition, b" ", &names, b";\n"].concat();
                plain.saying(id, kind, &tag, &statement)
            };
            grants.insert(schema.as_slice(), said(id, IN_PLACE, b"GRANT", b"TO"));
            revokes.push(said(id + 1, WITH_GRANTS, b"REVOKE", b"FROM"));
        }
        let mut all = Vec::new();
        for entry in entries {
            if !entry.kind().is_setting() {
                all.append(&mut revokes);
                all.extend(entry.namespace().and_then(|schema| grants.remove(schema)));
            }
            all.push(entry.clone());
        }
        Self { header: self.header.clone(), toc: Toc::new(all) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tests::sample::preamble;

    #[test]
    fn roles_may_create_from_the_first_entry_of_a_schema_until_the_grants() {
        let setting = ("ENCODING", "SET client_encoding = 'UTF8';", "");
        let grant = ("ACL", "GRANT CREATE ON SCHEMA public TO b;", "o");
        let before = preamble(&[setting, ("TABLE", "CREATE TABLE public.t ();", "a"), grant]);
        assert_eq!(before.letting_create(&BTreeMap::new()).to_bytes(), before.to_bytes());
        let roles = BTreeSet::from([b"a".to_vec(), b"B".to_vec()]);
        let after = before.letting_create(&BTreeMap::from([(b"public".to_vec(), roles)]));
        // As the next reader reads it.
        let after = Preamble::read(&after.to_bytes()).unwrap();
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
        let said = after
            .toc
            .entries()
            .iter()
            .map(|entry| (entry.dump_id(), text(entry.desc()), text(entry.defn()).trim_end().to_owned()));
        let expected = [
            (1, "ENCODING", setting.1),
            (5, "ACL", r#"REVOKE CREATE ON SCHEMA "public" FROM "B", "a";"#),
            (4, "SCHEMA GRANT", r#"GRANT CREATE ON SCHEMA "public" TO "B", "a";"#),
            (2, "TABLE", "CREATE TABLE public.t ();"),
            (3, "ACL", grant.1),
        ];
        let expected = expected.map(|(id, kind, text)| (id, kind.to_owned(), text.to_owned()));
        assert_eq!(said.collect::<Vec<_>>(), expected);
    }
}
