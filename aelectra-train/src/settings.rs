//! What `config.json` says of a model under the key `aelectra`: what this program knows of it beyond
//! its architecture.

use aelectra_data::ner::Alignment;
use aelectra_model::ElectraConfig;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::config::pretrain::AttentionStart;

/// The key; no other tool reads it.
const KEY: &str = "aelectra";

/// Each field is there if the model's training had it.
#[skip_serializing_none]
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AelectraSettings {
    /// Where attention began in pretraining, so that a comparison with random weights can begin
    /// there too.
    pub attention_start: Option<AttentionStart>,
    /// By what its weights were rescaled.
    pub rescaled: Option<f64>,
    /// Which pieces of a word carried its label in fine-tuning.
    pub alignment: Option<Alignment>,
    /// Longest window in fine-tuning, in word pieces.
    pub max_length: Option<usize>,
    /// Word pieces that neighbouring windows shared in fine-tuning.
    pub stride: Option<usize>,
}

impl AelectraSettings {
    /// Those of a model; nothing is known of a model of another tool.
    #[must_use]
    pub fn of(config: &ElectraConfig) -> Self {
        config
            .other
            .get(KEY)
            .and_then(|value| serde_json::from_value(value.clone()).ok())
            .unwrap_or_default()
    }

    /// Puts these into a configuration in place of what it said before.
    pub fn put(self, config: &mut ElectraConfig) {
        // Optional plain values always serialize.
        let value = serde_json::to_value(self).unwrap_or_default();
        config.other.insert(KEY.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fine_tuning_keeps_what_pretraining_said() {
        let mut config = ElectraConfig::default();
        assert_eq!(AelectraSettings::of(&config), AelectraSettings::default());
        let pretrained = AelectraSettings {
            attention_start: Some(AttentionStart::Local),
            ..AelectraSettings::default()
        };
        pretrained.put(&mut config);
        assert_eq!(
            config.other["aelectra"],
            serde_json::json!({"attention_start": "local"})
        );
        let tuned = AelectraSettings {
            alignment: Some(Alignment::AllPieces),
            max_length: Some(64),
            stride: Some(16),
            ..AelectraSettings::of(&config)
        };
        tuned.put(&mut config);
        assert_eq!(AelectraSettings::of(&config), tuned);
        assert_eq!(tuned.attention_start, Some(AttentionStart::Local));
    }
}
