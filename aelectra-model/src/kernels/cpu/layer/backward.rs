//! The gradients of a layer.
//!
//! Gradients of the weights are summed over the pieces in a fixed order, one block of a weight's rows
//! to a thread.

use rayon::prelude::*;

use super::{Draw, Layer, NormState, PieceState, State, longest};
use crate::kernels::cpu::matrix::{Product, View};
use crate::kernels::cpu::rows::NormGradients;
use crate::kernels::cpu::work::{Piece, split_rows};
use crate::kernels::cpu::{attention, rows};
use crate::kernels::{Dense, LayerWeights, Norm, PARAMETERS};

/// Rows of a weight whose gradient one task computes, at least and at most: a few tasks for every
/// thread, and few in all, since each brings the layer's inputs into order for itself.
const BLOCK_ROWS: [usize; 2] = [128, 512];

/// Gradients of a layer.
pub(super) struct Gradients {
    /// Of the input, `[tokens, hidden]`.
    pub input: Vec<f32>,
    pub parameters: LayerWeights<Vec<f32>>,
}

/// What the gradients of a piece's weights are products of, besides what the forward pass kept, and
/// the gradients of its vectors.
struct PieceGradients {
    qkv: Vec<f32>,
    projected: Vec<f32>,
    attended: Vec<f32>,
    inner: Vec<f32>,
    activated: Vec<f32>,
    out: Vec<f32>,
    /// Matrices are left empty.
    vectors: LayerWeights<(), Vec<f32>>,
}

/// What a weight's gradient is the product of, of one piece.
#[derive(Clone, Copy)]
struct Factors<'a> {
    /// Gradients of the outputs, and where in it they lie.
    gradients: (&'a [f32], View),
    /// `[rows, width]`.
    inputs: &'a [f32],
    width: usize,
}

/// From the gradient of the output `[tokens, hidden]` to those of the input and the parameters.
pub(super) fn backward(
    layer: Layer<'_>,
    mut gradient: Vec<f32>,
    input: &[f32],
    state: State,
) -> Gradients {
    let share = (rayon::current_num_threads() / state.pieces.len().max(1)).max(1);
    let (pieces, states): (Vec<Piece>, Vec<PieceState>) = state.pieces.into_iter().unzip();
    let done: Vec<(Piece, PieceState, PieceGradients)> =
        split_rows(&mut gradient, pieces, layer.hidden())
            .into_par_iter()
            .zip(states)
            .with_max_len(1)
            .map(|((piece, rows), mut state)| {
                let gradients = backward_piece(layer, rows, &piece, &mut state, share);
                (piece, state, gradients)
            })
            .collect();

    let zeros = |values: &[f32]| vec![0.0; values.len()];
    let mut parameters = layer.weights.map(zeros, zeros).into_array();
    for (_, _, gradients) in &done {
        let vectors = gradients.vectors.as_ref().map(|()| None, Some).into_array();
        for (sums, vector) in parameters.iter_mut().zip(vectors) {
            let vector = vector.into_iter().flatten();
            sums.iter_mut().zip(vector).for_each(|(sum, v)| *sum += v);
        }
    }
    let pieces: Vec<[Option<Factors<'_>>; PARAMETERS]> = done
        .iter()
        .map(|of| factors(layer, input, of).map(Some, |()| None).into_array())
        .collect();
    let matrices: [Vec<Factors<'_>>; PARAMETERS] =
        std::array::from_fn(|at| pieces.iter().filter_map(|piece| piece[at]).collect());
    let [least, most] = BLOCK_ROWS;
    let block_rows = (2 * most / rayon::current_num_threads()).clamp(least, most);
    let blocks: Vec<(&mut [f32], usize, &[Factors<'_>])> = parameters
        .iter_mut()
        .zip(&matrices)
        .filter_map(|(parameter, factors)| Some((parameter, factors.first()?.width, factors)))
        .flat_map(|(parameter, width, factors)| {
            let outputs = parameter.len() / width;
            let rows = outputs.div_ceil(outputs.div_ceil(block_rows));
            parameter
                .chunks_mut(rows * width)
                .enumerate()
                .map(move |(number, block)| (block, number * rows, &factors[..]))
        })
        .collect();
    blocks
        .into_par_iter()
        .with_max_len(1)
        .for_each(|(block, first, factors)| {
            for (at, of) in factors.iter().enumerate() {
                let rows = of.inputs.len() / of.width;
                let (gradients, view) = of.gradients;
                let view = View {
                    start: view.start + first,
                    ..view
                };
                let product =
                    Product::new(layer.arithmetic, block.len() / of.width, of.width, rows);
                let product = if at > 0 {
                    product.accumulating()
                } else {
                    product
                };
                product.run(
                    (block, View::rows(of.width)),
                    (gradients, view.transposed()),
                    (of.inputs, View::rows(of.width)),
                );
            }
        });
    Gradients {
        input: gradient,
        parameters: LayerWeights::from_array(parameters),
    }
}

/// What the gradients of the weights are products of, of one piece.
fn factors<'a>(
    layer: Layer<'_>,
    input: &'a [f32],
    (piece, state, gradients): &'a (Piece, PieceState, PieceGradients),
) -> LayerWeights<Factors<'a>, ()> {
    let (hidden, wide) = (layer.hidden(), layer.inner());
    let input = &input[piece.rows.start * hidden..piece.rows.end * hidden];
    let dense = |gradients: (&'a [f32], View), inputs: &'a [f32], width: usize| Dense {
        weight: Factors {
            gradients,
            inputs,
            width,
        },
        bias: (),
    };
    let norm = Norm {
        weight: (),
        bias: (),
    };
    let qkv = |part: usize| {
        let view = View::part(part * hidden, 3 * hidden);
        dense((&gradients.qkv, view), input, hidden)
    };
    let (rows, wide_rows) = (View::rows(hidden), View::rows(wide));
    LayerWeights {
        query: qkv(0),
        key: qkv(1),
        value: qkv(2),
        projection: dense((&gradients.projected, rows), &state.context, hidden),
        attention_norm: norm,
        intermediate: dense((&gradients.inner, wide_rows), &gradients.attended, hidden),
        output: dense((&gradients.out, rows), &gradients.activated, wide),
        output_norm: norm,
    }
}

/// Turns the gradient of a piece's output in `rows` into that of its input.
fn backward_piece(
    layer: Layer<'_>,
    rows: &mut [f32],
    piece: &Piece,
    state: &mut PieceState,
    threads: usize,
) -> PieceGradients {
    let Layer {
        arithmetic,
        weights,
        ..
    } = layer;
    let isa = arithmetic.isa;
    let (hidden, wide, count) = (layer.hidden(), layer.inner(), layer.options.heads);
    let n = piece.rows.len();
    let product = |outputs, inputs| Product::new(arithmetic, n, inputs, outputs).on(threads);
    let sums = |rows: &[f32], width: usize| {
        let mut sums = vec![0.0; width];
        rows::add_column_sums(isa, &mut sums, rows);
        sums
    };

    let saved = std::mem::take(&mut state.output_norm);
    let (out, output_norm) =
        norm_backward(layer, piece, rows, saved, weights.output_norm, Draw::Output);
    let mut inner = vec![0.0; n * wide];
    product(hidden, wide).run(
        (&mut inner, View::rows(wide)),
        (&out, View::rows(hidden)),
        (weights.output.weight, View::rows(wide)),
    );
    let mut activated = vec![0.0; n * wide];
    rows::gelu_backward(isa, &state.inner, &mut inner, &mut activated);
    state.inner = Vec::new();
    product(wide, hidden).accumulating().run(
        (rows, View::rows(hidden)),
        (&inner, View::rows(wide)),
        (weights.intermediate.weight, View::rows(hidden)),
    );
    let saved = std::mem::take(&mut state.attention_norm);
    let mut attended = vec![0.0; n * hidden];
    let norm = layer.norm(weights.attention_norm);
    rows::scale_shift(isa, &saved.normalised, norm, &mut attended);
    let norm = weights.attention_norm;
    let (projected, attention_norm) =
        norm_backward(layer, piece, rows, saved, norm, Draw::Projection);

    let mut context = vec![0.0; n * hidden];
    product(hidden, hidden).run(
        (&mut context, View::rows(hidden)),
        (&projected, View::rows(hidden)),
        (weights.projection.weight, View::rows(hidden)),
    );
    let mut qkv = vec![0.0; n * 3 * hidden];
    let longest = longest(piece);
    let mut scratch = vec![0.0; 2 * longest * longest];
    let heads = layer.heads(threads);
    for &sequence in &piece.sequences {
        let first = sequence.first - piece.rows.start;
        let saved = attention::Saved {
            qkv: &state.qkv,
            log_sums: &state.log_sums[first * count..(first + sequence.tokens) * count],
        };
        attention::backward(
            heads,
            sequence,
            first,
            saved,
            &context,
            &mut qkv,
            &mut scratch,
        );
    }
    state.qkv = Vec::new();
    let parts = [weights.query, weights.key, weights.value];
    for (part, dense) in parts.into_iter().enumerate() {
        product(hidden, hidden).accumulating().run(
            (rows, View::rows(hidden)),
            (&qkv, View::part(part * hidden, 3 * hidden)),
            (dense.weight, View::rows(hidden)),
        );
    }
    let biases = sums(&qkv, 3 * hidden);
    let dense = |bias: Vec<f32>| Dense { weight: (), bias };
    let part = |part: usize| dense(biases[part * hidden..(part + 1) * hidden].to_vec());
    let vectors = LayerWeights {
        query: part(0),
        key: part(1),
        value: part(2),
        projection: dense(sums(&projected, hidden)),
        attention_norm,
        intermediate: dense(sums(&inner, wide)),
        output: dense(sums(&out, hidden)),
        output_norm,
    };
    PieceGradients {
        qkv,
        projected,
        attended,
        inner,
        activated,
        out,
        vectors,
    }
}

/// Turns the gradient of a LayerNorm's output in `rows` into that of the residual; gives that of what
/// was dropped out and added, and those of the norm's parameters.
fn norm_backward(
    layer: Layer<'_>,
    piece: &Piece,
    rows: &mut [f32],
    saved: NormState,
    norm: Norm<&[f32]>,
    draw: Draw,
) -> (Vec<f32>, Norm<Vec<f32>>) {
    let hidden = layer.hidden();
    let mut gradients = Norm {
        weight: vec![0.0; hidden],
        bias: vec![0.0; hidden],
    };
    let mut dropped = vec![0.0; rows.len()];
    for &sequence in &piece.sequences {
        let first = sequence.first - piece.rows.start;
        let tokens = first..first + sequence.tokens;
        let values = tokens.start * hidden..tokens.end * hidden;
        rows::residual_norm_backward(
            layer.arithmetic.isa,
            &mut rows[values.clone()],
            (&saved.normalised[values.clone()], &saved.inverse[tokens]),
            norm.weight,
            layer.masked(draw, sequence),
            &mut dropped[values],
            NormGradients {
                weight: &mut gradients.weight,
                bias: &mut gradients.bias,
            },
        );
    }
    (dropped, gradients)
}
