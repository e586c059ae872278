//! Which roles a script names: owners, and those in grants, policies and user mappings.

use super::lines::Lines;
use crate::sql::{EntryKind, decoded, named_roles, words};
use std::collections::BTreeSet;

/// Gathers the names of roles from a script's passing bytes, as far as `pg_dump` writes them on one line.
#[derive(Debug, Default)]
pub struct NamedRoles {
    lines: Lines,
    names: BTreeSet<String>,
    /// The encoding of the script, if it says so.
    encoding: Option<String>,
}

impl NamedRoles {
    /// Reads the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        let Self { lines, names, encoding } = self;
        lines.feed(bytes, &mut |segment| {
            let Some(line) = segment.line() else { return };
            if let Some(value) = line.strip_prefix(b"SET client_encoding = '") {
                let value = value.split(|byte| *byte == b'\'').next().unwrap_or_default();
                *encoding = Some(String::from_utf8_lossy(value).into_owned());
            }
            let text =
                |name: Vec<u8>| Some(decoded(&name, encoding.as_deref().unwrap_or("UTF8"))?.into_owned());
            names.extend(named(line).into_iter().filter_map(text));
        });
    }

    /// The names, sorted.
    pub fn finish(self) -> Vec<String> {
        self.names.into_iter().collect()
    }
}

/// The roles that one line names.
fn named(line: &[u8]) -> Vec<Vec<u8>> {
    let begins = |words: &[&str]| words.iter().any(|word| line.starts_with(word.as_bytes()));
    let kind = if begins(&["GRANT ", "REVOKE "]) {
        EntryKind::Acl
    } else if begins(&["ALTER DEFAULT PRIVILEGES "]) {
        EntryKind::DefaultAcl
    } else if begins(&["CREATE POLICY "]) {
        EntryKind::Policy
    } else if begins(&["CREATE USER MAPPING "]) {
        EntryKind::UserMapping
    } else if begins(&["ALTER "]) {
        return owner(line).into_iter().collect();
    } else {
        return Vec::new();
    };
    named_roles(kind, line).into_iter().map(|(name, _)| name).collect()
}

/// The owner that something is given to: `ALTER TABLE public.t OWNER TO app;`.
fn owner(line: &[u8]) -> Option<Vec<u8>> {
    let mut words = words(line).skip_while(|word| !word.is(b"OWNER"));
    let (_owner, to, role) = (words.next()?, words.next()?, words.next()?);
    role.name().filter(|_| to.is(b"TO"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_grantees_and_policies_are_found_and_rows_are_not_read() {
        let script = "--\nALTER TABLE public.t OWNER TO app;\n\
             ALTER FUNCTION public.f(\"OWNER\" text) OWNER TO \"maker 2\";\n\
             GRANT SELECT,INSERT(a) ON TABLE public.\"x TO y\" TO \"Odd \"\"Role\"\"\" WITH GRANT OPTION;\n\
             GRANT SELECT ON TABLE t TO PUBLIC;\nREVOKE ALL ON TABLE t FROM revoked;\n\
             ALTER DEFAULT PRIVILEGES FOR ROLE maker IN SCHEMA s GRANT SELECT ON TABLES TO reader;\n\
             CREATE POLICY p ON public.t FOR SELECT TO one, two USING ((a TO b));\n\
             CREATE POLICY q ON public.t USING (true);\nALTER TABLE t RENAME COLUMN a TO b;\n\
             CREATE USER MAPPING FOR bob SERVER far;\n\
             COPY t (a) FROM stdin;\nGRANT x TO y;\n\\.\n\
             CREATE FUNCTION f() AS $$\nALTER TABLE t OWNER TO nobody;\n$$;\nSELECT 1;\n";
        for step in [1, 11, script.len()] {
            let mut roles = NamedRoles::default();
            script.as_bytes().chunks(step).for_each(|bytes| roles.feed(bytes));
            let expected =
                ["Odd \"Role\"", "app", "bob", "maker", "maker 2", "one", "reader", "revoked", "two"];
            assert_eq!(roles.finish(), expected);
        }
    }

    #[test]
    fn names_are_read_in_the_encoding_of_the_script() {
        let mut roles = NamedRoles::default();
        roles.feed(b"SET client_encoding = 'LATIN1';\nALTER TABLE public.t OWNER TO \"m\xFCller\";\n");
        assert_eq!(roles.finish(), ["müller"]);
    }
}
