//! How much of a text a vocabulary does not know.

use super::WordPieceTokenizer;
use super::chars::for_each_run;

/// Share of unknown pieces above which a text is not what the vocabulary was made for: of running
/// Danish text the published vocabularies leave less than 0.1 % unknown.
const SUSPICIOUS: f64 = 0.03;
/// So few unknown pieces are told only if they are most of the text: a short text with a rare sign
/// in it is no reason to warn.
const FEW: u64 = 3;

/// The longest example in characters.
const EXAMPLE: usize = 40;

/// Pieces of a text, and how many of them are unknown words. Counts of parts can be added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnknownPieces {
    /// Pieces in all, special ones not counted.
    pub pieces: u64,
    /// Pieces that stand for a word that the vocabulary cannot spell, or that is too long.
    pub unknown: u64,
    /// The first such word, cut if it is long.
    pub example: Option<String>,
}

impl UnknownPieces {
    /// Counts the pieces of some texts, as they are tagged ([`WordPieceTokenizer::encode_known`]).
    pub fn of<'t>(
        tokenizer: &WordPieceTokenizer,
        texts: impl IntoIterator<Item = &'t str>,
    ) -> Self {
        let mut counts = Self::default();
        for text in texts {
            counts.count(tokenizer, text, &tokenizer.encode_known(text));
        }
        counts
    }

    /// Counts the `ids` of a text, without special pieces.
    pub fn count(&mut self, tokenizer: &WordPieceTokenizer, text: &str, ids: &[u32]) {
        let unk = tokenizer.special().unk;
        let unknown = ids.iter().filter(|&&id| id == unk).count() as u64;
        self.pieces += ids.len() as u64;
        self.unknown += unknown;
        if unknown > 0 && self.example.is_none() {
            self.example = tokenizer.first_unknown(text);
        }
    }

    /// Adds the counts of another part.
    pub fn add(&mut self, other: &Self) {
        self.pieces += other.pieces;
        self.unknown += other.unknown;
        if self.example.is_none() {
            self.example.clone_from(&other.example);
        }
    }

    /// Share of unknown pieces, 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.unknown as f64 / self.pieces.max(1) as f64
    }

    /// One line with the share and an example, if more is unknown than a few per cent: the text is
    /// hardly what the vocabulary was made for.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        self.warning_of("word pieces")
    }

    /// The same where something else than word pieces was counted, as `words`.
    #[must_use]
    pub fn warning_of(&self, counted: &str) -> Option<String> {
        let share = self.share();
        if share <= SUSPICIOUS || self.unknown < FEW && share < 0.5 {
            return None;
        }
        let example = match &self.example {
            Some(example) => format!(", such as `{example}`"),
            None => String::new(),
        };
        // `å` as `a` and a ring, which a vocabulary of composed letters does not know.
        let is_apart =
            |example: &String| example.contains(|c| ('\u{300}'..='\u{36f}').contains(&c));
        let why = match self.example.as_ref().is_some_and(is_apart) {
            true => {
                "its letters stand apart from their marks: compose them (Unicode NFC; --nfc for a corpus)"
            }
            false => "does the text have spaces, and does the vocabulary fit its language?",
        };
        Some(format!(
            "{:.1} % of the {counted} are unknown ([UNK]){example}: {why}",
            100.0 * share
        ))
    }
}

impl WordPieceTokenizer {
    /// The first word of a text that is unknown as a whole, cut if it is long.
    #[must_use]
    pub fn first_unknown(&self, text: &str) -> Option<String> {
        let unk = self.special().unk;
        let mut found = None;
        let mut ids = Vec::new();
        if self.encode_by_reference("", &mut ids) {
            let mut words = text.split_whitespace();
            return words
                .find(|word| self.encode_ids(word).contains(&unk))
                .map(shortened);
        }
        for_each_run(text, self.options().tokenize_chinese_chars, |run| {
            if found.is_none() {
                ids.clear();
                self.encode_run(&text[run.clone()], &mut ids);
                if ids.contains(&unk) {
                    found = Some(&text[run]);
                }
            }
        });
        found.map(shortened)
    }
}

fn shortened(word: &str) -> String {
    match word.char_indices().nth(EXAMPLE) {
        Some((end, _)) => format!("{}…", &word[..end]),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::TokenizerOptions;
    use super::*;

    #[test]
    fn only_a_suspicious_share_is_told() {
        let tokens = "[PAD] [UNK] [CLS] [SEP] [MASK] a b ##a ##b".split(' ');
        let tokens = tokens.map(str::to_owned).collect();
        let tokenizer = WordPieceTokenizer::from_tokens(tokens, TokenizerOptions::default());
        let tokenizer = tokenizer.expect("a vocabulary");
        let of = |text: &str| UnknownPieces::of(&tokenizer, [text]);
        let long = "ab".repeat(80);
        let counts = of(&format!("a {long} b"));
        assert_eq!((counts.pieces, counts.unknown), (3, 1));
        assert_eq!(counts.warning(), None, "one rare word says nothing");
        let warning = of(&long).warning().expect("all is unknown");
        assert!(
            warning.contains("100.0 %") && warning.contains("`abab"),
            "{warning}"
        );
        assert!(
            warning.chars().count() < 200,
            "the example is cut: {warning}"
        );
        let few = of(&format!("{} x y z", "a ".repeat(96)));
        assert_eq!((few.pieces, few.unknown), (99, 3));
        assert!(few.warning().is_some_and(|warning| warning.contains("`x`")));
        assert_eq!(of(&"a ".repeat(100)).warning(), None);
        let mut both = of("a b");
        both.add(&of("x"));
        assert_eq!((both.pieces, both.example.as_deref()), (3, Some("x")));
    }
}
