//! The gradients of a layer.

use burn::backend::TensorMetadata;
use burn_cubecl::tensor::CubeTensor;

use super::{Settings, State};
use crate::kernels::cube::norm::{self, NormGradients};
use crate::kernels::cube::product::product;
use crate::kernels::cube::sums::sum_rows;
use crate::kernels::cube::tensor::{add, cast, contiguous, part, transposed};
use crate::kernels::cube::{activation, heads, softmax};
use crate::kernels::{Dense, LayerWeights, Norm};

/// Gradients of the layer's input and of its parameters, from that of its output, `[n, hidden]`.
pub(super) fn backward(
    settings: &Settings,
    gradient: &CubeTensor,
    weights: &LayerWeights<CubeTensor>,
    state: State,
) -> (CubeTensor, LayerWeights<CubeTensor>) {
    let [_, width] = gradient.shape().dims();
    let sizes = settings.sizes(width);
    let dtype = settings.factors();
    let [_, projection_dropout, output_dropout] = settings.options.dropout;
    // Of a product's weight, and of its rows.
    let of_weight =
        |gradient: &CubeTensor, rows: CubeTensor| product(transposed(gradient.clone()), rows);
    let of_rows = |gradient: &CubeTensor, dense: &Dense<CubeTensor>| {
        product(gradient.clone(), cast(dense.weight.clone(), dtype))
    };

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
        weight: of_weight(&dropped, state.activated),
        bias,
    };
    let activated = of_rows(&dropped, &weights.output);
    let bias = &weights.intermediate.bias;
    let inner = activation::gelu_backward(&activated, &state.inner, bias, dtype);
    drop(activated);
    let intermediate = Dense {
        weight: of_weight(&inner, state.attended),
        bias: sum_rows(&inner),
    };
    let attended = add(of_rows(&inner, &weights.intermediate), residual);
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
        weight: of_weight(&dropped, state.context),
        bias,
    };
    let context = cast(of_rows(&dropped, &weights.projection), dtype);
    let context = contiguous(heads::view_by_head(context, sizes));

    let [query, key, value] = state.heads;
    let scores = product(query.clone(), transposed(key.clone()));
    let slopes = product(context.clone(), transposed(value));
    let attention = settings.attention(sizes);
    let (probabilities, slopes) =
        softmax::backward(&scores, &state.log_sums, &slopes, &attention, dtype);
    drop(scores);
    let parts = [
        product(slopes.clone(), key),
        product(transposed(slopes), query),
        product(transposed(probabilities), context),
    ];
    let qkv = heads::merge_three(&parts, sizes, dtype);
    drop(parts);
    let weight = of_weight(&qkv, state.input);
    let bias = sum_rows(&qkv);
    let input = product(qkv, state.joined);
    let input = add(input, residual);

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
