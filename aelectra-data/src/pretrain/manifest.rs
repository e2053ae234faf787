//! The manifest of a shard directory.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Packing;
use super::mixture::SourceWeight;
use super::shard::Split;
use crate::corpus::{CorpusOptions, Source, SourceReport};
use crate::error::{DataError, Result};
use crate::files::read_json;
use crate::vocab::SpecialIds;

/// The version of the layout of a shard directory.
pub(crate) const LAYOUT_VERSION: u32 = 1;

/// Everything that decides the bytes of the shards and is known before reading the corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub(crate) version: u32,
    /// The tokenizer's fingerprint.
    pub(crate) tokenizer: String,
    pub(crate) vocab_size: usize,
    /// Its special tokens.
    pub special: SpecialIds,
    /// Longest example in tokens.
    pub(crate) max_length: usize,
    /// How examples were built.
    pub packing: Packing,
    /// Version of the rules that cut sentences, where examples are made of those; 0 in shards of earlier versions.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) splitter: u32,
    /// Share of documents for validation.
    pub(crate) validation: f64,
    /// Seed of the random choices of packing.
    pub(crate) seed: u64,
    /// How much sources count that do not count once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) weights: Vec<SourceWeight>,
    pub(crate) corpus: CorpusOptions,
    /// The files, sorted by path.
    pub(crate) sources: Vec<Source>,
}

fn is_zero(version: &u32) -> bool {
    *version == 0
}

impl Plan {
    /// The name of its file while shards are being made.
    pub(crate) const FILE: &'static str = "plan.json";

    /// Where `now` differs from this plan, each as `what: one thing before, another now`.
    pub(crate) fn differences(&self, now: &Self) -> Vec<String> {
        let told = |what: &dyn Display, before: String, now: String| {
            format!("{what}: {before} before, {now} now")
        };
        let flat = |plan: &Self| {
            let mut value = serde_json::to_value(plan).unwrap_or_default();
            if let Some(corpus) = value.get_mut("corpus").and_then(Value::as_object_mut) {
                corpus.remove("inputs");
            }
            value
        };
        let (old, new) = (flat(self), flat(now));
        let mut out = Vec::new();
        let plans = [&old, &new].into_iter().filter_map(Value::as_object);
        let keys: BTreeSet<&String> = plans.flat_map(|plan| plan.keys()).collect();
        for key in keys {
            if key != "sources" && old[key] != new[key] {
                out.push(told(key, old[key].to_string(), new[key].to_string()));
            }
        }
        let size = |source: Option<&Source>| {
            source.map_or("absent".to_owned(), |source| {
                format!("{} bytes", source.bytes)
            })
        };
        // Of the same size, it is read in another way.
        let kind = |source: &Source| {
            let format = serde_json::to_value(source.format).unwrap_or_default();
            let format = format.as_str().unwrap_or_default().replace('_', " ");
            let (compression, encoding) = (source.compression.name(), source.encoding.name());
            format!("read as {format}, {compression}, {encoding}")
        };
        if self.sources == now.sources {
            return out;
        }
        let by_path = |sources: &'_ [Source]| -> HashMap<PathBuf, Source> {
            let named = |source: &Source| (source.path.clone(), source.clone());
            sources.iter().map(named).collect()
        };
        let (all_before, all_after) = (by_path(&self.sources), by_path(&now.sources));
        let paths: BTreeSet<&PathBuf> = all_before.keys().chain(all_after.keys()).collect();
        for path in paths {
            let (before, after) = (all_before.get(path), all_after.get(path));
            let (what_before, what_after) = match (before, after) {
                (Some(before), Some(after)) if before.bytes == after.bytes => {
                    (kind(before), kind(after))
                }
                _ => (size(before), size(after)),
            };
            if before != after {
                out.push(told(&path.display(), what_before, what_after));
            }
        }
        out
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShardEntry {
    pub(crate) file: String,
    pub(crate) split: Split,
    pub(crate) examples: u64,
    /// Number of tokens, special ones included.
    pub(crate) tokens: u64,
    pub(crate) bytes: u64,
    /// XXH3 (64 bits) of the file after its header, in hexadecimal.
    pub(crate) xxh3: String,
}

/// The result of one chunk of the corpus.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ChunkRecord {
    pub(crate) index: u64,
    /// A hash of its documents.
    pub(crate) input: String,
    pub(crate) sentences: u64,
    /// Tokens of its text, special ones not counted.
    pub(crate) tokens: u64,
    /// How many of them are unknown.
    pub(crate) unknown: u64,
    /// The first word of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unknown_example: Option<String>,
    /// How many of them packing threw away.
    pub(crate) discarded: u64,
    pub(crate) validation_documents: u64,
    pub(crate) cleaned: crate::corpus::CleaningCounts,
    /// Its shards: at most one for each split.
    pub(crate) shards: Vec<ShardEntry>,
    /// What was read, by index of the source.
    pub(crate) sources: Vec<(usize, SourceReport)>,
}

/// The content of a shard directory (`manifest.json`). It has no times and no machine in it: the
/// same corpus and options give the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardManifest {
    /// What it was made from.
    #[serde(flatten)]
    pub plan: Plan,
    pub(crate) train_examples: u64,
    pub(crate) validation_examples: u64,
    /// Decompressed size and hash of each source, in order.
    pub digests: Vec<crate::corpus::SourceDigest>,
    /// What became of each chunk.
    pub(crate) chunks: Vec<ChunkRecord>,
}

impl ShardManifest {
    /// The name of the file.
    pub const FILE: &'static str = "manifest.json";

    /// Reads the manifest of a directory.
    ///
    /// # Errors
    /// When there is none, or it is of another version.
    pub fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(Self::FILE);
        if !path.exists() {
            let state = if dir.join(Plan::FILE).exists() {
                "holds unfinished shards"
            } else {
                "has no shards"
            };
            return Err(DataError::invalid(format!("`{}` {state}", dir.display()))
                .with_hint("run `aelectra prepare` with this directory as --out"));
        }
        let value: Value = read_json(&path, "a shard manifest")?;
        if value["version"].is_null() {
            return Err(DataError::parse(
                &path,
                0,
                "a shard manifest",
                "another file of this name",
            )
            .with_hint("is this the directory of a run? shards have one of their own"));
        }
        if value["version"] != LAYOUT_VERSION {
            let expected = format!("version {LAYOUT_VERSION}");
            let found = format!("version {}", value["version"]);
            return Err(DataError::parse(&path, 0, expected, found)
                .with_hint("prepare the data again with this program and --restart"));
        }
        serde_json::from_value(value)
            .map_err(|error| DataError::parse(&path, 0, "a shard manifest", error.to_string()))
    }

    /// The shards of a split, in order.
    pub(crate) fn shards(&self, split: Split) -> impl Iterator<Item = &ShardEntry> {
        self.chunks
            .iter()
            .flat_map(|chunk| &chunk.shards)
            .filter(move |shard| shard.split == split)
    }
}
