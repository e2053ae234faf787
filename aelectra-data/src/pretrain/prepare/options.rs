//! How to prepare a corpus, and what of it is out of range.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::super::mixture::SourceWeight;
use super::super::packing::Packing;
use crate::corpus::CorpusOptions;
use crate::error::{DataError, Result};

/// How to prepare a corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PrepareOptions {
    /// What to read.
    pub corpus: CorpusOptions,
    /// The directory to write.
    pub out: PathBuf,
    /// Longest example in tokens, special ones included.
    pub max_length: usize,
    /// How sentences become examples.
    pub packing: Packing,
    /// Share of documents for validation, 0 to 1. A document is in the same split whatever else
    /// the corpus holds.
    pub validation: f64,
    /// Seed of the random choices of [`Packing::Electra`].
    pub seed: u64,
    /// How much sources count that do not count once.
    pub weights: Vec<SourceWeight>,
    /// Deletes shards made with other options instead of refusing.
    pub restart: bool,
    /// Also reports what each filter of [`CorpusOptions::clean`] would leave out, which takes one
    /// more pass over the corpus and changes nothing.
    pub report_cleaning: bool,
    /// Also writes the report of the run as JSON to this file.
    pub report: Option<PathBuf>,
}

impl Default for PrepareOptions {
    fn default() -> Self {
        Self {
            corpus: CorpusOptions::default(),
            out: PathBuf::new(),
            max_length: 128,
            packing: Packing::Full,
            validation: 0.01,
            seed: 0,
            weights: Vec::new(),
            restart: false,
            report_cleaning: false,
            report: None,
        }
    }
}

impl PrepareOptions {
    /// # Errors
    /// When an option is out of range.
    pub(super) fn check(&self) -> Result<()> {
        if !(8..=65_535).contains(&self.max_length) {
            return Err(DataError::invalid(format!(
                "a maximum length of {} tokens is not between 8 and 65535",
                self.max_length
            ))
            .with_hint("ELECTRA-Small trains at 128 or 512"));
        }
        if !(0.0..1.0).contains(&self.validation) {
            return Err(DataError::invalid(format!(
                "a validation share of {} is not between 0 and 1",
                self.validation
            ))
            .with_hint("0.01 keeps one document in a hundred for validation"));
        }
        Ok(())
    }
}
