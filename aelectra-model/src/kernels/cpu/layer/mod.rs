//! A whole transformer layer on packed rows, forward and backward.
//!
//! The batch is cut into pieces of whole sequences; a thread takes a piece through the layer while
//! its activations are in the cache, with products on one thread. Only where there are fewer pieces
//! than threads do products use several. Attention probabilities and dropout's masks are computed
//! again for the gradients instead of kept.

mod backward;
mod forward;
mod op;

pub(super) use op::layer;

use super::attention::Heads;
use super::matrix::Arithmetic;
use super::rows::{LayerNorm, Masked};
use super::work::{Piece, Sequence};
use crate::input::SequenceLayout;
use crate::kernels::{LayerOptions, LayerWeights, Norm};

/// What both passes over a layer are given besides the rows.
#[derive(Clone, Copy)]
struct Layer<'a> {
    arithmetic: Arithmetic,
    weights: LayerWeights<&'a [f32]>,
    options: &'a LayerOptions,
    layout: &'a SequenceLayout,
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
    attention_norm: NormState,
    /// Before GELU, `[rows, intermediate]`.
    inner: Vec<f32>,
    output_norm: NormState,
}

/// What the gradients of a LayerNorm need.
#[derive(Debug, Default)]
struct NormState {
    /// Rows before gain and offset, `[rows, hidden]`.
    normalised: Vec<f32>,
    /// `1 / √(variance + eps)`, `[rows]`.
    inverse: Vec<f32>,
}

/// What the backward pass needs of a forward pass.
#[derive(Debug)]
struct State {
    pieces: Vec<(Piece, PieceState)>,
}

/// Which of the layer's dropouts.
#[derive(Clone, Copy)]
enum Draw {
    Probabilities = 0,
    Projection = 1,
    Output = 2,
}

impl<'a> Layer<'a> {
    const fn hidden(&self) -> usize {
        self.weights.projection.bias.len()
    }

    const fn inner(&self) -> usize {
        self.weights.intermediate.bias.len()
    }

    fn norm(&self, norm: Norm<&'a [f32]>) -> LayerNorm<'a> {
        LayerNorm::new(norm, self.options.eps)
    }

    fn heads(&self, threads: usize) -> Heads {
        Heads {
            arithmetic: self.arithmetic,
            count: self.options.heads,
            width: self.hidden(),
            stride: 3 * self.hidden(),
            dropout: self.options.dropout[Draw::Probabilities as usize],
            length: self.layout.dims()[1],
            threads,
        }
    }

    /// The mask of a sequence's rows.
    fn masked(&self, draw: Draw, sequence: Sequence) -> Masked {
        Masked {
            dropout: self.options.dropout[draw as usize],
            row: sequence.padded,
        }
    }
}

fn longest(piece: &Piece) -> usize {
    piece.sequences.iter().map(|s| s.tokens).max().unwrap_or(0)
}
