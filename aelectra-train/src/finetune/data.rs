//! What all seeds of a series share.

use aelectra_data::ner::{LabelSet, NerSentence};
use aelectra_data::vocab::WordPieceTokenizer;

use crate::finetune::encoder::Encoder;

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
    /// Word pieces of the longest window, as the saved model will be read: a tokenizer made for shorter
    /// examples limits windows to the positions that pretraining has seen.
    pub(crate) fn longest(&self, encoder: &Encoder<'_>) -> usize {
        let positions = encoder.config().max_position_embeddings;
        positions.min(self.tokenizer.options().model_max_length)
    }
}
