//! `aelectra export`.

use std::path::{Path, PathBuf};

use aelectra_data::hub;
use aelectra_data::run::{Pointer, RunDir, Task};
use aelectra_model::auto::Head;
use aelectra_train::export::{
    ExportOptions, check_export, export_checkpoint, export_model, folders,
};
use aelectra_train::pretrain::checkpoint;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::common::{is_same, resolve_model};
use crate::global::Global;
use crate::output;

/// Write a model directory from a run, a checkpoint or another model directory.
///
/// Reads a pretraining run (also while it trains), one of its checkpoints, a fine-tuning run, or any
/// model directory or hub name, whatever its weight format. Writes config.json, model.safetensors,
/// tokenizer files and a model card, in Hugging Face layout.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// Run, checkpoint (checkpoints/step-N), model directory or hub name.
    #[arg(long, value_name = "RUN|DIR|ID")]
    checkpoint: String,
    /// Model directory to write.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Head to export (default: the discriminator of a pretraining run, the saved head of a model
    /// directory).
    #[arg(long, value_enum)]
    head: Option<HeadArg>,
    /// Export the checkpoint with the lowest held-out loss instead of the newest.
    #[arg(long)]
    best: bool,
    /// Tokenizer directory, for checkpoints without one.
    #[arg(long, value_name = "DIR")]
    tokenizer: Option<PathBuf>,
    /// Write `strip_accents: false`, for models whose vocabulary has å but whose tokenizer config
    /// lacks it.
    #[arg(long)]
    keep_accents: bool,
    /// Rescale a discriminator's weights by a factor, so that fine-tuning at a small fixed rate moves it
    /// further; what it computes stays the same. 200 suits networks of 128 units at a rate of 2e-5.
    #[arg(long, value_name = "FACTOR")]
    rescale: Option<f64>,
    /// Licence for the model card, e.g. cc-by-4.0.
    #[arg(long, visible_alias = "license", value_name = "ID")]
    licence: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum HeadArg {
    /// Replaced-token detection; the model to fine-tune.
    Discriminator,
    /// Masked-language modelling.
    Generator,
    /// Named entities.
    Ner,
}

impl From<HeadArg> for Head {
    fn from(head: HeadArg) -> Self {
        match head {
            HeadArg::Discriminator => Self::PreTraining,
            HeadArg::Generator => Self::MaskedLm,
            HeadArg::Ner => Self::TokenClassification,
        }
    }
}

/// The keys of `--json`.
#[derive(Debug, Serialize)]
struct Report {
    files: Vec<PathBuf>,
    parameters: usize,
    architecture: &'static str,
    out: PathBuf,
}

pub(crate) fn run(args: &ExportArgs, global: Global) -> anyhow::Result<u8> {
    // Weights only pass through, so the CPU does on every machine.
    let device = aelectra_model::DeviceSpec::compiled_default()?.open()?;
    let given = Path::new(&args.checkpoint);
    if is_same(given, &args.out) {
        return Err(output::usage(
            format!("--out is the directory to read, `{}`", args.out.display()),
            "give a directory of its own",
        ));
    }
    let options = ExportOptions {
        head: args.head.map(Head::from),
        tokenizer: args.tokenizer.clone(),
        keep_accents: args.keep_accents,
        rescale: args.rescale,
        licence: args.licence.clone(),
    };
    check_export(&args.out, &options)?;
    let is_checkpoint = given.join(checkpoint::STATE).is_file();
    let exported = if is_checkpoint && !args.best {
        export_checkpoint(given, &args.out, &options, &device)?
    } else if let Some(checkpoint) = newest(given, args.best)? {
        export_checkpoint(&checkpoint, &args.out, &options, &device)?
    } else if args.best {
        return Err(output::usage(
            format!(
                "--best is of a pretraining run, and `{}` is none",
                args.checkpoint
            ),
            "leave --best out",
        ));
    } else {
        let path = match given.is_dir() {
            true => hub::network_of(given, folders(options.head)),
            false => resolve_model(&args.checkpoint, global)?,
        };
        export_model(&path, &args.checkpoint, &args.out, &options, &device)?
    };
    for warning in &exported.warnings {
        output::note(&format!("note: {warning}"));
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(&args.out)
        .map_err(aelectra_data::DataError::io("read", &args.out))?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    let report = Report {
        files,
        parameters: exported.parameters,
        architecture: exported.architecture,
        out: args.out.clone(),
    };
    output::show(global, &report, || {
        format!(
            "{} with {} parameters → {}",
            report.architecture,
            report.parameters,
            report.out.display()
        )
    })
}

/// The checkpoint of a pretraining run, if `path` is one that has any.
fn newest(path: &Path, best: bool) -> anyhow::Result<Option<PathBuf>> {
    let Ok(run) = RunDir::open(path) else {
        return Ok(None);
    };
    let newest = checkpoint::list(&run)?.into_iter().next();
    let pretrains = run
        .read_manifest()
        .is_ok_and(|it| it.task == Task::Pretrain);
    if newest.is_none() && pretrains && !run.discriminator().is_dir() {
        return Err(output::usage(
            format!("`{}` has no checkpoint yet", path.display()),
            "wait for its first (`checkpoint_every`), or ask for one: \
             `aelectra runs checkpoint RUN`",
        ));
    }
    if newest.is_none() || !best {
        return Ok(newest.map(|(_, path)| path));
    }
    match run.read_pointer(Pointer::Best)? {
        Some(path) => Ok(Some(path)),
        None => Err(output::usage(
            format!("`{}` has no best checkpoint", path.display()),
            "a run has one after its first evaluation on held-out data; leave --best out for the \
             newest",
        )),
    }
}
