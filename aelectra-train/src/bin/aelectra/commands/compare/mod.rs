//! `aelectra compare`: several models on one data set, each in processes of its own, so that peak
//! memory is the model's and one model's warm caches are no other's.

mod args;
mod table;
mod timing;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use aelectra_data::lock::Lock;
use aelectra_data::ner::{Mode, Resampling, bootstrap, paired_bootstrap, paired_randomization};
use aelectra_model::checkpoint::ModelDir;
use aelectra_train::config::finetune::FinetuneConfig;
use aelectra_train::finetune::{SeriesSummary, test_tags};
use aelectra_train::ner::load_tokenizer;
use anyhow::Context;
use serde::de::DeserializeOwned;

use super::finetune::{self, FinetuneArgs};
use crate::common::{configuration, read_labelled, resolve_model};
use crate::global::Global;
use crate::output;
pub(crate) use args::CompareArgs;
use args::{BERT_BASE, Entry, entries};
use table::{Comparison, ModelRow, Pair};
use timing::Timing;

/// Learning rates a model without pretraining chooses from on dev: it needs higher ones.
const RANDOM_INIT_RATES: &str = "learning_rates=[5e-4,1e-3,2e-3]";

pub(crate) fn run(args: &CompareArgs, global: Global) -> anyhow::Result<u8> {
    if args.seeds == 0 {
        return Err(output::usage("--seeds is 0", "give at least 1"));
    }
    let entries = entries(args)?;
    if args.child_timing.or(args.child_finetune).is_some() {
        return run_child(args, &entries, global);
    }
    // A wrong key is told before the first child starts, and the tags that are compared are those
    // the children see.
    let (config, _): (FinetuneConfig, _) =
        configuration(&args.recipe, &args.set, &[args.precision()])?;
    let test = read_labelled(&args.test, &args.read.options(&config.map_label)?)?;
    for entry in &entries {
        check(entry, global)?;
    }
    std::fs::create_dir_all(&args.out)
        .map_err(aelectra_data::DataError::io("create", &args.out))?;
    let _lock = Lock::acquire(&args.out.join("lock"), "aelectra compare")?;
    let gold = test.tags();

    let mut rows = Vec::new();
    let mut predictions: Vec<Option<Vec<Vec<Vec<String>>>>> = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        if !global.quiet {
            output::note(&format!("{}: timing", entry.name));
        }
        let timing: Timing = child("--child-timing", at, entry.name)?;
        let mut row = ModelRow::new(entry.name, &timing);
        let mut tags = None;
        if !args.timing_only {
            if !global.quiet {
                output::note(&format!("{}: fine-tuning {} seeds", entry.name, args.seeds));
            }
            let trained: SeriesSummary = child("--child-finetune", at, entry.name)?;
            row.add_training(&trained);
            let arm = entry.random.then_some("random_init");
            let seeds = trained.runs.iter().map(|run| run.seed);
            let runs = seeds.map(|seed| test_tags(&entry.folder, arm, seed));
            let runs = runs.collect::<Result<Vec<_>, _>>()?;
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
    output::show(global, &comparison, || {
        comparison.markdown().trim_end().to_owned()
    })
}

/// A model that is not there, or has no tokenizer, is told before hours of training others.
fn check(entry: &Entry<'_>, global: Global) -> anyhow::Result<()> {
    if entry.model != BERT_BASE {
        let path = resolve_model(entry.model, global)?;
        load_tokenizer(&path, &ModelDir::open(&path)?.config)?;
    }
    Ok(())
}

/// Whether assignments set the key of another one.
fn sets(assignments: &[String], other: &str) -> bool {
    fn key(assignment: &str) -> &str {
        assignment.split('=').next().unwrap_or_default().trim()
    }
    assignments.iter().any(|given| key(given) == key(other))
}

/// What a child process prints for its parent.
fn run_child(args: &CompareArgs, entries: &[Entry<'_>], global: Global) -> anyhow::Result<u8> {
    if let Some(entry) = args.child_timing.and_then(|at| entries.get(at)) {
        return output::json(&timing::measure(args, entry, global)?).map(|()| 0);
    }
    let Some(entry) = args.child_finetune.and_then(|at| entries.get(at)) else {
        return Err(output::usage("no model at that place", "run `compare`"));
    };
    let mut set = args.set.clone();
    if entry.random {
        let own = ["layerwise_decay=1.0", RANDOM_INIT_RATES].into_iter();
        // What was said for every model holds for this one.
        set.extend(own.filter(|own| !sets(&args.set, own)).map(str::to_owned));
        set.extend(args.set_random.iter().cloned());
    }
    let args = FinetuneArgs {
        model: Some(entry.model.to_owned()),
        train: Some(args.train.clone()),
        dev: args.dev.clone(),
        test: Some(args.test.clone()),
        recipe: args.recipe.clone(),
        seeds: args.seeds,
        seed: None,
        epochs: args.epochs,
        precision: args.precision,
        out: Some(entry.folder.clone()),
        train_sentences: Vec::new(),
        random_init: entry.random,
        set,
        print_config: false,
        no_dashboard: true,
        read: args.read.clone(),
        device: args.device.clone(),
    };
    let json = true;
    finetune::run(&args, Global { json, ..global })
}

/// Runs this command as a child for one part of one model, and reads the JSON it prints; its progress
/// goes to our standard error.
fn child<T: DeserializeOwned>(part: &str, at: usize, model: &str) -> anyhow::Result<T> {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("aelectra"));
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1));
    command.args([part, &at.to_string()]);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start this program again")?;
    if !output.status.success() {
        return Err(output::usage(
            format!("the process for `{model}` ended with {}", output.status),
            "see the error above; once its cause is gone the same command goes on where it stopped",
        ));
    }
    serde_json::from_slice(&output.stdout).context("a child process printed no JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_set_is_known_by_its_name() {
        let given = ["epochs=1".to_owned(), " learning_rates =[2e-3]".to_owned()];
        assert!(sets(&given, RANDOM_INIT_RATES));
        assert!(!sets(&given, "layerwise_decay=1.0") && !sets(&[], RANDOM_INIT_RATES));
    }
}
