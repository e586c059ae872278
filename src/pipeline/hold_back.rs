//! Holds back the last bytes of a stream until they are released.
//!
//! The reader of the sink (for example `pg_restore` in one transaction) cannot finish without them, so nothing is
//! committed before every checksum has been verified.

use bytes::Bytes;
use std::collections::VecDeque;

/// At least this many bytes are held back, if the stream has that many.
pub const HELD_BACK: usize = 64 << 10;

/// Bytes that are held back.
pub struct HoldBack {
    keep: usize,
    held: VecDeque<Bytes>,
    len: usize,
}

impl HoldBack {
    /// Prepares to hold back `keep` bytes, and at most one piece more.
    pub fn new(keep: usize) -> Self {
        Self { keep, held: VecDeque::new(), len: 0 }
    }

    /// Adds the next bytes.
    pub fn push(&mut self, bytes: Bytes) {
        self.len += bytes.len();
        self.held.push_back(bytes);
    }

    /// Returns the oldest bytes that no longer need to be held back.
    pub fn ready(&mut self) -> Option<Bytes> {
        let first = self.held.front()?;
        if self.len - first.len() < self.keep {
            return None;
        }
        self.len -= first.len();
        self.held.pop_front()
    }

    /// Releases what was held back, oldest first.
    pub fn rest(self) -> impl Iterator<Item = Bytes> {
        self.held.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_stay_until_the_end() {
        let mut held = HoldBack::new(10);
        let mut given = Vec::new();
        for at in 0..30u8 {
            held.push(Bytes::from(vec![at; 3]));
            while let Some(bytes) = held.ready() {
                given.extend_from_slice(&bytes);
            }
            let seen = usize::from(at + 1) * 3;
            assert!(seen - given.len() >= seen.min(10) && seen - given.len() < 13);
        }
        held.rest().for_each(|bytes| given.extend_from_slice(&bytes));
        assert_eq!(given, (0..30).flat_map(|at| [at; 3]).collect::<Vec<u8>>());
    }
}
