//! The softmax cross-entropy over a vocabulary; its gradient is written over the logits.

use std::sync::{Arc, Mutex};

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Int, Tensor};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::isa::Isa;
use super::math;
use super::tensor::{contiguous, shaped, slice, whole};

#[backend_extension(Autodiff, Flex)]
trait CrossEntropyBackend: Backend {
    /// Logits `[n, classes]`, labels `[n]` to the summed negative log-likelihood `[1]`.
    fn fused_cross_entropy(
        logits: FloatTensor<Self>,
        labels: IntTensor<Self>,
        isa: Isa,
    ) -> FloatTensor<Self>;
}

/// Negative log-likelihoods of `labels` `[n]` under `logits` `[n, classes]`, summed: `[1]`.
pub(super) fn cross_entropy_sum(isa: Isa, logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    Tensor::from_dispatch(<Dispatch as CrossEntropyBackend>::fused_cross_entropy(
        logits.into_dispatch(),
        labels.into_dispatch(),
        isa,
    ))
}

fn indices(labels: FlexTensor) -> Vec<usize> {
    labels
        .into_data()
        .iter::<i64>()
        .map(|id| id as usize)
        .collect()
}

/// The summed loss and the logarithm of every row's sum of exponentials.
fn forward(isa: Isa, logits: &FlexTensor, labels: &[usize]) -> (f32, Vec<f32>) {
    let classes = logits.shape()[1];
    let (losses, log_sums): (Vec<f32>, Vec<f32>) = slice(logits)
        .par_chunks_exact(classes)
        .zip(labels)
        .map(|(row, &label)| {
            let log_sum = isa.run(
                #[inline(always)]
                || {
                    let greatest = math::max(row);
                    let sum = math::sum(
                        row,
                        #[inline(always)]
                        |v| math::exp(v - greatest),
                    );
                    greatest + sum.ln()
                },
            );
            (log_sum - row[label], log_sum)
        })
        .unzip();
    (losses.iter().sum(), log_sums)
}

impl CrossEntropyBackend for Flex {
    fn fused_cross_entropy(
        logits: FloatTensor<Self>,
        labels: IntTensor<Self>,
        isa: Isa,
    ) -> FloatTensor<Self> {
        shaped(
            vec![forward(isa, &contiguous(logits), &indices(labels)).0],
            [1],
        )
    }
}

#[derive(Debug)]
struct CrossEntropyBackward;

#[derive(Clone, Debug)]
struct Kept {
    isa: Isa,
    /// Taken once, so that the gradient can be written over it.
    logits: Arc<Mutex<Option<FlexTensor>>>,
    labels: Arc<Vec<usize>>,
    log_sums: Arc<Vec<f32>>,
}

impl Backward<Flex, 1> for CrossEntropyBackward {
    type State = Kept;

    fn backward(self, ops: Ops<Kept, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let scale = slice(&contiguous(grads.consume::<Flex>(&ops.node)))[0];
        let [Some(node)] = ops.parents else {
            return;
        };
        let kept = ops.state;
        let logits = kept.logits.lock().ok().and_then(|mut logits| logits.take());
        let Some(mut logits) = logits else {
            unreachable!("burn-autodiff runs a node's backward pass once");
        };
        let (isa, classes) = (kept.isa, logits.shape()[1]);
        let gradient = logits.storage_mut::<f32>();
        gradient
            .par_chunks_exact_mut(classes)
            .zip(&*kept.labels)
            .zip(&*kept.log_sums)
            .for_each(|((row, &label), &log_sum)| {
                isa.run(
                    #[inline(always)]
                    || {
                        for value in row.iter_mut() {
                            *value = scale * math::exp(*value - log_sum);
                        }
                    },
                );
                row[label] -= scale;
            });
        grads.register::<Flex>(node.id, logits);
    }
}

impl<C: CheckpointStrategy> CrossEntropyBackend for Autodiff<Flex, C> {
    fn fused_cross_entropy(
        logits: FloatTensor<Self>,
        labels: IntTensor<Self>,
        isa: Isa,
    ) -> FloatTensor<Self> {
        let nodes = [logits.node()];
        // Made contiguous from its first element, so that the storage is the rows.
        let logits = whole(logits.primitive().clone());
        let labels = indices(labels);
        let (loss, log_sums) = forward(isa, &logits, &labels);
        match CrossEntropyBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => {
                let kept = Kept {
                    isa,
                    logits: Arc::new(Mutex::new(Some(logits))),
                    labels: Arc::new(labels),
                    log_sums: Arc::new(log_sums),
                };
                prep.finish(kept, shaped(vec![loss], [1]))
            }
            OpsKind::UnTracked(prep) => prep.finish(shaped(vec![loss], [1])),
        }
    }
}
