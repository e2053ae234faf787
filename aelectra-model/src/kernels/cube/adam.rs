//! A step of Adam for many parameters in a launch: as many as the device binds buffers at once.

use burn::backend::{DType, TensorMetadata};
use burn::tensor::Tensor;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::launch::group;
use super::reduce::{Lanes, is_finite, sum_lanes};
use super::tensor::{argument, empty, writable};
use super::{flat, primitive};
use crate::kernels::{AdamStep, AdamTensors};

/// Buffers of a parameter, and those that all share.
const BUFFERS: usize = 4;
const SHARED_BUFFERS: usize = 4;
/// Values that a unit takes before another cube is started, and cubes of a parameter at most.
const VALUES: usize = 8;
const CUBES: usize = 256;

#[derive(CubeType, CubeLaunch)]
struct Gradient {
    values: Box<[f32]>,
    count: usize,
}

#[derive(CubeType, CubeLaunch)]
struct Parameter {
    value: Box<[f32]>,
    gradient: Box<[f32]>,
    first: Box<[f32]>,
    second: Box<[f32]>,
    count: usize,
    rate: f32,
    decay: f32,
}

#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Step {
    beta1: f32,
    rest1: f32,
    beta2: f32,
    rest2: f32,
    epsilon: f32,
    step_size: f32,
    root_scale: f32,
    max_norm: f32,
}

#[cube(launch)]
fn squares(
    gradients: Sequence<Gradient>,
    partial: &mut [f32],
    first: usize,
    #[comptime] lanes: Lanes,
) {
    let mut sum = 0.0f32;
    let number = CUBE_POS_Y as usize;
    let units = CUBE_COUNT_X as usize * comptime!(lanes.lanes as usize);
    let mut index = 0usize;
    for gradient in gradients {
        if number == index {
            let mut at =
                CUBE_POS_X as usize * comptime!(lanes.lanes as usize) + UNIT_POS_X as usize;
            while at < gradient.count {
                let value = gradient.values[at];
                sum += value * value;
                at += units;
            }
        }
        index += 1;
    }
    let sum = sum_lanes(sum, lanes);
    if UNIT_POS_X == 0 {
        partial[first + number * CUBE_COUNT_X as usize + CUBE_POS_X as usize] = sum;
    }
}

#[cube(launch)]
fn total_norm(
    partial: &[f32],
    loss: &[f32],
    norm: &mut [f32],
    count: usize,
    #[comptime] lanes: Lanes,
) {
    let mut own = 0.0f32;
    let mut at = UNIT_POS_X as usize;
    while at < count {
        own += partial[at];
        at += comptime!(lanes.lanes as usize);
    }
    let sum = sum_lanes(own, lanes);
    if UNIT_POS_X == 0 {
        // A loss that is not finite makes the norm so too.
        let loss = loss[0];
        norm[0] = select(is_finite(loss), sum.sqrt(), loss);
    }
}

#[cube(launch)]
fn update(parameters: Sequence<Parameter>, norm: &[f32], step: Step) {
    let norm = norm[0];
    if is_finite(norm) {
        // min(1, max_norm / norm), as both TensorFlow and PyTorch have it.
        let scale = min(step.max_norm / norm, 1.0f32);
        let number = CUBE_POS_Y as usize;
        let units = CUBE_COUNT_X as usize * CUBE_DIM_X as usize;
        let mut index = 0usize;
        for mut parameter in parameters {
            if number == index {
                let mut at = CUBE_POS_X as usize * CUBE_DIM_X as usize + UNIT_POS_X as usize;
                while at < parameter.count {
                    let gradient = parameter.gradient[at] * scale;
                    let first = parameter.first[at] * step.beta1 + gradient * step.rest1;
                    let second =
                        parameter.second[at] * step.beta2 + gradient * gradient * step.rest2;
                    let root = second.sqrt() * step.root_scale + step.epsilon;
                    let value = parameter.value[at];
                    let change = first * step.step_size / root + value * parameter.decay;
                    parameter.first[at] = first;
                    parameter.second[at] = second;
                    parameter.value[at] = value - change * parameter.rate;
                    at += units;
                }
            }
            index += 1;
        }
    }
}

/// A parameter on the device.
struct Held {
    value: CubeTensor,
    gradient: CubeTensor,
    first: CubeTensor,
    second: CubeTensor,
}

/// As [`Kernels::adam`](crate::kernels::Kernels::adam).
pub(super) fn adam(
    step: &AdamStep,
    loss: Tensor<1>,
    parameters: Vec<AdamTensors>,
) -> (Vec<AdamTensors>, Tensor<1>) {
    if parameters.is_empty() {
        return (parameters, loss.zeros_like());
    }
    let loss = primitive(loss);
    let rates: Vec<(f64, f64)> = parameters
        .iter()
        .map(|one| (one.learning_rate, one.weight_decay))
        .collect();
    let held: Vec<Held> = parameters
        .into_iter()
        .map(|one| Held {
            value: writable(primitive(one.parameter)),
            gradient: primitive(one.gradient),
            first: writable(primitive(one.first)),
            second: writable(primitive(one.second)),
        })
        .collect();
    let groups = groups(&loss, &held);
    let norm = norm(&loss, &held, &groups);
    for group in &groups {
        take(step, &norm, &held, &rates, group);
    }
    let updated = held
        .into_iter()
        .zip(rates)
        .map(|(held, (learning_rate, weight_decay))| AdamTensors {
            parameter: flat(held.value),
            gradient: flat(held.gradient),
            first: flat(held.first),
            second: flat(held.second),
            learning_rate,
            weight_decay,
        })
        .collect();
    (updated, flat(norm))
}

/// Parameters of a launch, and its cubes for each.
struct Group {
    members: Vec<usize>,
    cubes: usize,
}

/// Parameters of about the same size go together.
fn groups(like: &CubeTensor, held: &[Held]) -> Vec<Group> {
    let most = group(&like.client, BUFFERS, SHARED_BUFFERS);
    let size = |at: usize| held[at].value.shape().num_elements();
    let mut order: Vec<usize> = (0..held.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(size(at)));
    order
        .chunks(most)
        .map(|members| Group {
            cubes: size(members[0])
                .div_ceil(VALUES * Lanes::long().lanes as usize)
                .clamp(1, CUBES),
            members: members.to_vec(),
        })
        .collect()
}

fn norm(loss: &CubeTensor, held: &[Held], groups: &[Group]) -> CubeTensor {
    let client = &loss.client;
    let lanes = Lanes::long();
    let count = groups.iter().map(|g| g.cubes * g.members.len()).sum();
    let partial = empty(loss, [count], DType::F32);
    let mut first = 0;
    for group in groups {
        let mut gradients = SequenceArg::new();
        for &at in &group.members {
            let gradient = &held[at].gradient;
            let count = gradient.shape().num_elements();
            gradients.push(GradientLaunch::new(argument(gradient), count));
        }
        let cubes = CubeCount::Static(group.cubes as u32, group.members.len() as u32, 1);
        let dim = CubeDim::new_1d(lanes.lanes);
        squares::launch(
            client,
            cubes,
            dim,
            gradients,
            argument(&partial),
            first,
            lanes,
        );
        first += group.cubes * group.members.len();
    }
    let norm = empty(loss, [1], DType::F32);
    total_norm::launch(
        client,
        CubeCount::Static(1, 1, 1),
        CubeDim::new_1d(lanes.lanes),
        argument(&partial),
        argument(loss),
        argument(&norm),
        count,
        lanes,
    );
    norm
}

fn take(step: &AdamStep, norm: &CubeTensor, held: &[Held], rates: &[(f64, f64)], group: &Group) {
    let mut parameters = SequenceArg::new();
    for &at in &group.members {
        let (one, (rate, decay)) = (&held[at], rates[at]);
        parameters.push(ParameterLaunch::new(
            argument(&one.value),
            argument(&one.gradient),
            argument(&one.first),
            argument(&one.second),
            one.value.shape().num_elements(),
            rate as f32,
            decay as f32,
        ));
    }
    let constants = StepLaunch::new(
        step.beta1 as f32,
        (1.0 - step.beta1) as f32,
        step.beta2 as f32,
        (1.0 - step.beta2) as f32,
        step.epsilon as f32,
        step.step_size as f32,
        step.root_scale as f32,
        step.max_grad_norm as f32,
    );
    let cubes = CubeCount::Static(group.cubes as u32, group.members.len() as u32, 1);
    let dim = CubeDim::new_1d(Lanes::long().lanes);
    update::launch(
        &norm.client,
        cubes,
        dim,
        parameters,
        argument(norm),
        constants,
    );
}
