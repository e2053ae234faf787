//! A layer's weights as factors of its products, rounded in one launch.

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use crate::kernels::LayerWeights;
use crate::kernels::cube::tensor::{argument, element, elementwise, empty};

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

/// A weight that stays by itself.
#[derive(CubeType, CubeLaunch)]
struct Rounded<T: Float> {
    weight: Box<[f32]>,
    out: Box<[T]>,
    count: usize,
}

/// Joins the weights and biases of three layers, and rounds others.
#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn round_layer<T: Float>(
    first: &[f32],
    second: &[f32],
    third: &[f32],
    first_bias: &[f32],
    second_bias: &[f32],
    third_bias: &[f32],
    weight: &mut [T],
    bias: &mut [f32],
    others: Sequence<Rounded<T>>,
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
    for mut other in others {
        if at < other.count {
            other.out[at] = T::cast_from(other.weight[at]);
        }
    }
}

impl Factors {
    /// Of a layer, in a type.
    pub(super) fn of(weights: &LayerWeights<CubeTensor>, dtype: DType) -> Self {
        let [first, second, third] = [&weights.query, &weights.key, &weights.value];
        let [width, inputs] = first.weight.shape().dims();
        let joined = empty(&first.weight, [3 * width, inputs], dtype);
        let bias = empty(&first.weight, [3 * width], DType::F32);
        let mut most = width * inputs;
        let mut rounded = SequenceArg::new();
        let others = [&weights.projection, &weights.intermediate, &weights.output];
        let [projection, intermediate, output] = others.map(|dense| {
            if dtype == DType::F32 {
                return dense.weight.clone();
            }
            let count = dense.weight.shape().num_elements();
            let out = empty(&dense.weight, dense.weight.shape(), dtype);
            most = most.max(count);
            rounded.push(RoundedLaunch::new(
                argument(&dense.weight),
                argument(&out),
                count,
            ));
            out
        });
        let (cubes, dim) = elementwise(&joined.client, most);
        round_layer::launch(
            &joined.client,
            cubes,
            dim,
            argument(&first.weight),
            argument(&second.weight),
            argument(&third.weight),
            argument(&first.bias),
            argument(&second.bias),
            argument(&third.bias),
            argument(&joined),
            argument(&bias),
            rounded,
            width,
            width * inputs,
            element(&joined),
        );
        Self {
            joined,
            bias,
            projection,
            intermediate,
            output,
        }
    }
}
