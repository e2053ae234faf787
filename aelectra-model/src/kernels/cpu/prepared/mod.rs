//! Layers for inference: their weights ordered once, pieces of the batch taken through all of them.
//!
//! Sequences do not see each other, so a thread takes a piece of the batch from the embeddings to
//! the last layer without waiting for another, on memory of its own that is used again. What the
//! weights look like is the linear layer's business: 32-bit floats (`linear_f32.rs`), 16-bit
//! brain floats (`linear_bf16.rs`) or 8 bits (`linear_int8.rs`).

mod attention;
mod linear_bf16;
mod linear_f32;
mod linear_int8;
mod shared;

use std::cell::RefCell;
use std::fmt::Debug;

use burn::backend::Flex;
use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use attention::{AttentionScratch, Heads, attention};
use linear_bf16::LinearBf16;
use linear_f32::LinearF32;
use linear_int8::LinearInt8;

use super::isa::Isa;
use super::isa::tile::Rows;
use super::matrix::Arithmetic;
use super::rows::{self, LayerNorm, Masked};
use super::tensor::{on_cpu, shaped, slice};
use super::work::{Piece, Sequence, inference_pieces, split_rows};
use crate::error::Result;
use crate::input::SequenceLayout;
use crate::kernels::{
    Activation, Dense, LayerOptions, LayerWeights, Norm, PreparedEncoder, unavailable,
};
use crate::precision::Precision;

/// As [`crate::kernels::Kernels::prepare`].
pub(super) fn prepare(
    isa: Isa,
    layers: Vec<LayerWeights<Tensor<2>, Tensor<1>>>,
    options: LayerOptions,
    precision: Precision,
) -> Result<Box<dyn PreparedEncoder>> {
    let layers: Vec<LayerWeights<FlexTensor>> = layers
        .into_iter()
        .map(|layer| layer.map(on_cpu, on_cpu))
        .collect();
    let brain = precision == Precision::Bf16;
    let arithmetic = Arithmetic { isa, brain };
    match precision {
        Precision::F32 => Ok(Box::new(Layers::new(
            arithmetic,
            &layers,
            options,
            |dense| LinearF32::new(isa, dense),
        ))),
        Precision::Bf16 => Ok(match isa.bf16() {
            Some(bf16) => Box::new(Layers::new(arithmetic, &layers, options, |dense| {
                LinearBf16::new(isa, bf16, dense)
            })),
            None => Box::new(Layers::new(arithmetic, &layers, options, |dense| {
                LinearF32::of_brain_floats(isa, dense)
            })),
        }),
        Precision::Int8 => {
            let int8 = isa.int8().ok_or_else(|| {
                unavailable(precision, "AVX-512 VNNI, which this processor lacks")
            })?;
            Ok(Box::new(Layers::new(
                arithmetic,
                &layers,
                options,
                |dense| LinearInt8::new(isa, int8, dense),
            )))
        }
    }
}

/// As [`crate::kernels::Kernels::precisions`].
pub(super) fn precisions(isa: Isa) -> Vec<(Precision, &'static str)> {
    let brain = super::brain::way(isa);
    let mut found = vec![(Precision::F32, isa.name()), (Precision::Bf16, brain)];
    found.extend(isa.int8().map(|int8| (Precision::Int8, int8.name())));
    found
}

/// Rows of activations to be written, a fixed distance apart.
struct RowsMut<'a> {
    values: &'a mut [f32],
    stride: usize,
}

/// A linear layer made for inference.
trait PreparedLinear: Debug + Send + Sync + Sized {
    /// All rows of `from` through the layer and the activation, into `to`.
    fn forward(&self, from: Rows<'_>, to: RowsMut<'_>, activation: Activation);

    /// A batch of so few tokens that its rows give the threads nothing to share, if this kind of
    /// layer has a way of its own for that.
    fn forward_short(
        _layers: &Layers<Self>,
        _rows: &[f32],
        _layout: &SequenceLayout,
    ) -> Option<Vec<f32>> {
        None
    }
}

/// One of the layers.
#[derive(Debug)]
struct Layer<L> {
    /// Query, key and value side by side, `[3·hidden, hidden]`.
    qkv: L,
    projection: L,
    attention_norm: Norm<Vec<f32>>,
    intermediate: L,
    output: L,
    output_norm: Norm<Vec<f32>>,
}

/// All layers, and what they have in common.
#[derive(Debug)]
struct Layers<L> {
    arithmetic: Arithmetic,
    layers: Vec<Layer<L>>,
    heads: usize,
    hidden: usize,
    inner: usize,
    eps: f64,
}

impl<L: PreparedLinear> Layers<L> {
    fn new(
        arithmetic: Arithmetic,
        layers: &[LayerWeights<FlexTensor>],
        options: LayerOptions,
        linear: impl Fn(Dense<&[f32]>) -> L + Sync,
    ) -> Self {
        let width = |of: fn(&LayerWeights<FlexTensor>) -> &FlexTensor| {
            layers.first().map_or(0, |layer| slice(of(layer)).len())
        };
        let norm = |norm: Norm<&[f32]>| Norm {
            weight: norm.weight.to_vec(),
            bias: norm.bias.to_vec(),
        };
        Self {
            arithmetic,
            heads: options.heads,
            eps: options.eps,
            hidden: width(|layer| &layer.projection.bias),
            inner: width(|layer| &layer.intermediate.bias),
            layers: layers
                .par_iter()
                .map(|layer| {
                    let layer = layer.as_ref().map(slice, slice);
                    let parts = [layer.query, layer.key, layer.value];
                    Layer {
                        qkv: linear(Dense {
                            weight: &parts.map(|part| part.weight).concat(),
                            bias: &parts.map(|part| part.bias).concat(),
                        }),
                        projection: linear(layer.projection),
                        attention_norm: norm(layer.attention_norm),
                        intermediate: linear(layer.intermediate),
                        output: linear(layer.output),
                        output_norm: norm(layer.output_norm),
                    }
                })
                .collect(),
        }
    }

    /// `LayerNorm(rows + residual)`, in place.
    fn add_and_norm(&self, rows: &mut [f32], residual: &[f32], norm: &Norm<Vec<f32>>) {
        let norm = Norm {
            weight: &norm.weight[..],
            bias: &norm.bias,
        };
        let (masked, norm) = (Masked::default(), LayerNorm::new(norm, self.eps));
        rows::residual_norm(
            self.arithmetic.isa,
            rows,
            None,
            masked,
            residual,
            norm,
            None,
        );
    }
}

impl<L: PreparedLinear> PreparedEncoder for Layers<L> {
    fn forward(&self, rows: Tensor<2>, layout: &SequenceLayout) -> Tensor<2> {
        let shape = rows.dims();
        let rows = on_cpu(rows);
        let values = slice(&rows);
        // On a thread of the pool: what is shared out from there, it need not wake up for.
        let values = rayon::scope(|_| {
            L::forward_short(self, values, layout)
                .unwrap_or_else(|| self.forward_pieces(values, layout))
        });
        Tensor::from_primitive::<Flex>(shaped(values, shape))
    }
}

/// Distance between rows of `width`. Rows a multiple of 2 kB apart would crowd into the same few
/// sets of the cache.
const fn stride(width: usize) -> usize {
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

impl<L: PreparedLinear> Layers<L> {
    fn forward_pieces(&self, rows: &[f32], layout: &SequenceLayout) -> Vec<f32> {
        let mut output = rows.to_vec();
        let pieces = inference_pieces(layout, rayon::current_num_threads());
        split_rows(&mut output, pieces, self.hidden)
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

impl<L: PreparedLinear> Layer<L> {
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
        self.qkv.forward(dense(rows), to, Activation::None);

        let context = room(&mut scratch.context, n * hidden);
        let heads = Heads {
            arithmetic: common.arithmetic,
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
        self.projection
            .forward(dense(context), to, Activation::None);
        common.add_and_norm(attended, rows, &self.attention_norm);

        let inner_stride = stride(inner);
        let inner = room(&mut scratch.inner, n * inner_stride);
        let to = RowsMut {
            values: inner,
            stride: inner_stride,
        };
        self.intermediate
            .forward(dense(attended), to, Activation::Gelu);
        let from = Rows {
            values: inner,
            stride: inner_stride,
        };
        let to = RowsMut {
            values: rows,
            stride: hidden,
        };
        self.output.forward(from, to, Activation::None);
        common.add_and_norm(rows, attended, &self.output_norm);
    }
}
