//! The reader against archives of our own making and against real ones.

mod corpus;
mod hostile;
mod real;
pub(super) mod sample;
mod select;
mod whole;

use super::{Contents, Damage, Reader};
use sample::{Data, Sample};

/// Reads the whole of `bytes`, fed in pieces of at most `size`.
fn read(bytes: &[u8], size: usize) -> Result<Contents, Damage> {
    let mut reader = Reader::with_digests();
    for piece in bytes.chunks(size) {
        reader.feed(piece)?;
    }
    reader.finish()
}

/// The error a user sees for `bytes`.
fn complaint(bytes: &[u8]) -> String {
    read(bytes, 64).expect_err("must not be taken for whole").to_string()
}

/// A bit of everything, with a large object whose oid needs all 32 bits.
fn mixed(minor: u8) -> Sample {
    let rows = |rows: &[&str]| Data::Rows(rows.iter().map(|row| row.as_bytes().to_vec()).collect());
    Sample::new(
        minor,
        vec![
            Data::None,
            rows(&["1\tone\n", "2\ttwo\n"]),
            rows(&[]),
            Data::None,
            Data::Opaque(vec![b"INSERT INTO t VALUES (1);\n\n\n".to_vec()]),
            rows(&["\n", "\\\\.\n", "\n", "\n"]),
            Data::Objects(vec![(7, vec![b"abc".to_vec(), b"\n".to_vec()]), (3_000_000_001, vec![])]),
            Data::None,
        ],
    )
}
