//! What is read off the logits of a vocabulary: cross-entropy, samples, best guesses. A cube takes a
//! row.

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::noise::{Key, gumbel};
use super::reduce::{Lanes, max_lanes, row_of_unit, sum_lanes};
use super::tensor::{argument, element, elementwise, empty};
use crate::noise::Gumbel;

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn likelihoods<I: Int>(
    logits: &[f32],
    labels: &[I],
    losses: &mut [f32],
    log_sums: &mut [f32],
    classes: usize,
    count: usize,
    #[comptime] lanes: Lanes,
    #[define(I)] _type: ElemType,
) {
    let row = row_of_unit(lanes);
    let real = row < count;
    let row = select(real, row, 0);
    let start = row * classes;
    let step = comptime!(lanes.lanes as usize);
    let first = UNIT_POS_X as usize;
    let mut greatest = f32::new(-3.0e38);
    let mut at = first;
    while at < classes {
        greatest = max(greatest, logits[start + at]);
        at += step;
    }
    let greatest = max_lanes(greatest, lanes);
    let mut sum = 0.0f32;
    at = first;
    while at < classes {
        sum += (logits[start + at] - greatest).exp();
        at += step;
    }
    let sum = sum_lanes(sum, lanes);
    if real && first == 0 {
        let log_sum = greatest + sum.ln();
        log_sums[row] = log_sum;
        let label = i32::cast_from(labels[row]);
        let mut loss = 0.0f32;
        if label >= 0 {
            loss = log_sum - logits[start + label as usize];
        }
        losses[row] = loss;
    }
}

#[cube(launch)]
fn add_up(values: &[f32], sum: &mut [f32], count: usize, #[comptime] lanes: Lanes) {
    let mut own = 0.0f32;
    let mut at = UNIT_POS_X as usize;
    while at < count {
        own += values[at];
        at += comptime!(lanes.lanes as usize);
    }
    let total = sum_lanes(own, lanes);
    if UNIT_POS_X == 0 {
        sum[0] = total;
    }
}

/// The sum of all values, `[1]`: in a fixed order, which Burn's own sum does not promise.
pub(super) fn sum(values: &CubeTensor) -> CubeTensor {
    let out = empty(values, [1], DType::F32);
    let lanes = Lanes::long();
    let (cubes, dim) = lanes.launch(&values.client, 1);
    let count = values.shape().num_elements();
    let (from, to) = (argument(values), argument(&out));
    add_up::launch(&values.client, cubes, dim, from, to, count, lanes);
    out
}

/// The summed negative log-likelihood `[1]` of labels `[n]` under logits `[n, classes]`, and the
/// logarithm of every row's sum of exponentials. A label below 0 counts nothing.
pub(super) fn cross_entropy(logits: &CubeTensor, labels: &CubeTensor) -> (CubeTensor, CubeTensor) {
    let [count, classes] = logits.shape().dims();
    let losses = empty(logits, [count], DType::F32);
    let log_sums = empty(logits, [count], DType::F32);
    let lanes = Lanes::long();
    let (cubes, dim) = lanes.launch(&logits.client, count);
    likelihoods::launch(
        &logits.client,
        cubes,
        dim,
        argument(logits),
        argument(labels),
        argument(&losses),
        argument(&log_sums),
        classes,
        count,
        lanes,
        element(labels),
    );
    (sum(&losses), log_sums)
}

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn likelihoods_backward<I: Int>(
    logits: &mut [f32],
    labels: &[I],
    log_sums: &[f32],
    gradient: &[f32],
    classes: usize,
    count: usize,
    #[define(I)] _type: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at < count {
        let row = at / classes;
        let label = i32::cast_from(labels[row]);
        let mut slope = 0.0f32;
        if label >= 0 {
            slope = (logits[at] - log_sums[row]).exp();
            if label as usize == at % classes {
                slope -= 1.0;
            }
        }
        logits[at] = slope * gradient[0];
    }
}

/// The gradient of the logits, written over them, from that of the sum, `[1]`.
pub(super) fn cross_entropy_backward(
    logits: CubeTensor,
    labels: &CubeTensor,
    log_sums: &CubeTensor,
    gradient: &CubeTensor,
) -> CubeTensor {
    let [rows, classes] = logits.shape().dims();
    let (cubes, dim) = elementwise(&logits.client, rows * classes);
    likelihoods_backward::launch(
        &logits.client,
        cubes,
        dim,
        argument(&logits),
        argument(labels),
        argument(log_sums),
        argument(gradient),
        classes,
        rows * classes,
        element(labels),
    );
    logits
}

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn greatest<I: Int>(
    logits: &[f32],
    found: &mut [I],
    key: Key,
    classes: usize,
    count: usize,
    #[comptime] noisy: bool,
    #[comptime] lanes: Lanes,
    #[define(I)] _type: ElemType,
) {
    let row = row_of_unit(lanes);
    let real = row < count;
    let row = select(real, row, 0);
    let start = row * classes;
    let units = comptime!((lanes.lanes * lanes.rows) as usize);
    let mut values = Shared::new_slice(units);
    let mut places = Shared::new_slice(units);
    let mut best = f32::new(-3.0e38);
    let mut place = 0u32;
    let mut at = UNIT_POS_X as usize;
    while at < classes {
        let mut value = logits[start + at];
        if comptime!(noisy) {
            value += gumbel(&key, (start + at) as u32);
        }
        if value > best {
            best = value;
            place = at as u32;
        }
        at += comptime!(lanes.lanes as usize);
    }
    let unit = UNIT_POS as usize;
    values[unit] = best;
    places[unit] = place;
    sync_cube();
    let steps = comptime!(lanes.lanes.ilog2());
    #[unroll]
    for step in 0..steps {
        let half = comptime!((lanes.lanes >> (step + 1)) as usize);
        if (UNIT_POS_X as usize) < half {
            let value = values[unit + half];
            let other = places[unit + half];
            // Of equals the first.
            let better = value > values[unit] || (value == values[unit] && other < places[unit]);
            if better {
                values[unit] = value;
                places[unit] = other;
            }
        }
        sync_cube();
    }
    if real && UNIT_POS_X == 0 {
        found[row] = I::cast_from(places[unit]);
    }
}

/// The class of the greatest logit of each row of `[n, classes]`, the first of equals, with Gumbel
/// noise added where there is one: `[n]` integers of a type.
pub(super) fn best(logits: &CubeTensor, noise: Option<Gumbel>, integers: DType) -> CubeTensor {
    let [count, classes] = logits.shape().dims();
    let found = empty(logits, [count], integers);
    let lanes = Lanes::long();
    let (cubes, dim) = lanes.launch(&logits.client, count);
    greatest::launch(
        &logits.client,
        cubes,
        dim,
        argument(logits),
        argument(&found),
        Key::of(noise),
        classes,
        count,
        noise.is_some(),
        lanes,
        element(&found),
    );
    found
}
