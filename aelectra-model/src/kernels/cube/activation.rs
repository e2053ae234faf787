//! Bias and GELU over rows, and dropout of single values.

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::noise::{Draw, factor};
use super::tensor::{argument, element, elementwise, empty};
use crate::noise::Dropout;

/// `1 / √2` and `1 / √(2π)`.
const HALF_ROOT: f32 = std::f32::consts::FRAC_1_SQRT_2;
const DENSITY: f32 = 0.398_942_3;

#[cube]
fn cumulative(x: f32) -> f32 {
    0.5f32 * (1.0f32 + Erf::erf(x * HALF_ROOT))
}

#[cube(launch)]
fn bias_gelu<T: Float>(
    rows: &[f32],
    bias: &[f32],
    out: &mut [T],
    width: usize,
    count: usize,
    #[comptime] gelu: bool,
    #[define(T)] _out: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at < count {
        let mut value = rows[at] + bias[at % width];
        if comptime!(gelu) {
            value *= cumulative(value);
        }
        out[at] = T::cast_from(value);
    }
}

/// `rows + bias`, through GELU in its exact form where `gelu`, in a type.
pub(super) fn with_bias(
    rows: &CubeTensor,
    bias: &CubeTensor,
    gelu: bool,
    dtype: DType,
) -> CubeTensor {
    let [count, width] = rows.shape().dims();
    let out = empty(rows, [count, width], dtype);
    let count = count * width;
    let (cubes, dim) = elementwise(&rows.client, count);
    bias_gelu::launch(
        &rows.client,
        cubes,
        dim,
        argument(rows),
        argument(bias),
        argument(&out),
        width,
        count,
        gelu,
        element(&out),
    );
    out
}

#[cube(launch)]
fn gelu_slope<T: Float>(
    gradient: &[f32],
    rows: &[f32],
    bias: &[f32],
    out: &mut [T],
    width: usize,
    count: usize,
    #[define(T)] _out: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at < count {
        let value = rows[at] + bias[at % width];
        let density = (value * value * -0.5f32).exp() * DENSITY;
        let slope = cumulative(value) + value * density;
        out[at] = T::cast_from(gradient[at] * slope);
    }
}

/// The gradient of `rows` in `gelu(rows + bias)`, in a type.
pub(super) fn gelu_backward(
    gradient: &CubeTensor,
    rows: &CubeTensor,
    bias: &CubeTensor,
    dtype: DType,
) -> CubeTensor {
    let [count, width] = rows.shape().dims();
    let out = empty(rows, [count, width], dtype);
    let count = count * width;
    let (cubes, dim) = elementwise(&rows.client, count);
    gelu_slope::launch(
        &rows.client,
        cubes,
        dim,
        argument(gradient),
        argument(rows),
        argument(bias),
        argument(&out),
        width,
        count,
        element(&out),
    );
    out
}

#[cube(launch)]
fn drop_values(values: &[f32], out: &mut [f32], draw: Draw, count: usize) {
    let at = ABSOLUTE_POS;
    if at < count {
        out[at] = values[at] * factor(&draw, at as u32);
    }
}

/// Values times the mask of a dropout.
pub(super) fn drop(values: &CubeTensor, dropout: Dropout) -> CubeTensor {
    let out = empty(values, values.shape(), DType::F32);
    let count = values.shape().num_elements();
    let (cubes, dim) = elementwise(&values.client, count);
    let draw = Draw::argument(Some(dropout));
    let (from, to) = (argument(values), argument(&out));
    drop_values::launch(&values.client, cubes, dim, from, to, draw, count);
    out
}
