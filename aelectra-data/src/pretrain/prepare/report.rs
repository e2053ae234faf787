//! What a preparation did, in numbers.

use serde::{Deserialize, Serialize};

use super::super::manifest::ShardManifest;
use super::super::packing::Packing;
use crate::corpus::{CleaningCounts, CleaningReport, SourceReport};
use crate::vocab::UnknownPieces;

/// Statistics of a preparation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PrepareReport {
    /// Documents with text.
    pub documents: u64,
    /// Documents for validation.
    pub validation_documents: u64,
    /// Sentences.
    pub sentences: u64,
    /// Tokens of the text, special ones not counted.
    pub tokens: u64,
    /// Examples of both splits.
    pub examples: u64,
    /// Examples to train on.
    pub train_examples: u64,
    /// Examples for validation.
    pub validation_examples: u64,
    /// Tokens that are unknown words.
    pub unknown_tokens: u64,
    /// Their share.
    pub unknown_rate: f64,
    /// Share of positions that are padding when every example is padded to the maximum length.
    pub padding_rate: f64,
    /// Tokens that packing threw away.
    pub discarded_tokens: u64,
    /// 10^6 bytes of UTF-8 text.
    pub megabytes: f64,
    /// Megabytes of text per second, over the chunks that were worked on in this run.
    pub megabytes_per_second: f64,
    /// Seconds in all.
    pub seconds: f64,
    /// Shard files.
    pub shards: u64,
    /// Shard files found finished from an earlier run.
    pub reused_shards: u64,
    /// Bytes of all shard files.
    pub shard_bytes: u64,
    /// How examples were built.
    pub packing: Packing,
    /// What cleaning removed.
    pub cleaned: CleaningCounts,
    /// What each filter would remove, with `report_cleaning`.
    pub cleaning: Option<CleaningReport>,
    /// Per source, what was read.
    pub sources: Vec<SourceReport>,
    /// What was left out or decided about the inputs, see [`Discovery::notes`].
    ///
    /// [`Discovery::notes`]: crate::corpus::Discovery::notes
    pub notes: Vec<String>,
    /// A word that the vocabulary does not know, if there is one.
    pub unknown_example: Option<String>,
}

impl PrepareReport {
    /// The report of a finished directory, without times.
    pub(super) fn of(manifest: &ShardManifest) -> Self {
        let mut report = Self {
            packing: manifest.plan.packing,
            train_examples: manifest.train_examples,
            validation_examples: manifest.validation_examples,
            examples: manifest.train_examples + manifest.validation_examples,
            ..Self::default()
        };
        report.sources = manifest.plan.sources.iter().map(SourceReport::of).collect();
        let mut stored = 0;
        for chunk in &manifest.chunks {
            report.sentences += chunk.sentences;
            report.tokens += chunk.tokens;
            report.discarded_tokens += chunk.discarded;
            report.validation_documents += chunk.validation_documents;
            report.cleaned.add(&chunk.cleaned);
            report.unknown_tokens += chunk.unknown;
            if report.unknown_example.is_none() {
                report.unknown_example.clone_from(&chunk.unknown_example);
            }
            for (source, counts) in &chunk.sources {
                if let Some(total) = report.sources.get_mut(*source) {
                    total.add(counts);
                }
            }
            for shard in &chunk.shards {
                report.shards += 1;
                report.shard_bytes += shard.bytes;
                stored += shard.tokens;
            }
        }
        for (source, digest) in report.sources.iter_mut().zip(&manifest.digests) {
            source.trailing = digest.trailing;
        }
        report.documents = report.sources.iter().map(|source| source.documents).sum();
        let bytes: u64 = report.sources.iter().map(|source| source.bytes).sum();
        report.megabytes = bytes as f64 / 1e6;
        report.unknown_rate = report.unknown_tokens as f64 / report.tokens.max(1) as f64;
        let positions = report.examples * manifest.plan.max_length as u64;
        report.padding_rate = 1.0 - stored as f64 / positions.max(1) as f64;
        report
    }

    /// What the vocabulary does not know of the text.
    #[must_use]
    pub fn unknown(&self) -> UnknownPieces {
        UnknownPieces {
            pieces: self.tokens,
            unknown: self.unknown_tokens,
            example: self.unknown_example.clone(),
        }
    }
}
