//! An encoder for inference: its weights ordered once, pieces of the batch taken through all layers.
//!
//! Sequences do not see each other, so a thread takes a piece of the batch from the embeddings to
//! the last layer without waiting for another, on memory of its own that is used again. What the
//! weights look like is the linear layer's business: 32-bit floats (`packed.rs`) or 8 bits
//! (`int8.rs`).

use std::cell::RefCell;
use std::fmt::Debug;
use std::sync::Arc;

use burn::backend::Flex;
use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::layer::PARAMETERS;
use super::packing::{Packing, Piece, Sequence};
use super::panels::{Panels, ROWS, Rows, WIDTH};
use super::rows::{self, Masked, Norm};
use super::simd::{self, vectorised};
use super::tensor::{on_cpu, shaped, slice};

/// Rows of activations to be written, a fixed distance apart.
pub(super) struct RowsMut<'a> {
    pub values: &'a mut [f32],
    pub stride: usize,
}

/// A linear layer made for inference.
pub(super) trait InferenceLinear: Debug + Send + Sync + Sized {
    /// From `weight` `[outputs, inputs]` and `bias` `[outputs]`.
    fn new(weight: &[f32], bias: &[f32]) -> Self;

    /// All rows of `from` through the layer, and through GELU if `gelu`, into `to`.
    fn forward(&self, from: Rows<'_>, to: RowsMut<'_>, gelu: bool);

    /// A batch of so few tokens that its rows give the threads nothing to share, if this kind of
    /// layer has a way of its own for that.
    fn forward_short(
        _encoder: &Layers<Self>,
        _rows: &[f32],
        _packing: &Packing,
    ) -> Option<Vec<f32>> {
        None
    }
}

/// A layer of the encoder.
#[derive(Debug)]
pub(super) struct Layer<L> {
    /// Query, key and value side by side, `[3·hidden, hidden]`.
    pub qkv: L,
    pub projection: L,
    pub attention_norm: [Vec<f32>; 2],
    pub intermediate: L,
    pub output: L,
    pub output_norm: [Vec<f32>; 2],
}

/// All layers, and what they have in common.
#[derive(Debug)]
pub(super) struct Layers<L> {
    pub layers: Vec<Layer<L>>,
    pub heads: usize,
    pub hidden: usize,
    pub inner: usize,
    pub eps: f32,
}

/// An encoder for inference with one kind of linear layer.
#[derive(Debug)]
pub(crate) struct InferenceEncoder<L>(Arc<Layers<L>>);

impl<L> Clone for InferenceEncoder<L> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// Parameters of a layer in the order of [`super::layer::Weights::from_slices`], heads, epsilon.
pub(crate) type LayerValues = ([FlexTensor; PARAMETERS], usize, f64);

#[expect(
    private_bounds,
    reason = "the kinds of layer are known to this folder only"
)]
impl<L: InferenceLinear> InferenceEncoder<L> {
    /// Takes the layers, from the lowest.
    pub(crate) fn new(layers: Vec<LayerValues>) -> Self {
        let (heads, eps) = layers.first().map_or((1, 0.0), |layer| (layer.1, layer.2));
        let (hidden, inner) = layers.first().map_or((0, 0), |layer| {
            (slice(&layer.0[7]).len(), slice(&layer.0[11]).len())
        });
        let layers = layers
            .par_iter()
            .map(|(parameters, _, _)| {
                let p = parameters.each_ref().map(slice);
                Layer {
                    qkv: L::new(&[p[0], p[2], p[4]].concat(), &[p[1], p[3], p[5]].concat()),
                    projection: L::new(p[6], p[7]),
                    attention_norm: [p[8].to_vec(), p[9].to_vec()],
                    intermediate: L::new(p[10], p[11]),
                    output: L::new(p[12], p[13]),
                    output_norm: [p[14].to_vec(), p[15].to_vec()],
                }
            })
            .collect();
        Self(Arc::new(Layers {
            layers,
            heads,
            hidden,
            inner,
            eps: eps as f32,
        }))
    }

    /// Packed rows `[tokens, hidden]` through all layers.
    pub(crate) fn forward(&self, rows: Tensor<2>, packing: &Packing) -> Tensor<2> {
        let shape = rows.dims();
        let rows = on_cpu(rows);
        let values = slice(&rows);
        let values = L::forward_short(&self.0, values, packing)
            .unwrap_or_else(|| self.0.forward(values, packing));
        Tensor::from_primitive::<Flex>(shaped(values, shape))
    }
}

/// Distance between rows of `width`. Rows a multiple of 2 kB apart would crowd into the same few
/// sets of the cache.
pub(super) const fn stride(width: usize) -> usize {
    if width.is_multiple_of(512) {
        width + 16
    } else {
        width
    }
}

/// Memory of a thread, used again for every piece.
#[derive(Default)]
struct Scratch {
    qkv: Vec<f32>,
    context: Vec<f32>,
    attended: Vec<f32>,
    inner: Vec<f32>,
    attention: AttentionScratch,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// The first `len` numbers of a buffer, which grows where it must; they hold anything.
fn room(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

impl<L: InferenceLinear> Layers<L> {
    fn forward(&self, rows: &[f32], packing: &Packing) -> Vec<f32> {
        let mut output = rows.to_vec();
        let mut rest = &mut output[..];
        let pieces: Vec<(Piece, &mut [f32])> = packing
            .inference_pieces(rayon::current_num_threads())
            .into_iter()
            .map(|piece| {
                let (rows, after) =
                    std::mem::take(&mut rest).split_at_mut(piece.rows.len() * self.hidden);
                rest = after;
                (piece, rows)
            })
            .collect();
        pieces
            .into_par_iter()
            .with_max_len(1)
            .for_each(|(piece, rows)| {
                // Taken out of its place, so that a task this thread picks up meanwhile has its own.
                let mut scratch = SCRATCH.take();
                for layer in &self.layers {
                    layer.forward(rows, &piece, self, &mut scratch);
                }
                SCRATCH.set(scratch);
            });
        output
    }
}

impl<L: InferenceLinear> Layer<L> {
    /// The rows of a piece, in place.
    fn forward(&self, rows: &mut [f32], piece: &Piece, common: &Layers<L>, scratch: &mut Scratch) {
        let Layers { hidden, inner, .. } = *common;
        let n = piece.rows.len();
        let dense = |values| Rows {
            values,
            stride: hidden,
        };
        let qkv_stride = stride(3 * hidden);
        let qkv = room(&mut scratch.qkv, n * qkv_stride);
        let to = RowsMut {
            values: qkv,
            stride: qkv_stride,
        };
        self.qkv.forward(dense(rows), to, false);

        let context = room(&mut scratch.context, n * hidden);
        let heads = Heads {
            count: common.heads,
            size: hidden / common.heads,
        };
        for sequence in &piece.sequences {
            let sequence = Sequence {
                first: sequence.first - piece.rows.start,
                ..*sequence
            };
            let qkv = Rows {
                values: qkv,
                stride: qkv_stride,
            };
            attention(heads, sequence, qkv, context, &mut scratch.attention);
        }

        let attended = room(&mut scratch.attended, n * hidden);
        let to = RowsMut {
            values: attended,
            stride: hidden,
        };
        self.projection.forward(dense(context), to, false);
        add_and_norm(attended, rows, &self.attention_norm, common.eps);

        let inner_stride = stride(inner);
        let inner = room(&mut scratch.inner, n * inner_stride);
        let to = RowsMut {
            values: inner,
            stride: inner_stride,
        };
        self.intermediate.forward(dense(attended), to, true);
        let from = Rows {
            values: inner,
            stride: inner_stride,
        };
        let to = RowsMut {
            values: rows,
            stride: hidden,
        };
        self.output.forward(from, to, false);
        add_and_norm(rows, attended, &self.output_norm, common.eps);
    }
}

/// `LayerNorm(rows + residual)`, in place.
pub(super) fn add_and_norm(
    rows: &mut [f32],
    residual: &[f32],
    [weight, bias]: &[Vec<f32>; 2],
    eps: f32,
) {
    let masked = Masked {
        dropout: None,
        row: 0,
    };
    let norm = Norm { weight, bias, eps };
    rows::residual_norm(rows, None, masked, residual, norm, None);
}

/// Attention heads that lie side by side.
#[derive(Clone, Copy)]
pub(super) struct Heads {
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
    let Heads { count, size } = heads;
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
        keys.fill_transposed(of(0, width + head * size), qkv.stride, [size, tokens]);
        values.fill(of(0, 2 * width + head * size), qkv.stride, [tokens, size]);
        for query in (0..tokens).step_by(ROWS) {
            let height = ROWS.min(tokens - query);
            let queries = Rows {
                values: of(query, head * size),
                stride: qkv.stride,
            };
            let part = keys.whole();
            keys.multiply(queries, height, part, None, |tile, row, panel| {
                let rows = scores.chunks_exact_mut(padded).skip(row);
                for (row, tile) in rows.zip(tile) {
                    row[panel * WIDTH..(panel + 1) * WIDTH].copy_from_slice(tile);
                }
            });
            let mut shares = [0.0; ROWS];
            vectorised(
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
            values.multiply(left, height, part, None, |tile, row, panel| {
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
    let greatest = simd::max(row);
    for value in row.iter_mut() {
        *value = simd::exp((*value - greatest) * scale);
    }
    simd::sum(
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
        if !super::super::panels::are_available() {
            return;
        }
        for (count, size, tokens, first) in [(1, 8, 1, 0), (3, 20, 13, 2), (2, 64, 45, 1)] {
            let (heads, width) = (Heads { count, size }, count * size);
            let stride = 3 * width + 5;
            let values: Vec<f32> = (0..(first + tokens) * stride)
                .map(|at| ((at * 7919 % 2003) as f32 - 1001.0) / 500.0)
                .collect();
            let mut context = vec![f32::NAN; (first + tokens) * width];
            let sequence = Sequence {
                number: 0,
                first,
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
