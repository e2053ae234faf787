//! Products of 16-bit brain floats (AVX-512 BF16), and the rounding to them.
//!
//! A brain float is the upper half of a 32-bit float. The product of two is exact in 32 bits, so all
//! that is lost is lost in rounding the factors: ways that differ in the order of the sums alone agree
//! as closely as those of 32-bit products do.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_set1_epi32,
    _mm512_storeu_ps,
};

use super::{Isa, Level};

/// Columns of the result computed together: four vectors of 16.
pub(in super::super) const COLUMNS: usize = 64;
/// Rows of the result computed together; with [`COLUMNS`] they leave registers for the factors.
pub(in super::super) const ROWS: usize = 6;
/// Products the instruction sums into one number.
pub(in super::super) const PAIR: usize = 2;

/// Two weights of each of the columns of a block.
pub(in super::super) type Pairs = [u16; PAIR * COLUMNS];

/// That this machine has the instructions.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Bf16(());

/// The nearest brain float, the even one of two; what is not a number stays so. Numbers under the
/// smallest normal one become 0, as the instructions have it.
#[inline(always)]
pub(in super::super) fn round(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    if value.abs() < f32::MIN_POSITIVE {
        return (bits >> 16) as u16 & 0x8000;
    }
    // May carry into the exponent, up to infinity, which is then the nearest.
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

/// The number that a brain float stands for.
#[inline(always)]
fn widen(value: u16) -> f32 {
    f32::from_bits(u32::from(value) << 16)
}

/// The number rounded to a brain float.
#[inline(always)]
pub(in super::super) fn rounded(value: f32) -> f32 {
    widen(round(value))
}

impl Isa {
    /// The instructions, where they are and may be used.
    pub(in super::super) fn bf16(self) -> Option<Bf16> {
        #[cfg(target_arch = "x86_64")]
        let here = is_x86_feature_detected!("avx512bf16");
        #[cfg(not(target_arch = "x86_64"))]
        let here = false;
        (self.0 == Level::Avx512 && here).then_some(Bf16(()))
    }
}

impl Bf16 {
    /// `start` and the sums of products of up to [`ROWS`] rows of `pairs` with a block of columns.
    ///
    /// # Panics
    /// When there are more rows, or the block is shorter than they are.
    #[inline(always)]
    pub(in super::super) fn products(
        self,
        rows: &[[u16; PAIR]],
        pairs: usize,
        block: &[Pairs],
        start: &[f32; COLUMNS],
    ) -> [[f32; COLUMNS]; ROWS] {
        let mut sums = [[0.0; COLUMNS]; ROWS];
        #[cfg(target_arch = "x86_64")]
        with_height!(rows.len() / pairs, N in [1 2 3 4 5 6] => {
            // SAFETY: a `Bf16` exists only where the processor has the features.
            unsafe { products::<N>(rows, pairs, block, start, &mut sums) }
        });
        sums
    }
}

/// Vectors in a row of the result.
#[cfg(target_arch = "x86_64")]
const VECTORS: usize = COLUMNS / 16;

/// As [`Bf16::products`], of `N` rows.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn products<const N: usize>(
    rows: &[[u16; PAIR]],
    pairs: usize,
    block: &[Pairs],
    start: &[f32; COLUMNS],
    sums: &mut [[f32; COLUMNS]; ROWS],
) {
    // SAFETY: both are 64 bytes of any content.
    let bf16 = |vector: __m512i| unsafe { std::mem::transmute::<__m512i, __m512bh>(vector) };
    let row: [&[[u16; PAIR]]; N] = std::array::from_fn(|at| &rows[at * pairs..(at + 1) * pairs]);
    let first = |vector: usize| {
        // SAFETY: reads 16 of the array's 64 numbers, from any address.
        unsafe { _mm512_loadu_ps(start.as_ptr().add(16 * vector)) }
    };
    let mut acc = [std::array::from_fn::<_, VECTORS, _>(first); N];
    for (pair, weights) in block[..pairs].iter().enumerate() {
        let (vectors, _) = weights.as_chunks::<32>();
        let weights: [__m512bh; VECTORS] = std::array::from_fn(|vector| {
            // SAFETY: reads the 64 bytes of the array, from any address.
            bf16(unsafe { _mm512_loadu_si512(vectors[vector].as_ptr().cast::<__m512i>()) })
        });
        for at in 0..N {
            let [low, high] = row[at][pair];
            let values = i32::from(low) | i32::from(high) << 16;
            let values = bf16(_mm512_set1_epi32(values));
            for vector in 0..VECTORS {
                acc[at][vector] = _mm512_dpbf16_ps(acc[at][vector], values, weights[vector]);
            }
        }
    }
    for (acc, sums) in acc.iter().zip(sums) {
        for (vector, sums) in acc.iter().zip(sums.as_chunks_mut::<16>().0) {
            // SAFETY: writes the 16 numbers of the array, to any address.
            unsafe { _mm512_storeu_ps(sums.as_mut_ptr(), *vector) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_to_the_nearest_even() {
        for (value, expected) in [
            (1.0, 1.0),
            (1.0 + 1.0 / 256.0, 1.0),
            (1.0 + 3.0 / 256.0, 1.0 + 4.0 / 256.0),
            (1.0 + 1.001 / 256.0, 1.0 + 2.0 / 256.0),
            (-1.0 - 3.0 / 256.0, -1.0 - 4.0 / 256.0),
            (f32::MAX, f32::INFINITY),
            (f32::NEG_INFINITY, f32::NEG_INFINITY),
            (1e-39, 0.0),
        ] {
            assert_eq!(widen(round(value)), expected, "{value}");
        }
        assert!(widen(round(f32::NAN)).is_nan());
        assert!(widen(round(f32::from_bits(0x7f80_0001))).is_nan());
        assert!(widen(round(-0.0)).is_sign_negative());
    }
}
