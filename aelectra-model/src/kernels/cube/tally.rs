//! What is counted of a pass of pretraining, in two kernels: one counts, one puts the counts and the
//! losses side by side.

use burn::backend::{DType, TensorMetadata};
use burn::tensor::Tensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::tensor::{argument, element, elementwise, empty, zeros};
use super::{flat, integers, primitive};
use crate::kernels::composed;
use crate::tally::{BINS, Counted, HISTOGRAM, PER_UNIT, SUMS};

/// Losses before the counts.
const LOSSES: usize = 2;
/// Counts before the histogram: drawn positions, right guesses, right samples.
const COUNTS: usize = SUMS - LOSSES;

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn count_pass<I: Int>(
    labels: &[I],
    guesses: &[I],
    samples: &[I],
    logits: &[f32],
    replaced: &[f32],
    weights: &[f32],
    counts: &mut [Atomic<u32>],
    drawn: usize,
    tokens: usize,
    #[comptime] weighted: bool,
    #[define(I)] _type: ElemType,
) {
    let at = ABSOLUTE_POS;
    // Sums of integers are the same in any order.
    if at < drawn {
        let label = labels[at];
        if i32::cast_from(label) >= 0 {
            counts[0].fetch_add(1u32);
            if guesses[at] == label {
                counts[1].fetch_add(1u32);
            }
            if samples[at] == label {
                counts[2].fetch_add(1u32);
            }
        }
    }
    if at < tokens {
        let middle = f32::new(comptime!((BINS / 2 - 1) as f32));
        let last = f32::new(comptime!((BINS - 1) as f32));
        let place = (logits[at] * PER_UNIT).ceil() + middle;
        let mut bin = u32::cast_from(clamp(place, 0.0f32, last));
        if replaced[at] > 0.5f32 {
            bin += comptime!(BINS as u32);
        }
        if comptime!(weighted) {
            if weights[at] < 0.5f32 {
                bin = comptime!(2 * BINS as u32);
            }
        }
        // What a logit that is no number becomes differs from device to device.
        bin = min(bin, comptime!(HISTOGRAM as u32 - 1));
        counts[bin as usize + COUNTS].fetch_add(1u32);
    }
}

#[cube(launch)]
fn side_by_side(mlm: &[f32], rtd: &[f32], counts: &[u32], out: &mut [f32], count: usize) {
    let at = ABSOLUTE_POS;
    if at == 0 {
        out[0] = mlm[0];
        out[1] = rtd[0];
    }
    if at < count {
        out[at + LOSSES] = f32::cast_from(counts[at]);
    }
}

/// As [`Kernels::tally`](crate::kernels::Kernels::tally).
pub(super) fn tally(counted: &Counted) -> Tensor<1> {
    if counted.labels.dims()[0] == 0 {
        // There are no buffers of nothing.
        return composed::tally(counted);
    }
    let [mlm, rtd] = counted.losses.clone().map(primitive);
    let ids = [&counted.labels, &counted.guesses, &counted.samples];
    let [labels, guesses, samples] = ids.map(|ids| integers(ids.clone()));
    let [logits, replaced] =
        [&counted.logits, &counted.replaced].map(|values| primitive(values.clone()));
    let weights = counted.weights.clone().map(primitive);
    let [drawn, tokens] = [&labels, &logits].map(|tensor| tensor.shape().num_elements());
    let length = COUNTS + HISTOGRAM;
    let counts = zeros(&logits, [length], DType::U32);
    let client = &logits.client;
    let (cubes, dim) = elementwise(client, drawn.max(tokens));
    count_pass::launch(
        client,
        cubes,
        dim,
        argument(&labels),
        argument(&guesses),
        argument(&samples),
        argument(&logits),
        argument(&replaced),
        // What the kernel does not read where all tokens are real.
        argument(weights.as_ref().unwrap_or(&replaced)),
        argument(&counts),
        drawn,
        tokens,
        weights.is_some(),
        element(&labels),
    );
    let out = empty(&logits, [LOSSES + length], DType::F32);
    let (cubes, dim) = elementwise(client, length);
    side_by_side::launch(
        client,
        cubes,
        dim,
        argument(&mlm),
        argument(&rtd),
        argument(&counts),
        argument(&out),
        length,
    );
    flat(out)
}
