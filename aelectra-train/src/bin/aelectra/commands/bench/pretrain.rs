//! `aelectra bench pretrain`.

use aelectra_data::pretrain::PretrainBatch;
use aelectra_data::rng::KeyedRng;
use aelectra_model::device::profile;
use aelectra_model::parameters;
use aelectra_train::config::Configuration;
use aelectra_train::config::pretrain::PretrainConfig;
use aelectra_train::metrics::pretrain_metrics;
use aelectra_train::optimizer::Adam;
use aelectra_train::pretrain::replicas::NamedDevice;
use aelectra_train::pretrain::step::{Steps, StepsSummary, train_step};
use aelectra_train::pretrain::weights::fresh_model;
use clap::Args;

use super::args::{MeasureArgs, tell_what_multiplies};
use super::measure::{LastStep, Launches, Workload, measure_steps};
use crate::common::configuration;
use crate::global::Global;
use crate::output;

/// Time whole steps of pretraining: both networks forward and backward, clipping, update.
#[derive(Args, Debug)]
pub(crate) struct PretrainBenchArgs {
    #[command(flatten)]
    measure: MeasureArgs,
    /// Recipe to time.
    #[arg(long, value_name = "NAME|FILE", default_value = "aelectra-small-cased")]
    recipe: String,
    /// Vocabulary size.
    #[arg(long, default_value_t = 32_000)]
    vocab_size: usize,
    /// Set a configuration key; repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Afterwards time every kernel of one more step on a GPU: what is launched, how often, how long.
    #[arg(long)]
    profile: bool,
}

const SEED: u64 = 1;
/// Ids 0 to 4 are the special tokens; 4 is the mask.
const SPECIAL: u64 = 5;
const MASK: u32 = 4;

pub(super) fn run(args: &PretrainBenchArgs, global: Global) -> anyhow::Result<u8> {
    args.measure.check()?;
    let seed = ("seed", Some(SEED.into()));
    let precision = args.measure.precision.map(|p| p.to_string().into());
    let precision = ("precision", precision);
    let (mut config, _): (PretrainConfig, _) =
        configuration(&args.recipe, &args.set, &[seed, precision])?;
    config.batch_size = args.measure.batch;
    config.validate()?;
    if args.measure.length > config.model.max_position_embeddings {
        return Err(output::usage(
            format!(
                "--length is {}, the recipe has {} positions",
                args.measure.length, config.model.max_position_embeddings
            ),
            "give a smaller one, or --set model.max_position_embeddings=…",
        ));
    }
    if args.vocab_size <= SPECIAL as usize {
        return Err(output::usage(
            format!("--vocab-size is {}", args.vocab_size),
            "the first five pieces are special; give more",
        ));
    }
    let (device, device_name) = args.measure.device.open()?;
    let devices = [NamedDevice::new(device_name.clone(), &device)];
    let device = device.autodiff();
    let model = fresh_model(&config, args.vocab_size, 0, &device);
    let mut optimizer = Adam::new(config.optimizer, &model);
    let batch = random_batch(
        [args.measure.batch, args.measure.length],
        args.vocab_size,
        config.mask_prob,
    );
    tell_what_multiplies(config.precision, &device);
    let workload = Workload {
        name: format!("pretraining step {}×{}", batch.batch_size, batch.seq_len),
        device: device_name,
        tokens: batch.input_ids.len(),
        sequences: batch.batch_size,
        parameters: Some(parameters::count(&model) as u64),
    };
    let mut read = StepsSummary::default();
    let mut take = |model, step| {
        let (model, record) = train_step(model, &mut optimizer, &config, &batch, step, &devices)?;
        // Waits for asynchronous devices, and is what a run does at its log interval.
        read = Steps::of(record).read();
        Ok(model)
    };
    let (model, mut measured) = measure_steps(workload, &args.measure, model, &mut take)?;
    let next = (args.measure.warmup + args.measure.steps) as u64;
    if args.profile
        && let Some(model) = model
    {
        let (taken, profile) = profile(|| take(model, next));
        taken?;
        measured.profile = Some(Launches::of(profile));
    }
    let weights = (config.mlm_weight, config.effective_rtd_weight());
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    measured.last = Some(LastStep {
        loss: finite(pretrain_metrics(&read.counts, weights.0, weights.1).loss),
        grad_norm: finite(read.grad_norms.last().copied()),
    });
    measured.print(global)
}

/// Full rows of random words, the same number drawn in each, as the loader makes them.
pub(in crate::commands) fn random_batch(
    [batch, length]: [usize; 2],
    vocab_size: usize,
    mask_prob: f64,
) -> PretrainBatch {
    let mut rng = KeyedRng::new(SEED, "bench pretrain", &[]);
    let cells = batch * length;
    let words = vocab_size as u64 - SPECIAL;
    let input_ids: Vec<u32> = (0..cells)
        .map(|_| (SPECIAL + rng.below(words)) as u32)
        .collect();
    let drawn = ((mask_prob * length as f64).round() as usize).clamp(1, length);
    let mut masked_ids = input_ids.clone();
    let mut masked_rows = Vec::with_capacity(batch * drawn);
    for row in 0..batch {
        let mut columns: Vec<usize> = (0..length).collect();
        rng.shuffle(&mut columns);
        let mut columns = columns[..drawn].to_vec();
        columns.sort_unstable();
        for column in columns {
            let cell = row * length + column;
            masked_ids[cell] = MASK;
            masked_rows.push(cell as u32);
        }
    }
    PretrainBatch {
        batch_size: batch,
        seq_len: length,
        masked_labels: masked_rows
            .iter()
            .map(|&cell| input_ids[cell as usize])
            .collect(),
        token_type_ids: vec![0; cells],
        lengths: vec![length; batch],
        input_ids,
        masked_ids,
        masked_rows,
        max_predictions: drawn,
        epoch: 0,
    }
}
