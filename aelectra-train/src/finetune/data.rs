//! What all seeds of a series share.

use aelectra_data::ner::{LabelSet, NerSentence};
use aelectra_data::vocab::WordPieceTokenizer;

use crate::finetune::encoder::Encoder;
use crate::ner::tagger::longest_window;

/// Labelled sentences, the label set and the tokenizer: what all seeds share.
#[derive(Debug)]
pub struct Data {
    /// Sentences to learn from.
    pub train: Vec<NerSentence>,
    /// Sentences to choose epochs and learning rates by.
    pub dev: Vec<NerSentence>,
    /// Sentences to report on.
    pub test: Vec<NerSentence>,
    /// Classes.
    pub labels: LabelSet,
    /// Word pieces.
    pub tokenizer: WordPieceTokenizer,
}

impl Data {
    /// Word pieces of the longest window.
    pub(crate) fn longest(&self, encoder: &Encoder<'_>) -> usize {
        longest_window(encoder.config(), &self.tokenizer)
    }
}
