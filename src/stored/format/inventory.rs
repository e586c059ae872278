//! The inventory: what the dump holds, table by table, and where in the dump it lies.
//!
//! Taken from the dump's own stream, stored with it, and encrypted like it. With it one sees what
//! is in a backup, proves a restore, and finds one table's bytes, all without fetching the dump.

use super::digest::Digest;
use super::extension::Extension;
use super::prefixes::Prefixes;
use crate::archive::{self, Contents, EntryKind, Preamble, TableName, TocEntry};
use crate::error::{Error, Result};
use crate::layout::{FrameSpan, Piece};
use crate::stored::format::manifest::{Object, Totals};
use crate::units::count;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use indicatif::HumanCount;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::ops::Range;

/// The inventory's format this code writes, and the only one it reads.
pub const FORMAT: u32 = 1;
/// No inventory is larger, in bytes of plaintext; anything that is, is not one. It has room for the largest table
/// of contents that the archive reader accepts, in base64, and more than 1 GiB for blocks and frames.
pub const LARGEST: u64 = 4 << 30;
const _: () = assert!(LARGEST > archive::MAX_PREAMBLE / 3 * 4 + (1 << 30), "what is written can be read");

/// What an inventory may have besides what a dump gives reason for, in bytes of plaintext.
const SLACK: u64 = 1 << 20;
/// The smallest frame that zstd knows, and the smallest entry of a table of contents, in bytes.
const SMALLEST: (usize, usize) = (9, 50);

/// The largest inventory that this dump gives reason for, in bytes of plaintext.
///
/// It repeats the archive's table of contents in base64, and says of every block less than the archive itself does.
/// A few kilobytes that unpack to gigabytes are therefore refused before any is read.
pub fn largest_of(dump: &Object) -> u64 {
    dump.plain_bytes.saturating_mul(4).saturating_add(SLACK).min(LARGEST)
}

/// What is known of one dump. Fields unknown to this version are ignored on reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// The version of this document.
    pub format: u32,
    /// The archive as a whole.
    pub archive: Archive,
    /// Every block of data, in the archive's order.
    pub blocks: Vec<Block>,
    /// Every zstd frame, in order.
    pub frames: Vec<Frame>,
    /// The extensions that the database had, as far as it was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

/// One zstd frame of the dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Its bytes of plaintext.
    pub plain_bytes: u64,
    /// Its compressed bytes, before encryption.
    pub compressed_bytes: u64,
    /// SHA-256 of its compressed bytes.
    pub sha256: Digest,
    /// Whether it begins between two rows or blocks.
    pub clean: bool,
}

/// Facts about the archive as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    /// Version of the archive's format, such as `1.16`.
    pub version: String,
    /// The dumped database.
    pub database: Text,
    /// The encoding of its names and data, as PostgreSQL calls it.
    pub encoding: String,
    /// Version of the server, as it names itself.
    pub server_version: String,
    /// Version of the `pg_dump` that wrote it.
    pub pg_dump_version: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// How many tables it defines.
    pub tables: u64,
    /// Its bytes before the first block: header and table of contents.
    #[serde(with = "base64_text")]
    pub preamble: Vec<u8>,
}

/// One block of data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The entry of the table of contents it belongs to.
    pub dump_id: i32,
    /// What the data is.
    pub kind: BlockKind,
    /// The table's schema.
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    pub schema: Text,
    /// The table, or what else names the data.
    pub table: Text,
    /// Whether its rows are restored through the root of the partitions, which may put them elsewhere.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub through_root: bool,
    /// Where it lies in the archive, in bytes: from the first, to before the last.
    pub range: (u64, u64),
    /// Bytes of data, without the archive's own.
    pub raw_bytes: u64,
    /// Rows, where they can be counted.
    pub rows: Option<u64>,
    /// Large objects, where the block holds such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<u64>,
    /// SHA-256 of the data.
    pub sha256: Option<Digest>,
    /// Digests of its beginnings.
    #[serde(default, skip_serializing_if = "Prefixes::is_empty")]
    pub prefixes: Prefixes,
}

/// What the data of a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BlockKind {
    /// Rows of a table.
    Table,
    /// Large objects.
    LargeObjects,
    /// Something this version does not know.
    #[serde(other)]
    Other,
}

/// Text in the dump's encoding: where it is not UTF-8, its very bytes are kept too.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// As it is.
    Exact(String),
    /// With replacement characters, and its bytes in base64.
    Lossy(String, String),
    /// None.
    #[default]
    Absent,
}

impl Text {
    fn new(bytes: Option<&[u8]>) -> Self {
        match bytes.map(std::str::from_utf8) {
            None => Text::Absent,
            Some(Ok(text)) => Text::Exact(text.to_owned()),
            Some(Err(_)) => {
                let bytes = bytes.unwrap_or_default();
                let exact = STANDARD.encode(bytes);
                Text::Lossy(String::from_utf8_lossy(bytes).into_owned(), exact)
            }
        }
    }

    /// For people: not UTF-8 is replaced.
    pub fn as_str(&self) -> &str {
        match self {
            Text::Exact(text) | Text::Lossy(text, _) => text,
            Text::Absent => "",
        }
    }

    /// Its very bytes, in the dump's encoding.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Text::Lossy(_, exact) => STANDARD.decode(exact).unwrap_or_default(),
            _ => self.as_str().into(),
        }
    }

    fn is_empty(&self) -> bool {
        *self == Text::Absent
    }
}

impl Inventory {
    /// Writes down what was learned of an archive whose blocks were all digested.
    pub fn new(contents: Contents, frames: &[FrameSpan]) -> Self {
        let tables = contents.toc.tables() as u64;
        let blocks = contents.toc.with_data().zip(&contents.blocks).map(|(entry, block)| of(entry, block));
        Self {
            format: FORMAT,
            blocks: blocks.collect(),
            frames: frames
                .iter()
                .map(|frame| Frame {
                    plain_bytes: frame.plain_len,
                    compressed_bytes: frame.compressed_len,
                    sha256: Digest(frame.sha256),
                    clean: frame.clean,
                })
                .collect(),
            extensions: Vec::new(),
            archive: Archive {
                version: contents.header.version.to_string(),
                database: Text::new(Some(&contents.header.dbname)),
                encoding: contents.toc.encoding().unwrap_or_else(|| "UTF8".to_owned()),
                preamble: contents.preamble().to_bytes(),
                server_version: contents.header.server_version,
                pg_dump_version: contents.header.dump_version,
                bytes: contents.length,
                tables,
            },
        }
    }

    /// Refuses an inventory with more in it than this dump can have.
    pub fn check_is_of(&self, dump: &Object) -> Result<()> {
        let another = |what: &str| Err(Error::verify(format!("the inventory is not of this dump: {what}")));
        let (frame, entry) = SMALLEST;
        let room_for = |bytes: u64, smallest: usize| usize::try_from(bytes).unwrap_or(usize::MAX) / smallest;
        if self.archive.bytes != dump.plain_bytes {
            return another("the archive has another length");
        }
        if self.frames.len() > room_for(dump.stored_bytes, frame) {
            return another("it has more frames than fit into the stored bytes");
        }
        if self.blocks.len() > self.archive.preamble.len() / entry {
            return another("it has more blocks of data than its table of contents has entries");
        }
        Ok(())
    }

    /// What may be told to everyone; `None` where rows could not be counted.
    pub fn totals(&self) -> Option<Totals> {
        Some(Totals { tables: self.archive.tables, rows: self.rows()? })
    }

    /// How many rows it tells of; `None` where those of some table could not be counted.
    pub fn rows(&self) -> Option<u64> {
        let tables = self.blocks.iter().filter(|block| block.kind == BlockKind::Table);
        tables.map(|block| block.rows).try_fold(0_u64, |sum, rows| Some(sum.saturating_add(rows?)))
    }

    /// The inventory of the smaller archive that has these entries only; its blocks and frames lie where
    /// they lie in the whole one.
    #[must_use]
    pub fn only(mut self, front: &Preamble) -> Self {
        let entries: HashSet<i32> = front.toc.entries().iter().map(TocEntry::dump_id).collect();
        self.blocks.retain(|block| entries.contains(&block.dump_id));
        self.archive.preamble = front.with(TocEntry::anywhere).to_bytes();
        self.archive.tables = front.toc.tables() as u64;
        let blocks = self.blocks.iter().map(Block::archive_bytes);
        self.archive.bytes = blocks.fold(self.archive.preamble.len() as u64, u64::saturating_add);
        self
    }

    /// What differs from `found`, which was learned by reading the dump again; a sentence each.
    pub fn differences(&self, found: &Self) -> Vec<String> {
        let mut all = Vec::new();
        if self.archive != found.archive {
            all.push("the archive's header or table of contents differs".to_owned());
        }
        if self.blocks.len() != found.blocks.len() {
            all.push(format!(
                "{} of data instead of {}",
                count(found.blocks.len(), "block"),
                self.blocks.len()
            ));
        }
        for (said, is) in self.blocks.iter().zip(&found.blocks).filter(|(said, is)| said != is) {
            let what = match (said.rows, is.rows) {
                (Some(said), Some(is)) if said != is => {
                    format!("{} instead of {}", count(is, "row"), HumanCount(said))
                }
                _ => "the data is not what the inventory says".to_owned(),
            };
            let place = said.prefixes.first_difference(said.rows, &is.prefixes, is.rows);
            all.push(format!("{}: {what}{place}", said.label()));
        }
        let framed: u64 = self.frames.iter().map(|frame| frame.plain_bytes).fold(0, u64::saturating_add);
        if framed != found.archive.bytes {
            all.push(format!("the frames hold {framed} bytes, and the archive has {}", found.archive.bytes));
        }
        all
    }

    /// Where each frame lies.
    pub fn frame_spans(&self) -> impl Iterator<Item = FrameSpan> + '_ {
        let mut next = (0_u64, 0_u64);
        self.frames.iter().map(move |frame| {
            let (plain_offset, compressed_offset) = next;
            next = (
                plain_offset.saturating_add(frame.plain_bytes),
                compressed_offset.saturating_add(frame.compressed_bytes),
            );
            FrameSpan {
                plain_offset,
                plain_len: frame.plain_bytes,
                compressed_offset,
                compressed_len: frame.compressed_bytes,
                sha256: frame.sha256.0,
                clean: frame.clean,
            }
        })
    }

    /// The frames that hold these bytes of the archive, and where in them; `ranges` in ascending order.
    pub fn pieces(&self, ranges: &[Range<u64>]) -> Vec<Piece> {
        let spans: Vec<_> = self.frame_spans().collect();
        let mut pieces: Vec<Piece> = Vec::new();
        for range in ranges.iter().filter(|range| !range.is_empty()) {
            let first =
                spans.partition_point(|span| span.plain_offset.saturating_add(span.plain_len) <= range.start);
            let of_range = spans.get(first..).unwrap_or_default().iter();
            for &frame in of_range.take_while(|span| span.plain_offset < range.end) {
                let within = |at: u64| at.saturating_sub(frame.plain_offset).min(frame.plain_len);
                pieces.push(Piece { frame, wanted: within(range.start)..within(range.end) });
            }
        }
        pieces
    }

    /// The inventory as it is stored, before compression and encryption.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
            .map_err(|e| Error::unexpected("the inventory cannot be written as JSON").because(e))
    }

    /// Reads a stored inventory, and refuses one of a format not known here.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let damaged = |e| Error::verify("the inventory is damaged").because(e);
        let Version { format } = serde_json::from_slice(bytes).map_err(damaged)?;
        if format != FORMAT {
            return Err(Error::verify(format!(
                "the inventory is of format {format}; this pgstow reads format {FORMAT}"
            ))
            .hint("use the pgstow version that wrote it, or a newer one"));
        }
        serde_json::from_slice(bytes).map_err(damaged)
    }
}

impl Block {
    /// The name people know it by: `public.orders`, or "large objects".
    pub fn label(&self) -> String {
        match self.kind {
            BlockKind::LargeObjects => "large objects".to_owned(),
            _ => self.named(|name| name.label()),
        }
    }

    /// The name as `--table` takes it, if the data are those of a table.
    pub fn pattern(&self) -> Option<String> {
        (self.kind == BlockKind::Table).then(|| self.named(|name| name.pattern()))
    }

    fn named(&self, write: impl Fn(TableName<'_>) -> String) -> String {
        write(TableName { schema: &self.schema.bytes(), name: &self.table.bytes() })
    }

    /// What it is the data of, the same in every backup; large objects are one thing.
    pub fn owner(&self) -> (BlockKind, &Text, &Text) {
        match self.kind {
            BlockKind::LargeObjects => (self.kind, &Text::Absent, &Text::Absent),
            kind => (kind, &self.schema, &self.table),
        }
    }

    /// Where it lies in the archive, in bytes.
    pub fn range(&self) -> Range<u64> {
        self.range.0..self.range.1
    }

    /// Its length in the archive, in bytes.
    pub fn archive_bytes(&self) -> u64 {
        self.range.1.saturating_sub(self.range.0)
    }

    /// In which rows the data that was found instead differs first, as the end of a sentence.
    pub fn first_difference(&self, found: &archive::Block) -> String {
        self.prefixes.first_difference(self.rows, &Prefixes::from(found), found.rows)
    }
}

fn of(entry: &TocEntry, block: &archive::Block) -> Block {
    let [copy, schema, table] =
        [entry.copy_statement(), entry.namespace(), entry.tag()].map(Option::unwrap_or_default);
    let kind = match entry.kind() {
        EntryKind::TableData => BlockKind::Table,
        EntryKind::Blobs => BlockKind::LargeObjects,
        _ => BlockKind::Other,
    };
    Block {
        dump_id: block.dump_id,
        kind,
        schema: Text::new(entry.namespace()),
        table: Text::new(entry.tag()),
        through_root: entry.is_copy() && !copies_into(copy, schema, table),
        range: (block.range.start, block.range.end),
        raw_bytes: block.raw_bytes,
        rows: block.rows,
        objects: block.objects,
        sha256: block.sha256.map(Digest),
        prefixes: Prefixes::from(block),
    }
}

/// Whether the rows are read back into the table they came from, and not into its partitions' root.
fn copies_into(copy: &[u8], schema: &[u8], table: &[u8]) -> bool {
    // Which names need quotes is for the server to know; without them they all look alike.
    let bare = |text: &[u8]| -> Vec<u8> { text.iter().copied().filter(|byte| *byte != b'"').collect() };
    bare(copy).starts_with(&bare(&[b"COPY ", schema, b".", table, b" "].concat()))
}

/// Bytes as base64, without a copy of the text in between on writing.
mod base64_text {
    use base64::Engine as _;
    use base64::display::Base64Display;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&Base64Display::new(bytes, &STANDARD))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::Reader;
    use crate::stored::format::manifest::tests::example;

    const DUMP: &[u8] = include_bytes!("../../../tests/data/pg18.dump");

    fn inventory(dump: &[u8]) -> Inventory {
        let mut reader = Reader::with_digests();
        reader.feed(dump).unwrap();
        let frame = |plain_offset, plain_len, compressed_offset, compressed_len| FrameSpan {
            plain_offset,
            plain_len,
            compressed_offset,
            compressed_len,
            sha256: [7; 32],
            clean: true,
        };
        Inventory::new(reader.finish().unwrap(), &[frame(0, 100, 0, 40), frame(100, 50, 40, 30)])
    }

    #[test]
    fn it_reads_back_and_knows_every_block() {
        let inventory = inventory(DUMP);
        assert_eq!(Inventory::from_bytes(&inventory.to_bytes().unwrap()).unwrap(), inventory);

        assert_eq!(inventory.totals(), Some(Totals { tables: 8, rows: 64 }));
        assert_eq!(inventory.archive.bytes, DUMP.len() as u64);
        assert_eq!(inventory.archive.encoding, "UTF8");
        assert!(DUMP.starts_with(&inventory.archive.preamble));
        let mut place = inventory.archive.preamble.len() as u64;
        for block in &inventory.blocks {
            assert_eq!(block.range().start, place);
            assert!(block.sha256.is_some() && !block.through_root, "{block:?}");
            place = block.range().end;
        }
        assert_eq!(place, inventory.archive.bytes);
        let labels: Vec<_> = inventory.blocks.iter().map(Block::label).collect();
        assert!(labels.contains(&"we ird.Na\"me.x".to_owned()), "{labels:?}");
        assert_eq!(labels.last().map(String::as_str), Some("large objects"));
        let spans: Vec<_> = inventory.frame_spans().collect();
        assert_eq!((spans[1].plain_offset, spans[1].compressed_offset), (100, 40));
        let pieces = inventory.pieces(&[90..110, 120..130, 200..300]);
        let wanted: Vec<_> =
            pieces.iter().map(|piece| (piece.frame.plain_offset, piece.wanted.clone())).collect();
        assert_eq!(wanted, [(0, 90..100), (100, 0..10), (100, 20..30)]);
    }

    #[test]
    fn no_dump_gives_reason_for_more_than_it_has() {
        let inventory = inventory(DUMP);
        let bytes = DUMP.len() as u64;
        let dump = Object { plain_bytes: bytes, stored_bytes: bytes, ..example().objects.remove(0) };
        assert!(inventory.to_bytes().unwrap().len() as u64 <= largest_of(&dump));
        inventory.check_is_of(&dump).unwrap();

        let refused = |inventory: Inventory| inventory.check_is_of(&dump).unwrap_err().to_string();
        let mut longer = inventory.clone();
        longer.archive.bytes += 1;
        assert!(refused(longer).ends_with("another length"));
        let mut blocks = inventory.clone();
        blocks.blocks = vec![blocks.blocks[0].clone(); blocks.archive.preamble.len()];
        assert!(refused(blocks).ends_with("its table of contents has entries"));
        let mut frames = inventory;
        frames.frames = vec![frames.frames[0].clone(); DUMP.len()];
        assert!(refused(frames).ends_with("fit into the stored bytes"));
    }

    #[test]
    fn a_name_that_is_not_utf_8_survives() {
        let mut dump = DUMP.to_vec();
        for at in 0..dump.len() - 6 {
            if dump[at..].starts_with(b"orders") {
                dump[at + 3] = 0xFF;
            }
        }
        let inventory = inventory(&dump);
        let back = Inventory::from_bytes(&inventory.to_bytes().unwrap()).unwrap();
        let odd = back.blocks.iter().find(|block| block.table.as_str() == "ord\u{FFFD}rs").unwrap();
        assert_eq!(odd.table, Text::Lossy("ord\u{FFFD}rs".into(), "b3Jk/3Jz".into()));
        assert_eq!(odd.table.bytes(), b"ord\xFFrs");
        assert!(!odd.through_root);
    }

    #[test]
    fn a_format_from_the_future_is_refused_and_an_unknown_field_is_not() {
        let mut json: serde_json::Value =
            serde_json::from_slice(&inventory(DUMP).to_bytes().unwrap()).unwrap();
        json["colour"] = "blue".into();
        json["blocks"][0]["kind"] = "something-new".into();
        let read = Inventory::from_bytes(json.to_string().as_bytes()).unwrap();
        assert_eq!(read.blocks[0].kind, BlockKind::Other);
        json["format"] = 2.into();
        let error = Inventory::from_bytes(json.to_string().as_bytes()).unwrap_err();
        assert!(error.message().contains("format 2"), "{error}");
    }

    #[test]
    fn rows_restored_through_the_root_of_partitions_are_known() {
        for (copy, into_itself) in [
            ("COPY public.orders (id, at) FROM stdin;\n", true),
            ("COPY \"we ird\".\"Ord\"\"ers\" (id) FROM stdin;\n", true),
            ("COPY public.parted (id) FROM stdin;\n", false),
            ("COPY public.orders_all (id) FROM stdin;\n", false),
        ] {
            let (schema, table) =
                if copy.contains("we ird") { ("we ird", "Ord\"ers") } else { ("public", "orders") };
            assert_eq!(
                copies_into(copy.as_bytes(), schema.as_bytes(), table.as_bytes()),
                into_itself,
                "{copy}"
            );
        }
    }
}
