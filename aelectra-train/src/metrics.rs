//! Pretraining metrics, from plain numbers.

use serde::{Deserialize, Serialize};

/// Sums over any number of batches; [`PretrainTotals::summary`] divides.
#[derive(Clone, Debug, Default)]
pub struct PretrainTotals {
    /// Sum of the generator's negative log-likelihoods.
    pub mlm_loss_sum: f64,
    /// Drawn positions.
    pub masked: u64,
    /// Drawn positions where the generator's best guess is the original.
    pub mlm_correct: u64,
    /// Drawn positions where the generator's sample is the original.
    pub sampled_correct: u64,
    /// Sum of the discriminator's cross-entropies.
    pub rtd_loss_sum: f64,
    /// Logit and label of every real token.
    pub detections: Vec<(f32, bool)>,
}

/// What is reported of pretraining, on training or on held-out data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PretrainMetrics {
    /// `mlm_loss · mlm_weight + rtd_loss · rtd_weight`.
    pub loss: f64,
    /// Mean negative log-likelihood of the drawn positions, nats.
    pub mlm_loss: f64,
    /// Share of drawn positions where the best guess is right.
    pub mlm_accuracy: f64,
    /// Share of drawn positions where the sample is right.
    pub sampled_accuracy: f64,
    /// Mean cross-entropy of replaced-token detection, nats.
    pub rtd_loss: f64,
    /// Share of real tokens judged rightly (logit above 0 means "replaced").
    pub rtd_accuracy: f64,
    /// What "all original" scores: the share of tokens that are original.
    pub rtd_baseline: f64,
    /// Of the tokens called replaced, the share that is; 0 when none is called so.
    pub rtd_precision: f64,
    /// Of the replaced tokens, the share that is found.
    pub rtd_recall: f64,
    /// Probability that a replaced token has a higher logit than an original one; `None` when only
    /// one of the two kinds occurs.
    pub rtd_auc: Option<f64>,
}

impl PretrainTotals {
    /// Divides the sums. `mlm_weight` and `rtd_weight` are those of the total loss.
    #[must_use]
    pub fn summary(&self, mlm_weight: f64, rtd_weight: f64) -> PretrainMetrics {
        let tokens = self.detections.len() as f64;
        let masked = self.masked as f64;
        let ratio = |a: f64, b: f64| if b > 0.0 { a / b } else { 0.0 };
        let count = |test: &dyn Fn(f32, bool) -> bool| {
            self.detections
                .iter()
                .filter(|&&(logit, label)| test(logit, label))
                .count() as f64
        };
        let replaced = count(&|_, label| label);
        let called = count(&|logit, _| logit > 0.0);
        let found = count(&|logit, label| logit > 0.0 && label);
        let mlm_loss = ratio(self.mlm_loss_sum, masked);
        let rtd_loss = ratio(self.rtd_loss_sum, tokens);
        PretrainMetrics {
            loss: mlm_loss * mlm_weight + rtd_loss * rtd_weight,
            mlm_loss,
            mlm_accuracy: ratio(self.mlm_correct as f64, masked),
            sampled_accuracy: ratio(self.sampled_correct as f64, masked),
            rtd_loss,
            rtd_accuracy: ratio(tokens - called - replaced + 2.0 * found, tokens),
            rtd_baseline: ratio(tokens - replaced, tokens),
            rtd_precision: ratio(found, called),
            rtd_recall: ratio(found, replaced),
            rtd_auc: auc(&self.detections),
        }
    }
}

/// Area under the ROC curve by ranks (Mann and Whitney 1947), ties counted half. `None` when only
/// one kind of label occurs or a logit is not a number.
#[must_use]
pub fn auc(detections: &[(f32, bool)]) -> Option<f64> {
    if detections.iter().any(|(logit, _)| logit.is_nan()) {
        return None;
    }
    let mut sorted = detections.to_vec();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let positives = sorted.iter().filter(|(_, label)| *label).count() as f64;
    let negatives = sorted.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let mut rank_sum = 0.0;
    let mut start = 0;
    while start < sorted.len() {
        let value = sorted[start].0;
        let end = start
            + sorted[start..]
                .iter()
                .take_while(|(logit, _)| *logit == value)
                .count();
        let mean_rank = (start + 1 + end) as f64 / 2.0;
        let tied = sorted[start..end]
            .iter()
            .filter(|(_, label)| *label)
            .count();
        rank_sum += mean_rank * tied as f64;
        start = end;
    }
    Some((rank_sum - positives * (positives + 1.0) / 2.0) / (positives * negatives))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detection_metrics_of_a_small_example() {
        // Found 2 of 3 replaced, called 3: precision 2/3, recall 2/3, one original called replaced.
        let detections = vec![
            (2.0, true),
            (1.0, true),
            (0.5, false),
            (-1.0, true),
            (-2.0, false),
            (-3.0, false),
        ];
        let totals = PretrainTotals {
            detections,
            rtd_loss_sum: 3.0,
            ..PretrainTotals::default()
        };
        let metrics = totals.summary(1.0, 50.0);
        assert!((metrics.rtd_accuracy - 4.0 / 6.0).abs() < 1e-12);
        assert!((metrics.rtd_baseline - 0.5).abs() < 1e-12);
        assert!((metrics.rtd_precision - 2.0 / 3.0).abs() < 1e-12);
        assert!((metrics.rtd_recall - 2.0 / 3.0).abs() < 1e-12);
        assert!((metrics.loss - 25.0).abs() < 1e-12);
        // Of 9 pairs, 8 are in order.
        assert!((metrics.rtd_auc.unwrap_or(0.0) - 8.0 / 9.0).abs() < 1e-12);
    }

    #[test]
    fn auc_counts_ties_half_and_refuses_one_kind() {
        assert_eq!(auc(&[(1.0, true), (1.0, false)]), Some(0.5));
        assert_eq!(auc(&[(1.0, true)]), None);
        assert_eq!(auc(&[(f32::NAN, true), (1.0, false)]), None);
        // An exact zero counts as original.
        let totals = PretrainTotals {
            detections: vec![(0.0, false)],
            ..Default::default()
        };
        assert_eq!(totals.summary(1.0, 50.0).rtd_accuracy, 1.0);
    }
}
