//! The BERT tokenizer.

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

use super::chars::for_each_run;
use super::files::{self, Parts};
use super::full::Reference;
use super::normalize::WordNormalizer;
use super::plain_letters::plain_letters;
use super::wordpiece::WordPiece;
use super::{SpecialIds, SpecialTokens, TokenizerOptions};
use crate::error::{DataError, Result};

/// The BERT WordPiece tokenizer. Cheap to clone; may be shared between threads.
#[derive(Clone, Debug)]
pub struct WordPieceTokenizer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    tokens: Vec<String>,
    model: WordPiece,
    normalizer: WordNormalizer,
    options: TokenizerOptions,
    special_tokens: SpecialTokens,
    special: SpecialIds,
    /// Set where `tokenizer.json` asks for what the parts above do not do.
    reference: Option<Reference>,
    warnings: Vec<String>,
}

impl WordPieceTokenizer {
    /// Reads a tokenizer directory: `vocab.txt` with `tokenizer_config.json`, or `tokenizer.json`.
    ///
    /// # Errors
    /// When neither is there or a file is not what its format asks for.
    pub fn from_dir(dir: &Path) -> Result<Self> {
        Self::assemble(files::read(dir)?).map_err(|error| error.in_dir(dir))
    }

    /// A tokenizer from the tokens in the order of their ids.
    ///
    /// # Errors
    /// When a special token is missing.
    pub fn from_tokens(tokens: Vec<String>, options: TokenizerOptions) -> Result<Self> {
        Self::assemble(Parts {
            tokens,
            options,
            ..Parts::default()
        })
    }

    /// The same vocabulary under other options.
    ///
    /// # Errors
    /// Where `tokenizer.json` asks for more than options can say.
    pub fn with_options(&self, options: TokenizerOptions) -> Result<Self> {
        let inner = &self.inner;
        if inner.reference.is_some() {
            return Err(DataError::invalid(
                "the options of this tokenizer cannot be changed: its tokenizer.json does more \
                 than they say",
            )
            .with_hint("change the normalizer in tokenizer.json itself"));
        }
        Self::assemble(Parts {
            tokens: inner.tokens.clone(),
            options,
            special: inner.special_tokens.clone(),
            ..Parts::default()
        })
    }

    fn assemble(parts: Parts) -> Result<Self> {
        let Parts {
            tokens,
            options,
            special: special_tokens,
            reference,
            mut warnings,
        } = parts;
        let find = |name: &str| {
            // The last of equal tokens counts, as when a vocabulary is read into a map.
            tokens
                .iter()
                .rposition(|token| token == name)
                .map(|id| id as u32)
                .ok_or_else(|| {
                    DataError::invalid(format!("the vocabulary has no special token `{name}`"))
                        .with_hint("is this a BERT or ELECTRA vocabulary, one token a line?")
                })
        };
        let special = SpecialIds {
            pad: find(&special_tokens.pad_token)?,
            unk: find(&special_tokens.unk_token)?,
            cls: find(&special_tokens.cls_token)?,
            sep: find(&special_tokens.sep_token)?,
            mask: find(&special_tokens.mask_token)?,
        };
        if options.strip_accents.is_none()
            && options.do_lower_case
            && tokens.iter().any(|token| token.contains('å'))
        {
            warnings.push(
                "`strip_accents` is not set, so lower-casing also turns å into a, but the \
                 vocabulary has å: it was made without; set \"strip_accents\": false in \
                 tokenizer_config.json, or write a copy that has it with `aelectra export \
                 --keep-accents`"
                    .into(),
            );
        }
        let model = WordPiece::new(&tokens, special.unk);
        Ok(Self {
            inner: Arc::new(Inner {
                model,
                normalizer: WordNormalizer::new(&options),
                tokens,
                options,
                special_tokens,
                special,
                reference,
                warnings,
            }),
        })
    }

    /// Writes `vocab.txt`, `tokenizer.json`, `tokenizer_config.json` and `special_tokens_map.json`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<()> {
        files::write(
            dir,
            &self.inner.tokens,
            &self.inner.options,
            &self.inner.special_tokens,
            self.inner.special,
            self.inner
                .reference
                .as_ref()
                .map(|reference| &reference.full),
        )
    }

    /// The ids of the special tokens.
    #[must_use]
    pub fn special(&self) -> SpecialIds {
        self.inner.special
    }

    /// The names of the special tokens.
    #[must_use]
    pub fn special_tokens(&self) -> &SpecialTokens {
        &self.inner.special_tokens
    }

    /// What the tokenizer does to text.
    #[must_use]
    pub fn options(&self) -> &TokenizerOptions {
        &self.inner.options
    }

    /// The number of ids.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.inner.tokens.len()
    }

    /// The tokens in the order of their ids.
    #[must_use]
    pub fn tokens(&self) -> &[String] {
        &self.inner.tokens
    }

    /// The token of an id; the unknown token for an id outside the vocabulary.
    #[must_use]
    pub fn token(&self, id: u32) -> &str {
        self.inner
            .tokens
            .get(id as usize)
            .map_or(&self.inner.special_tokens.unk_token, String::as_str)
    }

    /// The id of a token as it is written in the vocabulary.
    #[must_use]
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.model.id(token)
    }

    /// The ids of a text, without special tokens. None where the tokenizer sees nothing in it.
    #[must_use]
    pub fn encode_ids(&self, text: &str) -> Vec<u32> {
        let mut out = Vec::with_capacity(text.len() / 4);
        if self.encode_by_reference(text, &mut out) {
            return out;
        }
        for_each_run(text, self.inner.options.tokenize_chinese_chars, |run| {
            self.encode_run(&text[run], &mut out);
        });
        out
    }

    /// The ids of a text; where some are unknown and fewer would be, those of its composed form (NFC), and else of that with
    /// letters that no piece begins or goes on with as those they derive from. Text from macOS and from PDF has `å` as `a` and
    /// a ring, which a vocabulary of composed text does not know; `Yılmaz` would be one unknown piece, and `Yilmaz` is not.
    #[must_use]
    pub fn encode_known(&self, text: &str) -> Vec<u32> {
        let ids = self.encode_ids(text);
        let unknown = |ids: &[u32]| {
            let unk = self.inner.special.unk;
            ids.iter().filter(|&&id| id == unk).count()
        };
        let mut best = (unknown(&ids), ids);
        if best.0 == 0 {
            return best.1;
        }
        let composed: String = text.nfc().collect();
        let plain = |known: &dyn Fn(char) -> bool| -> String {
            let letters = composed.chars();
            letters.flat_map(|c| plain_letters(c, known)).collect()
        };
        // A letter may be known at the beginning of words only, as `É` is where nobody shouts.
        let (plain, plainest) = (plain(&|c| self.has_letter(c)), plain(&|_| false));
        let mut before = text;
        for form in [&composed, &plain, &plainest] {
            if form != before {
                let ids = self.encode_ids(form);
                let unknown = unknown(&ids);
                if unknown < best.0 {
                    best = (unknown, ids);
                }
            }
            before = form;
        }
        best.1
    }

    /// Whether some word with this letter can be spelt.
    fn has_letter(&self, letter: char) -> bool {
        let begins = self.inner.model.id(letter.encode_utf8(&mut [0; 4]));
        let prefix = super::wordpiece::CONTINUATION;
        begins.is_some() || self.inner.model.id(&format!("{prefix}{letter}")).is_some()
    }

    /// Appends the ids of a text if the `tokenizers` crate is to make them.
    pub(crate) fn encode_by_reference(&self, text: &str, out: &mut Vec<u32>) -> bool {
        if let Some(reference) = &self.inner.reference {
            reference.encode(text, self.inner.special.unk, out);
        }
        self.inner.reference.is_some()
    }

    /// Appends the ids of a run of text.
    pub(crate) fn encode_run(&self, run: &str, out: &mut Vec<u32>) {
        if self.inner.normalizer.is_identity(run) {
            self.inner.model.tokenize(run, out);
        } else {
            for word in self.inner.normalizer.words(run) {
                self.inner.model.tokenize(&word, out);
            }
        }
    }

    /// For every id, whether its token continues a word (starts with `##`).
    pub(crate) fn continuations(&self) -> Vec<bool> {
        let prefix = super::wordpiece::CONTINUATION;
        self.inner
            .tokens
            .iter()
            .map(|token| token.len() > prefix.len() && token.starts_with(prefix))
            .collect()
    }

    /// SHA-256 in hexadecimal of everything that decides the ids of a text: the tokens in order
    /// and the normalization.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let options = &self.inner.options;
        let mut hash = Sha256::new();
        hash.update(format!(
            "wordpiece 1; lower {}; strip {}; ideographs {}; special {:?}\n",
            options.do_lower_case,
            options.strips_accents(),
            options.tokenize_chinese_chars,
            self.inner.special_tokens.in_order(),
        ));
        for token in &self.inner.tokens {
            hash.update(token.as_bytes());
            hash.update(b"\n");
        }
        // What few tokenizers have is hashed only where it is, so that fingerprints stay.
        if !options.clean_text {
            hash.update("keeps control characters\n");
        }
        if let Some(reference) = &self.inner.reference {
            hash.update(reference.full.to_string());
        }
        crate::files::hex(&hash.finalize())
    }

    /// Warnings about the files, one line each.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.inner.warnings
    }
}
