//! Training a vocabulary: count the words of a corpus, then merge frequent pairs.

mod count;
mod merges;
mod spill;

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{Progress, SpecialTokens, TokenizerOptions, WordPieceTokenizer};
use crate::corpus::{CorpusOptions, discover};
use crate::error::{DataError, Result};

/// How to train a vocabulary.
///
/// The defaults are those of the Ælæctra vocabularies (MalteHB/-l-ctra, `create_vocab_research.py`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VocabularyOptions {
    /// Tokens, the five special ones included. Fewer are learned when the corpus has no more.
    pub vocab_size: usize,
    /// The normalization, also recorded with the vocabulary.
    pub options: TokenizerOptions,
    /// A pair is merged while it occurs at least so often.
    pub min_frequency: u64,
    /// Characters kept; the rest become part of unknown words.
    pub limit_alphabet: usize,
    /// Distinct words that merges are learned from, the most frequent ones; bounds the memory.
    pub max_words: usize,
}

impl Default for VocabularyOptions {
    fn default() -> Self {
        Self {
            vocab_size: 32_000,
            options: TokenizerOptions::default(),
            min_frequency: 2,
            limit_alphabet: 1000,
            max_words: 1_000_000,
        }
    }
}

/// Statistics of a vocabulary training.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VocabularyReport {
    /// Tokens in the vocabulary.
    pub vocab_size: usize,
    /// Documents read.
    pub documents: u64,
    /// 10^6 bytes of UTF-8 text read.
    pub megabytes: f64,
    /// Megabytes of text per second of the whole training.
    pub megabytes_per_second: f64,
    /// Words, with repetition.
    pub words: u64,
    /// Different words.
    pub distinct_words: u64,
    /// Different words that merges were learned from.
    pub words_used: u64,
    /// Characters in the alphabet.
    pub alphabet: usize,
    /// Characters that were too rare for the alphabet.
    pub alphabet_dropped: usize,
    /// Merges learned.
    pub merges: usize,
    /// Occurrences of the last pair merged.
    pub last_merge_frequency: u64,
    /// Seconds in all.
    pub seconds: f64,
    /// Per source, what was read.
    pub sources: Vec<crate::corpus::SourceReport>,
}

/// Trains a WordPiece vocabulary: byte-pair merges by frequency with the prefix `##` inside words,
/// which is what the trainer of `tokenizers` does under that name, with ties broken by token order
/// and `##` characters numbered in code-point order instead of hash-map order.
///
/// The result depends on the text alone, not on threads or the order of the inputs.
///
/// # Errors
/// When an input cannot be read, or `vocab_size` leaves no room for the alphabet.
pub fn train_vocabulary(
    inputs: &CorpusOptions,
    options: &VocabularyOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<(WordPieceTokenizer, VocabularyReport)> {
    let started = Instant::now();
    let sources = discover(&inputs.inputs)?;
    let mut report = VocabularyReport::default();
    let words = count::count_words(&sources, inputs, options, &mut report, progress)?;
    let special = SpecialTokens::default();
    let special = special.in_order().map(str::to_owned);
    let tokens = merges::learn(&words, &special, options, &mut report, progress)?;
    if tokens.len() <= special.len() {
        return Err(DataError::invalid(
            "the corpus has no words to learn a vocabulary from",
        ));
    }
    let bytes: u64 = report.sources.iter().map(|source| source.bytes).sum();
    report.vocab_size = tokens.len();
    report.documents = report.sources.iter().map(|source| source.documents).sum();
    report.megabytes = bytes as f64 / 1e6;
    report.seconds = started.elapsed().as_secs_f64();
    report.megabytes_per_second = report.megabytes / report.seconds.max(1e-9);
    let tokenizer = WordPieceTokenizer::from_tokens(tokens, options.options.clone())?;
    Ok((tokenizer, report))
}
