//! The configuration of fine-tuning.

use serde::{Deserialize, Serialize};

use aelectra_data::ner::{Alignment, LabelSet, NerDataset};
use aelectra_model::Precision;

use super::configuration::{Configuration, expect, optimizes, trains_in};
use super::recipes::{self, Recipe};
use crate::error::Result;
use crate::optimizer::AdamConfig;

/// How a new classifier's weights are drawn, see [`HeadInit`](aelectra_model::HeadInit).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassifierInit {
    /// As in the reference's fine-tuning.
    #[default]
    Glorot,
    /// As `transformers` does, by the model's `initializer_range`.
    Normal,
}

/// Which epoch's weights are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// The epoch with the highest F1 on dev.
    Best,
    /// The epoch with the lowest loss on dev: the mean cross-entropy of its labelled pieces, as `transformers`' trainer keeps
    /// a model where it is told no metric.
    Loss,
    /// The last epoch.
    Last,
}

/// How the classes of words become tags where a training is scored. A finished model is read with
/// [`Decoding::Viterbi`] whatever it was chosen by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decoding {
    /// The best row of classes that may follow each other.
    #[default]
    Viterbi,
    /// The best class of each word.
    Argmax,
}

/// Everything a fine-tuning run is told, data and paths aside. The defaults are the recipe
/// `electra` (google-research/electra `configure_finetuning.py`, `finetune/tagging`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinetuneConfig {
    /// Passes over the training data.
    pub epochs: u64,
    /// Sentences per step.
    pub batch_size: usize,
    /// Peak learning rates; of several, the best on dev (first seed) is taken for all seeds.
    pub learning_rates: Vec<f64>,
    /// Whether the search goes on beyond an edge of `learning_rates` as long as the best is there, in
    /// steps of two, three at most.
    #[serde(default = "widens")]
    pub widen_rates: bool,
    /// Share of all steps in which the rate rises from 0; 0 for none.
    pub warmup_share: f64,
    /// Whether the rate falls linearly to 0.
    pub decay: bool,
    /// Learning-rate factor from layer to layer downwards; 1 for none.
    pub layerwise_decay: f64,
    /// Dropout of the encoder and before the classes; the model's own if not given.
    #[serde(default)]
    pub dropout: Option<f64>,
    /// How the classifier's weights begin.
    #[serde(default)]
    pub classifier_init: ClassifierInit,
    /// Which pieces of a word carry its label.
    pub alignment: Alignment,
    /// Whether `[CLS]` and `[SEP]` are classes of their own and in the loss, as in the original's
    /// notebooks.
    pub special_classes: bool,
    /// Label replacements, `A=B`, applied to all data.
    pub map_label: Vec<String>,
    /// Which epoch's weights are kept.
    pub selection: Selection,
    /// How words' classes become tags where a training is scored.
    #[serde(default)]
    pub decoding: Decoding,
    /// Epochs that were no better on dev after which a training ends; none for never.
    #[serde(default)]
    pub patience: Option<u64>,
    /// Sentences that an epoch sees, about: it goes over fewer several times, so that few sentences do not also mean
    /// few steps. 1 for once.
    #[serde(default = "seen_in_an_epoch")]
    pub epoch_sentences: usize,
    /// How many training sentences each seed draws; all of them if not given.
    #[serde(default)]
    pub sentences: Option<usize>,
    /// The same of the development sentences.
    #[serde(default)]
    pub dev_sentences: Option<usize>,
    /// Whether these sentences are the same for all seeds, and each seed draws as many from them with replacement (a
    /// bootstrap) instead of as many different ones from all.
    #[serde(default)]
    pub with_replacement: bool,
    /// Longest window in word pieces; longer sentences are split.
    pub max_length: usize,
    /// Word pieces two windows of a sentence share.
    pub stride: usize,
    /// Precision of training's products, f32 or bf16; see
    /// [`aelectra_model::kernels::for_training`].
    #[serde(default)]
    pub precision: Precision,
    /// Constants of Adam.
    pub optimizer: AdamConfig,
    /// First seed; the following runs take the next numbers.
    pub seed: u64,
}

const fn widens() -> bool {
    true
}

/// As many as learning curves have seen in every epoch: 31 steps of 32.
const fn seen_in_an_epoch() -> usize {
    1000
}

impl FinetuneConfig {
    /// The classes of training data, or those of the original.
    #[must_use]
    pub fn label_set(&self, train: &NerDataset) -> LabelSet {
        match self.special_classes {
            true => LabelSet::original(),
            false => LabelSet::infer(&[train]),
        }
    }
}

impl Default for FinetuneConfig {
    fn default() -> Self {
        Self {
            epochs: 10,
            batch_size: 32,
            learning_rates: vec![1e-4, 3e-4, 5e-4],
            widen_rates: true,
            warmup_share: 0.1,
            decay: true,
            layerwise_decay: 0.8,
            dropout: None,
            classifier_init: ClassifierInit::Glorot,
            alignment: Alignment::FirstPiece,
            special_classes: false,
            map_label: Vec::new(),
            selection: Selection::Best,
            decoding: Decoding::Viterbi,
            patience: None,
            epoch_sentences: seen_in_an_epoch(),
            sentences: None,
            dev_sentences: None,
            with_replacement: false,
            max_length: 128,
            stride: 32,
            precision: Precision::F32,
            optimizer: AdamConfig::default(),
            seed: 42,
        }
    }
}

impl Configuration for FinetuneConfig {
    const RECIPES: &'static [Recipe] = &recipes::FINETUNING;

    fn validate(&self) -> Result<()> {
        let dropout = self.dropout.unwrap_or(0.0);
        let share = "a value in [0, 1)";
        let mut rates = self.learning_rates.iter().copied();
        let wrong_rate = rates.find(|rate| !(rate.is_finite() && *rate >= 0.0));
        expect(&[
            ("epochs", &0, self.epochs > 0, "at least 1"),
            ("batch_size", &0, self.batch_size > 0, "at least 1"),
            (
                "learning_rates",
                &"empty",
                !self.learning_rates.is_empty(),
                "at least one",
            ),
            (
                "learning_rates",
                &wrong_rate.unwrap_or_default(),
                wrong_rate.is_none(),
                "finite values of at least 0",
            ),
            (
                "max_length",
                &self.max_length,
                self.max_length > 2,
                "at least 3: two places are for [CLS] and [SEP]",
            ),
            (
                "stride",
                &self.stride,
                self.stride + 2 < self.max_length,
                "less than `max_length` without [CLS] and [SEP]",
            ),
            (
                "warmup_share",
                &self.warmup_share,
                (0.0..1.0).contains(&self.warmup_share),
                share,
            ),
            ("patience", &0, self.patience != Some(0), "at least 1"),
            (
                "patience",
                &self.patience.unwrap_or_default(),
                self.patience.is_none() || self.selection != Selection::Last,
                "left out where `selection` is \"last\": the last epoch is kept whatever dev says",
            ),
            (
                "with_replacement",
                &self.with_replacement,
                !self.with_replacement || self.sentences.is_some() || self.dev_sentences.is_some(),
                "left out where neither `sentences` nor `dev_sentences` are drawn",
            ),
            (
                "epoch_sentences",
                &0,
                self.epoch_sentences > 0,
                "at least 1, which goes over the sentences once",
            ),
            ("sentences", &0, self.sentences != Some(0), "at least 1"),
            (
                "dev_sentences",
                &0,
                self.dev_sentences != Some(0),
                "at least 1",
            ),
            ("dropout", &dropout, (0.0..1.0).contains(&dropout), share),
            (
                "layerwise_decay",
                &self.layerwise_decay,
                self.layerwise_decay > 0.0 && self.layerwise_decay <= 1.0,
                "a value in (0, 1]",
            ),
            trains_in(&self.precision),
        ])?;
        expect(&optimizes(&self.optimizer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_train_is_refused() {
        let ours = FinetuneConfig::default;
        assert!(ours().validate().is_ok());
        for rates in [
            vec![],
            vec![1e-4, -1e-3],
            vec![f64::NAN],
            vec![f64::INFINITY],
        ] {
            let config = FinetuneConfig {
                learning_rates: rates.clone(),
                ..ours()
            };
            let error = config.validate().expect_err("refused").to_string();
            assert!(error.contains("learning_rates"), "{rates:?}: {error}");
        }
        for (max_length, stride) in [(2, 0), (16, 14), (128, 200)] {
            let config = FinetuneConfig {
                max_length,
                stride,
                ..ours()
            };
            assert!(config.validate().is_err(), "{max_length}, {stride}");
        }
        let patient = |selection| FinetuneConfig {
            patience: Some(2),
            selection,
            ..ours()
        };
        assert!(patient(Selection::Best).validate().is_ok());
        assert!(patient(Selection::Loss).validate().is_ok());
        let drawn = |sentences| FinetuneConfig {
            with_replacement: true,
            sentences,
            ..ours()
        };
        assert!(drawn(Some(8)).validate().is_ok() && drawn(None).validate().is_err());
        let error = patient(Selection::Last).validate().expect_err("refused");
        assert!(error.to_string().contains("patience"), "{error}");
    }
}
