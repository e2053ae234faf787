//! The forward pass of a layer.

use burn::backend::TensorMetadata;
use burn_cubecl::tensor::CubeTensor;

use super::{Settings, State};
use crate::kernels::cube::norm::Before;
use crate::kernels::cube::product::{product, product_with_gelu};
use crate::kernels::cube::tensor::{cast, join, transposed};
use crate::kernels::cube::{attention, norm};
use crate::kernels::{Dense, LayerWeights};

/// `input` `[n, hidden]` to the layer's output and what the gradients need.
pub(super) fn forward(
    settings: &Settings,
    input: &CubeTensor,
    weights: &LayerWeights<CubeTensor>,
) -> (CubeTensor, State) {
    let [_, width] = input.shape().dims();
    let dtype = settings.factors();
    let eps = settings.options.eps;
    let [_, projection_dropout, output_dropout] = settings.options.dropout;
    let factor = |dense: &Dense<CubeTensor>| cast(dense.weight.clone(), dtype);
    let linear =
        |rows: &CubeTensor, weight: &CubeTensor| product(rows.clone(), transposed(weight.clone()));

    let input_factor = cast(input.clone(), dtype);
    let parts = [&weights.query, &weights.key, &weights.value];
    let joined = join(parts.map(|dense| &dense.weight), dtype);
    let biases = parts.map(|dense| &dense.bias);
    let (context, attention) =
        attention::forward(&input_factor, &joined, biases, &settings.attention(width));

    let projection = factor(&weights.projection);
    let projected = linear(&context, &projection);
    let before = Before {
        bias: weights.projection.bias.clone(),
        residual: input.clone(),
        dropout: projection_dropout,
    };
    let attended = norm::forward(
        &projected,
        Some(before),
        weights.attention_norm.as_ref(),
        eps,
    );
    drop(projected);
    let attended_factor = cast(attended.output.clone(), dtype);
    let intermediate = factor(&weights.intermediate);
    let (inner, activated) = product_with_gelu(
        &attended_factor,
        &transposed(intermediate.clone()),
        &weights.intermediate.bias,
        dtype,
    );
    let outer_weight = factor(&weights.output);
    let outer = linear(&activated, &outer_weight);
    let before = Before {
        bias: weights.output.bias.clone(),
        residual: attended.output,
        dropout: output_dropout,
    };
    let output = norm::forward(&outer, Some(before), weights.output_norm.as_ref(), eps);
    let state = State {
        input: input_factor,
        joined,
        attention,
        projection,
        intermediate,
        outer: outer_weight,
        context,
        attention_norm: attended.state,
        attended: attended_factor,
        inner,
        activated,
        output_norm: output.state,
    };
    (output.output, state)
}
