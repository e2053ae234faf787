//! Inference on a few rows: one short sentence, where splitting the batch gives no work to share.
//!
//! Each thread takes some of the heads and some of the feed-forward block's inner columns, from the
//! projections into them to its share of the projection out of them, as tensor parallelism does
//! across machines. Threads meet twice in a layer, not at every product.

use rayon::prelude::*;

use super::attention::{self, Heads};
use super::layer::{LayerOptions, Weights};
use super::matrix::{FEW_ROWS, Product, View, linear};
use super::packing::Sequence;
use super::rows::{self, Masked, Norm};

/// Whether [`forward`] is meant for such a batch: few tokens, and no dropout, which it leaves out.
pub(super) fn suits(options: &LayerOptions, threads: usize) -> bool {
    threads > 1
        && options.heads > 1
        && options.packing.tokens() <= FEW_ROWS
        && options.dropout.iter().all(Option::is_none)
}

/// `input` `[tokens, hidden]` to the layer's output, without dropout.
pub(super) fn forward(
    input: &[f32],
    weights: Weights<'_>,
    options: &LayerOptions,
    threads: usize,
) -> Vec<f32> {
    let (hidden, inner) = (weights.hidden(), weights.inner());
    let n = input.len() / hidden;
    let sequences: Vec<Sequence> = options.packing.sequences().collect();
    let size = hidden / options.heads;
    let share = options.heads.div_ceil(threads);
    let partial: Vec<Vec<f32>> = (0..options.heads.div_ceil(share))
        .into_par_iter()
        .with_max_len(1)
        .map(|number| {
            let heads = number * share..((number + 1) * share).min(options.heads);
            let columns = heads.start * size..heads.end * size;
            let width = columns.len();
            let mut qkv = vec![0.0; n * 3 * width];
            let mut bias = Vec::with_capacity(3 * width);
            for (part, (weight, biases)) in weights.qkv.into_iter().enumerate() {
                let weight = &weight[columns.start * hidden..columns.end * hidden];
                let to = View::part(part * width, 3 * width);
                linear((&mut qkv, to), input, weight, [n, hidden, width], 1);
                bias.extend_from_slice(&biases[columns.clone()]);
            }
            rows::add_bias(&mut qkv, &bias);
            let heads = Heads {
                count: heads.len(),
                width,
                dropout: None,
                length: options.packing.length(),
                threads: 1,
            };
            let mut context = vec![0.0; n * width];
            let mut scores = vec![0.0; n * n];
            for &sequence in &sequences {
                let first = sequence.first;
                attention::forward(
                    heads,
                    sequence,
                    first,
                    &qkv,
                    &mut context,
                    None,
                    &mut scores,
                );
            }
            share_of_product(
                &context,
                weights.projection.0,
                columns.start,
                [n, width, hidden],
            )
        })
        .collect();
    let bias = weights.projection.1;
    let attended = add_and_norm(&partial, bias, input, weights.attention_norm);

    let share = inner.div_ceil(threads);
    let partial: Vec<Vec<f32>> = (0..inner.div_ceil(share))
        .into_par_iter()
        .with_max_len(1)
        .map(|number| {
            let columns = number * share..((number + 1) * share).min(inner);
            let width = columns.len();
            let weight = &weights.intermediate.0[columns.start * hidden..columns.end * hidden];
            let mut wide = vec![0.0; n * width];
            let to = View::rows(width);
            linear((&mut wide, to), &attended, weight, [n, hidden, width], 1);
            rows::bias_gelu_in_place(&mut wide, &weights.intermediate.1[columns.clone()]);
            share_of_product(&wide, weights.output.0, columns.start, [n, width, hidden])
        })
        .collect();
    add_and_norm(&partial, weights.output.1, &attended, weights.output_norm)
}

/// Rows `[n, width]` times the columns from `first` on of `weight` `[outputs, …]`, transposed:
/// `[outputs, n]`, one term of a sum over all columns.
fn share_of_product(
    rows: &[f32],
    weight: &[f32],
    first: usize,
    [n, width, outputs]: [usize; 3],
) -> Vec<f32> {
    let mut turned = vec![0.0; outputs * n];
    let columns = View::part(first, weight.len() / outputs).transposed();
    Product::new(n, outputs, width).run(
        (&mut turned, View::rows(n).transposed()),
        (rows, View::rows(width)),
        (weight, columns),
    );
    turned
}

/// `LayerNorm(Σ terms + bias + residual)`; the terms are `[hidden, n]`.
fn add_and_norm(terms: &[Vec<f32>], bias: &[f32], residual: &[f32], norm: Norm<'_>) -> Vec<f32> {
    let hidden = bias.len();
    let n = residual.len() / hidden;
    let mut sum = vec![0.0; residual.len()];
    for term in terms {
        for (row, out) in sum.chunks_exact_mut(hidden).enumerate() {
            for (value, term) in out.iter_mut().zip(term[row..].iter().step_by(n)) {
                *value += term;
            }
        }
    }
    let masked = Masked {
        dropout: None,
        row: 0,
    };
    rows::residual_norm(&mut sum, Some(bias), masked, residual, norm, None);
    sum
}
