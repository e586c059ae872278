//! Archives that are whole: what is learned from them, and when.

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::archive::{
    Block, COPY_END, Compression, Depth, LocalTime, Offset, PREFIX, Prefix, Section, Version,
};
use crate::layout::Cut;

#[test]
fn every_version_reads_the_same() {
    for minor in 12..=16 {
        let sample = mixed(minor);
        let contents = read(&sample.bytes(), 1000).unwrap();
        let header = &contents.header;
        assert_eq!(header.version, Version { major: 1, minor });
        assert_eq!(header.compression, Compression::None);
        let made = LocalTime { year: 2026, month: 12, day: 31, hour: 12, minute: 34, second: 56 };
        assert_eq!(header.made, made);
        assert_eq!(header.dbname, b"shop");
        assert_eq!(header.server_version, "17.9 (Debian 17.9-1)");
        assert_eq!(header.dump_version, "18.4");
        assert_eq!(contents.preamble().to_bytes(), sample.preamble());
        assert_eq!(contents.length, sample.bytes().len() as u64);

        let ids: Vec<_> = contents.blocks.iter().map(|block| block.dump_id).collect();
        assert_eq!(ids, [2, 3, 5, 6, 7]);
        let rows: Vec<_> = contents.blocks.iter().map(|block| block.rows).collect();
        assert_eq!(rows, [Some(2), Some(0), None, Some(4), None]);
        let objects: Vec<_> = contents.blocks.iter().map(|block| block.objects).collect();
        assert_eq!(objects, [None, None, None, None, Some(2)]);
        let mut place = sample.preamble().len() as u64;
        for block in &contents.blocks {
            assert_eq!(block.range.start, place);
            place = block.range.end;
        }
        assert_eq!(place, contents.length);
    }
}

#[test]
fn entries_tell_their_fields() {
    let contents = read(&mixed(16).bytes(), 1000).unwrap();
    let entry = &contents.toc.entries()[2];
    assert_eq!(entry.dump_id(), 3);
    assert!(entry.had_dumper() && entry.has_data() && entry.is_copy());
    assert_eq!((entry.section(), entry.offset()), (Section::Data, Offset::NotSet));
    assert_eq!(entry.tag(), Some(&b"t3"[..]));
    assert_eq!(entry.desc(), Some(&b"TABLE DATA"[..]));
    assert_eq!(entry.defn(), Some(&b"CREATE \xFF"[..]));
    assert_eq!(entry.drop_statement(), Some(&b""[..]));
    assert_eq!(entry.copy_statement(), Some(&b"COPY t FROM stdin;\n"[..]));
    assert_eq!(entry.tablespace(), None);
    assert_eq!(entry.table_am(), Some(&b"heap"[..]));
    assert_eq!(entry.rel_kind(), Some('r'));
    assert_eq!(entry.oid(), Some(&b"16387"[..]));
    assert_eq!(entry.dependencies().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(entry.label(), "public.t3");
    let range = entry.range();
    assert_eq!(entry.raw(), &mixed(16).bytes()[range.start as usize..range.end as usize]);

    let old = read(&mixed(12).bytes(), 1000).unwrap();
    let entry = &old.toc.entries()[2];
    assert_eq!((entry.table_am(), entry.rel_kind(), entry.owner()), (None, None, Some(&b"owner"[..])));
}

#[test]
fn the_digest_is_that_of_copy_and_its_end() {
    let contents = read(&Sample::table(&["a\n", "b\n"]).bytes(), 3).unwrap();
    let copy = [b"a\nb\n", COPY_END].concat();
    assert_eq!(contents.blocks[0].raw_bytes, copy.len() as u64);
    assert_eq!(contents.blocks[0].sha256, Some(Sha256::digest(copy).into()));

    let mut plain = Reader::new();
    plain.feed(&Sample::table(&["a\n"]).bytes()).unwrap();
    assert_eq!(plain.finish().unwrap().blocks[0].sha256, None);
}

#[test]
fn long_and_short_chunks_are_digested_in_their_order() {
    let rows: Vec<String> =
        (0..300).map(|n| format!("{}\n", "x".repeat([0, 50, 5000, 8191, 8192, 30_000][n % 6]))).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let contents = read(&Sample::table(&rows).bytes(), 1 << 20).unwrap();
    let copy = [rows.concat().as_bytes(), COPY_END].concat();
    assert_eq!(contents.blocks[0].sha256, Some(Sha256::digest(copy).into()));
}

#[test]
fn digests_of_beginnings_are_those_of_the_first_bytes_however_they_are_cut() {
    let rows: Vec<String> = (0..120_000).map(|n| format!("{n}\t{}\n", "y".repeat(n % 160))).collect();
    let copy = [rows.concat().as_bytes(), COPY_END].concat();
    let expected = |prefix: usize| {
        let data = &copy[..prefix * usize::try_from(PREFIX).unwrap()];
        let rows = data.iter().filter(|byte| **byte == b'\n').count() as u64;
        Prefix { rows: Some(rows), sha256: Sha256::digest(data).into() }
    };
    assert!(copy.len() > 9 << 20);
    // A chunk for each row, for many rows, and one that is longer than two beginnings.
    for together in [1, 1000, 110_000] {
        let chunks: Vec<String> = rows.chunks(together).map(<[String]>::concat).collect();
        let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
        let block = &read(&Sample::table(&chunks).bytes(), 300_000).unwrap().blocks[0];
        assert_eq!(block.prefixes, [expected(1), expected(2)]);
        assert_eq!(block.sha256, Some(Sha256::digest(&copy).into()));
        assert_eq!(block.rows, Some(120_000));
    }
    let mut boundaries = Reader::with_digests();
    let bytes = Sample::table(&[&rows.concat()]).bytes();
    boundaries.feed(&bytes[..bytes.len() - 200]).unwrap();
    let at = usize::try_from(boundaries.boundary().unwrap().at).unwrap();
    assert!(bytes[at - 1] == b'\n' && bytes.len() - at < 500, "rows end where they did");
}

#[test]
fn a_second_look_that_lags_behind_digests_the_same() {
    let bytes = mixed(16).bytes();
    for size in [1, 7, 300, bytes.len()] {
        let mut reader = Reader::new();
        bytes.chunks(size).for_each(|piece| reader.feed(piece).unwrap());
        let mut digests = reader.digests().unwrap();
        let mut offset = 0;
        for piece in bytes.chunks(size) {
            digests.feed(offset, piece).unwrap();
            offset += piece.len() as u64;
        }
        assert_eq!(digests.finish().unwrap(), read(&bytes, 1000).unwrap().blocks);
    }
    assert!(Reader::new().digests().is_none());
}

#[test]
fn what_gzip_compressed_is_counted_and_digested_as_it_was() {
    for minor in 12..=16 {
        let facts = |compression: u8, size: usize| {
            let bytes = Sample { compression, ..mixed(minor) }.bytes();
            let contents = read(&bytes, size).unwrap();
            crate::archive::promises::check(&bytes);
            let facts = |block: &Block| (block.rows, block.raw_bytes, block.objects, block.sha256);
            (contents.header.compression, contents.blocks.iter().map(facts).collect::<Vec<_>>())
        };
        let (_, plain) = facts(0, 1000);
        for size in [1, 7, 1000] {
            assert_eq!(facts(1, size), (Compression::Gzip, plain.clone()));
        }
    }
}

#[test]
fn gzip_streams_are_not_cut_and_their_damage_is_named() {
    let sample = Sample { compression: 1, ..Sample::table(&["1\tone\n", "2\ttwo\n"]) };
    let (mut bytes, start) = (sample.bytes(), sample.preamble().len());
    let mut reader = Reader::new();
    for byte in &bytes[..bytes.len() - 1] {
        reader.feed(&[*byte]).unwrap();
        assert!(reader.boundary().is_none_or(|cut| cut == Cut::clean(start as u64)));
    }
    bytes[start + 12] ^= 1;
    assert!(
        complaint(&bytes).contains("the data of public.t1 cannot be decompressed"),
        "{}",
        complaint(&bytes)
    );
}

#[test]
fn what_is_compressed_otherwise_has_no_rows() {
    for (compression, name) in [(2, Compression::Lz4), (3, Compression::Zstd)] {
        let contents = read(&Sample { compression, ..mixed(16) }.bytes(), 1000).unwrap();
        assert_eq!((contents.header.compression, contents.rows()), (name, None));
        assert!(contents.blocks.iter().all(|block| block.rows.is_none()));
    }
}

#[test]
fn an_archive_without_data_is_whole_after_its_table_of_contents() {
    for entries in [vec![], vec![Data::None, Data::None]] {
        let contents = read(&Sample::new(16, entries).bytes(), 7).unwrap();
        assert!(contents.blocks.is_empty());
    }
}

#[test]
fn what_passes_is_known_while_it_passes() {
    let sample = mixed(16);
    let bytes = sample.bytes();
    let start = sample.preamble().len();
    let mut reader = Reader::new();
    reader.feed(&bytes[..20]).unwrap();
    assert!(reader.header().is_none() && reader.boundary().is_none());
    reader.feed(&bytes[20..start]).unwrap();
    assert_eq!(reader.toc().unwrap().with_data().count(), 5);
    assert_eq!((reader.position(), reader.boundary()), (start as u64, Some(Cut::clean(start as u64))));
    assert!(reader.current().is_none());
    reader.feed(&bytes[start..start + 6]).unwrap();
    assert_eq!(reader.current().unwrap().label(), "public.t2");
    reader.feed(&bytes[start + 6..]).unwrap();
    assert!(reader.current().is_none());
    assert_eq!(reader.blocks().len(), 5);
    assert_eq!(reader.boundary(), Some(Cut::clean(bytes.len() as u64)));
}

#[test]
fn boundaries_are_the_ends_of_rows_and_blocks() {
    let pieces = ["1\n", "2\n3", "3\n4\n"].map(|piece| piece.as_bytes().to_vec());
    let sample = Sample::new(16, vec![Data::Rows(pieces.to_vec()), Data::Opaque(vec![b"x\n".to_vec()])]);
    let bytes = sample.bytes();
    let mut reader = Reader::new();
    let mut seen = Vec::new();
    for byte in bytes.chunks(1) {
        reader.feed(byte).unwrap();
        let cut = reader.boundary().map(|cut| (cut.at - sample.preamble().len() as u64, cut.seam.is_some()));
        if seen.last() != cut.as_ref() {
            seen.extend(cut);
        }
    }
    // Within the second chunk, after its first row, and within the third. Not after "2\n3": its last row goes on. Not in
    // or after the end mark, and not inside the statements of the second block.
    let (rows, end) = ([(0, false), (13, false), (20, true), (28, true), (30, false)], 30 + 10 + 5);
    assert_eq!(seen[..5], rows);
    assert_eq!(seen[5..], [(end, false), (end + 6 + 7 + 5, false)]);
    assert_eq!(reader.finish().unwrap().blocks[0].rows, Some(4));
}

fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let byte = prop_oneof![Just(b'\n'), Just(b'\\'), Just(b'.'), any::<u8>()];
    prop::collection::vec(prop::collection::vec(byte, 1..40), 0..6)
}

fn data() -> impl Strategy<Value = Data> {
    prop_oneof![
        Just(Data::None),
        pieces().prop_map(|mut pieces| {
            // The end mark stands at the beginning of a line.
            pieces.extend((!pieces.is_empty()).then(|| b"\n".to_vec()));
            Data::Rows(pieces)
        }),
        pieces().prop_map(Data::Opaque),
        prop::collection::vec((1..=u32::MAX, pieces()), 0..4).prop_map(Data::Objects),
    ]
}

proptest! {
    #[test]
    fn any_split_gives_the_same(
        minor in 12..=16u8,
        entries in prop::collection::vec(data(), 0..6),
        cuts in prop::collection::vec(0..3000usize, 0..20),
        size in 1..50usize,
    ) {
        let sample = Sample::new(minor, entries);
        let bytes = sample.bytes();
        let at_once = read(&bytes, bytes.len()).unwrap();
        for (block, data) in at_once.blocks.iter().zip(sample.entries.iter().filter(|d| !matches!(d, Data::None))) {
            if let Data::Rows(pieces) = data {
                let newlines = pieces.concat().iter().filter(|&&byte| byte == b'\n').count();
                prop_assert_eq!(block.rows, Some(newlines as u64));
            }
        }
        prop_assert_eq!(read(&bytes, size).unwrap(), at_once.clone());

        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut reader = Reader::with_digests();
        for pair in cuts.windows(2) {
            reader.feed(&bytes[pair[0]..pair[1]]).unwrap();
            prop_assert_eq!(reader.position(), pair[1] as u64);
            prop_assert!(reader.boundary().is_none_or(|cut| cut.at <= reader.position()));
        }
        prop_assert_eq!(reader.finish().unwrap(), at_once);
    }
}

#[test]
fn rows_in_another_order_and_in_other_blocks_add_up_to_the_same() {
    let sums = |rows: &[&str]| -> Option<u128> {
        let mut reader = Reader::looking(Depth::Rows);
        reader.feed(&Sample::table(rows).bytes()).unwrap();
        reader.finish().unwrap().blocks[0].unordered
    };
    let all = sums(&["1\ta\n", "2\tb\n", "3\tc\n"]);
    assert!(all.is_some());
    assert_eq!(sums(&["3\tc\n", "1\ta\n2\t", "b\n"]), all);
    assert_ne!(sums(&["1\ta\n", "2\tb\n", "3\tb\n"]), all);

    // Large objects may come in one block or in several.
    let objects = |objects: &[&[(u32, &str)]]| -> u128 {
        let data = |one: &&[(u32, &str)]| {
            Data::Objects(one.iter().map(|(oid, text)| (*oid, vec![text.as_bytes().to_vec()])).collect())
        };
        let mut reader = Reader::looking(Depth::Rows);
        reader.feed(&Sample::new(16, objects.iter().map(data).collect()).bytes()).unwrap();
        let blocks = reader.finish().unwrap().blocks;
        blocks.iter().fold(0, |sum, block| sum.wrapping_add(block.unordered.unwrap()))
    };
    let all = objects(&[&[(1, "a\n"), (2, "b")], &[(7, "")]]);
    assert_eq!(objects(&[&[(7, ""), (2, "b")], &[(1, "a\n")]]), all);
    assert_ne!(objects(&[&[(1, "b"), (2, "a\n")], &[(7, "")]]), all);
}

#[test]
fn an_entry_has_columns_or_the_state_of_a_sequence() {
    let dump: &[u8] = include_bytes!("../../../tests/data/pg18.dump");
    let contents = read(dump, 4096).unwrap();
    let entries = contents.toc.entries();
    let states: Vec<_> = entries.iter().filter_map(|entry| entry.sequence_state()).collect();
    assert!(
        !states.is_empty()
            && states.iter().all(|state| state.ends_with(", true") || state.ends_with(", false")),
        "{states:?}"
    );
    for entry in contents.toc.with_data().filter(|entry| entry.is_copy()) {
        let columns = String::from_utf8_lossy(entry.columns()).into_owned();
        let none = entry.tag() == Some(b"nocols") && columns.is_empty();
        assert!(
            none || columns.starts_with('(') && columns.ends_with(") FROM stdin;\n"),
            "{entry:?}: {columns:?}"
        );
    }
}
