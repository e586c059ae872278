//! What a script holds, and whether it is whole.

use super::commands::{Command, Commands};
use super::lines::{Lines, Segment};
use super::{Entry, is_detail};
use crate::sql::EntryKind;
use memchr::memmem;
use std::ops::Range;

/// A script is recognised by a line within this many of its first bytes.
const HEADER: u64 = 4096;

/// What a script holds, read from its passing bytes.
#[derive(Debug, Default)]
pub struct Outline {
    lines: Lines,
    commands: Commands,
    seen: ScriptContents,
}

/// One database within a script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptDatabase {
    /// The database's name, if the script names it.
    pub database: Option<String>,
    /// Where it lies in the script, in bytes.
    pub range: Range<u64>,
    /// The version of the server, as it named itself.
    pub server_version: String,
    /// The version of the `pg_dump` that wrote it.
    pub pg_dump_version: String,
    /// How many entries it has, not counting those about the database as such.
    pub entries: u64,
    /// Whether it defines objects.
    pub defines: bool,
    /// Whether it has rows, indexes or something else that needs such objects.
    pub completes: bool,
    /// Whether it drops objects before it creates them, which fails if they do not exist.
    pub drops: bool,
    /// Whether it ends with `pg_dump`'s last line.
    pub complete: bool,
}

/// What a script holds, as far as it was read.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ScriptContents {
    /// Whether it is a dump.
    pub is_dump: bool,
    /// Whether it is of a whole server, by `pg_dumpall`.
    pub is_cluster: bool,
    /// Whether it is of a whole server, and does not mark where each database begins (up to PostgreSQL 10).
    pub is_mixed: bool,
    /// Where the server's roles are: all that comes before the first database, in bytes.
    pub globals: Range<u64>,
    /// The databases.
    pub databases: Vec<ScriptDatabase>,
    /// Whether it ends with its program's last line.
    pub complete: bool,
    /// Whether there is something before its first line or after its last one.
    pub has_other_text: bool,
    /// The first command of psql's own that no dump has.
    pub command: Option<Command>,
    at: u64,
    /// Where the line before began, if it was `--`: entries and databases begin there.
    dashes: Option<u64>,
}

impl Outline {
    /// Reads the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        let (seen, commands) = (&mut self.seen, &mut self.commands);
        self.lines.feed(bytes, &mut |segment| {
            seen.take(segment);
            commands.look(segment);
        });
    }

    /// What the script held.
    pub fn finish(self) -> ScriptContents {
        let (mut seen, mut commands) = (self.seen, self.commands);
        self.lines.finish(&mut |segment| {
            seen.take(segment);
            commands.look(segment);
        });
        seen.command = commands.found;
        seen.end_database(seen.at);
        seen
    }

    /// Whether this may still be a dump.
    pub fn may_be_dump(&self) -> bool {
        self.seen.is_dump || self.seen.at < HEADER
    }
}

impl ScriptContents {
    fn take(&mut self, segment: Segment<'_>) {
        let start = self.at;
        self.at += segment.bytes.len() as u64;
        let before = self.dashes.take();
        let Some(line) = segment.line() else {
            self.has_other_text |= self.complete;
            return;
        };
        if is_detail(line) {
            self.dashes = before;
            return;
        }
        let is_comment = line.is_empty() || line.starts_with(b"--");
        if line == b"--" {
            self.dashes = Some(start);
        } else if let Some(version) = line.strip_prefix(b"-- Dumped from database version ") {
            self.database(|database| database.server_version = lossy(version));
        } else if let Some(version) = line.strip_prefix(b"-- Dumped by pg_dump version ") {
            self.database(|database| database.pg_dump_version = lossy(version));
        } else if let Some(begin) = before {
            self.comment(line, begin);
        } else if !is_comment && (!self.is_dump || self.complete && !line.starts_with(b"\\unrestrict ")) {
            self.has_other_text = true;
        } else if line.starts_with(b"DROP ") || line.starts_with(b"ALTER ") {
            self.drop_statement(line);
        }
    }

    /// Notes a statement that drops something before the first entry, as `--clean` has it.
    fn drop_statement(&mut self, line: &[u8]) {
        let says = |words: &[u8]| memmem::find(line, words).is_some();
        let is_of_database = line.starts_with(b"DROP DATABASE ") || line.starts_with(b"ALTER DATABASE ");
        if let Some(database) = self.databases.last_mut()
            && database.entries == 0
            && !is_of_database
        {
            database.drops |= says(b"DROP ") && !says(b" IF EXISTS ");
        }
    }

    /// A line below `--`, which began at `begin`.
    fn comment(&mut self, line: &[u8], begin: u64) {
        match line {
            b"-- PostgreSQL database cluster dump" if begin < HEADER => {
                (self.is_dump, self.is_cluster) = (true, true);
                self.globals = 0..0;
            }
            b"-- PostgreSQL database dump" if !self.is_cluster && begin < HEADER => {
                self.is_dump = true;
                self.database(|_| ());
            }
            b"-- PostgreSQL database dump complete" => {
                self.database(|database| database.complete = true);
                self.complete = !self.is_cluster;
            }
            b"-- PostgreSQL database cluster dump complete" if self.is_cluster => {
                self.complete = true;
                self.end_database(begin);
            }
            _ => {
                let database =
                    line.strip_prefix(b"-- Database \"").and_then(|rest| rest.strip_suffix(b"\" dump"));
                if let (Some(database), true) = (database, self.is_cluster) {
                    self.end_database(begin);
                    let database = Some(lossy(database));
                    self.databases.push(ScriptDatabase {
                        database,
                        range: begin..begin,
                        ..ScriptDatabase::default()
                    });
                } else if let Some(entry) = Entry::read(line) {
                    self.database(|database| {
                        // It is the first one. Later, a schema may be called so that it looks like another.
                        if entry.kind == EntryKind::Database && database.entries == 0 {
                            database.database = Some(lossy(entry.name));
                        }
                        if entry.is_of_database() {
                            return;
                        }
                        database.entries += 1;
                        database.completes |= entry.kind.completes();
                        database.defines |=
                            !(entry.kind.completes() || entry.kind.is_remark() || entry.kind.is_grant());
                    });
                }
            }
        }
    }

    /// Notes something about the current database; a script without a cluster has only one.
    fn database(&mut self, note: impl FnOnce(&mut ScriptDatabase)) {
        if self.databases.is_empty() {
            self.is_mixed = self.is_cluster;
            self.databases.push(ScriptDatabase::default());
        }
        if let Some(current) = self.databases.last_mut() {
            note(current);
        }
    }

    fn end_database(&mut self, at: u64) {
        match self.databases.last_mut() {
            Some(open) if open.range.end <= open.range.start => open.range.end = at,
            Some(_) => {}
            None => self.globals.end = at,
        }
    }
}

/// A name for people.
fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// As `pg_dumpall` writes it, with little in it.
    pub const CLUSTER: &str = "--\n-- PostgreSQL database cluster dump\n--\n\n\\restrict A\n\n--\n-- Roles\n--\n\nCREATE ROLE app;\n\n\\unrestrict A\n\n\
--\n-- Databases\n--\n\n--\n-- Database \"template1\" dump\n--\n\n\\connect template1\n\n--\n-- PostgreSQL database dump\n--\n\n\\restrict B\n\n\
--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict B\n\n\
--\n-- Database \"app\" dump\n--\n\n--\n-- PostgreSQL database dump\n--\n\n\\restrict C\n\n-- Dumped from database version 15.18\n-- Dumped by pg_dump version 15.18\n\nSET row_security = off;\n\n\
--\n-- Name: app; Type: DATABASE; Schema: -; Owner: app\n--\n\nCREATE DATABASE app WITH TEMPLATE = template0 ENCODING = 'UTF8';\n\n\nALTER DATABASE app OWNER TO app;\nALTER DATABASE app SET work_mem TO '8MB';\n\n\\unrestrict C\n\\connect app\n\\restrict C\n\nSET row_security = off;\n\n\
--\n-- Name: t; Type: TABLE; Schema: public; Owner: app\n--\n\nCREATE TABLE public.t (n text);\n\n\
--\n-- Data for Name: t; Type: TABLE DATA; Schema: public; Owner: app\n--\n\nCOPY public.t (n) FROM stdin;\n--\n-- Database \"no\" dump\n\\.\n\n\n\
--\n-- Name: DATABASE app; Type: ACL; Schema: -; Owner: app\n--\n\nGRANT CONNECT ON DATABASE app TO ro;\n\n\n\
--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict C\n\n--\n-- PostgreSQL database cluster dump complete\n--\n\n";

    fn seen(script: &str, step: usize) -> ScriptContents {
        let mut outline = Outline::default();
        script.as_bytes().chunks(step).for_each(|bytes| outline.feed(bytes));
        outline.finish()
    }

    #[test]
    fn the_parts_of_a_cluster_are_found_however_it_is_cut() {
        for step in [1, 7, 64, CLUSTER.len()] {
            let seen = seen(CLUSTER, step);
            assert!(seen.is_dump && seen.is_cluster && seen.complete);
            let part = |range: &Range<u64>| CLUSTER[range.start as usize..range.end as usize].to_owned();
            let globals = part(&seen.globals);
            assert!(globals.starts_with("--\n") && globals.ends_with("-- Databases\n--\n\n"), "{globals}");
            let [template, app] = &seen.databases[..] else { panic!("{seen:?}") };
            assert_eq!((template.database.as_deref(), template.entries), (Some("template1"), 0));
            assert_eq!((app.database.as_deref(), app.entries, app.complete), (Some("app"), 2, true));
            assert_eq!(app.server_version, "15.18");
            let text = part(&app.range);
            assert!(
                text.starts_with("--\n-- Database \"app\" dump\n") && text.ends_with("\\unrestrict C\n\n")
            );
        }
    }

    #[test]
    fn verbose_dumps_say_the_same() {
        let verbose = CLUSTER
            .replace("--\n-- Name", "--\n-- TOC entry 7 (class 1259 OID 16385)\n-- Dependencies: 6\n-- Name");
        let seen = seen(&verbose, 50);
        let entries: Vec<_> = seen.databases.iter().map(|database| database.entries).collect();
        assert_eq!((entries, seen.complete, seen.has_other_text), (vec![0, 2], true, false));
    }

    #[test]
    fn a_database_whose_names_are_not_utf_8_holds_something() {
        let cluster = CLUSTER.replace("Name: t;", "Name: grXe;").into_bytes();
        let cluster: Vec<u8> = cluster.iter().map(|byte| if *byte == b'X' { 0xF6 } else { *byte }).collect();
        let mut outline = Outline::default();
        outline.feed(&cluster);
        let seen = outline.finish();
        let app = &seen.databases[1];
        assert_eq!((app.entries, app.defines, app.completes), (2, true, true));
        assert!(!seen.has_other_text);
    }

    #[test]
    fn what_no_restore_can_run_is_noticed() {
        let from = CLUSTER.find("--\n-- PostgreSQL database dump\n--\n\n\\restrict C").unwrap();
        let to = CLUSTER.find("--\n-- PostgreSQL database cluster dump complete").unwrap();
        let one = &CLUSTER[from..to];
        let seen = |script: &str| seen(script, 64);
        assert!(!seen(one).has_other_text && !seen(one).databases[0].drops);
        assert!(seen(&format!("pg_dump: warning: circular\n{one}")).has_other_text);
        assert!(seen(&format!("{one}\nSELECT 1;\n")).has_other_text);
        assert!(seen(&format!("{one}{one}")).has_other_text);
        let first = "--\n-- Name: app; Type: DATABASE";
        for (statement, drops) in [
            ("DROP TABLE public.t;\n", true),
            ("ALTER TABLE ONLY public.t DROP CONSTRAINT c;\n", true),
            ("DROP TABLE IF EXISTS public.t;\n", false),
            ("DROP DATABASE app;\n", false),
        ] {
            assert_eq!(
                seen(&one.replacen(first, &format!("{statement}{first}"), 1)).databases[0].drops,
                drops,
                "{statement}"
            );
        }
        for kind in ["SEQUENCE SET", "INDEX"] {
            let rest = one.replace("-- Name: t; Type: TABLE;", &format!("-- Name: t; Type: {kind};"));
            assert!(!seen(&rest).databases[0].defines && seen(&rest).databases[0].completes);
        }
        assert!(seen(one).databases[0].defines);
    }

    #[test]
    fn one_database_is_the_whole_script() {
        let from = CLUSTER.find("--\n-- PostgreSQL database dump\n--\n\n\\restrict C").unwrap();
        let to = CLUSTER.find("--\n-- PostgreSQL database cluster dump complete").unwrap();
        let one = &CLUSTER[from..to];
        let seen = seen(one, 10);
        assert!(seen.is_dump && !seen.is_cluster && seen.complete);
        let [only] = &seen.databases[..] else { panic!("{seen:?}") };
        assert_eq!((only.database.as_deref(), only.range.clone()), (Some("app"), 0..one.len() as u64));
    }

    #[test]
    fn databases_without_marks_between_them_are_noticed() {
        let old: String = CLUSTER
            .lines()
            .filter(|line| !line.starts_with("-- Database "))
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(seen(&old, 100).is_mixed && !seen(CLUSTER, 100).is_mixed);
    }

    #[test]
    fn what_was_cut_is_not_complete_and_other_files_are_no_dumps() {
        for cut in [CLUSTER.len() - 60, CLUSTER.len() / 2, 100] {
            let seen = seen(&CLUSTER[..cut], 10);
            assert!(seen.is_dump && !seen.complete, "{cut}");
        }
        let mut outline = Outline::default();
        outline.feed("-- MySQL dump 10.13\n".repeat(1000).as_bytes());
        assert!(!outline.may_be_dump() && !outline.finish().is_dump);
    }
}
