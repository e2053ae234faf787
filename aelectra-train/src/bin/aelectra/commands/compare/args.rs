//! What is compared, as it was given.

use std::path::PathBuf;

use aelectra_model::Precision;
use clap::Args;

use crate::common::{DeviceArgs, NerReadArgs};
use crate::output;

/// The architecture that needs no directory.
pub(super) const BERT_BASE: &str = "bert-base";

/// Fine-tune, score and time several models on one data set and print a comparison table.
///
/// A model is a directory, a hub name, `random:DIR` (the architecture of that directory with random
/// weights, its own learning rates and no layer-wise decay unless `--set` says otherwise), `series:RUN` (the seeds of a finished
/// `finetune` as they are, by what they predicted for the same test sentences; nothing is trained), or `random:bert-base`
/// (BERT-base with the first model's tokenizer, for timing only). If interrupted, run the same command again to continue.
#[derive(Args, Debug)]
pub(crate) struct CompareArgs {
    /// Models to compare.
    #[arg(long, value_name = "DIR|ID|random:DIR|series:RUN", required = true, num_args = 1..)]
    pub model: Vec<String>,
    /// Training sentences; needed unless all models are series.
    #[arg(long, value_name = "FILE")]
    pub train: Option<PathBuf>,
    /// Development sentences; they choose the epoch and the learning rate.
    #[arg(long, value_name = "FILE")]
    pub dev: Option<PathBuf>,
    /// Test sentences; inference is timed on them.
    #[arg(long, value_name = "FILE")]
    pub test: PathBuf,
    /// Recipe: `electra`, `cpu-small`, `original`, `euroeval`, `demo`, or a TOML file.
    #[arg(long, value_name = "NAME|FILE", default_value = "electra")]
    pub recipe: String,
    /// Number of seeds; a series must have as many.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub seeds: u64,
    /// Epochs.
    #[arg(long, value_name = "N")]
    pub epochs: Option<u64>,
    /// Precision of training's products and of the timed inference: f32 or bf16; models are scored
    /// in f32.
    #[arg(long, value_name = "PRECISION")]
    pub precision: Option<Precision>,
    /// Set a fine-tuning key for every model; repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Set a fine-tuning key for models with random weights only; repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set_random: Vec<String>,
    /// Measure time and memory only, with a few training steps and inference.
    #[arg(long)]
    pub timing_only: bool,
    /// Output directory for the runs, table.md and table.json.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// What a child process does: time a model, by its place.
    #[arg(long, hide = true)]
    pub child_timing: Option<usize>,
    /// What a child process does: fine-tune a model.
    #[arg(long, hide = true)]
    pub child_finetune: Option<usize>,
    #[command(flatten)]
    pub read: NerReadArgs,
    #[command(flatten)]
    pub device: DeviceArgs,
}

impl CompareArgs {
    /// The key of `--precision`.
    pub(super) fn precision(&self) -> (&'static str, Option<serde_json::Value>) {
        ("precision", self.precision.map(|p| p.to_string().into()))
    }
}

/// A model as it was given.
pub(super) struct Entry<'a> {
    /// The argument.
    pub name: &'a str,
    /// Directory of its runs.
    pub folder: PathBuf,
    /// Without `random:` or `series:`.
    pub model: &'a str,
    pub random: bool,
    /// Whether it is a finished series, the run directory `model`.
    pub series: bool,
    /// Whose tokenizer it takes, where not its own.
    pub tokenizer: Option<&'a str>,
}

pub(super) fn entries(args: &CompareArgs) -> anyhow::Result<Vec<Entry<'_>>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for name in &args.model {
        let random = name.strip_prefix("random:");
        let series = name.strip_prefix("series:");
        if random == Some(BERT_BASE) && !args.timing_only {
            return Err(output::usage(
                format!("`{name}` can only be timed"),
                "compare it with --timing-only, or give `random:DIR` with a directory",
            ));
        }
        let folder: String = name
            .chars()
            .map(|c| {
                if c.is_alphanumeric() || "-_.".contains(c) {
                    c
                } else {
                    '_'
                }
            })
            .collect();
        let folder = args.out.join(folder.trim_matches('.'));
        let place = |run: &str| std::fs::canonicalize(run).ok();
        let is_there = |entry: &Entry<'_>| {
            let same =
                |run| entry.series && place(run).is_some() && place(run) == place(entry.model);
            entry.folder == folder || series.is_some_and(same)
        };
        if entries.iter().any(is_there) {
            return Err(output::usage(
                format!("`{name}` is given twice, or reads like another model"),
                "give every model once",
            ));
        }
        entries.push(Entry {
            name,
            folder,
            model: random.or(series).unwrap_or(name),
            random: random.is_some(),
            series: series.is_some(),
            tokenizer: None,
        });
    }
    let learner = entries.iter().find(|entry| !entry.series);
    if let (None, Some(entry)) = (&args.train, learner) {
        return Err(output::usage(
            format!("there is nothing to train `{}` on", entry.name),
            "give `--train`; only series (`series:RUN`) need none",
        ));
    }
    let own = entries
        .iter()
        .map(|entry| entry.model)
        .find(|m| *m != BERT_BASE);
    for entry in entries.iter_mut().filter(|e| e.model == BERT_BASE) {
        let no_other = || {
            output::usage(
                format!("`{}` has no tokenizer of its own", entry.name),
                "give at least one other model, whose tokenizer it takes",
            )
        };
        entry.tokenizer = Some(own.ok_or_else(no_other)?);
    }
    Ok(entries)
}
