//! What an archive says about the database itself: its owner, settings and grants.
//!
//! `pg_restore` leaves all that out unless it creates the database under its old name. Here it is read, for
//! a database of any name.

use crate::archive::format::entry::TocEntry;
use crate::archive::format::toc::Toc;
use crate::sql::{EntryKind, Word, quoted, replaced, statements, words};
use std::borrow::Cow;

/// A statement about the database itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseStatement {
    /// The statement.
    pub sql: String,
    /// What it is about.
    pub about: About,
    /// The parameter that it sets, part by part: `plpgsql.variable_conflict` has two.
    pub sets: Vec<String>,
    /// The roles it is for.
    pub roles: Vec<String>,
    /// Whether somebody said it in the database itself, whose encoding it has: others read it as text of that.
    pub said_inside: bool,
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
    pub fn database_owner(&self) -> Option<Cow<'_, str>> {
        self.text_of_server(self.database()?.owner().filter(|owner| !owner.is_empty())?)
    }

    /// Settings, comment and grants of the database, as statements about one of this name; and what else is said of it, in a
    /// text that nobody can read.
    pub fn database_statements(&self, name: &str) -> (Vec<DatabaseStatement>, Vec<String>) {
        let (mut found, mut unreadable) = (Vec::new(), Vec::new());
        let (converted, standard) = (self.is_converted(), self.has_standard_strings());
        let entries = self.entries().iter();
        for entry in entries.filter(|entry| entry.is_of_database() && entry.kind() != EntryKind::Database) {
            let defn = entry.defn().unwrap_or_default();
            // Converted text was read as text of the database: said there, it becomes the same bytes again, whoever said it.
            let said_inside = converted || std::str::from_utf8(defn).is_err();
            match if converted { self.text(defn) } else { self.text_of_server(defn) } {
                Some(text) => found.extend(
                    of_entry(entry.kind(), &if standard { text } else { standardized(&text).into() }, name)
                        .into_iter()
                        .map(|said| DatabaseStatement { said_inside, ..said }),
                ),
                None => unreadable.push(entry.described()),
            }
        }
        (found, unreadable)
    }

    /// Whether the dump's text is in another encoding than the database's, so that the server has converted it.
    fn is_converted(&self) -> bool {
        let statement = self.create_database().unwrap_or_default();
        // CREATE DATABASE app WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE = 'C';
        let own = statement.split_once(" ENCODING = '").and_then(|(_, rest)| rest.split('\'').next());
        let dumped = self.encoding();
        let both = own.zip(dumped.as_deref());
        both.is_some_and(|(own, dumped)| own != dumped && own != "SQL_ASCII" && dumped != "SQL_ASCII")
    }

    /// The tablespace that the source's database lay in, unless it was the usual one.
    pub fn database_tablespace(&self) -> Option<Vec<u8>> {
        let (words, _) = statements(self.database()?.defn()?).next()?;
        let mut after = words.iter().skip_while(|word| !word.is(b"TABLESPACE")).skip(1);
        after.find_map(Word::name)
    }

    /// Whether the source's database was a template.
    pub fn is_template(&self) -> bool {
        let properties = self.of_kind(EntryKind::DatabaseProperties);
        let mut said = properties.flat_map(|entry| statements(entry.defn().unwrap_or_default()));
        said.any(|(words, _)| words.iter().any(|word| word.is(b"IS_TEMPLATE")))
    }

    fn database(&self) -> Option<&TocEntry> {
        self.of_kind(EntryKind::Database).next()
    }
}

/// The text with its plain strings as `standard_conforming_strings` has them, without a second backslash for each.
fn standardized(text: &str) -> String {
    let (text, mut before) = (text.as_bytes(), None);
    let mut places = Vec::new();
    for word in words(text) {
        let string = text.get(word.at.clone()).unwrap_or_default();
        // Not in E'…', where it is the same in both.
        let is_plain = string.starts_with(b"'") && before != Some(word.at.start);
        before = word.is(b"E").then_some(word.at.end);
        if is_plain {
            places.push((word.at, String::from_utf8_lossy(string).replace(r"\\", r"\").into_bytes()));
        }
    }
    String::from_utf8_lossy(&replaced(text, &places)).into_owned()
}

fn of_entry(kind: EntryKind, text: &str, name: &str) -> Vec<DatabaseStatement> {
    let text = text.as_bytes();
    let mut found = Vec::new();
    for (words, at) in statements(text) {
        let Some(keyword) = words.iter().position(|word| word.is(b"DATABASE")) else { continue };
        // A template can no longer be dropped, and a copy of one is not meant to be one.
        if words.iter().any(|word| word.is(b"IS_TEMPLATE")) {
            continue;
        }
        let Some(old) = words.get(keyword + 1) else { continue };
        let sql =
            replaced(text.get(..at.end).unwrap_or_default(), &[(old.at.clone(), quoted(name.as_bytes()))]);
        let sets = parameter(&words);
        let about = match kind {
            EntryKind::Acl => About::Grants,
            kind if kind.is_remark() => About::Remarks,
            _ if sets.is_empty() => About::Limit,
            _ => About::Setting,
        };
        let before: &[&[u8]] = if about == About::Grants { &[b"TO", b"FROM"] } else { &[b"ROLE"] };
        let follows = |pair: &[Word<'_>]| match pair {
            [keyword, role] if before.iter().any(|word| keyword.is(word)) => name_of(role),
            _ => None,
        };
        let roles: Vec<String> = words.windows(2).filter_map(follows).collect();
        let sql = String::from_utf8(sql.get(at.start..).unwrap_or_default().to_vec());
        found.extend(sql.map(|sql| DatabaseStatement { sql, about, sets, roles, said_inside: false }));
    }
    found
}

/// The parameter of `ALTER DATABASE … SET parameter TO value`; nothing of another statement.
fn parameter(words: &[Word<'_>]) -> Vec<String> {
    let after = words.iter().skip_while(|word| !word.is(b"SET")).skip(1);
    after.take_while(|word| !word.is(b"TO")).filter_map(name_of).collect()
}

fn name_of(word: &Word<'_>) -> Option<String> {
    String::from_utf8(word.name()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::tests::sample::preamble;

    #[test]
    fn what_was_said_of_one_is_said_of_another() {
        let said = |desc: &str, defn: &str| -> Vec<(String, Vec<String>)> {
            let found = of_entry(EntryKind::named(desc), defn, "my \"new\"");
            found.into_iter().map(|one| (one.sql, one.roles)).collect()
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
        let about = of_entry(EntryKind::DatabaseProperties, properties, "x");
        assert_eq!(about.iter().map(DatabaseStatement::is_for_everybody).collect::<Vec<_>>(), [true, false]);
        assert_eq!(about[1].sets, ["work_mem"]);
        let grants =
            "REVOKE CONNECT,TEMPORARY ON DATABASE x FROM PUBLIC;\nGRANT ALL ON DATABASE x TO \"r 1\";\n";
        let said = said("ACL", grants);
        assert_eq!(said[0].0, "REVOKE CONNECT,TEMPORARY ON DATABASE \"my \"\"new\"\"\" FROM PUBLIC;");
        assert!(said[0].1.is_empty());
        assert_eq!(said[1].1, ["r 1"]);
    }

    #[test]
    fn a_plain_string_is_read_as_the_dump_means_it() {
        let said = |strings: &str| {
            let set = format!("SET standard_conforming_strings = '{strings}';\n");
            let text = r"ALTER DATABASE a SET b.c TO 'C:\\new', 'it''s', E'x\\y';";
            let front = preamble(&[("STDSTRINGS", &set, ""), ("DATABASE PROPERTIES", text, "")]);
            front.toc.database_statements("x").0.remove(0).sql
        };
        assert_eq!(said("on"), r#"ALTER DATABASE "x" SET b.c TO 'C:\\new', 'it''s', E'x\\y';"#);
        assert_eq!(said("off"), r#"ALTER DATABASE "x" SET b.c TO 'C:\new', 'it''s', E'x\\y';"#);
    }

    #[test]
    fn converted_text_was_said_inside() {
        for (own, dumped, inside) in [
            ("LATIN1", "UTF8", true),
            ("UTF8", "UTF8", false),
            ("LATIN1", "LATIN1", false),
            ("SQL_ASCII", "UTF8", false),
        ] {
            let create =
                format!("CREATE DATABASE a WITH TEMPLATE = template0 ENCODING = '{own}' LOCALE = 'C';\n");
            let set = format!("SET client_encoding = '{dumped}';\n");
            let text = "ALTER DATABASE a SET b.c TO 'ä';\n";
            let front = preamble(&[
                ("ENCODING", &set, ""),
                ("DATABASE", &create, ""),
                ("DATABASE PROPERTIES", text, ""),
            ]);
            let (found, _) = front.toc.database_statements("x");
            assert_eq!(
                (found[0].said_inside, found[0].sql.contains("'ä'")),
                (inside, true),
                "{own} {dumped}"
            );
        }
    }

    /// The new name has letters of its own, in another encoding than the dump's.
    #[test]
    fn what_is_said_is_read_in_the_encoding_of_the_dump() {
        let said = |encoding: &str| {
            let set = format!("SET client_encoding = '{encoding}';\n");
            let front = preamble(&[("ENCODING", &set, ""), ("DATABASE PROPERTIES", "", "")]);
            let front = front.with(|entry| match entry.kind() {
                EntryKind::DatabaseProperties => {
                    entry.with_defn(b"ALTER DATABASE a SET b.c TO 'M\xFCller';\n")
                }
                _ => entry.clone(),
            });
            front.toc.database_statements("größe")
        };
        let (found, unreadable) = said("LATIN1");
        assert_eq!(found[0].sql, "ALTER DATABASE \"größe\" SET b.c TO 'Müller';");
        assert!(found.len() == 1 && found[0].said_inside && unreadable.is_empty());
        let (found, unreadable) = said("SQL_ASCII");
        assert!(found.is_empty());
        assert!(unreadable.len() == 1 && unreadable[0].starts_with("DATABASE PROPERTIES "), "{unreadable:?}");
    }
}
