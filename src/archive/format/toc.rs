//! The table of contents: every object of the dump, and which of them have data to come.
//!
//! An entry keeps the very bytes it was read from and looks into them when asked, so nothing is
//! stored twice and the table can be written again unchanged. Names and statements are bytes in the
//! dump's encoding; they need not be UTF-8.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::damage::Damage;
use super::item::{self, INT, Item, Shape, int_bytes, leading_int, leading_text};
use super::version::Version;

/// When an entry is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    /// In no section of its own: comments, access rights.
    None,
    /// Before the data.
    PreData,
    /// The data.
    Data,
    /// After the data: indexes, constraints, triggers.
    PostData,
}

/// What an entry says about where its data lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Offset {
    /// It has data, and the writer could not go back to note the place: every archive from a pipe.
    NotSet,
    /// Its block begins at this byte.
    At(u64),
    /// It has no data.
    NoData,
}

/// The fields of an entry, in their order.
#[derive(Debug, Clone, Copy)]
pub(in crate::archive) enum Field {
    DumpId,
    HadDumper,
    TableOid,
    Oid,
    Tag,
    Desc,
    Section,
    Defn,
    Drop,
    Copy,
    Namespace,
    Tablespace,
    TableAm,
    RelKind,
    Owner,
    WithOids,
    Dependencies,
    Offset,
}

const FIELDS: usize = Field::Offset as usize + 1;

/// The layout of an entry. A field this version does not have stays in it with no bytes, so that a
/// field's number is the same in every version.
pub(in crate::archive) fn layout(version: Version) -> Vec<Shape> {
    let since = |first: Version, shape| if version >= first { shape } else { Shape::Bytes(0) };
    let mut shapes = vec![Shape::Text; FIELDS];
    let special = [
        (Field::DumpId, Shape::Int),
        (Field::HadDumper, Shape::Int),
        (Field::Section, Shape::Int),
        (Field::TableAm, since(Version::TABLE_AM, Shape::Text)),
        (Field::RelKind, since(Version::REL_KIND, Shape::Int)),
        (Field::Dependencies, Shape::Texts),
        (Field::Offset, Shape::Offset),
    ];
    for (field, shape) in special {
        if let Some(place) = shapes.get_mut(field as usize) {
            *place = shape;
        }
    }
    shapes
}

/// One object of the dump.
#[derive(Clone, PartialEq, Eq)]
pub struct TocEntry {
    start: u64,
    raw: Box<[u8]>,
    ends: [u32; FIELDS],
    dump_id: i32,
    had_dumper: bool,
    section: Section,
    offset: Offset,
}

/// The accessors of texts: absent and empty are different things in the format.
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident => $field:ident),* $(,)?) => {
        impl TocEntry {$(
            $(#[$doc])*
            pub fn $name(&self) -> Option<&[u8]> {
                self.text(Field::$field)
            }
        )*}
    };
}

texts! {
    /// The object's name, or what stands for it: `orders`, `orders id_seq`, an oid.
    tag => Tag,
    /// The kind of object: `TABLE DATA`, `INDEX`, `BLOBS`.
    desc => Desc,
    /// The schema it is in.
    namespace => Namespace,
    /// Its owner.
    owner => Owner,
    /// The statement that makes it.
    defn => Defn,
    /// The statement that removes it.
    drop_statement => Drop,
    /// The `COPY … FROM stdin` that reads its data; absent where the data are INSERT statements.
    copy_statement => Copy,
    /// The oid of the catalogue that describes the object, in decimal.
    table_oid => TableOid,
    /// The object's oid in the source database, in decimal.
    oid => Oid,
    /// The tablespace it is in.
    tablespace => Tablespace,
    /// The table's access method, since version 1.14.
    table_am => TableAm,
    /// `true` or `false`: whether the table had oids of its own, up to PostgreSQL 11.
    with_oids => WithOids,
}

impl TocEntry {
    pub(in crate::archive) fn new(item: &Item) -> Result<Self, Damage> {
        let malformed = |what| Damage::Malformed { at: item.start(), what };
        let number = |field: Field| leading_int(item.field(field as usize));
        let (Ok(ends), Some(dump_id)) = (item.ends().try_into(), number(Field::DumpId)) else {
            return Err(malformed("the id of an entry cannot be read"));
        };
        let had_dumper = match number(Field::HadDumper) {
            Some(flag @ (0 | 1)) => flag == 1,
            _ => return Err(malformed("an entry does not say whether it has data")),
        };
        let section = match number(Field::Section) {
            Some(1) => Section::None,
            Some(2) => Section::PreData,
            Some(3) => Section::Data,
            Some(4) => Section::PostData,
            _ => return Err(malformed("an entry is in an unknown section")),
        };
        let offset = match item.field(Field::Offset as usize).split_first_chunk() {
            Some(([1], _)) => Offset::NotSet,
            Some(([2], at)) => Offset::At(at.first_chunk().copied().map_or(0, u64::from_le_bytes)),
            Some(([3], _)) => Offset::NoData,
            _ => return Err(malformed("an entry has an unknown kind of data offset")),
        };
        let raw = Box::from(item.held());
        Ok(Self { start: item.start(), raw, ends, dump_id, had_dumper, section, offset })
    }

    /// The entry's number; blocks, dependencies and lists of `pg_restore` refer to it.
    pub fn dump_id(&self) -> i32 {
        self.dump_id
    }

    /// Whether `pg_dump` had data to write for it.
    pub fn had_dumper(&self) -> bool {
        self.had_dumper
    }

    /// When it is restored.
    pub fn section(&self) -> Section {
        self.section
    }

    /// What it says about where its data lies.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// Whether a block of data must come for it.
    pub fn has_data(&self) -> bool {
        self.had_dumper && self.offset != Offset::NoData
    }

    /// Whether its data are rows in COPY's text format.
    pub fn is_copy(&self) -> bool {
        self.desc() == Some(b"TABLE DATA") && self.copy_statement().is_some_and(|copy| !copy.is_empty())
    }

    /// The relation's kind as in `pg_class` (`r`, `p`, `v`, `m`), since version 1.16.
    pub fn rel_kind(&self) -> Option<char> {
        let kind = u8::try_from(leading_int(self.field(Field::RelKind))?).ok()?;
        (kind != 0).then(|| char::from(kind))
    }

    /// The dump ids of the entries it depends on.
    pub fn dependencies(&self) -> impl Iterator<Item = i32> + '_ {
        let mut rest = self.field(Field::Dependencies);
        std::iter::from_fn(move || leading_text(&mut rest).flatten())
            .filter_map(|id| std::str::from_utf8(id).ok()?.parse().ok())
    }

    /// The entry's own bytes; the last nine are its offset.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Where the entry itself lies in the archive.
    pub fn range(&self) -> Range<u64> {
        self.start..self.start + self.raw.len() as u64
    }

    /// The same, but it belongs to this role.
    #[must_use]
    pub fn with_owner(&self, owner: &[u8]) -> Self {
        self.with(Field::Owner, owner)
    }

    /// The same, but this statement makes it.
    #[must_use]
    pub fn with_defn(&self, statement: &[u8]) -> Self {
        self.with(Field::Defn, statement)
    }

    /// The same, but in the tablespace that is usual there.
    #[must_use]
    pub fn without_tablespace(&self) -> Self {
        self.with(Field::Tablespace, b"")
    }

    /// The same with another text. It keeps its place in the archive it came from, not its length.
    pub(in crate::archive) fn with(&self, field: Field, text: &[u8]) -> Self {
        let old = self.field(field).len();
        let end = self.ends.get(field as usize).copied().unwrap_or_default() as usize;
        let (Ok(length), Some(before), Some(after)) =
            (i32::try_from(text.len()), self.raw.get(..end - old), self.raw.get(end..))
        else {
            return self.clone();
        };
        let raw: Box<[u8]> = [before, &int_bytes(length), text, after].concat().into();
        let mut new = Self { raw, ..self.clone() };
        for later in new.ends.iter_mut().skip(field as usize) {
            let end = *later as usize - old + INT + text.len();
            // Cannot be cut: a statement grows by a few names at most.
            *later = u32::try_from(end).unwrap_or(u32::MAX);
        }
        new
    }

    /// The name people know it by: `public.orders`, or its kind where it has no name of its own.
    ///
    /// It is fit to be printed: what is not UTF-8 is replaced and control characters are escaped.
    pub fn label(&self) -> String {
        let (desc, tag) = (lossy(self.desc()), lossy(self.tag()));
        let name = match (&*desc, &*tag, self.namespace()) {
            ("BLOBS", "" | "BLOBS", _) => Cow::Borrowed("large objects"),
            ("BLOBS", range, _) => Cow::Owned(format!("large objects {range}")),
            (_, "", _) => desc,
            (_, _, None | Some(b"")) => tag,
            (_, tag, namespace) => Cow::Owned(format!("{}.{tag}", lossy(namespace))),
        };
        let mut label = String::with_capacity(name.len());
        for c in name.chars() {
            if c.is_control() { label.extend(c.escape_default()) } else { label.push(c) }
        }
        if label.is_empty() { format!("entry {}", self.dump_id) } else { label }
    }

    fn field(&self, field: Field) -> &[u8] {
        item::field(&self.raw, &self.ends, field as usize)
    }

    fn text(&self, field: Field) -> Option<&[u8]> {
        leading_text(&mut self.field(field)).flatten()
    }
}

fn lossy(text: Option<&[u8]>) -> Cow<'_, str> {
    String::from_utf8_lossy(text.unwrap_or_default())
}

impl fmt::Debug for TocEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {} {}", self.dump_id, lossy(self.desc()), self.label())
    }
}

/// The table of contents, in the archive's own order: the order in which data come.
///
/// Clones share the entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Toc {
    pub(in crate::archive) count: [u8; INT],
    pub(in crate::archive) entries: Arc<Vec<TocEntry>>,
}

impl Toc {
    /// Every entry.
    pub fn entries(&self) -> &[TocEntry] {
        &self.entries
    }

    /// The entries a block of data must come for.
    pub fn with_data(&self) -> impl Iterator<Item = &TocEntry> {
        self.entries.iter().filter(|entry| entry.has_data())
    }

    /// The bytes it was read from: the number of entries, then the entries.
    pub fn raw(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.count.as_slice()).chain(self.entries.iter().map(TocEntry::raw))
    }
}
