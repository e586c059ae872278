//! Entries with one text changed.

use super::writer::Writer;
use crate::archive::format::entry::{Field, TocEntry};

impl TocEntry {
    /// The same, but owned by this role.
    #[must_use]
    pub fn with_owner(&self, owner: &[u8]) -> Self {
        self.with_text(Field::Owner, owner)
    }

    /// The same, but made by this statement.
    #[must_use]
    pub fn with_defn(&self, statement: &[u8]) -> Self {
        self.with_text(Field::Defn, statement)
    }

    /// The same, but in the default tablespace.
    #[must_use]
    pub fn without_tablespace(&self) -> Self {
        self.with_text(Field::Tablespace, b"")
    }

    /// The same, but with this text.
    pub(in crate::archive) fn with_text(&self, field: Field, text: &[u8]) -> Self {
        let mut bytes = Writer::default();
        bytes.text(text);
        self.with_field(field, &bytes.into_bytes())
    }
}
