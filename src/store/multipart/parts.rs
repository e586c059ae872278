//! The parts of an upload that the store confirmed, and whether they are complete.

use crate::store::contract::error::{Result, Situation, StoreError};
use std::collections::BTreeMap;

/// The confirmed parts of one upload, by number.
pub type Confirmed<P> = BTreeMap<u32, (u64, P)>;

/// Checks that parts 1 to n exist, that all but the last are equally long, and that they have `bytes` in total.
pub fn check_parts<P>(parts: &Confirmed<P>, part_size: u64, bytes: u64) -> Result<()> {
    let wrong =
        |what: String| Err(StoreError::new(Situation::Other, format!("the upload is incomplete: {what}")));
    let last = parts.len() as u64;
    let mut sum = 0;
    for (expected, (number, (length, _))) in (1_u64..).zip(parts) {
        if u64::from(*number) != expected {
            return wrong(format!("part {expected} is missing"));
        }
        if *length > part_size || (*length < part_size && expected != last) {
            return wrong(format!("part {expected} has {length} bytes instead of {part_size}"));
        }
        sum += length;
    }
    if sum == bytes { Ok(()) } else { wrong(format!("its parts have {sum} bytes instead of {bytes}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_must_be_whole() {
        let parts = |lengths: &[(u32, u64)]| -> Confirmed<()> {
            lengths.iter().map(|(number, length)| (*number, (*length, ()))).collect()
        };
        for (lengths, bytes) in
            [(&[(1, 5), (2, 5), (3, 1)][..], 11), (&[(1, 5)], 5), (&[(1, 0)], 0), (&[], 0)]
        {
            check_parts(&parts(lengths), 5, bytes).unwrap();
        }
        for (lengths, bytes) in [
            (&[(1, 5), (3, 5)][..], 10),
            (&[(2, 5)], 5),
            (&[(1, 4), (2, 5)], 9),
            (&[(1, 6)], 6),
            (&[(1, 5)], 6),
        ] {
            assert!(check_parts(&parts(lengths), 5, bytes).is_err(), "{lengths:?}");
        }
    }
}
