//! The gradients of a layer.

use burn::backend::TensorMetadata;
use burn_cubecl::tensor::CubeTensor;

use super::{Settings, State};
use crate::kernels::cube::attention;
use crate::kernels::cube::norm;
use crate::kernels::cube::product::{
    product_in, product_over_rows, product_plus, product_with_gelu_slope,
};
use crate::kernels::cube::sums::{Pending, Totals};
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

    let output_norm = norm::backward(
        gradient,
        &state.output_norm,
        &weights.output_norm.weight,
        output_dropout,
        dtype,
        &mut sums,
    );
    let dropped = &output_norm.dropped;
    let output = product_over_rows(dropped, &state.activated, &mut sums);
    let bias = &weights.intermediate.bias;
    let inner = product_with_gelu_slope(dropped, &state.factors.output, &state.inner, bias, dtype);
    let intermediate = product_over_rows(&inner, &state.attended, &mut sums);
    let intermediate_bias = sums.of_rows(&inner);
    let attended = product_plus(&inner, &state.factors.intermediate, output_norm.rows);

    let attention_norm = norm::backward(
        &attended,
        &state.attention_norm,
        &weights.attention_norm.weight,
        projection_dropout,
        dtype,
        &mut sums,
    );
    let dropped = &attention_norm.dropped;
    let projection = product_over_rows(dropped, &state.context, &mut sums);
    let context = product_in(dropped, &state.factors.projection, dtype);
    let attention = settings.attention(width);
    let qkv = attention::backward(state.attention, &state.context, &context, &attention);
    let thirds = product_over_rows(&qkv, &state.input, &mut sums);
    let biases = sums.of_rows_in_three(&qkv);
    let input = product_plus(&qkv, &state.factors.joined, attention_norm.rows);

    let written = sums.write();
    let value = |sum: Pending| sum.value(&written);
    let thirds = value(thirds);
    let [query_bias, key_bias, value_bias] = biases.map(value);
    let third = |at: usize, bias| Dense {
        weight: part(&thirds, at * width, width),
        bias,
    };
    let [output_gain, output_offset, output_bias] = output_norm.parameters.map(value);
    let [attention_gain, attention_offset, projection_bias] = attention_norm.parameters.map(value);
    let parameters = LayerWeights {
        query: third(0, query_bias),
        key: third(1, key_bias),
        value: third(2, value_bias),
        projection: Dense {
            weight: value(projection),
            bias: projection_bias,
        },
        attention_norm: Norm {
            weight: attention_gain,
            bias: attention_offset,
        },
        intermediate: Dense {
            weight: value(intermediate),
            bias: value(intermediate_bias),
        },
        output: Dense {
            weight: value(output),
            bias: output_bias,
        },
        output_norm: Norm {
            weight: output_gain,
            bias: output_offset,
        },
    };
    (input, parameters)
}
