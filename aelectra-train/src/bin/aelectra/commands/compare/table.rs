//! The table of a comparison, as JSON and as Markdown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use aelectra_data::ner::{ClassSummary, Interval, Significance};
use aelectra_train::finetune::SeriesSummary;
use serde::Serialize;

use super::timing::Timing;
use crate::output;

/// One model.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ModelRow {
    pub name: String,
    pub parameters: u64,
    pub f1_mean: Option<f64>,
    /// Sample standard deviation (n − 1).
    pub f1_sd: Option<f64>,
    pub f1_no_misc_mean: Option<f64>,
    /// Scores by class over the seeds.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub classes: BTreeMap<String, ClassSummary>,
    /// 95 % bootstrap interval over test sentences.
    pub interval: Option<Interval>,
    /// Forward passes over the whole test set, in sorted batches.
    pub inference_seconds: f64,
    pub sentences_per_second: f64,
    /// The same one sentence at a time.
    pub inference_seconds_batch_1: f64,
    pub sentences_per_second_batch_1: f64,
    pub train_seconds_per_epoch: f64,
    /// Whether that is extrapolated from a few steps.
    pub train_extrapolated: bool,
    /// Of the process that timed it: loading, inference and some training steps.
    pub peak_rss_bytes: u64,
    pub inference_peak_rss_bytes: u64,
    pub learning_rate: Option<f64>,
}

/// Two models.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Pair {
    pub a: String,
    pub b: String,
    #[serde(flatten)]
    pub test: Significance,
    /// 95 % bootstrap interval of the difference, over test sentences.
    pub difference_interval: Interval,
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Comparison {
    pub models: Vec<ModelRow>,
    pub significance: Vec<Pair>,
    pub test: PathBuf,
    pub sentences: usize,
    pub seeds: u64,
    pub timing_only: bool,
}

impl ModelRow {
    pub(super) fn new(name: &str, timing: &Timing) -> Self {
        Self {
            name: name.to_owned(),
            parameters: timing.parameters,
            f1_mean: None,
            f1_sd: None,
            f1_no_misc_mean: None,
            classes: BTreeMap::new(),
            interval: None,
            inference_seconds: timing.inference_seconds,
            sentences_per_second: timing.sentences as f64 / timing.inference_seconds,
            inference_seconds_batch_1: timing.inference_seconds_batch_1,
            sentences_per_second_batch_1: timing.sentences as f64
                / timing.inference_seconds_batch_1,
            train_seconds_per_epoch: timing.train_seconds_per_epoch,
            train_extrapolated: true,
            peak_rss_bytes: timing.peak_rss_bytes,
            inference_peak_rss_bytes: timing.inference_peak_rss_bytes,
            learning_rate: None,
        }
    }

    /// Takes the figures of its fine-tuning.
    pub(super) fn add_training(&mut self, trained: &SeriesSummary) {
        self.f1_mean = trained.f1_mean;
        self.f1_sd = trained.f1_sd;
        self.f1_no_misc_mean = trained.f1_no_misc_mean;
        self.classes.clone_from(&trained.classes);
        self.learning_rate = trained.runs.first().map(|run| run.learning_rate);
        self.train_seconds_per_epoch = trained.train_seconds_per_epoch;
        self.train_extrapolated = false;
    }
}

impl Comparison {
    /// For a report.
    pub(super) fn markdown(&self) -> String {
        let mut out = String::from(
            "| model | parameters | F1 ± SD | 95 % interval | F1 without MISC | test set, batched | \
             sentences/s | sentences/s, one at a time | training s/epoch | peak MB |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
        );
        let percent = |share| output::percent(share, 2);
        let dash = || "–".to_owned();
        for row in &self.models {
            let (f1, sd) = (row.f1_mean, percent(row.f1_sd));
            let f1 = f1.map_or_else(dash, |f1| format!("{:.2} ± {sd}", 100.0 * f1));
            let interval = row.interval.map_or_else(dash, |i| {
                format!("{:.2}–{:.2}", 100.0 * i.low, 100.0 * i.high)
            });
            // Writing to a String cannot fail.
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} | {:.3} s | {:.0} | {:.0} | {:.1}{} | {:.0} |",
                row.name,
                row.parameters,
                f1,
                interval,
                percent(row.f1_no_misc_mean),
                row.inference_seconds,
                row.sentences_per_second,
                row.sentences_per_second_batch_1,
                row.train_seconds_per_epoch,
                if row.train_extrapolated { " *" } else { "" },
                row.peak_rss_bytes as f64 / 1e6,
            );
        }
        out += &self.class_table();
        let as_stored = |row: &ModelRow| row.name.starts_with("series:") && !row.train_extrapolated;
        let _ = writeln!(
            out,
            "\n{} test sentences; entity micro-F1 as conlleval counts, {}. Inference is the forward \
             pass alone. Each model was timed in a process of its own. Intervals and p are over test sentences, for these \
             trained models: another pretraining or other seeds may differ by more, and p is of one pair, not of the best \
             of several.{}{}",
            self.sentences,
            match self.seeds {
                0 => "not measured".to_owned(),
                1 => "1 seed".to_owned(),
                n => format!("mean and standard deviation (n − 1) of {n} seeds"),
            },
            if self.models.iter().any(|row| row.train_extrapolated) {
                " * extrapolated from a few steps."
            } else {
                ""
            },
            match self.models.iter().any(as_stored) {
                true => " A series has the training time of its own run.",
                false => "",
            }
        );
        for pair in &self.significance {
            let _ = writeln!(
                out,
                "- {} against {}: {:+.2} points (95 % interval {:+.2} to {:+.2}; {}, \
                 approximate randomisation)",
                pair.a,
                pair.b,
                100.0 * pair.test.difference,
                100.0 * pair.difference_interval.low,
                100.0 * pair.difference_interval.high,
                pair.test.p()
            );
        }
        out
    }

    /// Scores by class, the models below each other.
    fn class_table(&self) -> String {
        let of_all = self.models.iter().flat_map(|row| row.classes.keys());
        let names: BTreeSet<&String> = of_all.collect();
        if names.is_empty() {
            return String::new();
        }
        let mut out = String::from(
            "\n| class | model | precision ± SD | recall ± SD | F1 ± SD | entities |\n\
             | --- | --- | ---: | ---: | ---: | ---: |\n",
        );
        for name in names {
            for row in &self.models {
                let Some(class) = row.classes.get(name) else {
                    continue;
                };
                let _ = writeln!(
                    out,
                    "| {name} | {} | {} | {} | {} | {} |",
                    row.name,
                    output::spread(&class.precision),
                    output::spread(&class.recall),
                    output::spread(&class.f1),
                    output::counted(&class.support),
                );
            }
        }
        out
    }
}
