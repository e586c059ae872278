//! An entry of the table of contents: one object of the dump, or its data.
//!
//! An entry keeps the very bytes it was read from and looks into them when asked, so nothing is
//! stored twice and the table can be written again unchanged. Names and statements are bytes in the
//! dump's encoding; they need not be UTF-8.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use super::damage::Damage;
use super::fields::{self, Fields, Layout, leading_int, leading_text};
use super::name::{TableName, printable};
use super::version::Version;
use crate::sql::EntryKind;

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

impl Section {
    fn numbered(number: i32) -> Option<Self> {
        match number {
            1 => Some(Self::None),
            2 => Some(Self::PreData),
            3 => Some(Self::Data),
            AFTER_DATA => Some(Self::PostData),
            _ => None,
        }
    }
}

/// The number of the last section.
pub const AFTER_DATA: i32 = 4;

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
pub enum Field {
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
pub fn layout(version: Version) -> Vec<Layout> {
    let since = |first: Version, layout| if version >= first { layout } else { Layout::Bytes(0) };
    let mut entry = vec![Layout::Text; FIELDS];
    let special = [
        (Field::DumpId, Layout::Int),
        (Field::HadDumper, Layout::Int),
        (Field::Section, Layout::Int),
        (Field::TableAm, since(Version::TABLE_AM, Layout::Text)),
        (Field::RelKind, since(Version::REL_KIND, Layout::Int)),
        (Field::Dependencies, Layout::Texts),
        (Field::Offset, Layout::Offset),
    ];
    for (field, layout) in special {
        if let Some(place) = entry.get_mut(field as usize) {
            *place = layout;
        }
    }
    entry
}

/// One object of the dump.
#[derive(Clone, PartialEq, Eq)]
pub struct TocEntry {
    start: u64,
    raw: Box<[u8]>,
    ends: [u32; FIELDS],
    dump_id: i32,
    kind: EntryKind,
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
    /// The name of its kind: `TABLE DATA`, `INDEX`, `BLOBS`.
    desc => Desc,
    /// The schema it is in.
    namespace => Namespace,
    /// Its owner.
    owner => Owner,
    /// The statement that makes it.
    defn => Defn,
    /// The statement that removes it.
    drop_statement => Drop,
    /// The `COPY … FROM stdin` that reads its data; absent if the data are INSERT statements.
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
    pub(in crate::archive) fn new(fields: &Fields) -> Result<Self, Damage> {
        let malformed = |what| Damage::Malformed { at: fields.start(), what };
        let number = |field: Field| leading_int(fields.field(field as usize));
        let (Ok(ends), Some(dump_id)) = (fields.ends().try_into(), number(Field::DumpId)) else {
            return Err(malformed("the id of an entry is invalid"));
        };
        // pg_dump counts from 1, and what is added here counts on.
        if !(1..i32::MAX - (1 << 16)).contains(&dump_id) {
            return Err(malformed("the id of an entry is out of range"));
        }
        let had_dumper = match number(Field::HadDumper) {
            Some(flag @ (0 | 1)) => flag == 1,
            _ => return Err(malformed("an entry does not say whether it has data")),
        };
        let section = number(Field::Section).and_then(Section::numbered);
        let section = section.ok_or_else(|| malformed("an entry is in an unknown section"))?;
        let offset = match fields.field(Field::Offset as usize).split_first_chunk() {
            Some(([1], _)) => Offset::NotSet,
            Some(([2], at)) => Offset::At(at.first_chunk().copied().map_or(0, u64::from_le_bytes)),
            Some(([3], _)) => Offset::NoData,
            _ => return Err(malformed("an entry has an unknown kind of data offset")),
        };
        let kind = EntryKind::named(&lossy(leading_text(&mut fields.field(Field::Desc as usize)).flatten()));
        let (start, raw) = (fields.start(), Box::from(fields.held()));
        Ok(Self { start, raw, ends, dump_id, kind, had_dumper, section, offset })
    }

    /// The entry's number; blocks, dependencies and lists of `pg_restore` refer to it.
    pub fn dump_id(&self) -> i32 {
        self.dump_id
    }

    /// What it is about.
    pub fn kind(&self) -> EntryKind {
        self.kind
    }

    /// Its kind's name, its schema and its own name; empty texts stand for absent ones.
    pub fn identity(&self) -> (&[u8], &[u8], &[u8]) {
        let [desc, namespace, tag] =
            [self.desc(), self.namespace(), self.tag()].map(Option::unwrap_or_default);
        (desc, namespace, tag)
    }

    /// Whether it is about the database itself.
    pub fn is_of_database(&self) -> bool {
        self.kind.is_of_database(self.tag().unwrap_or_default())
    }

    /// Whether it comes after the grants: what may need them, and what would fire while they are made.
    pub fn is_last(&self) -> bool {
        self.kind == EntryKind::MaterializedViewData || self.is_of_event_trigger()
    }

    /// Whether it is an event trigger, or says something of one.
    pub fn is_of_event_trigger(&self) -> bool {
        self.kind == EntryKind::EventTrigger
            || self.kind.is_remark() && self.tag().is_some_and(|tag| tag.starts_with(b"EVENT TRIGGER "))
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
    pub(in crate::archive) fn offset(&self) -> Offset {
        self.offset
    }

    /// Whether a block of data must come for it.
    pub fn has_data(&self) -> bool {
        self.had_dumper && self.offset != Offset::NoData
    }

    /// Whether its data are rows in COPY's text format.
    pub fn is_copy(&self) -> bool {
        self.kind == EntryKind::TableData && self.copy_statement().is_some_and(|copy| !copy.is_empty())
    }

    /// Whether it is stored as tables usually are; before version 1.14 all were.
    pub fn is_heap(&self) -> bool {
        matches!(self.table_am(), None | Some(b"" | b"heap")) && matches!(self.rel_kind(), None | Some('r'))
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

    /// The same with other bytes for this field. It keeps its place in the archive it came from, not its length.
    pub(in crate::archive) fn with_field(&self, field: Field, bytes: &[u8]) -> Self {
        let old = self.field(field).len();
        let end = self.ends.get(field as usize).copied().unwrap_or_default() as usize;
        let (Some(before), Some(after)) = (self.raw.get(..end - old), self.raw.get(end..)) else {
            return self.clone();
        };
        let mut new = Self { raw: [before, bytes, after].concat().into(), ..self.clone() };
        for later in new.ends.iter_mut().skip(field as usize) {
            // Fits: an entry is far smaller than what 32 bits can count, and a field grows by a few names at most.
            *later = u32::try_from(*later as usize - old + bytes.len()).unwrap_or(u32::MAX);
        }
        new.kind = EntryKind::named(&lossy(new.desc()));
        new.dump_id = leading_int(new.field(Field::DumpId)).unwrap_or(self.dump_id);
        let section = leading_int(new.field(Field::Section)).and_then(Section::numbered);
        new.section = section.unwrap_or(self.section);
        new
    }

    /// Its kind, as `pg_dump` calls it, and its label: `TABLE public.orders`.
    pub fn described(&self) -> String {
        format!("{} {}", lossy(self.desc()), self.label())
    }

    /// The name people know it by: `public.orders`, or its kind's if it has no name of its own.
    ///
    /// It is fit to be printed: what is not UTF-8 is replaced and control characters are escaped.
    pub fn label(&self) -> String {
        let (_, schema, name) = self.identity();
        let label = match (self.kind, name) {
            (EntryKind::Blobs, b"" | b"BLOBS") => "large objects".to_owned(),
            (EntryKind::Blobs, range) => printable(&format!("large objects {}", lossy(Some(range)))),
            (_, b"") => printable(&lossy(self.desc())),
            _ => TableName { schema, name }.label(),
        };
        if label.is_empty() { format!("entry {}", self.dump_id) } else { label }
    }

    fn field(&self, field: Field) -> &[u8] {
        fields::field(&self.raw, &self.ends, field as usize)
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
