//! Optional cleaning: filters that leave documents out, and Unicode NFC.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::error::{DataError, Result};

/// Which filters to apply. All are off by default: what a corpus holds is what is trained on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CleanOptions {
    /// Composes characters (Unicode NFC): a + ring becomes å. Leaves no document out.
    pub nfc: bool,
    /// Leaves out documents of fewer characters; 0 keeps all.
    pub min_chars: usize,
    /// Leaves out documents of more characters; 0 keeps all.
    pub max_chars: usize,
    /// Leaves out documents with a smaller share of letters among the characters that are not
    /// whitespace; 0 keeps all.
    pub min_letter_share: f64,
    /// Leaves out documents whose text occurred before, whitespace at the ends aside.
    pub exact_duplicates: bool,
    /// Leaves out documents that share almost all sequences of five words with an earlier one
    /// (Jaccard similarity above about 0.88, by `MinHash`).
    pub near_duplicates: bool,
}

impl CleanOptions {
    /// Refuses limits that no document can meet.
    pub(crate) fn check(&self) -> Result<()> {
        let share = self.min_letter_share;
        if !(0.0..=1.0).contains(&share) {
            let error = DataError::invalid(format!("the least share of letters is {share}"));
            return Err(error.with_hint("give a share from 0 to 1, such as 0.6"));
        }
        if self.max_chars > 0 && self.max_chars < self.min_chars {
            return Err(DataError::invalid(format!(
                "no document has {} characters at least and {} at most",
                self.min_chars, self.max_chars
            )));
        }
        Ok(())
    }

    /// These options with every filter on, under a limit that catches what is hardly text where it
    /// has none: what a report of cleaning tries.
    pub(crate) fn or_suggested(&self) -> Self {
        let or = |limit: usize, suggested| if limit == 0 { suggested } else { limit };
        Self {
            nfc: true,
            min_chars: or(self.min_chars, 100),
            max_chars: or(self.max_chars, 1_000_000),
            min_letter_share: if self.min_letter_share == 0.0 {
                0.6
            } else {
                self.min_letter_share
            },
            exact_duplicates: true,
            near_duplicates: true,
        }
    }

    /// Whether any filter needs to have seen the documents before.
    pub(crate) fn finds_duplicates(&self) -> bool {
        self.exact_duplicates || self.near_duplicates
    }
}

/// How much a filter caught.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caught {
    /// Documents.
    pub documents: u64,
    /// Bytes of text in them.
    pub bytes: u64,
}

impl Caught {
    pub(crate) fn count(&mut self, text: &str) {
        self.documents += 1;
        self.bytes += text.len() as u64;
    }

    fn add(&mut self, other: Self) {
        self.documents += other.documents;
        self.bytes += other.bytes;
    }
}

/// What each filter caught, or would have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CleaningCounts {
    /// Texts that NFC changed; they stay.
    pub nfc_changed: Caught,
    /// Too short.
    pub too_short: Caught,
    /// Too long.
    pub too_long: Caught,
    /// Too few letters.
    pub few_letters: Caught,
    /// Same text as an earlier document.
    pub exact_duplicates: Caught,
    /// Almost the text of an earlier document, and not the same.
    pub near_duplicates: Caught,
}

impl CleaningCounts {
    pub(crate) fn add(&mut self, other: &Self) {
        self.nfc_changed.add(other.nfc_changed);
        self.too_short.add(other.too_short);
        self.too_long.add(other.too_long);
        self.few_letters.add(other.few_letters);
        self.exact_duplicates.add(other.exact_duplicates);
        self.near_duplicates.add(other.near_duplicates);
    }
}

/// Whether letters stand apart from their marks, as in the names of files on macOS.
pub(crate) fn is_decomposed(text: &str) -> bool {
    // U+0300 to U+033F begin with this byte in UTF-8, and no other character does: ring, diaeresis, acute and the like.
    text.as_bytes().contains(&0xcc) && !is_nfc(text)
}

/// Whether a text was UTF-8 that somebody read as Windows-1252 and wrote as UTF-8 again: `Ã¦` for `æ`. One such pair may be
/// meant.
#[must_use]
pub fn is_misread(text: &str) -> bool {
    let pairs = text.match_indices('Ã').filter(|(at, begin)| {
        let after = text[at + begin.len()..].chars().next();
        // What the second bytes of æ ø å Æ Ø Å é ö ü are there.
        after.is_some_and(|c| "¦¸¥†˜…©¶¼".contains(c))
    });
    pairs.take(2).count() == 2
}

/// The text in NFC where that is asked for.
pub(crate) fn compose<'t>(
    text: Cow<'t, str>,
    options: &CleanOptions,
    counts: &mut CleaningCounts,
) -> Cow<'t, str> {
    // Everything below U+0300 is composed already.
    let plain = |text: &str| text.bytes().all(|byte| byte < 0xcc);
    if !options.nfc || plain(&text) || is_nfc(&text) {
        return text;
    }
    counts.nfc_changed.count(&text);
    Cow::Owned(text.nfc().collect())
}

/// The first of the filters that need only the text itself which catches it.
pub(crate) fn caught_by<'c>(
    text: &str,
    options: &CleanOptions,
    counts: &'c mut CleaningCounts,
) -> Option<&'c mut Caught> {
    let (too_short, too_long, few_letters) = judge(text, options);
    if too_short {
        Some(&mut counts.too_short)
    } else if too_long {
        Some(&mut counts.too_long)
    } else if few_letters {
        Some(&mut counts.few_letters)
    } else {
        None
    }
}

/// Whether a text is too short, too long, or has too few letters.
pub(crate) fn judge(text: &str, options: &CleanOptions) -> (bool, bool, bool) {
    if options.min_chars == 0 && options.max_chars == 0 && options.min_letter_share <= 0.0 {
        return (false, false, false);
    }
    let (mut chars, mut visible, mut letters) = (0usize, 0usize, 0usize);
    for c in text.trim().chars() {
        chars += 1;
        visible += usize::from(!c.is_whitespace());
        letters += usize::from(c.is_alphabetic());
    }
    let share = letters as f64 / visible.max(1) as f64;
    (
        chars < options.min_chars,
        options.max_chars > 0 && chars > options.max_chars,
        share < options.min_letter_share,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_was_read_in_the_wrong_encoding_is_told() {
        assert!(is_misread("Ã…se bor pÃ¥ Ã˜sterbro"));
        assert!(!is_misread("Åse bor på Østerbro, São Paulo, Ã¥, pÃ."));
    }

    #[test]
    fn filters_catch_what_they_say() {
        let options = CleanOptions::default().or_suggested();
        let text = |sentence: &str, times: usize| sentence.repeat(times);
        assert_eq!(judge(&text("Et hus. ", 5), &options), (true, false, false));
        assert_eq!(
            judge(&text("Et hus ved søen. ", 20), &options),
            (false, false, false)
        );
        assert_eq!(
            judge(&text("12.345 | 67 %; ", 20), &options),
            (false, false, true)
        );
        assert_eq!(
            judge(&text("Et hus ved søen. ", 70_000), &options),
            (false, true, false)
        );
        assert_eq!(judge("", &CleanOptions::default()), (false, false, false));
    }

    #[test]
    fn nfc_composes_and_counts() {
        let mut counts = CleaningCounts::default();
        let options = CleanOptions {
            nfc: true,
            ..CleanOptions::default()
        };
        assert_eq!(
            compose("A\u{30a}rhus".into(), &options, &mut counts),
            "Århus"
        );
        assert_eq!(
            compose("Århus – ø".into(), &options, &mut counts),
            "Århus – ø"
        );
        assert_eq!(counts.nfc_changed.documents, 1);
        let off = CleanOptions::default();
        assert_eq!(compose("A\u{30a}".into(), &off, &mut counts), "A\u{30a}");
    }
}
