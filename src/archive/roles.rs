//! Which roles an archive speaks of: owners, and those in grants, policies and user mappings.
//!
//! Only such statements are looked into that `pg_dump` writes in one known shape; roles that a
//! function's body names are not found.

use std::collections::BTreeSet;

use super::toc::{Toc, TocEntry};

impl Toc {
    /// The names of all roles that must be there for the archive to be restored as it is, in the
    /// dump's encoding.
    pub fn roles(&self) -> BTreeSet<Vec<u8>> {
        let owners = self.entries().iter().filter_map(TocEntry::owner).map(<[u8]>::to_vec);
        let statement = |entry: &TocEntry| Some(named(entry.desc()?, entry.defn()?));
        let others = self.entries().iter().filter_map(statement).flatten();
        owners.chain(others).filter(|role| !role.is_empty()).collect()
    }

    /// Those of them that must be superusers, since only such may own what they own.
    pub fn superusers(&self) -> BTreeSet<Vec<u8>> {
        let theirs: [&[u8]; 3] = [b"EVENT TRIGGER", b"FOREIGN DATA WRAPPER", b"PUBLICATION"];
        let entries =
            self.entries().iter().filter(|entry| entry.desc().is_some_and(|desc| theirs.contains(&desc)));
        entries.filter_map(TocEntry::owner).map(<[u8]>::to_vec).collect()
    }
}

/// The roles that the statement of an entry of this kind names.
fn named(desc: &[u8], statement: &[u8]) -> Vec<Vec<u8>> {
    let before: &[&[u8]] = match desc {
        b"ACL" => &[b"TO", b"FROM", b"AUTHORIZATION"],
        b"DEFAULT ACL" => &[b"TO", b"FROM", b"AUTHORIZATION", b"ROLE"],
        b"POLICY" => &[b"TO"],
        b"USER MAPPING" => &[b"FOR"],
        _ => return Vec::new(),
    };
    let mut roles = Vec::new();
    let mut expected = false;
    for word in (Words { text: statement, depth: 0 }) {
        match word {
            Word::Bare(word) if before.contains(&word) => expected = true,
            Word::Bare(b"GROUP") => {}
            Word::Bare(b"PUBLIC" | b"CURRENT_USER" | b"SESSION_USER") => expected = false,
            Word::Bare(role) if std::mem::take(&mut expected) => roles.push(role.to_vec()),
            Word::Quoted(role) if std::mem::take(&mut expected) => roles.push(role),
            // A policy's roles are the only list outside parentheses.
            Word::Comma => expected = desc == b"POLICY",
            _ => expected = false,
        }
    }
    roles
}

/// The words of a statement; what is in parentheses or a string is passed over.
struct Words<'t> {
    text: &'t [u8],
    depth: usize,
}

enum Word<'t> {
    Bare(&'t [u8]),
    Quoted(Vec<u8>),
    Comma,
    Other,
}

impl<'t> Iterator for Words<'t> {
    type Item = Word<'t>;

    fn next(&mut self) -> Option<Word<'t>> {
        loop {
            self.text = self.text.trim_ascii_start();
            let (first, rest) = self.text.split_first()?;
            let part_of_word =
                |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..);
            let word = match first {
                b'"' | b'\'' => {
                    self.text = rest;
                    let quoted = self.quoted(*first);
                    if *first == b'"' { Word::Quoted(quoted) } else { Word::Other }
                }
                byte if part_of_word(byte) => {
                    let end = self.text.iter().position(|byte| !part_of_word(byte));
                    let (word, rest) = self.text.split_at(end.unwrap_or(self.text.len()));
                    self.text = rest;
                    Word::Bare(word)
                }
                _ => {
                    self.text = rest;
                    match first {
                        b'(' => self.depth += 1,
                        b')' => self.depth = self.depth.saturating_sub(1),
                        _ => {}
                    }
                    if *first == b',' { Word::Comma } else { Word::Other }
                }
            };
            if self.depth == 0 {
                return Some(word);
            }
        }
    }
}

impl Words<'_> {
    /// Takes the rest of what began with a quote; a doubled one stands for itself.
    fn quoted(&mut self, quote: u8) -> Vec<u8> {
        let mut inside = Vec::new();
        while let Some((byte, rest)) = self.text.split_first() {
            self.text = rest;
            if *byte == quote {
                match rest.split_first() {
                    Some((next, after)) if *next == quote => self.text = after,
                    _ => break,
                }
            }
            inside.push(*byte);
        }
        inside
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(desc: &str, statement: &str) -> Vec<String> {
        let named = named(desc.as_bytes(), statement.as_bytes());
        named.into_iter().map(|role| String::from_utf8(role).unwrap()).collect()
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
            (
                "POLICY",
                "CREATE POLICY p ON t FOR SELECT TO a, \"B b\" USING ((x = ANY (ARRAY['TO c', 1])));",
                &["a", "B b"],
            ),
            ("POLICY", "CREATE POLICY \"TO\" ON app.\"a,b\" USING (true) WITH CHECK (false);", &[]),
            ("USER MAPPING", "CREATE USER MAPPING FOR bob SERVER s OPTIONS (\"user\" 'FOR x');", &["bob"]),
            ("FUNCTION", "CREATE FUNCTION f() … GRANT ALL ON t TO nobody", &[]),
        ] {
            assert_eq!(roles(desc, statement), expected, "{statement}");
        }
    }
}
