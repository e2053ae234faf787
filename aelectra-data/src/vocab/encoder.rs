//! A tokenizer with a memory.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::tokenizer::WordPieceTokenizer;

/// Entries before the memory is emptied. Danish text repeats its frequent words so much that a
/// larger memory gains little (an entry takes about 80 bytes).
const MAX_ENTRIES: usize = 1 << 17;
/// Longer runs are rare and not remembered.
const MAX_RUN_BYTES: usize = 48;

/// A [`WordPieceTokenizer`] that remembers the pieces of the words it has seen: for one thread,
/// and for long texts. The results are the same.
#[derive(Clone, Debug)]
pub struct Encoder {
    tokenizer: WordPieceTokenizer,
    known: HashMap<Box<str>, (u32, u32), FxBuildHasher>,
    ids: Vec<u32>,
}

impl Encoder {
    /// An encoder that has seen nothing yet.
    #[must_use]
    pub fn new(tokenizer: WordPieceTokenizer) -> Self {
        Self {
            tokenizer,
            known: HashMap::default(),
            ids: Vec::new(),
        }
    }

    /// The tokenizer.
    #[must_use]
    pub fn tokenizer(&self) -> &WordPieceTokenizer {
        &self.tokenizer
    }

    /// Appends the ids of `text`, without special tokens.
    pub fn encode_into(&mut self, text: &str, out: &mut Vec<u32>) {
        let split_ideographs = self.tokenizer.options().tokenize_chinese_chars;
        super::chars::for_each_run(text, split_ideographs, |run| {
            let run = &text[run.start..run.end];
            if let Some(&(start, end)) = self.known.get(run) {
                out.extend_from_slice(&self.ids[start as usize..end as usize]);
                return;
            }
            let first = out.len();
            self.tokenizer.encode_run(run, out);
            if run.len() <= MAX_RUN_BYTES {
                if self.known.len() >= MAX_ENTRIES {
                    self.known.clear();
                    self.ids.clear();
                }
                let start = self.ids.len() as u32;
                self.ids.extend_from_slice(&out[first..]);
                self.known
                    .insert(run.into(), (start, self.ids.len() as u32));
            }
        });
    }
}
