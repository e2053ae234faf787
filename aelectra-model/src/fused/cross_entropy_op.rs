//! The softmax cross-entropy over a vocabulary, and what else is read off its logits: the best
//! guesses and samples.

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

use super::simd::{self, vectorised};
use super::tensor::{contiguous, shaped, slice};
use crate::noise::hash32;

#[backend_extension(Autodiff, Flex)]
trait CrossEntropyBackend: Backend {
    /// Logits `[n, classes]`, labels `[n]` to the summed negative log-likelihood `[1]`.
    fn fused_cross_entropy(logits: FloatTensor<Self>, labels: IntTensor<Self>)
    -> FloatTensor<Self>;
}

/// Negative log-likelihoods of `labels` `[n]` under `logits` `[n, classes]`, summed: `[1]`.
pub(crate) fn cross_entropy_sum(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    Tensor::from_dispatch(<Dispatch as CrossEntropyBackend>::fused_cross_entropy(
        logits.into_dispatch(),
        labels.into_dispatch(),
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
fn forward(logits: &FlexTensor, labels: &[usize]) -> (f32, Vec<f32>) {
    let classes = logits.shape()[1];
    let (losses, log_sums): (Vec<f32>, Vec<f32>) = slice(logits)
        .par_chunks_exact(classes)
        .zip(labels)
        .map(|(row, &label)| {
            let log_sum = vectorised(
                #[inline(always)]
                || {
                    let greatest = simd::max(row);
                    let sum = simd::sum(
                        row,
                        #[inline(always)]
                        |v| simd::exp(v - greatest),
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
    ) -> FloatTensor<Self> {
        shaped(vec![forward(&contiguous(logits), &indices(labels)).0], [1])
    }
}

#[derive(Debug)]
struct CrossEntropyBackward;

#[derive(Clone, Debug)]
struct Kept {
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
        let classes = logits.shape()[1];
        let gradient = logits.storage_mut::<f32>();
        gradient
            .par_chunks_exact_mut(classes)
            .zip(&*kept.labels)
            .zip(&*kept.log_sums)
            .for_each(|((row, &label), &log_sum)| {
                vectorised(
                    #[inline(always)]
                    || {
                        for value in row.iter_mut() {
                            *value = scale * simd::exp(*value - log_sum);
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
    ) -> FloatTensor<Self> {
        let nodes = [logits.node()];
        // Made contiguous from its first element, so that the storage is the rows.
        let logits = whole(logits.primitive().clone());
        let labels = indices(labels);
        let (loss, log_sums) = forward(&logits, &labels);
        match CrossEntropyBackward
            .prepare::<C>(nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prep) => {
                let kept = Kept {
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

/// A contiguous tensor that is all of its storage.
fn whole(tensor: FlexTensor) -> FlexTensor {
    let elements = tensor.shape().num_elements();
    if tensor.as_slice::<f32>().is_some() && tensor.storage::<f32>().len() == elements {
        tensor
    } else {
        let shape = tensor.shape();
        shaped(slice(&contiguous(tensor)).to_vec(), shape)
    }
}

/// The greatest logit of each row of `[n, classes]`, the first of equals: `[n]`.
pub(crate) fn best(logits: Tensor<2>) -> Tensor<1, Int> {
    by_row(logits, |row, _| greatest(row.iter().copied()))
}

/// One class of each row of `[n, classes]`, drawn by adding Gumbel noise of `key` and taking the
/// greatest: `[n]`.
pub(crate) fn sample(logits: Tensor<2>, key: u64) -> Tensor<1, Int> {
    by_row(logits, |row, number| {
        let first = (number * row.len()) as u32;
        // In blocks: first the noisy logits of a block, vectorised, then their greatest.
        let mut noisy = [0.0f32; 1024];
        let mut found = (f32::NEG_INFINITY, 0);
        for (block, logits) in row.chunks(noisy.len()).enumerate() {
            let start = block * noisy.len();
            let noisy = &mut noisy[..logits.len()];
            let block_greatest = vectorised(
                #[inline(always)]
                || {
                    for (at, (noisy, logit)) in noisy.iter_mut().zip(logits).enumerate() {
                        let index = first.wrapping_add((start + at) as u32);
                        *noisy = logit + simd::gumbel(hash32(key, index));
                    }
                    simd::max(noisy)
                },
            );
            if block_greatest > found.0 {
                found = (block_greatest, start + greatest(noisy.iter().copied()));
            }
        }
        found.1
    })
}

/// The place of the greatest value, the first of equals.
fn greatest(values: impl Iterator<Item = f32>) -> usize {
    let mut found = (f32::NEG_INFINITY, 0);
    for (at, value) in values.enumerate() {
        if value > found.0 {
            found = (value, at);
        }
    }
    found.1
}

fn by_row(logits: Tensor<2>, choose: impl Fn(&[f32], usize) -> usize + Sync) -> Tensor<1, Int> {
    let [rows, classes] = logits.dims();
    let device = logits.device();
    let chosen: Vec<u32> = match logits.try_into_primitive::<Flex>() {
        Ok(logits) => slice(&contiguous(logits))
            .par_chunks_exact(classes)
            .enumerate()
            .map(|(number, row)| choose(row, number) as u32)
            .collect(),
        Err(_) => unreachable!("only called for tensors of the CPU backend"),
    };
    crate::input::int_tensor(&chosen, [rows], &device)
}
