//! `aelectra bench`: what this machine does, measured by the code that does it.

mod args;
mod data;
mod finetune;
mod inference;
mod measure;
mod pretrain;

use clap::{Args, Subcommand};

pub(super) use pretrain::random_batch;

use crate::global::Global;

/// Measure how fast this machine trains, tags and prepares data.
///
/// Inputs are random ids, so no data is needed but for `data`. `tests/peer` measures other tools the same way.
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

pub(crate) fn run(args: &BenchArgs, global: Global) -> anyhow::Result<u8> {
    match &args.what {
        What::Inference(args) => inference::run(args, global),
        What::Pretrain(args) => pretrain::run(args, global),
        What::Finetune(args) => finetune::run(args, global),
        What::Data(args) => data::run(args, global),
    }
}
