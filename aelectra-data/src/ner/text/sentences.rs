//! Sentences of raw Danish text.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::words::Word;
use crate::abbreviations::often_ends;

/// The sentences of a text, as ranges of its [`words`](super::words()).
///
/// A sentence ends at `. ! ? …` with closing quotes and brackets that touch it, if white space and
/// then no lower-case letter follow; after an abbreviation that often ends one (`osv.`, `kr.`) before an
/// upper-case letter; and at every empty line.
///
/// ```
/// use aelectra_data::ner::{sentences, words};
///
/// let text = "Dr. Holm bor i København Ø. Han kommer kl. 12.";
/// let words = words(text);
/// let found: Vec<&str> = sentences(text, &words)
///     .into_iter()
///     .map(|it| &text[words[it.start].start..words[it.end - 1].end])
///     .collect();
/// assert_eq!(found, ["Dr. Holm bor i København Ø.", "Han kommer kl. 12."]);
/// ```
#[must_use]
pub fn sentences(text: &str, words: &[Word<'_>]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = 0;
    for i in 0..words.len() {
        let Some(next) = words.get(i + 1) else { break };
        let gap = &text[words[i].end..next.start];
        let empty_line = gap
            .graphemes(true)
            .filter(|c| matches!(*c, "\n" | "\r\n" | "\r"))
            .count()
            > 1;
        let ends = !gap.is_empty() && ends_sentence(&words[start..=i], next.text);
        if empty_line || ends {
            found.push(start..i + 1);
            start = i + 1;
        }
    }
    if start < words.len() {
        found.push(start..words.len());
    }
    found
}

/// Marks that close quotes and brackets after a sentence, at most.
const MOST_CLOSERS: usize = 64;

/// Whether a sentence ends after `words` if the next word is `next`.
fn ends_sentence(words: &[Word<'_>], next: &str) -> bool {
    let initial = next.chars().next().unwrap_or('\0');
    let closers = words.iter().rev().take_while(|w| {
        matches!(
            w.text,
            "\"" | "'" | "”" | "“" | "’" | "»" | "«" | "›" | ")" | "]"
        )
    });
    // More than these close nothing, and are asked about after each.
    let closers: Vec<&Word<'_>> = closers.take(MOST_CLOSERS).collect();
    let last = words.len() - closers.len();
    let Some(mark) = last.checked_sub(1).map(|i| &words[i]) else {
        return false;
    };
    // A quote or bracket that does not touch the mark opens something new.
    let touching = words[last - 1..]
        .windows(2)
        .all(|pair| pair[0].end == pair[1].start);
    let full_stop = match mark.text {
        "." | "!" | "?" => !initial.is_lowercase(),
        "…" => initial.is_uppercase(),
        dots if dots.starts_with("..") => initial.is_uppercase(),
        word => often_ends(word, next) && initial.is_uppercase(),
    };
    full_stop && touching
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sentences_end_where_they_should() {
        let cut = |text: &str| {
            let words = words(text);
            let joined = sentences(text, &words).into_iter().map(|range| {
                words[range]
                    .iter()
                    .map(|w| w.text)
                    .collect::<Vec<_>>()
                    .join(" ")
            });
            joined.collect::<Vec<_>>().join(" | ")
        };
        assert_eq!(
            cut("Dr. Bo kom kl. 3. Han gik. \"Hvorfor?\" spurgte hun. (Nej.) Jo osv. Han.hun"),
            "Dr. Bo kom kl. 3 . | Han gik . | \" Hvorfor ? \" spurgte hun . | ( Nej . ) | Jo osv. | Han.hun"
        );
        assert_eq!(
            cut(
                "Hun bor i København Ø. Bo fik 5 mio. Derefter 3 mio. EUR. Det er 1.000 kr. Kr. Bo"
            ),
            "Hun bor i København Ø . | Bo fik 5 mio. | Derefter 3 mio. EUR . | Det er 1.000 kr. | Kr. Bo"
        );
        assert_eq!(
            cut("Overskrift\r\n\r\nTekst uden\npunktum"),
            "Overskrift | Tekst uden punktum"
        );
        assert_eq!(
            cut("Ja! 😀 Nej?! Jo ... og så ... Så"),
            "Ja ! | 😀 Nej ? ! | Jo ... og så ... | Så"
        );
        assert_eq!(cut(""), "");
    }

    proptest! {
        #[test]
        fn every_word_is_in_one_sentence(text in r#"([a-zA-ZåÅ0-9]|[ \n."!?)]|\r\n|osv\. ){0,60}"#) {
            let sentences = sentences(&text, &words(&text));
            let covered: Vec<usize> = sentences.into_iter().flatten().collect();
            prop_assert_eq!(covered, (0..words(&text).len()).collect::<Vec<_>>());
        }
    }
}
