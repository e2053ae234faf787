//! Pretraining metrics, from plain numbers.

use aelectra_data::run::PretrainMetrics;

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

impl PretrainTotals {
    /// Divides the sums. `mlm_weight` and `rtd_weight` are those of the total loss; a weight of 0
    /// leaves the discriminator untrained, so nothing is said of it. The generator's metrics are
    /// NaN when nothing was drawn.
    #[must_use]
    pub fn summary(&self, mlm_weight: f64, rtd_weight: f64) -> PretrainMetrics {
        let masked = self.masked as f64;
        let mlm_loss = self.mlm_loss_sum / masked;
        let mut metrics = PretrainMetrics {
            loss: Some(mlm_loss * mlm_weight),
            mlm_loss: Some(mlm_loss),
            mlm_accuracy: Some(self.mlm_correct as f64 / masked),
            sampled_accuracy: Some(self.sampled_correct as f64 / masked),
            ..PretrainMetrics::default()
        };
        if rtd_weight > 0.0 && !self.detections.is_empty() {
            self.add_detection(&mut metrics, mlm_loss * mlm_weight, rtd_weight);
        }
        metrics
    }

    fn add_detection(&self, metrics: &mut PretrainMetrics, generator: f64, rtd_weight: f64) {
        let tokens = self.detections.len() as f64;
        let ratio = |a: f64, b: f64| Some(if b > 0.0 { a / b } else { 0.0 });
        let count = |test: &dyn Fn(f32, bool) -> bool| {
            self.detections
                .iter()
                .filter(|&&(logit, label)| test(logit, label))
                .count() as f64
        };
        let replaced = count(&|_, label| label);
        let called = count(&|logit, _| logit > 0.0);
        let found = count(&|logit, label| logit > 0.0 && label);
        let rtd_loss = self.rtd_loss_sum / tokens;
        metrics.loss = Some(generator + rtd_loss * rtd_weight);
        metrics.rtd_loss = Some(rtd_loss);
        metrics.rtd_accuracy = ratio(tokens - called - replaced + 2.0 * found, tokens);
        metrics.rtd_baseline = ratio(tokens - replaced, tokens);
        metrics.rtd_precision = ratio(found, called);
        metrics.rtd_recall = ratio(found, replaced);
        metrics.rtd_auc = auc(&self.detections);
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
    let (mut rank_sum, mut before) = (0.0, 0);
    for tied in sorted.chunk_by(|a, b| a.0 == b.0) {
        let mean_rank = before as f64 + (1 + tied.len()) as f64 / 2.0;
        rank_sum += mean_rank * tied.iter().filter(|(_, label)| *label).count() as f64;
        before += tied.len();
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
            masked: 1,
            detections,
            rtd_loss_sum: 3.0,
            ..PretrainTotals::default()
        };
        let metrics = totals.summary(1.0, 50.0);
        for (value, expected) in [
            (metrics.rtd_accuracy, 4.0 / 6.0),
            (metrics.rtd_baseline, 0.5),
            (metrics.rtd_precision, 2.0 / 3.0),
            (metrics.rtd_recall, 2.0 / 3.0),
            (metrics.loss, 25.0),
            // Of 9 pairs, 8 are in order.
            (metrics.rtd_auc, 8.0 / 9.0),
        ] {
            let value = value.expect("measured");
            assert!((value - expected).abs() < 1e-12, "{value} {expected}");
        }
        let generator_only = totals.summary(1.0, 0.0);
        assert_eq!(
            (generator_only.rtd_loss, generator_only.loss),
            (None, Some(0.0))
        );
    }

    #[test]
    fn steps_without_a_finite_gradient_are_nan_not_perfect() {
        let metrics = PretrainTotals::default().summary(1.0, 50.0);
        assert!(metrics.loss.is_some_and(f64::is_nan));
        assert!(metrics.mlm_accuracy.is_some_and(f64::is_nan));
        assert_eq!(metrics.rtd_accuracy, None);
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
        assert_eq!(totals.summary(1.0, 50.0).rtd_accuracy, Some(1.0));
    }
}
