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
    /// Nothing learnt: the same architecture, initialised from the seed; with the given start of
    /// attention, so that it begins where pretraining began.
    Random(&'a ElectraConfig, AttentionStart),
}

impl Encoder<'_> {
    /// Its configuration.
    #[must_use]
    pub const fn config(&self) -> &ElectraConfig {
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
        let rescaled = AelectraSettings::of(self.config()).rescaled.unwrap_or(1.0);
        Ok(match self {
            Self::Pretrained(dir) => {
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
                // Random weights are as large as they were before anything was rescaled.
                let config = ElectraConfig {
                    initializer_range: config.initializer_range * rescaled,
                    ..(*config).clone()
                };
                let mut init = Initializer::random(seed, config.initializer_range, device);
                let encoder = ElectraModel::new(&config, &mut init);
                let model = ElectraForTokenClassification::with_encoder(
                    encoder, &config, labels, head, &mut init,
                );
                start.begin(model, &config)
            }
        })
    }
}
