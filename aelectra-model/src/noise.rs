//! Training noise (dropout, Gumbel) as a pure function of a key.
//!
//! The random generators of the backends are process-wide and die with the process, so a resumed
//! run could not draw what the uninterrupted one would have. Here every draw is a hash of
//! `(key, draw number, element index)`, where the key stands for (seed, step, purpose): the same
//! step draws the same noise on every backend, on any number of threads, after any restart.

use burn::tensor::{Device, Shape, Tensor, TensorData};
use rayon::prelude::*;

/// The noise of one forward pass: a keyed stream of independent draws, with dropout or without.
#[derive(Clone, Debug)]
pub struct Noise {
    key: u64,
    dropout: bool,
    draws: u64,
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
        }
    }

    /// Dropout and sampling drawn from `key`, which must differ between steps.
    #[must_use]
    pub const fn keyed(key: u64) -> Self {
        Self {
            key,
            dropout: true,
            draws: 0,
        }
    }

    /// Whether this is a training pass.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.dropout
    }

    /// The key of the next draw.
    fn next(&mut self) -> u64 {
        self.draws += 1;
        mix64(self.key ^ mix64(self.draws))
    }

    /// Inverted dropout: zeroes each element with probability `probability` and scales the rest by
    /// `1 / (1 - probability)`. Any shape; the identity when noise is off.
    pub fn dropout<const D: usize>(&mut self, input: Tensor<D>, probability: f64) -> Tensor<D> {
        if probability <= 0.0 || !self.is_on() {
            return input;
        }
        let mask = dropout_mask(self.next(), input.shape(), probability, &input.device());
        input * mask
    }

    /// The mask of the next [`Noise::dropout`] of this probability, for operations that apply it
    /// themselves; nothing is drawn where that would be the identity.
    #[cfg(feature = "flex")]
    pub(crate) fn draw_dropout(&mut self, probability: f64) -> Option<crate::fused::Dropout> {
        (probability > 0.0 && self.is_on())
            .then(|| crate::fused::Dropout::new(self.next(), probability))
    }

    /// The key of the next [`Noise::gumbel`], for operations that draw it themselves.
    #[cfg(feature = "flex")]
    pub(crate) fn draw_key(&mut self) -> u64 {
        self.next()
    }

    /// Standard Gumbel noise of a shape, in f32: `-ln(-ln(u + 1e-9) + 1e-9)`, `u` uniform
    /// (google-research/electra `pretrain_helpers.py`, `sample_from_softmax`).
    ///
    /// Drawn also without dropout, since sampling the generator needs it in evaluation.
    pub fn gumbel<const D: usize>(
        &mut self,
        shape: impl Into<Shape>,
        device: &Device,
    ) -> Tensor<D> {
        let key = self.next();
        let shape = shape.into();
        let values = fill(shape.num_elements(), |index| {
            let uniform = f64::from(hash32(key, index)) * (1.0 / 4_294_967_296.0);
            let u = uniform as f32;
            -((-((u + 1e-9).ln()) + 1e-9).ln())
        });
        Tensor::from_data(TensorData::new(values, shape), device)
    }
}

/// The mask of [`Noise::dropout`]: 0 or `1 / (1 - probability)`.
fn dropout_mask<const D: usize>(
    key: u64,
    shape: Shape,
    probability: f64,
    device: &Device,
) -> Tensor<D> {
    let threshold = (probability * 4_294_967_296.0) as u32;
    let scale = (1.0 / (1.0 - probability)) as f32;
    let values = fill(shape.num_elements(), |index| {
        if hash32(key, index) < threshold {
            0.0
        } else {
            scale
        }
    });
    // A constant of the graph: created outside autodiff's device it would still be lifted, but
    // asking for the tensor's own device keeps it where the input is.
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// A vector of `len` values of `value(index)`, filled in parallel.
fn fill(len: usize, value: impl Fn(u32) -> f32 + Sync) -> Vec<f32> {
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
pub const fn mix64(mut z: u64) -> u64 {
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
        let device = crate::device::for_tests();
        let noise: Tensor<1> = Noise::keyed(3).gumbel([100_000], &device);
        let values: Vec<f32> = noise.into_data().iter::<f32>().collect();
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let variance = values
            .iter()
            .map(|&v| (f64::from(v) - mean).powi(2))
            .sum::<f64>()
            / n;
        // Euler's constant and pi^2 / 6.
        assert!((mean - 0.5772).abs() < 0.02, "mean {mean}");
        assert!((variance - 1.6449).abs() < 0.05, "variance {variance}");
    }

    #[test]
    fn draws_differ_within_a_pass_and_repeat_across_passes() {
        let device = crate::device::for_tests();
        let ones = Tensor::<1>::ones([64], &device);
        let mut noise = Noise::keyed(11);
        let first = noise.dropout(ones.clone(), 0.5).into_data();
        let second = noise.dropout(ones.clone(), 0.5).into_data();
        assert_ne!(first, second);
        assert_eq!(
            first,
            Noise::keyed(11).dropout(ones.clone(), 0.5).into_data()
        );
        assert_eq!(
            ones.clone().into_data(),
            Noise::off().dropout(ones, 0.5).into_data()
        );
    }
}
