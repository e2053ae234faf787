//! Adam: the norm of all gradients, then one parallel pass over each parameter.

use burn::backend::Flex;
use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::isa::Isa;
use super::math;
use super::tensor::{on_cpu, slice, whole};
use crate::kernels::{AdamStep, AdamTensors};

/// Elements one thread takes at a time.
const BLOCK: usize = 1 << 15;

/// As [`crate::kernels::Kernels::adam`]; tensors that nobody else holds are updated in place.
pub(super) fn adam(
    isa: Isa,
    step: &AdamStep,
    loss: Tensor<1>,
    parameters: Vec<AdamTensors>,
) -> (Vec<AdamTensors>, Tensor<1>) {
    let device = loss.device();
    let loss: f32 = loss.into_scalar();
    let squares = parameters
        .iter()
        .map(|one| sum_of_squares(isa, &one.gradient) as f32)
        .sum::<f32>();
    // A loss that is not finite makes the norm so too; a finite one adds 0.
    let norm = squares.sqrt() + loss * 0.0;
    let updated = if norm.is_finite() {
        let scale = (step.max_grad_norm as f32 / norm).min(1.0);
        let update = |old| update(isa, step, scale, old);
        parameters.into_iter().map(update).collect()
    } else {
        parameters
    };
    (updated, Tensor::from_floats([norm], &device))
}

fn update(isa: Isa, step: &AdamStep, gradient_scale: f32, old: AdamTensors) -> AdamTensors {
    let gradient = on_cpu(old.gradient.clone());
    let owned = |tensor: Tensor<1>| whole(on_cpu(tensor));
    let mut parameter = owned(old.parameter);
    let mut first = owned(old.first);
    let mut second = owned(old.second);
    let (beta1, beta2) = (step.beta1 as f32, step.beta2 as f32);
    let (epsilon, root_scale) = (step.epsilon as f32, step.root_scale as f32);
    let step_size = step.step_size as f32;
    let (weight_decay, learning_rate) = (old.weight_decay as f32, old.learning_rate as f32);
    parameter
        .storage_mut::<f32>()
        .par_chunks_mut(BLOCK)
        .zip(first.storage_mut::<f32>().par_chunks_mut(BLOCK))
        .zip(second.storage_mut::<f32>().par_chunks_mut(BLOCK))
        .zip(slice(&gradient).par_chunks(BLOCK))
        .for_each(|(((parameter, first), second), gradient)| {
            isa.run(
                #[inline(always)]
                || {
                    for (((p, m), v), g) in parameter
                        .iter_mut()
                        .zip(first.iter_mut())
                        .zip(second.iter_mut())
                        .zip(gradient)
                    {
                        let g = g * gradient_scale;
                        *m = *m * beta1 + g * (1.0 - beta1);
                        *v = *v * beta2 + g * g * (1.0 - beta2);
                        let root = v.sqrt() * root_scale + epsilon;
                        let update = *m * step_size / root + *p * weight_decay;
                        *p -= update * learning_rate;
                    }
                },
            );
        });
    let tensor = |tensor: FlexTensor| Tensor::from_primitive::<Flex>(tensor);
    AdamTensors {
        parameter: tensor(parameter),
        first: tensor(first),
        second: tensor(second),
        ..old
    }
}

/// Sum of the squares of a tensor's elements, in an order that does not depend on the threads.
fn sum_of_squares(isa: Isa, values: &Tensor<1>) -> f64 {
    let values = on_cpu(values.clone());
    let blocks: Vec<f32> = slice(&values)
        .par_chunks(BLOCK)
        .map(|block| {
            isa.run(
                #[inline(always)]
                || {
                    math::sum(
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
