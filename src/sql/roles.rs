//! The roles that a statement names.
//!
//! Only such statements are looked into that `pg_dump` writes in one known shape; roles that a function's
//! body names are not found.

use super::kind::EntryKind;
use super::words::{Token, words};
use std::ops::Range;

/// The roles that the statement of an entry of this kind names, and where. Owners are not among them: an entry
/// has its owner apart.
pub fn named_roles(kind: EntryKind, statement: &[u8]) -> Vec<(Vec<u8>, Range<usize>)> {
    let before: &[&[u8]] = match kind {
        EntryKind::Acl | EntryKind::AclLanguage => &[b"TO", b"FROM", b"AUTHORIZATION"],
        EntryKind::DefaultAcl => &[b"TO", b"FROM", b"AUTHORIZATION", b"ROLE"],
        EntryKind::Policy => &[b"TO"],
        EntryKind::UserMapping => &[b"FOR"],
        EntryKind::DatabaseProperties => &[b"ROLE"],
        _ => return Vec::new(),
    };
    let mut roles = Vec::new();
    let mut expected = false;
    for word in words(statement).filter(|word| word.depth == 0) {
        match &word.token {
            Token::Bare(keyword) if before.contains(keyword) => expected = true,
            Token::Bare(b"GROUP") => {}
            // A policy's roles are the only list outside parentheses.
            Token::Sign(b',') => expected = kind == EntryKind::Policy,
            // Everybody is no role, and no role can have that name; pg_dump writes it so in user mappings.
            _ if std::mem::take(&mut expected) => {
                roles.extend(word.name().filter(|name| name != b"public").map(|name| (name, word.at)));
            }
            _ => {}
        }
    }
    roles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_found_where_pg_dump_writes_them() {
        for (kind, statement, expected) in [
            (
                EntryKind::Acl,
                "REVOKE USAGE ON SCHEMA public FROM PUBLIC;\nGRANT ALL ON SCHEMA public TO PUBLIC;\n",
                &[][..],
            ),
            (
                EntryKind::Acl,
                "REVOKE ALL ON TABLE app.t FROM boss;\nSET SESSION AUTHORIZATION \"the \"\"boss\"\"\";\n\
                 GRANT SELECT(a),UPDATE(b) ON TABLE app.t TO reader WITH GRANT OPTION;\n\
                 RESET SESSION AUTHORIZATION;\nGRANT ALL ON FUNCTION f(\"TO\" text, b text) TO \"Größe, x\";",
                &["boss", "the \"boss\"", "reader", "Größe, x"],
            ),
            (
                EntryKind::DefaultAcl,
                "ALTER DEFAULT PRIVILEGES FOR ROLE boss IN SCHEMA app GRANT SELECT ON TABLES TO reader;",
                &["boss", "reader"],
            ),
            // A schema may be called role, and is written without quotes.
            (
                EntryKind::DefaultAcl,
                "ALTER DEFAULT PRIVILEGES FOR ROLE boss IN SCHEMA role REVOKE ALL ON TABLES FROM boss;",
                &["boss", "boss"],
            ),
            (
                EntryKind::Policy,
                "CREATE POLICY p ON t FOR SELECT TO a, \"B b\" USING ((x = ANY (ARRAY['TO c', 1])));",
                &["a", "B b"],
            ),
            (EntryKind::Policy, "CREATE POLICY \"TO\" ON app.\"a,b\" USING (true) WITH CHECK (false);", &[]),
            (
                EntryKind::UserMapping,
                "CREATE USER MAPPING FOR bob SERVER s OPTIONS (\"user\" 'FOR x');",
                &["bob"],
            ),
            (EntryKind::UserMapping, "CREATE USER MAPPING FOR PUBLIC SERVER s;", &[]),
            (EntryKind::UserMapping, "CREATE USER MAPPING FOR public SERVER s;", &[]),
            (
                EntryKind::DatabaseProperties,
                "ALTER DATABASE role SET a TO 'ROLE x';\nALTER ROLE \"a b\" IN DATABASE role SET work_mem TO '1MB';\n",
                &["a b"],
            ),
            (EntryKind::Function, "CREATE FUNCTION f() … GRANT ALL ON t TO nobody", &[]),
        ] {
            let roles = named_roles(kind, statement.as_bytes());
            let roles: Vec<String> =
                roles.into_iter().map(|(role, _)| String::from_utf8(role).unwrap()).collect();
            assert_eq!(roles, expected, "{statement}");
        }
    }
}
