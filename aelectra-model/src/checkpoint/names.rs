//! From a parameter's path in this crate to its name in a checkpoint, and from the oddities of
//! existing files to those names.

use crate::config::ModelType;

/// The prefix of a family's encoder.
#[must_use]
pub const fn encoder_prefix(model_type: ModelType) -> &'static str {
    match model_type {
        ModelType::Electra => "electra.",
        ModelType::Bert => "bert.",
    }
}

/// The checkpoint name of a parameter path of one of the models in [`crate::heads`] or of a bare
/// [`crate::ElectraModel`].
///
/// | path | ELECTRA | BERT |
/// |---|---|---|
/// | `electra.embeddings.…` | `electra.embeddings.…` | `bert.embeddings.…` |
/// | `electra.backbone.embeddings_project.…` | `electra.embeddings_project.…` | – |
/// | `electra.backbone.encoder.…` | `electra.encoder.…` | `bert.encoder.…` |
/// | `….self_attention.…`, `….layer_norm.…` | `….self.…`, `….LayerNorm.…` | the same |
/// | `generator_predictions.dense` | the same | `cls.predictions.transform.dense` |
/// | `generator_predictions.layer_norm` | `generator_predictions.LayerNorm` | `cls.predictions.transform.LayerNorm` |
/// | `generator_predictions.bias` | `generator_lm_head.bias` | `cls.predictions.bias` |
/// | `discriminator_predictions.…`, `classifier.…` | the same | the same |
#[must_use]
pub fn checkpoint_name(path: &str, model_type: ModelType) -> String {
    let inner = path.strip_prefix("electra.").unwrap_or(path);
    let name = if inner.starts_with("embeddings.") || inner.starts_with("backbone.") {
        let body = inner.strip_prefix("backbone.").unwrap_or(inner);
        format!("{}{body}", encoder_prefix(model_type))
    } else {
        match (model_type, inner.strip_prefix("generator_predictions.")) {
            (ModelType::Electra, Some("bias")) => "generator_lm_head.bias".to_owned(),
            (ModelType::Bert, Some("bias")) => "cls.predictions.bias".to_owned(),
            (ModelType::Bert, Some(rest)) => format!("cls.predictions.transform.{rest}"),
            _ => inner.to_owned(),
        }
    };
    name.replace(".self_attention.", ".self.")
        .replace("layer_norm.", "LayerNorm.")
}

/// What to do with a tensor found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A tensor of this (canonical) name.
    Named(String),
    /// Known and of no use here: a buffer, a pooler, a copy of a tied tensor.
    Ignored,
}

/// The canonical name of a tensor found in a file. `prefixed` tells whether any tensor of the file
/// has an encoder prefix; files of a bare encoder have none.
#[must_use]
pub fn canonical(found: &str, model_type: ModelType, prefixed: bool) -> Found {
    if is_ignored(found) {
        return Found::Ignored;
    }
    // The names of BERT's TensorFlow checkpoints, kept by early conversions.
    let name = if let Some(stem) = found.strip_suffix("LayerNorm.gamma") {
        format!("{stem}LayerNorm.weight")
    } else if let Some(stem) = found.strip_suffix("LayerNorm.beta") {
        format!("{stem}LayerNorm.bias")
    } else {
        found.to_owned()
    };
    let bare = ["embeddings.", "encoder.", "embeddings_project."];
    if !prefixed && bare.iter().any(|start| name.starts_with(start)) {
        return Found::Named(format!("{}{name}", encoder_prefix(model_type)));
    }
    Found::Named(match name.as_str() {
        // BERT's output bias is stored under either name or both.
        "cls.predictions.decoder.bias" => "cls.predictions.bias".to_owned(),
        _ => name,
    })
}

/// The output matrix of a language-model head: tied to the word table, stored by some writers and
/// not by others.
pub(crate) const OUTPUT_MATRICES: [&str; 2] =
    ["generator_lm_head.weight", "cls.predictions.decoder.weight"];

fn is_ignored(name: &str) -> bool {
    name.ends_with("embeddings.position_ids")
        || name.ends_with("embeddings.token_type_ids")
        || name.starts_with("pooler.")
        || name.contains(".pooler.")
        || name.starts_with("cls.seq_relationship.")
        || OUTPUT_MATRICES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_checkpoint_names() {
        for (path, electra, bert) in [
            (
                "electra.backbone.encoder.layer.3.attention.self_attention.query.weight",
                "electra.encoder.layer.3.attention.self.query.weight",
                "bert.encoder.layer.3.attention.self.query.weight",
            ),
            (
                "electra.embeddings.layer_norm.bias",
                "electra.embeddings.LayerNorm.bias",
                "bert.embeddings.LayerNorm.bias",
            ),
            (
                "generator_predictions.bias",
                "generator_lm_head.bias",
                "cls.predictions.bias",
            ),
            (
                "generator_predictions.layer_norm.weight",
                "generator_predictions.LayerNorm.weight",
                "cls.predictions.transform.LayerNorm.weight",
            ),
            (
                "classifier.weight",
                "classifier.weight",
                "classifier.weight",
            ),
        ] {
            assert_eq!(checkpoint_name(path, ModelType::Electra), electra);
            assert_eq!(checkpoint_name(path, ModelType::Bert), bert);
        }
        assert_eq!(
            checkpoint_name("backbone.embeddings_project.weight", ModelType::Electra),
            "electra.embeddings_project.weight"
        );
    }

    #[test]
    fn oddities_become_canonical_names() {
        let named = |found, prefixed| match canonical(found, ModelType::Bert, prefixed) {
            Found::Named(name) => name,
            Found::Ignored => "ignored".to_owned(),
        };
        assert_eq!(
            named("encoder.layer.0.output.LayerNorm.gamma", false),
            "bert.encoder.layer.0.output.LayerNorm.weight"
        );
        assert_eq!(named("bert.pooler.dense.weight", true), "ignored");
        assert_eq!(named("pooler.dense.weight", false), "ignored");
        assert_eq!(named("embeddings.position_ids", false), "ignored");
        assert_eq!(
            named("cls.predictions.decoder.bias", true),
            "cls.predictions.bias"
        );
    }
}
