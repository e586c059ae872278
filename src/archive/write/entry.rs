//! Entries with one text changed.

use super::writer::Writer;
use crate::archive::format::entry::{AFTER_DATA, Field, Offset, TocEntry};

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

    /// The same bytes without the place for a statement, which makes them no entry.
    #[must_use]
    pub fn passing_over_defn(&self) -> Self {
        self.with_field(Field::Defn, b"")
    }

    /// The same, but in the default tablespace.
    #[must_use]
    pub fn without_tablespace(&self) -> Self {
        self.with_text(Field::Tablespace, b"")
    }

    /// The same, but it does not say where its data lies: in another archive that is somewhere else.
    #[must_use]
    pub fn anywhere(&self) -> Self {
        match self.offset() {
            Offset::At(_) => self.with_field(Field::Offset, &[1, 0, 0, 0, 0, 0, 0, 0, 0]),
            Offset::NotSet | Offset::NoData => self.clone(),
        }
    }

    /// The same, but made after the data, whatever comes before it.
    #[must_use]
    pub fn after_data(&self) -> Self {
        let mut section = Writer::default();
        section.int(AFTER_DATA);
        self.with_field(Field::Section, &section.into_bytes())
    }

    /// A statement as an entry of its own, with this number, kind and name. It is made of one that says how all others are
    /// read: such a one belongs to nobody, and needs nothing.
    pub(in crate::archive) fn saying(
        &self,
        dump_id: i32,
        kind: &[u8],
        name: &[u8],
        statement: &[u8],
    ) -> Self {
        let mut number = Writer::default();
        number.int(dump_id);
        let entry = self.with_field(Field::DumpId, &number.into_bytes());
        entry.with_text(Field::Desc, kind).with_text(Field::Tag, name).with_defn(statement)
    }

    /// The same, but with this text.
    pub(in crate::archive) fn with_text(&self, field: Field, text: &[u8]) -> Self {
        let mut bytes = Writer::default();
        bytes.text(text);
        self.with_field(field, &bytes.into_bytes())
    }
}
