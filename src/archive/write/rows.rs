//! Some of a table's rows as a block of their own.

use super::writer::Writer;
use crate::archive::format::block::{COPY_END, DATA};

/// What comes before a table's rows.
pub fn rows_begin(dump_id: i32) -> Vec<u8> {
    let mut begin = Writer::default();
    begin.block(DATA, dump_id);
    begin.into_bytes()
}

/// What comes after a table's rows, if they stop before the end of their block.
pub fn rows_end() -> Vec<u8> {
    let mut end = Writer::default();
    end.chunk(COPY_END);
    end.end();
    end.into_bytes()
}
