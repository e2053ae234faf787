//! The configuration of pretraining. Its defaults are ELECTRA-Small as Ælæctra set it
//! (google-research/electra `configure_pretraining.py`).

use aelectra_data::pretrain::Packing;
use aelectra_model::local_start::start_locally;
use aelectra_model::{ElectraConfig, Precision};
use burn::module::Module;
use serde::{Deserialize, Serialize};

use super::configuration::{Configuration, expect, optimizes, trains_in};
use super::recipes::{self, Recipe};
use crate::error::{Result, TrainError};
use crate::optimizer::AdamConfig;
use crate::schedule::Schedule;

/// What is learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// Generator and discriminator.
    Electra,
    /// Only a masked-language model, as wide as the discriminator would be: the BERT-style baseline.
    Mlm,
}

/// Everything a pretraining run is told, data and paths aside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainConfig {
    /// What is learnt.
    pub objective: Objective,
    /// The discriminator's architecture.
    pub model: ModelShape,
    /// Width of the generator as a share of the discriminator's; depth is the same.
    pub generator_size: f64,
    /// Weight of the generator's loss.
    pub mlm_weight: f64,
    /// Weight of the discriminator's loss.
    pub rtd_weight: f64,
    /// How the two share their embeddings.
    #[serde(default)]
    pub embedding_sharing: EmbeddingSharing,
    /// Share of tokens drawn for the generator.
    pub mask_prob: f64,
    /// That share at the end of the schedule, reached linearly; the same all along if not given.
    /// Evaluation keeps to `mask_prob`.
    /// Yang et al. 2023 (arXiv:2208.10806) let it fall.
    #[serde(default)]
    pub mask_prob_end: Option<f64>,
    /// Whether whole words are drawn rather than pieces (in training; evaluation draws pieces).
    #[serde(default)]
    pub whole_word_masking: bool,
    /// What the generator's logits are divided by where they are sampled: below 1 the likely tokens
    /// are drawn more often. 1 is the reference, and what evaluation samples at.
    #[serde(default = "one")]
    pub sampling_temperature: f64,
    /// The temperature at the end of the schedule, reached exponentially; the same all along if not
    /// given. Dong et al. 2023 (Fast-ELECTRA, arXiv:2310.07347) let it fall.
    #[serde(default)]
    pub sampling_temperature_end: Option<f64>,
    /// Vocabulary size to insist on; otherwise the tokenizer's.
    pub vocab_size: Option<usize>,
    /// Sequence length to insist on; otherwise the shards'.
    pub max_length: Option<usize>,
    /// Packing to insist on; otherwise the shards'.
    pub packing: Option<Packing>,
    /// Sequences per optimizer step.
    pub batch_size: usize,
    /// Sequences per forward pass, where memory does not hold the whole batch; a divisor of it.
    pub micro_batch_size: Option<usize>,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Steps of linear warm-up.
    pub warmup_steps: u64,
    /// Length of the linear decay; a run may end earlier (`--max-steps`).
    pub schedule_steps: u64,
    /// Precision of the products, f32 or bf16; see [`aelectra_model::kernels::for_training`].
    #[serde(default)]
    pub precision: Precision,
    /// Constants of Adam.
    pub optimizer: AdamConfig,
    /// Seed of initialisation, data order, masking, sampling and dropout.
    pub seed: u64,
    /// Steps between metrics.
    pub log_every: u64,
    /// Steps between evaluations on held-out data; 0 for none.
    pub eval_every: u64,
    /// Held-out sequences per evaluation, at most.
    pub eval_examples: usize,
    /// Steps between checkpoints; 0 for one at the end.
    pub checkpoint_every: u64,
    /// Latest checkpoints to keep.
    pub keep_checkpoints: usize,
    /// Additionally keep every checkpoint whose step is a multiple of this; 0 for none.
    pub keep_every: u64,
    /// Steps without a finite gradient in a row after which the run fails; looked at where steps are logged.
    pub max_skipped_steps: u64,
}

/// What attention looks at before anything is learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttentionStart {
    /// Everything alike, as in the reference.
    Reference,
    /// The neighbourhood: a deviation with which small models learn within minutes.
    Local,
}

impl AttentionStart {
    /// Random weights, changed to begin here.
    pub(crate) fn begin<M: Module>(self, model: M, config: &ElectraConfig) -> M {
        match self {
            Self::Reference => model,
            Self::Local => {
                let head_size = config.hidden_size / config.num_attention_heads;
                start_locally(model, head_size, config.initializer_range)
            }
        }
    }
}

/// How generator and discriminator share their embeddings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmbeddingSharing {
    /// One set of embeddings, moved by both losses, as in the reference.
    #[default]
    Shared,
    /// The discriminator's word table is the generator's, which its loss does not move, and a residual
    /// that begins at zero; its other embeddings are its own. Export adds the two. He et al. 2021
    /// (DeBERTaV3, arXiv:2111.09543), section 3.2, "gradient-disentangled embedding sharing".
    Gdes,
}

/// The parts of [`ElectraConfig`] a recipe chooses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelShape {
    /// See [`ElectraConfig::embedding_size`].
    pub embedding_size: usize,
    /// See [`ElectraConfig::hidden_size`].
    pub hidden_size: usize,
    /// See [`ElectraConfig::num_hidden_layers`].
    pub num_hidden_layers: usize,
    /// See [`ElectraConfig::num_attention_heads`].
    pub num_attention_heads: usize,
    /// See [`ElectraConfig::intermediate_size`].
    pub intermediate_size: usize,
    /// See [`ElectraConfig::max_position_embeddings`].
    pub max_position_embeddings: usize,
    /// See [`ElectraConfig::initializer_range`]. 0.02 suits wide networks; narrow ones start faster
    /// with more.
    pub initializer_range: f64,
    /// Where attention begins; see [`aelectra_model::local_start`].
    pub attention_start: AttentionStart,
    /// See [`ElectraConfig::hidden_dropout_prob`].
    pub hidden_dropout_prob: f64,
    /// See [`ElectraConfig::attention_probs_dropout_prob`].
    pub attention_probs_dropout_prob: f64,
}

impl Default for ModelShape {
    fn default() -> Self {
        let small = ElectraConfig::default();
        Self {
            embedding_size: small.embedding_size,
            hidden_size: small.hidden_size,
            num_hidden_layers: small.num_hidden_layers,
            num_attention_heads: small.num_attention_heads,
            intermediate_size: small.intermediate_size,
            max_position_embeddings: small.max_position_embeddings,
            initializer_range: small.initializer_range,
            attention_start: AttentionStart::Reference,
            hidden_dropout_prob: small.hidden_dropout_prob,
            attention_probs_dropout_prob: small.attention_probs_dropout_prob,
        }
    }
}

impl Default for PretrainConfig {
    fn default() -> Self {
        Self {
            objective: Objective::Electra,
            model: ModelShape::default(),
            generator_size: 0.25,
            mlm_weight: 1.0,
            rtd_weight: 50.0,
            embedding_sharing: EmbeddingSharing::Shared,
            mask_prob: 0.15,
            mask_prob_end: None,
            whole_word_masking: false,
            sampling_temperature: 1.0,
            sampling_temperature_end: None,
            vocab_size: None,
            max_length: None,
            packing: None,
            batch_size: 128,
            micro_batch_size: None,
            learning_rate: 5e-4,
            warmup_steps: 10_000,
            schedule_steps: 1_000_000,
            precision: Precision::F32,
            optimizer: AdamConfig::default(),
            seed: 42,
            log_every: 100,
            eval_every: 5_000,
            eval_examples: 1_000,
            checkpoint_every: 1_000,
            keep_checkpoints: 5,
            keep_every: 0,
            max_skipped_steps: 100,
        }
    }
}

fn one() -> f64 {
    1.0
}

/// Keys that may differ between a run and its continuation: they steer logging and keeping, not
/// what is learnt.
pub(crate) const FREE_KEYS: [&str; 7] = [
    "log_every",
    "eval_every",
    "eval_examples",
    "checkpoint_every",
    "keep_checkpoints",
    "keep_every",
    "max_skipped_steps",
];

impl PretrainConfig {
    /// The learning rate's schedule.
    pub(crate) const fn schedule(&self) -> Schedule {
        Schedule {
            learning_rate: self.learning_rate,
            warmup_steps: self.warmup_steps,
            decay_steps: Some(self.schedule_steps),
        }
    }

    /// The temperature of sampling at a step.
    pub(crate) fn temperature_at(&self, step: u64) -> f64 {
        let start = self.sampling_temperature;
        match self.sampling_temperature_end {
            Some(end) => {
                let progress = (step as f64 / self.schedule_steps as f64).min(1.0);
                start * (end / start).powf(progress)
            }
            None => start,
        }
    }

    /// The discriminator's configuration for a vocabulary.
    #[must_use]
    pub fn discriminator(&self, vocab_size: usize, pad_token_id: usize) -> ElectraConfig {
        ElectraConfig {
            vocab_size,
            pad_token_id,
            embedding_size: self.model.embedding_size,
            hidden_size: self.model.hidden_size,
            num_hidden_layers: self.model.num_hidden_layers,
            num_attention_heads: self.model.num_attention_heads,
            intermediate_size: self.model.intermediate_size,
            max_position_embeddings: self.model.max_position_embeddings,
            initializer_range: self.model.initializer_range,
            hidden_dropout_prob: self.model.hidden_dropout_prob,
            attention_probs_dropout_prob: self.model.attention_probs_dropout_prob,
            ..ElectraConfig::default()
        }
    }

    /// That of its generator. The MLM baseline has no discriminator, so its language model is as wide
    /// as one would be.
    #[must_use]
    pub fn generator(&self, discriminator: &ElectraConfig) -> ElectraConfig {
        match self.objective {
            Objective::Electra => discriminator.generator(self.generator_size),
            Objective::Mlm => discriminator.generator(1.0),
        }
    }

    /// Weight of the discriminator's loss in the total, which the MLM baseline does not have.
    #[must_use]
    pub fn effective_rtd_weight(&self) -> f64 {
        match self.objective {
            Objective::Electra => self.rtd_weight,
            Objective::Mlm => 0.0,
        }
    }

    /// Sequences per forward pass.
    pub(crate) fn micro_batch(&self) -> usize {
        self.micro_batch_size.unwrap_or(self.batch_size)
    }
}

impl PretrainConfig {
    /// Whether held-out losses of a run with this configuration can be compared with those of another: the sum has the
    /// same parts, on as many examples, drawn alike.
    pub(crate) fn measures_as(&self, other: &Self) -> bool {
        let of = |config: &Self| {
            (
                config.objective,
                [config.mlm_weight, config.rtd_weight, config.mask_prob],
                // What is sampled in their place also depends on the rows of a pass.
                [config.eval_examples, config.micro_batch()],
            )
        };
        of(self) == of(other)
    }
}

impl Configuration for PretrainConfig {
    const RECIPES: &'static [Recipe] = &recipes::PRETRAINING;

    fn validate(&self) -> Result<()> {
        let (micro, share) = (self.micro_batch(), "a value in (0, 1]");
        let end_share = self.mask_prob_end.unwrap_or(self.mask_prob);
        let end_temperature = self.sampling_temperature_end.unwrap_or(1.0);
        let positive = |value: f64| value.is_finite() && value >= f64::from(f32::MIN_POSITIVE);
        expect(&[
            ("batch_size", &0, self.batch_size > 0, "at least 1"),
            (
                "max_skipped_steps",
                &0,
                self.max_skipped_steps > 0,
                "at least 1",
            ),
        ])?;
        if micro == 0 || !self.batch_size.is_multiple_of(micro) {
            return Err(TrainError::config(format!(
                "`micro_batch_size` {micro} does not divide `batch_size` {}",
                self.batch_size
            )));
        }
        expect(&[
            (
                "mask_prob",
                &self.mask_prob,
                self.mask_prob > 0.0 && self.mask_prob <= 1.0,
                share,
            ),
            (
                "mask_prob_end",
                &end_share,
                end_share > 0.0 && end_share <= 1.0,
                share,
            ),
            (
                "sampling_temperature",
                &self.sampling_temperature,
                positive(self.sampling_temperature),
                "a positive number that 32 bits hold",
            ),
            (
                "sampling_temperature_end",
                &end_temperature,
                positive(end_temperature),
                "a positive number that 32 bits hold",
            ),
            (
                "generator_size",
                &self.generator_size,
                self.generator_size > 0.0 && self.generator_size <= 1.0,
                share,
            ),
            ("schedule_steps", &0, self.schedule_steps > 0, "at least 1"),
            (
                "learning_rate",
                &self.learning_rate,
                self.learning_rate.is_finite() && self.learning_rate >= 0.0,
                "a finite value of at least 0",
            ),
            (
                "mlm_weight",
                &self.mlm_weight,
                self.mlm_weight.is_finite() && self.mlm_weight >= 0.0,
                "a finite value of at least 0",
            ),
            (
                "rtd_weight",
                &self.rtd_weight,
                self.rtd_weight.is_finite() && self.rtd_weight >= 0.0,
                "a finite value of at least 0",
            ),
            ("log_every", &0, self.log_every > 0, "at least 1"),
            trains_in(&self.precision),
        ])?;
        expect(&optimizes(&self.optimizer))?;
        // The shapes; any vocabulary will do.
        let discriminator = self.discriminator(self.vocab_size.unwrap_or(1), 0);
        discriminator.validate()?;
        Ok(self.generator(&discriminator).validate()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_that_cannot_be_is_refused() {
        let mut config = PretrainConfig::default();
        config.validate().expect("the reference");
        for heads in [0, config.model.hidden_size + 1, 3] {
            config.model.num_attention_heads = heads;
            assert!(config.validate().is_err(), "{heads}");
        }
    }

    #[test]
    fn losses_are_not_weighed_below_nothing() {
        for (mlm_weight, rtd_weight) in [(-1.0, 50.0), (1.0, f64::NAN), (f64::INFINITY, 50.0)] {
            let config = PretrainConfig {
                mlm_weight,
                rtd_weight,
                ..PretrainConfig::default()
            };
            assert!(config.validate().is_err(), "{mlm_weight}, {rtd_weight}");
        }
    }

    #[test]
    fn losses_are_compared_where_they_are_the_same_sum_over_as_many_examples() {
        let ours = PretrainConfig::default();
        let longer = PretrainConfig {
            schedule_steps: 2 * ours.schedule_steps,
            eval_every: 1,
            ..ours.clone()
        };
        assert!(ours.measures_as(&longer));
        // Held-out examples, masks and samples are the same for all seeds.
        assert!(ours.measures_as(&PretrainConfig {
            seed: ours.seed + 1,
            ..ours.clone()
        }));
        let others = [
            PretrainConfig {
                eval_examples: ours.eval_examples + 1,
                ..ours.clone()
            },
            PretrainConfig {
                rtd_weight: 5.0,
                ..ours.clone()
            },
            PretrainConfig {
                batch_size: 2 * ours.batch_size,
                ..ours.clone()
            },
            PretrainConfig {
                objective: Objective::Mlm,
                ..ours.clone()
            },
        ];
        for other in others {
            assert!(!ours.measures_as(&other), "{other:?}");
        }
    }

    #[test]
    fn constants_that_would_give_no_numbers_are_refused() {
        let with = |optimizer: AdamConfig| {
            let config = PretrainConfig {
                optimizer,
                ..PretrainConfig::default()
            };
            config.validate()
        };
        let ours = AdamConfig::default();
        for wrong in [
            AdamConfig {
                epsilon: 0.0,
                ..ours
            },
            // Not 0, but 0 in 32 bits.
            AdamConfig {
                epsilon: 1e-50,
                ..ours
            },
            AdamConfig {
                max_grad_norm: 1e-300,
                ..ours
            },
            AdamConfig { beta2: 1.0, ..ours },
            AdamConfig { muon: -1.0, ..ours },
        ] {
            assert!(with(wrong).is_err(), "{wrong:?}");
        }
        let unclipped = AdamConfig {
            max_grad_norm: 0.0,
            ..ours
        };
        assert!(with(unclipped).is_ok(), "0 is no clipping");
    }

    #[test]
    fn the_temperature_changes_by_a_constant_factor() {
        let config = PretrainConfig {
            sampling_temperature: 2.0,
            sampling_temperature_end: Some(0.5),
            schedule_steps: 100,
            ..PretrainConfig::default()
        };
        for (step, expected) in [(0, 2.0), (50, 1.0), (100, 0.5), (900, 0.5)] {
            let found = config.temperature_at(step);
            assert!((found - expected).abs() < 1e-12, "{step}: {found}");
        }
        let reference = PretrainConfig::default();
        assert!([0, 7, 1_000_000].map(|step| reference.temperature_at(step)) == [1.0; 3]);
    }
}
