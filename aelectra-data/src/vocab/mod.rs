//! WordPiece vocabulary and tokenizer.
//!
//! [`train_vocabulary`] counts the words of a corpus and learns a vocabulary from them, the same
//! for any number of threads and any order of the files. [`WordPieceTokenizer`] is the BERT
//! tokenizer: its ids are those of Hugging Face `tokenizers` with `BertNormalizer`,
//! `BertPreTokenizer` and `WordPiece`; it is several times faster because it remembers the pieces
//! of every run of text it has seen ([`Encoder`]).
//!
//! One thing differs from Hugging Face on purpose: the names of special tokens written in a text
//! (`[MASK]`) are text here, as in Google's `tokenization.py`, not special tokens.

pub(crate) mod chars;
mod encoder;
mod files;
mod full;
mod normalize;
mod options;
mod plain_letters;
mod tokenizer;
mod train;
mod unknown;
mod wordpiece;

pub use crate::corpus::Progress;
pub use encoder::Encoder;
pub use options::{SpecialIds, SpecialTokens, TokenizerOptions};
pub use tokenizer::WordPieceTokenizer;
pub use train::{
    VocabularyOptions, VocabularyReport, refuse_model, replace_tokenizer, train_vocabulary,
};
pub use unknown::UnknownPieces;
pub(crate) use wordpiece::CONTINUATION;
