//! Greedy longest-match-first WordPiece (Wu et al. 2016; `tokenizers`, `models/wordpiece/mod.rs`).

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

/// The continuation prefix of BERT vocabularies.
pub(crate) const CONTINUATION: &str = "##";

/// Longer words become the unknown token (`tokenizers`; Google's code allows 200).
pub(crate) const MAX_CHARS_PER_WORD: usize = 100;

type TokenMap = HashMap<Box<str>, u32, FxBuildHasher>;

/// The match tables of a vocabulary.
#[derive(Debug)]
pub(crate) struct WordPiece {
    /// Every token as it is written.
    initial: TokenMap,
    /// Tokens that start with `##`, without it, so that matching inside a word copies nothing.
    continuing: TokenMap,
    longest_bytes: usize,
    unknown: u32,
}

impl WordPiece {
    pub(crate) fn new(tokens: &[String], unknown: u32) -> Self {
        let mut initial = TokenMap::default();
        let mut continuing = TokenMap::default();
        let mut longest_bytes = 0;
        for (id, token) in tokens.iter().enumerate() {
            initial.insert(token.as_str().into(), id as u32);
            if let Some(rest) = token.strip_prefix(CONTINUATION) {
                continuing.insert(rest.into(), id as u32);
            }
            longest_bytes = longest_bytes.max(token.len());
        }
        Self {
            initial,
            continuing,
            longest_bytes,
            unknown,
        }
    }

    pub(crate) fn id(&self, token: &str) -> Option<u32> {
        self.initial.get(token).copied()
    }

    /// Appends `(id, start, end)` of the pieces of a normalized word, in bytes of the word; the
    /// unknown token over the whole word when some part of it matches nothing.
    pub(crate) fn tokenize(&self, word: &str, out: &mut Vec<(u32, usize, usize)>) {
        let first = out.len();
        if word.len() > MAX_CHARS_PER_WORD && word.chars().count() > MAX_CHARS_PER_WORD {
            out.push((self.unknown, 0, word.len()));
            return;
        }
        let mut start = 0;
        while start < word.len() {
            let table = if start == 0 {
                &self.initial
            } else {
                &self.continuing
            };
            let mut end = word.len().min(start + self.longest_bytes);
            let id = loop {
                while !word.is_char_boundary(end) {
                    end -= 1;
                }
                if end == start {
                    out.truncate(first);
                    out.push((self.unknown, 0, word.len()));
                    return;
                }
                if let Some(&id) = table.get(&word[start..end]) {
                    break id;
                }
                end -= 1;
            };
            out.push((id, start, end));
            start = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_match_first_and_unknown_as_a_whole() {
        let tokens: Vec<String> = ["[UNK]", "hus", "h", "##us", "##båd", "##b"]
            .map(String::from)
            .into();
        let model = WordPiece::new(&tokens, 0);
        let pieces = |word| {
            let mut out = Vec::new();
            model.tokenize(word, &mut out);
            out
        };
        assert_eq!(pieces("husbåd"), [(1, 0, 3), (4, 3, 7)]);
        assert_eq!(pieces("husx"), [(0, 0, 4)]);
        assert_eq!(pieces(&"h".repeat(101)), [(0, 0, 101)]);
    }
}
