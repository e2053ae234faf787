//! The learning rate as a pure function of the step.

use serde::{Deserialize, Serialize};

/// Warm-up and decay. In ELECTRA they are multiplied: the decay already acts during warm-up
/// (google-research/electra `model/optimization.py`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The peak that is approached.
    pub learning_rate: f64,
    /// Steps over which the rate rises linearly from 0.
    pub warmup_steps: u64,
    /// Steps over which it falls linearly to 0; `None` keeps it constant.
    pub decay_steps: Option<u64>,
}

impl Schedule {
    /// The rate of a step, counted from 0: `lr · (1 − step/decay) · min(1, step/warmup)`.
    #[must_use]
    pub fn at(&self, step: u64) -> f64 {
        let warmup = if step < self.warmup_steps {
            step as f64 / self.warmup_steps as f64
        } else {
            1.0
        };
        let decay = match self.decay_steps {
            None => 1.0,
            Some(total) if step >= total => 0.0,
            Some(total) => 1.0 - step as f64 / total as f64,
        };
        self.learning_rate * warmup * decay
    }
}

/// How much smaller the learning rate of lower layers is: `decay^(layers + 2 − depth)`, with depth
/// 0 for embeddings and their projection, k + 1 for layer k (from 0), layers + 2 for the head.
/// The last layer thus has `decay²`: an off-by-one of the reference that published results have
/// (google-research/electra issue 51).
#[must_use]
pub fn layerwise_multiplier(path: &str, layers: usize, decay: f64) -> f64 {
    let depth = match path.split_once("encoder.layer.") {
        Some((_, rest)) => {
            let layer: usize = rest
                .split('.')
                .next()
                .and_then(|n| n.parse().ok())
                .unwrap_or(0);
            layer + 1
        }
        None if path.contains("embeddings") => 0,
        None => layers + 2,
    };
    decay.powi((layers + 2 - depth) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAPER: Schedule = Schedule {
        learning_rate: 5e-4,
        warmup_steps: 10_000,
        decay_steps: Some(1_000_000),
    };

    #[test]
    fn warmup_and_decay_are_multiplied() {
        assert_eq!(PAPER.at(0), 0.0);
        assert!((PAPER.at(10_000) - 4.95e-4).abs() < 1e-12);
        assert!((PAPER.at(5_000) - 5e-4 * 0.5 * 0.995).abs() < 1e-12);
        assert_eq!(PAPER.at(1_000_000), 0.0);
        assert_eq!(PAPER.at(2_000_000), 0.0);
    }

    #[test]
    fn constant_when_nothing_is_asked() {
        let constant = Schedule {
            learning_rate: 3e-5,
            warmup_steps: 0,
            decay_steps: None,
        };
        assert_eq!(constant.at(0), 3e-5);
        assert_eq!(constant.at(1 << 40), 3e-5);
    }

    #[test]
    fn layers_have_the_references_rates() {
        let at = |path| layerwise_multiplier(path, 12, 0.8);
        assert!((at("electra.embeddings.word_embeddings.weight") - 0.8f64.powi(14)).abs() < 1e-15);
        assert!((at("electra.backbone.embeddings_project.weight") - 0.8f64.powi(14)).abs() < 1e-15);
        assert!(
            (at("electra.backbone.encoder.layer.0.output.dense.bias") - 0.8f64.powi(13)).abs()
                < 1e-15
        );
        assert!((at("electra.backbone.encoder.layer.11.output.dense.bias") - 0.64).abs() < 1e-15);
        assert_eq!(at("classifier.weight"), 1.0);
    }
}
