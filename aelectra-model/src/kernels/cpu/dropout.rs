//! Dropout of single values, without a tensor of its mask.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::isa::Isa;
use super::math;
use super::tensor::{contiguous, whole};
use crate::noise::Dropout;

/// Values one thread takes at a time.
const BLOCK: usize = 1 << 15;

#[backend_extension(Autodiff, Flex)]
trait DropoutBackend: Backend {
    /// Values of any shape, numbered in their order.
    fn fused_dropout(values: FloatTensor<Self>, isa: Isa, dropout: Dropout) -> FloatTensor<Self>;
}

/// Flat values times the mask of a dropout.
pub(super) fn dropout(isa: Isa, values: Tensor<1>, dropout: Dropout) -> Tensor<1> {
    let values = values.into_dispatch();
    Tensor::from_dispatch(<Dispatch as DropoutBackend>::fused_dropout(
        values, isa, dropout,
    ))
}

fn drop_values(isa: Isa, values: FlexTensor, dropout: Dropout) -> FlexTensor {
    let mut values = whole(contiguous(values));
    values
        .storage_mut::<f32>()
        .par_chunks_mut(BLOCK)
        .enumerate()
        .for_each(|(at, values)| {
            isa.run(
                #[inline(always)]
                || math::drop_row(values, Some(dropout), at * BLOCK),
            );
        });
    values
}

impl DropoutBackend for Flex {
    fn fused_dropout(values: FloatTensor<Self>, isa: Isa, dropout: Dropout) -> FloatTensor<Self> {
        drop_values(isa, values, dropout)
    }
}

#[derive(Debug)]
struct DropoutBackward;

impl Backward<Flex, 1> for DropoutBackward {
    type State = (Isa, Dropout);

    fn backward(self, ops: Ops<(Isa, Dropout), 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        let [Some(node)] = ops.parents else {
            return;
        };
        let (isa, dropout) = ops.state;
        grads.register::<Flex>(node.id, drop_values(isa, gradient, dropout));
    }
}

impl<C: CheckpointStrategy> DropoutBackend for Autodiff<Flex, C> {
    fn fused_dropout(values: FloatTensor<Self>, isa: Isa, dropout: Dropout) -> FloatTensor<Self> {
        let output = drop_values(isa, values.primitive().clone(), dropout);
        match DropoutBackward
            .prepare::<C>([values.node()])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => prep.finish((isa, dropout), output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        }
    }
}
