//! Training noise (dropout, Gumbel) as a pure function of a key.
//!
//! The random generators of the backends are process-wide and die with the process, so a resumed
//! run could not draw what the uninterrupted one would have. Here every draw is a hash of
//! `(key, draw number, element index)`, where the key stands for (seed, step, purpose): the same
//! step draws the same noise on every backend, on any number of threads, after any restart.

use rayon::prelude::*;

/// The noise of one forward pass: a keyed stream of independent draws, with dropout or without.
#[derive(Clone, Debug)]
pub struct Noise {
    key: u64,
    dropout: bool,
    draws: u64,
    /// Of a part of a batch: examples before it.
    examples_before: usize,
    /// Of a part of a batch: samples before it.
    samples_before: usize,
}

/// Elements hashed by one task; large enough to amortise the hand-over to another thread.
const CHUNK: usize = 1 << 15;

impl Noise {
    /// No dropout; sampling draws from key 0.
    #[must_use]
    pub const fn off() -> Self {
        Self::sampling(0)
    }

    /// No dropout; sampling draws from `key` (evaluation of a generator).
    #[must_use]
    pub const fn sampling(key: u64) -> Self {
        Self {
            key,
            dropout: false,
            draws: 0,
            examples_before: 0,
            samples_before: 0,
        }
    }

    /// Dropout and sampling drawn from `key`, which must differ between steps.
    #[must_use]
    pub const fn keyed(key: u64) -> Self {
        Self {
            dropout: true,
            ..Self::sampling(key)
        }
    }

    /// The noise of a part of a batch: what the whole batch would draw for these examples. `examples`
    /// and `samples` (drawn positions) of the batch are before it.
    #[must_use]
    pub const fn after(self, examples: usize, samples: usize) -> Self {
        Self {
            examples_before: examples,
            samples_before: samples,
            ..self
        }
    }

    /// The next draw of dropout with `probability` in `[0, 1)` over `elements` values an example; `None`,
    /// and nothing drawn, where it would be the identity.
    pub fn next_dropout(&mut self, probability: f64, elements: usize) -> Option<Dropout> {
        (probability > 0.0 && self.dropout).then(|| Dropout {
            key: self.next_key(),
            first: (self.examples_before * elements) as u32,
            threshold: (probability * 4_294_967_296.0) as u32,
            scale: (1.0 / (1.0 - probability)) as f32,
        })
    }

    /// The next draw of Gumbel noise, over `classes` values a sample.
    pub fn next_gumbel(&mut self, classes: usize) -> Gumbel {
        Gumbel {
            key: self.next_key(),
            first: (self.samples_before * classes) as u32,
        }
    }

    fn next_key(&mut self) -> u64 {
        self.draws += 1;
        mix64(self.key ^ mix64(self.draws))
    }
}

/// One draw of inverted dropout: which elements it keeps is a function of their index.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    key: u64,
    /// Number of the first element within the whole batch.
    first: u32,
    threshold: u32,
    scale: f32,
}

impl Dropout {
    /// 0, or `1 / (1 - probability)`, for the element at a flat index (modulo 2^32).
    #[inline(always)]
    #[must_use]
    pub fn factor(&self, index: u32) -> f32 {
        if hash32(self.key, self.first.wrapping_add(index)) < self.threshold {
            0.0
        } else {
            self.scale
        }
    }

    /// Key, first element, threshold and scale, for kernels that compute [`Dropout::factor`] elsewhere.
    #[allow(dead_code, reason = "only the kernels of GPUs take it apart")]
    pub(crate) const fn parts(&self) -> (u64, u32, u32, f32) {
        (self.key, self.first, self.threshold, self.scale)
    }
}

/// One draw of Gumbel noise.
#[derive(Clone, Copy, Debug)]
pub struct Gumbel {
    key: u64,
    /// Number of the first element within the whole batch.
    first: u32,
}

impl Gumbel {
    /// Uniform bits of the element at a flat index (modulo 2^32); [`gumbel`] makes noise of them.
    #[inline(always)]
    #[must_use]
    pub fn bits(&self, index: u32) -> u32 {
        hash32(self.key, self.first.wrapping_add(index))
    }

    /// Key and first element, for kernels that compute [`Gumbel::bits`] elsewhere.
    #[allow(dead_code, reason = "only the kernels of GPUs take it apart")]
    pub(crate) const fn parts(&self) -> (u64, u32) {
        (self.key, self.first)
    }
}

/// Standard Gumbel noise of 32 uniform bits: `-ln(-ln(u + 1e-9) + 1e-9)`, `u` uniform in `[0, 1)`
/// (google-research/electra `pretrain_helpers.py`, `sample_from_softmax`).
pub(crate) fn gumbel(bits: u32) -> f32 {
    let u = (f64::from(bits) * (1.0 / 4_294_967_296.0)) as f32;
    -((-((u + 1e-9).ln()) + 1e-9).ln())
}

/// A vector of `len` values of `value(index)`, filled in parallel.
pub(crate) fn fill(len: usize, value: impl Fn(u32) -> f32 + Sync) -> Vec<f32> {
    let mut values = vec![0.0f32; len];
    values
        .par_chunks_mut(CHUNK)
        .enumerate()
        .for_each(|(chunk, values)| {
            let first = (chunk * CHUNK) as u32;
            for (offset, slot) in values.iter_mut().enumerate() {
                *slot = value(first.wrapping_add(offset as u32));
            }
        });
    values
}

/// Hash of an element index under a 64-bit key: two rounds of a 32-bit multiply–xorshift
/// permutation (constants of the `lowbias32` search, bias 0.17), each with half of the key.
/// Only 32-bit operations, so that it vectorises and could run on any device.
#[inline(always)]
pub(crate) fn hash32(key: u64, index: u32) -> u32 {
    let permute = |mut x: u32| {
        x ^= x >> 16;
        x = x.wrapping_mul(0x21f0_aaad);
        x ^= x >> 15;
        x = x.wrapping_mul(0x735a_2d97);
        x ^ (x >> 15)
    };
    permute(permute(index ^ key as u32).wrapping_add((key >> 32) as u32))
}

/// The finalizer of SplitMix64.
#[must_use]
pub(crate) const fn mix64(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keep_rate_and_independence() {
        // 4 standard deviations of a binomial share of 2^20 draws.
        let n = 1 << 20;
        let tolerance = 4.0 * (0.1f64 * 0.9 / f64::from(n)).sqrt();
        let threshold = (0.1 * 4_294_967_296.0) as u32;
        let dropped = |key| (0..n as u32).map(move |i| hash32(key, i) < threshold);
        for key in [0, 1, 2, u64::MAX, 0x1234_5678_9abc_def0] {
            let share = dropped(key).filter(|&d| d).count() as f64 / f64::from(n);
            assert!((share - 0.1).abs() < tolerance, "key {key}: {share}");
        }
        // Two neighbouring keys, and neighbouring elements of one key, must not be correlated.
        for (name, joint) in [
            (
                "keys",
                dropped(7).zip(dropped(8)).filter(|&(a, b)| a && b).count(),
            ),
            (
                "elements",
                dropped(7)
                    .zip(dropped(7).skip(1))
                    .filter(|&(a, b)| a && b)
                    .count(),
            ),
        ] {
            let share = joint as f64 / f64::from(n);
            let tolerance = 4.0 * (0.01f64 * 0.99 / f64::from(n)).sqrt();
            assert!((share - 0.01).abs() < tolerance, "{name}: {share}");
        }
    }

    #[test]
    fn gumbel_has_its_moments() {
        let n = 100_000;
        let values = (0..n).map(|i| f64::from(gumbel(hash32(3, i))));
        let mean = values.clone().sum::<f64>() / f64::from(n);
        let variance = values.map(|v| (v - mean).powi(2)).sum::<f64>() / f64::from(n);
        // Euler's constant and pi^2 / 6.
        assert!((mean - 0.5772).abs() < 0.02, "mean {mean}");
        assert!((variance - 1.6449).abs() < 0.05, "variance {variance}");
    }

    #[test]
    fn draws_differ_within_a_pass_and_repeat_across_passes() {
        let mask = |dropout: Option<Dropout>| {
            dropout.map(|dropout| (0..64).map(|i| dropout.factor(i)).collect::<Vec<f32>>())
        };
        let mut noise = Noise::keyed(11);
        let first = mask(noise.next_dropout(0.5, 64));
        assert!(first.is_some());
        assert_ne!(first, mask(noise.next_dropout(0.5, 64)));
        assert_eq!(first, mask(Noise::keyed(11).next_dropout(0.5, 64)));
        // The second half of a batch of two examples.
        let whole = Noise::keyed(11).next_dropout(0.5, 32);
        let half = Noise::keyed(11).after(1, 0).next_dropout(0.5, 32);
        let (whole, half) = (
            mask(whole).expect("it drops"),
            mask(half).expect("it drops"),
        );
        assert_eq!(whole[32..], half[..32]);
        let whole = Noise::keyed(11).next_gumbel(100);
        let rest = Noise::keyed(11).after(7, 3).next_gumbel(100);
        assert_eq!(whole.bits(317), rest.bits(17));
        assert!(Noise::off().next_dropout(0.5, 64).is_none());
        assert!(Noise::keyed(11).next_dropout(0.0, 64).is_none());
    }
}
