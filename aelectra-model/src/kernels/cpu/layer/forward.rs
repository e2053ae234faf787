//! The forward pass of a layer.

use rayon::prelude::*;

use super::{Draw, Layer, NormState, PieceState, State, longest};
use crate::kernels::Norm;
use crate::kernels::cpu::matrix::{View, linear};
use crate::kernels::cpu::work::{Piece, split_rows, training_pieces};
use crate::kernels::cpu::{attention, rows};

/// `input` `[tokens, hidden]` to the layer's output and what the gradients need.
pub(super) fn forward(layer: Layer<'_>, input: &[f32]) -> (Vec<f32>, State) {
    let hidden = layer.hidden();
    let pieces = training_pieces(layer.layout);
    let threads = (rayon::current_num_threads() / pieces.len().max(1)).max(1);
    let mut output = vec![0.0; input.len()];
    // Also a single piece goes to the pool: what it shares out from there costs less.
    let pieces = split_rows(&mut output, pieces, hidden)
        .into_par_iter()
        .with_max_len(1)
        .map(|(piece, output)| {
            let input = &input[piece.rows.start * hidden..piece.rows.end * hidden];
            let state = forward_piece(layer, input, output, &piece, threads);
            (piece, state)
        })
        .collect();
    (output, State { pieces })
}

fn forward_piece(
    layer: Layer<'_>,
    input: &[f32],
    output: &mut [f32],
    piece: &Piece,
    threads: usize,
) -> PieceState {
    let Layer {
        arithmetic,
        weights,
        ..
    } = layer;
    let isa = arithmetic.isa;
    let (hidden, wide, count) = (layer.hidden(), layer.inner(), layer.options.heads);
    let n = piece.rows.len();
    let product = |to: (&mut [f32], View), from: &[f32], weight: &[f32]| {
        let outputs = weight.len() / (from.len() / n);
        linear(
            arithmetic,
            to,
            from,
            weight,
            [n, from.len() / n, outputs],
            threads,
        );
    };

    let mut qkv = vec![0.0; n * 3 * hidden];
    let parts = [weights.query, weights.key, weights.value];
    for (part, dense) in parts.into_iter().enumerate() {
        let to = View::part(part * hidden, 3 * hidden);
        product((&mut qkv, to), input, dense.weight);
    }
    rows::add_bias(isa, &mut qkv, &parts.map(|dense| dense.bias).concat());

    let mut context = vec![0.0; n * hidden];
    let mut log_sums = vec![0.0; n * count];
    let longest = longest(piece);
    let mut scores = vec![0.0; longest * longest];
    let heads = layer.heads(threads);
    for &sequence in &piece.sequences {
        let first = sequence.first - piece.rows.start;
        let sums = &mut log_sums[first * count..(first + sequence.tokens) * count];
        attention::forward(
            heads,
            sequence,
            first,
            &qkv,
            &mut context,
            sums,
            &mut scores,
        );
    }

    let mut attended = vec![0.0; n * hidden];
    let to = View::rows(hidden);
    product((&mut attended, to), &context, weights.projection.weight);
    let attention_norm = NormPass {
        layer,
        piece,
        bias: weights.projection.bias,
        norm: weights.attention_norm,
        draw: Draw::Projection,
    }
    .run(&mut attended, input);

    let mut inner = vec![0.0; n * wide];
    product(
        (&mut inner, View::rows(wide)),
        &attended,
        weights.intermediate.weight,
    );
    let mut activated = vec![0.0; n * wide];
    rows::bias_gelu(isa, &mut inner, weights.intermediate.bias, &mut activated);
    product((output, to), &activated, weights.output.weight);
    let output_norm = NormPass {
        layer,
        piece,
        bias: weights.output.bias,
        norm: weights.output_norm,
        draw: Draw::Output,
    }
    .run(output, &attended);
    PieceState {
        qkv,
        log_sums,
        context,
        attention_norm,
        inner,
        output_norm,
    }
}

/// `LayerNorm(dropout(rows + bias) + residual)` over the rows of a piece.
struct NormPass<'a> {
    layer: Layer<'a>,
    piece: &'a Piece,
    bias: &'a [f32],
    norm: Norm<&'a [f32]>,
    draw: Draw,
}

impl NormPass<'_> {
    fn run(self, rows: &mut [f32], residual: &[f32]) -> NormState {
        let Self { layer, piece, .. } = self;
        let hidden = layer.hidden();
        let mut state = NormState {
            normalised: vec![0.0; rows.len()],
            inverse: vec![0.0; piece.rows.len()],
        };
        for &sequence in &piece.sequences {
            let first = sequence.first - piece.rows.start;
            let tokens = first..first + sequence.tokens;
            let values = tokens.start * hidden..tokens.end * hidden;
            rows::residual_norm(
                layer.arithmetic.isa,
                &mut rows[values.clone()],
                Some(self.bias),
                layer.masked(self.draw, sequence),
                &residual[values.clone()],
                layer.norm(self.norm),
                Some((&mut state.normalised[values], &mut state.inverse[tokens])),
            );
        }
        state
    }
}
