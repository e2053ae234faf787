//! `aelectra bench inference`.

use std::path::PathBuf;

use aelectra_data::rng::KeyedRng;
use aelectra_model::auto::AutoModel;
use aelectra_model::init::Initializer;
use aelectra_model::{ElectraConfig, ElectraForPreTraining, EncoderInput, parameters};
use clap::Args;
use serde::Deserialize;

use super::args::{MeasureArgs, ModelArgs, tell_what_multiplies};
use super::measure::{Workload, measure};
use crate::global::Global;
use crate::output;

/// Time forward passes without gradients.
#[derive(Args, Debug)]
pub(crate) struct InferenceArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    measure: MeasureArgs,
    /// JSON list of sequence lengths: one repetition is then all of them, sorted and in batches,
    /// as text of that length would be tagged. Overrides --length.
    #[arg(long, value_name = "FILE")]
    lengths: Option<PathBuf>,
}

/// Seed of weights and ids; nothing measured depends on it.
const SEED: u64 = 1;

pub(super) fn run(args: &InferenceArgs, global: Global) -> anyhow::Result<u8> {
    args.measure.check()?;
    let (device, device_name) = args.measure.device.open()?;
    let (model, config) = match args.model.open(global)? {
        Some(dir) => (AutoModel::load(&dir, &device)?.0, dir.config),
        None => {
            let config = ElectraConfig::default();
            let mut init = Initializer::random(SEED, config.initializer_range, &device);
            let model = ElectraForPreTraining::new(&config, &mut init);
            (AutoModel::PreTraining(model), config)
        }
    };
    let parameters = match &model {
        AutoModel::Encoder(model) => parameters::count(model),
        AutoModel::PreTraining(model) => parameters::count(model),
        AutoModel::MaskedLm(model) => parameters::count(model),
        AutoModel::TokenClassification(model) => parameters::count(model),
    };
    let precision = args.measure.precision.unwrap_or_default();
    let model = model.prepare(precision)?;
    tell_what_multiplies(precision, &device);
    let mut lengths = match &args.lengths {
        None => vec![args.measure.length; args.measure.batch],
        Some(path) => read_lengths(path)?,
    };
    if let Some(long) = lengths
        .iter()
        .find(|&&l| l > config.max_position_embeddings)
    {
        return Err(output::usage(
            format!(
                "a sequence of {long} word pieces; the model has {} positions",
                config.max_position_embeddings
            ),
            "give shorter ones",
        ));
    }
    lengths.sort_unstable();
    let tokens = lengths.iter().sum();
    let mut rng = KeyedRng::new(SEED, "bench inference", &[]);
    let batches: Vec<EncoderInput> = lengths
        .chunks(args.measure.batch)
        .map(|lengths| {
            let length = lengths.iter().copied().max().unwrap_or(1);
            let ids: Vec<u32> = (0..lengths.len() * length)
                .map(|_| rng.below(config.vocab_size as u64) as u32)
                .collect();
            EncoderInput::new(&ids, None, lengths, length, &device)
        })
        .collect();
    let workload = Workload {
        name: match args.lengths {
            None => format!("inference {}×{}", args.measure.batch, args.measure.length),
            Some(_) => format!(
                "inference of {} sequences in batches of {}",
                lengths.len(),
                args.measure.batch
            ),
        },
        device: device_name,
        tokens,
        sequences: lengths.len(),
        parameters: Some(parameters as u64),
    };
    measure(workload, args.measure.warmup, args.measure.steps, || {
        for batch in &batches {
            // Reading the result waits for asynchronous devices.
            std::hint::black_box(model.forward(batch));
        }
        Ok(())
    })?
    .print(global)
}

/// A list, or an object that also says where its list is from.
#[derive(Deserialize)]
#[serde(untagged)]
enum LengthsFile {
    Bare(Vec<usize>),
    Named { lengths: Vec<usize> },
}

fn read_lengths(path: &PathBuf) -> anyhow::Result<Vec<usize>> {
    let text = std::fs::read_to_string(path).map_err(aelectra_data::DataError::io("read", path))?;
    let (LengthsFile::Bare(lengths) | LengthsFile::Named { lengths }) = serde_json::from_str(&text)
        .map_err(|error| {
            output::usage(
                format!("`{}`: {error}", path.display()),
                "expected a JSON list of positive whole numbers, or one under `lengths`",
            )
        })?;
    if lengths.is_empty() || lengths.contains(&0) {
        return Err(output::usage(
            format!("`{}` has no lengths, or one of 0", path.display()),
            "expected a JSON list of positive whole numbers",
        ));
    }
    Ok(lengths)
}
