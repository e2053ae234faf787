//! The order of examples: a seeded permutation per epoch that takes no memory.

use crate::rng::{key, mix64};

/// Rounds of the Feistel network; four already give a pseudo-random permutation (Luby & Rackoff
/// 1988), the rest is margin for the small blocks of small data sets.
const ROUNDS: u64 = 8;

/// Shuffles `0..len` anew every epoch: a Feistel network over the next power of four, walked until
/// it lands inside the range (Black & Rogaway 2002). Any position can be asked for at any time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sampler {
    seed: u64,
    len: u64,
    half_bits: u32,
}

impl Sampler {
    pub(crate) fn new(seed: u64, len: usize) -> Self {
        let len = len as u64;
        let bits = 64 - len.saturating_sub(1).leading_zeros();
        Self {
            seed,
            len,
            half_bits: bits.div_ceil(2).max(1),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The epoch and the example at a position of the endless stream of epochs. `(0, 0)` when
    /// there are no examples.
    pub(crate) fn index(&self, position: u64) -> (u64, usize) {
        if self.len == 0 {
            return (0, 0);
        }
        let (epoch, mut value) = (position / self.len, position % self.len);
        let epoch_key = key(self.seed, "order", &[epoch]);
        loop {
            value = self.permute(epoch_key, value);
            if value < self.len {
                return (epoch, value as usize);
            }
        }
    }

    /// The permutation of `0..4^half_bits`.
    fn permute(&self, epoch_key: u64, value: u64) -> u64 {
        let mask = (1u64 << self.half_bits) - 1;
        let (mut left, mut right) = (value >> self.half_bits, value & mask);
        for round in 0..ROUNDS {
            let mixed = mix64(epoch_key ^ mix64(right ^ round << 56));
            (left, right) = (right, left ^ (mixed & mask));
        }
        left << self.half_bits | right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn every_epoch_is_a_permutation(seed: u64, len in 1usize..2000, epoch in 0u64..1000) {
            let sampler = Sampler::new(seed, len);
            let mut seen: Vec<usize> = (0..len as u64)
                .map(|i| {
                    let (at, index) = sampler.index(epoch * len as u64 + i);
                    assert_eq!(at, epoch);
                    index
                })
                .collect();
            seen.sort_unstable();
            proptest::prop_assert_eq!(seen, (0..len).collect::<Vec<_>>());
        }
    }

    #[test]
    fn first_places_are_uniform() {
        // Which example comes first over 20,000 epochs of 10; 27.9 is the 0.999 quantile of
        // chi-squared with 9 degrees of freedom.
        for place in [0, 5] {
            let mut counts = [0u32; 10];
            for epoch in 0..20_000 {
                counts[Sampler::new(3, 10).index(epoch * 10 + place).1] += 1;
            }
            let chi2: f64 = counts
                .iter()
                .map(|&c| (f64::from(c) - 2000.0).powi(2) / 2000.0)
                .sum();
            assert!(chi2 < 27.9, "place {place}: chi-squared {chi2} {counts:?}");
        }
    }

    #[test]
    fn neighbours_are_spread() {
        let sampler = Sampler::new(1, 1_000_000);
        let near = (0..10_000)
            .filter(|&i| sampler.index(i).1.abs_diff(sampler.index(i + 1).1) < 1000)
            .count();
        // Expected about 20 (2 * 1000 / 1e6 * 10,000).
        assert!(near < 60, "{near} neighbours stayed near");
    }
}
