//! The times and the memory of one model on one data set.

use std::time::Instant;

use aelectra_data::ner::{align, labels_for};
use aelectra_data::vocab::WordPieceTokenizer;
use aelectra_model::checkpoint::ModelDir;
use aelectra_model::init::Initializer;
use aelectra_model::{
    ElectraConfig, ElectraForTokenClassification, HeadInit, PreparedTokenClassifier, kernels,
    parameters,
};
use aelectra_train::config::finetune::FinetuneConfig;
use aelectra_train::finetune::batches::epoch_batches;
use aelectra_train::finetune::step::NerSteps;
use aelectra_train::ner::tagger::{
    TaggerSettings, length_sorted_batches, load_tokenizer, longest_window, window_input,
};
use aelectra_train::optimizer::Adam;
use aelectra_train::schedule::Schedule;
use aelectra_train::system::resident_memory;
use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::args::{CompareArgs, Entry};
use super::assignments;
use crate::common::{configuration, read_labelled, resolve_model};
use crate::global::Global;

/// Rounds over the test set; the fastest counts, since other work can only slow one down.
const ROUNDS: usize = 3;
/// Sentences in a batch of inference.
const BATCH: usize = 32;
/// Training steps before the first that is timed, and how many are.
const STEPS: (usize, usize) = (2, 8);
/// Seed of weights and batches; times do not depend on it.
const SEED: u64 = 1;

/// What it found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Timing {
    pub parameters: u64,
    pub sentences: usize,
    pub inference_seconds: f64,
    pub inference_seconds_batch_1: f64,
    pub train_seconds_per_epoch: f64,
    pub peak_rss_bytes: u64,
    pub inference_peak_rss_bytes: u64,
}

/// Times one model.
pub(super) fn measure(
    args: &CompareArgs,
    entry: &Entry<'_>,
    global: Global,
) -> anyhow::Result<Timing> {
    let (recipe, _): (FinetuneConfig, _) =
        configuration(&args.recipe, &assignments(args, entry), &[args.precision()])?;
    let read = args.read.options(&recipe.map_label)?;
    // Where nothing is to be trained, any sentences will do.
    let train = read_labelled(args.train.as_ref().unwrap_or(&args.test), &read)?;
    let test = read_labelled(&args.test, &read)?;
    let labels = recipe.label_set(&train);
    let device = args.device.spec()?.open()?.autodiff();
    let (model, config, tokenizer) = open(entry, labels.len(), &device, global)?;
    let windows = TaggerSettings::of_training(&recipe, longest_window(&config, &tokenizer));
    let cut = |data: &aelectra_data::ner::NerDataset| {
        align(
            &tokenizer,
            data.sentences.iter().map(|s| s.tokens.as_slice()),
            windows.max_length,
            windows.stride,
        )
    };
    let train_windows = cut(&train)?;
    let train_labels = labels_for(&train_windows, &train.sentences, &labels, recipe.alignment)?;
    let test_windows = cut(&test)?.input_ids;
    let pad = tokenizer.special().pad;

    let plain = model.valid();
    let parameters = parameters::count(&plain) as u64;
    let plain = plain.prepare(recipe.precision)?;
    let inner = device.clone().inner();
    let inference_seconds = forward(&plain, &test_windows, BATCH, pad, &inner);
    let inference_seconds_batch_1 = forward(&plain, &test_windows, 1, pad, &inner);
    let inference_peak_rss_bytes = resident_memory().1;
    drop(plain);
    let train_seconds_per_epoch = train_epoch(
        model,
        &config,
        &recipe,
        (&train_windows.input_ids, &train_labels),
        pad,
        &device,
    )?;
    Ok(Timing {
        parameters,
        sentences: test.sentences.len(),
        inference_seconds,
        inference_seconds_batch_1,
        train_seconds_per_epoch,
        peak_rss_bytes: resident_memory().1,
        inference_peak_rss_bytes,
    })
}

fn open(
    entry: &Entry<'_>,
    labels: usize,
    device: &Device,
    global: Global,
) -> anyhow::Result<(
    ElectraForTokenClassification,
    ElectraConfig,
    WordPieceTokenizer,
)> {
    let fresh = |config: &ElectraConfig| {
        let mut init = Initializer::random(SEED, config.initializer_range, device);
        ElectraForTokenClassification::new(config, labels, &mut init)
    };
    if let Some(other) = entry.tokenizer {
        // BERT-base, which has no directory.
        let tokenizer = WordPieceTokenizer::from_dir(&resolve_model(other, global)?)?;
        let config = ElectraConfig::bert_base(tokenizer.vocab_size());
        return Ok((fresh(&config), config, tokenizer));
    }
    let path = resolve_model(entry.model, global)?;
    let dir = ModelDir::open(&path)?;
    let tokenizer = load_tokenizer(&path, &dir.config)?;
    let model = if entry.random {
        fresh(&dir.config)
    } else {
        dir.with_new_classifier(labels, HeadInit::default(), SEED, device)?
            .0
    };
    Ok((model, dir.config, tokenizer))
}

/// Seconds for all windows, the fastest of the rounds, after one that is not counted.
fn forward(
    model: &PreparedTokenClassifier,
    windows: &[Vec<u32>],
    batch_size: usize,
    pad: u32,
    device: &Device,
) -> f64 {
    let batches = length_sorted_batches(windows, batch_size);
    let pass = || {
        for batch in &batches {
            let (input, _) = window_input(windows, batch, pad, device);
            let logits = model.forward(&input);
            // Reading waits for asynchronous devices.
            std::hint::black_box(logits.into_data());
        }
    };
    // A part of the work is warm-up enough for a slow model.
    for batch in batches.iter().take(4) {
        let (input, _) = window_input(windows, &batch[..1], pad, device);
        std::hint::black_box(model.forward(&input).into_data());
    }
    (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            pass();
            started.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}

/// Seconds of an epoch, extrapolated from a few steps by the number of positions computed.
fn train_epoch(
    mut model: ElectraForTokenClassification,
    config: &ElectraConfig,
    recipe: &FinetuneConfig,
    (windows, labels): (&[Vec<u32>], &[Vec<Option<usize>>]),
    pad: u32,
    device: &Device,
) -> anyhow::Result<f64> {
    let lengths: Vec<usize> = windows.iter().map(Vec::len).collect();
    let batches = epoch_batches(&lengths, recipe.batch_size, SEED, 0);
    let cells =
        |batch: &Vec<usize>| batch.len() * batch.iter().map(|&w| lengths[w]).max().unwrap_or(0);
    let mut optimizer = Adam::layerwise(
        recipe.optimizer,
        &model,
        config.num_hidden_layers,
        recipe.layerwise_decay,
    );
    let schedule = Schedule {
        learning_rate: 1e-5,
        warmup_steps: 0,
        decay_steps: None,
    };
    let (mut seconds, mut timed) = (0.0, 0usize);
    let steps = NerSteps {
        windows,
        labels,
        pad,
        schedule,
        seed: SEED,
        device,
        kernels: kernels::for_training(device, recipe.precision)?,
    };
    for (step, batch) in batches.iter().take(STEPS.0 + STEPS.1).enumerate() {
        let started = Instant::now();
        let loss;
        (model, loss, _) = steps.step(model, &mut optimizer, batch, step as u64);
        std::hint::black_box(loss.into_scalar::<f32>());
        if step >= STEPS.0 || batches.len() <= STEPS.0 {
            seconds += started.elapsed().as_secs_f64();
            timed += cells(batch);
        }
    }
    Ok(seconds * batches.iter().map(cells).sum::<usize>() as f64 / timed.max(1) as f64)
}
