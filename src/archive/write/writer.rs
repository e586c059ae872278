//! The one writer of the format: integers, texts and blocks, one after the other, into memory.

use crate::archive::format::fields::int_bytes;

/// Bytes of an archive, as far as they are written.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Writes bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes an integer.
    pub fn int(&mut self, number: i32) {
        self.raw(&int_bytes(number));
    }

    /// Writes a text.
    pub fn text(&mut self, text: &[u8]) {
        self.length(text);
        self.raw(text);
    }

    /// Begins the block of an entry: of the type [`DATA`](crate::archive::format::block::DATA), whose chunks
    /// follow, or of another.
    pub fn block(&mut self, of_type: u8, dump_id: i32) {
        self.raw(&[of_type]);
        self.int(dump_id);
    }

    /// Writes a chunk of data. An empty one would be the end of the block, and is left out.
    pub fn chunk(&mut self, data: &[u8]) {
        if !data.is_empty() {
            self.length(data);
            self.raw(data);
        }
    }

    /// Ends the chunks, or a block of large objects.
    pub fn end(&mut self) {
        self.int(0);
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn length(&mut self, bytes: &[u8]) {
        // Fits: what is written was read before, where it had such a length too.
        self.int(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
    }
}
