//! What is counted in pretraining, summed on the device: nothing is read in a step.
//!
//! The area under the ROC curve needs the order of all logits; a histogram of 2,048 bins of 1/64 keeps
//! it within 1e-4 for logits that spread by 0.3 or more (two of one bin count as equal), and what is above 0
//! exactly.

use burn::tensor::{Bool, Device, Int, Tensor};

use crate::kernels;
use crate::pretraining::{PretrainInput, PretrainOutput, best_guesses};

/// Bins of each kind of token; logits beyond ±16 are in the outermost.
const BINS: usize = 2048;
const PER_UNIT: f32 = 64.0;
/// Sums before the histogram.
const SUMS: usize = 5;
/// Original tokens, replaced ones, and a bin for padding.
const HISTOGRAM: usize = 2 * BINS + 1;

/// Counts of any number of passes, `[SUMS + HISTOGRAM]`, on the device and outside autodiff.
#[derive(Clone, Debug)]
pub struct Tally(Tensor<1>);

impl Tally {
    /// Counts a pass.
    #[must_use]
    pub fn of(output: &PretrainOutput, input: &PretrainInput) -> Self {
        let labels = input.labels.clone().inner();
        let drawn = if labels.dims()[0] == 0 {
            // Sums of nothing are not defined on every backend.
            Tensor::zeros([3], &labels.device())
        } else {
            let drawn = labels.clone().greater_equal_elem(0);
            let count = |these: Tensor<1, Bool>| {
                let these = these.float();
                kernels::of(&these.device()).sum(these)
            };
            let right = |ids: Tensor<1, Int>| {
                let equal = ids.equal(labels.clone());
                count(equal.bool_and(drawn.clone()))
            };
            let guesses = best_guesses(output.generator_logits.clone());
            let masked = count(drawn.clone());
            let sampled = right(output.sampled_ids.clone().inner());
            Tensor::cat(vec![masked, right(guesses), sampled], 0)
        };
        let losses = [&output.mlm_loss_sum, &output.rtd_loss_sum].map(|sum| sum.clone().inner());
        let [mlm, rtd] = losses;
        Self(Tensor::cat(
            vec![mlm, rtd, drawn, histogram(output, input)],
            0,
        ))
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// The same on another device.
    #[must_use]
    pub fn to_device(self, device: &Device) -> Self {
        Self(self.0.to_device(device))
    }

    /// Nothing where `norm` `[1]` is not finite: such a step is not taken.
    #[must_use]
    pub fn if_taken(self, norm: &Tensor<1>) -> Self {
        let length = self.0.dims()[0];
        let skipped = norm.clone().is_finite().bool_not().expand([length]);
        Self(self.0.mask_fill(skipped, 0.0))
    }

    /// The counts, to be received together with others.
    #[must_use]
    pub fn into_tensor(self) -> Tensor<1> {
        self.0
    }
}

/// How many logits of original and of replaced tokens are in each bin.
fn histogram(output: &PretrainOutput, input: &PretrainInput) -> Tensor<1> {
    let logits = output.discriminator_logits.clone().flatten::<1>(0, 1);
    let replaced = output.is_replaced.clone().inner().flatten::<1>(0, 1);
    // Half-open from above, so that exactly what is greater than 0 is in the upper half.
    let bins = (logits * PER_UNIT).ceil() + (BINS / 2 - 1) as f32;
    let mut bins = bins.clamp(0.0, (BINS - 1) as f32) + replaced * BINS as f32;
    if let Some(weights) = &input.token_weights {
        let real = weights.clone().inner().flatten::<1>(0, 1);
        let padding = real.clone().neg().add_scalar(1.0) * (2 * BINS) as f32;
        bins = bins * real + padding;
    }
    kernels::of(&bins.device()).histogram(bins.int(), HISTOGRAM)
}

/// How often a logit occurred.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detected {
    /// The middle of its bin; above 0 means that the token was called replaced.
    pub logit: f64,
    /// Tokens that were replaced.
    pub replaced: u64,
    /// Tokens that were not.
    pub original: u64,
}

/// A [`Tally`] on the host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Sum of the generator's negative log-likelihoods.
    pub mlm_loss_sum: f64,
    /// Sum of the discriminator's cross-entropies.
    pub rtd_loss_sum: f64,
    /// Drawn positions.
    pub masked: u64,
    /// Drawn positions where the generator's best guess is the original.
    pub mlm_correct: u64,
    /// Drawn positions where the generator's sample is the original.
    pub sampled_correct: u64,
    /// Real tokens by logit, in rising order; only logits that occurred.
    pub detections: Vec<Detected>,
}

impl Counts {
    /// Of what [`Tally::into_tensor`] gave. Empty for anything else.
    #[must_use]
    pub fn from_values(values: &[f32]) -> Self {
        let Some(([mlm, rtd, masked, guessed, sampled], histogram)) =
            values.split_first_chunk::<SUMS>()
        else {
            return Self::default();
        };
        let count = |value: &f32| *value as u64;
        let (original, rest) = histogram.split_at(BINS.min(histogram.len()));
        let detections = original
            .iter()
            .zip(rest)
            .enumerate()
            .filter(|(_, (original, replaced))| **original + **replaced > 0.0)
            .map(|(bin, (original, replaced))| Detected {
                logit: (bin as f64 + 0.5 - (BINS / 2) as f64) / f64::from(PER_UNIT),
                replaced: count(replaced),
                original: count(original),
            })
            .collect();
        Self {
            mlm_loss_sum: f64::from(*mlm),
            rtd_loss_sum: f64::from(*rtd),
            masked: count(masked),
            mlm_correct: count(guessed),
            sampled_correct: count(sampled),
            detections,
        }
    }
}
