//! Archives that `pg_dump` wrote (`tests/data`, versions 1.14 to 1.16), with another reader's opinion.

use std::io::Cursor;

use super::corpus::dumps;
use super::*;
use crate::archive::{Compression, EntryKind, Offset, Section};
use sha2::{Digest, Sha256};

const ARCHIVES: [(u8, &[u8]); 3] = [
    (14, include_bytes!("../../../tests/data/pg15.dump")),
    (15, include_bytes!("../../../tests/data/pg16.dump")),
    (16, include_bytes!("../../../tests/data/pg18.dump")),
];

#[test]
fn rows_and_objects_are_those_of_the_database() {
    for (minor, bytes) in ARCHIVES {
        let contents = read(bytes, 100).unwrap();
        assert_eq!(contents.header.version.minor, minor);
        assert_eq!(contents.header.dbname, b"tiny");
        let tables: Vec<_> = contents
            .toc
            .with_data()
            .zip(&contents.blocks)
            .filter_map(|(entry, block)| Some((entry.label(), block.rows?)))
            .collect();
        let counts = [
            ("public.blank", 4),
            ("public.empty", 0),
            ("public.nocols", 3),
            ("public.orders", 50),
            ("public.parted_1", 2),
            ("public.parted_2", 1),
            ("we ird.Na\"me.x", 4),
        ];
        assert_eq!(tables, counts.map(|(name, rows)| (name.to_owned(), rows)));
        assert_eq!((contents.toc.tables(), contents.rows()), (8, Some(64)));
        let database = contents.toc.create_database().unwrap();
        assert!(database.starts_with("CREATE DATABASE tiny WITH TEMPLATE = template0 ENCODING = 'UTF8'"));
        let last = contents.blocks.last().unwrap();
        assert_eq!((last.objects, last.raw_bytes), (Some(3), 5 + 999));
    }
}

#[test]
fn every_kind_is_known_and_no_definition_is_torn() {
    let related = ["related15", "related18"].map(|name| {
        let file = format!("{}/tests/data/{name}.dump", env!("CARGO_MANIFEST_DIR"));
        (name.to_owned(), std::fs::read(file).unwrap())
    });
    for (name, bytes) in dumps().into_iter().chain(related) {
        let toc = read(&bytes, 4096).unwrap().toc;
        let unknown = toc.of_kind(EntryKind::Other).next();
        assert!(unknown.is_none(), "{name}: {unknown:?}");
        assert_eq!(toc.torn_definitions(), [], "{name}");
    }
}

#[test]
fn cut_anywhere_a_real_archive_is_not_whole() {
    for (name, bytes) in dumps() {
        // The large ones at some places only: the small ones have every kind of byte.
        for cut in (0..bytes.len()).step_by(if bytes.len() < 4096 { 1 } else { 13 }) {
            assert!(read(&bytes[..cut], 4096).is_err(), "{name}, cut at byte {cut} of {}", bytes.len());
        }
    }
}

/// libpgdump seeks, so the places our reader found are first noted in the table of contents, as
/// `pg_dump` does when it writes a file.
fn with_offsets(bytes: &[u8], contents: &Contents) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (entry, block) in contents.toc.with_data().zip(&contents.blocks) {
        if entry.offset() == Offset::At(block.range.start) {
            continue;
        }
        assert_eq!(entry.offset(), Offset::NotSet);
        let end = entry.range().end as usize;
        bytes[end - 9] = 2;
        bytes[end - 8..end].copy_from_slice(&block.range.start.to_le_bytes());
    }
    bytes
}

#[test]
fn libpgdump_reads_the_same() {
    for (name, bytes) in dumps() {
        let ours = read(&bytes, 100).unwrap();
        if ours.header.compression != Compression::None {
            continue;
        }
        let seekable = with_offsets(&bytes, &ours);
        let theirs = libpgdump::format::custom::read_archive(&mut Cursor::new(&seekable)).unwrap();
        assert_eq!(ours.header.server_version, theirs.server_version);
        assert_eq!(ours.header.dump_version, theirs.dump_version);
        assert_eq!(ours.header.made.second, theirs.timestamp.second);

        assert_eq!(ours.toc.entries().len(), theirs.entries.len());
        for (ours, theirs) in ours.toc.entries().iter().zip(&theirs.entries) {
            let texts = [
                (ours.desc(), Some(theirs.desc.as_str())),
                (ours.tag(), theirs.tag.as_deref()),
                (ours.namespace(), theirs.namespace.as_deref()),
                (ours.owner(), theirs.owner.as_deref()),
                (ours.defn(), theirs.defn.as_deref()),
                (ours.drop_statement(), theirs.drop_stmt.as_deref()),
                (ours.copy_statement(), theirs.copy_stmt.as_deref()),
                (ours.tablespace(), theirs.tablespace.as_deref()),
                (ours.table_am(), theirs.tableam.as_deref()),
                (ours.oid(), Some(theirs.oid.as_str())),
            ];
            for (ours, theirs) in texts {
                assert_eq!(ours.unwrap_or_default(), theirs.unwrap_or_default().as_bytes());
            }
            assert_eq!(ours.dump_id(), theirs.dump_id);
            assert_eq!(ours.had_dumper(), theirs.had_dumper);
            assert_eq!(ours.rel_kind(), theirs.relkind.filter(|&kind| kind != '\0'));
            assert_eq!(ours.dependencies().collect::<Vec<_>>(), theirs.dependencies);
            let section = match theirs.section {
                libpgdump::Section::None => Section::None,
                libpgdump::Section::PreData => Section::PreData,
                libpgdump::Section::Data => Section::Data,
                libpgdump::Section::PostData => Section::PostData,
            };
            assert_eq!(ours.section(), section);
        }

        assert_eq!(ours.blocks.len(), theirs.data.len() + theirs.blobs.len(), "{name}");
        for block in &ours.blocks {
            if let Some(objects) = block.objects {
                let theirs = &theirs.blobs[&block.dump_id];
                assert_eq!(objects, theirs.len() as u64);
                let bytes: Vec<u8> = theirs.iter().flat_map(|blob| blob.data.clone()).collect();
                assert_eq!(block.raw_bytes, bytes.len() as u64);
                assert_eq!(block.sha256, Some(Sha256::digest(bytes).into()));
            } else {
                let theirs = &theirs.data[&block.dump_id];
                assert_eq!(block.raw_bytes, theirs.len() as u64);
                assert_eq!(block.sha256, Some(Sha256::digest(theirs).into()));
                let rows = theirs.split(|&byte| byte == b'\n').take_while(|line| line != b"\\.").count();
                assert_eq!(block.rows, (!name.ends_with("-inserts")).then_some(rows as u64));
            }
        }
    }
}
