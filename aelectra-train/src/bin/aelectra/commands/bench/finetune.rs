//! `aelectra bench finetune`.

use aelectra_data::rng::KeyedRng;
use aelectra_model::init::Initializer;
use aelectra_model::{ElectraConfig, ElectraForTokenClassification, HeadInit, kernels, parameters};
use aelectra_train::config::finetune::FinetuneConfig;
use aelectra_train::finetune::step::NerSteps;
use aelectra_train::optimizer::Adam;
use aelectra_train::schedule::Schedule;
use clap::Args;

use super::args::{MeasureArgs, ModelArgs, tell_what_multiplies};
use super::measure::{Workload, measure_steps};
use crate::common::configuration;
use crate::global::Global;
use crate::output;

/// Time whole steps of fine-tuning: forward, backward, clipping, update, with dropout.
#[derive(Args, Debug)]
pub(crate) struct FinetuneBenchArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    measure: MeasureArgs,
    /// Token classes of the new head.
    #[arg(long, default_value_t = 9)]
    labels: usize,
}

const SEED: u64 = 1;

pub(super) fn run(args: &FinetuneBenchArgs, global: Global) -> anyhow::Result<u8> {
    args.measure.check()?;
    if args.labels == 0 {
        return Err(output::usage("--labels is 0", "give at least 1"));
    }
    let (device, device_name) = args.measure.device.open()?;
    let device = device.autodiff();
    let (model, config) = match args.model.open(global)? {
        Some(dir) => {
            // The classes of the directory do not matter to the time, so the head is always new.
            let (model, _) =
                dir.with_new_classifier(args.labels, HeadInit::default(), SEED, &device)?;
            (model, dir.config)
        }
        None => {
            let config = ElectraConfig::default();
            let mut init = Initializer::random(SEED, config.initializer_range, &device);
            let model = ElectraForTokenClassification::new(&config, args.labels, &mut init);
            (model, config)
        }
    };
    let (rows, length) = (args.measure.batch, args.measure.length);
    if length > config.max_position_embeddings {
        return Err(output::usage(
            format!(
                "--length is {length}, the model has {} positions",
                config.max_position_embeddings
            ),
            "give a smaller one",
        ));
    }
    let mut rng = KeyedRng::new(SEED, "bench finetune", &[]);
    let (windows, labels): (Vec<Vec<u32>>, Vec<Vec<Option<usize>>>) = (0..rows)
        .map(|_| {
            let ids = (0..length).map(|_| rng.below(config.vocab_size as u64) as u32);
            let ids = ids.collect();
            let labels = (0..length).map(|_| Some(rng.below(args.labels as u64) as usize));
            (ids, labels.collect())
        })
        .unzip();
    let batch: Vec<usize> = (0..rows).collect();
    let (recipe, _): (FinetuneConfig, _) = configuration("electra", &[], &[])?;
    let mut optimizer = Adam::layerwise(
        recipe.optimizer,
        &model,
        config.num_hidden_layers,
        recipe.layerwise_decay,
    );
    let schedule = Schedule {
        learning_rate: 1e-4,
        warmup_steps: 0,
        decay_steps: None,
    };
    let precision = args.measure.precision.unwrap_or_default();
    let steps = NerSteps {
        windows: &windows,
        labels: &labels,
        pad: config.pad_token_id as u32,
        schedule,
        seed: SEED,
        device: &device,
        kernels: kernels::for_training(&device, precision)?,
    };
    tell_what_multiplies(precision, &device);
    let workload = Workload {
        name: format!("fine-tuning step {rows}×{length}"),
        device: device_name,
        tokens: rows * length,
        sequences: rows,
        parameters: Some(parameters::count(&model) as u64),
    };
    measure_steps(workload, &args.measure, model, |model, step| {
        let (model, loss, _) = steps.step(model, &mut optimizer, &batch, step);
        std::hint::black_box(loss.into_scalar::<f32>());
        Ok(model)
    })?
    .1
    .print(global)
}
