//! The gradients: one kernel, which reads every row once and begins the sums of the parameters' gradients.

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::{NormGradients, NormState};
use crate::kernels::cube::noise::{Draw, factor};
use crate::kernels::cube::reduce::{Lanes, sum_lanes};
use crate::kernels::cube::sums::Totals;
use crate::kernels::cube::tensor::{argument, element, empty};
use crate::noise::Dropout;

/// What is summed over all rows: the gradients of gain, offset and bias.
const SUMS: usize = 3;
/// Cubes that keep a large card busy; with more rows than these take at once, each takes several.
const CUBES: usize = 512;

/// Each unit has the columns `UNIT_POS_X + slot · lanes` of the rows that its lane takes, and adds what they
/// give to the sums, so that rows are read once.
#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn normalise_backward<T: Float>(
    gradient: &[f32],
    normalised: &[f32],
    inverse: &[f32],
    gain: &[f32],
    rows: &mut [f32],
    dropped: &mut [T],
    partial: &mut [f32],
    draw: Draw,
    count: usize,
    turns: usize,
    #[comptime] width: usize,
    #[comptime] drops: bool,
    #[comptime] lanes: Lanes,
    #[define(T)] _factors: ElemType,
) {
    let step = comptime!(lanes.lanes as usize);
    let slots = comptime!(width.div_ceil(step));
    let (lane, line) = (UNIT_POS_X as usize, UNIT_POS_Y as usize);
    let mut gains = Array::<f32>::new(slots);
    let mut slopes = Array::<f32>::new(slots);
    let mut values = Array::<f32>::new(slots);
    let mut of_gain = Array::<f32>::new(slots);
    let mut of_offset = Array::<f32>::new(slots);
    let mut of_bias = Array::<f32>::new(slots);
    #[unroll]
    for slot in 0..slots {
        let column = slot * step + lane;
        gains[slot] = 0.0f32;
        if column < width {
            gains[slot] = gain[column];
        }
        of_gain[slot] = 0.0f32;
        of_offset[slot] = 0.0f32;
        of_bias[slot] = 0.0f32;
    }
    for turn in 0..turns {
        let row = (CUBE_POS * turns + turn) * comptime!(lanes.rows as usize) + line;
        let real = row < count;
        let mut sum = 0.0f32;
        let mut products = 0.0f32;
        #[unroll]
        for slot in 0..slots {
            let column = slot * step + lane;
            slopes[slot] = 0.0f32;
            values[slot] = 0.0f32;
            if real && column < width {
                slopes[slot] = gradient[row * width + column];
                values[slot] = normalised[row * width + column];
            }
            of_gain[slot] += slopes[slot] * values[slot];
            of_offset[slot] += slopes[slot];
            slopes[slot] *= gains[slot];
            sum += slopes[slot];
            products += slopes[slot] * values[slot];
        }
        let mean = sum_lanes(sum, lanes) / f32::cast_from(width as u32);
        let product = sum_lanes(products, lanes) / f32::cast_from(width as u32);
        if real {
            let scale = inverse[row];
            #[unroll]
            for slot in 0..slots {
                let column = slot * step + lane;
                if column < width {
                    let at = row * width + column;
                    let value = (slopes[slot] - mean - values[slot] * product) * scale;
                    rows[at] = value;
                    let mut kept = value;
                    if comptime!(drops) {
                        kept *= factor(&draw, at as u32);
                    }
                    of_bias[slot] += kept;
                    dropped[at] = T::cast_from(kept);
                }
            }
        }
    }
    let units = comptime!((lanes.lanes * lanes.rows) as usize);
    let mut shared = Shared::new_slice(SUMS * units);
    #[unroll]
    for slot in 0..slots {
        let column = slot * step + lane;
        shared[UNIT_POS as usize] = of_gain[slot];
        shared[units + UNIT_POS as usize] = of_offset[slot];
        shared[2 * units + UNIT_POS as usize] = of_bias[slot];
        sync_cube();
        let mut which = line;
        while which < SUMS {
            let mut sum = 0.0f32;
            #[unroll]
            for row in 0..comptime!(lanes.rows as usize) {
                sum += shared[which * units + row * step + lane];
            }
            if column < width {
                partial[(CUBE_POS * SUMS + which) * width + column] = sum;
            }
            which += comptime!(lanes.rows as usize);
        }
        sync_cube();
    }
}

/// Gradients of [`forward`](super::forward) from that of its output, `[n, width]`; `factors` is the type of
/// [`NormGradients::dropped`]. Those of parameters are among the sums.
pub(in crate::kernels::cube) fn backward(
    gradient: &CubeTensor,
    state: &NormState,
    gain: &CubeTensor,
    dropout: Option<Dropout>,
    factors: DType,
    sums: &mut Totals,
) -> NormGradients {
    let [count, width] = gradient.shape().dims();
    let rows = empty(gradient, [count, width], DType::F32);
    let dropped = empty(gradient, [count, width], factors);
    let client = &gradient.client;
    let lanes = Lanes::short(client);
    let turns = count.div_ceil(lanes.rows as usize * CUBES).max(1);
    let cubes = count.div_ceil(lanes.rows as usize * turns);
    let partial = empty(gradient, [cubes, SUMS * width], DType::F32);
    normalise_backward::launch(
        client,
        CubeCount::Static(cubes as u32, 1, 1),
        CubeDim::new_2d(lanes.lanes, lanes.rows),
        argument(gradient),
        argument(&state.normalised),
        argument(&state.inverse),
        argument(gain),
        argument(&rows),
        argument(&dropped),
        argument(&partial),
        Draw::argument(dropout),
        count,
        turns,
        width,
        dropout.is_some(),
        lanes,
        element(&dropped),
    );
    NormGradients {
        rows,
        dropped,
        parameters: [0, 1, 2].map(|which| sums.of_columns(&partial, which * width, width)),
    }
}
