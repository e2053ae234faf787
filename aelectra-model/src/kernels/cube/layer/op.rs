//! The layer as an operation of Burn's GPU backend, with its gradients.

use std::sync::{Arc, Mutex};

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;

use super::backward::backward;
use super::forward::forward;
use super::{Settings, State};
use crate::input::SequenceLayout;
use crate::kernels::cube::tensor::contiguous;
use crate::kernels::extension::Parameters;
use crate::kernels::{LayerOptions, LayerWeights, PARAMETERS};
use crate::precision::Precision;

/// The layer as an extension of a backend.
#[backend_extension(Autodiff, Cube)]
trait LayerBackend: Backend {
    /// Padded rows `[batch · length, hidden]` to the same shape.
    fn electra_layer(
        input: FloatTensor<Self>,
        #[extension_type] parameters: Parameters<Self>,
        settings: Settings,
    ) -> FloatTensor<Self>;
}

/// Runs a layer on padded rows `[batch · length, hidden]`.
pub(in crate::kernels::cube) fn layer(
    precision: Precision,
    input: Tensor<2>,
    weights: LayerWeights<Tensor<2>, Tensor<1>>,
    layout: &SequenceLayout,
    options: &LayerOptions,
) -> Tensor<2> {
    let [batch, length] = layout.dims();
    let padding = layout.padding().map(|padding| {
        let mask = padding.mask.clone().inner();
        match mask.try_into_primitive::<CubeBackend>() {
            Ok(mask) => contiguous(mask),
            Err(_) => unreachable!("a batch lies on the device of its model"),
        }
    });
    let settings = Settings {
        precision,
        options: *options,
        batch,
        length,
        padding,
    };
    let weights = weights.map(Tensor::into_dispatch, Tensor::into_dispatch);
    Tensor::from_dispatch(<Dispatch as LayerBackend>::electra_layer(
        input.into_dispatch(),
        Parameters(weights),
        settings,
    ))
}

impl LayerBackend for CubeBackend {
    fn electra_layer(
        input: FloatTensor<Self>,
        parameters: Parameters<Self>,
        settings: Settings,
    ) -> FloatTensor<Self> {
        let weights = parameters.0.map(contiguous, contiguous);
        forward(&settings, &contiguous(input), &weights).0
    }
}

#[derive(Debug)]
struct LayerBackward;

#[derive(Clone, Debug)]
struct Kept {
    weights: LayerWeights<CubeTensor>,
    settings: Settings,
    /// Taken once, so that its memory can be given back on the way.
    state: Arc<Mutex<Option<State>>>,
}

impl Backward<CubeBackend, { 1 + PARAMETERS }> for LayerBackward {
    type State = Kept;

    fn backward(
        self,
        ops: Ops<Kept, { 1 + PARAMETERS }>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = contiguous(grads.consume::<CubeBackend>(&ops.node));
        let Kept {
            weights,
            settings,
            state,
        } = ops.state;
        let state = state.lock().ok().and_then(|mut state| state.take());
        let Some(state) = state else {
            unreachable!("burn-autodiff runs a node's backward pass once");
        };
        let (input, parameters) = backward(&settings, &gradient, &weights, state);
        let gradients = std::iter::once(input).chain(parameters.into_array());
        for (node, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(node) = node {
                grads.register::<CubeBackend>(node.id, gradient);
            }
        }
    }
}

impl<C: CheckpointStrategy> LayerBackend for Autodiff<CubeBackend, C> {
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
        let (output, state) = forward(&settings, &input, &weights);
        match LayerBackward.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let kept = Kept {
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
