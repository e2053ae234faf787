//! The encoder's configuration, with the field names of a Hugging Face `config.json`.

mod json;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{ModelError, Result};

/// The family a checkpoint belongs to. Both are computed by the same encoder; they differ in names
/// and in whether embeddings can be narrower than the hidden state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelType {
    /// ELECTRA: `electra.*`, optional embedding projection, no pooler.
    Electra,
    /// BERT: `bert.*`, embeddings as wide as the hidden state; its pooler is ignored.
    Bert,
}

/// `config.json` of an ELECTRA or BERT encoder. The default is ELECTRA-Small with the vocabulary of
/// Ælæctra (google-research/electra `configure_pretraining.py`, `model/modeling.py`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "json::RawConfig")]
pub struct ElectraConfig {
    /// Class names of `transformers`, e.g. `ElectraForPreTraining`.
    pub architectures: Vec<String>,
    /// Family.
    pub model_type: ModelType,
    /// Number of word pieces.
    pub vocab_size: usize,
    /// Width of the embedding tables; where it differs from `hidden_size`, a projection follows.
    pub embedding_size: usize,
    /// Width of the hidden state.
    pub hidden_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Number of attention heads; divides `hidden_size`.
    pub num_attention_heads: usize,
    /// Width inside the feed-forward block.
    pub intermediate_size: usize,
    /// Activation of the feed-forward block; only "gelu" (the exact, erf form).
    pub hidden_act: String,
    /// Dropout on hidden states.
    pub hidden_dropout_prob: f64,
    /// Dropout on attention probabilities.
    pub attention_probs_dropout_prob: f64,
    /// Longest sequence, in word pieces.
    pub max_position_embeddings: usize,
    /// Number of token types (segments).
    pub type_vocab_size: usize,
    /// Standard deviation of the truncated normal that initialises weights.
    pub initializer_range: f64,
    /// Added to the variance in LayerNorm.
    pub layer_norm_eps: f64,
    /// Id of the padding token.
    pub pad_token_id: usize,
    /// Dropout before the token classifier; `None` means `hidden_dropout_prob`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classifier_dropout: Option<f64>,
    /// Label names by id, for a fine-tuned model.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub id2label: BTreeMap<usize, String>,
    /// The inverse of `id2label`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub label2id: BTreeMap<String, usize>,
    /// Fields this crate does not use, kept as they were read.
    #[serde(flatten)]
    pub other: serde_json::Map<String, Value>,
}

/// More layers than any encoder has; a damaged number is refused before it is built.
const MOST_LAYERS: usize = 1_000;

impl Default for ElectraConfig {
    fn default() -> Self {
        Self {
            architectures: Vec::new(),
            model_type: ModelType::Electra,
            vocab_size: 32_000,
            embedding_size: 128,
            hidden_size: 256,
            num_hidden_layers: 12,
            num_attention_heads: 4,
            intermediate_size: 1024,
            hidden_act: "gelu".to_owned(),
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.1,
            max_position_embeddings: 512,
            type_vocab_size: 2,
            initializer_range: 0.02,
            layer_norm_eps: 1e-12,
            pad_token_id: 0,
            classifier_dropout: None,
            id2label: BTreeMap::new(),
            label2id: BTreeMap::new(),
            other: serde_json::Map::new(),
        }
    }
}

impl ElectraConfig {
    /// BERT-base with a vocabulary of the given size.
    #[must_use]
    pub fn bert_base(vocab_size: usize) -> Self {
        Self {
            model_type: ModelType::Bert,
            vocab_size,
            embedding_size: 768,
            hidden_size: 768,
            num_attention_heads: 12,
            intermediate_size: 3072,
            ..Self::default()
        }
    }

    /// The generator's configuration for a discriminator of this configuration: hidden width, heads
    /// and feed-forward width scaled by `size`, depth and embeddings unchanged
    /// (google-research/electra `run_pretraining.py`, `get_generator_config`).
    #[must_use]
    pub fn generator(&self, size: f64) -> Self {
        let scale = |value: usize| ((value as f64 * size).round() as usize).max(1);
        let head_size = self.hidden_size / self.num_attention_heads;
        let hidden_size = scale(self.hidden_size);
        Self {
            hidden_size,
            // As many heads of the discriminator's size as fit; the quarter generator has one.
            num_attention_heads: (hidden_size / head_size).max(1),
            intermediate_size: scale(self.intermediate_size),
            ..self.clone()
        }
    }

    /// What the shapes of its parameters follow from, by field.
    fn sizes(&self) -> [(&'static str, usize); 8] {
        [
            ("vocab_size", self.vocab_size),
            ("embedding_size", self.embedding_size),
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ]
    }

    /// The sizes in which another model differs: the field, its value here, and its value there.
    #[must_use]
    pub fn differing_sizes(&self, other: &Self) -> Vec<(&'static str, usize, usize)> {
        let both = self.sizes().into_iter().zip(other.sizes());
        both.filter(|(ours, theirs)| ours != theirs)
            .map(|((name, ours), (_, theirs))| (name, ours, theirs))
            .collect()
    }

    /// Checks that the numbers fit together.
    ///
    /// # Errors
    /// Names the first field that does not fit and why.
    pub fn validate(&self) -> Result<()> {
        let fail = |message: String| Err(ModelError::invalid(message));
        for (name, value) in self.sizes() {
            if value == 0 {
                return fail(format!("{name} is 0"));
            }
        }
        if self.num_hidden_layers > MOST_LAYERS {
            return fail(format!(
                "num_hidden_layers {} is over {MOST_LAYERS}",
                self.num_hidden_layers
            ));
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return fail(format!(
                "hidden_size {} is not a multiple of num_attention_heads {}",
                self.hidden_size, self.num_attention_heads
            ));
        }
        if self.hidden_act != "gelu" {
            return fail(format!(
                "hidden_act is `{}`, only `gelu` is computed",
                self.hidden_act
            ));
        }
        for (name, value) in [
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            (
                "attention_probs_dropout_prob",
                self.attention_probs_dropout_prob,
            ),
            ("classifier_dropout", self.classifier_dropout.unwrap_or(0.0)),
        ] {
            // Also as the kernels have it, in 32 bits.
            if !(0.0..1.0).contains(&value) || value as f32 >= 1.0 {
                return fail(format!("{name} is {value}, outside [0, 1)"));
            }
        }
        for (name, value) in [
            ("initializer_range", self.initializer_range),
            ("layer_norm_eps", self.layer_norm_eps),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return fail(format!(
                    "{name} is {value}, not a finite value of at least 0"
                ));
            }
        }
        if let Some(position) = self
            .other
            .get("position_embedding_type")
            .and_then(|v| v.as_str())
            && position != "absolute"
        {
            return fail(format!(
                "position_embedding_type is `{position}`, only `absolute` is computed"
            ));
        }
        if self.other.get("is_decoder") == Some(&serde_json::Value::Bool(true)) {
            return fail(
                "is_decoder is true, and attention that sees only what is before a word is not computed"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Sets `id2label` and `label2id` from names in id order.
    #[must_use]
    pub fn with_labels<S: AsRef<str>>(mut self, labels: &[S]) -> Self {
        self.id2label = labels
            .iter()
            .enumerate()
            .map(|(id, label)| (id, label.as_ref().to_owned()))
            .collect();
        self.label2id = self
            .id2label
            .iter()
            .map(|(id, label)| (label.clone(), *id))
            .collect();
        self
    }

    /// Label names in id order.
    ///
    /// # Errors
    /// When there are none, or ids are not 0, 1, 2, ….
    pub fn labels(&self) -> Result<Vec<String>> {
        if self.id2label.is_empty() {
            let classifies = |class: &String| class.ends_with("ForTokenClassification");
            if self.architectures.iter().any(classifies) {
                // `transformers` does not write its default of two classes.
                return Ok(vec!["LABEL_0".to_owned(), "LABEL_1".to_owned()]);
            }
            return Err(
                ModelError::invalid("this model has no entity classes (no id2label)")
                    .with_hint("fine-tune the model first (`aelectra finetune`)"),
            );
        }
        if self.id2label.keys().copied().ne(0..self.id2label.len()) {
            return Err(ModelError::invalid(
                "the ids of id2label are not 0, 1, 2, …",
            ));
        }
        Ok(self.id2label.values().cloned().collect())
    }

    /// Whether an `embeddings_project` layer lies between embeddings and encoder.
    #[must_use]
    pub fn has_embeddings_project(&self) -> bool {
        self.model_type == ModelType::Electra && self.embedding_size != self.hidden_size
    }

    /// Parameters of embeddings, projection and layers (BERT's pooler not counted).
    #[must_use]
    pub fn encoder_parameters(&self) -> usize {
        let (e, h, i) = (
            self.embedding_size,
            self.hidden_size,
            self.intermediate_size,
        );
        let tables = (self.vocab_size + self.max_position_embeddings + self.type_vocab_size) * e;
        let project = if self.has_embeddings_project() {
            e * h + h
        } else {
            0
        };
        let layer = 4 * (h * h + h) + 2 * h + (h * i + i) + (i * h + h) + 2 * h;
        tables + 2 * e + project + self.num_hidden_layers * layer
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn quarter_generator_is_the_papers() {
        let generator = ElectraConfig::default().generator(0.25);
        assert_eq!(
            (
                generator.hidden_size,
                generator.num_attention_heads,
                generator.intermediate_size,
                generator.num_hidden_layers,
                generator.embedding_size
            ),
            (64, 1, 256, 12, 128)
        );
    }

    #[test]
    fn a_classifier_without_names_has_the_two_default_classes() {
        let labels = |json: &str| {
            serde_json::from_str::<ElectraConfig>(json)
                .unwrap()
                .labels()
        };
        let classifier = labels(r#"{"architectures":["ElectraForTokenClassification"]}"#);
        assert_eq!(classifier.unwrap(), ["LABEL_0", "LABEL_1"]);
        assert!(labels(r#"{"architectures":["ElectraForPreTraining"]}"#).is_err());
    }

    #[test]
    fn heads_must_divide_the_width() {
        let config = ElectraConfig {
            num_attention_heads: 3,
            ..ElectraConfig::default()
        };
        assert!(
            config
                .validate()
                .unwrap_err()
                .to_string()
                .contains("num_attention_heads 3")
        );
    }
}
