//! The gradients of a layer.

use burn::backend::TensorMetadata;
use burn_cubecl::tensor::CubeTensor;

use super::{Settings, State};
use crate::kernels::cube::attention;
use crate::kernels::cube::norm::{self, NormGradients};
use crate::kernels::cube::product::{
    product_in, product_over_rows, product_plus, product_with_gelu_slope,
};
use crate::kernels::cube::sums::Totals;
use crate::kernels::cube::tensor::part;
use crate::kernels::{Dense, LayerWeights, Norm};

/// Gradients of the layer's input and of its parameters, from that of its output, `[n, hidden]`.
pub(super) fn backward(
    settings: &Settings,
    gradient: &CubeTensor,
    weights: &LayerWeights<CubeTensor>,
    state: State,
) -> (CubeTensor, LayerWeights<CubeTensor>) {
    let [_, width] = gradient.shape().dims();
    let dtype = settings.factors();
    let [_, projection_dropout, output_dropout] = settings.options.dropout;
    let mut sums = Totals::default();

    let NormGradients {
        rows: residual,
        dropped,
        parameters: [gain, offset, bias],
    } = norm::backward(
        gradient,
        &state.output_norm,
        &weights.output_norm.weight,
        output_dropout,
        dtype,
        &mut sums,
    );
    let output_norm = Norm {
        weight: gain,
        bias: offset,
    };
    let output = Dense {
        weight: product_over_rows(&dropped, &state.activated, &mut sums),
        bias,
    };
    let bias = &weights.intermediate.bias;
    let inner = product_with_gelu_slope(&dropped, &state.factors.output, &state.inner, bias, dtype);
    let intermediate = Dense {
        weight: product_over_rows(&inner, &state.attended, &mut sums),
        bias: sums.of_rows(&inner),
    };
    let attended = product_plus(&inner, &state.factors.intermediate, residual);
    drop(inner);

    let NormGradients {
        rows: residual,
        dropped,
        parameters: [gain, offset, bias],
    } = norm::backward(
        &attended,
        &state.attention_norm,
        &weights.attention_norm.weight,
        projection_dropout,
        dtype,
        &mut sums,
    );
    let attention_norm = Norm {
        weight: gain,
        bias: offset,
    };
    let projection = Dense {
        weight: product_over_rows(&dropped, &state.context, &mut sums),
        bias,
    };
    let context = product_in(&dropped, &state.factors.projection, dtype);
    let attention = settings.attention(width);
    let qkv = attention::backward(state.attention, &state.context, &context, &attention);
    let weight = product_over_rows(&qkv, &state.input, &mut sums);
    let bias = sums.parts_of_rows(&qkv);
    let biases = [0, 1, 2].map(|third| sums.of_columns(&bias, third * width, width));
    let input = product_plus(&qkv, &state.factors.joined, residual);
    sums.write();

    let [query, key, value] = [0, 1, 2].map(|third| Dense {
        weight: part(&weight, third * width, width),
        bias: biases[third].clone(),
    });
    let parameters = LayerWeights {
        query,
        key,
        value,
        projection,
        attention_norm,
        intermediate,
        output,
        output_norm,
    };
    (input, parameters)
}
