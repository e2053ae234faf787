//! A whole transformer layer on packed rows: forward pass and gradients.
//!
//! The batch is cut into pieces of whole sequences; a thread takes a piece through the layer while
//! its activations are in the cache, with products on one thread. Only where there are fewer pieces
//! than threads do products use several. Gradients of the weights are summed over the pieces in a
//! fixed order, one block of a weight's rows to a thread.

use rayon::prelude::*;

use super::attention::{self, Heads};
use super::matrix::{Product, View, linear};
use super::packing::{Packing, Piece};
use super::rows::{self, Masked, Norm, NormGradients};
use super::short;
use super::simd::Dropout;

/// Parameters of a layer, in the order of [`Weights::from_slices`].
pub(super) const PARAMETERS: usize = 16;

/// Parameters of a layer; linear weights are `[out, in]`.
#[derive(Clone, Copy)]
pub(super) struct Weights<'a> {
    /// Query, key, value: weight `[hidden, hidden]`, bias `[hidden]`.
    pub qkv: [(&'a [f32], &'a [f32]); 3],
    /// After attention, `[hidden, hidden]`.
    pub projection: (&'a [f32], &'a [f32]),
    pub attention_norm: Norm<'a>,
    /// `[intermediate, hidden]`.
    pub intermediate: (&'a [f32], &'a [f32]),
    /// `[hidden, intermediate]`.
    pub output: (&'a [f32], &'a [f32]),
    pub output_norm: Norm<'a>,
}

/// What is not a parameter.
#[derive(Clone, Debug)]
pub(crate) struct LayerOptions {
    /// Attention heads.
    pub heads: usize,
    /// Of both LayerNorms.
    pub eps: f64,
    /// Which rows are which sequence.
    pub packing: Packing,
    /// Of the attention probabilities, the attention's output and the layer's output.
    pub dropout: [Option<Dropout>; 3],
}

/// What the gradients of a piece need besides the layer's input and parameters.
#[derive(Debug)]
struct PieceState {
    /// `[rows, 3·hidden]`.
    qkv: Vec<f32>,
    /// `heads · tokens` for every sequence.
    log_sums: Vec<f32>,
    /// `[rows, hidden]`.
    context: Vec<f32>,
    /// Normalised rows and inverse deviations of the attention's LayerNorm.
    attention_norm: (Vec<f32>, Vec<f32>),
    /// Before GELU, `[rows, intermediate]`.
    inner: Vec<f32>,
    /// Normalised rows and inverse deviations of the output's LayerNorm.
    output_norm: (Vec<f32>, Vec<f32>),
}

/// What [`backward`] needs of a forward pass.
#[derive(Debug)]
pub(super) struct State {
    pieces: Vec<(Piece, PieceState)>,
}

impl<'a> Weights<'a> {
    /// Query, key, value, projection (each weight, bias), attention norm (weight, bias),
    /// intermediate, output, output norm.
    pub(super) fn from_slices(slices: [&'a [f32]; PARAMETERS], eps: f64) -> Self {
        let norm = |at: usize| Norm {
            weight: slices[at],
            bias: slices[at + 1],
            eps: eps as f32,
        };
        let pair = |at: usize| (slices[at], slices[at + 1]);
        Self {
            qkv: [pair(0), pair(2), pair(4)],
            projection: pair(6),
            attention_norm: norm(8),
            intermediate: pair(10),
            output: pair(12),
            output_norm: norm(14),
        }
    }

    pub(super) const fn hidden(&self) -> usize {
        self.projection.1.len()
    }

    pub(super) const fn inner(&self) -> usize {
        self.intermediate.1.len()
    }
}

/// `input` `[tokens, hidden]` to the layer's output and, if `keep`, what the gradients need.
pub(super) fn forward(
    input: &[f32],
    weights: Weights<'_>,
    options: &LayerOptions,
    keep: bool,
) -> (Vec<f32>, Option<State>) {
    let hidden = weights.hidden();
    let threads = rayon::current_num_threads();
    if !keep && short::suits(options, threads) {
        return (short::forward(input, weights, options, threads), None);
    }
    let pieces = if keep {
        options.packing.training_pieces()
    } else {
        options.packing.inference_pieces(threads)
    };
    let threads = (threads / pieces.len().max(1)).max(1);
    let mut output = vec![0.0; input.len()];
    let work: Vec<(Piece, &mut [f32])> = split_rows(&mut output, pieces, hidden);
    let run = |(piece, output): (Piece, &mut [f32])| {
        let input = &input[piece.rows.start * hidden..piece.rows.end * hidden];
        let state = forward_piece(input, output, weights, options, &piece, threads, keep);
        state.map(|state| (piece, state))
    };
    // Also a single piece goes to the pool: what it shares out from there costs less.
    let states: Vec<Option<(Piece, PieceState)>> =
        work.into_par_iter().with_max_len(1).map(run).collect();
    let state = keep.then(|| State {
        pieces: states.into_iter().flatten().collect(),
    });
    (output, state)
}

/// Gives each piece its rows of `buffer`.
fn split_rows(buffer: &mut [f32], pieces: Vec<Piece>, width: usize) -> Vec<(Piece, &mut [f32])> {
    let mut rest = buffer;
    pieces
        .into_iter()
        .map(|piece| {
            let (rows, after) = std::mem::take(&mut rest).split_at_mut(piece.rows.len() * width);
            rest = after;
            (piece, rows)
        })
        .collect()
}

fn forward_piece(
    input: &[f32],
    output: &mut [f32],
    weights: Weights<'_>,
    options: &LayerOptions,
    piece: &Piece,
    threads: usize,
    keep: bool,
) -> Option<PieceState> {
    let (hidden, wide) = (weights.hidden(), weights.inner());
    let n = piece.rows.len();
    let heads = heads(options, 0, hidden, threads);

    let mut qkv = vec![0.0; n * 3 * hidden];
    for (part, (weight, _)) in weights.qkv.into_iter().enumerate() {
        let to = View::part(part * hidden, 3 * hidden);
        linear((&mut qkv, to), input, weight, [n, hidden, hidden], threads);
    }
    let bias: Vec<f32> = weights
        .qkv
        .iter()
        .flat_map(|(_, bias)| *bias)
        .copied()
        .collect();
    rows::add_bias(&mut qkv, &bias);

    let mut context = vec![0.0; n * hidden];
    let mut log_sums = vec![0.0; if keep { n * options.heads } else { 0 }];
    let longest = longest(piece);
    let mut scores = vec![0.0; longest * longest];
    for &sequence in &piece.sequences {
        let first = sequence.first - piece.rows.start;
        let sums = keep.then(|| {
            &mut log_sums[first * options.heads..(first + sequence.tokens) * options.heads]
        });
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
    let shape = [n, hidden, hidden];
    let to = View::rows(hidden);
    linear(
        (&mut attended, to),
        &context,
        weights.projection.0,
        shape,
        threads,
    );
    let mut attention_norm = saved_norm(n, hidden, keep);
    for &sequence in &piece.sequences {
        norm_sequence(
            &mut attended,
            weights.projection.1,
            input,
            weights.attention_norm,
            (options, 1),
            piece,
            sequence,
            keep.then_some(&mut attention_norm),
        );
    }

    let mut inner = vec![0.0; n * wide];
    let to = View::rows(wide);
    linear(
        (&mut inner, to),
        &attended,
        weights.intermediate.0,
        [n, hidden, wide],
        threads,
    );
    let to = View::rows(hidden);
    let shape = [n, wide, hidden];
    if keep {
        let mut activated = vec![0.0; n * wide];
        rows::bias_gelu(&mut inner, weights.intermediate.1, &mut activated);
        linear((output, to), &activated, weights.output.0, shape, threads);
    } else {
        rows::bias_gelu_in_place(&mut inner, weights.intermediate.1);
        linear((output, to), &inner, weights.output.0, shape, threads);
    }
    let mut output_norm = saved_norm(n, hidden, keep);
    for &sequence in &piece.sequences {
        norm_sequence(
            output,
            weights.output.1,
            &attended,
            weights.output_norm,
            (options, 2),
            piece,
            sequence,
            keep.then_some(&mut output_norm),
        );
    }
    keep.then_some(PieceState {
        qkv,
        log_sums,
        context,
        attention_norm,
        inner,
        output_norm,
    })
}

fn heads(options: &LayerOptions, draw: usize, width: usize, threads: usize) -> Heads<'_> {
    Heads {
        count: options.heads,
        width,
        dropout: options.dropout[draw].as_ref(),
        length: options.packing.length(),
        threads,
    }
}

fn longest(piece: &Piece) -> usize {
    piece.sequences.iter().map(|s| s.tokens).max().unwrap_or(0)
}

fn saved_norm(n: usize, hidden: usize, keep: bool) -> (Vec<f32>, Vec<f32>) {
    if keep {
        (vec![0.0; n * hidden], vec![0.0; n])
    } else {
        (Vec::new(), Vec::new())
    }
}

/// The rows of a sequence in a piece, and where its mask of dropout begins.
fn masked<'a>(
    (options, draw): (&'a LayerOptions, usize),
    sequence: super::packing::Sequence,
) -> Masked<'a> {
    Masked {
        dropout: options.dropout[draw].as_ref(),
        row: options.packing.padded_row(sequence, 0),
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "one call site a norm, all of them plain data"
)]
fn norm_sequence(
    rows: &mut [f32],
    bias: &[f32],
    residual: &[f32],
    norm: Norm<'_>,
    draw: (&LayerOptions, usize),
    piece: &Piece,
    sequence: super::packing::Sequence,
    saved: Option<&mut (Vec<f32>, Vec<f32>)>,
) {
    let hidden = bias.len();
    let first = sequence.first - piece.rows.start;
    let (tokens, values) = (
        first..first + sequence.tokens,
        first * hidden..(first + sequence.tokens) * hidden,
    );
    rows::residual_norm(
        &mut rows[values.clone()],
        Some(bias),
        masked(draw, sequence),
        &residual[values.clone()],
        norm,
        saved.map(|(normalised, inverse)| (&mut normalised[values], &mut inverse[tokens])),
    );
}

/// Gradients of a layer.
pub(super) struct Gradients {
    /// Of the input, `[tokens, hidden]`.
    pub input: Vec<f32>,
    /// In the order of [`Weights::from_slices`].
    pub parameters: [Vec<f32>; PARAMETERS],
}

/// What the gradients of a piece's weights are products of, besides what the forward pass kept.
struct PieceGradients {
    qkv: Vec<f32>,
    projected: Vec<f32>,
    attended: Vec<f32>,
    inner: Vec<f32>,
    activated: Vec<f32>,
    out: Vec<f32>,
    /// Biases and norms, by their place among the parameters.
    vectors: Vec<(usize, Vec<f32>)>,
}

/// From the gradient of the output `[tokens, hidden]` to those of the input and the parameters.
pub(super) fn backward(
    mut gradient: Vec<f32>,
    input: &[f32],
    weights: Weights<'_>,
    options: &LayerOptions,
    state: State,
) -> Gradients {
    let (hidden, wide) = (weights.hidden(), weights.inner());
    let threads = rayon::current_num_threads();
    let share = (threads / state.pieces.len().max(1)).max(1);
    let (pieces, states): (Vec<Piece>, Vec<PieceState>) = state.pieces.into_iter().unzip();
    let work = split_rows(&mut gradient, pieces, hidden);
    let done: Vec<(Piece, PieceState, PieceGradients)> = work
        .into_par_iter()
        .zip(states)
        .with_max_len(1)
        .map(|((piece, rows), mut state)| {
            let gradients = backward_piece(rows, weights, options, &piece, &mut state, share);
            (piece, state, gradients)
        })
        .collect();

    let mut parameters: [Vec<f32>; PARAMETERS] = std::array::from_fn(|_| Vec::new());
    for (_, _, gradients) in &done {
        for (at, vector) in &gradients.vectors {
            let sum = &mut parameters[*at];
            if sum.is_empty() {
                sum.clone_from(vector);
            } else {
                sum.iter_mut().zip(vector).for_each(|(sum, v)| *sum += v);
            }
        }
    }
    // Of each weight: its place, its columns, and for a piece the gradients of its outputs (rows so
    // wide, from that column on) and its inputs.
    type Factors<'a> = (&'a [f32], usize, usize, &'a [f32]);
    type Factor<'a> = Box<dyn Fn(usize) -> Factors<'a> + Sync + 'a>;
    let of_piece = |piece: &Piece| &input[piece.rows.start * hidden..piece.rows.end * hidden];
    let done = &done;
    let mut matrices: Vec<(usize, usize, usize, Factor<'_>)> = (0..3)
        .map(|part| -> (usize, usize, usize, Factor<'_>) {
            let factors = move |at: usize| {
                let (piece, _, g) = &done[at];
                (&g.qkv[..], 3 * hidden, part * hidden, of_piece(piece))
            };
            (2 * part, hidden, hidden, Box::new(factors))
        })
        .collect();
    matrices.push((
        6,
        hidden,
        hidden,
        Box::new(|at| {
            let (_, state, g) = &done[at];
            (&g.projected, hidden, 0, &state.context)
        }),
    ));
    matrices.push((
        10,
        wide,
        hidden,
        Box::new(|at| {
            let g = &done[at].2;
            (&g.inner, wide, 0, &g.attended)
        }),
    ));
    matrices.push((
        12,
        hidden,
        wide,
        Box::new(|at| {
            let g = &done[at].2;
            (&g.out, hidden, 0, &g.activated)
        }),
    ));
    for (at, outputs, inputs, _) in &matrices {
        parameters[*at] = vec![0.0; outputs * inputs];
    }
    let mut blocks = Vec::new();
    let mut slots: Vec<Option<&mut Vec<f32>>> = parameters.iter_mut().map(Some).collect();
    for (at, outputs, inputs, factors) in &matrices {
        let Some(parameter) = slots[*at].take() else {
            continue;
        };
        let rows = outputs.div_ceil(outputs.div_ceil(BLOCK_ROWS));
        for (number, block) in parameter.chunks_mut(rows * inputs).enumerate() {
            blocks.push((block, number * rows, *inputs, factors));
        }
    }
    blocks
        .into_par_iter()
        .with_max_len(1)
        .for_each(|(block, first, inputs, factors)| {
            let outputs = block.len() / inputs;
            for (at, (piece, _, _)) in done.iter().enumerate() {
                let (gradients, stride, column, rows) = factors(at);
                let product = Product::new(outputs, inputs, piece.rows.len());
                let product = if at > 0 {
                    product.accumulating()
                } else {
                    product
                };
                product.run(
                    (block, View::rows(inputs)),
                    (gradients, View::part(column + first, stride).transposed()),
                    (rows, View::rows(inputs)),
                );
            }
        });
    Gradients {
        input: gradient,
        parameters,
    }
}

/// Rows of a weight whose gradient one task computes.
const BLOCK_ROWS: usize = 128;

/// Turns the gradient of a piece's output in `rows` into that of its input.
fn backward_piece(
    rows: &mut [f32],
    weights: Weights<'_>,
    options: &LayerOptions,
    piece: &Piece,
    state: &mut PieceState,
    threads: usize,
) -> PieceGradients {
    let (hidden, wide) = (weights.hidden(), weights.inner());
    let n = piece.rows.len();
    let product = |outputs, inputs| Product::new(n, inputs, outputs).on(threads);
    let mut vectors = Vec::with_capacity(10);
    let mut sums = |at: usize, rows: &[f32], width: usize| {
        let mut sums = vec![0.0; width];
        rows::add_column_sums(&mut sums, rows);
        vectors.push((at, sums));
    };

    let (mut norm_weight, mut norm_bias) = (vec![0.0; hidden], vec![0.0; hidden]);
    let mut out = vec![0.0; n * hidden];
    for &sequence in &piece.sequences {
        norm_backward(
            rows,
            &state.output_norm,
            weights.output_norm,
            (options, 2),
            piece,
            sequence,
            &mut out,
            [&mut norm_weight, &mut norm_bias],
        );
    }
    state.output_norm = (Vec::new(), Vec::new());
    let output_norm = [(14, norm_weight), (15, norm_bias)];
    sums(13, &out, hidden);

    let mut inner = vec![0.0; n * wide];
    product(hidden, wide).run(
        (&mut inner, View::rows(wide)),
        (&out, View::rows(hidden)),
        (weights.output.0, View::rows(wide)),
    );
    let mut activated = vec![0.0; n * wide];
    rows::gelu_backward(&state.inner, &mut inner, &mut activated);
    state.inner = Vec::new();
    sums(11, &inner, wide);
    product(wide, hidden).accumulating().run(
        (rows, View::rows(hidden)),
        (&inner, View::rows(wide)),
        (weights.intermediate.0, View::rows(hidden)),
    );
    let mut attended = vec![0.0; n * hidden];
    rows::scale_shift(
        &state.attention_norm.0,
        weights.attention_norm,
        &mut attended,
    );

    let (mut norm_weight, mut norm_bias) = (vec![0.0; hidden], vec![0.0; hidden]);
    let mut projected = vec![0.0; n * hidden];
    for &sequence in &piece.sequences {
        norm_backward(
            rows,
            &state.attention_norm,
            weights.attention_norm,
            (options, 1),
            piece,
            sequence,
            &mut projected,
            [&mut norm_weight, &mut norm_bias],
        );
    }
    state.attention_norm = (Vec::new(), Vec::new());
    sums(7, &projected, hidden);

    let mut context = vec![0.0; n * hidden];
    product(hidden, hidden).run(
        (&mut context, View::rows(hidden)),
        (&projected, View::rows(hidden)),
        (weights.projection.0, View::rows(hidden)),
    );
    let mut qkv = vec![0.0; n * 3 * hidden];
    let longest = longest(piece);
    let mut scratch = vec![0.0; 2 * longest * longest];
    let heads = heads(options, 0, hidden, threads);
    for &sequence in &piece.sequences {
        let first = sequence.first - piece.rows.start;
        let sums = first * options.heads..(first + sequence.tokens) * options.heads;
        let saved = attention::Saved {
            qkv: &state.qkv,
            context: &state.context,
            log_sums: &state.log_sums[sums],
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
    let mut biases = vec![0.0; 3 * hidden];
    rows::add_column_sums(&mut biases, &qkv);
    for (part, (weight, _)) in weights.qkv.into_iter().enumerate() {
        product(hidden, hidden).accumulating().run(
            (rows, View::rows(hidden)),
            (&qkv, View::part(part * hidden, 3 * hidden)),
            (weight, View::rows(hidden)),
        );
        vectors.push((
            2 * part + 1,
            biases[part * hidden..(part + 1) * hidden].to_vec(),
        ));
    }
    vectors.extend(output_norm);
    vectors.extend([(8, norm_weight), (9, norm_bias)]);
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

#[expect(
    clippy::too_many_arguments,
    reason = "one call site a norm, all of them plain data"
)]
fn norm_backward(
    rows: &mut [f32],
    (normalised, inverse): &(Vec<f32>, Vec<f32>),
    norm: Norm<'_>,
    draw: (&LayerOptions, usize),
    piece: &Piece,
    sequence: super::packing::Sequence,
    dropped: &mut [f32],
    [weight, bias]: [&mut [f32]; 2],
) {
    let hidden = norm.weight.len();
    let first = sequence.first - piece.rows.start;
    let values = first * hidden..(first + sequence.tokens) * hidden;
    rows::residual_norm_backward(
        &mut rows[values.clone()],
        &normalised[values.clone()],
        &inverse[first..first + sequence.tokens],
        norm.weight,
        masked(draw, sequence),
        &mut dropped[values],
        NormGradients { weight, bias },
    );
}
