//! What a script holds, and whether it is whole.

use super::lines::{Lines, Piece};
use super::{Entry, text};
use std::ops::Range;

/// Within so many of its first bytes a script says that it is one.
const HEADER: u64 = 4096;

/// What a script holds, read from its passing bytes.
#[derive(Debug, Default)]
pub struct Outline {
    lines: Lines,
    seen: Seen,
}

/// One database within a script.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Section {
    /// The database's name, where the script tells it.
    pub database: Option<String>,
    /// Its bytes of the script.
    pub range: Range<u64>,
    /// The version of the server, as it named itself.
    pub server_version: String,
    /// The version of the `pg_dump` that wrote it.
    pub pg_dump_version: String,
    /// Its entries, those of the database as such not counted.
    pub entries: u64,
    /// Whether it ends as `pg_dump` ends it.
    pub complete: bool,
}

/// What is known so far.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Whether it is a dump at all.
    pub is_dump: bool,
    /// Whether it is of a whole server, by `pg_dumpall`.
    pub is_cluster: bool,
    /// Whether it is of a whole server, and does not tell where each database begins (up to PostgreSQL 10).
    pub is_mixed: bool,
    /// Where the server's roles are told: all that stands before the first database.
    pub globals: Range<u64>,
    /// The databases.
    pub sections: Vec<Section>,
    /// Whether it ends as its program ends it.
    pub complete: bool,
    at: u64,
    /// Where the line before began, if it was `--`: entries and sections begin there.
    dashes: Option<u64>,
}

impl Outline {
    /// Reads the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        let seen = &mut self.seen;
        self.lines.feed(bytes, &mut |piece| seen.take(piece));
    }

    /// What there was.
    pub fn finish(self) -> Seen {
        let mut seen = self.seen;
        self.lines.finish(&mut |piece| seen.take(piece));
        seen.end_section(seen.at);
        seen
    }

    /// Whether it is still possible that this is a dump.
    pub fn may_be_dump(&self) -> bool {
        self.seen.is_dump || self.seen.at < HEADER
    }
}

impl Seen {
    fn take(&mut self, piece: Piece<'_>) {
        let start = self.at;
        self.at += piece.bytes().len() as u64;
        let before = self.dashes.take();
        let Piece::Line(line) = piece else { return };
        let line = text(line);
        if line == "--" {
            self.dashes = Some(start);
        } else if let Some(version) = line.strip_prefix("-- Dumped from database version ") {
            self.section(|section| section.server_version = version.to_owned());
        } else if let Some(version) = line.strip_prefix("-- Dumped by pg_dump version ") {
            self.section(|section| section.pg_dump_version = version.to_owned());
        } else if let Some(begin) = before {
            self.comment(line, begin);
        }
    }

    /// A line that stands below `--`, which began at `begin`.
    fn comment(&mut self, line: &str, begin: u64) {
        match line {
            "-- PostgreSQL database cluster dump" if begin < HEADER => {
                (self.is_dump, self.is_cluster) = (true, true);
                self.globals = 0..0;
            }
            "-- PostgreSQL database dump" if !self.is_cluster && begin < HEADER => {
                self.is_dump = true;
                self.section(|_| ());
            }
            "-- PostgreSQL database dump complete" => {
                self.section(|section| section.complete = true);
                self.complete = !self.is_cluster;
            }
            "-- PostgreSQL database cluster dump complete" if self.is_cluster => {
                self.complete = true;
                self.end_section(begin);
            }
            _ => {
                let database =
                    line.strip_prefix("-- Database \"").and_then(|rest| rest.strip_suffix("\" dump"));
                if let (Some(database), true) = (database, self.is_cluster) {
                    self.end_section(begin);
                    let database = Some(database.to_owned());
                    self.sections.push(Section { database, range: begin..begin, ..Section::default() });
                } else if let Some(entry) = Entry::read(line) {
                    self.section(|section| {
                        if entry.kind == "DATABASE" {
                            section.database = Some(entry.name.to_owned());
                        }
                        section.entries += u64::from(!entry.is_of_database());
                    });
                }
            }
        }
    }

    /// Notes something of the present section; a script of one database is one from its beginning.
    fn section(&mut self, note: impl FnOnce(&mut Section)) {
        if self.sections.is_empty() {
            self.is_mixed = self.is_cluster;
            self.sections.push(Section::default());
        }
        if let Some(present) = self.sections.last_mut() {
            note(present);
        }
    }

    fn end_section(&mut self, at: u64) {
        match self.sections.last_mut() {
            Some(open) if open.range.end <= open.range.start => open.range.end = at,
            Some(_) => {}
            None => self.globals.end = at,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// As `pg_dumpall` writes it, with little in it.
    pub const CLUSTER: &str = "--\n-- PostgreSQL database cluster dump\n--\n\n\\restrict A\n\n--\n-- Roles\n--\n\nCREATE ROLE app;\n\n\\unrestrict A\n\n\
--\n-- Databases\n--\n\n--\n-- Database \"template1\" dump\n--\n\n\\connect template1\n\n--\n-- PostgreSQL database dump\n--\n\n\\restrict B\n\n\
--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict B\n\n\
--\n-- Database \"app\" dump\n--\n\n--\n-- PostgreSQL database dump\n--\n\n\\restrict C\n\n-- Dumped from database version 15.18\n-- Dumped by pg_dump version 15.18\n\nSET row_security = off;\n\n\
--\n-- Name: app; Type: DATABASE; Schema: -; Owner: app\n--\n\nCREATE DATABASE app WITH TEMPLATE = template0 ENCODING = 'UTF8';\n\n\nALTER DATABASE app OWNER TO app;\n\n\\unrestrict C\n\\connect app\n\\restrict C\n\nSET row_security = off;\n\n\
--\n-- Name: t; Type: TABLE; Schema: public; Owner: app\n--\n\nCREATE TABLE public.t (n text);\n\n\
--\n-- Data for Name: t; Type: TABLE DATA; Schema: public; Owner: app\n--\n\nCOPY public.t (n) FROM stdin;\n--\n-- Database \"no\" dump\n\\.\n\n\n\
--\n-- Name: DATABASE app; Type: ACL; Schema: -; Owner: app\n--\n\nGRANT CONNECT ON DATABASE app TO ro;\n\n\n\
--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict C\n\n--\n-- PostgreSQL database cluster dump complete\n--\n\n";

    fn seen(script: &str, step: usize) -> Seen {
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
            let [template, app] = &seen.sections[..] else { panic!("{seen:?}") };
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
    fn one_database_is_one_section() {
        let from = CLUSTER.find("--\n-- PostgreSQL database dump\n--\n\n\\restrict C").unwrap();
        let to = CLUSTER.find("--\n-- PostgreSQL database cluster dump complete").unwrap();
        let one = &CLUSTER[from..to];
        let seen = seen(one, 10);
        assert!(seen.is_dump && !seen.is_cluster && seen.complete);
        let [only] = &seen.sections[..] else { panic!("{seen:?}") };
        assert_eq!((only.database.as_deref(), only.range.clone()), (Some("app"), 0..one.len() as u64));
    }

    #[test]
    fn databases_that_cannot_be_told_apart_are_noticed() {
        let old: String = CLUSTER
            .lines()
            .filter(|line| !line.starts_with("-- Database "))
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(seen(&old, 100).is_mixed && !seen(CLUSTER, 100).is_mixed);
    }

    #[test]
    fn what_was_cut_is_not_complete_and_what_is_no_dump_is_told() {
        for cut in [CLUSTER.len() - 60, CLUSTER.len() / 2, 100] {
            let seen = seen(&CLUSTER[..cut], 10);
            assert!(seen.is_dump && !seen.complete, "{cut}");
        }
        let mut outline = Outline::default();
        outline.feed("-- MySQL dump 10.13\n".repeat(1000).as_bytes());
        assert!(!outline.may_be_dump() && !outline.finish().is_dump);
    }
}
