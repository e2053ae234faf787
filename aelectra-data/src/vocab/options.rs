//! What a tokenizer does to text, and its special tokens.

use serde::{Deserialize, Serialize};

/// The ids of the special tokens, read from the vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecialIds {
    /// Fills a row up to the length of its batch.
    pub pad: u32,
    /// Stands for a word that no pieces cover.
    pub unk: u32,
    /// Starts every example.
    pub cls: u32,
    /// Ends every segment.
    pub sep: u32,
    /// Hides a token from the generator.
    pub mask: u32,
}

/// The names of the special tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpecialTokens {
    /// Padding.
    pub pad_token: String,
    /// Unknown word.
    pub unk_token: String,
    /// Start of an example.
    pub cls_token: String,
    /// End of a segment.
    pub sep_token: String,
    /// Masked token.
    pub mask_token: String,
}

impl Default for SpecialTokens {
    fn default() -> Self {
        Self {
            pad_token: "[PAD]".into(),
            unk_token: "[UNK]".into(),
            cls_token: "[CLS]".into(),
            sep_token: "[SEP]".into(),
            mask_token: "[MASK]".into(),
        }
    }
}

impl SpecialTokens {
    /// The names in the order of the Ælæctra vocabularies, where they have ids 0 to 4.
    pub(crate) fn in_order(&self) -> [&str; 5] {
        [
            &self.pad_token,
            &self.unk_token,
            &self.cls_token,
            &self.sep_token,
            &self.mask_token,
        ]
    }
}

/// What a tokenizer does to text before it looks words up. The names are those of
/// `tokenizer_config.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenizerOptions {
    /// Drops control and format characters, as `BertTokenizer` always does.
    #[serde(default = "yes")]
    pub clean_text: bool,
    /// Lower-cases the text.
    pub do_lower_case: bool,
    /// Drops accents: å becomes a, é becomes e; æ and ø stay. `None` means "as `do_lower_case`",
    /// as in Hugging Face `tokenizers` (`normalizers/bert.rs`).
    pub strip_accents: Option<bool>,
    /// Makes every CJK ideograph a word of its own.
    pub tokenize_chinese_chars: bool,
    /// The longest input in tokens, special tokens included. Recorded, not enforced.
    pub model_max_length: usize,
}

fn yes() -> bool {
    true
}

impl Default for TokenizerOptions {
    /// The cased tokenizer of Ælæctra: accents kept, ideographs not split
    /// (MalteHB/-l-ctra, `create_vocab_research.py`).
    fn default() -> Self {
        Self {
            clean_text: true,
            do_lower_case: false,
            strip_accents: Some(false),
            tokenize_chinese_chars: false,
            model_max_length: 128,
        }
    }
}

impl TokenizerOptions {
    /// The uncased tokenizer of Ælæctra as it was meant: lower case, but å stays å.
    #[must_use]
    pub fn uncased() -> Self {
        Self {
            do_lower_case: true,
            ..Self::default()
        }
    }

    /// Whether accents are dropped, with `None` resolved.
    #[must_use]
    pub fn strips_accents(&self) -> bool {
        self.strip_accents.unwrap_or(self.do_lower_case)
    }
}
