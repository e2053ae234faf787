//! Finished series, which are compared as they are.

use std::collections::BTreeSet;
use std::path::Path;

use aelectra_data::ner::{LabelSet, NerDataset, TagDecoder};
use aelectra_data::run::{RunDir, Task};
use aelectra_model::checkpoint::ModelDir;
use aelectra_train::finetune::{StoredSeries, stored_series};

use super::args::{CompareArgs, Entry};
use crate::common::resolve_model;
use crate::global::Global;
use crate::output;

/// What the seeds of a series reached; `None` for what is to be trained.
pub(super) fn finished(
    args: &CompareArgs,
    entry: &Entry<'_>,
    test: &NerDataset,
) -> anyhow::Result<Option<StoredSeries>> {
    if !entry.series || args.timing_only {
        return Ok(None);
    }
    let stored = stored_series(Path::new(entry.model), &test.sentences)?;
    let seeds = stored.summary.runs.len() as u64;
    if seeds != args.seeds {
        return Err(output::usage(
            format!("`{}` has {seeds} seeds, not {}", entry.name, args.seeds),
            format!(
                "what is compared has the same number of seeds: give `--seeds {seeds}`, or train what has fewer on with \
                 `aelectra finetune`"
            ),
        ));
    }
    Ok(Some(stored))
}

/// Whether a model that was given without `series:` is a run that has seeds.
pub(super) fn is_series(model: &str) -> bool {
    let run = RunDir::open(Path::new(model));
    let manifest = run.and_then(|run| run.read_manifest());
    manifest.is_ok_and(|manifest| manifest.task == Task::Finetune)
}

/// Refuses series whose taggers know other classes than those of another, or than `trained`, what is to be trained: a
/// class that one was never taught is no mistake of its.
pub(super) fn refuse_other_classes(
    entries: &[Entry<'_>],
    trained: Option<&LabelSet>,
    global: Global,
) -> anyhow::Result<()> {
    if !entries.iter().any(|entry| entry.series) {
        return Ok(());
    }
    let mut known: Vec<(&str, BTreeSet<String>)> = Vec::new();
    for entry in entries {
        let labels = match (entry.series, trained) {
            (true, _) => ModelDir::open(&resolve_model(entry.model, global)?)?
                .config
                .labels()?,
            (false, Some(trained)) => trained.labels().to_vec(),
            (false, None) => continue,
        };
        let decoder = TagDecoder::new(&labels)?;
        let classes = decoder.tags().classes().into_iter().map(str::to_owned);
        known.push((entry.name, classes.collect()));
    }
    let told = |classes: &BTreeSet<String>| {
        let classes: Vec<&str> = classes.iter().map(String::as_str).collect();
        classes.join(", ")
    };
    for two in known.windows(2) {
        let [(one, classes), (other, others)] = two else {
            continue;
        };
        if classes != others {
            return Err(output::usage(
                format!(
                    "`{one}` knows the classes {}, `{other}` {}",
                    told(classes),
                    told(others)
                ),
                "compare what was trained for the same classes; `--map-label` renames them in training",
            ));
        }
    }
    Ok(())
}
