//! The same archive, which makes schemas that it lacked.

use crate::archive::format::entry::{Field, TocEntry};
use crate::archive::format::preamble::Preamble;
use crate::archive::format::toc::Toc;
use crate::sql::quoted;
use std::collections::BTreeMap;

impl Preamble {
    /// The same, but these schemas are made first, each for its owner.
    #[must_use]
    pub fn with_schemas(&self, schemas: &BTreeMap<Vec<u8>, Vec<u8>>) -> Self {
        let entries = self.toc.entries();
        let setting = entries.iter().find(|entry| entry.kind().is_setting());
        let Some(plain) = setting.filter(|_| !schemas.is_empty()) else { return self.clone() };
        let id = entries.iter().map(TocEntry::dump_id).max().unwrap_or_default() + 1;
        let made = (id..).zip(schemas).map(|(id, (name, owner))| {
            let statement = [b"CREATE SCHEMA ", &*quoted(name), b";\n"].concat();
            // `pg_restore` gives only what can be dropped to an owner.
            let drop = [b"DROP SCHEMA ", &*quoted(name), b";\n"].concat();
            let entry = plain.saying(id, b"SCHEMA", name, &statement).with_owner(owner);
            entry.with_text(Field::Drop, &drop)
        });
        let (mut all, others): (Vec<_>, Vec<_>) =
            entries.iter().cloned().partition(|entry| entry.kind().is_setting());
        all.extend(made);
        all.extend(others);
        Self { header: self.header.clone(), toc: Toc::new(all) }
    }
}

impl TocEntry {
    /// The same, but a schema that is there is no obstacle.
    #[must_use]
    pub fn unless_there(&self) -> Self {
        match self.defn().and_then(|defn| defn.strip_prefix(b"CREATE SCHEMA ")) {
            // With --no-owner pg_restore writes a statement of its own, unless this one begins with a comment.
            Some(rest) => self.with_defn(&[b"--\nCREATE SCHEMA IF NOT EXISTS ", rest].concat()),
            None => self.clone(),
        }
    }
}
