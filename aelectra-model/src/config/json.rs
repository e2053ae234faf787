//! `config.json` as people have it: fields left out, numbers as text, labels in any of three places.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{ElectraConfig, ModelType};
use crate::error::{ModelError, Result};

/// `config.json` as it is found: every field optional, oddities allowed. A `null` is an absent field.
#[derive(Deserialize)]
pub(super) struct RawConfig {
    architectures: Option<Vec<String>>,
    model_type: Option<ModelType>,
    #[serde(default, deserialize_with = "count")]
    vocab_size: Option<usize>,
    #[serde(default, deserialize_with = "count")]
    embedding_size: Option<usize>,
    #[serde(default, deserialize_with = "count")]
    hidden_size: Option<usize>,
    #[serde(default, deserialize_with = "count")]
    num_hidden_layers: Option<usize>,
    #[serde(default, deserialize_with = "count")]
    num_attention_heads: Option<usize>,
    #[serde(default, deserialize_with = "count")]
    intermediate_size: Option<usize>,
    hidden_act: Option<String>,
    hidden_dropout_prob: Option<f64>,
    attention_probs_dropout_prob: Option<f64>,
    #[serde(default, deserialize_with = "count")]
    max_position_embeddings: Option<usize>,
    #[serde(default, deserialize_with = "count")]
    type_vocab_size: Option<usize>,
    initializer_range: Option<f64>,
    layer_norm_eps: Option<f64>,
    /// May be negative for "none".
    pad_token_id: Option<i64>,
    classifier_dropout: Option<f64>,
    id2label: Option<Value>,
    label2id: Option<Value>,
    num_labels: Option<Value>,
    #[serde(rename = "_num_labels")]
    old_num_labels: Option<Value>,
    #[serde(flatten)]
    other: serde_json::Map<String, Value>,
}

/// A number of things, also where a writer made it `256.0` or `"256"`.
fn count<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> std::result::Result<Option<usize>, D::Error> {
    let value = Option::<Value>::deserialize(from)?;
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let number = match &value {
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_f64(),
    };
    // Up to 2^53 every whole number is exact.
    match number {
        Some(number) if number.fract() == 0.0 && (0.0..9e15).contains(&number) => {
            Ok(Some(number as usize))
        }
        _ => Err(serde::de::Error::custom(format!(
            "{value} where a whole number should be"
        ))),
    }
}

/// More labels than any token classifier has.
const MAX_LABELS: usize = 10_000;

/// The label names of a configuration, from whatever part of it tells them: `id2label` as a map or
/// a list, else `label2id` turned round, else the number of labels with the names that
/// `transformers` makes up. What is no map of labels gives none: a model whose labels cannot be read
/// can still be fine-tuned.
fn labels_of(raw: &RawConfig) -> BTreeMap<usize, String> {
    let name = |value: &Value| match value {
        Value::String(name) => Some(name.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let by_id = match &raw.id2label {
        Some(Value::Object(map)) => {
            let pair = |(id, label): (&String, &Value)| Some((id.parse().ok()?, name(label)?));
            map.iter().map(pair).collect()
        }
        Some(Value::Array(list)) => {
            let pair = |(id, label): (usize, &Value)| Some((id, name(label)?));
            list.iter().enumerate().map(pair).collect()
        }
        _ => None,
    };
    let by_label = || {
        let map = raw.label2id.as_ref()?.as_object()?;
        let pair = |(label, id): (&String, &Value)| Some((number(id)? as usize, label.clone()));
        map.iter()
            .map(pair)
            .collect::<Option<BTreeMap<usize, String>>>()
    };
    let counted = || {
        let count = raw.num_labels.as_ref().or(raw.old_num_labels.as_ref())?;
        let names = (0..number(count)? as usize).map(|id| (id, format!("LABEL_{id}")));
        // Nobody has more; a damaged number must not fill the memory.
        Some(names.take(MAX_LABELS).collect())
    };
    by_id
        .filter(|labels: &BTreeMap<_, _>| !labels.is_empty())
        .or_else(by_label)
        .or_else(counted)
        .unwrap_or_default()
}

impl From<RawConfig> for ElectraConfig {
    fn from(raw: RawConfig) -> Self {
        // Files older than the field tell their family only by the name of the class.
        let model_type = raw.model_type.unwrap_or_else(|| {
            let classes = raw.architectures.iter().flatten();
            match classes.filter(|class| class.starts_with("Bert")).count() {
                0 => ModelType::Electra,
                _ => ModelType::Bert,
            }
        });
        // The defaults of `ElectraConfig` and `BertConfig` in transformers.
        let base = match model_type {
            ModelType::Electra => Self {
                vocab_size: 30_522,
                ..Self::default()
            },
            ModelType::Bert => Self::bert_base(30_522),
        };
        let id2label = labels_of(&raw);
        let label2id = id2label
            .iter()
            .map(|(id, label)| (label.clone(), *id))
            .collect();
        let hidden_size = raw.hidden_size.unwrap_or(base.hidden_size);
        let embedding_size = match model_type {
            ModelType::Electra => raw.embedding_size.unwrap_or(base.embedding_size),
            ModelType::Bert => hidden_size,
        };
        Self {
            architectures: raw.architectures.unwrap_or_default(),
            model_type,
            vocab_size: raw.vocab_size.unwrap_or(base.vocab_size),
            embedding_size,
            hidden_size,
            num_hidden_layers: raw.num_hidden_layers.unwrap_or(base.num_hidden_layers),
            num_attention_heads: raw.num_attention_heads.unwrap_or(base.num_attention_heads),
            intermediate_size: raw.intermediate_size.unwrap_or(base.intermediate_size),
            // `gelu_python` is the name of the same function, written out.
            hidden_act: match raw.hidden_act.unwrap_or(base.hidden_act) {
                name if name == "gelu_python" => "gelu".to_owned(),
                name => name,
            },
            hidden_dropout_prob: raw.hidden_dropout_prob.unwrap_or(base.hidden_dropout_prob),
            attention_probs_dropout_prob: raw
                .attention_probs_dropout_prob
                .unwrap_or(base.attention_probs_dropout_prob),
            max_position_embeddings: raw
                .max_position_embeddings
                .unwrap_or(base.max_position_embeddings),
            type_vocab_size: raw.type_vocab_size.unwrap_or(base.type_vocab_size),
            initializer_range: raw.initializer_range.unwrap_or(base.initializer_range),
            layer_norm_eps: raw.layer_norm_eps.unwrap_or(base.layer_norm_eps),
            pad_token_id: raw
                .pad_token_id
                .and_then(|id| usize::try_from(id).ok())
                .unwrap_or(base.pad_token_id),
            classifier_dropout: raw.classifier_dropout,
            id2label,
            label2id,
            other: raw.other,
        }
    }
}

impl ElectraConfig {
    /// Reads and checks a `config.json`.
    ///
    /// # Errors
    /// When the file cannot be read, is not JSON of this shape, or describes a model this crate
    /// does not compute.
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(ModelError::io("read", path))?;
        let value: serde_json::Value = serde_json::from_str(&text)
            .map_err(|error| ModelError::format(path, format!("not valid JSON: {error}")))?;
        if let Some(kind) = value.get("model_type").and_then(|v| v.as_str())
            && !matches!(kind, "electra" | "bert")
        {
            return Err(ModelError::format(path, format!("model_type is `{kind}`"))
                .with_hint("models of type `electra` and `bert` can be loaded"));
        }
        let config: Self = serde_json::from_value(value).map_err(|error| {
            ModelError::format(path, format!("not a model configuration: {error}"))
        })?;
        config
            .validate()
            .map_err(|error| ModelError::format(path, error.to_string()))?;
        Ok(config)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn oddities_of_real_configs_are_read() {
        let config: ElectraConfig = serde_json::from_str(
            r#"{"model_type":"electra","generator_size":"0.25","summary_type":"first","vocab_size":32000,
                "id2label":{"0":"O","1":"B-PER"},"label2id":{"O":0,"B-PER":1}}"#,
        )
        .unwrap();
        assert_eq!(config.vocab_size, 32_000);
        assert_eq!(config.other["generator_size"], "0.25");
        assert_eq!(config.labels().unwrap(), ["O", "B-PER"]);
        let again: ElectraConfig =
            serde_json::from_str(&serde_json::to_string(&config).unwrap()).unwrap();
        assert_eq!(again, config);
    }

    #[test]
    fn bert_has_embeddings_as_wide_as_its_hidden_state() {
        let config: ElectraConfig = serde_json::from_str(
            r#"{"model_type":"bert","hidden_size":48,"num_attention_heads":3}"#,
        )
        .unwrap();
        assert_eq!(config.embedding_size, 48);
        assert!(!config.has_embeddings_project());
    }

    #[test]
    fn labels_are_read_from_whatever_tells_them() {
        let labels = |json: &str| {
            let config: ElectraConfig = serde_json::from_str(json).unwrap();
            config
                .id2label
                .values()
                .cloned()
                .collect::<Vec<_>>()
                .join(" ")
        };
        for (json, expected) in [
            (r#"{"id2label":null}"#, ""),
            (r#"{"id2label":{"0":0,"1":1}}"#, "0 1"),
            (r#"{"id2label":["O","B-PER"],"label2id":null}"#, "O B-PER"),
            (r#"{"label2id":{"B-PER":"1","O":0}}"#, "O B-PER"),
            (r#"{"id2label":{"O":0},"label2id":{"0":"O"}}"#, ""),
            (r#"{"num_labels":3}"#, "LABEL_0 LABEL_1 LABEL_2"),
            (r#"{"_num_labels":2,"id2label":{}}"#, "LABEL_0 LABEL_1"),
            (r#"{"id2label":7,"label2id":[1]}"#, ""),
        ] {
            assert_eq!(labels(json), expected, "{json}");
        }
    }

    #[test]
    fn odd_numbers_are_read_or_named() {
        let read = serde_json::from_str::<ElectraConfig>;
        let odd = r#"{"pad_token_id":-1,"vocab_size":100.0,"hidden_size":"64","hidden_act":"gelu_python"}"#;
        let config = read(odd).unwrap();
        let numbers = (config.pad_token_id, config.vocab_size, config.hidden_size);
        assert_eq!(numbers, (0, 100, 64));
        assert_eq!(config.hidden_act, "gelu");
        let error = read(r#"{"vocab_size":-3}"#).unwrap_err().to_string();
        assert!(error.contains("-3 where a whole number"), "{error}");
    }

    #[test]
    fn a_file_without_model_type_is_known_by_its_class() {
        let family = |json: &str| {
            serde_json::from_str::<ElectraConfig>(json)
                .unwrap()
                .model_type
        };
        assert_eq!(
            family(r#"{"architectures":["BertForPreTraining"]}"#),
            ModelType::Bert
        );
        assert_eq!(family(r#"{"architectures":null}"#), ModelType::Electra);
        assert_eq!(family("{}"), ModelType::Electra);
    }
}
