//! The same archive with other roles in it.
//!
//! Only such statements are changed that `pg_dump` writes in one known shape; roles that a function's body
//! names stay.

use std::ops::Range;

use crate::archive::format::entry::TocEntry;
use crate::archive::format::preamble::Preamble;
use crate::sql::{Word, named_roles, quoted, replaced, statements};

impl Preamble {
    /// The same with other roles: `other` is asked for each role an entry names, its owner among them.
    #[must_use]
    pub fn with_roles(&self, other: impl Fn(&TocEntry, &[u8]) -> Option<Vec<u8>>) -> Self {
        self.with(|entry| {
            let mut new = entry.clone();
            if let Some(owner) = entry.owner().filter(|owner| !owner.is_empty()).and_then(|o| other(entry, o))
            {
                new = new.with_owner(&owner);
            }
            let statement = entry.defn().unwrap_or_default();
            let change = |(role, at): (Vec<u8>, Range<usize>)| Some((at, quoted(&other(entry, &role)?)));
            let changes: Vec<_> =
                named_roles(entry.kind(), statement).into_iter().filter_map(change).collect();
            if !changes.is_empty() {
                new = new.with_defn(&replaced(statement, &changes));
            }
            new
        })
    }

    /// The same with every grant given by its object's owner, even if others had passed on what they were
    /// granted: only a superuser may grant in their name.
    #[must_use]
    pub fn granted_by_owners(&self) -> Self {
        self.with(|entry| {
            let statement = entry.defn().unwrap_or_default();
            let mut gone = Vec::new();
            if entry.kind().is_grant() {
                let in_the_name_of = |words: &[Word<'_>]| {
                    let [first, second, ..] = words else { return false };
                    (first.is(b"SET") || first.is(b"RESET")) && second.is(b"SESSION")
                };
                gone = statements(statement).filter(|(words, _)| in_the_name_of(words)).collect();
            }
            if gone.is_empty() {
                return entry.clone();
            }
            let gone: Vec<_> = gone.into_iter().map(|(_, at)| (at, Vec::new())).collect();
            entry.with_defn(&replaced(statement, &gone))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::RoleUses;
    use crate::archive::tests::sample::preamble;

    #[test]
    fn another_role_takes_the_place_of_one() {
        let grants = "GRANT SELECT ON TABLE boss.t TO reader;\nGRANT ALL ON TABLE boss.t TO boss;\n";
        let entries = [
            ("TABLE", "CREATE TABLE boss.t ();\n", "boss"),
            ("ACL", grants, "boss"),
            ("FUNCTION", "CREATE FUNCTION f() … -- TO boss", ""),
        ];
        let before = preamble(&entries);
        assert_eq!(before.with_roles(|_, _| None).to_bytes(), before.to_bytes());
        let after = before.with_roles(|_, role| (role == b"boss").then(|| b"new \"boss\"".to_vec()));
        let grants = grants.replace("TO boss", "TO \"new \"\"boss\"\"\"");
        let expected =
            [("TABLE", entries[0].1, "new \"boss\""), ("ACL", &*grants, "new \"boss\""), entries[2]];
        assert_eq!(after.to_bytes(), preamble(&expected).to_bytes());

        let uses = Preamble::read(&after.to_bytes()).unwrap().toc.role_uses();
        assert_eq!(uses[&b"new \"boss\""[..]], RoleUses { owns: 1, granted: 1, ..RoleUses::default() });
        assert_eq!(uses[&b"reader"[..]], RoleUses { granted: 1, ..RoleUses::default() });
        assert_eq!(uses.len(), 2);
    }

    #[test]
    fn who_passed_a_grant_on_is_forgotten() {
        let passed_on = "GRANT SELECT ON TABLE t TO a WITH GRANT OPTION;\nSET SESSION AUTHORIZATION a;\n\
                         GRANT SELECT ON TABLE t TO \";SET SESSION\";\nRESET SESSION AUTHORIZATION;\n";
        let before = preamble(&[("ACL", passed_on, "o"), ("FUNCTION", "SET SESSION AUTHORIZATION a;", "o")]);
        let expected = "GRANT SELECT ON TABLE t TO a WITH GRANT OPTION;\n\nGRANT SELECT ON TABLE t TO \";SET SESSION\";\n\n";
        let after = before.granted_by_owners();
        assert_eq!(after.toc.entries()[0].defn(), Some(expected.as_bytes()));
        assert_eq!(after.toc.entries()[1].defn(), before.toc.entries()[1].defn());
    }
}
