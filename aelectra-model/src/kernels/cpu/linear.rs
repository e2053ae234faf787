//! A linear layer, with GELU or without: `y = gelu(x·Wᵀ + b)`.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::matrix::{self, Arithmetic, Product, View};
use super::rows;
use super::tensor::{contiguous, from_vec, shaped, slice};
use crate::kernels::{Activation, Dense};

/// Rows of activations one thread takes at a time.
const BLOCK_ROWS: usize = 128;

#[backend_extension(Autodiff, Flex)]
trait LinearBackend: Backend {
    /// Rows `[n, in]`, weight `[out, in]`, bias `[out]` to `[n, out]`.
    fn fused_linear(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        arithmetic: Arithmetic,
        activation: Activation,
    ) -> FloatTensor<Self>;
}

/// Rows `[n, in]`, weight `[out, in]`, bias `[out]` to `[n, out]`, through the activation.
pub(super) fn linear(
    arithmetic: Arithmetic,
    input: Tensor<2>,
    dense: Dense<Tensor<2>, Tensor<1>>,
    activation: Activation,
) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as LinearBackend>::fused_linear(
        input.into_dispatch(),
        dense.weight.into_dispatch(),
        dense.bias.into_dispatch(),
        arithmetic,
        activation,
    ))
}

/// The output and, if `keep` and there is a GELU, what went into it.
fn forward(
    arithmetic: Arithmetic,
    [input, weight, bias]: [&FlexTensor; 3],
    activation: Activation,
    keep: bool,
) -> (FlexTensor, Option<Vec<f32>>) {
    let isa = arithmetic.isa;
    let (inputs, outputs) = (width(input), weight.shape()[0]);
    let (x, w, b) = (slice(input), slice(weight), slice(bias));
    let n = x.len() / inputs;
    let mut y = vec![0.0; n * outputs];
    let threads = rayon::current_num_threads();
    matrix::linear(
        arithmetic,
        (&mut y, View::rows(outputs)),
        x,
        w,
        [n, inputs, outputs],
        threads,
    );
    let block = BLOCK_ROWS * outputs;
    let shape = [n, outputs];
    match (activation, keep) {
        (Activation::None, _) => {
            y.par_chunks_mut(block)
                .for_each(|y| rows::add_bias(isa, y, b));
            (shaped(y, shape), None)
        }
        (Activation::Gelu, true) => {
            let mut activated = vec![0.0; y.len()];
            y.par_chunks_mut(block)
                .zip(activated.par_chunks_mut(block))
                .for_each(|(y, activated)| rows::bias_gelu(isa, y, b, activated));
            (shaped(activated, shape), Some(y))
        }
        (Activation::Gelu, false) => {
            y.par_chunks_mut(block)
                .for_each(|y| rows::bias_gelu_in_place(isa, y, b));
            (shaped(y, shape), None)
        }
    }
}

fn width(tensor: &FlexTensor) -> usize {
    tensor.shape()[1]
}

impl LinearBackend for Flex {
    fn fused_linear(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        arithmetic: Arithmetic,
        activation: Activation,
    ) -> FloatTensor<Self> {
        let [input, weight, bias] = [input, weight, bias].map(contiguous);
        forward(arithmetic, [&input, &weight, &bias], activation, false).0
    }
}

#[derive(Debug)]
struct LinearBackward;

#[derive(Clone, Debug)]
struct Kept {
    arithmetic: Arithmetic,
    input: FlexTensor,
    weight: FlexTensor,
    bias: FlexTensor,
    /// What went into GELU, where there is one.
    before: Option<FlexTensor>,
}

impl Backward<Flex, 3> for LinearBackward {
    type State = Kept;

    fn backward(self, ops: Ops<Kept, 3>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let gradient = contiguous(grads.consume::<Flex>(&ops.node));
        let kept = ops.state;
        let arithmetic = kept.arithmetic;
        let isa = arithmetic.isa;
        let (inputs, outputs) = (width(&kept.input), kept.weight.shape()[0]);
        let mut scaled = Vec::new();
        if let Some(before) = &kept.before {
            scaled = slice(&gradient).to_vec();
            let block = BLOCK_ROWS * outputs;
            scaled
                .par_chunks_mut(block)
                .zip(slice(before).par_chunks(block))
                .for_each(|(gradient, before)| {
                    let mut unused = vec![0.0; before.len()];
                    rows::gelu_backward(isa, before, gradient, &mut unused);
                });
        }
        let gradient = if kept.before.is_some() {
            &scaled[..]
        } else {
            slice(&gradient)
        };
        let n = gradient.len() / outputs;
        let threads = rayon::current_num_threads();
        let [input, weight, bias] = ops.parents;
        if let Some(node) = input {
            let mut dx = vec![0.0; n * inputs];
            Product::new(arithmetic, n, inputs, outputs)
                .on(threads)
                .run(
                    (&mut dx, View::rows(inputs)),
                    (gradient, View::rows(outputs)),
                    (slice(&kept.weight), View::rows(inputs)),
                );
            grads.register::<Flex>(node.id, from_vec(dx, &kept.input));
        }
        if let Some(node) = weight {
            let mut dw = vec![0.0; outputs * inputs];
            Product::new(arithmetic, outputs, inputs, n)
                .on(threads)
                .run(
                    (&mut dw, View::rows(inputs)),
                    (gradient, View::rows(outputs).transposed()),
                    (slice(&kept.input), View::rows(inputs)),
                );
            grads.register::<Flex>(node.id, from_vec(dw, &kept.weight));
        }
        if let Some(node) = bias {
            let mut db = vec![0.0; outputs];
            rows::add_column_sums(isa, &mut db, gradient);
            grads.register::<Flex>(node.id, from_vec(db, &kept.bias));
        }
    }
}

impl<C: CheckpointStrategy> LinearBackend for Autodiff<Flex, C> {
    fn fused_linear(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        arithmetic: Arithmetic,
        activation: Activation,
    ) -> FloatTensor<Self> {
        let nodes = [input.node(), weight.node(), bias.node()];
        let [input, weight, bias] =
            [input, weight, bias].map(|tensor| contiguous(tensor.primitive().clone()));
        match LinearBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => {
                let (output, before) =
                    forward(arithmetic, [&input, &weight, &bias], activation, true);
                let before = before.map(|before| from_vec(before, &output));
                let kept = Kept {
                    arithmetic,
                    input,
                    weight,
                    bias,
                    before,
                };
                prep.finish(kept, output)
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(forward(arithmetic, [&input, &weight, &bias], activation, false).0)
            }
        }
    }
}
