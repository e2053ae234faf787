//! Fine-tuning one model with one seed.

use aelectra_data::ner::{NerSentence, align, labels_for};
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
    let SeedContext {
        series,
        device,
        seed,
        learning_rate,
        ..
    } = *context;
    let settings = TaggerSettings::of_training(config, data.longest(encoder));
    let drawn = Drawn::of(data, config, series.sentences, seed);
    let windows = align(
        &data.tokenizer,
        drawn.train.iter().map(|s| s.tokens.as_slice()),
        settings.max_length,
        settings.stride,
    )?;
    let labels = labels_for(&windows, &drawn.train, &data.labels, settings.alignment)?;
    let windows = windows.input_ids;
    if windows.is_empty() {
        return Err(TrainError::config("the training data has no sentences"));
    }
    let lengths: Vec<usize> = windows.iter().map(Vec::len).collect();
    let layers = encoder.config().num_hidden_layers;
    let init_seed = rng::key(seed, "finetune init", &[]);
    let model =
        encoder.with_classifier(data.labels.len(), config.classifier_init, init_seed, device)?;
    let optimizer = Adam::layerwise(config.optimizer, &model, layers, config.layerwise_decay);
    let mut learner = Learner {
        model,
        optimizer,
        step: 0,
    };
    let total_steps = total_steps(lengths.len(), drawn.passes, config);
    let epochs = Epochs {
        steps: NerSteps {
            windows: &windows,
            labels: &labels,
            pad: data.tokenizer.special().pad,
            schedule: Schedule {
                learning_rate,
                warmup_steps: (total_steps as f64 * config.warmup_share).round() as u64,
                decay_steps: config.decay.then_some(total_steps),
            },
            seed,
            device,
            kernels: kernels::for_training(device, config.precision)?,
        },
        lengths: &lengths,
        batch_size: config.batch_size,
        passes: drawn.passes,
        epochs: config.epochs,
        total_steps,
        context,
    };
    let ready = |model: &_| tagger(model, data, settings, config.decoding);
    let mut watch = Watch::default();
    let mut kept: Option<Kept> = None;
    let (mut train_seconds, mut trained_epochs) = (0.0, 0);
    for epoch in 1..=config.epochs {
        let Some((next, EpochReport { loss, seconds })) = epochs.train(learner, epoch)? else {
            return Ok(None);
        };
        learner = next;
        train_seconds += seconds;
        trained_epochs = epoch;
        let dev = match drawn.dev.is_empty() {
            true => {
                let all = config.epochs;
                series.bus.log(format!(
                    "seed {seed} epoch {epoch} of {all}: loss {loss:.4}, {seconds:.1} s"
                ));
                OnDev::default()
            }
            false => {
                let tagger = ready(&learner.model)?;
                OnDev::of(
                    &tagger,
                    &drawn.dev,
                    data,
                    config,
                    (epoch, learner.step),
                    context,
                )?
            }
        };
        if let Some(what) = watch.epoch(loss, dev.found) {
            let message =
                format!("seed {seed} at learning rate {learning_rate:e} in epoch {epoch}: {what}");
            let message = format!("{message}; {}", collapse::HINT);
            series.bus.warn(message, Some(learner.step));
        }
        if is_better(config, epoch, &dev, kept.as_ref().map(|kept| &kept.dev)) {
            kept = Some(Kept {
                epoch,
                dev,
                model: learner.model.clone(),
            });
        }
        let waited = kept.as_ref().map_or(0, |kept| epoch - kept.epoch);
        if !drawn.dev.is_empty() && config.patience.is_some_and(|patience| waited >= patience) {
            break;
        }
    }
    let Some(Kept { epoch, dev, model }) = kept else {
        return Err(TrainError::failed("no epoch was kept"));
    };
    let tagger = ready(&model)?;
    let mut result = SeedResult {
        seed,
        learning_rate,
        epoch,
        dev_f1: dev.f1,
        test_f1: None,
        test_f1_no_misc: None,
        collapsed: dev.found == Some(0),
        epochs: Some(trained_epochs),
        train_seconds,
        test_tags: Vec::new(),
    };
    if !context.is_trial && !data.test.is_empty() {
        let found = measure(
            &tagger,
            &data.test,
            Split::Test,
            epoch,
            learner.step,
            context,
        )?;
        let report = found.evaluation.report;
        result.collapsed = report.micro.predicted == 0 && report.micro.support > 0;
        result.test_f1 = Some(report.micro.f1);
        result.test_f1_no_misc = Some(report.micro_no_misc.f1);
        result.test_tags = found.tags;
    }
    Ok(Some(TrainedSeed {
        model: model.valid(),
        tagger,
        result,
    }))
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
}

impl OnDev {
    fn of(
        tagger: &Tagger,
        dev: &[NerSentence],
        data: &Data,
        config: &FinetuneConfig,
        (epoch, step): (u64, u64),
        context: &SeedContext<'_>,
    ) -> Result<Self> {
        let loss = match config.selection {
            Selection::Loss => Some(mean_loss(tagger, dev, &data.labels)?),
            Selection::Last | Selection::Best => None,
        };
        let found = measure(tagger, dev, Split::Dev, epoch, step, context)?;
        let micro = found.evaluation.report.micro;
        Ok(Self {
            f1: Some(micro.f1),
            loss,
            // Where there is nothing to find, nothing found means nothing.
            found: (micro.support > 0).then_some(micro.predicted),
        })
    }

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
            found: None,
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
