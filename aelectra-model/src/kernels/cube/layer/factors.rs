//! A layer's weights as factors of its products, rounded in two launches.

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use crate::kernels::cube::tensor::{argument, element, elementwise, empty};
use crate::kernels::{Dense, LayerWeights};

/// Weights `[out, in]` in the type of a precision.
#[derive(Debug)]
pub(super) struct Factors {
    /// Those of query, key and value one below the other, `[3 · width, hidden]`.
    pub joined: CubeTensor,
    /// Their biases, `[3 · width]` in 32 bits.
    pub bias: CubeTensor,
    pub projection: CubeTensor,
    pub intermediate: CubeTensor,
    pub output: CubeTensor,
}

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn join_three<T: Float>(
    first: &[f32],
    second: &[f32],
    third: &[f32],
    first_bias: &[f32],
    second_bias: &[f32],
    third_bias: &[f32],
    weight: &mut [T],
    bias: &mut [f32],
    width: usize,
    count: usize,
    #[define(T)] _type: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at < count {
        weight[at] = T::cast_from(first[at]);
        weight[at + count] = T::cast_from(second[at]);
        weight[at + 2 * count] = T::cast_from(third[at]);
    }
    if at < width {
        bias[at] = first_bias[at];
        bias[at + width] = second_bias[at];
        bias[at + 2 * width] = third_bias[at];
    }
}

/// Weights and biases of three layers `[width, in]`, one below the other.
fn join(parts: [&Dense<CubeTensor>; 3], dtype: DType) -> (CubeTensor, CubeTensor) {
    let [first, second, third] = parts;
    let [width, inputs] = first.weight.shape().dims();
    let weight = empty(&first.weight, [3 * width, inputs], dtype);
    let bias = empty(&first.weight, [3 * width], DType::F32);
    let (cubes, dim) = elementwise(&weight.client, width * inputs);
    join_three::launch(
        &weight.client,
        cubes,
        dim,
        argument(&first.weight),
        argument(&second.weight),
        argument(&third.weight),
        argument(&first.bias),
        argument(&second.bias),
        argument(&third.bias),
        argument(&weight),
        argument(&bias),
        width,
        width * inputs,
        element(&weight),
    );
    (weight, bias)
}

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn round_three<T: Float>(
    first: &[f32],
    second: &[f32],
    third: &[f32],
    first_out: &mut [T],
    second_out: &mut [T],
    third_out: &mut [T],
    first_count: usize,
    second_count: usize,
    third_count: usize,
    #[define(T)] _type: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at < first_count {
        first_out[at] = T::cast_from(first[at]);
    }
    if at < second_count {
        second_out[at] = T::cast_from(second[at]);
    }
    if at < third_count {
        third_out[at] = T::cast_from(third[at]);
    }
}

/// Three matrices in a type.
fn round(weights: [&CubeTensor; 3], dtype: DType) -> [CubeTensor; 3] {
    if dtype == DType::F32 {
        return weights.map(CubeTensor::clone);
    }
    let counts = weights.map(|weight| weight.shape().num_elements());
    let rounded = weights.map(|weight| empty(weight, weight.shape(), dtype));
    let largest = counts.iter().fold(0, |most, &count| most.max(count));
    let (cubes, dim) = elementwise(&rounded[0].client, largest);
    round_three::launch(
        &rounded[0].client,
        cubes,
        dim,
        argument(weights[0]),
        argument(weights[1]),
        argument(weights[2]),
        argument(&rounded[0]),
        argument(&rounded[1]),
        argument(&rounded[2]),
        counts[0],
        counts[1],
        counts[2],
        element(&rounded[0]),
    );
    rounded
}

impl Factors {
    /// Of a layer, in a type.
    pub(super) fn of(weights: &LayerWeights<CubeTensor>, dtype: DType) -> Self {
        let (joined, bias) = join([&weights.query, &weights.key, &weights.value], dtype);
        let others = [&weights.projection, &weights.intermediate, &weights.output];
        let [projection, intermediate, output] = round(others.map(|dense| &dense.weight), dtype);
        Self {
            joined,
            bias,
            projection,
            intermediate,
            output,
        }
    }
}
