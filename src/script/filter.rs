//! Takes out of a script what belongs to its database as such, so that it runs in any other database.

use super::Entry;
use super::lines::{Lines, Segment};
use crate::sql::EntryKind;

/// How statements begin that are about the old database.
const OF_DATABASE: [&[u8]; 3] = [b"DROP DATABASE ", b"ALTER DATABASE ", b"UPDATE pg_catalog.pg_database "];

/// Passes a script on, except for what names the database it is from.
///
/// `CREATE DATABASE`, `ALTER DATABASE`, `GRANT … ON DATABASE` and `\connect` would act on the old database,
/// which may still exist and be in use. So would the script's own way into psql's restricted mode, and out of it: it
/// is in that mode already.
#[derive(Debug, Default)]
pub struct Filter {
    lines: Lines,
    passing: Passing,
}

#[derive(Debug, Default)]
struct Passing {
    /// Whether statements that begin and end transactions are left out.
    one_transaction: bool,
    /// Inside the entry of the large objects, which are several transactions.
    in_large_objects: bool,
    /// The key of the restricted mode that the script has entered itself.
    key: Option<Vec<u8>>,
    /// Inside an entry that is taken out.
    skipping: bool,
    /// Whether an entry has begun that stays.
    begun: bool,
    create_database: Vec<u8>,
}

impl Filter {
    /// One for a script that is to be a single transaction: `pg_dump` writes large objects in some of their own.
    pub fn of_one_transaction() -> Self {
        Self { passing: Passing { one_transaction: true, ..Passing::default() }, ..Self::default() }
    }

    /// Reads the next bytes, and puts those that stay into `to`.
    pub fn feed(&mut self, bytes: &[u8], to: &mut Vec<u8>) {
        let passing = &mut self.passing;
        self.lines.feed(bytes, &mut |segment| passing.take(segment, to));
    }

    /// Puts what is left at the end of the script into `to`.
    pub fn finish(self, to: &mut Vec<u8>) {
        let mut passing = self.passing;
        self.lines.finish(&mut |segment| passing.take(segment, to));
    }

    /// Whether an entry has begun that stays: the database's own come before.
    pub fn has_begun(&self) -> bool {
        self.passing.begun
    }

    /// The statement that would create the database, if the script has one.
    pub fn create_database(&self) -> String {
        String::from_utf8_lossy(&self.passing.create_database).into_owned()
    }
}

impl Passing {
    fn take(&mut self, segment: Segment<'_>, to: &mut Vec<u8>) {
        if let Segment::Line(line) = segment {
            let line = line.trim_ascii_end();
            if self.is_about_restricted_mode(line) {
                return;
            }
            if let Some(entry) = Entry::read(line) {
                self.skipping = entry.is_of_database();
                self.in_large_objects = entry.kind == EntryKind::Blobs;
                self.begun |= !self.skipping;
            } else if line == b"-- PostgreSQL database dump complete" {
                self.skipping = false;
            }
            if self.one_transaction && self.in_large_objects && matches!(line, b"BEGIN;" | b"COMMIT;") {
                return;
            }
            let begins = |words: &[u8]| line.starts_with(words);
            if begins(b"\\connect ") && (self.skipping || !self.begun) {
                self.skipping = false;
                return;
            }
            // With --clean they stand before the first entry.
            if !self.begun && !self.skipping && OF_DATABASE.iter().any(|words| begins(words)) {
                return;
            }
            if self.skipping && (begins(b"CREATE DATABASE ") || !self.create_database.is_empty()) {
                self.remember(line);
            }
        }
        if !self.skipping {
            to.extend_from_slice(segment.bytes());
        }
    }

    /// Whether a line enters restricted mode, or leaves it with the same key.
    fn is_about_restricted_mode(&mut self, line: &[u8]) -> bool {
        match (&self.key, line.strip_prefix(b"\\restrict "), line.strip_prefix(b"\\unrestrict ")) {
            (None, Some(key), _) => self.key = Some(key.to_owned()),
            (Some(key), _, Some(again)) if key == again => self.key = None,
            _ => return false,
        }
        true
    }

    /// Keeps the statement that creates the database, with all of its lines.
    fn remember(&mut self, line: &[u8]) {
        if !self.create_database.ends_with(b";\n") {
            self.create_database.extend_from_slice(line);
            self.create_database.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::outline::tests::CLUSTER;
    use super::*;

    #[test]
    fn names_need_not_be_utf_8() {
        let script = [
            b"--\n-- Name: gr\xF6\xDFe; Type: DATABASE; Schema: -; Owner: o\n--\n\nDROP DATABASE \"gr\xF6\xDFe\";\n".as_slice(),
            b"--\n-- Name: gr\xF6\xDFe; Type: TABLE; Schema: -; Owner: o\n--\n\nCREATE TABLE \"gr\xF6\xDFe\" ();\n",
            b"--\n-- Name: DATABASE \"gr\xF6\xDFe\"; Type: ACL; Schema: -; Owner: o\n--\n\nGRANT CONNECT ON DATABASE x TO r;\n",
            b"--\n-- Name: TABLE \"gr\xF6\xDFe\"; Type: ACL; Schema: -; Owner: o\n--\n\nGRANT SELECT ON TABLE \"gr\xF6\xDFe\" TO r;\n",
        ]
        .concat();
        for step in [1, script.len()] {
            let (mut filter, mut to) = (Filter::default(), Vec::new());
            script.chunks(step).for_each(|bytes| filter.feed(bytes, &mut to));
            filter.finish(&mut to);
            let text = String::from_utf8_lossy(&to);
            assert!(text.contains("CREATE TABLE") && text.contains("GRANT SELECT"), "{text}");
            assert!(!text.contains("DROP") && !text.contains("GRANT CONNECT"), "{text}");
        }
    }

    #[test]
    fn large_objects_are_part_of_the_one_transaction() {
        let script = "--\n-- Name: f; Type: PROCEDURE; Schema: public; Owner: o\n--\n\nCREATE PROCEDURE f() AS $$\nCOMMIT;\n$$;\n\
                      --\n-- Data for Name: BLOBS; Type: BLOBS; Schema: -; Owner: -\n--\n\nBEGIN;\n\nSELECT 1;\n\nCOMMIT;\n\n\
                      --\n-- Name: g; Type: PROCEDURE; Schema: public; Owner: o\n--\n\nCOMMIT;\n";
        for (mut filter, commits) in [(Filter::default(), 3), (Filter::of_one_transaction(), 2)] {
            let mut to = Vec::new();
            filter.feed(script.as_bytes(), &mut to);
            filter.finish(&mut to);
            let text = String::from_utf8(to).unwrap();
            assert_eq!(text.matches("COMMIT;").count(), commits, "{text}");
            assert_eq!(text.contains("BEGIN;"), commits == 3, "{text}");
        }
    }

    #[test]
    fn dropping_the_old_database_is_left_out() {
        let script = "--\n-- PostgreSQL database dump\n--\n\nSET x = 1;\n\nALTER DATABASE app IS_TEMPLATE = false;\nDROP DATABASE app;\n\
                      --\n-- Name: t; Type: TABLE; Schema: public; Owner: o\n--\n\nCREATE TABLE t ();\nDROP DATABASE app;\n";
        let (mut filter, mut to) = (Filter::default(), Vec::new());
        filter.feed(script.as_bytes(), &mut to);
        filter.finish(&mut to);
        let text = String::from_utf8(to).unwrap();
        assert!(text.contains("SET x = 1;") && !text.contains("ALTER DATABASE"), "{text}");
        assert_eq!(text.matches("DROP DATABASE").count(), 1, "{text}");
    }

    #[test]
    fn what_names_the_old_database_is_gone_and_all_else_is_there() {
        let from = CLUSTER.find("--\n-- Database \"app\" dump").unwrap();
        for step in [1, 5, CLUSTER.len()] {
            let (mut filter, mut to) = (Filter::default(), Vec::new());
            CLUSTER.as_bytes()[from..].chunks(step).for_each(|bytes| filter.feed(bytes, &mut to));
            assert!(filter.has_begun());
            assert!(filter.create_database().starts_with("CREATE DATABASE app WITH TEMPLATE"));
            assert!(filter.create_database().ends_with("'UTF8';\n"));
            filter.finish(&mut to);
            let text = String::from_utf8(to).unwrap();
            for gone in ["CREATE DATABASE", "ALTER DATABASE", "ON DATABASE", "\\connect", "restrict C"] {
                assert!(!text.contains(gone), "{gone}: {text}");
            }
            assert_eq!(text.matches("SET row_security").count(), 2);
            assert!(text.contains("COPY public.t (n) FROM stdin;\n--\n-- Database \"no\" dump\n\\.\n"));
        }
    }
}
