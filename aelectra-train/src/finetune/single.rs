//! Fine-tuning one model with one seed.

use std::collections::BTreeMap;

use aelectra_data::ner::{ClassScore, align, labels_for};
use aelectra_data::rng;
use aelectra_model::{ElectraForTokenClassification, kernels};
use burn::module::Module;
use serde::{Deserialize, Serialize};

use crate::config::finetune::{FinetuneConfig, Selection};
use crate::error::{Result, TrainError};
use crate::finetune::collapse::{self, Watch};
use crate::finetune::data::Data;
use crate::finetune::draw::Drawn;
use crate::finetune::encoder::Encoder;
use crate::finetune::epochs::{EpochReport, Epochs, Learner};
use crate::finetune::options::SeedContext;
use crate::finetune::scores::{mean_loss, measure, tagger};
use crate::finetune::splits::Split;
use crate::finetune::step::NerSteps;
use crate::ner::tagger::{Tagger, TaggerSettings};
use crate::optimizer::Adam;
use crate::schedule::Schedule;

/// What one seed ended with; the keys are those of `aelectra finetune --json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SeedResult {
    /// The seed.
    pub seed: u64,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Epoch whose weights were kept, from 1.
    pub epoch: u64,
    /// Micro F1 on dev of the kept epoch; `None` without dev data.
    pub dev_f1: Option<f64>,
    /// Micro F1 on test of the kept epoch; `None` without test data.
    pub test_f1: Option<f64>,
    /// Micro F1 on test without MISC.
    pub test_f1_no_misc: Option<f64>,
    /// Scores by class on test or, without test data, on dev; none in results of earlier versions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub classes: BTreeMap<String, ClassScore>,
    /// Whether the kept tagger finds no entity at all, on test or, without test data, on dev.
    #[serde(default)]
    pub collapsed: bool,
    /// Epochs that were trained; fewer than the configuration's where patience ended it. `None` in results of
    /// earlier versions.
    #[serde(default)]
    pub epochs: Option<u64>,
    /// Seconds of training, evaluation left out.
    pub train_seconds: f64,
    /// Predicted tags of the test sentences, for significance tests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test_tags: Vec<Vec<String>>,
}

/// What training one model gives.
#[derive(Debug)]
pub(crate) struct TrainedSeed {
    /// The weights, outside autodiff.
    pub model: ElectraForTokenClassification,
    /// The same model ready for tagging.
    pub tagger: Tagger,
    pub result: SeedResult,
}

/// Trains one model. `None` when a signal or a request asked to stop.
///
/// # Errors
/// When data cannot be aligned, or the loss is not finite.
pub(crate) fn train_seed(
    encoder: &Encoder<'_>,
    data: &Data,
    config: &FinetuneConfig,
    context: &SeedContext<'_>,
) -> Result<Option<TrainedSeed>> {
    let training = Training {
        data,
        config,
        context,
        settings: TaggerSettings::of_training(config, data.longest(encoder)),
        drawn: Drawn::of(data, config, context.series.sentences, context.seed),
    };
    let examples = training.examples()?;
    let learner = training.begin(encoder)?;
    let epochs = training.epochs(&examples)?;
    let Some(trained) = training.train(learner, &epochs)? else {
        return Ok(None);
    };
    training.finish(trained).map(Some)
}

/// What one training works with.
struct Training<'a> {
    data: &'a Data,
    config: &'a FinetuneConfig,
    context: &'a SeedContext<'a>,
    settings: TaggerSettings,
    drawn: Drawn<'a>,
}

/// The sentences to learn from, as a model reads them.
struct Examples {
    /// Ids of word pieces; there is at least one window.
    windows: Vec<Vec<u32>>,
    /// The class of each piece, if it has one.
    labels: Vec<Vec<Option<usize>>>,
    /// Pieces of each window.
    lengths: Vec<usize>,
}

/// What the epochs of a training gave.
struct Trained {
    kept: Kept,
    /// Epochs that were trained.
    epochs: u64,
    /// Steps that were taken.
    steps: u64,
    /// Without evaluation and pauses.
    seconds: f64,
}

impl Training<'_> {
    /// The drawn sentences, cut and labelled.
    fn examples(&self) -> Result<Examples> {
        let TaggerSettings {
            alignment,
            max_length,
            stride,
        } = self.settings;
        let sentences = &self.drawn.train[..];
        let windows = align(
            &self.data.tokenizer,
            sentences.iter().map(|s| s.tokens.as_slice()),
            max_length,
            stride,
        )?;
        let labels = labels_for(&windows, sentences, &self.data.labels, alignment)?;
        let windows = windows.input_ids;
        if windows.is_empty() {
            return Err(TrainError::config("the training data has no sentences"));
        }
        Ok(Examples {
            lengths: windows.iter().map(Vec::len).collect(),
            windows,
            labels,
        })
    }

    /// The encoder under a new classifier, before the first step.
    fn begin(&self, encoder: &Encoder<'_>) -> Result<Learner> {
        let Self {
            data,
            config,
            context,
            ..
        } = *self;
        let seed = rng::key(context.seed, "finetune init", &[]);
        let (labels, init) = (data.labels.len(), config.classifier_init);
        let model = encoder.with_classifier(labels, init, seed, context.device)?;
        let layers = encoder.config().num_hidden_layers;
        let optimizer = Adam::layerwise(config.optimizer, &model, layers, config.layerwise_decay);
        Ok(Learner {
            model,
            optimizer,
            step: 0,
        })
    }

    /// What all epochs have in common.
    fn epochs<'e>(&'e self, examples: &'e Examples) -> Result<Epochs<'e>> {
        let Self {
            config, context, ..
        } = *self;
        let passes = self.drawn.passes;
        let total_steps = total_steps(examples.lengths.len(), passes, config);
        Ok(Epochs {
            steps: NerSteps {
                windows: &examples.windows,
                labels: &examples.labels,
                pad: self.data.tokenizer.special().pad,
                schedule: Schedule {
                    learning_rate: context.learning_rate,
                    warmup_steps: (total_steps as f64 * config.warmup_share).round() as u64,
                    decay_steps: config.decay.then_some(total_steps),
                },
                seed: context.seed,
                device: context.device,
                kernels: kernels::for_training(context.device, config.precision)?,
            },
            lengths: &examples.lengths,
            batch_size: config.batch_size,
            passes,
            epochs: config.epochs,
            total_steps,
            context,
        })
    }

    /// Trains all epochs, or until patience ends. `None` when a signal or a request asked to stop.
    fn train(&self, mut learner: Learner, epochs: &Epochs<'_>) -> Result<Option<Trained>> {
        let config = self.config;
        let mut watch = Watch::default();
        let mut kept: Option<Kept> = None;
        let (mut seconds, mut trained_epochs) = (0.0, 0);
        for epoch in 1..=config.epochs {
            let Some((next, report)) = epochs.train(learner, epoch)? else {
                return Ok(None);
            };
            learner = next;
            seconds += report.seconds;
            trained_epochs = epoch;
            let dev = self.on_dev(&learner, epoch, &report)?;
            if let Some(what) = watch.epoch(report.loss, dev.found) {
                self.warn_of_collapse(what, epoch, learner.step);
            }
            if is_better(config, epoch, &dev, kept.as_ref().map(|kept| &kept.dev)) {
                kept = Some(Kept {
                    epoch,
                    dev,
                    model: learner.model.clone(),
                });
            }
            let waited = kept.as_ref().map_or(0, |kept| epoch - kept.epoch);
            let has_dev = !self.drawn.dev.is_empty();
            if has_dev && config.patience.is_some_and(|patience| waited >= patience) {
                break;
            }
        }
        let Some(kept) = kept else {
            return Err(TrainError::failed("no epoch was kept"));
        };
        Ok(Some(Trained {
            kept,
            epochs: trained_epochs,
            steps: learner.step,
            seconds,
        }))
    }

    /// What the weights after an epoch reach on dev; where there is none, the epoch itself is told.
    fn on_dev(&self, learner: &Learner, epoch: u64, report: &EpochReport) -> Result<OnDev> {
        let dev = &self.drawn.dev[..];
        if dev.is_empty() {
            let EpochReport { loss, seconds } = report;
            let (seed, all) = (self.context.seed, self.config.epochs);
            self.context.series.bus.log(format!(
                "seed {seed} epoch {epoch} of {all}: loss {loss:.4}, {seconds:.1} s"
            ));
            return Ok(OnDev::default());
        }
        let tagger = self.tagger(&learner.model)?;
        let loss = match self.config.selection {
            Selection::Loss => Some(mean_loss(&tagger, dev, &self.data.labels)?),
            Selection::Last | Selection::Best => None,
        };
        let found = measure(&tagger, dev, Split::Dev, epoch, learner.step, self.context)?;
        let micro = found.evaluation.report.micro;
        Ok(OnDev {
            f1: Some(micro.f1),
            loss,
            // Where there is nothing to find, nothing found means nothing.
            found: (micro.support > 0).then_some(micro.predicted),
            classes: found.evaluation.report.classes,
        })
    }

    /// Tells of an epoch that learnt nothing.
    fn warn_of_collapse(&self, what: &str, epoch: u64, step: u64) {
        let SeedContext {
            series,
            seed,
            learning_rate,
            ..
        } = self.context;
        let hint = collapse::HINT;
        series.bus.warn(
            format!(
                "seed {seed} at learning rate {learning_rate:e} in epoch {epoch}: {what}; {hint}"
            ),
            Some(step),
        );
    }

    /// The kept weights as a tagger, scored on test where there is any and nothing is only tried out.
    fn finish(&self, trained: Trained) -> Result<TrainedSeed> {
        let Kept { epoch, dev, model } = trained.kept;
        let context = self.context;
        let tagger = self.tagger(&model)?;
        let mut result = SeedResult {
            seed: context.seed,
            learning_rate: context.learning_rate,
            epoch,
            dev_f1: dev.f1,
            test_f1: None,
            test_f1_no_misc: None,
            classes: dev.classes,
            collapsed: dev.found == Some(0),
            epochs: Some(trained.epochs),
            train_seconds: trained.seconds,
            test_tags: Vec::new(),
        };
        let test = &self.data.test[..];
        if !context.is_trial && !test.is_empty() {
            let found = measure(&tagger, test, Split::Test, epoch, trained.steps, context)?;
            let report = found.evaluation.report;
            result.collapsed = report.micro.predicted == 0 && report.micro.support > 0;
            result.test_f1 = Some(report.micro.f1);
            result.test_f1_no_misc = Some(report.micro_no_misc.f1);
            result.classes = report.classes;
            result.test_tags = found.tags;
        }
        Ok(TrainedSeed {
            model: model.valid(),
            tagger,
            result,
        })
    }

    /// A model as a tagger.
    fn tagger(&self, model: &ElectraForTokenClassification) -> Result<Tagger> {
        tagger(model, self.data, self.settings, self.config.decoding)
    }
}

/// Steps of a training, so that its schedule can be made before it.
fn total_steps(windows: usize, passes: usize, config: &FinetuneConfig) -> u64 {
    (passes * windows.div_ceil(config.batch_size)) as u64 * config.epochs
}

/// What an epoch's weights reach on dev; nothing where there is none.
#[derive(Debug, Default)]
struct OnDev {
    /// Micro F1.
    f1: Option<f64>,
    /// Mean cross-entropy in nats, where epochs are chosen by it.
    loss: Option<f64>,
    /// Entities found, where there are any to find.
    found: Option<usize>,
    /// Scores by class.
    classes: BTreeMap<String, ClassScore>,
}

impl OnDev {
    /// What an epoch is chosen by, more being better.
    fn rank(&self, selection: Selection) -> Option<f64> {
        match selection {
            Selection::Last => None,
            Selection::Best => self.f1,
            Selection::Loss => self.loss.map(|loss| -loss),
        }
    }
}

/// Whether an epoch's weights are to be kept instead of those before. Without dev data there is nothing to choose by:
/// each epoch is, so the last.
fn is_better(config: &FinetuneConfig, epoch: u64, now: &OnDev, before: Option<&OnDev>) -> bool {
    if config.selection == Selection::Last {
        return epoch == config.epochs;
    }
    let before = before.and_then(|before| before.rank(config.selection));
    let ranks = now.rank(config.selection).zip(before);
    ranks.is_none_or(|(now, before)| now > before)
}

/// The epoch whose weights are kept.
struct Kept {
    epoch: u64,
    dev: OnDev,
    model: ElectraForTokenClassification,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The epochs that are kept in turn, of three with these values on dev.
    fn kept(selection: Selection, dev: [OnDev; 3]) -> Vec<u64> {
        let config = FinetuneConfig {
            selection,
            epochs: 3,
            ..FinetuneConfig::default()
        };
        let mut before: Option<&OnDev> = None;
        let mut kept = Vec::new();
        for (epoch, now) in (1..).zip(&dev) {
            if is_better(&config, epoch, now, before) {
                kept.push(epoch);
                before = Some(now);
            }
        }
        kept
    }

    fn on_dev(f1: f64, loss: f64) -> OnDev {
        OnDev {
            f1: Some(f1),
            loss: Some(loss),
            ..OnDev::default()
        }
    }

    #[test]
    fn the_first_of_the_best_is_kept() {
        let values = || [on_dev(0.5, 0.3), on_dev(0.5, 0.1), on_dev(0.4, 0.2)];
        assert_eq!(kept(Selection::Best, values()), [1]);
        assert_eq!(kept(Selection::Loss, values()), [1, 2]);
        assert_eq!(kept(Selection::Last, values()), [3]);
        let rising = || [on_dev(0.1, 0.3), on_dev(0.2, 0.4), on_dev(0.3, f64::NAN)];
        assert_eq!(kept(Selection::Best, rising()), [1, 2, 3]);
        assert_eq!(kept(Selection::Loss, rising()), [1], "no number is no loss");
    }

    #[test]
    fn without_dev_the_last_is_kept() {
        let none = || [OnDev::default(), OnDev::default(), OnDev::default()];
        assert_eq!(kept(Selection::Best, none()), [1, 2, 3]);
        assert_eq!(kept(Selection::Last, none()), [3]);
    }
}
