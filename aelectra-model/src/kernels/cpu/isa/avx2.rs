//! AVX2 with FMA.
#![cfg(target_arch = "x86_64")]

use std::arch::x86_64::{
    _mm256_broadcast_ss, _mm256_fmadd_ps, _mm256_load_ps, _mm256_loadu_ps, _mm256_setzero_ps,
    _mm256_storeu_ps,
};

use super::tile::{Factors, LANES, Part, Rows, Tile, VECTORS, parts};

/// Rows whose sums with a line of a panel, two vectors each, leave registers for the factors.
const HIGH: usize = 6;
/// Steps of the summed dimension taken together.
const TOGETHER: usize = 4;
/// Floats in a vector.
const HALF: usize = LANES / 2;

/// Runs `work` compiled for these instructions.
#[target_feature(enable = "avx2,fma")]
pub(super) fn run<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// Rows of the left side times panels.
///
/// # Safety
/// The factors must have been checked, and the processor must have AVX2 and FMA.
pub(super) unsafe fn product<const P: usize>(factors: &Factors<'_, P>, tile: &mut Tile) {
    parts(factors, tile, HIGH, |part| {
        with_height!(part.height, M in [1 2 3 4 5 6] => {
            // SAFETY: as the caller vouches for.
            unsafe { rows::<M>(part) }
        });
    });
}

/// `M` rows times one line of every row of a panel.
///
/// # Safety
/// `left` must hold `M` rows as long as the panel has rows; AVX2 and FMA must be there.
#[target_feature(enable = "avx2,fma")]
unsafe fn rows<const M: usize>(part: Part<'_>) {
    let Part {
        left,
        lines,
        start,
        vector,
        to,
        ..
    } = part;
    let Rows { values, stride } = left;
    let first = vector * LANES;
    let mut sums = [[_mm256_setzero_ps(); 2]; M];
    for half in 0..2 {
        // SAFETY: reads 32 bytes of the array, from any address.
        let start = unsafe { _mm256_loadu_ps(start[first + half * HALF..].as_ptr()) };
        for sums in &mut sums {
            sums[half] = start;
        }
    }
    let mut from = values.as_ptr();
    let mut at = lines.as_ptr().wrapping_add(vector);
    macro_rules! step {
        ($step:expr) => {
            // SAFETY: a line of this step, 64 bytes at an address that 64 divides.
            let right = unsafe {
                let line = at.wrapping_add($step * VECTORS).cast::<f32>();
                [_mm256_load_ps(line), _mm256_load_ps(line.add(HALF))]
            };
            for row in 0..M {
                // SAFETY: element `row * stride + step` of the left side, which the caller vouches
                // for.
                let left = _mm256_broadcast_ss(unsafe { &*from.add(row * stride + $step) });
                for half in 0..2 {
                    sums[row][half] = _mm256_fmadd_ps(left, right[half], sums[row][half]);
                }
            }
        };
    }
    // Several steps at a time: fewer instructions between the products.
    let steps = lines.len() / VECTORS;
    for _ in 0..steps / TOGETHER {
        step!(0);
        step!(1);
        step!(2);
        step!(3);
        from = from.wrapping_add(TOGETHER);
        at = at.wrapping_add(TOGETHER * VECTORS);
    }
    for _ in 0..steps % TOGETHER {
        step!(0);
        from = from.wrapping_add(1);
        at = at.wrapping_add(VECTORS);
    }
    for (sums, to) in sums.iter().zip(to) {
        for half in 0..2 {
            let to = &mut to[first + half * HALF..][..HALF];
            // SAFETY: writes the 32 bytes of the slice, to any address.
            unsafe { _mm256_storeu_ps(to.as_mut_ptr(), sums[half]) };
        }
    }
}
