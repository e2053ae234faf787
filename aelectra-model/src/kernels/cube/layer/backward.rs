//! The gradients of a layer.

use burn::backend::TensorMetadata;
use burn_cubecl::tensor::CubeTensor;

use super::{Settings, State};
use crate::kernels::cube::attention;
use crate::kernels::cube::norm::{self, NormGradients};
use crate::kernels::cube::product::{
    product_in, product_over_rows, product_plus, product_with_gelu_slope,
};
use crate::kernels::cube::sums::sum_rows;
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
    );
    let output_norm = Norm {
        weight: gain,
        bias: offset,
    };
    let output = Dense {
        weight: product_over_rows(&dropped, &state.activated),
        bias,
    };
    let bias = &weights.intermediate.bias;
    let inner = product_with_gelu_slope(&dropped, &state.factors.output, &state.inner, bias, dtype);
    let intermediate = Dense {
        weight: product_over_rows(&inner, &state.attended),
        bias: sum_rows(&inner),
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
    );
    let attention_norm = Norm {
        weight: gain,
        bias: offset,
    };
    let projection = Dense {
        weight: product_over_rows(&dropped, &state.context),
        bias,
    };
    let context = product_in(&dropped, &state.factors.projection, dtype);
    let attention = settings.attention(width);
    let qkv = attention::backward(state.attention, &state.context, &context, &attention);
    let weight = product_over_rows(&qkv, &state.input);
    let bias = sum_rows(&qkv);
    let input = product_plus(&qkv, &state.factors.joined, residual);

    let third = |at: usize| Dense {
        weight: part(&weight, at * width, width),
        bias: part(&bias, at * width, width),
    };
    let parameters = LayerWeights {
        query: third(0),
        key: third(1),
        value: third(2),
        projection,
        attention_norm,
        intermediate,
        output,
        output_norm,
    };
    (input, parameters)
}
