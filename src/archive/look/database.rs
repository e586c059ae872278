//! What an archive says about the database itself: its owner, settings and grants.
//!
//! `pg_restore` leaves all that out unless it creates the database under its old name. Here it is read, for
//! a database of any name.

use crate::archive::format::entry::TocEntry;
use crate::archive::format::toc::Toc;
use crate::sql::{EntryKind, Word, quoted, replaced, statements};

/// A statement about the database itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseStatement {
    /// The statement, in the dump's encoding.
    pub sql: Vec<u8>,
    /// What it is about.
    pub about: About,
    /// The parameter that it sets, part by part: `plpgsql.variable_conflict` has two.
    pub sets: Vec<Vec<u8>>,
    /// The roles it is for.
    pub roles: Vec<Vec<u8>>,
}

/// What a statement about a database is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// Rights on it.
    Grants,
    /// Its comment, or its security label.
    Remarks,
    /// How many may be connected.
    Limit,
    /// What is set for everybody in it, or for a role.
    Setting,
}

impl DatabaseStatement {
    /// Whether it sets something for everybody in the database.
    pub fn is_for_everybody(&self) -> bool {
        self.about == About::Setting && self.roles.is_empty()
    }
}

impl Toc {
    /// The statement that would create the source's database, with its encoding and locale.
    pub fn create_database(&self) -> Option<String> {
        Some(String::from_utf8_lossy(self.database()?.defn()?).into_owned())
    }

    /// The owner of the database.
    pub fn database_owner(&self) -> Option<&[u8]> {
        self.database()?.owner().filter(|owner| !owner.is_empty())
    }

    /// Settings, comment and grants of the database, as statements about one of this name.
    pub fn database_statements(&self, name: &[u8]) -> Vec<DatabaseStatement> {
        let entries = self.entries().iter();
        let about = entries.filter(|entry| entry.is_of_database() && entry.kind() != EntryKind::Database);
        about.flat_map(|entry| of_entry(entry, name)).collect()
    }

    /// The tablespace that the source's database lay in, unless it was the usual one.
    pub fn database_tablespace(&self) -> Option<Vec<u8>> {
        let (words, _) = statements(self.database()?.defn()?).next()?;
        let mut after = words.iter().skip_while(|word| !word.is(b"TABLESPACE")).skip(1);
        after.find_map(Word::name)
    }

    /// Whether the source's database was a template.
    pub fn is_template(&self) -> bool {
        let properties = self.entries().iter().filter(|entry| entry.kind() == EntryKind::DatabaseProperties);
        let mut said = properties.flat_map(|entry| statements(entry.defn().unwrap_or_default()));
        said.any(|(words, _)| words.iter().any(|word| word.is(b"IS_TEMPLATE")))
    }

    fn database(&self) -> Option<&TocEntry> {
        self.entries().iter().find(|entry| entry.kind() == EntryKind::Database)
    }
}

fn of_entry(entry: &TocEntry, name: &[u8]) -> Vec<DatabaseStatement> {
    let text = entry.defn().unwrap_or_default();
    let mut found = Vec::new();
    for (words, at) in statements(text) {
        let Some(keyword) = words.iter().position(|word| word.is(b"DATABASE")) else { continue };
        // A template can no longer be dropped, and a copy of one is not meant to be one.
        if words.iter().any(|word| word.is(b"IS_TEMPLATE")) {
            continue;
        }
        let Some(old) = words.get(keyword + 1) else { continue };
        let sql = replaced(text.get(..at.end).unwrap_or_default(), &[(old.at.clone(), quoted(name))]);
        let sets = parameter(&words);
        let about = match entry.kind() {
            EntryKind::Acl => About::Grants,
            kind if kind.is_remark() => About::Remarks,
            _ if sets.is_empty() => About::Limit,
            _ => About::Setting,
        };
        let before: &[&[u8]] = if about == About::Grants { &[b"TO", b"FROM"] } else { &[b"ROLE"] };
        let follows = |pair: &[Word<'_>]| match pair {
            [keyword, role] if before.iter().any(|word| keyword.is(word)) => role.name(),
            _ => None,
        };
        let roles: Vec<Vec<u8>> = words.windows(2).filter_map(follows).collect();
        found.push(DatabaseStatement {
            sql: sql.get(at.start..).unwrap_or_default().to_vec(),
            about,
            sets,
            roles,
        });
    }
    found
}

/// The parameter of `ALTER DATABASE … SET parameter TO value`; nothing of another statement.
fn parameter(words: &[Word<'_>]) -> Vec<Vec<u8>> {
    let after = words.iter().skip_while(|word| !word.is(b"SET")).skip(1);
    after.take_while(|word| !word.is(b"TO")).filter_map(Word::name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tests::sample::preamble;

    #[test]
    fn what_was_said_of_one_is_said_of_another() {
        let said = |desc: &str, defn: &str| -> Vec<(String, Vec<String>)> {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let toc = preamble(&[(desc, defn, "o")]).toc;
            let found = of_entry(&toc.entries()[0], "my \"new\"".as_bytes());
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
        let about = of_entry(&preamble(&[("DATABASE PROPERTIES", properties, "o")]).toc.entries()[0], b"x");
        assert_eq!(about.iter().map(DatabaseStatement::is_for_everybody).collect::<Vec<_>>(), [true, false]);
        assert_eq!(about[1].sets, [b"work_mem"]);
        let grants =
            "REVOKE CONNECT,TEMPORARY ON DATABASE x FROM PUBLIC;\nGRANT ALL ON DATABASE x TO \"r 1\";\n";
        let said = said("ACL", grants);
        assert_eq!(said[0].0, "REVOKE CONNECT,TEMPORARY ON DATABASE \"my \"\"new\"\"\" FROM PUBLIC;");
        assert!(said[0].1.is_empty());
        assert_eq!(said[1].1, ["r 1"]);
    }
}
