//! From a run of text to the words that WordPiece sees: cleaning, accent stripping, lower case.

use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::tokenizer::{
    NormalizedString, Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer,
};
use unicode_categories::UnicodeCategories;
use unicode_normalization::char::{canonical_combining_class, decompose_canonical};

use super::TokenizerOptions;
use super::chars::{CharClass, classify};

#[derive(Clone, Copy, Debug)]
pub(crate) struct WordNormalizer {
    clean: bool,
    lowercase: bool,
    strip_accents: bool,
    ideographs: bool,
}

impl WordNormalizer {
    pub(crate) fn new(options: &TokenizerOptions) -> Self {
        Self {
            clean: options.clean_text,
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
    pub(crate) fn words(self, run: &str) -> Vec<String> {
        let removed = |c: char| classify(c) == CharClass::Removed;
        if self.strip_accents && run.chars().any(decomposes_in_context)
            || !self.clean && run.chars().any(removed)
        {
            return self.words_by_reference(run);
        }
        let mut word = String::with_capacity(run.len());
        for c in run.chars().filter(|&c| classify(c) != CharClass::Removed) {
            if self.strip_accents && !c.is_ascii() {
                decompose_canonical(c, |part| {
                    if !part.is_mark_nonspacing() {
                        self.push(&mut word, part);
                    }
                });
            } else {
                self.push(&mut word, c);
            }
        }
        if word.is_empty() {
            Vec::new()
        } else {
            vec![word]
        }
    }

    fn push(self, word: &mut String, c: char) {
        if self.lowercase {
            word.extend(c.to_lowercase());
        } else {
            word.push(c);
        }
    }

    /// The rare runs whose decomposition needs reordering or brings punctuation out, or that keep
    /// control characters, left to the reference implementation itself.
    fn words_by_reference(self, run: &str) -> Vec<String> {
        let normalizer = BertNormalizer::new(
            self.clean,
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
        splits
            .get_splits(OffsetReferential::Normalized, OffsetType::None)
            .into_iter()
            .map(|(word, ..)| word.to_owned())
            .collect()
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
