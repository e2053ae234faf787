//! Attention on panels: keys and values of a sequence are brought into the kernel's order, queries are
//! read where they lie.

use super::room;
use crate::kernels::cpu::isa::Isa;
use crate::kernels::cpu::isa::tile::{ROWS, Rows, WIDTH};
use crate::kernels::cpu::math;
use crate::kernels::cpu::panels::Panels;
use crate::kernels::cpu::work::Sequence;

/// Attention heads that lie side by side.
#[derive(Clone, Copy)]
pub(super) struct Heads {
    pub isa: Isa,
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
    let Heads { isa, count, size } = heads;
    let width = count * size;
    let tokens = sequence.tokens;
    let padded = tokens.next_multiple_of(WIDTH);
    let scale = 1.0 / (size as f32).sqrt();
    let AttentionScratch {
        keys,
        values,
        scores,
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

    /// Against the definition, in f64.
    #[test]
    fn attention_is_the_weighted_mean_of_values() {
        let sizes = [(1, 8, 1, 0), (3, 20, 13, 2), (2, 64, 45, 1)];
        let isas = Isa::all().iter();
        let cases = isas.flat_map(|&isa| sizes.map(|size| (isa, size)));
        for (isa, (count, size, tokens, first)) in cases {
            let (heads, width) = (Heads { isa, count, size }, count * size);
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
                    assert!((found - mean).abs() < 2e-5, "{count} {size} {tokens}");
                }
            }
        }
    }
}
