//! Sets of places in a list. There may be many: some with few places, some with almost all.

use std::collections::BTreeMap;

/// A set of places.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Places {
    /// A bit for each of 64 neighbours, by which 64 they are; none is 0.
    bits: BTreeMap<usize, u64>,
}

fn bit(place: usize) -> (usize, u64) {
    (place / 64, 1 << (place % 64))
}

impl Places {
    pub fn insert(&mut self, place: usize) {
        let (number, bit) = bit(place);
        *self.bits.entry(number).or_default() |= bit;
    }

    /// Whether it was there.
    pub fn remove(&mut self, place: usize) -> bool {
        let (number, bit) = bit(place);
        let was_there = self.contains(place);
        if was_there && let Some(bits) = self.bits.get_mut(&number) {
            *bits &= !bit;
            if *bits == 0 {
                self.bits.remove(&number);
            }
        }
        was_there
    }

    pub fn contains(&self, place: usize) -> bool {
        let (number, bit) = bit(place);
        self.bits.get(&number).is_some_and(|bits| bits & bit != 0)
    }

    pub fn is_empty(&self) -> bool {
        self.bits.is_empty()
    }

    pub fn add(&mut self, others: &Self) {
        for (number, bits) in &others.bits {
            *self.bits.entry(*number).or_default() |= bits;
        }
    }

    /// Those that are in others, too.
    pub fn both(&self, others: &Self) -> Self {
        Self { bits: self.parts(others).collect() }
    }

    /// The first that is in others, too.
    pub fn first_of(&self, others: &Self) -> Option<usize> {
        self.parts(others).next().map(|(number, bits)| number * 64 + bits.trailing_zeros() as usize)
    }

    fn parts(&self, others: &Self) -> impl Iterator<Item = (usize, u64)> {
        let both = self
            .bits
            .iter()
            .map(|(number, bits)| (*number, others.bits.get(number).copied().unwrap_or_default() & bits));
        both.filter(|(_, bits)| *bits != 0)
    }

    /// Whether all are in others, too.
    pub fn is_in(&self, others: &Self) -> bool {
        self.iter().all(|place| others.contains(place))
    }

    pub fn last(&self) -> Option<usize> {
        self.bits.last_key_value().map(|(number, bits)| number * 64 + bits.ilog2() as usize)
    }

    /// In ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        let of = |(number, bits): (&usize, &u64)| {
            let (number, bits) = (*number, *bits);
            (0..64).filter(move |place| bits & (1 << place) != 0).map(move |place| number * 64 + place)
        };
        self.bits.iter().flat_map(of)
    }
}

impl FromIterator<usize> for Places {
    fn from_iter<I: IntoIterator<Item = usize>>(places: I) -> Self {
        let mut all = Self::default();
        places.into_iter().for_each(|place| all.insert(place));
        all
    }
}
