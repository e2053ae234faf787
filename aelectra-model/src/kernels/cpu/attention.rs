//! Self-attention of one sequence, on rows that hold query, key and value side by side.

use super::math;
use super::matrix::{Arithmetic, Product, View};
use super::work::Sequence;
use crate::noise::Dropout;

/// What the heads of a layer have in common.
#[derive(Clone, Copy)]
pub(super) struct Heads {
    pub arithmetic: Arithmetic,
    /// Heads in a layer.
    pub count: usize,
    /// Hidden size, all heads together.
    pub width: usize,
    /// Distance between rows of query, key and value.
    pub stride: usize,
    /// On the attention probabilities, `[batch, heads, length, length]`.
    pub dropout: Option<Dropout>,
    /// Length of a padded row.
    pub length: usize,
    /// Threads a product may use.
    pub threads: usize,
}

impl Heads {
    const fn size(&self) -> usize {
        self.width / self.count
    }

    fn scale(&self) -> f32 {
        1.0 / (self.size() as f32).sqrt()
    }

    /// Query, key and value of a head, in rows that begin at `first`.
    const fn views(&self, first: usize, head: usize) -> [View; 3] {
        let start = first * self.stride + head * self.size();
        [
            View::part(start, self.stride),
            View::part(start + self.width, self.stride),
            View::part(start + 2 * self.width, self.stride),
        ]
    }

    /// Index in the mask of dropout of the first probability of a query.
    const fn mask_row(&self, sequence: Sequence, head: usize, query: usize) -> usize {
        ((sequence.number * self.count + head) * self.length + query) * self.length
    }
}

/// Writes the context of every token of a sequence. `first` is the sequence's first row in `qkv`
/// `[rows, 3·width]` and `context` `[rows, width]`; the logarithms of the sums of exponentials go to
/// `log_sums` `[heads · tokens]`. `scores` is room for `tokens²`.
pub(super) fn forward(
    heads: Heads,
    sequence: Sequence,
    first: usize,
    qkv: &[f32],
    context: &mut [f32],
    log_sums: &mut [f32],
    scores: &mut [f32],
) {
    let tokens = sequence.tokens;
    let scores = &mut scores[..tokens * tokens];
    let square = View::rows(tokens);
    for head in 0..heads.count {
        let [query, key, value] = heads.views(first, head);
        Product::new(heads.arithmetic, tokens, tokens, heads.size())
            .scaled(heads.scale())
            .on(heads.threads)
            .run((scores, square), (qkv, query), (qkv, key.transposed()));
        heads.arithmetic.isa.run(
            #[inline(always)]
            || {
                for (at, row) in scores.chunks_exact_mut(tokens).enumerate() {
                    let greatest = math::max(row);
                    for value in row.iter_mut() {
                        *value = math::exp(*value - greatest);
                    }
                    let sum = to_shares(row);
                    math::drop_row(row, heads.dropout, heads.mask_row(sequence, head, at));
                    log_sums[head * tokens + at] = greatest + sum.ln();
                }
            },
        );
        let to = View::part(first * heads.width + head * heads.size(), heads.width);
        Product::new(heads.arithmetic, tokens, heads.size(), tokens)
            .on(heads.threads)
            .run((context, to), (scores, square), (qkv, value));
    }
}

/// Divides by the sum, and gives it.
#[inline(always)]
fn to_shares(row: &mut [f32]) -> f32 {
    let sum = math::sum(
        row,
        #[inline(always)]
        |v| v,
    );
    let share = 1.0 / sum;
    for value in row {
        *value *= share;
    }
    sum
}

/// What [`forward`] left for the gradients of a sequence.
#[derive(Clone, Copy)]
pub(super) struct Saved<'a> {
    pub qkv: &'a [f32],
    pub log_sums: &'a [f32],
}

/// Writes the gradients of query, key and value from that of the context. The probabilities are
/// computed again rather than kept: they are the largest activations of a layer. `scratch` is room
/// for `2 · tokens²`.
pub(super) fn backward(
    heads: Heads,
    sequence: Sequence,
    first: usize,
    saved: Saved<'_>,
    context_gradient: &[f32],
    gradient: &mut [f32],
    scratch: &mut [f32],
) {
    let tokens = sequence.tokens;
    let (scores, rest) = scratch.split_at_mut(tokens * tokens);
    let dropped = &mut rest[..tokens * tokens];
    let square = View::rows(tokens);
    let (size, scale) = (heads.size(), heads.scale());
    for head in 0..heads.count {
        let [query, key, value] = heads.views(first, head);
        let context = View::part(first * heads.width + head * size, heads.width);
        Product::new(heads.arithmetic, tokens, tokens, size)
            .scaled(scale)
            .on(heads.threads)
            .run(
                (scores, square),
                (saved.qkv, query),
                (saved.qkv, key.transposed()),
            );
        heads.arithmetic.isa.run(
            #[inline(always)]
            || {
                for (at, (row, dropped)) in scores
                    .chunks_exact_mut(tokens)
                    .zip(dropped.chunks_exact_mut(tokens))
                    .enumerate()
                {
                    let log_sum = saved.log_sums[head * tokens + at];
                    for value in row.iter_mut() {
                        *value = math::exp(*value - log_sum);
                    }
                    // 1, but for the rounding of a logarithm that may be large, and then far from it.
                    to_shares(row);
                    dropped.copy_from_slice(row);
                    math::drop_row(dropped, heads.dropout, heads.mask_row(sequence, head, at));
                }
            },
        );
        // Of the values: dropped probabilities, transposed, times the context's gradient.
        Product::new(heads.arithmetic, tokens, size, tokens)
            .on(heads.threads)
            .run(
                (gradient, value),
                (dropped, square.transposed()),
                (context_gradient, context),
            );
        // Of the dropped probabilities.
        Product::new(heads.arithmetic, tokens, tokens, size)
            .on(heads.threads)
            .run(
                (dropped, square),
                (context_gradient, context),
                (saved.qkv, value.transposed()),
            );
        // Of the scores: p · (dp - Σ p·dp). The sum is also the context times its gradient, which would be rounded
        // otherwise: where all of a row's probability is one token's, what should cancel would be left.
        heads.arithmetic.isa.run(
            #[inline(always)]
            || {
                for (at, (row, gradients)) in scores
                    .chunks_exact_mut(tokens)
                    .zip(dropped.chunks_exact_mut(tokens))
                    .enumerate()
                {
                    math::drop_row(gradients, heads.dropout, heads.mask_row(sequence, head, at));
                    let mean = math::sum2(
                        row,
                        gradients,
                        #[inline(always)]
                        |p, g| p * g,
                    );
                    // A token that sees itself alone has no choice: no gradient, not even rounding.
                    let mean = if tokens == 1 { gradients[0] } else { mean };
                    for (probability, gradient) in row.iter_mut().zip(gradients.iter()) {
                        *probability *= gradient - mean;
                    }
                }
            },
        );
        Product::new(heads.arithmetic, tokens, size, tokens)
            .scaled(scale)
            .on(heads.threads)
            .run((gradient, query), (scores, square), (saved.qkv, key));
        Product::new(heads.arithmetic, tokens, size, tokens)
            .scaled(scale)
            .on(heads.threads)
            .run(
                (gradient, key),
                (scores, square.transposed()),
                (saved.qkv, query),
            );
    }
}

#[cfg(test)]
mod tests {
    use super::super::isa::Isa;
    use super::*;

    /// Where all of a softmax is one token's, scores have no gradient, and rounding of what cancels makes none: not of
    /// products in brain floats, nor of the logarithm of a sum of scores in the thousands.
    #[test]
    fn a_saturated_softmax_has_no_gradient() {
        let (tokens, width) = (5, 8);
        let value = |at: usize| ((at * 7919 % 2003) as f32 - 1001.0) / 300.0;
        // Query and key of token t point at dimension t and are large; values are anything.
        let mut qkv: Vec<f32> = (0..tokens * 3 * width).map(value).collect();
        for (at, row) in qkv.chunks_mut(3 * width).enumerate() {
            row[..2 * width].fill(0.0);
            (row[at], row[width + at]) = (173.3, 271.9);
        }
        let gradient_of_context: Vec<f32> = (0..tokens * width).map(|at| value(at + 9)).collect();
        let sequence = Sequence {
            number: 0,
            first: 0,
            padded: 0,
            tokens,
        };
        for &isa in Isa::all() {
            for brain in [false, true] {
                let heads = Heads {
                    arithmetic: Arithmetic { isa, brain },
                    count: 1,
                    width,
                    stride: 3 * width,
                    dropout: None,
                    length: tokens,
                    threads: 1,
                };
                let mut context = vec![0.0; tokens * width];
                let mut log_sums = vec![0.0; tokens];
                let mut scratch = vec![0.0; 2 * tokens * tokens];
                forward(
                    heads,
                    sequence,
                    0,
                    &qkv,
                    &mut context,
                    &mut log_sums,
                    &mut scratch,
                );
                let saved = Saved {
                    qkv: &qkv,
                    log_sums: &log_sums,
                };
                let mut gradient = vec![1.0; qkv.len()];
                backward(
                    heads,
                    sequence,
                    0,
                    saved,
                    &gradient_of_context,
                    &mut gradient,
                    &mut scratch,
                );
                for row in gradient.chunks(3 * width) {
                    assert_eq!(row[..2 * width], [0.0; 16], "{isa:?} {brain}");
                    assert!(row[2 * width..].iter().all(|v| v.abs() > 1e-3));
                }
            }
        }
    }
}
