//! What is counted in pretraining, summed on the device: nothing is read in a step.
//!
//! The area under the ROC curve needs the order of all logits; a histogram of 2,048 bins of 1/64 keeps
//! it within 1e-4 for logits that spread by 0.3 or more (two of one bin count as equal), and what is above 0
//! exactly.

use burn::tensor::{Device, Int, Tensor};

use crate::kernels;
use crate::pretraining::{PretrainInput, PretrainOutput, best_guesses};

/// Bins of each kind of token; logits beyond ±16 are in the outermost.
pub(crate) const BINS: usize = 2048;
/// Bins from 0 to a logit of 1.
pub(crate) const PER_UNIT: f32 = 64.0;
/// Sums before the histogram.
pub(crate) const SUMS: usize = 5;
/// Original tokens, replaced ones, and a bin for padding.
pub(crate) const HISTOGRAM: usize = 2 * BINS + 1;

/// What of a pass is counted, outside autodiff.
#[derive(Clone, Debug)]
pub struct Counted {
    /// The summed losses of generator and discriminator, `[1]` each.
    pub losses: [Tensor<1>; 2],
    /// Original ids at the drawn positions, below 0 where nothing was drawn: `[n]`.
    pub labels: Tensor<1, Int>,
    /// The generator's best guesses there, `[n]`.
    pub guesses: Tensor<1, Int>,
    /// Its samples there, `[n]`.
    pub samples: Tensor<1, Int>,
    /// The discriminator's logits, `[tokens]`.
    pub logits: Tensor<1>,
    /// 1 where a token was replaced and 0 where not, `[tokens]`.
    pub replaced: Tensor<1>,
    /// 1 on real tokens and 0 on padding, `[tokens]`; `None` when nothing is padded.
    pub weights: Option<Tensor<1>>,
}

/// Counts of any number of passes, `[SUMS + HISTOGRAM]`, on the device and outside autodiff.
#[derive(Clone, Debug)]
pub struct Tally(Tensor<1>);

impl Tally {
    /// Counts a pass.
    #[must_use]
    pub fn of(output: &PretrainOutput, input: &PretrainInput) -> Self {
        let labels = input.labels.clone().inner();
        let guesses = match labels.dims() {
            [0] => labels.clone(),
            _ => best_guesses(output.generator_logits.clone()),
        };
        let flat = |of: &Tensor<2>| of.clone().flatten::<1>(0, 1);
        let counted = Counted {
            losses: [&output.mlm_loss_sum, &output.rtd_loss_sum].map(|sum| sum.clone().inner()),
            labels,
            guesses,
            samples: output.sampled_ids.clone().inner(),
            logits: flat(&output.discriminator_logits),
            replaced: flat(&output.is_replaced).inner(),
            weights: (input.token_weights.as_ref()).map(|weights| flat(weights).inner()),
        };
        Self(kernels::of(&counted.logits.device()).tally(&counted))
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
