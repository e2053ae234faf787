//! Bias and GELU over rows, and dropout of single values.

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::noise::{Draw, factor};
use super::tensor::{argument, element, elementwise, empty, vector_size};
use crate::kernels::Activation;
use crate::noise::Dropout;

/// `1 / √2` and `1 / √(2π)`.
const HALF_ROOT: f32 = std::f32::consts::FRAC_1_SQRT_2;
const DENSITY: f32 = 0.398_942_3;

#[cube]
fn cumulative<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    let scaled = x * Vector::new(HALF_ROOT);
    Vector::new(0.5f32) * (Vector::new(1.0f32) + Erf::erf(scaled))
}

/// GELU in its exact form.
#[cube]
pub(super) fn gelu<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    x * cumulative::<N>(x)
}

/// Its slope.
#[cube]
pub(super) fn slope_of_gelu<N: Size>(x: Vector<f32, N>) -> Vector<f32, N> {
    let density = (x * x * Vector::new(-0.5f32)).exp() * Vector::new(DENSITY);
    cumulative::<N>(x) + x * density
}

/// Sizes are in vectors.
#[cube(launch)]
fn bias_gelu<T: Float, N: Size>(
    rows: &[Vector<f32, N>],
    bias: &[Vector<f32, N>],
    out: &mut [Vector<T, N>],
    width: usize,
    count: usize,
    #[comptime] activated: bool,
    #[define(T)] _type: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at < count {
        let mut value = rows[at] + bias[at % width];
        if comptime!(activated) {
            value = gelu::<N>(value);
        }
        out[at] = Vector::cast_from(value);
    }
}

/// `rows + bias` through an activation, in a type.
pub(super) fn with_bias(
    rows: &CubeTensor,
    bias: &CubeTensor,
    activation: Activation,
    dtype: DType,
) -> CubeTensor {
    let [count, width] = rows.shape().dims();
    let out = empty(rows, [count, width], dtype);
    let size = vector_size(width);
    let (width, count) = (width / size, count * width / size);
    let (cubes, dim) = elementwise(&rows.client, count);
    bias_gelu::launch(
        &rows.client,
        cubes,
        dim,
        size,
        argument(rows),
        argument(bias),
        argument(&out),
        width,
        count,
        activation == Activation::Gelu,
        element(&out),
    );
    out
}

/// Sizes are in vectors.
#[cube(launch)]
fn gelu_gradient<R: Float, T: Float, N: Size>(
    gradient: &[Vector<f32, N>],
    rows: &[Vector<R, N>],
    bias: &[Vector<f32, N>],
    out: &mut [Vector<T, N>],
    width: usize,
    count: usize,
    #[define(R)] _before: ElemType,
    #[define(T)] _type: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at < count {
        let value = Vector::cast_from(rows[at]) + bias[at % width];
        out[at] = Vector::cast_from(gradient[at] * slope_of_gelu::<N>(value));
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
    let size = vector_size(width);
    let (width, count) = (width / size, count * width / size);
    let (cubes, dim) = elementwise(&rows.client, count);
    gelu_gradient::launch(
        &rows.client,
        cubes,
        dim,
        size,
        argument(gradient),
        argument(rows),
        argument(bias),
        argument(&out),
        width,
        count,
        element(rows),
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
