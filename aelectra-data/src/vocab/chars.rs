//! How BERT's pre-tokenization sees a character.
//!
//! The classes are those of Hugging Face `tokenizers` (`normalizers/bert.rs`, `pre_tokenizers/bert.rs`),
//! with the same Unicode tables (`unicode_categories`), so that words split where the reference
//! splits them, also for characters that were assigned after those tables were made.

use std::ops::Range;
use std::sync::OnceLock;

use unicode_categories::UnicodeCategories;

/// What a character does to its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum CharClass {
    /// Part of a word.
    Word,
    /// Ends a word and is dropped.
    Space,
    /// A word of its own.
    Punctuation,
    /// Dropped without ending the word: control and format characters (soft hyphen, zero-width
    /// space), private use, NUL and U+FFFD.
    Removed,
    /// A CJK ideograph: a word of its own when the tokenizer spaces them, part of a word otherwise.
    Ideograph,
}

/// The ideographs that `tokenizers` spaces out.
fn is_ideograph(c: char) -> bool {
    // The sixth range starts at 2B920 in the reference too, where the block starts at 2B820; the
    // ids have to agree with the reference, not with the block.
    matches!(c as u32,
        0x4E00..=0x9FFF | 0x3400..=0x4DBF | 0x20000..=0x2A6DF | 0x2A700..=0x2B73F
        | 0x2B740..=0x2B81F | 0x2B920..=0x2CEAF | 0xF900..=0xFAFF | 0x2F800..=0x2FA1F)
}

fn classify_slowly(c: char) -> CharClass {
    match c {
        '\t' | '\n' | '\r' => CharClass::Space,
        '\0' | '\u{fffd}' => CharClass::Removed,
        _ if c.is_other() => CharClass::Removed,
        _ if c.is_whitespace() => CharClass::Space,
        _ if c.is_ascii_punctuation() || c.is_punctuation() => CharClass::Punctuation,
        _ if is_ideograph(c) => CharClass::Ideograph,
        _ => CharClass::Word,
    }
}

/// The class of every character of the basic plane, computed once: the category look-ups are a
/// binary search each, far too slow for every character of a corpus.
fn basic_plane() -> &'static [CharClass] {
    static TABLE: OnceLock<Vec<CharClass>> = OnceLock::new();
    TABLE.get_or_init(|| {
        (0..=0xffffu32)
            .map(|code| char::from_u32(code).map_or(CharClass::Removed, classify_slowly))
            .collect()
    })
}

pub(crate) fn classify(c: char) -> CharClass {
    basic_plane()
        .get(c as usize)
        .copied()
        .unwrap_or_else(|| classify_slowly(c))
}

/// Calls `visit` with the byte range of every run of `text`, in order: what becomes one word, or
/// nothing, or (rarely, when accents are stripped) several words.
pub(crate) fn for_each_run(
    text: &str,
    split_ideographs: bool,
    mut visit: impl FnMut(Range<usize>),
) {
    let table = basic_plane();
    let bytes = text.as_bytes();
    let mut word_start = None;
    let mut position = 0;
    while position < bytes.len() {
        let byte = bytes[position];
        // Inside a word of plain letters, which is most of a text.
        if byte.is_ascii_alphanumeric() {
            word_start.get_or_insert(position);
            position += 1;
            while position < bytes.len() && bytes[position].is_ascii_alphanumeric() {
                position += 1;
            }
            continue;
        }
        let (class, width) = if byte < 0x80 {
            (table[usize::from(byte)], 1)
        } else {
            let Some(c) = text[position..].chars().next() else {
                break;
            };
            (classify(c), c.len_utf8())
        };
        match class {
            CharClass::Word | CharClass::Removed => {
                word_start.get_or_insert(position);
            }
            CharClass::Ideograph if !split_ideographs => {
                word_start.get_or_insert(position);
            }
            CharClass::Space | CharClass::Punctuation | CharClass::Ideograph => {
                if let Some(start) = word_start.take() {
                    visit(start..position);
                }
                if class != CharClass::Space {
                    visit(position..position + width);
                }
            }
        }
        position += width;
    }
    if let Some(start) = word_start {
        visit(start..bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(text: &str, split_ideographs: bool) -> Vec<&str> {
        let mut out = Vec::new();
        for_each_run(text, split_ideographs, |run| out.push(&text[run]));
        out
    }

    #[test]
    fn punctuation_stands_alone_and_soft_hyphens_do_not_split() {
        assert_eq!(
            runs("Århus, år\u{ad}hundrede\u{a0}»ja«!", false),
            ["Århus", ",", "år\u{ad}hundrede", "»", "ja", "«", "!"]
        );
    }

    #[test]
    fn ideographs_split_on_request() {
        assert_eq!(runs("a中b", true), ["a", "中", "b"]);
        assert_eq!(runs("a中b", false), ["a中b"]);
    }
}
