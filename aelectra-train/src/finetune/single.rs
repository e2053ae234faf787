//! Fine-tuning one model with one seed.

use std::collections::BTreeMap;
use std::time::Instant;

use aelectra_data::ner::{LabelSet, Mode, NerSentence, Resampling, TagDecoder, align, labels_for};
use aelectra_data::rng;
use aelectra_data::run::{ClassScore, Confusion, NerEvalEvent, NerStepEvent, RunEvent};
use aelectra_data::vocab::WordPieceTokenizer;
use aelectra_model::checkpoint::ModelDir;
use aelectra_model::init::Initializer;
use aelectra_model::input::int_tensor;
use aelectra_model::kernels::{self, Kernels};
use aelectra_model::loss::{COUNT_EPSILON, cross_entropy_sum};
use aelectra_model::transfer::receive;
use aelectra_model::{
    ElectraConfig, ElectraForTokenClassification, ElectraModel, HeadInit, Noise, Precision,
};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::config::finetune::{ClassifierInit, FinetuneConfig, Selection};
use crate::config::pretrain::AttentionStart;
use crate::error::{Result, TrainError};
use crate::finetune::batches::epoch_batches;
use crate::finetune::collapse::{self, Watch};
use crate::finetune::curve;
use crate::finetune::options::SeriesOptions;
use crate::ner::tagger::{Tagger, TaggerSettings, window_input};
use crate::ner::{TaggerEvaluation, evaluate};
use crate::optimizer::Adam;
use crate::schedule::Schedule;
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

    fn with_classifier(
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

/// Labelled sentences, the label set and the tokenizer: what all seeds share.
#[derive(Debug)]
pub struct Data {
    /// Sentences to learn from.
    pub train: Vec<NerSentence>,
    /// Sentences to choose epochs and learning rates by.
    pub dev: Vec<NerSentence>,
    /// Sentences to report on.
    pub test: Vec<NerSentence>,
    /// Classes.
    pub labels: LabelSet,
    /// Word pieces.
    pub tokenizer: WordPieceTokenizer,
}

impl Data {
    /// Word pieces of the longest window, as the saved model will be read: a tokenizer made for shorter
    /// examples limits windows to the positions that pretraining has seen.
    pub(crate) fn longest(&self, encoder: &Encoder<'_>) -> usize {
        let positions = encoder.config().max_position_embeddings;
        positions.min(self.tokenizer.options().model_max_length)
    }
}

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
    fn trial(&self) -> Option<f64> {
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
    let drawn = series
        .sentences
        .or(config.sentences)
        .map(|count| curve::draw(&data.train, count, seed));
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
        .map(|count| curve::draw(&data.dev, count, seed));
    let dev = drawn_dev.as_deref().unwrap_or(&data.dev);
    let mut watch = Watch::default();
    let mut kept: Option<Kept> = None;
    for epoch in 0..config.epochs {
        let started = Instant::now();
        let mut losses = Vec::new();
        let mut means = Vec::new();
        let pass = |pass: u64| epoch_batches(&lengths, config.batch_size, seed, pass);
        let first = epoch * passes as u64;
        let batches: Vec<Vec<usize>> = (first..first + passes as u64).flat_map(pass).collect();
        let last = batches.len().saturating_sub(1);
        let report_every = (batches.len() / 10).max(1);
        let mut tokens = 0usize;
        for (index, batch) in batches.iter().enumerate() {
            if series.steering.is_over(step) {
                return Ok(None);
            }
            let (new, loss, grad_norm) = steps.step(model, &mut optimizer, batch, step);
            model = new;
            losses.push(loss);
            tokens += batch.iter().map(|&w| lengths[w]).sum::<usize>();
            step += 1;
            if (index + 1).is_multiple_of(report_every) || index == last {
                let mean = mean_of(&losses);
                means.push(mean);
                losses.clear();
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
                    tokens_per_second: Some(
                        tokens as f64 / started.elapsed().as_secs_f64().max(1e-9),
                    ),
                }));
                if !mean.is_finite() {
                    return Err(TrainError::failed(format!(
                        "the loss of seed {seed} is not finite in epoch {} at learning rate {:e}",
                        epoch + 1,
                        context.learning_rate
                    ))
                    .with_hint("try a lower learning rate"));
                }
            }
        }
        train_seconds += started.elapsed().as_secs_f64();
        trained_epochs = epoch + 1;

        let last_epoch = epoch + 1 == config.epochs;
        let on_dev = if dev.is_empty() {
            None
        } else {
            let tagger = tagger(&model, data, settings, device)?;
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
        let before = kept.as_ref().and_then(|kept| kept.dev_f1);
        let better = match config.selection {
            Selection::Last => last_epoch,
            // Without dev data there is nothing to choose by: the last epoch.
            Selection::Best => dev_f1.zip(before).is_none_or(|(now, before)| now > before),
        };
        if better {
            kept = Some(Kept {
                epoch: epoch + 1,
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
    }) = kept
    else {
        return Err(TrainError::failed("no epoch was kept"));
    };
    let tagger = tagger(&model, data, settings, device)?;
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
    dev_f1: Option<f64>,
    /// Entities found on dev.
    found_on_dev: Option<usize>,
    model: ElectraForTokenClassification,
}

type Loss = burn::tensor::Tensor<1>;

/// What the steps of a training have in common.
#[derive(Debug)]
pub struct NerSteps<'a> {
    /// Ids of word pieces.
    pub windows: &'a [Vec<u32>],
    /// The class of each piece, if it has one.
    pub labels: &'a [Vec<Option<usize>>],
    /// The id that fills up a batch.
    pub pad: u32,
    /// Of the learning rate.
    pub schedule: &'a Schedule,
    /// Of dropout.
    pub seed: u64,
    /// Autodiff device.
    pub device: &'a Device,
    /// See [`kernels::for_training`].
    pub kernels: &'static dyn Kernels,
}

impl NerSteps<'_> {
    /// One optimizer step on the windows that `batch` names; returns the model, its loss and the
    /// gradient norm, both still on the device.
    pub fn step(
        &self,
        model: ElectraForTokenClassification,
        optimizer: &mut Adam,
        batch: &[usize],
        step: u64,
    ) -> (ElectraForTokenClassification, Loss, Loss) {
        let device = self.device;
        let (input, length) = window_input(self.windows, batch, self.pad, device);
        let (positions, labels): (Vec<u32>, Vec<u32>) = batch
            .iter()
            .enumerate()
            .flat_map(|(row, &window)| {
                self.labels[window]
                    .iter()
                    .enumerate()
                    .filter_map(move |(at, label)| {
                        label.map(|label| ((row * length + at) as u32, label as u32))
                    })
            })
            .unzip();
        let n = positions.len();
        let positions = int_tensor(&positions, [n], device);
        let labels = int_tensor(&labels, [n], device);
        let mut noise = Noise::keyed(rng::key(self.seed, "finetune noise", &[step]));
        let loss = kernels::using(self.kernels, || {
            let logits = model.forward_at(&input, positions, &mut noise);
            cross_entropy_sum(logits, labels) / (n as f64 + COUNT_EPSILON)
        });
        let value = loss.clone().inner();
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        let rate = self.schedule.at(step);
        let (model, grad_norm) = kernels::using(self.kernels, || {
            optimizer.step(model, gradients, value.clone(), rate)
        });
        (model, value, grad_norm)
    }
}

fn mean_of(losses: &[Loss]) -> f64 {
    let read = receive(Tensor::cat(losses.to_vec(), 0));
    read.iter().map(|&loss| f64::from(loss)).sum::<f64>() / losses.len() as f64
}

fn tagger(
    model: &ElectraForTokenClassification,
    data: &Data,
    settings: TaggerSettings,
    device: &Device,
) -> Result<Tagger> {
    Ok(Tagger {
        // As the finished model will be loaded, so that its scores are the same to the last bit.
        model: model.valid().prepare(Precision::F32)?,
        tokenizer: data.tokenizer.clone(),
        decoder: TagDecoder::new(data.labels.labels())?,
        settings,
        device: device.clone().inner(),
        batch_size: 32,
    })
}

/// Scores a tagger on a split and tells the result.
fn measure(
    tagger: &Tagger,
    sentences: &[NerSentence],
    split: &str,
    epoch: u64,
    step: u64,
    context: &SeedContext<'_>,
) -> Result<TaggerEvaluation> {
    let started = Instant::now();
    // On dev it would be worked out after every epoch, and nobody reads it.
    let resampling = (split == "test").then(Resampling::default);
    let found = evaluate(tagger, sentences, Mode::Default, resampling)?;
    let report = &found.evaluation.report;
    let classes: BTreeMap<String, ClassScore> = report
        .classes
        .iter()
        .map(|(class, score)| {
            let score = ClassScore {
                precision: score.precision,
                recall: score.recall,
                f1: score.f1,
                support: score.support as u64,
            };
            (class.clone(), score)
        })
        .collect();
    let mut labels: Vec<String> = report.classes.keys().cloned().collect();
    labels.push("O".to_owned());
    let counts = labels
        .iter()
        .map(|gold| {
            labels
                .iter()
                .map(|predicted| report.confusion.get(gold, predicted) as u64)
                .collect()
        })
        .collect();
    context.series.bus.emit(RunEvent::NerEval(NerEvalEvent {
        seed: context.seed,
        epoch,
        step: Some(step),
        split: Some(split.to_owned()),
        arm: context.series.arm.map(str::to_owned),
        trial: context.trial(),
        micro_f1: Some(report.micro.f1),
        micro_f1_interval: found.evaluation.interval.map(Into::into),
        micro_precision: Some(report.micro.precision),
        micro_recall: Some(report.micro.recall),
        micro_no_misc: Some(report.micro_no_misc.f1),
        macro_f1: Some(report.macro_avg.f1),
        classes,
        confusion: Some(Confusion { labels, counts }),
        seconds: Some(started.elapsed().as_secs_f64()),
    }));
    Ok(found)
}
