//! Training a vocabulary: count the words of a corpus, then merge frequent pairs.

mod count;
mod merges;
mod replace;
mod spill;

use std::time::Instant;

pub use replace::{refuse_model, replace_tokenizer};

use serde::{Deserialize, Serialize};

use super::{Progress, SpecialTokens, TokenizerOptions, UnknownPieces, WordPieceTokenizer};
use crate::corpus::{CorpusOptions, discover, no_text};
use crate::error::Result;

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
    /// Words that the vocabulary cannot spell, with repetition, of those it was learned from.
    pub unknown_words: u64,
    /// The most frequent of them.
    pub unknown_example: Option<String>,
    /// Per source, what was read.
    pub sources: Vec<crate::corpus::SourceReport>,
    /// What was left out or decided about the inputs, see
    /// [`Discovery::notes`](crate::corpus::Discovery::notes).
    pub notes: Vec<String>,
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
    let found = discover(inputs)?;
    let mut report = VocabularyReport {
        notes: found.notes,
        ..VocabularyReport::default()
    };
    let words = count::count_words(&found.sources, inputs, options, &mut report, progress)?;
    let special = SpecialTokens::default();
    let special = special.in_order().map(str::to_owned);
    let tokens = merges::learn(&words, &special, options, &mut report, progress)?;
    if tokens.len() <= special.len() {
        return Err(no_text(
            &report.sources,
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
    count_unknown(&words, &tokenizer, &mut report);
    Ok((tokenizer, report))
}

/// Counts the words that became unknown because their characters are too rare or they are too long.
fn count_unknown(
    words: &[(Box<str>, u64)],
    tokenizer: &WordPieceTokenizer,
    report: &mut VocabularyReport,
) {
    let unk = tokenizer.special().unk;
    let mut ids = Vec::new();
    for (word, count) in words {
        ids.clear();
        tokenizer.encode_run(word, &mut ids);
        if ids.contains(&unk) {
            report.unknown_words += count;
            if report.unknown_example.is_none() {
                report.unknown_example = tokenizer.first_unknown(word);
            }
        }
    }
}

impl VocabularyReport {
    /// What the vocabulary does not know of its own corpus, counted in words.
    #[must_use]
    pub fn unknown(&self) -> UnknownPieces {
        UnknownPieces {
            pieces: self.words,
            unknown: self.unknown_words,
            example: self.unknown_example.clone(),
        }
    }
}
