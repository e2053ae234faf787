//! LayerNorm over rows, with what comes before it in a layer: bias, dropout, residual.

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::noise::{Draw, factor};
use super::reduce::{Lanes, row_of_unit, sum_lanes};
use super::sums::norm_sums;
use super::tensor::{argument, element, empty};
use crate::kernels::Norm;
use crate::noise::Dropout;

/// What precedes the normalisation: `dropout(rows + bias) + residual`.
pub(super) struct Before {
    pub bias: CubeTensor,
    pub residual: CubeTensor,
    pub dropout: Option<Dropout>,
}

/// A normalised tensor and what its gradients need.
pub(super) struct Normed {
    /// `[n, width]`.
    pub output: CubeTensor,
    /// The same as a factor of products.
    pub factor: CubeTensor,
    pub state: NormState,
}

/// What the gradients of a LayerNorm need.
#[derive(Clone, Debug)]
pub(super) struct NormState {
    /// Rows before gain and offset, `[n, width]`.
    normalised: CubeTensor,
    /// `1 / √(variance + eps)`, `[n]`.
    inverse: CubeTensor,
}

/// Gradients of [`forward`].
pub(super) struct NormGradients {
    /// Of the rows and of the residual, before dropout: `[n, width]`.
    pub rows: CubeTensor,
    /// Of the rows behind the dropout, as factors of a product; the same as `rows` without one.
    pub dropped: CubeTensor,
    /// Of the gain, the offset, and the bias before: `[width]`.
    pub parameters: [CubeTensor; 3],
}

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn normalise<T: Float>(
    rows: &[f32],
    bias: &[f32],
    residual: &[f32],
    gain: &[f32],
    offset: &[f32],
    output: &mut [f32],
    rounded: &mut [T],
    normalised: &mut [f32],
    inverse: &mut [f32],
    draw: Draw,
    width: usize,
    count: usize,
    eps: f32,
    #[comptime] before: bool,
    #[comptime] dropped: bool,
    #[comptime] rounds: bool,
    #[comptime] lanes: Lanes,
    #[define(T)] _factors: ElemType,
) {
    let row = row_of_unit(lanes);
    let real = row < count;
    let start = select(real, row, 0) * width;
    let step = comptime!(lanes.lanes as usize);
    // Two passes over the row: the mean first, then the deviations from it, whose sum of squares
    // does not cancel.
    let mut sum = 0.0f32;
    let mut at = UNIT_POS_X as usize;
    while at < width {
        let mut value = rows[start + at];
        if comptime!(before) {
            value += bias[at];
            if comptime!(dropped) {
                value *= factor(&draw, (start + at) as u32);
            }
            value += residual[start + at];
        }
        sum += value;
        if real {
            output[start + at] = value;
        }
        at += step;
    }
    let mean = sum_lanes(sum, lanes) / f32::cast_from(width as u32);
    let mut squares = 0.0f32;
    at = UNIT_POS_X as usize;
    while at < width {
        let deviation = output[start + at] - mean;
        squares += deviation * deviation;
        at += step;
    }
    let variance = sum_lanes(squares, lanes) / f32::cast_from(width as u32);
    let scale = 1.0f32 / (variance + eps).sqrt();
    if real {
        at = UNIT_POS_X as usize;
        while at < width {
            let value = (output[start + at] - mean) * scale;
            normalised[start + at] = value;
            let value = value * gain[at] + offset[at];
            output[start + at] = value;
            if comptime!(rounds) {
                rounded[start + at] = T::cast_from(value);
            }
            at += step;
        }
        if UNIT_POS_X == 0 {
            inverse[row] = scale;
        }
    }
}

/// `LayerNorm(dropout(rows + bias) + residual)` of `[n, width]`, or of `rows` alone; `factors` is the type of
/// [`Normed::factor`].
pub(super) fn forward(
    rows: &CubeTensor,
    before: Option<Before>,
    norm: Norm<&CubeTensor>,
    eps: f64,
    factors: DType,
) -> Normed {
    let [count, width] = rows.shape().dims();
    let output = empty(rows, [count, width], DType::F32);
    let normalised = empty(rows, [count, width], DType::F32);
    let inverse = empty(rows, [count], DType::F32);
    let rounds = factors != DType::F32;
    // What the kernel does not write where nothing is rounded.
    let rounded = empty(rows, if rounds { [count, width] } else { [1, 1] }, factors);
    let lanes = Lanes::short(&rows.client);
    let (cubes, dim) = lanes.launch(&rows.client, count);
    let has_before = before.is_some();
    let dropout = before.as_ref().and_then(|before| before.dropout);
    // What the kernel does not read where there is nothing before.
    let (bias, residual) = before.map_or_else(
        || (norm.bias.clone(), rows.clone()),
        |before| (before.bias, before.residual),
    );
    normalise::launch(
        &rows.client,
        cubes,
        dim,
        argument(rows),
        argument(&bias),
        argument(&residual),
        argument(norm.weight),
        argument(norm.bias),
        argument(&output),
        argument(&rounded),
        argument(&normalised),
        argument(&inverse),
        Draw::argument(dropout),
        width,
        count,
        eps as f32,
        has_before,
        dropout.is_some(),
        rounds,
        lanes,
        element(&rounded),
    );
    let state = NormState {
        normalised,
        inverse,
    };
    let factor = if rounds { rounded } else { output.clone() };
    Normed {
        output,
        factor,
        state,
    }
}

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn normalise_backward<T: Float>(
    gradient: &[f32],
    normalised: &[f32],
    inverse: &[f32],
    gain: &[f32],
    rows: &mut [f32],
    dropped: &mut [T],
    draw: Draw,
    width: usize,
    count: usize,
    #[comptime] drops: bool,
    #[comptime] lanes: Lanes,
    #[define(T)] _factors: ElemType,
) {
    let row = row_of_unit(lanes);
    let real = row < count;
    let row = select(real, row, 0);
    let start = row * width;
    let step = comptime!(lanes.lanes as usize);
    let mut sum = 0.0f32;
    let mut products = 0.0f32;
    let mut at = UNIT_POS_X as usize;
    while at < width {
        let value = gradient[start + at] * gain[at];
        sum += value;
        products += value * normalised[start + at];
        at += step;
    }
    let mean = sum_lanes(sum, lanes) / f32::cast_from(width as u32);
    let product = sum_lanes(products, lanes) / f32::cast_from(width as u32);
    if real {
        let scale = inverse[row];
        at = UNIT_POS_X as usize;
        while at < width {
            let value = gradient[start + at] * gain[at];
            let value = (value - mean - normalised[start + at] * product) * scale;
            rows[start + at] = value;
            let mut kept = value;
            if comptime!(drops) {
                kept *= factor(&draw, (start + at) as u32);
            }
            dropped[start + at] = T::cast_from(kept);
            at += step;
        }
    }
}

/// Gradients of [`forward`] from that of its output, `[n, width]`; `factors` is the type of
/// [`NormGradients::dropped`].
pub(super) fn backward(
    gradient: &CubeTensor,
    state: &NormState,
    gain: &CubeTensor,
    dropout: Option<Dropout>,
    factors: DType,
) -> NormGradients {
    let [count, width] = gradient.shape().dims();
    let rows = empty(gradient, [count, width], DType::F32);
    let dropped = empty(gradient, [count, width], factors);
    let client = &gradient.client;
    let lanes = Lanes::short(client);
    let (cubes, dim) = lanes.launch(client, count);
    normalise_backward::launch(
        client,
        cubes,
        dim,
        argument(gradient),
        argument(&state.normalised),
        argument(&state.inverse),
        argument(gain),
        argument(&rows),
        argument(&dropped),
        Draw::argument(dropout),
        width,
        count,
        dropout.is_some(),
        lanes,
        element(&dropped),
    );
    let parameters = norm_sums(gradient, &state.normalised, &dropped);
    NormGradients {
        rows,
        dropped,
        parameters,
    }
}
