//! Pretraining metrics, from plain numbers.

use aelectra_data::run::PretrainMetrics;
use aelectra_model::tally::{Counts, Detected};

/// Divides the sums. `mlm_weight` and `rtd_weight` are those of the total loss; a weight of 0 leaves
/// the discriminator untrained, so nothing is said of it. The generator's metrics are NaN when nothing
/// was drawn.
#[must_use]
pub fn pretrain_metrics(counts: &Counts, mlm_weight: f64, rtd_weight: f64) -> PretrainMetrics {
    let masked = counts.masked as f64;
    let mlm_loss = counts.mlm_loss_sum / masked;
    let mut metrics = PretrainMetrics {
        loss: Some(mlm_loss * mlm_weight),
        mlm_loss: Some(mlm_loss),
        mlm_accuracy: Some(counts.mlm_correct as f64 / masked),
        sampled_accuracy: Some(counts.sampled_correct as f64 / masked),
        ..PretrainMetrics::default()
    };
    if rtd_weight > 0.0 && !counts.detections.is_empty() {
        add_detection(&mut metrics, counts, mlm_loss * mlm_weight, rtd_weight);
    }
    metrics
}

fn add_detection(metrics: &mut PretrainMetrics, counts: &Counts, generator: f64, rtd_weight: f64) {
    let ratio = |a: f64, b: f64| Some(if b > 0.0 { a / b } else { 0.0 });
    let sum =
        |part: &dyn Fn(&Detected) -> u64| counts.detections.iter().map(part).sum::<u64>() as f64;
    let called = |one: &Detected| one.logit > 0.0;
    let replaced = sum(&|one| one.replaced);
    let tokens = replaced + sum(&|one| one.original);
    let found = sum(&|one| if called(one) { one.replaced } else { 0 });
    let falsely = sum(&|one| if called(one) { one.original } else { 0 });
    let rtd_loss = counts.rtd_loss_sum / tokens;
    metrics.loss = Some(generator + rtd_loss * rtd_weight);
    metrics.rtd_loss = Some(rtd_loss);
    if !rtd_loss.is_finite() {
        // What was called replaced says nothing then.
        return;
    }
    metrics.rtd_accuracy = ratio(tokens - replaced - falsely + found, tokens);
    metrics.rtd_baseline = ratio(tokens - replaced, tokens);
    metrics.rtd_precision = ratio(found, found + falsely);
    metrics.rtd_recall = ratio(found, replaced);
    metrics.rtd_auc = auc(&counts.detections);
}

/// Area under the ROC curve (Mann and Whitney 1947): the share of pairs of a replaced and an original
/// token in which the replaced one has the greater logit, ties counted half. `detections` are in rising
/// order of their logits, which all differ. `None` when only one kind occurs.
#[must_use]
pub fn auc(detections: &[Detected]) -> Option<f64> {
    let (mut pairs, mut below, mut replaced) = (0.0, 0.0, 0.0);
    for one in detections {
        pairs += one.replaced as f64 * (below + one.original as f64 / 2.0);
        below += one.original as f64;
        replaced += one.replaced as f64;
    }
    (replaced > 0.0 && below > 0.0).then(|| pairs / (replaced * below))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected(tokens: &[(f64, u64, u64)]) -> Vec<Detected> {
        let one = |&(logit, replaced, original)| Detected {
            logit,
            replaced,
            original,
        };
        tokens.iter().map(one).collect()
    }

    #[test]
    fn detection_metrics_of_a_small_example() {
        // Found 2 of 3 replaced, called 3: precision 2/3, recall 2/3, one original called replaced.
        let tokens = [
            (-3.0, 0, 1),
            (-2.0, 0, 1),
            (-1.0, 1, 0),
            (0.5, 0, 1),
            (1.0, 1, 0),
            (2.0, 1, 0),
        ];
        let counts = Counts {
            masked: 1,
            detections: detected(&tokens),
            rtd_loss_sum: 3.0,
            ..Counts::default()
        };
        let metrics = pretrain_metrics(&counts, 1.0, 50.0);
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
        let generator_only = pretrain_metrics(&counts, 1.0, 0.0);
        assert_eq!(
            (generator_only.rtd_loss, generator_only.loss),
            (None, Some(0.0))
        );
    }

    #[test]
    fn steps_without_a_finite_gradient_are_nan_not_perfect() {
        let metrics = pretrain_metrics(&Counts::default(), 1.0, 50.0);
        assert!(metrics.loss.is_some_and(f64::is_nan));
        assert!(metrics.mlm_accuracy.is_some_and(f64::is_nan));
        assert_eq!(metrics.rtd_accuracy, None);
    }

    #[test]
    fn auc_counts_ties_half_and_refuses_one_kind() {
        assert_eq!(auc(&detected(&[(1.0, 1, 1)])), Some(0.5));
        assert_eq!(auc(&detected(&[(1.0, 3, 0)])), None);
        assert_eq!(auc(&detected(&[(-1.0, 0, 2), (1.0, 3, 0)])), Some(1.0));
    }
}
