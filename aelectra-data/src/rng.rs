//! Randomness as a pure function of a key.
//!
//! Every random decision of the project (data order, masking, sampling, dropout, initialisation,
//! bootstrap) is drawn from a stream keyed by `(seed, purpose, indices)`, so that a run continued
//! from a checkpoint draws exactly what the uninterrupted run would have drawn, whatever the number
//! of threads, without storing any generator state.

/// A SplitMix64 stream (Steele, Lea & Flood 2014) whose start is a hash of its key.
#[derive(Clone, Debug)]
pub struct KeyedRng {
    state: u64,
}

/// The 64-bit finalizer of SplitMix64: a bijection with full avalanche.
#[must_use]
pub const fn mix64(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A 64-bit key from a seed, a purpose and any number of indices: two purposes with the same seed
/// and indices never share numbers.
#[must_use]
pub fn key(seed: u64, purpose: &'static str, indices: &[u64]) -> u64 {
    let mut state = mix64(seed ^ 0x9e37_79b9_7f4a_7c15);
    for byte in purpose.bytes() {
        state = mix64(state ^ u64::from(byte)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    }
    for &index in indices {
        state = mix64(state.rotate_left(23) ^ mix64(index.wrapping_add(0x2545_f491_4f6c_dd1d)));
    }
    state
}

impl KeyedRng {
    /// The stream of a key.
    #[must_use]
    pub fn new(seed: u64, purpose: &'static str, indices: &[u64]) -> Self {
        Self {
            state: key(seed, purpose, indices),
        }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix64(self.state)
    }

    /// Uniform in `[0, 1)` with 53 random bits.
    pub fn next_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in `0..bound`, without modulo bias (Lemire 2019). `bound` 0 gives 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        loop {
            let wide = u128::from(self.next_u64()) * u128::from(bound);
            let low = wide as u64;
            // Rejects the few values that would make some results more likely than others.
            if low >= bound.wrapping_neg() % bound {
                return (wide >> 64) as u64;
            }
        }
    }

    /// Fisher–Yates shuffle.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let j = self.below(i as u64 + 1) as usize;
            items.swap(i, j);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_and_indices_separate_streams() {
        let first =
            |seed, purpose, indices: &[u64]| KeyedRng::new(seed, purpose, indices).next_u64();
        let keys = [
            first(1, "mask", &[]),
            first(2, "mask", &[]),
            first(1, "order", &[]),
            first(1, "mask", &[0]),
            first(1, "mask", &[1]),
            first(1, "mask", &[0, 1]),
            first(1, "mask", &[1, 0]),
        ];
        for (i, a) in keys.iter().enumerate() {
            assert!(
                keys[i + 1..].iter().all(|b| a != b),
                "key {i} is not unique"
            );
        }
    }

    #[test]
    fn below_is_uniform() {
        // Chi-squared with 9 degrees of freedom; 27.9 is the 0.999 quantile.
        let mut rng = KeyedRng::new(7, "test", &[]);
        let mut counts = [0u32; 10];
        for _ in 0..100_000 {
            counts[rng.below(10) as usize] += 1;
        }
        let chi2: f64 = counts
            .iter()
            .map(|&c| (f64::from(c) - 1e4).powi(2) / 1e4)
            .sum();
        assert!(chi2 < 27.9, "chi-squared {chi2}");
    }
}
