//! What makes two series of seeds the same one: a directory has seeds of one series only, so that no
//! mean and standard deviation is over two.

use std::collections::BTreeMap;
use std::path::Path;

use aelectra_data::files::sha256_of_all;
use aelectra_data::ner::{NerSentence, ReadOptions};
use aelectra_data::run::{Manifest, RunDir, Task};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::differences;
use crate::config::finetune::FinetuneConfig;
use crate::error::{Result, TrainError};
use crate::finetune::draw::passes;

/// How labels come from files; replacements are in the configuration.
pub(super) fn reading(read: &ReadOptions) -> Value {
    json!({
        "format": read.format,
        "column": read.column,
        "scheme": read.scheme,
        "label_names": read.label_names,
    })
}

/// The key of the hash of a model's configuration; versions before it wrote none.
const MODEL_CONFIG: &str = "model_config";

/// Hashes of what is learnt from and scored on, as it was read, and of the model it begins with.
///
/// # Errors
/// When the weights or the configuration cannot be read.
pub(super) fn hashes<'a>(
    splits: [(&str, &[NerSentence]); 3],
    config: &Path,
    weights: impl Iterator<Item = &'a Path>,
) -> Result<BTreeMap<String, String>> {
    let mut hashes = BTreeMap::from([
        ("weights".to_owned(), sha256_of_all(weights)?),
        (
            MODEL_CONFIG.to_owned(),
            sha256_of_all(std::iter::once(config))?,
        ),
    ]);
    for (name, sentences) in splits {
        if !sentences.is_empty() {
            hashes.insert(name.to_owned(), hash_sentences(sentences));
        }
    }
    Ok(hashes)
}

pub(super) fn hash_sentences(sentences: &[NerSentence]) -> String {
    let mut hash = crc32fast::Hasher::new();
    for sentence in sentences {
        for (token, tag) in sentence.tokens.iter().zip(&sentence.tags) {
            for text in [token.as_str(), "\t", tag.as_str(), "\n"] {
                hash.update(text.as_bytes());
            }
        }
        hash.update(b"\n");
    }
    let (hash, sentences) = (hash.finalize(), sentences.len());
    format!("{hash:08x} ({sentences} sentences)")
}

/// Refuses a directory that holds seeds of a different series than `now` describes. Returns what the
/// reader should know where that cannot be told for certain.
///
/// # Errors
/// Names each difference.
pub(super) fn check_same_series(run: &RunDir, now: &Manifest) -> Result<Option<String>> {
    if !run.manifest().is_file() {
        if has_results(run) {
            return Err(different(
                run,
                "there are results in `seeds`, but no manifest.json that says of what",
            ));
        }
        return Ok(None);
    }
    let before = run.read_manifest()?;
    if before.task == Task::Pretrain {
        return Err(TrainError::config(format!(
            "`{}` holds a run of `pretrain`, not of `finetune`",
            run.path().display()
        ))
        .with_hint("give another `--out`"));
    }
    let sentences = sentences_of(now);
    let (mut old, mut new) = (whole(&before, sentences), whole(now, sentences));
    let mut note = None;
    if before.data.is_empty() {
        // A version that did not know these wrote it.
        for all in [&mut old, &mut new] {
            if let Some(all) = all.as_object_mut() {
                all.retain(|key, _| !["data", "read"].contains(&key.as_str()));
            }
        }
        note = has_results(run).then(|| {
            "earlier seeds of this series recorded no hash of their data: if a file or the model has \
             changed since, give another `--out`"
                .to_owned()
        });
    } else {
        let tells_config = before.data.contains_key(MODEL_CONFIG);
        // The same sentences are the same from wherever they are read, and so is the same model.
        let mut paths = vec!["train", "dev", "test"];
        if tells_config {
            paths.push("model");
        }
        for all in [&mut old, &mut new] {
            if let Some(all) = all.as_object_mut() {
                all.retain(|key, _| !paths.contains(&key.as_str()));
            }
        }
        if !tells_config && let Some(data) = new["data"].as_object_mut() {
            data.remove(MODEL_CONFIG);
        }
    }
    match differences(&old, &new, &[]) {
        changed if changed.is_empty() => Ok(note),
        changed => {
            let of_passes = |change: &String| change.contains("epoch_sentences");
            let error = different(run, &changed.join("\n"));
            Err(match changed.iter().all(of_passes) {
                true => error.with_hint(
                    "an earlier version went once over the sentences in an epoch: `--set epoch_sentences=1` continues it, \
                     or give another `--out`",
                ),
                false => error,
            })
        }
    }
}

/// All that makes a series the same one, where it trains on so many sentences.
fn whole(manifest: &Manifest, sentences: Option<usize>) -> Value {
    let mut all = manifest.config.clone();
    if let Some(all) = all.as_object_mut() {
        let curve = all.entry("train_sentences").or_insert_with(|| json!([]));
        let is_curve = curve.as_array().is_some_and(|sizes| !sizes.is_empty());
        // Keys that an earlier version did not know have their defaults.
        if let Some(config) = all.get_mut("config")
            && let Ok(mut complete) = FinetuneConfig::deserialize(&*config)
        {
            // It went several times over what a seed drew only.
            if config.get("epoch_sentences").is_none() && complete.sentences.is_none() && !is_curve
            {
                complete.epoch_sentences = 1;
            }
            *config = json!(complete);
        }
        // What counts is how often an epoch goes over the sentences.
        if let (false, Some(sentences), Some(config)) = (is_curve, sentences, all.get_mut("config"))
            && let Some(seen) = config["epoch_sentences"].as_u64()
        {
            let drawn = config["sentences"].as_u64();
            let of = drawn.map_or(sentences, |drawn| sentences.min(drawn as usize));
            config["epoch_sentences"] = json!(passes(seen as usize, of) * of);
        }
        all.insert("data".to_owned(), json!(manifest.data));
        all.insert("tokenizer".to_owned(), json!(manifest.tokenizer));
    }
    all
}

/// How many sentences are trained on, as [`hash_sentences`] has it.
fn sentences_of(manifest: &Manifest) -> Option<usize> {
    let (_, count) = manifest.data.get("train")?.rsplit_once('(')?;
    count.split(' ').next()?.parse().ok()
}

fn has_results(run: &RunDir) -> bool {
    let folders = std::fs::read_dir(run.seeds());
    let mut files = folders
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|folder| std::fs::read_dir(folder.path()).ok())
        .flatten();
    files.next().is_some()
}

fn different(run: &RunDir, how: &str) -> TrainError {
    TrainError::config(format!(
        "`{}` holds a different series:\n{how}",
        run.path().display()
    ))
    .with_hint("run the command it was started with to continue it, or give another `--out`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_changes_the_hash_and_a_line_number_does_not() {
        let sentence = |tag: &str, line| NerSentence {
            tokens: vec!["Mette".to_owned()],
            tags: vec![tag.to_owned()],
            line,
        };
        let hash = |tag, line| hash_sentences(&[sentence(tag, line)]);
        assert_eq!(hash("B-PER", 1), hash("B-PER", 9));
        assert_ne!(hash("B-PER", 1), hash("B-LOC", 1));
    }

    /// A model that has moved is the same one; another under the same name is not.
    #[test]
    fn a_series_is_that_of_its_model_s_files_not_of_their_place() {
        let root = tempfile::tempdir().expect("a directory");
        let run = RunDir::create_at(&root.path().join("run")).expect("created");
        let of = |model: &str, weights: &str, known: &[&str]| {
            let files = [("weights", weights), (MODEL_CONFIG, "c"), ("train", "t")];
            let known = files.into_iter().filter(|(name, _)| known.contains(name));
            Manifest {
                config: json!({"model": model, "train": "train.conllu"}),
                data: known
                    .map(|(name, hash)| (name.to_owned(), hash.to_owned()))
                    .collect(),
                ..Manifest::default()
            }
        };
        let all = ["weights", MODEL_CONFIG, "train"];
        of("here", "w", &all).save(&run.manifest()).expect("saved");
        let check = |now: &Manifest| check_same_series(&run, now);
        assert_eq!(check(&of("here", "w", &all)).expect("the same"), None);
        assert_eq!(check(&of("there", "w", &all)).expect("the same"), None);
        let error = check(&of("here", "other", &all))
            .expect_err("another")
            .to_string();
        assert!(error.contains("weights"), "{error}");
        // Of a version that knew the weights alone, a model is the same where its name is.
        let earlier = of("here", "w", &["weights", "train"]);
        earlier.save(&run.manifest()).expect("saved");
        assert_eq!(check(&of("here", "w", &all)).expect("the same"), None);
        assert!(check(&of("there", "w", &all)).is_err());
    }

    /// A series of a version without that key went once over all sentences.
    #[test]
    fn a_series_goes_on_where_its_epochs_are_as_they_were() {
        let root = tempfile::tempdir().expect("a directory");
        let run = RunDir::create_at(&root.path().join("run")).expect("created");
        let of = |sentences: usize, key: Option<usize>| {
            let mut config = json!(FinetuneConfig::default());
            let keys = config.as_object_mut().expect("an object");
            match key {
                Some(seen) => keys.insert("epoch_sentences".to_owned(), json!(seen)),
                None => keys.remove("epoch_sentences"),
            };
            let train = format!("00000000 ({sentences} sentences)");
            Manifest {
                config: json!({"config": config}),
                data: [("train".to_owned(), train)].into(),
                ..Manifest::default()
            }
        };
        for (sentences, before, now, goes_on) in [
            (4383, None, 1000, true),
            (700, None, 1000, true),
            (40, None, 1000, false),
            (40, None, 1, true),
            (40, Some(1000), 1000, true),
            (40, Some(1000), 1, false),
        ] {
            of(sentences, before).save(&run.manifest()).expect("saved");
            let checked = check_same_series(&run, &of(sentences, Some(now)));
            assert_eq!(
                checked.is_ok(),
                goes_on,
                "{sentences} {before:?} {now}: {checked:?}"
            );
        }
    }
}
