//! Archives that are cut, damaged or made to do harm: never taken for whole, never a panic.

use proptest::prelude::*;

use super::sample::{ABSENT, block, preamble};
use super::*;
use crate::archive::format::fields::int_bytes;
use crate::archive::promises;
use crate::archive::write::writer::Writer;
use crate::error::{Error, Kind};

#[test]
fn cut_at_any_byte_it_is_not_whole() {
    for minor in [12, 14, 15, 16] {
        let bytes = mixed(minor).bytes();
        for cut in 0..bytes.len() {
            for size in [1, 64, bytes.len()] {
                read(&bytes[..cut], size).expect_err("a cut archive");
            }
        }
        read(&bytes, 1).unwrap();
    }
}

#[test]
fn a_cut_names_where_it_is() {
    let sample = mixed(16);
    let bytes = sample.bytes();
    let start = sample.preamble().len();
    assert_eq!(complaint(b""), "the archive is cut off in its header");
    assert_eq!(complaint(&bytes[..30]), "the archive is cut off in its header");
    assert_eq!(complaint(&bytes[..start - 1]), "the archive is cut off in its table of contents");
    assert_eq!(complaint(&bytes[..start]), "the archive is cut off before the data of public.t2 and 4 more");
    assert_eq!(complaint(&bytes[..start + 1]), "the archive is cut off in the data of public.t2");
    assert_eq!(complaint(&bytes[..bytes.len() - 1]), "the archive is cut off in the data of large objects");
    let last = block(7, &sample.entries[6]).len();
    assert_eq!(
        complaint(&bytes[..bytes.len() - last]),
        "the archive is cut off before the data of large objects"
    );
}

#[test]
fn other_files_are_refused_with_advice() {
    let sample = mixed(16).bytes();
    let changed = |at: usize, to: u8| {
        let mut bytes = sample.clone();
        bytes[at] = to;
        complaint(&bytes)
    };
    assert_eq!(complaint(b"--\n-- PostgreSQL database dump\n--\n"), "not a pg_dump archive in custom format");
    assert_eq!(complaint(b"-"), "not a pg_dump archive in custom format");
    assert_eq!(changed(10, 3), "a pg_dump archive in tar format, not in custom format");
    assert_eq!(changed(6, 17), "archive version 1.17 is newer than 1.16, the newest this pgstow can read");
    assert_eq!(changed(6, 11), "archive version 1.11 is older than 1.12, the oldest pgstow can read");
    assert_eq!(
        changed(7 + 1, 8),
        "the archive is damaged at byte 8: unsupported size of integers or offsets"
    );
    assert_eq!(changed(11, 4), "the archive is damaged at byte 11: unknown compression");

    let error = Error::from(read(b"MZ", 2).unwrap_err());
    assert_eq!(error.kind(), Kind::Verify);
    assert_eq!(error.hints(), ["pgstow reads what pg_dump --format=custom writes"]);
}

#[test]
fn blocks_come_once_and_in_order() {
    let sample = Sample::new(16, vec![Data::Rows(vec![]), Data::Rows(vec![])]);
    let (preamble, at) = (sample.preamble(), sample.preamble().len());
    let build = |ids: &[i32]| {
        let blocks = ids.iter().map(|&id| block(id, &sample.entries[0])).collect::<Vec<_>>().concat();
        [preamble.clone(), blocks].concat()
    };
    let other = |at, due: &str, id| {
        format!("the archive is damaged at byte {at}: expected the data of {due}, found that of entry {id}")
    };
    assert_eq!(complaint(&build(&[2, 1])), other(at, "public.t1", 2));
    let second = at + block(1, &sample.entries[0]).len();
    assert_eq!(complaint(&build(&[1, 1])), other(second, "public.t2", 1));
    let whole = build(&[1, 2]);
    assert!(read(&whole, 5).is_ok());
    assert_eq!(
        complaint(&build(&[1, 2, 2])),
        format!("the archive ends at byte {}, but more bytes follow", whole.len())
    );
}

#[test]
fn copy_data_must_end_as_copy_ends() {
    let table = Sample::table(&[]);
    let with = |text: &[u8]| {
        let opaque = block(1, &Data::Opaque(vec![text.to_vec()]));
        read(&[table.preamble(), opaque].concat(), 4).map(|contents| contents.blocks[0].rows)
    };
    let cut = Damage::NoCopyEnd("public.t1".into());
    assert_eq!(with(b"1\n2\n\\.\n\n\n"), Ok(Some(2)));
    assert_eq!(with(b"1\n2\n"), Err(cut.clone()));
    assert_eq!(with(b"1\n2\n\\.\n"), Err(cut.clone()));
    // A row whose value is a backslash and a dot, then two empty rows.
    assert_eq!(with(b"\\\\.\n\n\n"), Err(cut.clone()));
    assert_eq!(cut.to_string(), "the data of public.t1 lacks COPY's end marker");
}

#[test]
fn damage_stays() {
    let mut reader = Reader::new();
    let damage = reader.feed(b"no archive").unwrap_err();
    assert_eq!(reader.feed(&mixed(16).bytes()), Err(damage.clone()));
    assert_eq!(reader.finish().map(|_| ()), Err(damage));
}

#[test]
fn huge_numbers_cost_nothing() {
    let sample = Sample::table(&["1\n"]);
    let empty = Sample::new(16, vec![]).preamble();
    let header = &empty[..empty.len() - 5];

    let with = |number: i32| [header, &int_bytes(number)].concat();
    let name = [&header[..47], &int_bytes(i32::MAX)].concat();
    assert_eq!(
        complaint(&name),
        "the archive's table of contents is larger than 2147483648 bytes (at byte 52)"
    );
    let name = [&header[..47], &int_bytes(2_000_000_000)].concat();
    assert_eq!(complaint(&name), "the archive is cut off in its header");

    let count = [&with(i32::MAX)[..], &[0; 40]].concat();
    read(&count, 9).expect_err("entries that never came");
    assert!(complaint(&with(-1)).ends_with("the number of entries is invalid"));

    let begun = [&sample.preamble()[..], &[1], &int_bytes(1)].concat();
    let mut chunk = [&begun[..], &int_bytes(i32::MAX)].concat();
    assert_eq!(complaint(&chunk), "the archive is cut off in the data of public.t1");
    let at = begun.len();
    chunk[at] = 1;
    assert_eq!(
        complaint(&chunk),
        format!("the archive is damaged at byte {at}: the length of a chunk is invalid")
    );
}

/// A function's body may be as long as PostgreSQL lets it be.
#[test]
fn long_definitions_are_read() {
    let long = "x".repeat(70 << 20);
    let preamble = preamble(&[("FUNCTION", &long, "o"), ("TABLE", "CREATE TABLE t ();", "o")]);
    let contents = read(&preamble.to_bytes(), 1 << 20).unwrap();
    assert_eq!(contents.toc.entries()[0].defn().unwrap().len(), long.len());
    assert_eq!(contents.toc.entries()[1].defn(), Some(&b"CREATE TABLE t ();"[..]));
}

#[test]
fn many_dependencies_byte_by_byte_are_linear() {
    let sample = Sample::new(12, vec![Data::None]);
    let mut bytes = sample.preamble();
    bytes.truncate(bytes.len() - 5 - 9);
    let mut rest = Writer::default();
    for _ in 0..200_000 {
        rest.text(b"12345");
    }
    rest.int(ABSENT);
    rest.raw(&[3]);
    rest.raw(&[0; 8]);
    bytes.extend(rest.into_bytes());
    let contents = read(&bytes, 1).unwrap();
    assert_eq!(contents.toc.entries()[0].dependencies().count(), 200_000);
}

#[test]
fn labels_are_fit_to_be_printed() {
    let mut bytes = Sample::new(16, vec![Data::None]).bytes();
    let tag = bytes.windows(2).position(|pair| pair == b"t1").unwrap();
    bytes[tag] = 0x1b;
    bytes[tag + 1] = 0xff;
    let contents = read(&bytes, 1000).unwrap();
    assert_eq!(contents.toc.entries()[0].label(), "public.\\u{1b}\u{fffd}");
}

proptest! {
    #[test]
    fn flipped_bytes_break_no_promise(
        minor in 12..=16u8,
        flips in prop::collection::vec((0..2000usize, any::<u8>()), 1..6),
    ) {
        let mut bytes = mixed(minor).bytes();
        let length = bytes.len();
        for (at, to) in flips {
            bytes[at % length] = to;
        }
        promises::check(&bytes);
    }

    #[test]
    fn noise_after_a_good_beginning_breaks_no_promise(
        keep in 0..1600usize,
        noise in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut bytes = mixed(16).bytes();
        bytes.truncate(keep);
        bytes.extend(noise);
        promises::check(&bytes);
    }
}
