//! `aelectra compare`: several models on one data set, each in processes of its own, so that peak
//! memory is the model's and one model's warm caches are no other's.

mod table;
pub(crate) mod timing;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aelectra_data::ner::{Mode, Resampling, bootstrap, paired_bootstrap, paired_randomization};
use aelectra_train::config::finetune::FinetuneConfig;
use aelectra_train::config::{self, Sources};
use aelectra_train::finetune::{SeedResult, SeriesSummary};
use anyhow::Context;
use clap::Args;
use serde::de::DeserializeOwned;

use crate::common::{DeviceArgs, NerReadArgs, environment, read_labelled};
use crate::global::Global;
use crate::output;
use table::{Comparison, ModelRow, Pair};
use timing::Timing;

/// Learning rates a model without pretraining chooses from on dev: it needs higher ones.
const RANDOM_INIT_RATES: &str = "learning_rates=[5e-4,1e-3,2e-3]";

/// Fine-tune, score and time several models on one data set and print a comparison table.
///
/// A model is a directory, a hub name, `random:DIR` (the architecture of that directory with random
/// weights, its own learning rates and no layer-wise decay), or `random:bert-base` (BERT-base with
/// the first model's tokenizer, for timing only). If interrupted, run the same command again to
/// continue.
#[derive(Args, Debug)]
pub(crate) struct CompareArgs {
    /// Models to compare.
    #[arg(long, value_name = "DIR|ID|random:DIR", required = true, num_args = 1..)]
    model: Vec<String>,
    /// Training sentences.
    #[arg(long, value_name = "FILE")]
    train: PathBuf,
    /// Development sentences; they choose the epoch and the learning rate.
    #[arg(long, value_name = "FILE")]
    dev: Option<PathBuf>,
    /// Test sentences; inference is timed on them.
    #[arg(long, value_name = "FILE")]
    test: PathBuf,
    /// Recipe: `electra`, `original`, or a TOML file.
    #[arg(long, value_name = "NAME|FILE", default_value = "electra")]
    recipe: String,
    /// Number of seeds.
    #[arg(long, value_name = "N", default_value_t = 5)]
    seeds: u64,
    /// Epochs.
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
    /// Set a fine-tuning key for every model; repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Set a fine-tuning key for models with random weights only; repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    set_random: Vec<String>,
    /// Measure time and memory only, with a few training steps and inference.
    #[arg(long)]
    timing_only: bool,
    /// Output directory for the runs, table.md and table.json.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    read: NerReadArgs,
    #[command(flatten)]
    device: DeviceArgs,
}

/// A model as it was given.
struct Entry<'a> {
    /// The argument.
    name: &'a str,
    /// Directory of its runs.
    folder: PathBuf,
    /// What the child processes are given.
    model: &'a str,
    random: bool,
}

pub(crate) fn run(args: &CompareArgs, global: Global) -> anyhow::Result<u8> {
    if args.seeds == 0 {
        return Err(output::usage("--seeds is 0", "give at least 1"));
    }
    // A wrong key is told before the first child starts, and the tags that are compared are those
    // the children see.
    let (config, _) = config::load::<FinetuneConfig>(&Sources {
        recipe: &args.recipe,
        environment: &environment(),
        set: &args.set,
        flags: &[],
    })?;
    let test = read_labelled(&args.test, &args.read.options(&config.map_label)?)?;
    std::fs::create_dir_all(&args.out)
        .map_err(aelectra_data::DataError::io("create", &args.out))?;
    let entries = entries(args)?;
    let gold = test.tags();

    let mut rows = Vec::new();
    let mut predictions: Vec<Option<Vec<Vec<Vec<String>>>>> = Vec::new();
    for entry in &entries {
        if !global.quiet {
            output::note(&format!("{}: timing", entry.name));
        }
        let timing: Timing = child(&timing_command(args, entry, &entries)?)?;
        let mut row = ModelRow::new(entry.name, &timing);
        let mut tags = None;
        if !args.timing_only {
            if !global.quiet {
                output::note(&format!("{}: fine-tuning {} seeds", entry.name, args.seeds));
            }
            let trained: SeriesSummary = child(&finetune_command(args, entry))?;
            row.add_training(&trained);
            let runs = test_tags(entry, args.seeds)?;
            row.interval = Some(bootstrap(
                &gold,
                &runs,
                Mode::Default,
                Resampling::default(),
            )?);
            tags = Some(runs);
        }
        rows.push(row);
        predictions.push(tags);
    }
    let mut significance = Vec::new();
    for (first, a) in predictions.iter().enumerate() {
        for (second, b) in predictions.iter().enumerate().skip(first + 1) {
            if let (Some(a), Some(b)) = (a, b) {
                let (mode, resampling) = (Mode::Default, Resampling::default());
                significance.push(Pair {
                    a: entries[first].name.to_owned(),
                    b: entries[second].name.to_owned(),
                    test: paired_randomization(&gold, a, b, mode, resampling)?,
                    difference_interval: paired_bootstrap(&gold, a, b, mode, resampling)?,
                });
            }
        }
    }
    let comparison = Comparison {
        models: rows,
        significance,
        test: args.test.clone(),
        sentences: gold.len(),
        seeds: if args.timing_only { 0 } else { args.seeds },
        timing_only: args.timing_only,
    };
    let write = |name: &str, text: String| {
        let path = args.out.join(name);
        std::fs::write(&path, text).map_err(aelectra_data::DataError::io("write", &path))
    };
    write(
        "table.json",
        serde_json::to_string_pretty(&comparison)? + "\n",
    )?;
    write("table.md", comparison.markdown())?;
    if global.json {
        return output::json(&comparison).map(|()| 0);
    }
    output::line(comparison.markdown().trim_end())?;
    Ok(0)
}

fn entries(args: &CompareArgs) -> anyhow::Result<Vec<Entry<'_>>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for name in &args.model {
        let random = name.strip_prefix("random:");
        if random == Some(timing::BERT_BASE) && !args.timing_only {
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
        if entries.iter().any(|entry| entry.folder == folder) {
            return Err(output::usage(
                format!("`{name}` is given twice, or reads like another model"),
                "give every model once",
            ));
        }
        entries.push(Entry {
            name,
            folder,
            model: random.unwrap_or(name),
            random: random.is_some(),
        });
    }
    Ok(entries)
}

/// Flags that both children take.
fn common_flags(args: &CompareArgs, command: &mut Command) {
    command
        .arg("--train")
        .arg(&args.train)
        .arg("--test")
        .arg(&args.test);
    command.args(["--recipe", &args.recipe]);
    for assignment in &args.set {
        command.args(["--set", assignment]);
    }
    if let Some(device) = &args.device.device {
        command.args(["--device", device]);
    }
    command.args(args.read.flags());
}

fn finetune_command(args: &CompareArgs, entry: &Entry<'_>) -> Command {
    let mut command = itself("finetune");
    common_flags(args, &mut command);
    command.args(["--model", entry.model, "--no-dashboard", "--json"]);
    command.arg("--out").arg(&entry.folder);
    command.args(["--seeds", &args.seeds.to_string()]);
    if let Some(dev) = &args.dev {
        command.arg("--dev").arg(dev);
    }
    if let Some(epochs) = args.epochs {
        command.args(["--epochs", &epochs.to_string()]);
    }
    if entry.random {
        command.arg("--random-init");
        for assignment in ["layerwise_decay=1.0", RANDOM_INIT_RATES] {
            command.args(["--set", assignment]);
        }
        for assignment in &args.set_random {
            command.args(["--set", assignment]);
        }
    }
    command
}

fn timing_command(
    args: &CompareArgs,
    entry: &Entry<'_>,
    entries: &[Entry<'_>],
) -> anyhow::Result<Command> {
    let mut command = itself("compare-timing");
    common_flags(args, &mut command);
    command.args(["--model", entry.model, "--json"]);
    if entry.random {
        command.arg("--random-init");
    }
    if entry.model == timing::BERT_BASE {
        let Some(other) = entries
            .iter()
            .find(|other| other.model != timing::BERT_BASE)
        else {
            return Err(output::usage(
                format!("`{}` has no tokenizer of its own", entry.name),
                "give at least one other model, whose tokenizer it takes",
            ));
        };
        command.args(["--tokenizer", other.model]);
    }
    Ok(command)
}

/// This program with another verb.
fn itself(verb: &str) -> Command {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("aelectra"));
    let mut command = Command::new(program);
    command.arg(verb);
    command
}

/// Runs a child whose progress goes to our standard error, and reads the JSON it prints.
fn child<T: DeserializeOwned>(command: &Command) -> anyhow::Result<T> {
    let mut run = Command::new(command.get_program());
    run.args(command.get_args());
    let output = run
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start this program again")?;
    if !output.status.success() {
        let arguments: Vec<_> = command.get_args().map(|a| a.to_string_lossy()).collect();
        return Err(output::usage(
            format!(
                "`aelectra {}` ended with {}",
                arguments.join(" "),
                output.status
            ),
            "see the error above; run the same command again to resume",
        ));
    }
    serde_json::from_slice(&output.stdout).context("a child process printed no JSON")
}

/// The test predictions of every seed of a series.
fn test_tags(entry: &Entry<'_>, seeds: u64) -> anyhow::Result<Vec<Vec<Vec<String>>>> {
    let arm = if entry.random { "random_init" } else { "model" };
    let folder: PathBuf = entry.folder.join("seeds").join(arm);
    let mut found: Vec<(u64, PathBuf)> = std::fs::read_dir(&folder)
        .map_err(aelectra_data::DataError::io("read", &folder))?
        .flatten()
        .filter_map(|file| Some((seed_of(&file.path())?, file.path())))
        .collect();
    found.sort_unstable();
    found
        .iter()
        .take(seeds as usize)
        .map(|(_, path)| {
            let text = std::fs::read_to_string(path)
                .map_err(aelectra_data::DataError::io("read", path))?;
            let result: SeedResult = serde_json::from_str(&text)
                .with_context(|| format!("`{}` is not a seed's result", path.display()))?;
            Ok(result.test_tags)
        })
        .collect()
}

/// The number in `seed-N.json`.
fn seed_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let number = name.strip_prefix("seed-")?.strip_suffix(".json")?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_seeds_are_the_lowest_numbers() {
        let folder = tempfile::tempdir().expect("a folder");
        let seeds = folder.path().join("seeds/model");
        std::fs::create_dir_all(&seeds).expect("created");
        for seed in [2, 10, 1] {
            let result = serde_json::json!({
                "seed": seed, "learning_rate": 1e-4, "epoch": 1, "train_seconds": 1.0,
                "test_tags": [[seed.to_string()]],
            });
            let path = seeds.join(format!("seed-{seed}.json"));
            std::fs::write(path, result.to_string()).expect("written");
        }
        std::fs::write(seeds.join("seed-3.partial"), "").expect("written");
        let entry = Entry {
            name: "m",
            folder: folder.path().to_path_buf(),
            model: "m",
            random: false,
        };
        let tags = test_tags(&entry, 2).expect("read");
        assert_eq!(tags, [[["1".to_owned()]], [["2".to_owned()]]]);
    }
}
