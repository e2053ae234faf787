//! The encoder that a fine-tuning begins with.

use aelectra_model::checkpoint::ModelDir;
use aelectra_model::init::Initializer;
use aelectra_model::{ElectraConfig, ElectraForTokenClassification, ElectraModel, HeadInit};
use burn::tensor::Device;

use crate::config::finetune::ClassifierInit;
use crate::config::pretrain::AttentionStart;
use crate::error::Result;
use crate::settings::AelectraSettings;

/// Where the encoder comes from.
#[derive(Debug)]
pub enum Encoder<'a> {
    /// A model directory.
    Pretrained(&'a ModelDir),
    /// Nothing learnt: an architecture, initialised from the seed; with the given start of
    /// attention, so that it begins where pretraining began. [`Encoder::random`] makes it from a model.
    Random(Box<ElectraConfig>, AttentionStart),
}

impl Encoder<'_> {
    /// Random weights of the sizes of a pretrained model. They are as large as its were before anything was rescaled, and
    /// what is saved of them says so.
    #[must_use]
    pub fn random(pretrained: &ElectraConfig) -> Self {
        let settings = AelectraSettings::of(pretrained);
        let mut config = pretrained.clone();
        if let Some(factor) = settings.rescaled {
            config.initializer_range *= factor;
            AelectraSettings {
                rescaled: None,
                ..settings
            }
            .put(&mut config);
        }
        let start = settings
            .attention_start
            .unwrap_or(AttentionStart::Reference);
        Self::Random(Box::new(config), start)
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &ElectraConfig {
        match self {
            Self::Pretrained(dir) => &dir.config,
            Self::Random(config, _) => config,
        }
    }

    /// It with a new classifier of so many classes.
    ///
    /// # Errors
    /// When its weights cannot be read.
    pub(super) fn with_classifier(
        &self,
        labels: usize,
        init: ClassifierInit,
        seed: u64,
        device: &Device,
    ) -> Result<ElectraForTokenClassification> {
        Ok(match self {
            Self::Pretrained(dir) => {
                let rescaled = AelectraSettings::of(&dir.config).rescaled.unwrap_or(1.0);
                let head = match init {
                    // What a rescaled encoder gives is larger by the factor.
                    ClassifierInit::Glorot => HeadInit::Glorot {
                        factor: 1.0 / rescaled,
                    },
                    ClassifierInit::Normal => HeadInit::Normal,
                };
                dir.with_new_classifier(labels, head, seed, device)?.0
            }
            Self::Random(config, start) => {
                let head = match init {
                    ClassifierInit::Glorot => HeadInit::default(),
                    ClassifierInit::Normal => HeadInit::Normal,
                };
                let mut init = Initializer::random(seed, config.initializer_range, device);
                let encoder = ElectraModel::new(config, &mut init);
                let model = ElectraForTokenClassification::with_encoder(
                    encoder, config, labels, head, &mut init,
                );
                start.begin(model, config)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tagger saved from random weights must not be taken for a rescaled one when it is fine-tuned on.
    #[test]
    fn random_weights_of_a_rescaled_model_s_sizes_are_not_rescaled() {
        let mut config = ElectraConfig {
            initializer_range: 1e-4,
            ..ElectraConfig::default()
        };
        AelectraSettings {
            rescaled: Some(200.0),
            attention_start: Some(AttentionStart::Local),
            ..AelectraSettings::default()
        }
        .put(&mut config);
        let random = Encoder::random(&config);
        assert!((random.config().initializer_range - 0.02).abs() < 1e-12);
        let settings = AelectraSettings::of(random.config());
        assert_eq!(settings.rescaled, None);
        assert!(matches!(random, Encoder::Random(_, AttentionStart::Local)));
    }
}
