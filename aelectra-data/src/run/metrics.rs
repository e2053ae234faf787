//! Groups of numbers, each listed once; [`PretrainMetrics::visit`] walks them.

use serde::{Deserialize, Serialize};

use super::numbers::numbers;

macro_rules! metrics {
    ($(#[$meta:meta])* $name:ident, $prefix:literal { $($(#[$about:meta])* $number:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $name {
            $($(#[$about])* #[serde(skip_serializing_if = "Option::is_none")] pub $number: Option<f64>,)+
        }
        numbers!($name, $prefix: $($number)+);
    };
}

metrics! {
    /// Metrics of replaced-token pretraining, on training or held-out data. Losses are in nats,
    /// shares in 0..=1. Without a discriminator the `rtd_*` are `None`.
    PretrainMetrics, "" {
        /// Generator loss + weighted discriminator loss.
        loss,
        /// Generator: mean cross-entropy over masked positions.
        mlm_loss,
        /// Discriminator: mean binary cross-entropy over non-padding positions, unweighted.
        rtd_loss,
        /// Share of masked positions where the generator's best guess is the original.
        mlm_accuracy,
        /// Share of masked positions where the generator's sample is the original.
        sampled_accuracy,
        /// Share of positions the discriminator judged right (logit above 0: replaced).
        rtd_accuracy,
        /// What "everything is original" would score in `rtd_accuracy`.
        rtd_baseline,
        /// Share of positions called replaced that were; 0 when none is called so.
        rtd_precision,
        /// Share of replaced positions that were called so.
        rtd_recall,
        /// Area under the discriminator's ROC curve; `None` when only one kind of token occurs.
        rtd_auc,
    }
}

metrics! {
    /// Where the seconds of one training step went.
    StepSeconds, "step_seconds." {
        /// Waiting for the batch.
        data,
        /// Both networks' forward passes.
        forward,
        /// Backward pass.
        backward,
        /// Clipping and update.
        optimizer,
        /// The whole step.
        total,
    }
}

/// What one of several devices did in an average step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceSeconds {
    /// As in `--device`; where one is named twice, `#2` is added.
    pub device: String,
    /// Real tokens of its share of the batch.
    pub tokens: f64,
    /// Forward and backward passes over its share of the batch.
    pub compute: f64,
    /// Weights to it and gradients from it.
    pub communication: f64,
    /// For the others.
    pub waiting: f64,
}

impl StepSeconds {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
