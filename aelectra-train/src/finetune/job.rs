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

/// What a fine-tuning is for.
#[derive(Clone, Debug)]
pub enum Goal {
    /// A tagger: the best seed of a series that begins with a model's weights, or with random ones.
    Tagger(Arm),
    /// A learning curve: F1 by number of labelled sentences, with the model's weights and with random ones. No tagger is
    /// kept.
    Curve {
        /// The numbers of labelled sentences.
        sizes: Vec<usize>,
        /// What the arm with random weights trains with; `None` is as the job's `config`, with what those want
        /// ([`Arm::preset`]).
        baseline: Option<Box<FinetuneConfig>>,
    },
}

impl Goal {
    /// The numbers of labelled sentences of a learning curve; none for a tagger, which has all there are.
    pub(super) fn sizes(&self) -> &[usize] {
        match self {
            Self::Tagger(_) => &[],
            Self::Curve { sizes, .. } => sizes,
        }
    }
}

/// What to fine-tune, on what, and where to.
#[derive(Clone, Debug)]
pub struct Job {
    /// What for.
    pub goal: Goal,
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
    /// One seed of the recipe `electra` from the model's weights on the default device, under `runs/`.
    ///
    /// # Errors
    /// When this build has no device.
    pub fn new(model: impl Into<String>, train: PathBuf) -> Result<Self> {
        Ok(Self {
            goal: Goal::Tagger(Arm::Pretrained),
            config: FinetuneConfig::default(),
            recipe: "electra".to_owned(),
            model: model.into(),
            train,
            dev: None,
            test: None,
            read: ReadOptions::default(),
            seeds: 1,
            out: None,
            device: DeviceSpec::compiled_default()?.into(),
            hub: HubOptions::from_process_env(),
            stop: StopFlag::default(),
        })
    }

    /// What an arm of a learning curve trains with.
    pub(super) fn config_of(&self, arm: Arm) -> FinetuneConfig {
        match (&self.goal, arm) {
            (
                Goal::Curve {
                    baseline: Some(baseline),
                    ..
                },
                Arm::RandomInit,
            ) => FinetuneConfig::clone(baseline),
            _ => arm.adapt(&self.config),
        }
    }

    /// What asks for something that cannot be, before a file is touched.
    ///
    /// # Errors
    /// Names it.
    pub(super) fn check(&self) -> Result<()> {
        self.config.validate()?;
        if let Goal::Curve {
            baseline: Some(baseline),
            ..
        } = &self.goal
        {
            baseline.validate()?;
        }
        let is_scored = self.dev.is_some() || self.test.is_some();
        let (message, hint) = match &self.goal {
            Goal::Curve { sizes, .. } if sizes.contains(&0) => (
                "0 labelled sentences teach nothing",
                "give numbers of at least 1 to `--train-sentences`",
            ),
            Goal::Curve { sizes, .. } if sizes.is_empty() => (
                "a learning curve needs numbers of labelled sentences",
                "give them to `--train-sentences`",
            ),
            Goal::Curve { .. } if !is_scored => (
                "a learning curve needs sentences to score on",
                "give `--test`, or `--dev`",
            ),
            _ if self.seeds == 0 => ("the number of seeds is 0", "give at least 1"),
            _ if self.config.seed.checked_add(self.seeds).is_none() => (
                "the last seed is larger than a number can be",
                "give a smaller `--seed`",
            ),
            _ => return Ok(()),
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
        let curve = |sizes: &[usize], baseline: Option<FinetuneConfig>| Goal::Curve {
            sizes: sizes.to_vec(),
            baseline: baseline.map(Box::new),
        };
        let asked = Job {
            goal: curve(&[8], Some(decayed(0.5))),
            ..job
        };
        assert_eq!(decay(&asked), [0.5, 0.5]);
        let asked = Job {
            goal: curve(&[8], None),
            ..asked
        };
        assert_eq!(decay(&asked), [0.5, 1.0]);
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let job = Job {
            test: Some(PathBuf::new()),
            ..Job::new("model", PathBuf::new()).expect("a device")
        };
        let told = |job: Job| job.check().map_err(|error| error.to_string());
        let of_goal = |goal: Goal| {
            told(Job {
                goal,
                ..job.clone()
            })
        };
        let curve = |sizes: &[usize], layerwise_decay: f64| {
            of_goal(Goal::Curve {
                sizes: sizes.to_vec(),
                baseline: Some(Box::new(FinetuneConfig {
                    layerwise_decay,
                    ..FinetuneConfig::default()
                })),
            })
        };
        assert_eq!(of_goal(Goal::Tagger(Arm::Pretrained)), Ok(()));
        assert_eq!(curve(&[8], 1.0), Ok(()));
        let last = FinetuneConfig {
            seed: u64::MAX,
            ..FinetuneConfig::default()
        };
        for (told, of) in [
            (curve(&[8, 0], 1.0), "0 labelled sentences"),
            (curve(&[], 1.0), "needs numbers"),
            (curve(&[8], 2.0), "layerwise_decay"),
            (
                told(Job {
                    config: last,
                    ..job.clone()
                }),
                "the last seed",
            ),
        ] {
            let told = told.expect_err("refused");
            assert!(told.contains(of), "{told}");
        }
    }
}
