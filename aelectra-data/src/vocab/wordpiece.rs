//! Greedy longest-match-first WordPiece (Wu et al. 2016; `tokenizers`, `models/wordpiece/mod.rs`).

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

/// The continuation prefix of BERT vocabularies.
pub(crate) const CONTINUATION: &str = "##";

/// Longer words become the unknown token (`tokenizers`; Google's code allows 200).
pub(crate) const MAX_CHARS_PER_WORD: usize = 100;

const ROOT: u32 = 0;
const CONTINUING_ROOT: u32 = 1;
const NO_TOKEN: u32 = u32::MAX;

/// The match tables of a vocabulary: a trie over bytes with two roots, one for the starts of words
/// with every token as it is written, one for their insides with the `##` tokens without `##`. One
/// walk finds the longest match; trying every length against a map hashes every prefix anew.
#[derive(Debug)]
pub(crate) struct WordPiece {
    /// `node << 8 | byte` to node.
    edges: HashMap<u64, u32, FxBuildHasher>,
    /// The token that ends at a node.
    ends: Vec<u32>,
    unknown: u32,
}

impl WordPiece {
    pub(crate) fn new(tokens: &[String], unknown: u32) -> Self {
        let mut model = Self {
            edges: HashMap::default(),
            ends: vec![NO_TOKEN; 2],
            unknown,
        };
        for (id, token) in tokens.iter().enumerate() {
            model.insert(ROOT, token, id as u32);
            if let Some(rest) = token.strip_prefix(CONTINUATION) {
                model.insert(CONTINUING_ROOT, rest, id as u32);
            }
        }
        model
    }

    fn insert(&mut self, root: u32, key: &str, id: u32) {
        if key.is_empty() {
            return;
        }
        let mut node = root;
        for byte in key.bytes() {
            let next = self.ends.len() as u32;
            node = *self.edges.entry(edge(node, byte)).or_insert(next);
            if node == next {
                self.ends.push(NO_TOKEN);
            }
        }
        self.ends[node as usize] = id;
    }

    pub(crate) fn id(&self, token: &str) -> Option<u32> {
        let mut bytes = token.bytes();
        let node = bytes.try_fold(ROOT, |node, byte| {
            self.edges.get(&edge(node, byte)).copied()
        })?;
        Some(self.ends[node as usize]).filter(|&id| id != NO_TOKEN)
    }

    /// Appends the ids of the pieces of a normalized word; the unknown token for the whole word when
    /// some part of it matches nothing.
    pub(crate) fn tokenize(&self, word: &str, out: &mut Vec<u32>) {
        let first = out.len();
        if word.len() > MAX_CHARS_PER_WORD && word.chars().count() > MAX_CHARS_PER_WORD {
            out.push(self.unknown);
            return;
        }
        let bytes = word.as_bytes();
        let mut start = 0;
        while start < bytes.len() {
            let mut node = if start == 0 { ROOT } else { CONTINUING_ROOT };
            let mut longest = None;
            for (at, &byte) in bytes.iter().enumerate().skip(start) {
                let Some(&next) = self.edges.get(&edge(node, byte)) else {
                    break;
                };
                node = next;
                let id = self.ends[node as usize];
                if id != NO_TOKEN {
                    longest = Some((id, at + 1));
                }
            }
            let Some((id, end)) = longest else {
                out.truncate(first);
                out.push(self.unknown);
                return;
            };
            out.push(id);
            start = end;
        }
    }
}

fn edge(node: u32, byte: u8) -> u64 {
    u64::from(node) << 8 | u64::from(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_match_first_and_unknown_as_a_whole() {
        let tokens: Vec<String> = ["[UNK]", "hus", "h", "##us", "##båd", "##b", "##"]
            .map(String::from)
            .into();
        let model = WordPiece::new(&tokens, 0);
        let pieces = |word: &str| {
            let mut out = Vec::new();
            model.tokenize(word, &mut out);
            out
        };
        assert_eq!(pieces("husbåd"), [1, 4]);
        assert_eq!(pieces("husb"), [1, 5]);
        assert_eq!(pieces("husx"), [0]);
        assert_eq!(pieces(&"h".repeat(101)), [0]);
    }
}
