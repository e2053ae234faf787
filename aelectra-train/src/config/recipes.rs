//! The recipes in `assets/recipes`, compiled in so that the binary needs no other file.

use std::path::Path;

use crate::error::{Result, TrainError};

/// A recipe's name and text.
pub type Recipe = (&'static str, &'static str);

/// Pretraining recipes.
pub(crate) const PRETRAINING: [Recipe; 5] = [
    (
        "aelectra-small-cased",
        include_str!("../../../assets/recipes/aelectra-small-cased.toml"),
    ),
    (
        "aelectra-small-uncased",
        include_str!("../../../assets/recipes/aelectra-small-uncased.toml"),
    ),
    (
        "electra-small-pp",
        include_str!("../../../assets/recipes/electra-small-pp.toml"),
    ),
    (
        "cpu-small",
        include_str!("../../../assets/recipes/cpu-small.toml"),
    ),
    ("demo", include_str!("../../../assets/recipes/demo.toml")),
];

/// Fine-tuning recipes.
pub(crate) const FINETUNING: [Recipe; 3] = [
    (
        "electra",
        include_str!("../../../assets/recipes/finetune-electra.toml"),
    ),
    (
        "original",
        include_str!("../../../assets/recipes/finetune-original.toml"),
    ),
    (
        "demo",
        include_str!("../../../assets/recipes/finetune-demo.toml"),
    ),
];

/// The text of a recipe: one of `known`, or a file.
///
/// # Errors
/// When it is neither; the message lists the known ones.
pub(crate) fn find(name: &str, known: &[Recipe]) -> Result<String> {
    if let Some((_, text)) = known.iter().find(|(known, _)| *known == name) {
        return Ok((*text).to_owned());
    }
    let path = Path::new(name);
    if path
        .extension()
        .is_some_and(|extension| extension == "toml")
    {
        return std::fs::read_to_string(path).map_err(TrainError::io("read", path));
    }
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    Err(TrainError::config(format!("unknown recipe `{name}`"))
        .with_hint(format!("give one of {}, or a .toml file", names.join(", "))))
}
