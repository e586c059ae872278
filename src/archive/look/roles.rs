//! Which roles an archive speaks of (owners, and those in grants, policies and user mappings), and the
//! same archive with other roles in their place.
//!
//! Only such statements are looked into that `pg_dump` writes in one known shape; roles that a
//! function's body names are not found.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::statement::{Kind, Word, quoted, replaced, statements, words};
use crate::archive::format::toc::{Toc, TocEntry};
use crate::archive::write::part::Front;

/// What an archive needs a role for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Uses {
    /// So many objects belong to it.
    pub owns: usize,
    /// So many statements grant to it, or as it.
    pub granted: usize,
    /// So many default privileges are its own.
    pub defaults: usize,
    /// So many policies and user mappings are for it.
    pub named: usize,
}

impl Toc {
    /// The names of all roles that must be there for the archive to be restored as it is, in the
    /// dump's encoding.
    pub fn roles(&self) -> BTreeSet<Vec<u8>> {
        self.role_uses().into_keys().collect()
    }

    /// What each role is needed for. The database itself, its settings and its grants count like all
    /// else, though `pg_restore` leaves them out where it does not make the database.
    pub fn role_uses(&self) -> BTreeMap<Vec<u8>, Uses> {
        let mut uses = BTreeMap::<Vec<u8>, Uses>::new();
        for entry in self.entries() {
            // pg_restore gives objects to their owners; what hangs on them, and has no end of its own, goes along.
            let is_object = entry.drop_statement().is_some_and(|statement| !statement.is_empty());
            if let Some(owner) = entry.owner().filter(|owner| is_object && !owner.is_empty()) {
                uses.entry(owner.to_vec()).or_default().owns += 1;
            }
            let (desc, statement) = (entry.desc().unwrap_or_default(), entry.defn().unwrap_or_default());
            for (role, _) in named(desc, statement) {
                let its_own = entry.owner() == Some(&role);
                let of_role = uses.entry(role).or_default();
                match desc {
                    b"DEFAULT ACL" if its_own => of_role.defaults += 1,
                    b"POLICY" | b"USER MAPPING" => of_role.named += 1,
                    _ => of_role.granted += 1,
                }
            }
        }
        uses
    }

    /// Those of them that must be superusers, since only such may own what they own.
    pub fn superusers(&self) -> BTreeSet<Vec<u8>> {
        let theirs: [&[u8]; 3] = [b"EVENT TRIGGER", b"FOREIGN DATA WRAPPER", b"PUBLICATION"];
        let entries =
            self.entries().iter().filter(|entry| entry.desc().is_some_and(|desc| theirs.contains(&desc)));
        entries.filter_map(TocEntry::owner).map(<[u8]>::to_vec).collect()
    }
}

impl Front {
    /// The same with other roles: `other` is asked for each role an entry names, its owner among them.
    #[must_use]
    pub fn with_roles(&self, other: impl Fn(&TocEntry, &[u8]) -> Option<Vec<u8>>) -> Self {
        self.with(|entry| {
            let mut new = entry.clone();
            if let Some(owner) = entry.owner().filter(|owner| !owner.is_empty()).and_then(|o| other(entry, o))
            {
                new = new.with_owner(&owner);
            }
            let (desc, statement) = (entry.desc().unwrap_or_default(), entry.defn().unwrap_or_default());
            let change = |(role, at): (Vec<u8>, Range<usize>)| Some((at, quoted(&other(entry, &role)?)));
            let changes: Vec<_> = named(desc, statement).into_iter().filter_map(change).collect();
            if !changes.is_empty() {
                new = new.with_defn(&replaced(statement, &changes));
            }
            new
        })
    }

    /// The same with every grant given by its object's owner, where others had passed on what they were
    /// granted: only a superuser may speak for them.
    #[must_use]
    pub fn granted_by_owners(&self) -> Self {
        self.with(|entry| {
            let statement = entry.defn().unwrap_or_default();
            let mut gone = Vec::new();
            if matches!(entry.desc(), Some(b"ACL" | b"ACL LANGUAGE" | b"DEFAULT ACL")) {
                let said = |words: &[Word<'_>]| {
                    let [first, second, ..] = words else { return false };
                    (first.is(b"SET") || first.is(b"RESET")) && second.is(b"SESSION")
                };
                gone = statements(statement).filter(|(words, _)| said(words)).collect();
            }
            if gone.is_empty() {
                return entry.clone();
            }
            let gone: Vec<_> = gone.into_iter().map(|(_, at)| (at, Vec::new())).collect();
            entry.with_defn(&replaced(statement, &gone))
        })
    }
}

/// The roles that the statement of an entry of this kind names, and where.
fn named(desc: &[u8], statement: &[u8]) -> Vec<(Vec<u8>, Range<usize>)> {
    let before: &[&[u8]] = match desc {
        b"ACL" | b"ACL LANGUAGE" => &[b"TO", b"FROM", b"AUTHORIZATION"],
        b"DEFAULT ACL" => &[b"TO", b"FROM", b"AUTHORIZATION", b"ROLE"],
        b"POLICY" => &[b"TO"],
        b"USER MAPPING" => &[b"FOR"],
        b"DATABASE PROPERTIES" => &[b"ROLE"],
        _ => return Vec::new(),
    };
    let mut roles = Vec::new();
    let mut expected = false;
    for word in words(statement) {
        match &word.kind {
            Kind::Bare(keyword) if before.contains(keyword) => expected = true,
            Kind::Bare(b"GROUP") => {}
            // A policy's roles are the only list outside parentheses.
            Kind::Comma => expected = desc == b"POLICY",
            _ if std::mem::take(&mut expected) => roles.extend(word.name().map(|name| (name, word.at))),
            _ => {}
        }
    }
    roles
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::archive::format::toc::Field;
    use crate::archive::tests::sample::{Data, Sample};

    fn roles(desc: &str, statement: &str) -> Vec<String> {
        let named = named(desc.as_bytes(), statement.as_bytes());
        named.into_iter().map(|(role, _)| String::from_utf8(role).unwrap()).collect()
    }

    #[test]
    fn roles_are_found_where_pg_dump_writes_them() {
        for (desc, statement, expected) in [
            (
                "ACL",
                "REVOKE USAGE ON SCHEMA public FROM PUBLIC;\nGRANT ALL ON SCHEMA public TO PUBLIC;\n",
                &[][..],
            ),
            (
                "ACL",
                "REVOKE ALL ON TABLE app.t FROM boss;\nSET SESSION AUTHORIZATION \"the \"\"boss\"\"\";\n\
                 GRANT SELECT(a),UPDATE(b) ON TABLE app.t TO reader WITH GRANT OPTION;\n\
                 RESET SESSION AUTHORIZATION;\nGRANT ALL ON FUNCTION f(\"TO\" text, b text) TO \"Größe, x\";",
                &["boss", "the \"boss\"", "reader", "Größe, x"],
            ),
            (
                "DEFAULT ACL",
                "ALTER DEFAULT PRIVILEGES FOR ROLE boss IN SCHEMA app GRANT SELECT ON TABLES TO reader;",
                &["boss", "reader"],
            ),
            // A schema may be called role, and is written without quotes.
            (
                "DEFAULT ACL",
                "ALTER DEFAULT PRIVILEGES FOR ROLE boss IN SCHEMA role REVOKE ALL ON TABLES FROM boss;",
                &["boss", "boss"],
            ),
            (
                "POLICY",
                "CREATE POLICY p ON t FOR SELECT TO a, \"B b\" USING ((x = ANY (ARRAY['TO c', 1])));",
                &["a", "B b"],
            ),
            ("POLICY", "CREATE POLICY \"TO\" ON app.\"a,b\" USING (true) WITH CHECK (false);", &[]),
            ("USER MAPPING", "CREATE USER MAPPING FOR bob SERVER s OPTIONS (\"user\" 'FOR x');", &["bob"]),
            ("USER MAPPING", "CREATE USER MAPPING FOR PUBLIC SERVER s;", &[]),
            (
                "DATABASE PROPERTIES",
                "ALTER DATABASE role SET a TO 'ROLE x';\nALTER ROLE \"a b\" IN DATABASE role SET work_mem TO '1MB';\n",
                &["a b"],
            ),
            ("FUNCTION", "CREATE FUNCTION f() … GRANT ALL ON t TO nobody", &[]),
        ] {
            assert_eq!(roles(desc, statement), expected, "{statement}");
        }
    }

    /// An archive's front with these entries: kind, statement, owner.
    fn front(entries: &[(&str, &str, &str)]) -> Front {
        let sample = Sample::new(16, vec![Data::None; entries.len()]);
        let mut front = Front::read(&sample.preamble()).unwrap();
        let entry = |(entry, (desc, defn, owner)): (&TocEntry, &(&str, &str, &str))| {
            let drop = if *desc == "TABLE" { "DROP …" } else { "" };
            let entry = entry.with(Field::Desc, desc.as_bytes()).with(Field::Drop, drop.as_bytes());
            entry.with_defn(defn.as_bytes()).with_owner(owner.as_bytes())
        };
        front.toc.entries = Arc::new(front.toc.entries().iter().zip(entries).map(entry).collect());
        // As whoever reads it next does.
        Front::read(&front.to_bytes()).unwrap()
    }

    #[test]
    fn another_role_takes_the_place_of_one() {
        let grants = "GRANT SELECT ON TABLE boss.t TO reader;\nGRANT ALL ON TABLE boss.t TO boss;\n";
        let entries = [
            ("TABLE", "CREATE TABLE boss.t ();\n", "boss"),
            ("ACL", grants, "boss"),
            ("FUNCTION", "CREATE FUNCTION f() … -- TO boss", ""),
        ];
        let before = front(&entries);
        assert_eq!(before.with_roles(|_, _| None).to_bytes(), before.to_bytes());
        let after = before.with_roles(|_, role| (role == b"boss").then(|| b"new \"boss\"".to_vec()));
        let grants = grants.replace("TO boss", "TO \"new \"\"boss\"\"\"");
        let expected =
            [("TABLE", entries[0].1, "new \"boss\""), ("ACL", &*grants, "new \"boss\""), entries[2]];
        assert_eq!(after.to_bytes(), front(&expected).to_bytes());

        let uses = Front::read(&after.to_bytes()).unwrap().toc.role_uses();
        assert_eq!(uses[&b"new \"boss\""[..]], Uses { owns: 1, granted: 1, ..Uses::default() });
        assert_eq!(uses[&b"reader"[..]], Uses { granted: 1, ..Uses::default() });
        assert_eq!(uses.len(), 2);
    }

    #[test]
    fn who_passed_a_grant_on_is_forgotten() {
        let passed_on = "GRANT SELECT ON TABLE t TO a WITH GRANT OPTION;\nSET SESSION AUTHORIZATION a;\n\
                         GRANT SELECT ON TABLE t TO \";SET SESSION\";\nRESET SESSION AUTHORIZATION;\n";
        let before = front(&[("ACL", passed_on, "o"), ("FUNCTION", "SET SESSION AUTHORIZATION a;", "o")]);
        let expected = "GRANT SELECT ON TABLE t TO a WITH GRANT OPTION;\n\nGRANT SELECT ON TABLE t TO \";SET SESSION\";\n\n";
        let after = before.granted_by_owners();
        assert_eq!(after.toc.entries()[0].defn(), Some(expected.as_bytes()));
        assert_eq!(after.toc.entries()[1].defn(), before.toc.entries()[1].defn());
    }
}
