//! Attention on panels: keys and values of a sequence are brought into the kernel's order, queries are
//! read where they lie. In brain floats it is that of training.

use super::room;
use crate::kernels::cpu::attention as training;
use crate::kernels::cpu::isa::tile::{ROWS, Rows, WIDTH};
use crate::kernels::cpu::math;
use crate::kernels::cpu::matrix::Arithmetic;
use crate::kernels::cpu::panels::Panels;
use crate::kernels::cpu::work::Sequence;

/// Tokens from which on attention is rounded to brain floats, where the layers are: for fewer,
/// rounding costs more than products in 32 bits.
const LONG: usize = 64;

/// Attention heads that lie side by side.
#[derive(Clone, Copy)]
pub(super) struct Heads {
    pub arithmetic: Arithmetic,
    pub count: usize,
    /// Width of one.
    pub size: usize,
}

/// What attention puts down on its way.
#[derive(Default)]
pub(super) struct AttentionScratch {
    keys: Panels,
    values: Panels,
    scores: Vec<f32>,
    log_sums: Vec<f32>,
}

/// Writes the context `[rows, heads]` of the tokens of a sequence; `qkv` holds query, key and value
/// of all heads side by side.
pub(super) fn attention(
    heads: Heads,
    sequence: Sequence,
    qkv: Rows<'_>,
    context: &mut [f32],
    scratch: &mut AttentionScratch,
) {
    if heads.arithmetic.brain && sequence.tokens >= LONG {
        return rounded(heads, sequence, qkv, context, scratch);
    }
    let Heads {
        arithmetic: Arithmetic { isa, .. },
        count,
        size,
    } = heads;
    let width = count * size;
    let tokens = sequence.tokens;
    let padded = tokens.next_multiple_of(WIDTH);
    let scale = 1.0 / (size as f32).sqrt();
    let AttentionScratch {
        keys,
        values,
        scores,
        ..
    } = scratch;
    let scores = room(scores, ROWS * padded);
    let of =
        |token: usize, column: usize| &qkv.values[(sequence.first + token) * qkv.stride + column..];
    for head in 0..count {
        keys.fill_transposed(isa, of(0, width + head * size), qkv.stride, [size, tokens]);
        values.fill(of(0, 2 * width + head * size), qkv.stride, [tokens, size]);
        for query in (0..tokens).step_by(ROWS) {
            let height = ROWS.min(tokens - query);
            let queries = Rows {
                values: of(query, head * size),
                stride: qkv.stride,
            };
            let part = keys.whole();
            keys.multiply(isa, (queries, height), part, None, |tile, row, panel| {
                let rows = scores.chunks_exact_mut(padded).skip(row);
                for (row, tile) in rows.zip(tile) {
                    row[panel * WIDTH..(panel + 1) * WIDTH].copy_from_slice(tile);
                }
            });
            let mut shares = [0.0; ROWS];
            isa.run(
                #[inline(always)]
                || {
                    for (row, share) in scores
                        .chunks_exact_mut(padded)
                        .zip(&mut shares)
                        .take(height)
                    {
                        *share = 1.0 / exponentials(row, tokens, scale);
                    }
                },
            );
            let first = (sequence.first + query) * width + head * size;
            let part = values.whole();
            let left = Rows {
                values: scores,
                stride: padded,
            };
            values.multiply(isa, (left, height), part, None, |tile, row, panel| {
                let columns = panel * WIDTH..size.min((panel + 1) * WIDTH);
                for (row, tile) in (row..).zip(tile) {
                    let share = shares[row];
                    let to = &mut context[first + row * width..][columns.clone()];
                    for (to, value) in to.iter_mut().zip(tile) {
                        *to = *value * share;
                    }
                }
            });
        }
    }
}

/// The same with query, key, value and probabilities rounded to brain floats.
fn rounded(
    heads: Heads,
    sequence: Sequence,
    qkv: Rows<'_>,
    context: &mut [f32],
    scratch: &mut AttentionScratch,
) {
    let Heads {
        arithmetic,
        count,
        size,
    } = heads;
    let tokens = sequence.tokens;
    let heads = training::Heads {
        arithmetic,
        count,
        width: count * size,
        stride: qkv.stride,
        dropout: None,
        length: tokens,
        threads: 1,
    };
    let log_sums = room(&mut scratch.log_sums, count * tokens);
    let scores = room(&mut scratch.scores, tokens * tokens);
    let first = sequence.first;
    training::forward(
        heads, sequence, first, qkv.values, context, log_sums, scores,
    );
}

/// Turns the first `tokens` scores of a row into `exp(scale · (score − greatest))`, what fills the
/// row into 0, and returns their sum.
#[inline(always)]
fn exponentials(row: &mut [f32], tokens: usize, scale: f32) -> f32 {
    row[tokens..].fill(f32::NEG_INFINITY);
    let greatest = math::max(row);
    for value in row.iter_mut() {
        *value = math::exp((*value - greatest) * scale);
    }
    math::sum(
        row,
        #[inline(always)]
        |v| v,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::cpu::isa::Isa;

    /// Against the definition, in f64.
    #[test]
    fn attention_is_the_weighted_mean_of_values() {
        let sizes = [
            (1, 8, 1, 0),
            (3, 20, 13, 2),
            (2, 64, 45, 1),
            (3, 33, LONG + 3, 2),
        ];
        let isas = Isa::all().iter();
        let ways = isas.flat_map(|&isa| [false, true].map(|brain| Arithmetic { isa, brain }));
        let cases = ways.flat_map(|way| sizes.map(|size| (way, size)));
        for (arithmetic, (count, size, tokens, first)) in cases {
            let width = count * size;
            let heads = Heads {
                arithmetic,
                count,
                size,
            };
            // Of the values, which reach 2, and the probabilities each 2⁻⁸; of the scores more.
            let bound = if arithmetic.brain { 0.1 } else { 2e-5 };
            let stride = 3 * width + 5;
            let values: Vec<f32> = (0..(first + tokens) * stride)
                .map(|at| ((at * 7919 % 2003) as f32 - 1001.0) / 500.0)
                .collect();
            let mut context = vec![f32::NAN; (first + tokens) * width];
            let sequence = Sequence {
                number: 0,
                first,
                padded: 0,
                tokens,
            };
            let qkv = Rows {
                values: &values,
                stride,
            };
            attention(
                heads,
                sequence,
                qkv,
                &mut context,
                &mut AttentionScratch::default(),
            );
            let at = |token: usize, part: usize, column: usize| {
                f64::from(values[(first + token) * stride + part * width + column])
            };
            for query in 0..tokens {
                for column in 0..width {
                    let head = column / size * size;
                    let scores: Vec<f64> = (0..tokens)
                        .map(|key| {
                            let dot: f64 = (head..head + size)
                                .map(|c| at(query, 0, c) * at(key, 1, c))
                                .sum();
                            (dot / (size as f64).sqrt()).exp()
                        })
                        .collect();
                    let mean: f64 = scores
                        .iter()
                        .enumerate()
                        .map(|(key, score)| score * at(key, 2, column))
                        .sum::<f64>()
                        / scores.iter().sum::<f64>();
                    let found = f64::from(context[(first + query) * width + column]);
                    assert!((found - mean).abs() < bound, "{count} {size} {tokens}");
                }
            }
        }
    }
}
