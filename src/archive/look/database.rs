//! What an archive says of the database itself: its owner, settings and grants.
//!
//! `pg_restore` leaves all that out unless it makes the database under its old name. Here it is read, for
//! a database of any name.

use super::statement::{Word, quoted, replaced, statements};
use crate::archive::format::toc::{Toc, TocEntry};

/// A statement about the database itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfDatabase {
    /// The statement, in the dump's encoding.
    pub sql: Vec<u8>,
    /// Whether it grants or revokes.
    pub is_grant: bool,
    /// The roles it is for.
    pub roles: Vec<Vec<u8>>,
}

impl TocEntry {
    /// Whether it is about the database itself.
    pub fn is_of_database(&self) -> bool {
        let about = matches!(self.desc(), Some(b"ACL" | b"COMMENT" | b"SECURITY LABEL"));
        let tag = self.tag().unwrap_or_default();
        matches!(self.desc(), Some(b"DATABASE" | b"DATABASE PROPERTIES"))
            || about && tag.starts_with(b"DATABASE ")
    }
}

impl Toc {
    /// To whom the database belonged.
    pub fn database_owner(&self) -> Option<&[u8]> {
        let database = self.entries().iter().find(|entry| entry.desc() == Some(b"DATABASE"))?;
        database.owner().filter(|owner| !owner.is_empty())
    }

    /// Settings, comment and grants of the database, as statements about one of this name.
    pub fn of_database(&self, name: &[u8]) -> Vec<OfDatabase> {
        let entries = self.entries().iter();
        let about = entries.filter(|entry| entry.is_of_database() && entry.desc() != Some(b"DATABASE"));
        about.flat_map(|entry| of_entry(entry, name)).collect()
    }
}

fn of_entry(entry: &TocEntry, name: &[u8]) -> Vec<OfDatabase> {
    let text = entry.defn().unwrap_or_default();
    let mut found = Vec::new();
    for (words, at) in statements(text) {
        let Some(place) = words.iter().position(|word| word.is(b"DATABASE")) else { continue };
        // A template cannot be dropped any more, nor is a copy of one meant to be one.
        if words.iter().any(|word| word.is(b"IS_TEMPLATE")) {
            continue;
        }
        let Some(old) = words.get(place + 1) else { continue };
        let sql = replaced(text.get(..at.end).unwrap_or_default(), &[(old.at.clone(), quoted(name))]);
        let is_grant = entry.desc() == Some(b"ACL");
        let before: &[&[u8]] = if is_grant { &[b"TO", b"FROM"] } else { &[b"ROLE"] };
        let follows = |pair: &[Word<'_>]| match pair {
            [keyword, role] if before.iter().any(|word| keyword.is(word)) => role.name(),
            _ => None,
        };
        let roles = words.windows(2).filter_map(follows).collect();
        found.push(OfDatabase { sql: sql.get(at.start..).unwrap_or_default().to_vec(), is_grant, roles });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Front;
    use crate::archive::format::toc::Field;
    use crate::archive::tests::sample::{Data, Sample};

    #[test]
    fn what_was_said_of_one_is_said_of_another() {
        let front = Front::read(&Sample::new(16, vec![Data::None]).preamble()).unwrap();
        let entry = |desc: &str, tag: &str, defn: &str| {
            let entry = front.toc.entries()[0].with(Field::Desc, desc.as_bytes());
            entry.with(Field::Tag, tag.as_bytes()).with_defn(defn.as_bytes())
        };
        let said = |desc: &str, defn: &str| -> Vec<(String, Vec<String>)> {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let found = of_entry(&entry(desc, "DATABASE x", defn), "my \"new\"".as_bytes());
            found.iter().map(|one| (text(&one.sql), one.roles.iter().map(|r| text(r)).collect())).collect()
        };
        let properties = "ALTER DATABASE \"the; old\" IS_TEMPLATE = true;\nALTER DATABASE \"the; old\" SET search_path TO 'DATABASE', 'a;b';\n\
                          ALTER ROLE boss IN DATABASE \"the; old\" SET work_mem TO '16MB';\n";
        assert_eq!(
            said("DATABASE PROPERTIES", properties),
            [
                (
                    "ALTER DATABASE \"my \"\"new\"\"\" SET search_path TO 'DATABASE', 'a;b';".to_owned(),
                    vec![]
                ),
                (
                    "ALTER ROLE boss IN DATABASE \"my \"\"new\"\"\" SET work_mem TO '16MB';".to_owned(),
                    vec!["boss".to_owned()]
                ),
            ]
        );
        let grants =
            "REVOKE CONNECT,TEMPORARY ON DATABASE x FROM PUBLIC;\nGRANT ALL ON DATABASE x TO \"r 1\";\n";
        let said = said("ACL", grants);
        assert_eq!(said[0].0, "REVOKE CONNECT,TEMPORARY ON DATABASE \"my \"\"new\"\"\" FROM PUBLIC;");
        assert!(said[0].1.is_empty());
        assert_eq!(said[1].1, ["r 1"]);
        for (desc, tag, of_database) in [
            ("DATABASE", "x", true),
            ("ACL", "DATABASE x", true),
            ("COMMENT", "DATABASE x", true),
            ("ACL", "TABLE DATABASE x", false),
            ("TABLE", "DATABASE x", false),
        ] {
            assert_eq!(entry(desc, tag, "").is_of_database(), of_database, "{desc} {tag}");
        }
    }
}
