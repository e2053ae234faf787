//! Losses as sums, so that a batch split into parts has the loss of the whole batch.
//!
//! Each function returns a numerator; the caller divides by the count over the whole batch plus
//! 1e-6, which is the reference's normalisation (google-research/electra `run_pretraining.py`),
//! not a mean of means.

use burn::tensor::{Int, Tensor};

use crate::kernels;

/// Added to every count, as in the reference.
pub const COUNT_EPSILON: f64 = 1e-6;

/// Negative log-likelihoods of `labels` `[n]` under `logits` `[n, classes]`, summed: `[1]`.
#[must_use]
pub fn cross_entropy_sum(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    kernels::of(&logits.device()).cross_entropy_sum(logits, labels)
}

/// Binary cross-entropies of `labels` (0 or 1) under `logits`, of those whose weight is 1 and not 0
/// where there are `weights`, summed: `[n]` each to `[1]`.
#[must_use]
pub fn binary_cross_entropy_sum(
    logits: Tensor<1>,
    labels: Tensor<1>,
    weights: Option<Tensor<1>>,
) -> Tensor<1> {
    kernels::of(&logits.device()).binary_cross_entropy_sum(logits, labels, weights)
}
