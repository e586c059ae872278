//! What `pg_dump` and `pg_dumpall` write as plain text, understood while it passes.
//!
//! [`Outline`] finds what a script holds and whether it is whole; [`Filter`] takes out what belongs to a
//! database as such (its creation, settings and grants, which name the *old* database), so that the rest
//! can be run in any database; [`NamedRoles`] finds the roles it names. All see lines ([`Lines`]) and
//! pass over rows.
//!
//! A script is not a format: what is recognised here are the comments that `pg_dump` writes before each of
//! its entries. Nothing else of the SQL is understood, and nothing is ever changed within an entry.

mod filter;
mod lines;
mod outline;
mod roles;

pub use filter::Filter;
pub use lines::{Lines, Segment};
pub use outline::{Outline, ScriptContents, ScriptDatabase};
pub use roles::NamedRoles;

use crate::sql::EntryKind;

/// The comment before an entry: `-- Name: app; Type: DATABASE; Schema: -; Owner: app`.
struct Entry<'a> {
    name: &'a str,
    kind: EntryKind,
}

impl<'a> Entry<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let rest = line.strip_prefix("-- Name: ").or_else(|| line.strip_prefix("-- Data for Name: "))?;
        let (name, rest) = rest.rsplit_once("; Type: ")?;
        Some(Self { name, kind: EntryKind::named(rest.split(';').next().unwrap_or_default()) })
    }

    /// Whether it is about the database as such.
    fn is_of_database(&self) -> bool {
        self.kind.is_of_database(self.name.as_bytes())
    }
}

/// A line without its end, as far as it is text.
fn text(line: &[u8]) -> &str {
    std::str::from_utf8(line.trim_ascii_end()).unwrap_or_default()
}
