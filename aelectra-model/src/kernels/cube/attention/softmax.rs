//! Attention probabilities of scores `[batch, heads, length, length]`: scale, padding, softmax and
//! dropout in one pass over a row, forward and backward.

use burn::backend::{DType, TensorMetadata};
use burn::tensor::Shape;
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::Attention;
use crate::kernels::cube::noise::{Draw, factor};
use crate::kernels::cube::reduce::{Lanes, max_lanes, row_of_unit, sum_lanes};
use crate::kernels::cube::tensor::{argument, element, empty};

/// A score as the softmax takes it.
#[cube]
fn scaled<M: Int>(
    scores: &[f32],
    padding: &[M],
    start: usize,
    mask: usize,
    at: usize,
    scale: f32,
    #[comptime] padded: bool,
) -> f32 {
    let mut value = scores[start + at] * scale;
    if comptime!(padded) {
        // What the reference adds (modeling.py); a row of nothing but padding stays finite.
        value = select(padding[mask + at] != M::from_int(0), value - 10000.0, value);
    }
    value
}

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn probabilities<T: Float, M: Int>(
    scores: &[f32],
    padding: &[M],
    out: &mut [T],
    log_sums: &mut [f32],
    draw: Draw,
    scale: f32,
    length: usize,
    heads: usize,
    count: usize,
    #[comptime] padded: bool,
    #[comptime] dropped: bool,
    #[comptime] lanes: Lanes,
    #[define(T)] _factors: ElemType,
    #[define(M)] _mask: ElemType,
) {
    let row = row_of_unit(lanes);
    let real = row < count;
    let row = select(real, row, 0);
    let start = row * length;
    let mask = (row / (heads * length)) * length;
    let step = comptime!(lanes.lanes as usize);
    let first = UNIT_POS_X as usize;
    let mut greatest = f32::new(-3.0e38);
    let mut at = first;
    while at < length {
        greatest = max(
            greatest,
            scaled(scores, padding, start, mask, at, scale, padded),
        );
        at += step;
    }
    let greatest = max_lanes(greatest, lanes);
    let mut sum = 0.0f32;
    at = first;
    while at < length {
        sum += (scaled(scores, padding, start, mask, at, scale, padded) - greatest).exp();
        at += step;
    }
    let sum = sum_lanes(sum, lanes);
    if real {
        let share = 1.0f32 / sum;
        at = first;
        while at < length {
            let value = scaled(scores, padding, start, mask, at, scale, padded) - greatest;
            let mut value = value.exp() * share;
            if comptime!(dropped) {
                value *= factor(&draw, (start + at) as u32);
            }
            out[start + at] = T::cast_from(value);
            at += step;
        }
        if first == 0 {
            log_sums[row] = greatest + sum.ln();
        }
    }
}

/// Probabilities behind the dropout as factors of a type, and the logarithm of every row's sum of
/// exponentials, `[batch · heads · length]`.
pub(super) fn forward(
    scores: &CubeTensor,
    attention: &Attention,
    factors: DType,
) -> (CubeTensor, CubeTensor) {
    let [batch, heads, length, _] = scores.shape().dims();
    let count = batch * heads * length;
    let out = empty(scores, scores.shape(), factors);
    let log_sums = empty(scores, [count], DType::F32);
    let lanes = Lanes::short(&scores.client);
    let (cubes, dim) = lanes.launch(&scores.client, count);
    let padding = padding_or(attention, scores);
    probabilities::launch(
        &scores.client,
        cubes,
        dim,
        argument(scores),
        argument(&padding),
        argument(&out),
        argument(&log_sums),
        Draw::argument(attention.dropout),
        attention.scale,
        length,
        heads,
        count,
        attention.padding.is_some(),
        attention.dropout.is_some(),
        lanes,
        element(&out),
        mask_element(&padding, attention),
    );
    (out, log_sums)
}

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn probabilities_backward<T: Float, M: Int>(
    scores: &[f32],
    padding: &[M],
    log_sums: &[f32],
    gradient: &[f32],
    out: &mut [T],
    score_gradient: &mut [T],
    draw: Draw,
    scale: f32,
    length: usize,
    heads: usize,
    count: usize,
    #[comptime] padded: bool,
    #[comptime] dropped: bool,
    #[comptime] lanes: Lanes,
    #[define(T)] _factors: ElemType,
    #[define(M)] _mask: ElemType,
) {
    let row = row_of_unit(lanes);
    let real = row < count;
    let row = select(real, row, 0);
    let start = row * length;
    let mask = (row / (heads * length)) * length;
    let step = comptime!(lanes.lanes as usize);
    let log_sum = log_sums[row];
    let mut sum = 0.0f32;
    let mut at = UNIT_POS_X as usize;
    while at < length {
        let value = scaled(scores, padding, start, mask, at, scale, padded) - log_sum;
        let value = value.exp();
        let mut kept = 1.0f32;
        if comptime!(dropped) {
            kept = factor(&draw, (start + at) as u32);
        }
        sum += value * kept * gradient[start + at];
        at += step;
    }
    let sum = sum_lanes(sum, lanes);
    if real {
        at = UNIT_POS_X as usize;
        while at < length {
            let value = scaled(scores, padding, start, mask, at, scale, padded) - log_sum;
            let value = value.exp();
            let mut kept = 1.0f32;
            if comptime!(dropped) {
                kept = factor(&draw, (start + at) as u32);
            }
            out[start + at] = T::cast_from(value * kept);
            let slope = value * (kept * gradient[start + at] - sum) * scale;
            score_gradient[start + at] = T::cast_from(slope);
            at += step;
        }
    }
}

/// From the gradient of the probabilities behind the dropout: those probabilities again, and the
/// gradient of the scores before the scale, both as factors of a type.
pub(super) fn backward(
    scores: &CubeTensor,
    log_sums: &CubeTensor,
    gradient: &CubeTensor,
    attention: &Attention,
    factors: DType,
) -> (CubeTensor, CubeTensor) {
    let shape: Shape = scores.shape();
    let [batch, heads, length, _] = shape.dims();
    let count = batch * heads * length;
    let out = empty(scores, shape.clone(), factors);
    let score_gradient = empty(scores, shape, factors);
    let lanes = Lanes::short(&scores.client);
    let (cubes, dim) = lanes.launch(&scores.client, count);
    let padding = padding_or(attention, scores);
    probabilities_backward::launch(
        &scores.client,
        cubes,
        dim,
        argument(scores),
        argument(&padding),
        argument(log_sums),
        argument(gradient),
        argument(&out),
        argument(&score_gradient),
        Draw::argument(attention.dropout),
        attention.scale,
        length,
        heads,
        count,
        attention.padding.is_some(),
        attention.dropout.is_some(),
        lanes,
        element(&out),
        mask_element(&padding, attention),
    );
    (out, score_gradient)
}

/// The mask, or something in its place that the kernel does not read.
pub(super) fn padding_or(attention: &Attention, other: &CubeTensor) -> CubeTensor {
    attention.padding.clone().unwrap_or_else(|| other.clone())
}

/// The type of the mask's elements.
pub(super) fn mask_element(padding: &CubeTensor, attention: &Attention) -> ElemType {
    if attention.padding.is_some() {
        element(padding)
    } else {
        u32::elem_type_native()
    }
}
