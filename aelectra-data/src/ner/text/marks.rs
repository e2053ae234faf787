//! What a reader sees of a word, and of what parts the digits of a number: programs that set text put marks into both that
//! nobody sees or that look alike, and files of Word and PDF have them.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

use super::line_breaks::is_break;
use crate::vocab::chars::{CharClass, classify};

/// Whether it is neither white space nor anything that is seen: a soft hyphen, a zero-width space, a control character. They are
/// those that BERT's tokenizers drop, and Unicode's `Default_Ignorable_Code_Point` (`DerivedCoreProperties.txt`).
pub(super) fn is_unseen(c: char) -> bool {
    let is_ignorable = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}');
    is_ignorable || classify(c) == CharClass::Removed && !c.is_whitespace()
}

/// Whether it is white space within a line.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() && !is_break(c)
}

/// Whether it is a hyphen, a dash or a minus, or stands for one in numbers and double names: Unicode's `Dash` (`PropList.txt`)
/// with `_` and `/`.
pub(super) fn is_dash(c: char) -> bool {
    matches!(c,
        '-' | '_' | '/' | '\u{2d7}' | '\u{58a}' | '\u{5be}' | '\u{1400}' | '\u{1806}'
        | '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2053}' | '\u{207b}' | '\u{208b}' | '\u{2212}'
        | '\u{2796}' | '\u{2e17}' | '\u{2e1a}' | '\u{2e3a}'..='\u{2e3b}' | '\u{2e40}' | '\u{2e5d}'
        | '\u{301c}' | '\u{3030}' | '\u{30a0}' | '\u{fe31}'..='\u{fe32}' | '\u{fe58}' | '\u{fe63}'
        | '\u{ff0d}' | '\u{10ead}')
}

/// A word as it is compared with others: without what is not seen, and with one spelling of each letter, whether it has its mark
/// in itself or after it, or is in a ligature.
pub(super) fn seen(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii() && !byte.is_ascii_control();
    if text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let letters = text.chars().filter(|&c| !is_unseen(c));
    Cow::Owned(letters.nfkc().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_compared_as_they_are_seen() {
        for (written, expected) in [
            ("Lindholm", "Lindholm"),
            ("Lind\u{ad}holm", "Lindholm"),
            ("\u{feff}Lind\u{200b}holm\u{2060}", "Lindholm"),
            ("A\u{30a}se", "Åse"),
            ("A\u{34f}\u{30a}se", "Åse"),
            ("So\u{fb01}e", "Sofie"),
            ("Bo\u{1b}\0", "Bo"),
        ] {
            assert_eq!(seen(written), expected);
        }
    }

    #[test]
    fn white_space_is_seen() {
        for c in [
            ' ', '\t', '\u{a0}', '\u{2007}', '\u{2009}', '\u{202f}', '\u{3000}',
        ] {
            assert!(is_blank(c) && !is_unseen(c), "{c:?}");
        }
        for c in ['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}'] {
            assert!(!is_blank(c) && !is_unseen(c), "{c:?}");
        }
    }
}
