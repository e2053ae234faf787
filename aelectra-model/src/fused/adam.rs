//! The optimizer's arithmetic in one parallel pass over a parameter.

use burn::backend::Flex;
use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::simd::{self, vectorised};
use super::tensor::{contiguous, shaped, slice};

/// Elements one thread takes at a time.
const BLOCK: usize = 1 << 15;

/// Constants of one step of Adam for one parameter.
#[derive(Clone, Copy, Debug)]
pub struct AdamStep {
    /// Factor of the gradient, from clipping.
    pub gradient_scale: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Decoupled decay.
    pub weight_decay: f32,
    /// Learning rate of this parameter.
    pub learning_rate: f32,
    /// Factor of the first moment, from bias correction.
    pub step_size: f32,
    /// Factor of the root of the second moment, from bias correction.
    pub root_scale: f32,
}

/// A parameter with its moments, all flat and of one length.
#[derive(Clone, Debug)]
pub struct AdamTensors {
    /// The parameter.
    pub parameter: Tensor<1>,
    /// First moment.
    pub first: Tensor<1>,
    /// Second moment.
    pub second: Tensor<1>,
}

/// One step; tensors that nobody else holds are updated in place.
#[must_use]
pub fn adam(step: AdamStep, gradient: Tensor<1>, tensors: AdamTensors) -> AdamTensors {
    let gradient = contiguous(primitive(gradient));
    let mut parameter = owned(tensors.parameter);
    let mut first = owned(tensors.first);
    let mut second = owned(tensors.second);
    parameter
        .storage_mut::<f32>()
        .par_chunks_mut(BLOCK)
        .zip(first.storage_mut::<f32>().par_chunks_mut(BLOCK))
        .zip(second.storage_mut::<f32>().par_chunks_mut(BLOCK))
        .zip(slice(&gradient).par_chunks(BLOCK))
        .for_each(|(((parameter, first), second), gradient)| {
            vectorised(
                #[inline(always)]
                || {
                    for (((p, m), v), g) in parameter
                        .iter_mut()
                        .zip(first.iter_mut())
                        .zip(second.iter_mut())
                        .zip(gradient)
                    {
                        let g = g * step.gradient_scale;
                        *m = *m * step.beta1 + g * (1.0 - step.beta1);
                        *v = *v * step.beta2 + g * g * (1.0 - step.beta2);
                        let root = v.sqrt() * step.root_scale + step.epsilon;
                        let update = *m * step.step_size / root + *p * step.weight_decay;
                        *p -= update * step.learning_rate;
                    }
                },
            );
        });
    let tensor = Tensor::from_primitive::<Flex>;
    AdamTensors {
        parameter: tensor(parameter),
        first: tensor(first),
        second: tensor(second),
    }
}

/// Sum of the squares of a tensor's elements, in an order that does not depend on the threads.
#[must_use]
pub fn sum_of_squares(values: Tensor<1>) -> f64 {
    let values = contiguous(primitive(values));
    let blocks: Vec<f32> = slice(&values)
        .par_chunks(BLOCK)
        .map(|block| {
            vectorised(
                #[inline(always)]
                || {
                    simd::sum(
                        block,
                        #[inline(always)]
                        |v| v * v,
                    )
                },
            )
        })
        .collect();
    blocks.into_iter().map(f64::from).sum()
}

fn primitive(tensor: Tensor<1>) -> FlexTensor {
    match tensor.try_into_primitive::<Flex>() {
        Ok(tensor) => tensor,
        Err(_) => unreachable!("only called for tensors of the CPU backend"),
    }
}

/// A tensor that is all of its storage.
fn owned(tensor: Tensor<1>) -> FlexTensor {
    let [elements] = tensor.dims();
    let tensor = primitive(tensor);
    if tensor.as_slice::<f32>().is_some() && tensor.storage::<f32>().len() == elements {
        tensor
    } else {
        shaped(slice(&contiguous(tensor)).to_vec(), [elements])
    }
}
