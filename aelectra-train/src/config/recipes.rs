//! The recipes in `assets/recipes`, compiled in so that the binary needs no other file.

use std::path::Path;

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
    if path.extension().is_some_and(|suffix| suffix == "toml") {
        return std::fs::read_to_string(path).map_err(TrainError::io("read", path));
    }
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    Err(TrainError::config(format!("unknown recipe `{name}`"))
        .with_hint(format!("give one of {}, or a .toml file", names.join(", "))))
}
