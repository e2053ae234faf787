//! Inference with 32-bit weights in panels.

use rayon::prelude::*;

use super::attention::{AttentionScratch, Heads, attention};
use super::{Layer, Layers, PreparedLinear, RowsMut, stride};
use crate::input::SequenceLayout;
use crate::kernels::Dense;
use crate::kernels::cpu::isa::Isa;
use crate::kernels::cpu::isa::tile::{Rows, WIDTH};
use crate::kernels::cpu::panels::{Panels, Part};
use crate::kernels::cpu::work::{sequences, tokens};
use crate::kernels::cpu::{math, rows};

/// Tokens up to which threads share the columns of a product rather than the rows.
const FEW_TOKENS: usize = 64;

/// A linear layer whose weight is in panels.
#[derive(Debug)]
pub(super) struct LinearF32 {
    isa: Isa,
    weight: Panels,
    /// Padded with zeros to whole panels.
    bias: Vec<[f32; WIDTH]>,
}

impl LinearF32 {
    pub(super) fn new(isa: Isa, Dense { weight, bias }: Dense<&[f32]>) -> Self {
        let (outputs, inputs) = (bias.len(), weight.len() / bias.len());
        let mut padded = vec![[0.0; WIDTH]; outputs.div_ceil(WIDTH)];
        padded.as_flattened_mut()[..outputs].copy_from_slice(bias);
        Self {
            isa,
            weight: Panels::transposed(isa, weight, outputs, inputs),
            bias: padded,
        }
    }
}

impl PreparedLinear for LinearF32 {
    fn forward(&self, from: Rows<'_>, to: RowsMut<'_>, gelu: bool) {
        self.part(from, to, self.weight.whole(), 0, gelu);
    }

    fn forward_short(
        layers: &Layers<Self>,
        rows: &[f32],
        layout: &SequenceLayout,
    ) -> Option<Vec<f32>> {
        let threads = rayon::current_num_threads();
        let share = Share::new(layers, threads)?;
        (tokens(layout) <= FEW_TOKENS).then(|| {
            layers.layers.iter().fold(rows.to_vec(), |rows, layer| {
                forward_shared(layer, layers, &rows, layout, share)
            })
        })
    }
}

impl LinearF32 {
    /// A part of the outputs, with the bias, to columns `column..` of `to`.
    fn part(&self, from: Rows<'_>, to: RowsMut<'_>, part: Part, column: usize, gelu: bool) {
        let RowsMut {
            values: result,
            stride,
        } = to;
        let n = result.len() / stride;
        let width = self.weight.columns();
        let first = part.panels.0;
        let start = Some(&self.bias[..]);
        self.weight
            .multiply(self.isa, (from, n), part, start, |tile, row, panel| {
                if gelu {
                    gelu_in_place(self.isa, tile);
                }
                let columns = WIDTH.min(width - panel * WIDTH);
                let at = column + (panel - first) * WIDTH;
                let rows = result[row * stride..].chunks_mut(stride);
                for (to, tile) in rows.zip(tile) {
                    copy(tile, &mut to[at..at + columns]);
                }
            });
    }

    /// Rows `[n, inputs of the part]` times a part of the inputs: a term of the layer's output
    /// `[n, outputs]`, without the bias.
    fn term(&self, rows: Rows<'_>, n: usize, inputs: (usize, usize)) -> Vec<f32> {
        let width = self.weight.columns();
        let part = Part {
            rows: inputs,
            ..self.weight.whole()
        };
        let mut term = vec![0.0; n * width];
        self.weight
            .multiply(self.isa, (rows, n), part, None, |tile, row, panel| {
                let columns = panel * WIDTH..width.min((panel + 1) * WIDTH);
                let to = term[row * width..].chunks_mut(width);
                for (to, tile) in to.zip(tile) {
                    copy(tile, &mut to[columns.clone()]);
                }
            });
        term
    }

    fn add_bias(&self, rows: &mut [f32]) {
        rows::add_bias(
            self.isa,
            rows,
            &self.bias.as_flattened()[..self.weight.columns()],
        );
    }
}

/// A row of a tile to its place, or as much of it as there is.
#[inline(always)]
fn copy(tile: &[f32; WIDTH], to: &mut [f32]) {
    // A whole row is two vectors; a copy of any length would be a call.
    if let Some(to) = to.as_mut_array() {
        *to = *tile;
    } else {
        to.copy_from_slice(&tile[..to.len()]);
    }
}

fn gelu_in_place(isa: Isa, rows: &mut [[f32; WIDTH]]) {
    isa.run(
        #[inline(always)]
        || {
            for value in rows.as_flattened_mut() {
                *value = math::gelu(*value);
            }
        },
    );
}

/// How the columns of a layer are shared out: so many heads, and so many panels of the feed-forward
/// block's inner columns, to each of the threads.
#[derive(Clone, Copy)]
struct Share {
    heads: usize,
    panels: usize,
}

impl Share {
    /// `None` where the shares of the heads would not be whole panels, or there is nothing to share.
    fn new(layers: &Layers<LinearF32>, threads: usize) -> Option<Self> {
        let heads = layers.heads.div_ceil(threads);
        let size = layers.hidden / layers.heads;
        let whole = (heads * size).is_multiple_of(WIDTH) && layers.hidden.is_multiple_of(WIDTH);
        (threads > 1 && layers.heads > 1 && whole).then(|| Self {
            heads,
            panels: layers.inner.div_ceil(WIDTH).div_ceil(threads),
        })
    }
}

/// A layer on a few rows. Each thread takes some of the heads and some of the inner columns, from the
/// projections into them to its term of the projection out of them, as tensor parallelism does across
/// machines: threads meet twice in a layer, not at every product.
fn forward_shared(
    layer: &Layer<LinearF32>,
    common: &Layers<LinearF32>,
    rows: &[f32],
    layout: &SequenceLayout,
    share: Share,
) -> Vec<f32> {
    let Layers { hidden, inner, .. } = *common;
    let n = tokens(layout);
    let size = hidden / common.heads;
    let input = Rows {
        values: rows,
        stride: hidden,
    };
    let terms: Vec<Vec<f32>> = (0..common.heads.div_ceil(share.heads))
        .into_par_iter()
        .with_max_len(1)
        .map(|number| {
            let first = number * share.heads;
            let count = share.heads.min(common.heads - first);
            let width = count * size;
            let qkv_stride = stride(3 * width);
            let mut qkv = vec![0.0; n * qkv_stride];
            for part in 0..3 {
                let panels = (
                    (part * hidden + first * size) / WIDTH,
                    width.div_ceil(WIDTH),
                );
                let part_of = Part {
                    panels,
                    ..layer.qkv.weight.whole()
                };
                let to = RowsMut {
                    values: &mut qkv,
                    stride: qkv_stride,
                };
                layer.qkv.part(input, to, part_of, part * width, false);
            }
            let mut context = vec![0.0; n * width];
            let mut scratch = AttentionScratch::default();
            let heads = Heads {
                isa: common.isa,
                count,
                size,
            };
            for sequence in sequences(layout) {
                let qkv = Rows {
                    values: &qkv,
                    stride: qkv_stride,
                };
                attention(heads, sequence, qkv, &mut context, &mut scratch);
            }
            let context = Rows {
                values: &context,
                stride: width,
            };
            layer.projection.term(context, n, (first * size, width))
        })
        .collect();
    let mut attended = sum(terms);
    layer.projection.add_bias(&mut attended);
    common.add_and_norm(&mut attended, rows, &layer.attention_norm);

    let input = Rows {
        values: &attended,
        stride: hidden,
    };
    let panels = inner.div_ceil(WIDTH);
    let terms: Vec<Vec<f32>> = (0..panels.div_ceil(share.panels))
        .into_par_iter()
        .with_max_len(1)
        .map(|number| {
            let first = number * share.panels;
            let count = share.panels.min(panels - first);
            let width = (inner - first * WIDTH).min(count * WIDTH);
            let inner_stride = stride(width);
            let mut wide = vec![0.0; n * inner_stride];
            let part = Part {
                panels: (first, count),
                ..layer.intermediate.weight.whole()
            };
            let to = RowsMut {
                values: &mut wide,
                stride: inner_stride,
            };
            layer.intermediate.part(input, to, part, 0, true);
            let wide = Rows {
                values: &wide,
                stride: inner_stride,
            };
            layer.output.term(wide, n, (first * WIDTH, width))
        })
        .collect();
    let mut output = sum(terms);
    layer.output.add_bias(&mut output);
    common.add_and_norm(&mut output, &attended, &layer.output_norm);
    output
}

/// The sum of terms of the same size.
fn sum(terms: Vec<Vec<f32>>) -> Vec<f32> {
    let mut terms = terms.into_iter();
    let mut sum = terms.next().unwrap_or_default();
    for term in terms {
        sum.iter_mut()
            .zip(term)
            .for_each(|(sum, term)| *sum += term);
    }
    sum
}
