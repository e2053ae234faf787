//! `aelectra compare`: several models on one data set, each in processes of its own, so that peak
//! memory is the model's and one model's warm caches are no other's.

mod table;
pub(crate) mod timing;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aelectra_data::ner::{Mode, Resampling, bootstrap, paired_bootstrap, paired_randomization};
use aelectra_train::finetune::SeedResult;
use anyhow::Context;
use clap::Args;
use serde::de::DeserializeOwned;

use super::Global;
use crate::common::{DeviceArgs, NerReadArgs, read_labelled};
use crate::output;
use table::{Comparison, ModelRow, Pair};
use timing::Timing;

/// Learning rates a model without pretraining chooses from on dev: it needs higher ones.
const RANDOM_INIT_RATES: &str = "learning_rates=[5e-4,1e-3,2e-3]";

/// Fine-tune, score and time several models on one data set, and write the table.
///
/// A model is a directory, a name on the hub, `random:DIR` (the architecture of that directory with
/// random weights, its own learning rates and no layer-wise decay), or `random:bert-base` (a BERT of
/// base size with the first model's tokenizer, to be timed). The same command continues an
/// interrupted comparison.
#[derive(Args, Debug)]
pub(crate) struct CompareArgs {
    /// Models; may be given several times.
    #[arg(long, value_name = "DIR|ID|random:DIR", required = true, num_args = 1..)]
    model: Vec<String>,
    /// Sentences to learn from.
    #[arg(long, value_name = "FILE")]
    train: PathBuf,
    /// Sentences to choose epoch and learning rate by.
    #[arg(long, value_name = "FILE")]
    dev: Option<PathBuf>,
    /// Sentences to report on and to time.
    #[arg(long, value_name = "FILE")]
    test: PathBuf,
    /// `electra`, `original`, or a TOML file.
    #[arg(long, value_name = "NAME|FILE", default_value = "electra")]
    recipe: String,
    /// How many seeds.
    #[arg(long, value_name = "N", default_value_t = 5)]
    seeds: u64,
    /// Passes over the training data.
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
    /// Set a key of the fine-tuning of every model; may be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Set a key for the models without pretraining only.
    #[arg(long, value_name = "KEY=VALUE")]
    set_random: Vec<String>,
    /// Measure only times and memory: a stated number of training steps, and inference.
    #[arg(long)]
    timing_only: bool,
    /// Directory for the runs, table.md and table.json.
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
    std::fs::create_dir_all(&args.out)
        .map_err(aelectra_data::DataError::io("create", &args.out))?;
    let entries = entries(args)?;
    let test = read_labelled(&args.test, &args.read.options(&[])?)?;
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
            let trained: serde_json::Value = child(&finetune_command(args, entry))?;
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
    let mut set: Vec<&str> = args.set.iter().map(String::as_str).collect();
    if entry.random {
        command.arg("--random-init");
        set.extend(["layerwise_decay=1.0", RANDOM_INIT_RATES]);
        set.extend(args.set_random.iter().map(String::as_str));
    }
    for assignment in set {
        command.args(["--set", assignment]);
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
            "the reason stands above; the same command continues the comparison",
        ));
    }
    serde_json::from_slice(&output.stdout).context("a child process printed no JSON")
}

/// The test predictions of every seed of a series.
fn test_tags(entry: &Entry<'_>, seeds: u64) -> anyhow::Result<Vec<Vec<Vec<String>>>> {
    let arm = if entry.random { "random_init" } else { "model" };
    let folder: PathBuf = entry.folder.join("seeds").join(arm);
    let read = |path: &Path| -> anyhow::Result<SeedResult> {
        let text =
            std::fs::read_to_string(path).map_err(aelectra_data::DataError::io("read", path))?;
        Ok(serde_json::from_str(&text)?)
    };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
        .map_err(aelectra_data::DataError::io("read", &folder))?
        .flatten()
        .map(|file| file.path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    paths.sort();
    paths
        .iter()
        .take(seeds as usize)
        .map(|path| Ok(read(path)?.test_tags))
        .collect()
}
