//! The forward pass: one kernel, which also rounds what a product wants rounded.

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::{Before, NormState, Normed};
use crate::kernels::Norm;
use crate::kernels::cube::noise::{Draw, factor};
use crate::kernels::cube::reduce::{Lanes, row_of_unit, sum_lanes};
use crate::kernels::cube::tensor::{argument, element, empty};

/// Each unit keeps the columns `UNIT_POS_X + slot · lanes` of its row in registers.
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
    count: usize,
    eps: f32,
    #[comptime] width: usize,
    #[comptime] before: bool,
    #[comptime] dropped: bool,
    #[comptime] rounds: bool,
    #[comptime] lanes: Lanes,
    #[define(T)] _factors: ElemType,
) {
    let row = row_of_unit(lanes);
    let real = row < count;
    let step = comptime!(lanes.lanes as usize);
    let slots = comptime!(width.div_ceil(step));
    let lane = UNIT_POS_X as usize;
    let mut values = Array::<f32>::new(slots);
    // Two passes over the row: the mean first, then the deviations from it, whose sum of squares
    // does not cancel.
    let mut sum = 0.0f32;
    #[unroll]
    for slot in 0..slots {
        let column = slot * step + lane;
        values[slot] = 0.0f32;
        if real && column < width {
            let at = row * width + column;
            let mut value = rows[at];
            if comptime!(before) {
                value += bias[column];
                if comptime!(dropped) {
                    value *= factor(&draw, at as u32);
                }
                value += residual[at];
            }
            values[slot] = value;
        }
        sum += values[slot];
    }
    let mean = sum_lanes(sum, lanes) / f32::cast_from(width as u32);
    let mut squares = 0.0f32;
    #[unroll]
    for slot in 0..slots {
        if slot * step + lane < width {
            let deviation = values[slot] - mean;
            squares += deviation * deviation;
        }
    }
    let variance = sum_lanes(squares, lanes) / f32::cast_from(width as u32);
    let scale = 1.0f32 / (variance + eps).sqrt();
    if real {
        #[unroll]
        for slot in 0..slots {
            let column = slot * step + lane;
            if column < width {
                let at = row * width + column;
                let value = (values[slot] - mean) * scale;
                normalised[at] = value;
                let value = value * gain[column] + offset[column];
                output[at] = value;
                if comptime!(rounds) {
                    rounded[at] = T::cast_from(value);
                }
            }
        }
        if UNIT_POS_X == 0 {
            inverse[row] = scale;
        }
    }
}

/// `LayerNorm(dropout(rows + bias) + residual)` of `[n, width]`, or of `rows` alone; `factors` is the type of
/// [`Normed::factor`].
pub(in crate::kernels::cube) fn forward(
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
        count,
        eps as f32,
        width,
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
