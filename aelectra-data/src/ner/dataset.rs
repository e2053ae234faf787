//! Labelled sentences, as every file format yields them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::vocab::{UnknownPieces, WordPieceTokenizer};
use crate::{DataError, Result};

/// A sentence with one tag per token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NerSentence {
    /// The words.
    pub tokens: Vec<String>,
    /// IOB2 tags, as many as tokens.
    pub tags: Vec<String>,
    /// The line of the file where the first token stands, from 1; 0 if it comes from no file.
    pub line: usize,
}

/// Refuses sentences with more or fewer tags than tokens.
pub(super) fn check_lengths(sentences: &[NerSentence]) -> Result<()> {
    match sentences.iter().find(|s| s.tokens.len() != s.tags.len()) {
        Some(sentence) => {
            let (tokens, tags, line) = (sentence.tokens.len(), sentence.tags.len(), sentence.line);
            let message = format!("a sentence has {tokens} tokens and {tags} tags (line {line})");
            Err(DataError::invalid(message))
        }
        None => Ok(()),
    }
}

/// Labelled sentences in the order of their file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NerDataset {
    /// Where they come from.
    pub path: PathBuf,
    /// The sentences, none empty.
    pub sentences: Vec<NerSentence>,
    /// `I-` tags that continue nothing (IOB2 only): number, and the line of the first's sentence.
    pub orphans: (usize, usize),
    /// Records without tokens, which were left out.
    pub skipped: usize,
    /// What the reader chose or changed, and whoever gave the file should know.
    pub notes: Vec<String>,
}

impl NerDataset {
    /// The tags of all sentences, as [`score`](super::score()) takes them.
    #[must_use]
    pub fn tags(&self) -> Vec<Vec<String>> {
        self.sentences.iter().map(|s| s.tags.clone()).collect()
    }

    /// How many of the tokens' word pieces a tokenizer does not know.
    #[must_use]
    pub fn unknown_pieces(&self, tokenizer: &WordPieceTokenizer) -> UnknownPieces {
        let tokens = self.sentences.iter().flat_map(|sentence| &sentence.tokens);
        UnknownPieces::of(tokenizer, tokens.map(String::as_str))
    }

    /// The number of tokens.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.sentences.iter().map(|s| s.tokens.len()).sum()
    }

    /// Whether any token is part of an entity.
    #[must_use]
    pub fn has_entities(&self) -> bool {
        self.sentences
            .iter()
            .flat_map(|sentence| &sentence.tags)
            .any(|tag| tag != "O")
    }

    /// Warnings about the file, one line each; those about its classes are [`odd_classes`](super::odd_classes()).
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let path = self.path.display();
        warnings.extend(self.notes.iter().map(|note| format!("`{path}`: {note}")));
        if let (count @ 1.., line) = self.orphans {
            warnings.push(format!(
                "`{path}`: {count} I- tags continue no entity (the first in the sentence at line \
                 {line}); kept as they are. If the file is IOB1, use `--scheme iob1`"
            ));
        }
        if self.skipped > 0 {
            warnings.push(format!(
                "`{path}`: {} records without tokens left out",
                self.skipped
            ));
        }
        let count = self.sentences.len();
        if count > 0 && !self.has_entities() {
            warnings.push(format!(
                "`{path}`: no entity in {count} sentences, so every F1 on it is 0"
            ));
        }
        warnings
    }
}
