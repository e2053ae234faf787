//! The loss of replaced-token detection: a kernel for the losses of all tokens, one for their
//! gradients.

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::tensor::{argument, elementwise, empty};
use super::vocabulary::sum;

/// What is compared, `[n]` each.
#[derive(Clone, Debug)]
pub(super) struct Detection {
    pub logits: CubeTensor,
    /// 1 where a token was replaced, 0 where not.
    pub labels: CubeTensor,
    /// What a token counts, where not all count the same.
    pub weights: Option<CubeTensor>,
}

impl Detection {
    /// The weights, or something in their place that the kernels do not read.
    fn weights_or(&self) -> &CubeTensor {
        self.weights.as_ref().unwrap_or(&self.labels)
    }
}

#[cube(launch)]
fn losses(
    logits: &[f32],
    labels: &[f32],
    weights: &[f32],
    out: &mut [f32],
    count: usize,
    #[comptime] weighted: bool,
) {
    let at = ABSOLUTE_POS;
    if at < count {
        let logit = logits[at];
        // max(x, 0) - x·y + ln(1 + e^-|x|), which does not overflow.
        let softplus = ((-logit.abs()).exp() + 1.0f32).ln();
        let mut loss = max(logit, 0.0f32) - logit * labels[at] + softplus;
        if comptime!(weighted) {
            loss *= weights[at];
        }
        out[at] = loss;
    }
}

/// The summed binary cross-entropy, `[1]`.
pub(super) fn forward(of: &Detection) -> CubeTensor {
    let logits = &of.logits;
    let count = logits.shape().num_elements();
    let out = empty(logits, [count], DType::F32);
    let (cubes, dim) = elementwise(&logits.client, count);
    losses::launch(
        &logits.client,
        cubes,
        dim,
        argument(logits),
        argument(&of.labels),
        argument(of.weights_or()),
        argument(&out),
        count,
        of.weights.is_some(),
    );
    sum(&out)
}

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn slopes(
    logits: &[f32],
    labels: &[f32],
    weights: &[f32],
    gradient: &[f32],
    out: &mut [f32],
    count: usize,
    #[comptime] weighted: bool,
) {
    let at = ABSOLUTE_POS;
    if at < count {
        let logit = logits[at];
        // The logistic function, of the sign that does not overflow.
        let small = (-logit.abs()).exp();
        let share = 1.0f32 / (1.0f32 + small);
        let mut slope = select(logit >= 0.0f32, share, small * share) - labels[at];
        if comptime!(weighted) {
            slope *= weights[at];
        }
        out[at] = slope * gradient[0];
    }
}

/// The gradient of the logits `[n]` from that of the sum, `[1]`.
pub(super) fn backward(of: &Detection, gradient: &CubeTensor) -> CubeTensor {
    let logits = &of.logits;
    let count = logits.shape().num_elements();
    let out = empty(logits, [count], DType::F32);
    let (cubes, dim) = elementwise(&logits.client, count);
    slopes::launch(
        &logits.client,
        cubes,
        dim,
        argument(logits),
        argument(&of.labels),
        argument(of.weights_or()),
        argument(gradient),
        argument(&out),
        count,
        of.weights.is_some(),
    );
    out
}
