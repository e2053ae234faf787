//! What is read off the logits of a vocabulary, without a tensor of noise: best guesses and samples.

use burn::tensor::{Int, Tensor};
use rayon::prelude::*;

use super::isa::Isa;
use super::math;
use super::tensor::{on_cpu, slice};
use crate::input::int_tensor;
use crate::noise::Gumbel;

/// The greatest logit of each row of `[n, classes]`, the first of equals: `[n]`.
pub(super) fn best(logits: Tensor<2>) -> Tensor<1, Int> {
    by_row(logits, |row, _| greatest(row.iter().copied()))
}

/// One class of each row of `[n, classes]`, drawn by adding Gumbel noise and taking the
/// greatest: `[n]`.
pub(super) fn sample(isa: Isa, logits: Tensor<2>, noise: Gumbel) -> Tensor<1, Int> {
    by_row(logits, |row, number| {
        let first = (number * row.len()) as u32;
        // In blocks: first the noisy logits of a block, vectorised, then their greatest.
        let mut noisy = [0.0f32; 1024];
        let mut found = (f32::NEG_INFINITY, 0);
        for (block, logits) in row.chunks(noisy.len()).enumerate() {
            let start = block * noisy.len();
            let noisy = &mut noisy[..logits.len()];
            let block_greatest = isa.run(
                #[inline(always)]
                || {
                    for (at, (noisy, logit)) in noisy.iter_mut().zip(logits).enumerate() {
                        let index = first.wrapping_add((start + at) as u32);
                        *noisy = logit + math::gumbel(noise.bits(index));
                    }
                    math::max(noisy)
                },
            );
            if block_greatest > found.0 {
                found = (block_greatest, start + greatest(noisy.iter().copied()));
            }
        }
        found.1
    })
}

/// The place of the greatest value, the first of equals.
fn greatest(values: impl Iterator<Item = f32>) -> usize {
    let mut found = (f32::NEG_INFINITY, 0);
    for (at, value) in values.enumerate() {
        if value > found.0 {
            found = (value, at);
        }
    }
    found.1
}

fn by_row(logits: Tensor<2>, choose: impl Fn(&[f32], usize) -> usize + Sync) -> Tensor<1, Int> {
    let [rows, classes] = logits.dims();
    let device = logits.device();
    let chosen: Vec<u32> = slice(&on_cpu(logits))
        .par_chunks_exact(classes)
        .enumerate()
        .map(|(number, row)| choose(row, number) as u32)
        .collect();
    int_tensor(&chosen, [rows], &device)
}
