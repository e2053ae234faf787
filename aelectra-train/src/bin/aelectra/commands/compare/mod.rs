//! `aelectra compare`: several models on one data set, each in processes of its own, so that peak
//! memory is the model's and one model's warm caches are no other's.

mod args;
mod child;
mod stored;
mod table;
mod timing;

use aelectra_data::files::{replace_file, replace_json};
use aelectra_data::lock::Lock;
use aelectra_data::ner::{
    Mode, Resampling, bootstrap, paired_bootstrap, paired_randomization, read_ner,
};
use aelectra_model::checkpoint::ModelDir;
use aelectra_train::config::finetune::FinetuneConfig;
use aelectra_train::finetune::{Arm, SeriesSummary, StoredSeries, test_tags};
use aelectra_train::ner::load_tokenizer;
use serde_json::Value;

use super::finetune::{self, FinetuneArgs, RANDOM};
use crate::common::{configuration, configuration_over, read_labelled, resolve_model};
use crate::global::Global;
use crate::output;
pub(crate) use args::CompareArgs;
use args::{BERT_BASE, Entry, entries};
use child::{Children, Ended};
use table::{Comparison, ModelRow, Pair};
use timing::Timing;

/// Learning rates a model without pretraining chooses from on dev: it needs higher ones.
const RANDOM_INIT_RATES: [f64; 3] = [5e-4, 1e-3, 2e-3];

pub(crate) fn run(args: &CompareArgs, global: Global) -> anyhow::Result<u8> {
    if args.seeds == 0 {
        return Err(output::usage("--seeds is 0", "give at least 1"));
    }
    let entries = entries(args)?;
    if args.child_timing.or(args.child_finetune).is_some() {
        return run_child(args, &entries, global);
    }
    // What is wrong is told before the first child starts, and the tags that are compared are those the
    // children see.
    let (config, _): (FinetuneConfig, _) =
        configuration(&args.recipe, &args.set, &[args.precision()])?;
    let read = args.read.options(&config.map_label)?;
    let test = read_labelled(&args.test, &read)?;
    let mut finished = Vec::new();
    for entry in &entries {
        finished.push(stored::finished(args, entry, &test)?);
        check(args, entry, global)?;
    }
    if !args.timing_only {
        // Only whether they can be read: the children tell what is odd in them.
        let read = |path| read_ner(path, &read);
        let train = args.train.as_deref().map(read).transpose()?;
        args.dev.as_deref().map(read).transpose()?;
        let trained = train.map(|train| config.label_set(&train));
        stored::refuse_other_classes(&entries, trained.as_ref(), global)?;
    }
    std::fs::create_dir_all(&args.out)
        .map_err(aelectra_data::DataError::io("create", &args.out))?;
    let _lock = Lock::acquire(&args.out.join("lock"), "aelectra compare")?;
    let gold = test.tags();
    let children = Children::new()?;
    args.device.tell_for_children();

    let (mut rows, mut predictions) = (Vec::new(), Vec::new());
    for (at, (entry, finished)) in entries.iter().zip(finished).enumerate() {
        let note = |what: &str| {
            if !global.quiet {
                output::note(&format!("{}: {what}", entry.name));
            }
        };
        note("timing");
        let timing: Timing = match children.run("--child-timing", at, entry, None)? {
            Ended::Done(timing) => timing,
            Ended::Stopped(code) => return Ok(code),
        };
        let mut row = ModelRow::new(entry.name, &timing);
        if !args.timing_only {
            let done = match finished {
                Some(StoredSeries { summary, tags }) => Ended::Done((summary, tags)),
                None => {
                    note(&format!("fine-tuning {} seeds", args.seeds));
                    fine_tuned(args, &children, at, entry)?
                }
            };
            match done {
                Ended::Done((series, tags)) => {
                    row.add_training(&series);
                    row.interval = Some(bootstrap(
                        &gold,
                        &tags,
                        Mode::Default,
                        Resampling::default(),
                    )?);
                    predictions.push((entry.name, tags));
                }
                Ended::Stopped(code) => return Ok(code),
            }
        }
        rows.push(row);
    }
    let comparison = Comparison {
        models: rows,
        significance: significance(&gold, &predictions)?,
        test: args.test.clone(),
        sentences: gold.len(),
        seeds: if args.timing_only { 0 } else { args.seeds },
        timing_only: args.timing_only,
    };
    replace_json(&args.out.join("table.json"), &comparison)?;
    let table = comparison.markdown();
    replace_file(&args.out.join("table.md"), table.as_bytes())?;
    output::show(global, &comparison, || table.trim_end().to_owned())
}

/// What each seed of a model predicted: tags of each sentence.
type SeedTags = Vec<Vec<Vec<String>>>;

/// A model's series in a process of its own, and what its seeds predicted on test.
fn fine_tuned(
    args: &CompareArgs,
    children: &Children,
    at: usize,
    entry: &Entry<'_>,
) -> anyhow::Result<Ended<(SeriesSummary, SeedTags)>> {
    let folder = Some(entry.folder.as_path());
    let series: SeriesSummary = match children.run("--child-finetune", at, entry, folder)? {
        Ended::Done(series) => series,
        Ended::Stopped(code) => return Ok(Ended::Stopped(code)),
    };
    let seeds = series.runs.len() as u64;
    if seeds < args.seeds {
        // Somebody asked this model's run to stop.
        note_stopped(entry, &format!("after {seeds} of {} seeds", args.seeds));
        return Ok(Ended::Stopped(0));
    }
    let arm = entry.random.then_some(Arm::RandomInit.name());
    let runs = series.runs.iter();
    let tags: Result<SeedTags, _> = runs
        .map(|run| test_tags(&entry.folder, arm, run.seed))
        .collect();
    Ok(Ended::Done((series, tags?)))
}

/// Whether each two models differ.
fn significance(
    gold: &[Vec<String>],
    predictions: &[(&str, SeedTags)],
) -> anyhow::Result<Vec<Pair>> {
    let (mode, resampling) = (Mode::Default, Resampling::default());
    let mut pairs = Vec::new();
    for (first, (a, tags_a)) in predictions.iter().enumerate() {
        for (b, tags_b) in &predictions[first + 1..] {
            pairs.push(Pair {
                a: (*a).to_owned(),
                b: (*b).to_owned(),
                test: paired_randomization(gold, tags_a, tags_b, mode, resampling)?,
                difference_interval: paired_bootstrap(gold, tags_a, tags_b, mode, resampling)?,
            });
        }
    }
    Ok(pairs)
}

/// A model that is not there or has no tokenizer, or a wrong key, is told before hours of training others.
fn check(args: &CompareArgs, entry: &Entry<'_>, global: Global) -> anyhow::Result<()> {
    let is_trained = !(args.timing_only || entry.series || entry.random);
    if is_trained && stored::is_series(entry.model) {
        output::note(&format!(
            "note: `{0}` is a fine-tuned tagger, which is trained further; `series:{0}` compares its seeds as they are",
            entry.model
        ));
    }
    if entry.model != BERT_BASE {
        let path = resolve_model(entry.model, global)?;
        load_tokenizer(&path, &ModelDir::open(&path)?.config)?;
    }
    let epochs = ("epochs", args.epochs.map(Into::into));
    let (preset, set) = (preset(entry), assignments(args, entry));
    configuration_over::<FinetuneConfig>(
        (RANDOM, &preset),
        &args.recipe,
        &set,
        &[epochs, args.precision()],
    )?;
    Ok(())
}

/// The keys that are set for a model.
fn assignments(args: &CompareArgs, entry: &Entry<'_>) -> Vec<String> {
    let mut set = args.set.clone();
    if entry.random {
        set.extend(args.set_random.iter().cloned());
    }
    set
}

/// What a model without pretraining wants, where nothing else is asked for, for every model or for this one.
fn preset(entry: &Entry<'_>) -> Vec<(&'static str, Value)> {
    if !entry.random {
        return Vec::new();
    }
    let mut preset = Arm::RandomInit.preset();
    preset.push(("learning_rates", Value::from(RANDOM_INIT_RATES.to_vec())));
    preset
}

/// Says that a model's part is not done, and what to do.
fn note_stopped(entry: &Entry<'_>, when: &str) {
    output::note(&format!(
        "{}: stopped {when}; the same command goes on there",
        entry.name
    ));
}

/// What a child process prints for its parent.
fn run_child(args: &CompareArgs, entries: &[Entry<'_>], global: Global) -> anyhow::Result<u8> {
    child::end_with_parent();
    if let Some(entry) = args.child_timing.and_then(|at| entries.get(at)) {
        return output::json(&timing::measure(args, entry, global)?).map(|()| 0);
    }
    let Some(entry) = args.child_finetune.and_then(|at| entries.get(at)) else {
        return Err(output::usage("no model at that place", "run `compare`"));
    };
    let (preset, set) = (preset(entry), assignments(args, entry));
    let args = FinetuneArgs {
        model: Some(entry.model.to_owned()),
        train: args.train.clone(),
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
    finetune::run_over(&preset, &args, Global { json, ..global })
}
