//! Fine-tuning one model with one seed.

use std::time::{Duration, Instant};

use aelectra_data::ner::{align, labels_for};
use aelectra_data::rng;
use aelectra_data::run::{NerStepEvent, RunEvent};
use aelectra_model::transfer::receive;
use aelectra_model::{ElectraForTokenClassification, kernels};
use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::config::finetune::{FinetuneConfig, Selection};
use crate::error::{Result, TrainError};
use crate::finetune::batches::epoch_batches;
use crate::finetune::collapse::{self, Watch};
use crate::finetune::curve;
use crate::finetune::data::Data;
use crate::finetune::encoder::Encoder;
use crate::finetune::options::SeriesOptions;
use crate::finetune::scores::{mean_loss, measure, tagger};
use crate::finetune::step::{NerSteps, read_steps};
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

/// What surrounds one seed.
#[derive(Debug)]
pub(crate) struct SeedContext<'a> {
    pub series: &'a SeriesOptions<'a>,
    /// Autodiff device.
    pub device: &'a Device,
    /// The seed of head, data order and dropout.
    pub seed: u64,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Whether this only tries the learning rate out; such a training is not reported on test.
    pub is_trial: bool,
}

impl SeedContext<'_> {
    /// The rate on trial, for the events.
    pub(super) fn trial(&self) -> Option<f64> {
        self.is_trial.then_some(self.learning_rate)
    }
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
        ..
    } = *context;
    let bus = series.bus;
    let settings = TaggerSettings {
        alignment: config.alignment,
        max_length: config.max_length,
        stride: config.stride,
    }
    .within(data.longest(encoder));
    let draw = match config.with_replacement {
        true => curve::bootstrapped,
        false => curve::draw,
    };
    let drawn = series
        .sentences
        .or(config.sentences)
        .map(|count| draw(&data.train, count, seed));
    let train = drawn.as_deref().unwrap_or(&data.train);
    let passes = drawn.as_ref().map_or(1, |drawn| curve::passes(drawn.len()));
    let windows = align(
        &data.tokenizer,
        train.iter().map(|s| s.tokens.as_slice()),
        settings.max_length,
        settings.stride,
    )?;
    let labels = labels_for(&windows, train, &data.labels, settings.alignment)?;
    let windows = windows.input_ids;
    if windows.is_empty() {
        return Err(TrainError::config("the training data has no sentences"));
    }
    let lengths: Vec<usize> = windows.iter().map(Vec::len).collect();
    let layers = encoder.config().num_hidden_layers;
    let init_seed = rng::key(seed, "finetune init", &[]);
    let mut model =
        encoder.with_classifier(data.labels.len(), config.classifier_init, init_seed, device)?;
    let mut optimizer = Adam::layerwise(config.optimizer, &model, layers, config.layerwise_decay);
    let steps_per_epoch = (passes * windows.len().div_ceil(config.batch_size)) as u64;
    let total_steps = steps_per_epoch * config.epochs;
    let schedule = Schedule {
        learning_rate: context.learning_rate,
        warmup_steps: (total_steps as f64 * config.warmup_share).round() as u64,
        decay_steps: config.decay.then_some(total_steps),
    };
    let steps = NerSteps {
        windows: &windows,
        labels: &labels,
        pad: data.tokenizer.special().pad,
        schedule: &schedule,
        seed,
        device,
        kernels: kernels::for_training(device, config.precision)?,
    };
    let mut step = 0;
    let mut train_seconds = 0.0;
    let mut trained_epochs = 0;
    let drawn_dev = config
        .dev_sentences
        .map(|count| draw(&data.dev, count, seed));
    let dev = drawn_dev.as_deref().unwrap_or(&data.dev);
    let mut watch = Watch::default();
    let mut kept: Option<Kept> = None;
    for epoch in 0..config.epochs {
        let started = Instant::now();
        let (mut losses, mut norms) = (Vec::new(), Vec::new());
        let mut skipped = 0;
        let mut means = Vec::new();
        let pass = |pass: u64| epoch_batches(&lengths, config.batch_size, seed, pass);
        let first = epoch * passes as u64;
        let batches: Vec<Vec<usize>> = (first..first + passes as u64).flat_map(pass).collect();
        let last = batches.len().saturating_sub(1);
        let report_every = (batches.len() / 10).max(1);
        let mut tokens = 0usize;
        // A pause is no training.
        let mut paused = Duration::ZERO;
        let seconds = |paused| started.elapsed().saturating_sub(paused).as_secs_f64();
        for (index, batch) in batches.iter().enumerate() {
            let Some(waited) = series.steering.wait(step) else {
                return Ok(None);
            };
            paused += waited;
            let (new, loss, grad_norm) = steps.step(model, &mut optimizer, batch, step);
            model = new;
            losses.push(loss);
            norms.push(grad_norm.clone());
            tokens += batch.iter().map(|&w| lengths[w]).sum::<usize>();
            step += 1;
            if (index + 1).is_multiple_of(report_every) || index == last {
                let (mean, left_out) = read_steps(&losses, &norms);
                skipped += left_out;
                means.push(mean);
                losses.clear();
                norms.clear();
                bus.emit(RunEvent::NerStep(NerStepEvent {
                    seed,
                    epoch: epoch + 1,
                    step,
                    total_steps: Some(total_steps),
                    total_epochs: Some(config.epochs),
                    arm: series.arm.map(str::to_owned),
                    trial: context.trial(),
                    loss: Some(mean),
                    lr: Some(schedule.at(step - 1)),
                    grad_norm: receive(grad_norm).first().map(|&norm| f64::from(norm)),
                    tokens_per_second: Some(tokens as f64 / seconds(paused).max(1e-9)),
                }));
                if !mean.is_finite() {
                    return Err(TrainError::not_finite(format!(
                        "the loss of seed {seed} is not finite in epoch {} at learning rate {:e}",
                        epoch + 1,
                        context.learning_rate
                    ))
                    .with_hint("try a lower learning rate"));
                }
            }
        }
        if skipped > 0 {
            // Their losses may be numbers all the same, and the weights are as before.
            let what = format!(
                "{skipped} of {} steps of seed {seed} in epoch {} had no finite gradient and changed nothing",
                batches.len(),
                epoch + 1
            );
            if skipped == batches.len() {
                return Err(TrainError::not_finite(what)
                    .with_hint("try a lower learning rate, or another model to start from"));
            }
            bus.warn(what, Some(step));
        }
        train_seconds += seconds(paused);
        trained_epochs = epoch + 1;

        let last_epoch = epoch + 1 == config.epochs;
        let mut dev_loss = None;
        let on_dev = if dev.is_empty() {
            None
        } else {
            let tagger = tagger(&model, data, settings, config.decoding, device)?;
            if config.selection == Selection::Loss {
                dev_loss = Some(mean_loss(&tagger, dev, &data.labels)?);
            }
            let found = measure(&tagger, dev, "dev", epoch + 1, step, context)?;
            Some(found.evaluation.report.micro)
        };
        let dev_f1 = on_dev.as_ref().map(|micro| micro.f1);
        // Where there is nothing to find, nothing found means nothing.
        let to_find = on_dev.as_ref().filter(|micro| micro.support > 0);
        let found_on_dev = to_find.map(|micro| micro.predicted);
        let loss = means.iter().sum::<f64>() / means.len().max(1) as f64;
        if let Some(what) = watch.epoch(loss, found_on_dev) {
            let epoch = epoch + 1;
            let rate = context.learning_rate;
            let message = format!("seed {seed} at learning rate {rate:e} in epoch {epoch}: {what}");
            bus.warn(format!("{message}; {}", collapse::HINT), Some(step));
        }
        // Without dev data there is nothing to choose by: the last epoch.
        let rank = match config.selection {
            Selection::Last => None,
            Selection::Best => dev_f1,
            Selection::Loss => dev_loss.map(|loss: f64| -loss),
        };
        let before = kept.as_ref().and_then(|kept| kept.rank);
        let better = match config.selection {
            Selection::Last => last_epoch,
            _ => rank.zip(before).is_none_or(|(now, before)| now > before),
        };
        if better {
            kept = Some(Kept {
                epoch: epoch + 1,
                rank,
                dev_f1,
                found_on_dev,
                model: model.clone(),
            });
        }
        let waited = kept.as_ref().map_or(0, |kept| epoch + 1 - kept.epoch);
        if dev_f1.is_some() && config.patience.is_some_and(|patience| waited >= patience) {
            break;
        }
    }
    let Some(Kept {
        epoch,
        dev_f1,
        found_on_dev,
        model,
        ..
    }) = kept
    else {
        return Err(TrainError::failed("no epoch was kept"));
    };
    let tagger = tagger(&model, data, settings, config.decoding, device)?;
    let mut result = SeedResult {
        seed,
        learning_rate: context.learning_rate,
        epoch,
        dev_f1,
        test_f1: None,
        test_f1_no_misc: None,
        collapsed: found_on_dev == Some(0),
        epochs: Some(trained_epochs),
        train_seconds,
        test_tags: Vec::new(),
    };
    if !context.is_trial && !data.test.is_empty() {
        let found = measure(&tagger, &data.test, "test", epoch, step, context)?;
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

/// The epoch whose weights are kept.
struct Kept {
    epoch: u64,
    /// What it was chosen by: more is better.
    rank: Option<f64>,
    dev_f1: Option<f64>,
    /// Entities found on dev.
    found_on_dev: Option<usize>,
    model: ElectraForTokenClassification,
}
