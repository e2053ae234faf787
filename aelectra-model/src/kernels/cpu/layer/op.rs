//! The layer as an operation of Burn's CPU backend, with its gradients.

use std::sync::{Arc, Mutex};

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::backward::backward;
use super::forward::forward;
use super::{Layer, State};
use crate::input::SequenceLayout;
use crate::kernels::cpu::matrix::Arithmetic;
use crate::kernels::cpu::tensor::{contiguous, from_vec, slice};
use crate::kernels::extension::Parameters;
use crate::kernels::{LayerOptions, LayerWeights, PARAMETERS};

/// What is no tensor.
#[derive(Clone, Debug)]
struct Settings {
    arithmetic: Arithmetic,
    options: LayerOptions,
    layout: SequenceLayout,
}

/// The layer as an extension of a backend.
#[backend_extension(Autodiff, Flex)]
trait LayerBackend: Backend {
    /// Packed rows `[tokens, hidden]` to the same shape.
    fn electra_layer(
        input: FloatTensor<Self>,
        #[extension_type] parameters: Parameters<Self>,
        settings: Settings,
    ) -> FloatTensor<Self>;
}

/// Runs a layer on packed rows `[tokens, hidden]`.
pub(in crate::kernels::cpu) fn layer(
    arithmetic: Arithmetic,
    input: Tensor<2>,
    weights: LayerWeights<Tensor<2>, Tensor<1>>,
    layout: &SequenceLayout,
    options: &LayerOptions,
) -> Tensor<2> {
    let weights = weights.map(Tensor::into_dispatch, Tensor::into_dispatch);
    let settings = Settings {
        arithmetic,
        options: *options,
        layout: layout.clone(),
    };
    Tensor::from_dispatch(<Dispatch as LayerBackend>::electra_layer(
        input.into_dispatch(),
        Parameters(weights),
        settings,
    ))
}

impl Settings {
    fn layer<'a>(&'a self, weights: &'a LayerWeights<FlexTensor>) -> Layer<'a> {
        Layer {
            arithmetic: self.arithmetic,
            weights: weights.as_ref().map(slice, slice),
            options: &self.options,
            layout: &self.layout,
        }
    }
}

impl LayerBackend for Flex {
    fn electra_layer(
        input: FloatTensor<Self>,
        parameters: Parameters<Self>,
        settings: Settings,
    ) -> FloatTensor<Self> {
        let weights = parameters.0.map(contiguous, contiguous);
        let input = contiguous(input);
        let (output, _) = forward(settings.layer(&weights), slice(&input));
        from_vec(output, &input)
    }
}

#[derive(Debug)]
struct LayerBackward;

#[derive(Clone, Debug)]
struct Kept {
    input: FlexTensor,
    weights: LayerWeights<FlexTensor>,
    settings: Settings,
    /// Taken once, so that its memory can be given back on the way.
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
            weights,
            settings,
            state,
        } = ops.state;
        let state = state.lock().ok().and_then(|mut state| state.take());
        let Some(state) = state else {
            unreachable!("burn-autodiff runs a node's backward pass once");
        };
        let gradients = backward(
            settings.layer(&weights),
            slice(&gradient).to_vec(),
            slice(&input),
            state,
        );
        let values = std::iter::once(gradients.input).chain(gradients.parameters.into_array());
        let like = std::iter::once(input).chain(weights.into_array());
        for ((node, values), like) in ops.parents.into_iter().zip(values).zip(like) {
            if let Some(node) = node {
                grads.register::<Flex>(node.id, from_vec(values, &like));
            }
        }
    }
}

impl<C: CheckpointStrategy> LayerBackend for Autodiff<Flex, C> {
    fn electra_layer(
        input: FloatTensor<Self>,
        parameters: Parameters<Self>,
        settings: Settings,
    ) -> FloatTensor<Self> {
        let tracked = parameters.0;
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] =
            tracked.as_ref().into_array().map(|tensor| tensor.node());
        let nodes = [input.node(), a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p];
        let input = contiguous(input.primitive().clone());
        let values = |tensor: FloatTensor<Self>| contiguous(tensor.primitive().clone());
        let weights = tracked.map(values, values);
        let (output, state) = forward(settings.layer(&weights), slice(&input));
        let output = from_vec(output, &input);
        match LayerBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let kept = Kept {
                    input,
                    weights,
                    settings,
                    state: Arc::new(Mutex::new(Some(state))),
                };
                prep.finish(kept, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }
}
