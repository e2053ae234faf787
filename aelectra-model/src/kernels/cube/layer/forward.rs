//! The forward pass of a layer.

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;

use super::factors::Factors;
use super::{Settings, State};
use crate::kernels::LayerWeights;
use crate::kernels::cube::attention::Projections;
use crate::kernels::cube::norm::Before;
use crate::kernels::cube::product::{product, product_with_gelu};
use crate::kernels::cube::tensor::{cast, transposed};
use crate::kernels::cube::{attention, norm};

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
    let linear =
        |rows: &CubeTensor, weight: &CubeTensor| product(rows.clone(), transposed(weight.clone()));

    let factors = Factors::of(weights, dtype);
    let input_factor = cast(input.clone(), dtype);
    let (context, attention) = attention::forward(
        &input_factor,
        &Projections {
            weight: &factors.joined,
            bias: &factors.bias,
            biases: [&weights.query, &weights.key, &weights.value].map(|dense| &dense.bias),
        },
        &settings.attention(width),
    );
    let projected = linear(&context, &factors.projection);
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
        dtype,
    );
    drop(projected);
    let (inner, activated) = product_with_gelu(
        &attended.factor,
        &transposed(factors.intermediate.clone()),
        &weights.intermediate.bias,
        dtype,
    );
    let outer = linear(&activated, &factors.output);
    let before = Before {
        bias: weights.output.bias.clone(),
        residual: attended.output,
        dropout: output_dropout,
    };
    // The next layer rounds what it gets.
    let output = norm::forward(
        &outer,
        Some(before),
        weights.output_norm.as_ref(),
        eps,
        DType::F32,
    );
    let state = State {
        input: input_factor,
        attention,
        factors,
        context,
        attention_norm: attended.state,
        attended: attended.factor,
        inner,
        activated,
        output_norm: output.state,
    };
    (output.output, state)
}
