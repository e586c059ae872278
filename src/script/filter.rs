//! Takes out of a script what belongs to its database as such, so that it runs in any other database.

use super::lines::{Lines, Segment};
use super::{ENCODING, Entry, is_detail};
use crate::sql::{EntryKind, without_notes, words};

/// How statements begin that are about a database as such.
const OF_DATABASE: [&[u8]; 5] = [
    b"CREATE DATABASE ",
    b"ALTER DATABASE ",
    b"DROP DATABASE ",
    b"COMMENT ON DATABASE ",
    b"UPDATE pg_catalog.pg_database ",
];

/// How those of them begin that make a database, or make one go, which has no meaning for another.
const MAKES_DATABASE: [&[u8]; 3] =
    [b"CREATE DATABASE ", b"DROP DATABASE ", b"UPDATE pg_catalog.pg_database "];

/// How the statements begin that `pg_dumpall --clean` writes before the roles.
const DROPS: [&[u8]; 3] = [b"DROP DATABASE ", b"DROP ROLE ", b"DROP TABLESPACE "];

/// The roles of a server, without what `--clean` puts before them: whoever wants the roles back does not want the
/// databases gone.
pub fn without_drops(globals: &[u8]) -> Vec<u8> {
    let (mut lines, mut kept, mut skipping) = (Lines::default(), Vec::new(), false);
    let mut take = |segment: Segment<'_>| {
        if let Some(line) = segment.line() {
            skipping = DROPS.iter().any(|drop| line.starts_with(drop));
        }
        if !skipping {
            kept.extend_from_slice(segment.bytes);
        }
    };
    lines.feed(globals, &mut take);
    lines.finish(&mut take);
    kept
}

/// Passes a script on, except for the statements about the database it is from.
///
/// `CREATE DATABASE`, `ALTER DATABASE`, `GRANT … ON DATABASE` and `\connect` would act on the old database,
/// which may still exist and be in use. So would the script's own way into psql's restricted mode, and out of it: it
/// is in that mode already.
///
/// Whole statements are left out, and only for what they say themselves: what stands before or after them may be
/// somebody's text.
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
    /// Inside a statement that is left out.
    skipping: bool,
    /// Whether the line before was `--`, below which entries begin.
    dashes: bool,
    /// Whether an entry has begun that is not about the database.
    begun: bool,
    /// Whether the script has dropped the schema `public`.
    dropped_public: bool,
    create_database: Vec<u8>,
    encoding: Option<String>,
    left_out: Vec<String>,
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

    /// Whether an entry has begun that is not about the database: those that are come before.
    pub fn has_begun(&self) -> bool {
        self.passing.begun
    }

    /// What is said of the database, and was left out so far, as statements: settings, grants, comment. Not its owner: the
    /// new one has one.
    pub fn left_out(&self) -> &[String] {
        &self.passing.left_out
    }

    /// The encoding of the script's text, as PostgreSQL calls it, if the script says so before its first entry.
    pub fn encoding(&self) -> Option<&str> {
        self.passing.encoding.as_deref()
    }

    /// The statement that would create the database, if the script has one.
    pub fn create_database(&self) -> String {
        String::from_utf8_lossy(&self.passing.create_database).into_owned()
    }
}

impl Passing {
    fn take(&mut self, segment: Segment<'_>, to: &mut Vec<u8>) {
        if let Some(line) = segment.line() {
            self.skipping = self.leaves_out(line);
        }
        if !self.skipping {
            to.extend_from_slice(segment.bytes);
        }
    }

    /// Whether what begins with this line is left out.
    fn leaves_out(&mut self, line: &[u8]) -> bool {
        let below_dashes = self.dashes;
        self.dashes = line == b"--" || below_dashes && is_detail(line);
        if let Some(entry) = Entry::read(line).filter(|_| below_dashes) {
            self.in_large_objects = entry.kind == EntryKind::Blobs;
            self.begun |= !entry.is_of_database();
        }
        if let Some(encoding) = line.strip_prefix(b"SET client_encoding = '").filter(|_| !self.begun) {
            let encoding = encoding.strip_suffix(b"';").unwrap_or(encoding);
            self.encoding = Some(String::from_utf8_lossy(encoding).into_owned());
        }
        if line.starts_with(b"CREATE DATABASE ") && self.create_database.is_empty() {
            self.create_database = line.to_vec();
        }
        let is_for_another = || {
            MAKES_DATABASE.iter().any(|start| line.starts_with(start))
                || line.starts_with(b"ALTER ") && words(line).any(|word| word.is(b"OWNER"))
        };
        if is_about_database(line) && !is_for_another() {
            let line = line.strip_suffix(b";").unwrap_or(line);
            self.left_out.push(String::from_utf8_lossy(line).into_owned());
        }
        self.dropped_public |= line.starts_with(b"DROP SCHEMA ") && line.ends_with(b" public;");
        self.is_about_restricted_mode(line)
            // Every database has it; a dump of chosen schemas would make it.
            || !self.dropped_public && line == b"CREATE SCHEMA public;"
            || self.one_transaction && self.in_large_objects && matches!(line, b"BEGIN;" | b"COMMIT;")
            || !self.begun && (line.starts_with(b"\\connect ") || line == ENCODING)
            // With --clean, instead of a view that needs a primary key: the schema for it is not there yet.
            || !self.begun && line.starts_with(b"CREATE OR REPLACE VIEW ")
            || is_about_database(line)
            || is_note_of_server(line)
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
}

/// Whether a statement sets nothing but what a server has noted about a column for itself.
fn is_note_of_server(line: &[u8]) -> bool {
    line.starts_with(b"ALTER ")
        && line.ends_with(b");")
        && without_notes(line).is_some_and(|rest| rest.is_empty())
}

/// Whether a statement that begins with this line is about a database as such.
fn is_about_database(line: &[u8]) -> bool {
    let begins = |start: &[u8]| line.starts_with(start);
    let before: &[u8] = if begins(b"GRANT ") || begins(b"REVOKE ") || begins(b"SECURITY LABEL ") {
        b"ON"
    } else if begins(b"ALTER ROLE ") {
        b"IN"
    } else {
        return OF_DATABASE.into_iter().any(begins);
    };
    words(line).skip_while(|word| !word.is(before)).nth(1).is_some_and(|word| word.is(b"DATABASE"))
}

#[cfg(test)]
mod tests {
    use super::super::outline::tests::CLUSTER;
    use super::*;

    #[test]
    fn roles_come_without_drops_and_their_comments_whole() {
        let roles = "CREATE ROLE r;\nCOMMENT ON ROLE r IS 'a\nDROP ROLE x';\nCOMMENT ON ROLE s IS '; DROP ROLE y; --';\n";
        let clean = format!(
            "--\n-- PostgreSQL database cluster dump\n--\n\nDROP DATABASE \"a\nb\";\nDROP ROLE IF EXISTS r;\n{roles}"
        );
        let kept = String::from_utf8(without_drops(clean.as_bytes())).unwrap();
        assert_eq!(kept, format!("--\n-- PostgreSQL database cluster dump\n--\n\n{roles}"));
    }

    #[test]
    fn what_a_statement_is_about_is_what_it_says() {
        for gone in [
            "GRANT CONNECT,TEMPORARY ON DATABASE a TO b;",
            "REVOKE ALL ON DATABASE \"a b\" FROM PUBLIC;",
            "SECURITY LABEL FOR \"x ON y\" ON DATABASE a IS 'b';",
            "ALTER ROLE \"a IN b\" IN DATABASE a SET work_mem TO '8MB';",
        ] {
            assert!(is_about_database(gone.as_bytes()), "{gone}");
        }
        for stays in [
            "GRANT SELECT(\"a ON DATABASE b\") ON TABLE t TO b;",
            "GRANT ALL ON TABLE \"DATABASE\" TO \"ON DATABASE\";",
            "GRANT a TO b;",
            "COMMENT ON TABLE t IS 'ON DATABASE a';",
            "ALTER ROLE a SET work_mem TO '8MB';",
        ] {
            assert!(!is_about_database(stays.as_bytes()), "{stays}");
        }
    }

    #[test]
    fn what_the_server_notes_for_itself_is_left_out() {
        let head = "--\n-- PostgreSQL database dump\n--\n\n";
        let table = format!("{head}CREATE TABLE public.t (\n    a integer\n);\n");
        let note = "ALTER TABLE ONLY public.t ALTER COLUMN a SET (pg_attver=1103132856);\n";
        let rest = format!(
            "ALTER TABLE ONLY public.t ALTER COLUMN a SET (n_distinct=5);\nCOMMENT ON TABLE public.t IS 'a\n{note}';\n"
        );
        let (mut filter, mut to) = (Filter::default(), Vec::new());
        filter.feed(format!("{table}{note}{rest}").as_bytes(), &mut to);
        filter.finish(&mut to);
        assert_eq!(String::from_utf8(to).unwrap(), format!("{table}{rest}"));
    }

    #[test]
    fn text_that_looks_like_an_entry_takes_nothing_along() {
        let text = "'a\n--\n-- Name: x; Type: DATABASE; Schema: -; Owner: -\n--\n\\restrict x\n'";
        let script = format!(
            "--\n-- Name: t; Type: TABLE; Schema: s; Type: DATABASE; Schema: -; Owner: o\n--\n\n\
                              INSERT INTO t VALUES ({text});\nCOMMENT ON TABLE t IS {text};\nSELECT 1;\n"
        );
        for step in [1, 10, script.len()] {
            let (mut filter, mut to) = (Filter::default(), Vec::new());
            script.as_bytes().chunks(step).for_each(|bytes| filter.feed(bytes, &mut to));
            filter.finish(&mut to);
            assert_eq!(String::from_utf8(to).unwrap(), script);
        }
    }

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
                      --\n-- Name: t; Type: TABLE; Schema: public; Owner: o\n--\n\nCREATE TABLE t ();\n\
                      --\n-- Name: f; Type: FUNCTION; Schema: public; Owner: o\n--\n\n\
                      CREATE FUNCTION f() AS $$\nDROP DATABASE app;\n$$;\nCOMMENT ON DATABASE app IS 'a\nb';\nCREATE TABLE last ();\n";
        let (mut filter, mut to) = (Filter::default(), Vec::new());
        filter.feed(script.as_bytes(), &mut to);
        filter.finish(&mut to);
        let text = String::from_utf8(to).unwrap();
        assert!(text.contains("SET x = 1;") && !text.contains("ALTER DATABASE"), "{text}");
        assert!(text.ends_with("$$;\nCREATE TABLE last ();\n"), "{text}");
        assert_eq!(text.matches("DROP DATABASE").count(), 1, "{text}");
    }

    #[test]
    fn the_schema_that_every_database_has_is_left_out_unless_it_was_dropped() {
        for (script, times) in [
            (
                "CREATE SCHEMA public;\nCREATE SCHEMA s;\nCREATE FUNCTION f() AS $$\nCREATE SCHEMA public;\n$$;\n",
                1,
            ),
            ("DROP SCHEMA IF EXISTS public;\nCREATE SCHEMA public;\nCREATE SCHEMA s;\n", 1),
        ] {
            let script = format!("--\n-- PostgreSQL database dump\n--\n\n{script}");
            let (mut filter, mut to) = (Filter::default(), Vec::new());
            filter.feed(script.as_bytes(), &mut to);
            filter.finish(&mut to);
            let text = String::from_utf8(to).unwrap();
            assert_eq!(text.matches("CREATE SCHEMA public;").count(), times, "{text}");
            assert!(text.contains("CREATE SCHEMA s;"), "{text}");
        }
    }

    #[test]
    fn what_names_the_old_database_is_gone_and_all_else_is_there() {
        let from = CLUSTER.find("--\n-- Database \"app\" dump").unwrap();
        for step in [1, 5, CLUSTER.len()] {
            let (mut filter, mut to) = (Filter::default(), Vec::new());
            CLUSTER.as_bytes()[from..].chunks(step).for_each(|bytes| filter.feed(bytes, &mut to));
            assert!(filter.has_begun());
            assert!(filter.create_database().starts_with("CREATE DATABASE app WITH TEMPLATE"));
            assert!(filter.create_database().ends_with("'UTF8';"));
            let left_out =
                ["ALTER DATABASE app SET work_mem TO '8MB'", "GRANT CONNECT ON DATABASE app TO ro"];
            assert_eq!(filter.left_out(), left_out);
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
