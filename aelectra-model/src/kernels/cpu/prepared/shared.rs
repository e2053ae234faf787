//! A batch of so few tokens that threads share the columns of its products rather than the rows.

use rayon::prelude::*;

use super::attention::{AttentionScratch, Heads, attention};
use super::{Layer, Layers, PreparedLinear, RowsMut, stride};
use crate::input::SequenceLayout;
use crate::kernels::Activation;
use crate::kernels::cpu::isa::tile::Rows;
use crate::kernels::cpu::work::{sequences, tokens};

/// Tokens up to which columns are shared.
const FEW_TOKENS: usize = 64;

/// A linear layer that can be computed in parts.
pub(super) trait SharedLinear: PreparedLinear {
    /// Columns of the smallest part.
    const PANEL: usize;

    /// Some of the outputs, given as the first panel and how many, with the bias, to columns
    /// `column..` of `to`.
    fn part(
        &self,
        from: Rows<'_>,
        to: RowsMut<'_>,
        panels: (usize, usize),
        column: usize,
        activation: Activation,
    );

    /// Rows `[n, width]` times a part of the inputs, given as the first and the width: a term of the
    /// layer's output `[n, outputs]`, without the bias.
    fn term(&self, from: Rows<'_>, n: usize, inputs: (usize, usize)) -> Vec<f32>;

    /// Adds the bias to rows of outputs.
    fn add_bias(&self, rows: &mut [f32]);
}

/// All layers on few tokens; `None` where there are more, or nothing to share.
pub(super) fn forward<L: SharedLinear>(
    layers: &Layers<L>,
    rows: &[f32],
    layout: &SequenceLayout,
) -> Option<Vec<f32>> {
    let share = Share::new(layers, rayon::current_num_threads())?;
    (tokens(layout) <= FEW_TOKENS).then(|| {
        layers.layers.iter().fold(rows.to_vec(), |rows, layer| {
            forward_shared(layer, layers, &rows, layout, share)
        })
    })
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
    fn new<L: SharedLinear>(layers: &Layers<L>, threads: usize) -> Option<Self> {
        let heads = layers.heads.div_ceil(threads);
        let size = layers.hidden / layers.heads;
        let whole =
            (heads * size).is_multiple_of(L::PANEL) && layers.hidden.is_multiple_of(L::PANEL);
        (threads > 1 && layers.heads > 1 && whole).then(|| Self {
            heads,
            panels: layers.inner.div_ceil(L::PANEL).div_ceil(threads),
        })
    }
}

/// A layer on a few rows. Each thread takes some of the heads and some of the inner columns, from the
/// projections into them to its term of the projection out of them, as tensor parallelism does across
/// machines: threads meet twice in a layer, not at every product.
fn forward_shared<L: SharedLinear>(
    layer: &Layer<L>,
    common: &Layers<L>,
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
                    (part * hidden + first * size) / L::PANEL,
                    width.div_ceil(L::PANEL),
                );
                let to = RowsMut {
                    values: &mut qkv,
                    stride: qkv_stride,
                };
                layer
                    .qkv
                    .part(input, to, panels, part * width, Activation::None);
            }
            let mut context = vec![0.0; n * width];
            let mut scratch = AttentionScratch::default();
            let heads = Heads {
                arithmetic: common.arithmetic,
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
    let panels = inner.div_ceil(L::PANEL);
    let terms: Vec<Vec<f32>> = (0..panels.div_ceil(share.panels))
        .into_par_iter()
        .with_max_len(1)
        .map(|number| {
            let first = number * share.panels;
            let count = share.panels.min(panels - first);
            let width = (inner - first * L::PANEL).min(count * L::PANEL);
            let inner_stride = stride(width);
            let mut wide = vec![0.0; n * inner_stride];
            let to = RowsMut {
                values: &mut wide,
                stride: inner_stride,
            };
            layer
                .intermediate
                .part(input, to, (first, count), 0, Activation::Gelu);
            let wide = Rows {
                values: &wide,
                stride: inner_stride,
            };
            layer.output.term(wide, n, (first * L::PANEL, width))
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
