//! From a run of text to the words that WordPiece sees: cleaning, accent stripping, lower case.

use std::cell::RefCell;

use tokenizers::normalizer::Range;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::tokenizer::{NormalizedString, Normalizer, PreTokenizedString, PreTokenizer};
use unicode_categories::UnicodeCategories;
use unicode_normalization::char::{canonical_combining_class, decompose_canonical};

use super::TokenizerOptions;
use super::chars::{CharClass, classify};

/// A normalized word, and for each of its bytes the byte range of the run it came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    /// One `(start, end)` per byte of `text`, relative to the start of the run.
    pub(crate) origins: Vec<(u32, u32)>,
}

/// The normalization of one tokenizer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WordNormalizer {
    lowercase: bool,
    strip_accents: bool,
    ideographs: bool,
}

impl WordNormalizer {
    pub(crate) fn new(options: &TokenizerOptions) -> Self {
        Self {
            lowercase: options.do_lower_case,
            strip_accents: options.strips_accents(),
            ideographs: options.tokenize_chinese_chars,
        }
    }

    /// Whether a run needs no normalization.
    pub(crate) fn is_identity(self, run: &str) -> bool {
        !self.lowercase
            && !self.strip_accents
            && run.chars().all(|c| classify(c) != CharClass::Removed)
    }

    /// The words of a run, usually one; none when all of its characters are dropped.
    pub(crate) fn words(self, run: &str) -> Vec<Word> {
        if self.strip_accents && run.chars().any(decomposes_in_context) {
            return self.words_by_reference(run);
        }
        let mut word = Word::default();
        for (start, c) in run.char_indices() {
            if classify(c) == CharClass::Removed {
                continue;
            }
            let origin = (start as u32, (start + c.len_utf8()) as u32);
            if self.strip_accents && !c.is_ascii() {
                decompose_canonical(c, |part| {
                    if !part.is_mark_nonspacing() {
                        self.push(&mut word, part, origin);
                    }
                });
            } else {
                self.push(&mut word, c, origin);
            }
        }
        if word.text.is_empty() {
            Vec::new()
        } else {
            vec![word]
        }
    }

    fn push(self, word: &mut Word, c: char, origin: (u32, u32)) {
        let before = word.text.len();
        if self.lowercase {
            word.text.extend(c.to_lowercase());
        } else {
            word.text.push(c);
        }
        word.origins
            .resize(word.origins.len() + word.text.len() - before, origin);
    }

    /// The rare runs whose decomposition needs reordering or brings punctuation out, left to the
    /// reference implementation itself.
    fn words_by_reference(self, run: &str) -> Vec<Word> {
        let normalizer = BertNormalizer::new(
            true,
            self.ideographs,
            Some(self.strip_accents),
            self.lowercase,
        );
        let mut normalized = NormalizedString::from(run);
        if normalizer.normalize(&mut normalized).is_err() {
            return Vec::new();
        }
        let mut splits = PreTokenizedString::from(normalized);
        if BertPreTokenizer.pre_tokenize(&mut splits).is_err() {
            return Vec::new();
        }
        let words = RefCell::new(Vec::new());
        // `tokenize` is the only place where the reference shows the alignment inside a split.
        let visited = splits.tokenize(|split| {
            let shift = split.offsets_original().0;
            let text = split.get().to_owned();
            let origins = (0..text.len())
                .map(|byte| {
                    let range = split
                        .convert_offsets(Range::Normalized(byte..byte + 1))
                        .unwrap_or_default();
                    ((shift + range.start) as u32, (shift + range.end) as u32)
                })
                .collect();
            words.borrow_mut().push(Word { text, origins });
            Ok(Vec::new())
        });
        if visited.is_err() {
            return Vec::new();
        }
        words.into_inner()
    }
}

/// Whether stripping the accents of a text with this character can differ from stripping them
/// character by character: it decomposes to more than a letter and marks that are dropped, or
/// takes part in canonical reordering without being dropped. No such character lies below U+0300,
/// where all of Danish is.
fn decomposes_in_context(c: char) -> bool {
    if (c as u32) < 0x300 {
        return false;
    }
    let mut changed = false;
    decompose_canonical(c, |part| changed |= part != c);
    changed || (canonical_combining_class(c) != 0 && !c.is_mark_nonspacing())
}
