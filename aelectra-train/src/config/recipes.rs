//! The recipes in `assets/recipes`, compiled in so that the binary needs no other file.

use std::path::Path;

use serde_json::Value;

use crate::error::{Result, TrainError};

/// A recipe's name and text.
pub type Recipe = (&'static str, &'static str);

macro_rules! recipe {
    ($name:literal, $file:literal) => {
        (
            $name,
            include_str!(concat!("../../../assets/recipes/", $file)),
        )
    };
}

/// Pretraining recipes.
pub(crate) const PRETRAINING: [Recipe; 7] = [
    recipe!("aelectra-small-cased", "aelectra-small-cased.toml"),
    recipe!("aelectra-small-uncased", "aelectra-small-uncased.toml"),
    recipe!("electra-small-pp", "electra-small-pp.toml"),
    recipe!("electra-base", "electra-base.toml"),
    recipe!("cpu-small", "cpu-small.toml"),
    recipe!("cpu-small-2026-11", "cpu-small-2026-11.toml"),
    recipe!("demo", "demo.toml"),
];

/// Fine-tuning recipes.
pub(crate) const FINETUNING: [Recipe; 5] = [
    recipe!("electra", "finetune-electra.toml"),
    recipe!("cpu-small", "finetune-cpu-small.toml"),
    recipe!("euroeval", "finetune-euroeval.toml"),
    recipe!("original", "finetune-original.toml"),
    recipe!("demo", "finetune-demo.toml"),
];

/// The text of a recipe: one of `known`, which the error for any other name lists, or a file.
pub(crate) fn find(name: &str, known: &[Recipe]) -> Result<String> {
    if let Some((_, text)) = known.iter().find(|(known, _)| *known == name) {
        return Ok((*text).to_owned());
    }
    let path = Path::new(name);
    let is = |wanted: &str| path.extension().is_some_and(|suffix| suffix == wanted);
    if is("toml") {
        return std::fs::read_to_string(path).map_err(TrainError::io("read", path));
    }
    if is("json") {
        let text = std::fs::read_to_string(path).map_err(TrainError::io("read", path))?;
        return of_a_run(&text).ok_or_else(|| {
            TrainError::config(format!("`{name}` is no configuration of a run"))
                .with_hint("give a run's config.json or manifest.json, or a .toml file")
        });
    }
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    Err(
        TrainError::config(format!("unknown recipe `{name}`")).with_hint(format!(
            "give one of {}, a .toml file, or a run's config.json or manifest.json",
            names.join(", ")
        )),
    )
}

/// A recipe that says what a run's `config.json` does, or its `manifest.json`, in which a fine-tuning's configuration lies deeper.
fn of_a_run(text: &str) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok()?;
    let (mut config, mut is_curve) = (&value, false);
    while let Some(inner @ Value::Object(_)) = config.get("config") {
        config = inner;
        let curve = config.get("train_sentences").and_then(Value::as_array);
        is_curve |= curve.is_some_and(|sizes| !sizes.is_empty());
    }
    let mut config = config.clone();
    // A fine-tuning of before that key went over few sentences again only where it drew them, as a learning curve does.
    if config.get("learning_rates").is_some()
        && !is_curve
        && config.get("epoch_sentences").is_none()
        && config.get("sentences").is_none_or(Value::is_null)
        && let Some(config) = config.as_object_mut()
    {
        config.insert("epoch_sentences".to_owned(), 1.into());
    }
    // What is not set has no form in TOML, and stays as it is by default.
    fn set(value: &Value) -> Value {
        match value {
            Value::Object(table) => {
                let set_ones = table.iter().filter(|(_, value)| !value.is_null());
                set_ones
                    .map(|(key, value)| (key.clone(), set(value)))
                    .collect()
            }
            other => other.clone(),
        }
    }
    toml::to_string(&set(&config)).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::config::finetune::FinetuneConfig;
    use crate::config::{Sources, load};

    /// Without the key a fine-tuning went once over its sentences, and several times over those that a seed drew.
    #[test]
    fn a_run_of_before_epoch_sentences_is_repeated_as_it_was() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("manifest.json");
        let recipe = path.to_string_lossy().into_owned();
        for (curve, sentences, key, wanted) in [
            (None, None, None, 1),
            (Some(40), None, None, 1000),
            (None, Some(40), None, 1000),
            (None, None, Some(250), 250),
            (None, Some(40), Some(250), 250),
        ] {
            let config = FinetuneConfig {
                epochs: 7,
                sentences,
                ..FinetuneConfig::default()
            };
            let mut config = json!(config);
            let keys = config.as_object_mut().expect("an object");
            match key {
                Some(seen) => keys.insert("epoch_sentences".to_owned(), json!(seen)),
                None => keys.remove("epoch_sentences"),
            };
            let curve: Vec<usize> = curve.into_iter().collect();
            let manifest = json!({
                "task": "finetune",
                "config": {"model": "m", "train_sentences": curve, "config": config},
            });
            std::fs::write(&path, manifest.to_string()).expect("written");
            let (read, _) = load::<FinetuneConfig>(&Sources::recipe(&recipe)).expect("a recipe");
            assert_eq!(
                (read.epochs, read.sentences, read.epoch_sentences),
                (7, sentences, wanted),
                "{manifest}"
            );
        }
    }
}
