//! Tagging words with a fine-tuned model: whole sentences in, one label a word out.

use std::path::Path;

use aelectra_data::ner::{
    Alignment, LabelSet, NerSentence, NerWindow, align, merge_windows, place_words,
};
use aelectra_data::vocab::WordPieceTokenizer;
use aelectra_model::checkpoint::ModelDir;
use aelectra_model::{
    ElectraConfig, ElectraForTokenClassification, EncoderInput, Noise, Precision,
};
use burn::tensor::{Device, activation};
use serde_json::{Value, json};

use crate::error::{Result, TrainError};

/// Key in `config.json` under which a fine-tuned model keeps what tagging with it needs.
const SETTINGS_KEY: &str = "aelectra";

/// How sentences were cut and labelled in training; kept with the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaggerSettings {
    /// Which pieces carried a label.
    pub alignment: Alignment,
    /// Longest window in word pieces.
    pub max_length: usize,
    /// Word pieces neighbouring windows share.
    pub stride: usize,
}

impl TaggerSettings {
    /// As it stands in `config.json`.
    #[must_use]
    pub fn to_config(self) -> (String, Value) {
        let value = json!({
            "alignment": self.alignment,
            "max_length": self.max_length,
            "stride": self.stride,
        });
        (SETTINGS_KEY.to_owned(), value)
    }

    /// From a configuration; models fine-tuned elsewhere get first-piece labels and the longest
    /// window they allow.
    #[must_use]
    pub fn from_config(config: &ElectraConfig, model_max_length: usize) -> Self {
        let max_length = config.max_position_embeddings.min(model_max_length);
        let stored = config.other.get(SETTINGS_KEY);
        let number = |key: &str| {
            stored
                .and_then(|s| s.get(key))
                .and_then(Value::as_u64)
                .map(|n| n as usize)
        };
        let wanted = Self {
            alignment: stored
                .and_then(|s| s.get("alignment").cloned())
                .and_then(|value| serde_json::from_value(value).ok())
                .unwrap_or_default(),
            max_length: number("max_length").unwrap_or(max_length),
            stride: number("stride").unwrap_or(max_length / 4),
        };
        wanted.within(max_length)
    }

    /// The same with windows of at most `longest` word pieces; where the windows would then overlap
    /// whole, by a quarter.
    #[must_use]
    pub fn within(self, longest: usize) -> Self {
        // Two places of a window are `[CLS]` and `[SEP]`.
        let overlaps_whole = self.max_length > longest && self.stride + 2 >= longest;
        Self {
            alignment: self.alignment,
            max_length: self.max_length.min(longest),
            stride: if overlaps_whole {
                longest / 4
            } else {
                self.stride
            },
        }
    }
}

/// A label with the probability the model gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct WordPrediction {
    /// A tag such as `B-PER` or `O`.
    pub tag: String,
    /// Probability, 0 to 1.
    pub score: f32,
}

/// A fine-tuned model with its tokenizer and labels, for inference.
#[derive(Debug)]
pub struct Tagger {
    /// The network, outside autodiff.
    pub model: ElectraForTokenClassification,
    /// Its word pieces.
    pub tokenizer: WordPieceTokenizer,
    /// Its classes.
    pub labels: LabelSet,
    /// How it was trained.
    pub settings: TaggerSettings,
    /// Where it computes.
    pub device: Device,
    /// Windows per forward pass.
    pub batch_size: usize,
}

impl Tagger {
    /// Loads a fine-tuned model directory, for tagging in these numbers.
    ///
    /// # Errors
    /// When model or tokenizer are missing, damaged, or do not fit each other, or the precision is
    /// not to be had.
    pub fn load(dir: &Path, device: &Device, precision: Precision) -> Result<Self> {
        let source = ModelDir::open(dir)?;
        let device = device.clone().inner();
        let (mut model, _) = source.for_token_classification(&device)?;
        model.electra.set_precision(precision)?;
        let tokenizer = load_tokenizer(dir, &source.config)?;
        let labels = LabelSet::from_labels(source.config.labels()?)?;
        let settings =
            TaggerSettings::from_config(&source.config, tokenizer.options().model_max_length);
        Ok(Self {
            model,
            tokenizer,
            labels,
            settings,
            device,
            batch_size: 32,
        })
    }

    /// One prediction per word of each sentence (given as words).
    ///
    /// # Errors
    /// When a sentence cannot be cut into windows.
    pub fn tag(&self, sentences: &[Vec<String>]) -> Result<Vec<Vec<WordPrediction>>> {
        let sentences: Vec<NerSentence> = sentences
            .iter()
            .map(|tokens| NerSentence {
                tags: vec!["O".to_owned(); tokens.len()],
                tokens: tokens.clone(),
                line: 0,
            })
            .collect();
        let windows = self.windows(&sentences)?;
        let predictions = self.predict(&windows);
        let words: Vec<usize> = sentences.iter().map(|s| s.tokens.len()).collect();
        Ok(merge_windows(&windows, &predictions, &words)?)
    }

    /// The windows of labelled sentences, as this model was trained on them.
    ///
    /// # Errors
    /// When a sentence cannot be cut into windows.
    pub fn windows(&self, sentences: &[NerSentence]) -> Result<Vec<NerWindow>> {
        let TaggerSettings {
            alignment,
            max_length,
            stride,
        } = self.settings;
        Ok(align(
            &self.tokenizer,
            sentences,
            &self.labels,
            alignment,
            max_length,
            stride,
        )?)
    }

    /// One prediction per position of each window.
    #[must_use]
    pub fn predict(&self, windows: &[NerWindow]) -> Vec<Vec<WordPrediction>> {
        let mut predictions = vec![Vec::new(); windows.len()];
        for batch in length_sorted_batches(windows, self.batch_size) {
            let length = batch
                .iter()
                .map(|&w| windows[w].input_ids.len())
                .max()
                .unwrap_or(0);
            let input = window_input(
                windows,
                &batch,
                length,
                self.tokenizer.special().pad,
                &self.device,
            );
            let logits = self.model.forward(&input, &mut Noise::off());
            let probabilities: Vec<f32> = activation::softmax(logits, 2)
                .into_data()
                .iter::<f32>()
                .collect();
            let classes = self.labels.len();
            for (row, &window) in batch.iter().enumerate() {
                let first = row * length * classes;
                predictions[window] = probabilities[first..]
                    .chunks_exact(classes)
                    .take(windows[window].input_ids.len())
                    .map(|scores| {
                        let (best, score) = argmax(scores);
                        WordPrediction {
                            tag: self.labels.tag(best).to_owned(),
                            score,
                        }
                    })
                    .collect();
            }
        }
        predictions
    }

    /// Gold and predicted tag of every word piece, for the original's metric: each piece of a word
    /// against the word's tag. `None` when the model's pieces were not all labelled.
    ///
    /// # Errors
    /// When a sentence cannot be cut into windows.
    pub fn piece_tags(&self, sentences: &[NerSentence]) -> Result<Option<Vec<(String, String)>>> {
        if self.settings.alignment != Alignment::AllPieces {
            return Ok(None);
        }
        let windows = self.windows(sentences)?;
        let predictions = self.predict(&windows);
        let words: Vec<usize> = sentences.iter().map(|s| s.tokens.len()).collect();
        let places = place_words(&windows, &words)?;
        let mut pairs = Vec::new();
        for (sentence, places) in sentences.iter().zip(places) {
            for (tag, place) in sentence.tags.iter().zip(places) {
                for prediction in &predictions[place.window][place.start..place.end] {
                    pairs.push((tag.clone(), prediction.tag.clone()));
                }
            }
        }
        Ok(Some(pairs))
    }
}

/// The tokenizer of a model directory, checked against the model.
///
/// # Errors
/// When there is none, or it has more word pieces than the model.
pub fn load_tokenizer(dir: &Path, config: &ElectraConfig) -> Result<WordPieceTokenizer> {
    let tokenizer = WordPieceTokenizer::from_dir(dir)?;
    if tokenizer.vocab_size() > config.vocab_size {
        return Err(TrainError::config(format!(
            "`{}`: the tokenizer has {} word pieces, the model {}",
            dir.display(),
            tokenizer.vocab_size(),
            config.vocab_size
        ))
        .with_hint("tokenizer files and weights must come from the same model"));
    }
    Ok(tokenizer)
}

/// Indices of windows in batches of similar length, so that little padding is computed.
#[must_use]
pub fn length_sorted_batches(windows: &[NerWindow], batch_size: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..windows.len()).collect();
    order.sort_by_key(|&index| windows[index].input_ids.len());
    order
        .chunks(batch_size.max(1))
        .map(<[usize]>::to_vec)
        .collect()
}

/// A padded batch of windows.
#[must_use]
pub fn window_input(
    windows: &[NerWindow],
    batch: &[usize],
    length: usize,
    pad: u32,
    device: &Device,
) -> EncoderInput {
    let mut ids = vec![pad; batch.len() * length];
    let mut lengths = Vec::with_capacity(batch.len());
    for (row, &window) in batch.iter().enumerate() {
        let window = &windows[window].input_ids;
        ids[row * length..row * length + window.len()].copy_from_slice(window);
        lengths.push(window.len());
    }
    EncoderInput::new(&ids, None, &lengths, length, device)
}

fn argmax(scores: &[f32]) -> (usize, f32) {
    scores
        .iter()
        .copied()
        .enumerate()
        .fold((0, f32::NEG_INFINITY), |best, next| {
            if next.1 > best.1 { next } else { best }
        })
}
