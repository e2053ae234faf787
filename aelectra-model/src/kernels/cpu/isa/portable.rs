//! Plain loops, which the compiler vectorises for what the target has anyway: NEON on AArch64, SSE2
//! on x86-64.

use super::tile::{Factors, LANES, Part, Tile, VECTORS, parts};

/// Rows whose sums with a line of a panel stay in registers: of 128 bits there are 32 on AArch64 and
/// 16 on x86-64.
const HIGH: usize = if cfg!(target_arch = "aarch64") { 6 } else { 3 };

/// Rows of the left side times panels.
pub(super) fn product<const P: usize>(factors: &Factors<'_, P>, tile: &mut Tile) {
    parts(factors, tile, HIGH, |part| {
        with_height!(part.height, M in [1 2 3 4 5 6] => rows::<M>(part));
    });
}

/// `M` rows times one line of every row of a panel.
fn rows<const M: usize>(part: Part<'_>) {
    let Part {
        left,
        lines,
        start,
        vector,
        to,
        ..
    } = part;
    let first = vector * LANES;
    let steps = lines.len() / VECTORS;
    let left: [&[f32]; M] = std::array::from_fn(|row| &left.values[row * left.stride..][..steps]);
    let mut sums = [[0.0; LANES]; M];
    for sums in &mut sums {
        sums.copy_from_slice(&start[first..first + LANES]);
    }
    for (step, lines) in lines.as_chunks::<VECTORS>().0.iter().enumerate() {
        let right = &lines[vector].0;
        for (sums, left) in sums.iter_mut().zip(left) {
            let left = left[step];
            for (sum, right) in sums.iter_mut().zip(right) {
                *sum = multiply_add(left, *right, *sum);
            }
        }
    }
    for (to, sums) in to.iter_mut().zip(sums) {
        to[first..first + LANES].copy_from_slice(&sums);
    }
}

/// `a·b + c`, fused where the target has an instruction for it and not a call.
#[inline(always)]
fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
        a.mul_add(b, c)
    } else {
        a * b + c
    }
}
