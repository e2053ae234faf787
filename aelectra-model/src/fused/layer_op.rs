//! The layer as an operation of Burn's CPU backend, with its gradients.

use std::sync::{Arc, Mutex};

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, ExtensionType, Flex, backend_extension};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::layer::{self, LayerOptions, PARAMETERS, State, Weights};
use super::tensor::{contiguous, from_vec, slice};

/// Parameters of a layer; linear weights are `[out, in]`.
#[derive(ExtensionType)]
pub(crate) struct LayerParameters<B: Backend> {
    pub(crate) query_weight: FloatTensor<B>,
    pub(crate) query_bias: FloatTensor<B>,
    pub(crate) key_weight: FloatTensor<B>,
    pub(crate) key_bias: FloatTensor<B>,
    pub(crate) value_weight: FloatTensor<B>,
    pub(crate) value_bias: FloatTensor<B>,
    pub(crate) projection_weight: FloatTensor<B>,
    pub(crate) projection_bias: FloatTensor<B>,
    pub(crate) attention_norm_weight: FloatTensor<B>,
    pub(crate) attention_norm_bias: FloatTensor<B>,
    pub(crate) intermediate_weight: FloatTensor<B>,
    pub(crate) intermediate_bias: FloatTensor<B>,
    pub(crate) output_weight: FloatTensor<B>,
    pub(crate) output_bias: FloatTensor<B>,
    pub(crate) output_norm_weight: FloatTensor<B>,
    pub(crate) output_norm_bias: FloatTensor<B>,
}

impl<B: Backend> LayerParameters<B> {
    fn into_array(self) -> [FloatTensor<B>; PARAMETERS] {
        [
            self.query_weight,
            self.query_bias,
            self.key_weight,
            self.key_bias,
            self.value_weight,
            self.value_bias,
            self.projection_weight,
            self.projection_bias,
            self.attention_norm_weight,
            self.attention_norm_bias,
            self.intermediate_weight,
            self.intermediate_bias,
            self.output_weight,
            self.output_bias,
            self.output_norm_weight,
            self.output_norm_bias,
        ]
    }
}

/// The layer as an extension of a backend.
#[backend_extension(Autodiff, Flex)]
trait LayerBackend: Backend {
    /// Packed rows `[tokens, hidden]` to the same shape.
    fn electra_layer(
        input: FloatTensor<Self>,
        #[extension_type] parameters: LayerParameters<Self>,
        options: LayerOptions,
    ) -> FloatTensor<Self>;
}

/// Runs a layer on packed rows `[tokens, hidden]`.
pub(crate) fn electra_layer(
    input: Tensor<2>,
    parameters: LayerParameters<Dispatch>,
    options: LayerOptions,
) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as LayerBackend>::electra_layer(
        input.into_dispatch(),
        parameters,
        options,
    ))
}

fn forward(
    input: &FlexTensor,
    parameters: &[FlexTensor; PARAMETERS],
    options: &LayerOptions,
    keep: bool,
) -> (FlexTensor, Option<State>) {
    let weights = Weights::from_slices(parameters.each_ref().map(slice), options.eps);
    let (output, state) = layer::forward(slice(input), weights, options, keep);
    (from_vec(output, input), state)
}

impl LayerBackend for Flex {
    fn electra_layer(
        input: FloatTensor<Self>,
        parameters: LayerParameters<Self>,
        options: LayerOptions,
    ) -> FloatTensor<Self> {
        let parameters = parameters.into_array().map(contiguous);
        forward(&contiguous(input), &parameters, &options, false).0
    }
}

/// The backward pass of a layer; the state can be taken once.
#[derive(Debug)]
struct LayerBackward;

#[derive(Clone, Debug)]
struct Kept {
    input: FlexTensor,
    parameters: [FlexTensor; PARAMETERS],
    options: LayerOptions,
    state: Arc<Mutex<Option<State>>>,
}

impl Backward<Flex, { 1 + PARAMETERS }> for LayerBackward {
    type State = Kept;

    fn backward(
        self,
        ops: Ops<Kept, { 1 + PARAMETERS }>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = contiguous(grads.consume::<Flex>(&ops.node));
        let Kept {
            input,
            parameters,
            options,
            state,
        } = ops.state;
        let state = state.lock().ok().and_then(|mut state| state.take());
        let Some(state) = state else {
            unreachable!("burn-autodiff runs a node's backward pass once");
        };
        let weights = Weights::from_slices(parameters.each_ref().map(slice), options.eps);
        let gradients = layer::backward(
            slice(&gradient).to_vec(),
            slice(&input),
            weights,
            &options,
            state,
        );
        let [first, nodes @ ..] = ops.parents;
        if let Some(node) = first {
            grads.register::<Flex>(node.id, from_vec(gradients.input, &input));
        }
        for ((node, values), parameter) in
            nodes.into_iter().zip(gradients.parameters).zip(&parameters)
        {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, from_vec(values, parameter));
            }
        }
    }
}

impl<C: CheckpointStrategy> LayerBackend for Autodiff<Flex, C> {
    fn electra_layer(
        input: FloatTensor<Self>,
        parameters: LayerParameters<Self>,
        options: LayerOptions,
    ) -> FloatTensor<Self> {
        let parameters = parameters.into_array();
        let [q, r, s, t, u, v, w, x, a, b, c, d, e, f, g, h] =
            parameters.each_ref().map(|parameter| parameter.node());
        let nodes = [input.node(), q, r, s, t, u, v, w, x, a, b, c, d, e, f, g, h];
        let input = contiguous(input.primitive().clone());
        let parameters = parameters.map(|parameter| contiguous(parameter.primitive().clone()));
        match LayerBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (output, state) = forward(&input, &parameters, &options, true);
                let kept = Kept {
                    input,
                    parameters,
                    options,
                    state: Arc::new(Mutex::new(state)),
                };
                prep.finish(kept, output)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(forward(&input, &parameters, &options, false).0)
            }
        }
    }
}
