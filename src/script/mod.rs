//! What `pg_dump` and `pg_dumpall` write as plain text, understood while it passes.
//!
//! [`Outline`] finds what a script holds and whether it is whole; [`Filter`] takes out what belongs to a
//! database as such (its creation, settings and grants, which name the *old* database), so that the rest
//! can be run in any database; [`NamedRoles`] finds the roles it names. All see lines ([`Lines`](lines::Lines)) that
//! begin between statements, and pass over rows.
//!
//! A script is not a format: what is recognised here are the comments that `pg_dump` writes before each of
//! its entries, and how some statements begin. Text in rows, comments and functions may look like both, so where
//! statements begin and end is followed as psql does it. Nothing is ever changed within a statement.

mod commands;
mod filter;
mod lines;
mod outline;
mod roles;
mod statements;

pub use commands::Command;
pub use filter::{Filter, without_drops};
pub use outline::{Outline, ScriptContents, ScriptDatabase};
pub use roles::NamedRoles;

use crate::sql::EntryKind;
use memchr::memmem;

/// What stands between an entry's name and its kind.
const TYPE: &[u8] = b"; Type: ";

/// What `pg_dump` writes before `\connect` to a database whose name is not plain.
const ENCODING: &[u8] = b"\\encoding SQL_ASCII";

/// Whether a line may stand between `--` and what it announces: `pg_dump --verbose` writes such.
fn is_detail(line: &[u8]) -> bool {
    line.starts_with(b"-- TOC entry ") || line.starts_with(b"-- Dependencies: ")
}

/// The comment before an entry: `-- Name: app; Type: DATABASE; Schema: -; Owner: app`.
///
/// Its names are in the encoding of the dump, which need not be UTF-8.
struct Entry<'a> {
    name: &'a [u8],
    kind: EntryKind,
}

impl<'a> Entry<'a> {
    fn read(line: &'a [u8]) -> Option<Self> {
        let rest = line.strip_prefix(b"-- Name: ").or_else(|| line.strip_prefix(b"-- Data for Name: "))?;
        let at = memmem::rfind(rest, TYPE)?;
        let (name, rest) = (rest.get(..at)?, rest.get(at + TYPE.len()..)?);
        let kind = std::str::from_utf8(rest.split(|byte| *byte == b';').next()?).unwrap_or_default();
        Some(Self { name, kind: EntryKind::named(kind) })
    }

    /// Whether it is about the database as such.
    fn is_of_database(&self) -> bool {
        self.kind.is_of_database(self.name)
    }
}
