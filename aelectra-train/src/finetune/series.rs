//! A series of seeds: learning rate chosen once on dev, then every seed, each result kept as soon
//! as it is there, so that an interrupted series continues with the missing seeds.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use aelectra_data::files::replace_file;
use aelectra_data::ner::{ClassSummary, Mode, NerSentence, Summary, by_class, score};
use aelectra_data::run::RunDir;
use aelectra_model::Precision;
use serde::{Deserialize, Serialize};

use crate::config::finetune::FinetuneConfig;
use crate::error::{Result, TrainError};
use crate::finetune::card::with_result;
use crate::finetune::grid::Grid;
use crate::finetune::options::{SeedContext, SeriesOptions};
use crate::finetune::side_by_side::side_by_side;
use crate::finetune::single::{SeedResult, train_seed};
use crate::finetune::splits::Split;
use crate::finetune::trials::Trials;
use crate::finetune::{Data, Encoder};
use crate::model_dir::{ModelCard, save_tagger};
use crate::ner::Tagger;

/// All seeds of one model.
#[derive(Debug)]
pub struct Series {
    /// One result per seed, in order.
    pub results: Vec<SeedResult>,
    /// Whether a signal or a request ended the series early.
    pub interrupted: bool,
    /// Where the best model was written, if it was.
    pub model: Option<PathBuf>,
}

/// A series in numbers; the keys are those of `aelectra finetune --json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SeriesSummary {
    /// Mean micro F1 on test, or on dev where there is no test data; `None` where there is neither.
    pub f1_mean: Option<f64>,
    /// Sample standard deviation (n − 1); `None` for one seed.
    pub f1_sd: Option<f64>,
    /// Lowest.
    pub f1_min: Option<f64>,
    /// Highest.
    pub f1_max: Option<f64>,
    /// Mean micro F1 on test without MISC.
    pub f1_no_misc_mean: Option<f64>,
    /// Which split `f1_*` are of.
    pub split: Option<String>,
    /// Scores by class on that split, over all seeds; none where a seed's are not known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub classes: BTreeMap<String, ClassSummary>,
    /// Every seed.
    pub runs: Vec<SeedResult>,
    /// The seed with the highest F1 on dev (on test no seed is chosen).
    pub best: u64,
    /// Directory of that seed's model.
    pub model: Option<PathBuf>,
    /// Seeds whose tagger finds nothing on the reported split.
    #[serde(default)]
    pub collapsed: Vec<u64>,
    /// Seconds of training per epoch, over all seeds.
    pub train_seconds_per_epoch: f64,
}

/// Trains every seed that has no result yet.
///
/// # Errors
/// As [`train_seed`], or when a result cannot be written.
pub fn run_series(
    encoder: &Encoder<'_>,
    data: &Data,
    config: &FinetuneConfig,
    options: &SeriesOptions<'_>,
    card: &ModelCard,
) -> Result<Series> {
    let folder = results(options.run.path(), options.arm);
    std::fs::create_dir_all(&folder).map_err(TrainError::io("create", &folder))?;
    let model_dir = options.run.model();
    let mut series = Series {
        results: Vec::new(),
        interrupted: false,
        model: None,
    };
    refuse_fewer_seeds(options.run, options.arm, config.seed, options.seeds)?;
    let mut done: Vec<Option<SeedResult>> = (0..options.seeds)
        .map(|offset| read_result(&result_path(&folder, config.seed + offset)))
        .map(|done| done.map(|result| result.with_classes(&data.test)))
        .collect();
    let known_rate = done.iter().flatten().next().map(|one| one.learning_rate);
    let has_some = done.iter().any(Option::is_some);
    if options.save_model && has_some && !is_whole(&model_dir, options) {
        again(&mut done, options);
    }
    say_what_is_cut(encoder, data, config, options);
    let rate = match known_rate {
        Some(rate) => Some(rate),
        None => choose_rate(encoder, data, config, options, &Trials::open(&folder))?,
    };
    let Some(rate) = rate else {
        series.interrupted = true;
        return Ok(series);
    };
    let missing: Vec<u64> = (config.seed..)
        .zip(&done)
        .filter(|(_, done)| done.is_none())
        .map(|(seed, _)| seed)
        .collect();
    // The best seed so far, whose model is there.
    let best = Mutex::new(best_of(done.iter().flatten()).map(|best| best.rank()));
    let trained = side_by_side(options.devices, &missing, |device, &seed| {
        let context = SeedContext {
            series: options,
            device,
            seed,
            learning_rate: rate,
            is_trial: false,
        };
        if options.steering.is_over(0) {
            return Ok(None);
        }
        let Some(trained) = train_seed(encoder, data, config, &context)? else {
            return Ok(None);
        };
        // As it will be read: of two seeds that are equally good one must not win by a digit that the file does not keep.
        let result = read_back(&trained.result)?;
        // One at a time also where seeds are side by side: the folder has the model of one.
        let mut best = best.lock().unwrap_or_else(PoisonError::into_inner);
        let is_best = best.is_none_or(|best| result.rank() > best);
        if options.save_model && is_best {
            save_tagger(
                &model_dir,
                encoder.config(),
                &trained.model,
                &trained.tagger,
                &with_result(card, &result),
            )?;
        }
        write_result(&result_path(&folder, seed), &result)?;
        if is_best {
            *best = Some(result.rank());
        }
        Ok(Some(result))
    })?;
    series.interrupted = trained.iter().any(Option::is_none);
    series.results = done
        .into_iter()
        .flatten()
        .chain(trained.into_iter().flatten())
        .collect();
    series.results.sort_by_key(|result| result.seed);
    if options.save_model && model_dir.is_dir() {
        series.model = Some(model_dir);
    }
    Ok(series)
}

/// Refuses a run whose series has other seeds than the `seeds` from `first` on.
///
/// # Errors
/// When it has.
pub(super) fn refuse_fewer_seeds(
    run: &RunDir,
    arm: Option<&str>,
    first: u64,
    seeds: u64,
) -> Result<()> {
    // With several devices any of them may have been done first.
    if seeds_in(&results(run.path(), arm)).any(|seed| seed >= first + seeds) {
        return Err(TrainError::config(format!(
            "`{}` holds more seeds than {seeds}, and its model may be of one of those",
            run.path().display(),
        ))
        .with_hint("give as many `--seeds` as it has, or another `--out`"));
    }
    Ok(())
}

/// A length that somebody chose and the model cannot have.
fn say_what_is_cut(
    encoder: &Encoder<'_>,
    data: &Data,
    config: &FinetuneConfig,
    options: &SeriesOptions<'_>,
) {
    let longest = data.longest(encoder);
    let chosen = config.max_length != FinetuneConfig::default().max_length;
    if chosen && config.max_length > longest {
        options.bus.warn(
            format!(
                "`max_length` {} is more than the model and its tokenizer were made for: windows have \
                 {longest} word pieces",
                config.max_length
            ),
            None,
        );
    }
}

/// Whether the model can be loaded, words and weights.
fn is_whole(model: &Path, options: &SeriesOptions<'_>) -> bool {
    let device = options.devices.first().cloned();
    let device = device.unwrap_or_default();
    Tagger::load(model, &device, Precision::F32).is_ok()
}

/// The best seed is trained once more where its model is gone.
fn again(done: &mut [Option<SeedResult>], options: &SeriesOptions<'_>) {
    let Some(best) = best_of(done.iter().flatten()).map(|best| best.seed) else {
        return;
    };
    options.bus.warn(
        format!(
            "the model of seed {best}, the best so far, is gone or damaged: it is trained again"
        ),
        None,
    );
    for result in done {
        if result.as_ref().is_some_and(|result| result.seed == best) {
            *result = None;
        }
    }
}

/// The learning rate with the best dev F1 on the first seed; without a choice, the only one. What an
/// interrupted search has tried is not tried again.
fn choose_rate(
    encoder: &Encoder<'_>,
    data: &Data,
    config: &FinetuneConfig,
    options: &SeriesOptions<'_>,
    trials: &Trials,
) -> Result<Option<f64>> {
    let rates = &config.learning_rates;
    if rates.len() < 2 || data.dev.is_empty() {
        return Ok(rates.first().copied());
    }
    let arm = options.arm.map_or(String::new(), |arm| format!("{arm} "));
    let mut grid = Grid::new(rates, config.widen_rates);
    loop {
        let rates = grid.next_ones(options.devices.len());
        if rates.is_empty() {
            break;
        }
        let missing: Vec<f64> = rates
            .iter()
            .copied()
            .filter(|&rate| trials.reached(rate).is_none())
            .collect();
        side_by_side(options.devices, &missing, |device, &rate| {
            let context = SeedContext {
                series: options,
                device,
                seed: config.seed,
                learning_rate: rate,
                is_trial: true,
            };
            if options.steering.is_over(0) {
                return Ok(());
            }
            match train_seed(encoder, data, config, &context) {
                Ok(None) => Ok(()),
                Ok(Some(trained)) => trials.keep(rate, trained.result.dev_f1.unwrap_or(0.0)),
                // A rate that diverges is not chosen.
                Err(TrainError::NotFinite { .. }) => trials.keep(rate, f64::NEG_INFINITY),
                Err(error) => Err(error),
            }
        })?;
        for rate in rates {
            let Some(f1) = trials.reached(rate) else {
                return Ok(None);
            };
            options.bus.log(format!(
                "{arm}learning rate {rate:e}: dev micro-F1 {:.2} %",
                100.0 * f1
            ));
            grid.reached(rate, f1);
        }
    }
    let Some((rate, _)) = grid.best() else {
        return Err(TrainError::not_finite(
            "training diverged at every learning rate of the grid",
        ));
    };
    if grid.is_at_an_edge() {
        options.bus.warn(
            format!(
                "{arm}learning rate {rate:e} is the best at the edge of what was tried; a better one may \
                 lie beyond (`learning_rates`, `widen_rates`)"
            ),
            None,
        );
    }
    Ok(Some(rate))
}

/// The seed with the highest F1 on dev, the first of equals.
fn best_of<'a>(results: impl IntoIterator<Item = &'a SeedResult>) -> Option<&'a SeedResult> {
    results
        .into_iter()
        .reduce(|best, one| if one.rank() > best.rank() { one } else { best })
}

impl SeedResult {
    /// What seeds are chosen by: F1 on dev, and the first of equals.
    fn rank(&self) -> (f64, Reverse<u64>) {
        (self.dev_f1.unwrap_or(f64::NEG_INFINITY), Reverse(self.seed))
    }

    /// With the scores by class that an earlier version left out, from what it predicted on `test`.
    pub(super) fn with_classes(mut self, test: &[NerSentence]) -> Self {
        if self.classes.is_empty() && !self.test_tags.is_empty() {
            let gold: Vec<Vec<String>> = test.iter().map(|one| one.tags.clone()).collect();
            if let Ok(report) = score(&gold, &self.test_tags, Mode::Default) {
                self.classes = report.classes;
            }
        }
        self
    }
}

impl Series {
    /// The series in numbers; `None` when no seed was finished.
    #[must_use]
    pub fn summary(&self, epochs: u64) -> Option<SeriesSummary> {
        let all = |f1: fn(&SeedResult) -> Option<f64>| -> Vec<f64> {
            self.results.iter().filter_map(f1).collect()
        };
        let (test, dev) = (all(|r| r.test_f1), all(|r| r.dev_f1));
        let (split, values) = match (test.is_empty(), dev.is_empty()) {
            (false, _) => (Some(Split::Test), test),
            (true, false) => (Some(Split::Dev), dev),
            (true, true) => (None, Vec::new()),
        };
        let summary = Summary::of(&values);
        let best = best_of(&self.results)?;
        let seconds: f64 = self.results.iter().map(|r| r.train_seconds).sum();
        let trained = self.results.iter().map(|r| r.epochs.unwrap_or(epochs));
        let trained: u64 = trained.sum();
        Some(SeriesSummary {
            f1_mean: summary.as_ref().map(|s| s.mean),
            f1_sd: summary.as_ref().and_then(|s| s.sd),
            f1_min: summary.as_ref().map(|s| s.min),
            f1_max: summary.as_ref().map(|s| s.max),
            f1_no_misc_mean: Summary::of(&all(|r| r.test_f1_no_misc)).map(|s| s.mean),
            split: split.map(|split| split.name().to_owned()),
            classes: self.by_class(),
            runs: self
                .results
                .iter()
                .map(|r| SeedResult {
                    test_tags: Vec::new(),
                    ..r.clone()
                })
                .collect(),
            best: best.seed,
            model: self.model.clone(),
            collapsed: self
                .results
                .iter()
                .filter(|result| result.collapsed)
                .map(|result| result.seed)
                .collect(),
            train_seconds_per_epoch: seconds / trained.max(1) as f64,
        })
    }

    /// The classes over all seeds: a mean over some of them would be another one than that of micro F1.
    fn by_class(&self) -> BTreeMap<String, ClassSummary> {
        let runs: Vec<_> = self.results.iter().map(|result| &result.classes).collect();
        match runs.iter().any(|classes| classes.is_empty()) {
            true => BTreeMap::new(),
            false => by_class(&runs),
        }
    }
}

/// What a finished seed predicted on the test data, by sentence.
///
/// # Errors
/// When the run has no such seed, or its result cannot be read.
pub fn test_tags(run: &Path, arm: Option<&str>, seed: u64) -> Result<Vec<Vec<String>>> {
    Ok(result_of(&result_path(&results(run, arm), seed))?.test_tags)
}

/// What a finished seed reached.
///
/// # Errors
/// When there is no such file, or it is no result.
pub(super) fn result_of(path: &Path) -> Result<SeedResult> {
    let text = std::fs::read_to_string(path).map_err(TrainError::io("read", path))?;
    serde_json::from_str(&text).map_err(|error| {
        let path = path.display();
        TrainError::config(format!("`{path}` is not a seed's result: {error}"))
    })
}

/// The folder of a series' results.
pub(super) fn results(run: &Path, arm: Option<&str>) -> PathBuf {
    run.join(RunDir::SEEDS).join(arm.unwrap_or("model"))
}

pub(super) fn result_path(folder: &Path, seed: u64) -> PathBuf {
    folder.join(format!("seed-{seed}.json"))
}

/// The seeds that have a result.
pub(super) fn seeds_in(folder: &Path) -> impl Iterator<Item = u64> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| {
        let name = file.file_name().into_string().ok()?;
        let seed = name.strip_prefix("seed-")?.strip_suffix(".json")?;
        seed.parse().ok()
    })
}

fn read_result(path: &Path) -> Option<SeedResult> {
    serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()
}

pub(super) fn write_result(path: &Path, result: &SeedResult) -> Result<()> {
    let json = serde_json::to_string(result).map_err(unwritable)?;
    Ok(replace_file(path, json.as_bytes())?)
}

/// A result as its file will have it: reading a number may change its last digit.
fn read_back(result: &SeedResult) -> Result<SeedResult> {
    let json = serde_json::to_string(result).map_err(unwritable)?;
    serde_json::from_str(&json).map_err(unwritable)
}

fn unwritable(error: serde_json::Error) -> TrainError {
    TrainError::failed(format!("cannot write a result: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn test_data() -> Vec<NerSentence> {
        let sentence = |text: &str| NerSentence {
            tokens: tags(text),
            tags: tags(text),
            line: 1,
        };
        vec![sentence("B-PER O"), sentence("B-LOC O")]
    }

    /// What earlier versions wrote.
    fn result(seed: u64, predicted: [&str; 2]) -> SeedResult {
        let text = format!(
            r#"{{"seed": {seed}, "learning_rate": 1e-3, "epoch": 1, "dev_f1": null, "test_f1": 0.5,
                "test_f1_no_misc": 0.5, "train_seconds": 1.0}}"#
        );
        SeedResult {
            test_tags: predicted.map(tags).to_vec(),
            ..serde_json::from_str(&text).expect("reads")
        }
    }

    #[test]
    fn classes_of_results_without_them_are_those_of_their_predictions() {
        let test = test_data();
        let series = |results: Vec<SeedResult>| Series {
            results,
            interrupted: false,
            model: None,
        };
        let old = [
            result(1, ["B-PER O", "B-LOC O"]),
            result(2, ["B-PER O", "O O"]),
        ];
        let whole = series(old.clone().map(|one| one.with_classes(&test)).to_vec());
        let summary = whole.summary(1).expect("seeds");
        let loc = &summary.classes["LOC"];
        assert_eq!((loc.f1.mean, loc.support.mean), (0.5, 1.0));
        assert_eq!(summary.classes["PER"].f1.sd, Some(0.0));
        let json = serde_json::to_value(&summary).expect("serialises");
        assert_eq!(json["classes"]["LOC"]["f1"]["runs"], 2);
        assert_eq!(json["runs"][1]["classes"]["LOC"]["f1"], 0.0);
        // What is known of some seeds only is no figure of the series.
        let [first, second] = old;
        let half = series(vec![first.with_classes(&test), second]);
        let json = serde_json::to_value(half.summary(1)).expect("serialises");
        assert!(json.get("classes").is_none(), "{json}");
        let back: SeriesSummary = serde_json::from_value(json).expect("without the key");
        assert!(back.classes.is_empty());
    }

    #[test]
    fn a_result_is_the_same_before_and_after_it_is_stored() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("seed-1.json");
        let mut trained = result(1, ["B-PER O", "O O"]);
        // Which reads as one more in its last digit, where numbers are read fast.
        trained.dev_f1 = Some(0.153_846_153_846_153_85);
        let kept = read_back(&trained).expect("reads");
        write_result(&path, &kept).expect("written");
        let stored = read_result(&path).expect("there");
        assert_eq!(kept.rank(), stored.rank());
    }

    #[test]
    fn predictions_of_other_sentences_have_no_classes() {
        let other = result(1, ["B-PER O", "B-LOC O"]).with_classes(&test_data()[..1]);
        assert!(other.classes.is_empty());
    }
}
