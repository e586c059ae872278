//! Numbers that look random, and that a seed decides.

/// A sequence of numbers: SplitMix64.
pub struct Dice(u64);

impl Dice {
    /// The sequence of one round.
    pub fn new(seed: u64, round: u64) -> Dice {
        Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ round.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of the numbers below this one.
    pub fn below(&mut self, number: usize) -> usize {
        usize::try_from(self.next() % number as u64).unwrap()
    }

    /// One of these.
    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Whether it hits, as it does once in this number of times.
    pub fn hits(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }
}

#[test]
fn a_seed_decides() {
    let numbers = |seed, round| {
        let mut dice = Dice::new(seed, round);
        [(); 8].map(|()| dice.below(1000))
    };
    assert_eq!(numbers(1, 2), numbers(1, 2));
    assert_ne!(numbers(1, 2), numbers(1, 3));
    assert_ne!(numbers(1, 2), numbers(2, 2));
}
