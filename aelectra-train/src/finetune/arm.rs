//! What a comparison of pretraining with none has two of.

use serde_json::Value;

use crate::config::finetune::FinetuneConfig;

/// What a series of seeds begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    /// A model's weights.
    Pretrained,
    /// Random weights of its sizes: the baseline.
    RandomInit,
}

impl Arm {
    /// Both, in the order in which they are told.
    pub const ALL: [Self; 2] = [Self::Pretrained, Self::RandomInit];

    /// As events and files have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pretrained => "pretrained",
            Self::RandomInit => "random_init",
        }
    }

    /// The name of its series at a number of labelled sentences.
    #[must_use]
    pub fn at(self, sentences: usize) -> String {
        format!("{}-{sentences}", self.name())
    }

    /// Keys of [`FinetuneConfig`] that it wants other than a recipe has them, where nobody asks for anything else: lower
    /// layers that know nothing have nothing to be kept.
    #[must_use]
    pub fn preset(self) -> Vec<(&'static str, Value)> {
        match self {
            Self::Pretrained => Vec::new(),
            Self::RandomInit => vec![("layerwise_decay", NO_DECAY.into())],
        }
    }

    /// A configuration with its preset.
    #[must_use]
    pub fn adapt(self, config: &FinetuneConfig) -> FinetuneConfig {
        match self {
            Self::Pretrained => config.clone(),
            Self::RandomInit => FinetuneConfig {
                layerwise_decay: NO_DECAY,
                ..config.clone()
            },
        }
    }
}

/// All layers at one rate.
const NO_DECAY: f64 = 1.0;
