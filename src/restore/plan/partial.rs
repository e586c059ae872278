//! What a backup of a part of a database lacks to be one of its own.

use super::Fit;
use crate::archive::{EntryKind, Preamble, TableName, TocEntry};

impl Fit<'_> {
    /// The archive as a new database can take it: the schemas that it lacks are made, that which every database has is no
    /// obstacle, and what ties its tables to some that were left out is left out too.
    pub(super) fn completed(&mut self, front: &Preamble, is_partial: bool) -> Preamble {
        let schemas = front.toc.schemas_missing();
        for name in schemas.keys() {
            let name = String::from_utf8_lossy(name);
            tracing::warn!("the backup does not have the schema {name}, only what is in it: it is created");
        }
        let ties = front.toc.ties_to_missing(is_partial);
        for (entry, (schema, name)) in &ties {
            let needed = TableName { schema, name }.label();
            self.leave_out(&entry.described(), &format!("needs {needed}, which was left out"));
        }
        self.gone = front.toc.with_remarks(ties.iter().map(|(entry, _)| entry.dump_id()));
        let rest = front.keep(|entry| !self.gone.contains(&entry.dump_id()));
        let is_public =
            |entry: &TocEntry| entry.kind() == EntryKind::Schema && entry.tag() == Some(b"public");
        rest.with(|entry| if is_public(entry) { entry.unless_there() } else { entry.clone() })
            .with_schemas(&schemas)
    }
}
