//! Arguments that several benchmarks share.

use aelectra_model::checkpoint::ModelDir;
use aelectra_model::{Precision, kernels};
use burn::tensor::Device;
use clap::Args;

use crate::common::{DeviceArgs, resolve_model};
use crate::global::Global;
use crate::output;

/// How to measure.
#[derive(Args, Clone, Debug)]
pub(super) struct MeasureArgs {
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
    /// Precision of products: f32, or bf16 (faster with AVX-512 BF16 or AMX); inference also has int8
    /// (needs AVX-512 VNNI). Default: f32, or what the recipe says.
    #[arg(long, value_name = "PRECISION")]
    pub precision: Option<Precision>,
    /// Threads of the CPU backend; 0 for one per core.
    #[arg(long, default_value_t = 0, value_name = "T")]
    pub threads: usize,
    #[command(flatten)]
    pub device: DeviceArgs,
}

impl MeasureArgs {
    pub(super) fn check(&self) -> anyhow::Result<()> {
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

/// Notes what multiplies in a precision.
pub(super) fn tell_what_multiplies(precision: Precision, device: &Device) {
    let precisions = kernels::of(device).precisions(device);
    if let Some((_, by)) = precisions.iter().find(|(known, _)| *known == precision) {
        output::note(&format!("note: {precision} by {by}"));
    }
}

/// Sets the size of the pool that the CPU backend and the loader share; before it is first used.
pub(super) fn set_threads(threads: usize) -> anyhow::Result<()> {
    if threads > 0 {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()?;
    }
    Ok(())
}

/// Where a model is taken from: a directory, or the architecture of a recipe with random weights.
#[derive(Args, Clone, Debug)]
pub(super) struct ModelArgs {
    /// Model directory or hub name; config.json and weights suffice (default: a random
    /// ELECTRA-Small with a vocabulary of 32,000).
    #[arg(long, value_name = "DIR|ID")]
    model: Option<String>,
}

impl ModelArgs {
    /// The directory, if one is given.
    pub(super) fn open(&self, global: Global) -> anyhow::Result<Option<ModelDir>> {
        let open = |model: &String| Ok(ModelDir::open(&resolve_model(model, global)?)?);
        self.model.as_ref().map(open).transpose()
    }
}
