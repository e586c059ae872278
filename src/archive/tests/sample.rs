//! Small archives for tests: what `pg_dump` would write, and what it never would.

use std::io::Write;

use flate2::write::ZlibEncoder;

use crate::archive::format::block::{DATA, LARGE_OBJECTS};
use crate::archive::format::entry::{Field, TocEntry};
use crate::archive::format::fields::int_bytes;
use crate::archive::format::toc::Toc;
use crate::archive::write::writer::Writer;
use crate::archive::{COPY_END, Preamble};

/// The data of one sample entry.
#[derive(Debug, Clone)]
pub(in crate::archive) enum Data {
    /// An entry without data, such as a table's definition.
    None,
    /// COPY text, cut into chunks as given; the end mark is added in a chunk of its own.
    Rows(Vec<Vec<u8>>),
    /// INSERT statements or compressed bytes: anything.
    Opaque(Vec<Vec<u8>>),
    /// Large objects, by oid.
    Objects(Vec<(u32, Vec<Vec<u8>>)>),
}

/// An archive to be written.
#[derive(Debug, Clone)]
pub(in crate::archive) struct Sample {
    pub minor: u8,
    /// As in version 1.15: 0 none, 1 gzip, 2 lz4, 3 zstd.
    pub compression: u8,
    pub entries: Vec<Data>,
}

impl Sample {
    pub fn new(minor: u8, entries: Vec<Data>) -> Self {
        Self { minor, compression: 0, entries }
    }

    /// One table with these rows, each in its own chunk.
    pub fn table(rows: &[&str]) -> Self {
        Self::new(16, vec![Data::Rows(rows.iter().map(|row| row.as_bytes().to_vec()).collect())])
    }

    /// The whole archive.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = self.preamble();
        for (id, data) in (1..).zip(&self.entries) {
            let data = if self.compression == 1 { deflated(data) } else { data.clone() };
            out.extend(block(id, &data));
        }
        out
    }

    /// Header and table of contents.
    pub fn preamble(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.raw(b"PGDMP");
        out.raw(&[1, self.minor, 0, 4, 8, 1]);
        match (self.minor, self.compression) {
            (15.., compression) => out.raw(&[compression]),
            (_, 0) => out.int(0),
            _ => out.int(-1),
        }
        for part in [56, 34, 12, 31, 11, 126, 0] {
            out.int(part);
        }
        for name in ["shop", "17.9 (Debian 17.9-1)", "18.4"] {
            out.text(name.as_bytes());
        }
        out.int(i32::try_from(self.entries.len()).unwrap());
        for (id, data) in (1..).zip(&self.entries) {
            self.entry(id, data, &mut out);
        }
        out.into_bytes()
    }

    fn entry(&self, id: i32, data: &Data, out: &mut Writer) {
        let has_data = !matches!(data, Data::None);
        let (tag, desc, copy) = match data {
            Data::None => (format!("t{id}"), "TABLE", None),
            Data::Rows(_) => (format!("t{id}"), "TABLE DATA", Some("COPY t FROM stdin;\n")),
            Data::Opaque(_) => (format!("t{id}"), "TABLE DATA", None),
            Data::Objects(_) => ("BLOBS".into(), "BLOBS", None),
        };
        out.int(id);
        out.int(i32::from(has_data));
        out.text(b"1259");
        out.text((16384 + id).to_string().as_bytes());
        out.text(tag.as_bytes());
        out.text(desc.as_bytes());
        out.int(if has_data { 3 } else { 2 });
        out.text(b"CREATE \xFF");
        out.text(b"");
        match copy {
            Some(copy) => out.text(copy.as_bytes()),
            None => out.int(ABSENT),
        }
        out.text(b"public");
        out.int(ABSENT);
        if self.minor >= 14 {
            out.text(b"heap");
        }
        if self.minor >= 16 {
            out.int(i32::from(b'r'));
        }
        out.text(b"owner");
        out.text(b"false");
        for dependency in 1..id {
            out.text(dependency.to_string().as_bytes());
        }
        out.int(ABSENT);
        out.raw(&[if has_data { 1 } else { 3 }]);
        out.raw(&[0; 8]);
    }
}

/// The length of a text that is not there.
pub(in crate::archive) const ABSENT: i32 = -1;

/// A preamble with these entries: kind, definition, owner.
pub(in crate::archive) fn preamble(entries: &[(&str, &str, &str)]) -> Preamble {
    let sample = Sample::new(16, vec![Data::None; entries.len()]);
    let mut entries = entries.iter();
    let change = |entry: &TocEntry| {
        let (desc, defn, owner) = entries.next().unwrap();
        let drop = if *desc == "TABLE" { "DROP …" } else { "" };
        let entry = entry.with_text(Field::Desc, desc.as_bytes()).with_text(Field::Drop, drop.as_bytes());
        entry.with_defn(defn.as_bytes()).with_owner(owner.as_bytes())
    };
    let changed = Preamble::read(&sample.preamble()).unwrap().with(change);
    // As the next reader reads it.
    Preamble::read(&changed.to_bytes()).unwrap()
}

/// A table of contents with these entries, numbered from 1: kind, schema, name, definition, and what each depends on.
pub(in crate::archive) fn toc<'a>(
    entries: impl IntoIterator<Item = (&'a str, String, String, String, Vec<i32>)>,
) -> Toc {
    let like = Preamble::read(&Sample::new(16, vec![Data::None, Data::Rows(Vec::new())]).preamble()).unwrap();
    let [defining, rows] = like.toc.entries() else { panic!("two entries") };
    let entries = (1..).zip(entries).map(|(id, (desc, schema, name, defn, needs))| {
        let entry = if desc == "TABLE DATA" { rows } else { defining };
        let mut needed = Writer::default();
        needs.iter().for_each(|id| needed.text(id.to_string().as_bytes()));
        needed.int(ABSENT);
        entry
            .with_field(Field::DumpId, &int_bytes(id))
            .with_text(Field::Desc, desc.as_bytes())
            .with_text(Field::Namespace, schema.as_bytes())
            .with_text(Field::Tag, name.as_bytes())
            .with_text(Field::Defn, defn.as_bytes())
            .with_field(Field::Dependencies, &needed.into_bytes())
    });
    Toc::new(entries.collect())
}

/// The data as `pg_dump --compress=gzip` writes it, in short chunks.
fn deflated(data: &Data) -> Data {
    let zlib = |pieces: &[Vec<u8>], end: &[u8]| {
        let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&[&pieces.concat(), end].concat()).unwrap();
        encoder.finish().unwrap().chunks(9).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    match data {
        Data::None => Data::None,
        Data::Rows(pieces) => Data::Opaque(zlib(pieces, COPY_END)),
        Data::Opaque(pieces) => Data::Opaque(zlib(pieces, b"")),
        // Since 16 an empty object is no stream at all.
        Data::Objects(objects) => {
            let object = |(oid, pieces): &(u32, Vec<Vec<u8>>)| {
                (*oid, if pieces.is_empty() { vec![] } else { zlib(pieces, b"") })
            };
            Data::Objects(objects.iter().map(object).collect())
        }
    }
}

/// The block of an entry; nothing for one without data.
pub(in crate::archive) fn block(id: i32, data: &Data) -> Vec<u8> {
    let mut out = Writer::default();
    match data {
        Data::None => {}
        Data::Rows(pieces) => {
            out.block(DATA, id);
            chunks(&mut out, pieces.iter().map(Vec::as_slice).chain([COPY_END]));
        }
        Data::Opaque(pieces) => {
            out.block(DATA, id);
            chunks(&mut out, pieces.iter().map(Vec::as_slice));
        }
        Data::Objects(objects) => {
            out.block(LARGE_OBJECTS, id);
            for (oid, pieces) in objects {
                out.int(oid.cast_signed());
                chunks(&mut out, pieces.iter().map(Vec::as_slice));
            }
            out.end();
        }
    }
    out.into_bytes()
}

fn chunks<'p>(out: &mut Writer, pieces: impl Iterator<Item = &'p [u8]>) {
    pieces.for_each(|piece| out.chunk(piece));
    out.end();
}
