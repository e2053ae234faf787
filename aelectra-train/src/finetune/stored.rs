//! A series that is done, as its run directory has it.

use std::path::Path;

use aelectra_data::lock::{Lock, RUN_LOCK};
use aelectra_data::ner::NerSentence;
use aelectra_data::run::{RunDir, Task};

use crate::error::{Result, TrainError};
use crate::finetune::arm::Arm;
use crate::finetune::identity::hash_sentences;
use crate::finetune::series::{Series, SeriesSummary, result_of, result_path, results, seeds_in};
use crate::finetune::single::SeedResult;

/// A series that is done.
#[derive(Clone, Debug)]
pub struct StoredSeries {
    /// Its scores.
    pub summary: SeriesSummary,
    /// What each seed predicted on the test data, by sentence, in the order of the summary's `runs`.
    pub tags: Vec<Vec<Vec<String>>>,
}

/// Reads a series from its run directory. Of its taggers only the best one is kept, so the others are known by what
/// they predicted: `test` must be the sentences and tags that they were scored on.
///
/// # Errors
/// When `run` holds no series, one that was scored on something else, or a result that cannot be read.
pub fn stored_series(run: &Path, test: &[NerSentence]) -> Result<StoredSeries> {
    let dir = RunDir::open(run)?;
    let manifest = dir.read_manifest()?;
    let refused = |why: &str, hint: &str| {
        TrainError::config(format!("`{}` {why}", run.display())).with_hint(hint)
    };
    let config = &manifest.config;
    let sizes = config["train_sentences"].as_array();
    if manifest.task != Task::Finetune || sizes.is_some_and(|sizes| !sizes.is_empty()) {
        return Err(refused(
            "holds no series of seeds",
            "give the run directory of a `finetune` that was no learning curve",
        ));
    }
    if Lock::is_held(&dir.path().join(RUN_LOCK)) == Some(true) {
        return Err(refused(
            "is still training",
            "wait until it has ended, or stop it with `aelectra runs stop`",
        ));
    }
    let (ours, theirs) = (hash_sentences(test), manifest.data.get("test"));
    if theirs != Some(&ours) {
        let (what, hint) = match theirs {
            Some(theirs) => (
                format!("was scored on other test sentences: {theirs}, not {ours}"),
                "give the `--test` that it was trained with, and what it was read with, such as `--map-label`; the weights of \
                 all but its best seed are gone, so it cannot be scored on others",
            ),
            None => (
                "was scored on no test sentences".to_owned(),
                "its best tagger is in `model`, which `aelectra evaluate` scores; the series can be trained again with `--test`",
            ),
        };
        return Err(refused(&what, hint));
    }
    let arm = match config["random_init"].as_bool() {
        Some(true) => Some(Arm::RandomInit.name()),
        _ => None,
    };
    let folder = results(dir.path(), arm);
    let mut seeds: Vec<u64> = seeds_in(&folder).collect();
    seeds.sort_unstable();
    let results: Vec<SeedResult> = seeds
        .into_iter()
        .map(|seed| Ok(result_of(&result_path(&folder, seed))?.with_classes(test)))
        .collect::<Result<_>>()?;
    let series = Series {
        results,
        interrupted: false,
        model: Some(dir.model()).filter(|model| model.is_dir()),
    };
    let epochs = config["config"]["epochs"].as_u64().unwrap_or_default();
    let Some(summary) = series.summary(epochs) else {
        return Err(refused(
            "has no finished seed",
            "the command that it was started with continues it",
        ));
    };
    let tags = series.results.into_iter().map(|result| result.test_tags);
    Ok(StoredSeries {
        summary,
        tags: tags.collect(),
    })
}

#[cfg(test)]
mod tests {
    use aelectra_data::run::Manifest;
    use serde_json::json;

    use super::*;
    use crate::finetune::series::write_result;

    fn sentences(tags: &[&str]) -> Vec<NerSentence> {
        let sentence = |tag: &&str| NerSentence {
            tokens: vec!["Mette".to_owned()],
            tags: vec![(*tag).to_owned()],
            line: 1,
        };
        tags.iter().map(sentence).collect()
    }

    #[test]
    fn a_series_is_read_where_it_was_scored_on_the_same() {
        let root = tempfile::tempdir().expect("a directory");
        let dir = RunDir::create_at(&root.path().join("run")).expect("created");
        let test = sentences(&["B-PER", "O"]);
        let mut manifest = Manifest {
            task: Task::Finetune,
            config: json!({"random_init": true, "config": {"epochs": 4}}),
            data: [("test".to_owned(), hash_sentences(&test))].into(),
            ..Manifest::default()
        };
        let read = |test: &[NerSentence]| stored_series(dir.path(), test);
        let told = |test: &[NerSentence]| read(test).expect_err("refused").to_string();
        manifest.save(&dir.manifest()).expect("saved");
        assert!(told(&test).contains("no finished seed"));
        let lock = Lock::acquire(&dir.path().join(RUN_LOCK), "a training").expect("free");
        assert!(told(&test).contains("is still training"));
        drop(lock);

        let folder = results(dir.path(), Some("random_init"));
        std::fs::create_dir_all(&folder).expect("created");
        for (seed, f1, tag) in [(10, 0.0, "O"), (9, 1.0, "B-PER")] {
            let result = json!({
                "seed": seed, "learning_rate": 1e-3, "epoch": 1, "dev_f1": f1, "test_f1": f1,
                "test_f1_no_misc": f1, "train_seconds": 8.0, "test_tags": [[tag], ["O"]],
            });
            let result: SeedResult = serde_json::from_value(result).expect("reads");
            write_result(&result_path(&folder, seed), &result).expect("written");
        }
        let StoredSeries { summary, tags } = read(&test).expect("the same sentences");
        assert_eq!((summary.f1_mean, summary.best), (Some(0.5), 9));
        assert_eq!(summary.classes["PER"].recall.mean, 0.5);
        // 16 s in twice four epochs.
        assert_eq!(summary.train_seconds_per_epoch, 2.0);
        assert_eq!(tags[0][0], ["B-PER"], "in the order of the seeds");

        assert!(told(&sentences(&["B-LOC", "O"])).contains("other test sentences"));
        manifest.config["train_sentences"] = json!([20]);
        manifest.save(&dir.manifest()).expect("saved");
        assert!(told(&test).contains("no series of seeds"));
        manifest.config["train_sentences"] = json!([]);
        manifest.data.clear();
        manifest.save(&dir.manifest()).expect("saved");
        assert!(told(&test).contains("scored on no test sentences"));
    }
}
