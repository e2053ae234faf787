//! `aelectra bench`: what this machine does, measured by the code that does it.

mod data;
mod finetune;
mod inference;
mod measure;
mod pretrain;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::common::DeviceArgs;
use crate::global::Global;
use crate::output;

/// Measure how fast this machine trains, tags and prepares data.
///
/// Inputs are random ids, so no data is needed. `tests/peer` measures other tools the same way.
#[derive(Args, Debug)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    Inference(inference::InferenceArgs),
    Pretrain(pretrain::PretrainBenchArgs),
    Finetune(finetune::FinetuneBenchArgs),
    Data(data::DataArgs),
}

/// How to measure.
#[derive(Args, Clone, Debug)]
pub(crate) struct MeasureArgs {
    /// Sequences per batch.
    #[arg(long, default_value_t = 16, value_name = "B")]
    pub batch: usize,
    /// Pieces per sequence.
    #[arg(long, default_value_t = 128, value_name = "L")]
    pub length: usize,
    /// Measured repetitions.
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub steps: usize,
    /// Unmeasured repetitions before them.
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub warmup: usize,
    /// Threads of the CPU backend; 0 for one per core.
    #[arg(long, default_value_t = 0, value_name = "T")]
    pub threads: usize,
    #[command(flatten)]
    pub device: DeviceArgs,
}

impl MeasureArgs {
    fn check(&self) -> anyhow::Result<()> {
        for (name, value) in [
            ("--batch", self.batch),
            ("--length", self.length),
            ("--steps", self.steps),
        ] {
            if value == 0 {
                return Err(output::usage(
                    format!("{name} is 0"),
                    "there is nothing to measure; give at least 1",
                ));
            }
        }
        set_threads(self.threads)
    }
}

/// Sets the size of the pool that the CPU backend and the loader share; before it is first used.
fn set_threads(threads: usize) -> anyhow::Result<()> {
    if threads > 0 {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()?;
    }
    Ok(())
}

pub(crate) fn run(args: &BenchArgs, global: Global) -> anyhow::Result<u8> {
    match &args.what {
        What::Inference(args) => inference::run(args, global),
        What::Pretrain(args) => pretrain::run(args, global),
        What::Finetune(args) => finetune::run(args, global),
        What::Data(args) => data::run(args, global),
    }
}

/// Where a model is taken from: a directory, or the architecture of a recipe with random weights.
#[derive(Args, Clone, Debug)]
pub(crate) struct ModelArgs {
    /// Model directory or hub name; config.json and weights suffice (default: a random
    /// ELECTRA-Small with a vocabulary of 32,000).
    #[arg(long, value_name = "DIR|ID")]
    pub model: Option<PathBuf>,
}
