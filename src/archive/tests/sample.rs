//! A small writer of archives, for tests only: what `pg_dump` would write, and what it never would.

use crate::archive::COPY_END;
use flate2::write::ZlibEncoder;
use std::io::Write;

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
        let mut out = b"PGDMP".to_vec();
        out.extend([1, self.minor, 0, 4, 8, 1]);
        match (self.minor, self.compression) {
            (15.., compression) => out.push(compression),
            (_, 0) => int(&mut out, 0),
            _ => int(&mut out, -1),
        }
        for part in [56, 34, 12, 31, 11, 126, 0] {
            int(&mut out, part);
        }
        for name in ["shop", "17.9 (Debian 17.9-1)", "18.4"] {
            text(&mut out, Some(name.as_bytes()));
        }
        int(&mut out, i32::try_from(self.entries.len()).unwrap());
        for (id, data) in (1..).zip(&self.entries) {
            out.extend(self.entry(id, data));
        }
        out
    }

    fn entry(&self, id: i32, data: &Data) -> Vec<u8> {
        let mut out = Vec::new();
        let has_data = !matches!(data, Data::None);
        int(&mut out, id);
        int(&mut out, i32::from(has_data));
        text(&mut out, Some(b"1259"));
        text(&mut out, Some((16384 + id).to_string().as_bytes()));
        let (tag, desc, copy) = match data {
            Data::None => (format!("t{id}"), "TABLE", None),
            Data::Rows(_) => (format!("t{id}"), "TABLE DATA", Some("COPY t FROM stdin;\n")),
            Data::Opaque(_) => (format!("t{id}"), "TABLE DATA", None),
            Data::Objects(_) => ("BLOBS".into(), "BLOBS", None),
        };
        text(&mut out, Some(tag.as_bytes()));
        text(&mut out, Some(desc.as_bytes()));
        int(&mut out, if has_data { 3 } else { 2 });
        text(&mut out, Some(b"CREATE \xFF"));
        text(&mut out, Some(b""));
        text(&mut out, copy.map(str::as_bytes));
        text(&mut out, Some(b"public"));
        text(&mut out, None);
        if self.minor >= 14 {
            text(&mut out, Some(b"heap"));
        }
        if self.minor >= 16 {
            int(&mut out, i32::from(b'r'));
        }
        text(&mut out, Some(b"owner"));
        text(&mut out, Some(b"false"));
        for dependency in 1..id {
            text(&mut out, Some(dependency.to_string().as_bytes()));
        }
        text(&mut out, None);
        out.push(if has_data { 1 } else { 3 });
        out.extend([0; 8]);
        out
    }
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
        // Since 16 what is empty is no stream at all.
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
    let mut out = Vec::new();
    if matches!(data, Data::None) {
        return out;
    }
    out.push(if matches!(data, Data::Objects(_)) { 3 } else { 1 });
    int(&mut out, id);
    match data {
        Data::None => {}
        Data::Rows(pieces) => {
            let mut pieces = pieces.clone();
            pieces.push(COPY_END.to_vec());
            chunks(&mut out, &pieces);
        }
        Data::Opaque(pieces) => chunks(&mut out, pieces),
        Data::Objects(objects) => {
            for (oid, pieces) in objects {
                int(&mut out, oid.cast_signed());
                chunks(&mut out, pieces);
            }
            int(&mut out, 0);
        }
    }
    out
}

fn chunks(out: &mut Vec<u8>, pieces: &[Vec<u8>]) {
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        int(out, i32::try_from(piece.len()).unwrap());
        out.extend(piece);
    }
    int(out, 0);
}

pub(in crate::archive) fn int(out: &mut Vec<u8>, n: i32) {
    out.push(u8::from(n < 0));
    out.extend(n.unsigned_abs().to_le_bytes());
}

pub(in crate::archive) fn text(out: &mut Vec<u8>, text: Option<&[u8]>) {
    match text {
        None => int(out, -1),
        Some(text) => {
            int(out, i32::try_from(text.len()).unwrap());
            out.extend(text);
        }
    }
}
