//! Digests of the beginnings of a block: which rows differ first from those of another reading.

use super::digest::Digest;
use crate::archive;
use indicatif::HumanCount;
use serde::{Deserialize, Serialize};

/// Of the first 4 MiB of a block's data, of the first 8, and so on: rows that end in it, if they are counted, and its
/// SHA-256.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Prefixes(Vec<(Option<u64>, Digest)>);

impl From<&archive::Block> for Prefixes {
    fn from(block: &archive::Block) -> Self {
        Self(block.prefixes.iter().map(|prefix| (prefix.rows, Digest(prefix.sha256))).collect())
    }
}

impl Prefixes {
    /// Whether there are none: the data is short.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In which rows those of another reading differ first, as the end of a sentence; each with its number of all
    /// rows. Empty if the rows are not counted, or are no more than what would be named.
    pub fn first_difference(&self, all: Option<u64>, other: &Self, all_others: Option<u64>) -> String {
        if self.is_empty() && other.is_empty() {
            return String::new();
        }
        let same = self.0.iter().zip(&other.0).take_while(|(one, other)| one == other).count();
        let until = |prefixes: &Self, all| prefixes.0.get(same).map_or(all, |(rows, _)| *rows);
        let before = same.checked_sub(1).and_then(|last| self.0.get(last)).map_or(Some(0), |(rows, _)| *rows);
        let last = until(self, all).max(until(other, all_others));
        match (before, last, all.max(all_others)) {
            // A row may have begun before the end of a prefix, and end after it.
            (Some(before), Some(last), Some(all)) => {
                let (first, last) = (before + 1, (last + 1).min(all));
                format!(", first in rows {} to {}", HumanCount(first), HumanCount(last))
            }
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(prefixes: &[(u64, u8)]) -> Prefixes {
        Prefixes(prefixes.iter().map(|(rows, digest)| (Some(*rows), Digest([*digest; 32]))).collect())
    }

    #[test]
    fn a_difference_is_in_the_first_prefix_that_differs() {
        let said = prefixes(&[(10_000, 1), (20_000, 2)]);
        for (rows, is, place) in [
            (25_000, prefixes(&[(10_000, 3), (19_000, 4)]), ", first in rows 1 to 10,001"),
            (25_000, prefixes(&[(10_000, 1), (20_010, 4)]), ", first in rows 10,001 to 20,011"),
            (25_000, prefixes(&[(10_000, 1), (20_000, 2)]), ", first in rows 20,001 to 25,000"),
            // Fewer rows, or more.
            (12_000, prefixes(&[(10_000, 1)]), ", first in rows 10,001 to 20,001"),
            (41_000, prefixes(&[(10_000, 1), (20_000, 2), (30_000, 3)]), ", first in rows 20,001 to 30,001"),
            (100, prefixes(&[]), ", first in rows 1 to 10,001"),
        ] {
            assert_eq!(said.first_difference(Some(25_000), &is, Some(rows)), place);
        }
        let none = prefixes(&[]);
        assert_eq!(none.first_difference(Some(100), &none, Some(101)), "", "all of it is little");
        let uncounted = |digest| Prefixes(vec![(None, Digest([digest; 32]))]);
        assert_eq!(uncounted(1).first_difference(None, &uncounted(2), None), "");
    }
}
