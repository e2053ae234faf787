//! Tagging words with a fine-tuned model: whole sentences in, one class per word out.

use std::path::Path;

use aelectra_data::ner::{Alignment, Decoded, LabelSet, TagDecoder, Windows, WordPlace, align};
use aelectra_data::vocab::WordPieceTokenizer;
use aelectra_model::checkpoint::ModelDir;
use aelectra_model::transfer::receive;
use aelectra_model::{ElectraConfig, EncoderInput, Precision, PreparedTokenClassifier};
use burn::tensor::{Device, activation};
use rayon::prelude::*;

use crate::config::finetune::FinetuneConfig;
use crate::error::{Result, TrainError};
use crate::settings::AelectraSettings;

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

/// Word pieces of the longest window of a model with this tokenizer: one made for shorter examples limits windows to the
/// positions that pretraining has seen.
#[must_use]
pub fn longest_window(config: &ElectraConfig, tokenizer: &WordPieceTokenizer) -> usize {
    let positions = config.max_position_embeddings;
    positions.min(tokenizer.options().model_max_length)
}

impl TaggerSettings {
    /// As a fine-tuning cuts and labels, and as its model will be read, with windows of at most `longest` word pieces.
    #[must_use]
    pub fn of_training(config: &FinetuneConfig, longest: usize) -> Self {
        let wanted = Self {
            alignment: config.alignment,
            max_length: config.max_length,
            stride: config.stride,
        };
        wanted.within(longest)
    }

    /// From a configuration; models fine-tuned elsewhere get first-piece labels and the longest
    /// window they allow.
    #[must_use]
    pub fn from_config(config: &ElectraConfig, tokenizer: &WordPieceTokenizer) -> Self {
        let max_length = longest_window(config, tokenizer);
        let stored = AelectraSettings::of(config);
        let wanted = Self {
            alignment: stored.alignment.unwrap_or_default(),
            max_length: stored.max_length.unwrap_or(max_length),
            stride: stored.stride.unwrap_or(max_length / 4),
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

/// Log-probabilities of the model's classes at every position of every window.
#[derive(Clone, Debug, Default)]
pub struct ClassScores {
    classes: usize,
    windows: Vec<Vec<f32>>,
}

impl ClassScores {
    /// Those of one position, by class.
    ///
    /// # Panics
    /// When there is no such window or position.
    #[must_use]
    pub fn at(&self, window: usize, position: usize) -> &[f32] {
        &self.windows[window][position * self.classes..][..self.classes]
    }

    /// Whether these are scores of `classes` classes for every position of `windows`.
    fn are_of(&self, windows: &Windows, classes: usize) -> bool {
        let of_each = self.windows.iter().map(Vec::len);
        let wanted = windows.input_ids.iter().map(|ids| ids.len() * classes);
        self.classes == classes && of_each.eq(wanted)
    }

    /// The first sentence with a word that has a score which is not finite.
    fn first_unscored(&self, windows: &Windows) -> Option<usize> {
        let is_scored = |word: &WordPlace| {
            let scored = |&score: &f32| score.is_finite();
            word.start >= word.end || self.at(word.window, word.start).iter().all(scored)
        };
        let mut sentences = windows.words.iter();
        sentences.position(|words| !words.iter().all(is_scored))
    }
}

/// Sentences a thread cuts into windows at a time.
const SENTENCES_AT_ONCE: usize = 16;

/// Windows per forward pass, where nobody asks for more or fewer.
const BATCH_SIZE: usize = 32;

/// A fine-tuned model with its tokenizer and labels, for inference.
#[derive(Debug)]
pub struct Tagger {
    /// The network, outside autodiff.
    model: PreparedTokenClassifier,
    tokenizer: WordPieceTokenizer,
    decoder: TagDecoder,
    settings: TaggerSettings,
    /// Windows per forward pass.
    batch_size: usize,
}

impl Tagger {
    /// A tagger of parts that fit each other.
    ///
    /// # Errors
    /// When the model lacks classes that are read, word pieces, or positions for the windows.
    pub fn new(
        model: PreparedTokenClassifier,
        tokenizer: WordPieceTokenizer,
        decoder: TagDecoder,
        settings: TaggerSettings,
    ) -> Result<Self> {
        let (read, classes) = (decoder.classes().len(), model.classes());
        let (cut, pieces) = (tokenizer.vocab_size(), model.encoder().vocab_size());
        let (longest, positions) = (settings.max_length, model.encoder().max_positions());
        let problem = if read != classes {
            format!("{read} classes are read and the model gives {classes}")
        } else if cut > pieces {
            format!("the tokenizer has {cut} word pieces, the model {pieces}")
        } else if longest > positions {
            format!("windows have up to {longest} word pieces, the model {positions} positions")
        } else {
            return Ok(Self {
                model,
                tokenizer,
                decoder,
                settings,
                batch_size: BATCH_SIZE,
            });
        };
        Err(TrainError::config(problem)
            .with_hint("model, tokenizer, classes and windows must be of one tagger"))
    }

    /// Loads a fine-tuned model directory for inference in a precision.
    ///
    /// # Errors
    /// When model or tokenizer are missing, damaged, or do not fit each other, or the precision is
    /// unavailable on this device.
    pub fn load(dir: &Path, device: &Device, precision: Precision) -> Result<Self> {
        let source = ModelDir::open(dir)?;
        let device = device.clone().inner();
        let (model, _) = source.for_token_classification(&device)?;
        let model = model.prepare(precision)?;
        let tokenizer = load_tokenizer(dir, &source.config)?;
        let decoder =
            TagDecoder::new(&source.config.labels()?).map_err(|error| error.in_dir(dir))?;
        let settings = TaggerSettings::from_config(&source.config, &tokenizer);
        Self::new(model, tokenizer, decoder, settings)
    }

    /// With so many windows in a forward pass, at least one.
    #[must_use]
    pub fn with_batch_size(mut self, windows: usize) -> Self {
        self.batch_size = windows.max(1);
        self
    }

    /// Its word pieces.
    #[must_use]
    pub const fn tokenizer(&self) -> &WordPieceTokenizer {
        &self.tokenizer
    }

    /// How its classes are read as tags.
    #[must_use]
    pub const fn decoder(&self) -> &TagDecoder {
        &self.decoder
    }

    /// How it was trained.
    #[must_use]
    pub const fn settings(&self) -> TaggerSettings {
        self.settings
    }

    /// The tags it gives: valid IOB2, whatever the classes of the model are called.
    #[must_use]
    pub fn tags(&self) -> &LabelSet {
        self.decoder.tags()
    }

    /// What was decided for the user about model and tokenizer, one line each.
    #[must_use]
    pub fn notes(&self) -> Vec<&str> {
        let notes = self.tokenizer.warnings().iter();
        notes
            .chain(self.decoder.notes())
            .map(String::as_str)
            .collect()
    }

    /// One tag per word of each sentence, which is given as its words.
    ///
    /// # Errors
    /// When a sentence cannot be cut into windows, and as [`Tagger::decode`].
    pub fn tag<'a, W: AsRef<str> + Sync + 'a>(
        &self,
        sentences: impl IntoIterator<Item = &'a [W]>,
    ) -> Result<Vec<Vec<Decoded>>> {
        let windows = self.windows(sentences)?;
        self.decode(&windows, &self.predict(&windows))
    }

    /// The tag of each word of each sentence: read from its first piece, and decoded with those of
    /// its sentence ([`TagDecoder::decode`]).
    ///
    /// # Errors
    /// When the scores are not those of the windows, or one of a word is not finite: nothing would be found in it, which must
    /// not look like a text without entities.
    pub fn decode(&self, windows: &Windows, scores: &ClassScores) -> Result<Vec<Vec<Decoded>>> {
        if !scores.are_of(windows, self.decoder.classes().len()) {
            return Err(TrainError::failed(
                "the scores are not those of the windows",
            ));
        }
        if let Some(sentence) = scores.first_unscored(windows) {
            return Err(TrainError::not_finite(format!(
                "the model gives no finite scores for sentence {} of {}",
                sentence + 1,
                windows.words.len()
            ))
            .with_hint(
                "its weights are damaged or too large: try `--precision f32`, or another model",
            ));
        }
        windows
            .words
            .par_iter()
            .map(|words| {
                let rows: Vec<Option<&[f32]>> = words
                    .iter()
                    .map(|word| (word.start < word.end).then(|| scores.at(word.window, word.start)))
                    .collect();
                Ok(self.decoder.decode(&rows)?)
            })
            .collect()
    }

    /// Sentences, given as their words, cut as this model was trained on them.
    ///
    /// # Errors
    /// When a sentence cannot be cut into windows.
    pub fn windows<'a, W: AsRef<str> + Sync + 'a>(
        &self,
        sentences: impl IntoIterator<Item = &'a [W]>,
    ) -> Result<Windows> {
        let TaggerSettings {
            max_length, stride, ..
        } = self.settings;
        let sentences: Vec<&[W]> = sentences.into_iter().collect();
        let parts: Vec<Windows> = sentences
            .par_chunks(SENTENCES_AT_ONCE)
            .map(|part| align(&self.tokenizer, part.iter().copied(), max_length, stride))
            .collect::<aelectra_data::Result<_>>()?;
        Ok(parts.into_iter().fold(Windows::default(), |mut all, part| {
            all.append(part);
            all
        }))
    }

    /// The scores of every position of each window.
    #[must_use]
    pub fn predict(&self, windows: &Windows) -> ClassScores {
        let windows = &windows.input_ids;
        let classes = self.model.classes();
        let device = self.model.encoder().device();
        let pad = self.tokenizer.special().pad;
        let mut scores = vec![Vec::new(); windows.len()];
        for batch in length_sorted_batches(windows, self.batch_size) {
            let (input, length) = window_input(windows, &batch, pad, &device);
            let logits = self.model.forward(&input);
            let logs = receive(activation::log_softmax(logits, 2));
            for (row, &window) in batch.iter().enumerate() {
                let first = row * length * classes;
                scores[window] = logs[first..][..windows[window].len() * classes].to_vec();
            }
        }
        ClassScores {
            classes,
            windows: scores,
        }
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
pub fn length_sorted_batches(windows: &[Vec<u32>], batch_size: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..windows.len()).collect();
    order.sort_by_key(|&index| windows[index].len());
    order
        .chunks(batch_size.max(1))
        .map(<[usize]>::to_vec)
        .collect()
}

/// The windows that `batch` names, padded to the longest, and that length: `[batch, length]`.
#[must_use]
pub fn window_input(
    windows: &[Vec<u32>],
    batch: &[usize],
    pad: u32,
    device: &Device,
) -> (EncoderInput, usize) {
    let lengths: Vec<usize> = batch.iter().map(|&window| windows[window].len()).collect();
    let length = lengths.iter().copied().max().unwrap_or(0);
    let mut ids = vec![pad; batch.len() * length];
    for (row, &window) in batch.iter().enumerate() {
        let window = &windows[window];
        ids[row * length..row * length + window.len()].copy_from_slice(window);
    }
    let input = EncoderInput::new(&ids, None, &lengths, length, device);
    (input, length)
}

#[cfg(test)]
pub(super) mod tests {
    use aelectra_data::vocab::TokenizerOptions;
    use aelectra_model::ElectraForTokenClassification;
    use aelectra_model::init::Initializer;

    use super::*;

    /// A tagger of one narrow layer with these pieces beside the special ones.
    pub(in crate::ner) fn tiny(
        pieces: impl IntoIterator<Item = String>,
        labels: &[&str],
        mut init: Initializer,
        max_length: usize,
        stride: usize,
    ) -> Tagger {
        let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(String::from);
        let tokens: Vec<String> = special.into_iter().chain(pieces).collect();
        let config = ElectraConfig {
            vocab_size: tokens.len(),
            embedding_size: 8,
            hidden_size: 8,
            num_hidden_layers: 1,
            num_attention_heads: 1,
            intermediate_size: 8,
            max_position_embeddings: 16,
            ..ElectraConfig::default()
        };
        let model = ElectraForTokenClassification::new(&config, labels.len(), &mut init)
            .prepare(Precision::F32)
            .expect("f32 is everywhere");
        let tokenizer = WordPieceTokenizer::from_tokens(tokens, TokenizerOptions::default())
            .expect("a vocabulary");
        let decoder = TagDecoder::new(labels).expect("tags");
        let settings = TaggerSettings {
            alignment: Alignment::FirstPiece,
            max_length,
            stride,
        };
        let tagger = Tagger::new(model, tokenizer, decoder, settings);
        tagger.expect("they fit").with_batch_size(2)
    }

    #[test]
    fn parts_of_two_taggers_are_no_tagger() {
        let device = aelectra_model::device::for_tests();
        let tiny = |pieces: &[&str], labels: &[&str]| {
            let pieces = pieces.iter().map(|piece| (*piece).to_owned());
            tiny(pieces, labels, Initializer::zeros(&device), 12, 4)
        };
        let tagger = tiny(&["a"], &["O", "PER"]);
        let told = |tokenizer: &WordPieceTokenizer, decoder: &TagDecoder, settings| {
            let (tokenizer, decoder) = (tokenizer.clone(), decoder.clone());
            let made = Tagger::new(tagger.model.clone(), tokenizer, decoder, settings);
            made.map(drop).map_err(|error| error.to_string())
        };
        let (tokenizer, decoder) = (tagger.tokenizer(), tagger.decoder());
        assert_eq!(told(tokenizer, decoder, tagger.settings()), Ok(()));
        let other = tiny(&["a", "b"], &["O", "PER", "LOC"]);
        let refused = [
            told(other.tokenizer(), decoder, tagger.settings()),
            told(tokenizer, other.decoder(), tagger.settings()),
            told(
                tokenizer,
                decoder,
                TaggerSettings {
                    max_length: 17,
                    ..tagger.settings()
                },
            ),
        ];
        for (told, of) in refused.into_iter().zip(["pieces", "classes", "positions"]) {
            let told = told.expect_err("it does not fit");
            assert!(told.contains(of), "{told}");
        }
    }

    #[test]
    fn a_word_has_the_tag_of_its_first_piece() {
        let device = aelectra_model::device::for_tests();
        let pieces = ["a", "##b"].map(String::from);
        let init = Initializer::zeros(&device);
        let tagger = tiny(pieces, &["O", "B-PER", "I-PER"], init, 12, 4);
        let windows = tagger.windows([&["ab"][..]]).expect("windows");
        let logs = |shares: [f32; 3]| shares.map(f32::ln);
        let nothing = logs([0.98, 0.01, 0.01]);
        // [CLS], a, ##b, [SEP].
        let of_pieces = [
            nothing,
            logs([0.05, 0.9, 0.05]),
            logs([0.9, 0.05, 0.05]),
            nothing,
        ];
        let scores = ClassScores {
            classes: 3,
            windows: vec![of_pieces.concat()],
        };
        let tagged = tagger.decode(&windows, &scores).expect("tags");
        assert_eq!(tagger.tags().label(tagged[0][0].tag), "B-PER");
    }

    #[test]
    fn scores_that_are_no_numbers_are_not_taken_for_nothing_found() {
        let device = aelectra_model::device::for_tests();
        let pieces = ["a", "b"].map(String::from);
        let init = Initializer::random(1, 0.1, &device);
        let tagger = tiny(pieces, &["O", "B-PER", "I-PER"], init, 12, 4);
        let words = [vec!["a"], vec!["a", "b"]];
        let windows = tagger.windows(words.iter().map(Vec::as_slice));
        let windows = windows.expect("windows");
        let mut scores = tagger.predict(&windows);
        assert_eq!(tagger.decode(&windows, &scores).expect("tags")[1].len(), 2);
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let place = windows.words[1][1];
            scores.windows[place.window][3 * place.start + 1] = odd;
            let told = tagger.decode(&windows, &scores).expect_err("no number");
            let told = told.to_string();
            assert!(
                told.contains("no finite scores for sentence 2 of 2"),
                "{told}"
            );
        }
    }
}
