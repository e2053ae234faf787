//! What to fine-tune, on what, and where to.

use std::path::PathBuf;

use aelectra_data::hub::HubOptions;
use aelectra_data::ner::ReadOptions;
use aelectra_model::{DeviceList, DeviceSpec};

use crate::config::Configuration;
use crate::config::finetune::FinetuneConfig;
use crate::error::{Result, TrainError};
use crate::finetune::arm::Arm;
use crate::stop::StopFlag;

/// What to fine-tune, on what, and where to.
#[derive(Clone, Debug)]
pub struct Job {
    /// The configuration, see [`crate::config::load`].
    pub config: FinetuneConfig,
    /// Name of its recipe, for the model card.
    pub recipe: String,
    /// Pretrained model: a directory, or a name on the hub.
    pub model: String,
    /// Sentences to learn from.
    pub train: PathBuf,
    /// Sentences to choose epoch and learning rate by.
    pub dev: Option<PathBuf>,
    /// Sentences to report on.
    pub test: Option<PathBuf>,
    /// How these files are read; labels are replaced as the configuration says.
    pub read: ReadOptions,
    /// How many seeds, beginning with the configuration's.
    pub seeds: u64,
    /// Numbers of labelled sentences to draw a learning curve over, with the model's weights and with
    /// random ones, instead of training one tagger on all of them; none for that.
    pub train_sentences: Vec<usize>,
    /// What a learning curve's arm with random weights trains with; `None` is as `config`, with what those want
    /// ([`Arm::preset`]).
    pub baseline: Option<FinetuneConfig>,
    /// Whether to forget the model's weights and start from random ones; [`Job::with_random_init`] also sets what those want.
    pub random_init: bool,
    /// Run directory; a new one under `runs/` if `None`. One that holds some seeds of the same
    /// series is continued.
    pub out: Option<PathBuf>,
    /// Where to compute; rates and seeds are side by side on several.
    pub device: DeviceList,
    /// Where a model is looked for that is no directory.
    pub hub: HubOptions,
    /// Stops the series after the current step.
    pub stop: StopFlag,
}

impl Job {
    /// One seed of the recipe `electra` on the default device, under `runs/`.
    ///
    /// # Errors
    /// When this build has no device.
    pub fn new(model: impl Into<String>, train: PathBuf) -> Result<Self> {
        Ok(Self {
            config: FinetuneConfig::default(),
            recipe: "electra".to_owned(),
            model: model.into(),
            train,
            dev: None,
            test: None,
            read: ReadOptions::default(),
            seeds: 1,
            train_sentences: Vec::new(),
            baseline: None,
            random_init: false,
            out: None,
            device: DeviceSpec::compiled_default()?.into(),
            hub: HubOptions::from_process_env(),
            stop: StopFlag::default(),
        })
    }

    /// The baseline without pretraining: random weights of the model's sizes, with what they want ([`Arm::preset`]).
    #[must_use]
    pub fn with_random_init(mut self) -> Self {
        self.random_init = true;
        self.config = Arm::RandomInit.adapt(&self.config);
        self
    }

    /// What an arm of a learning curve trains with.
    pub(super) fn config_of(&self, arm: Arm) -> FinetuneConfig {
        match (&self.baseline, arm) {
            (Some(baseline), Arm::RandomInit) => baseline.clone(),
            _ => arm.adapt(&self.config),
        }
    }

    /// What asks for something that cannot be, before a file is touched.
    ///
    /// # Errors
    /// Names it.
    pub(super) fn check(&self) -> Result<()> {
        self.config.validate()?;
        self.baseline.iter().try_for_each(Configuration::validate)?;
        let is_curve = !self.train_sentences.is_empty();
        let (message, hint) = if self.train_sentences.contains(&0) {
            (
                "0 labelled sentences teach nothing",
                "give numbers of at least 1 to `--train-sentences`",
            )
        } else if is_curve && self.random_init {
            (
                "a learning curve has an arm with random weights anyway",
                "leave out `--random-init`",
            )
        } else if is_curve && self.dev.is_none() && self.test.is_none() {
            (
                "a learning curve needs sentences to score on",
                "give `--test`, or `--dev`",
            )
        } else if self.seeds == 0 {
            ("the number of seeds is 0", "give at least 1")
        } else if self.config.seed.checked_add(self.seeds).is_none() {
            (
                "the last seed is larger than a number can be",
                "give a smaller `--seed`",
            )
        } else {
            return Ok(());
        };
        Err(TrainError::config(message).with_hint(hint))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random weights have no layer-wise decay, unless somebody asks for one.
    #[test]
    fn a_curve_s_arms_train_as_they_were_asked_to() {
        let decayed = |layerwise_decay| FinetuneConfig {
            layerwise_decay,
            ..FinetuneConfig::default()
        };
        let job = Job {
            config: decayed(0.5),
            ..Job::new("model", PathBuf::new()).expect("a device")
        };
        let decay = |job: &Job| Arm::ALL.map(|arm| job.config_of(arm).layerwise_decay);
        assert_eq!(decay(&job), [0.5, 1.0]);
        let asked = Job {
            baseline: Some(decayed(0.5)),
            ..job
        };
        assert_eq!(decay(&asked), [0.5, 0.5]);
        let absurd = Job {
            seeds: 2,
            config: FinetuneConfig {
                seed: u64::MAX,
                ..FinetuneConfig::default()
            },
            ..asked
        };
        assert!(absurd.check().is_err());
    }
}
