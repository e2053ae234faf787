//! A directory of shards, mapped into memory.

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use xxhash_rust::xxh3::xxh3_64;

use super::ShardManifest;
use super::shard::{Example, HEADER_BYTES, Header, Split};
use crate::error::{DataError, Result};

struct Shard {
    path: PathBuf,
    header: Header,
    map: Mmap,
    /// The index of its first example in its split.
    first: usize,
}

/// The examples of a shard directory. Opening maps the files and reads their headers; examples are
/// read from the page cache when asked for.
pub struct ShardSet {
    manifest: ShardManifest,
    shards: [Vec<Shard>; 2],
}

impl std::fmt::Debug for ShardSet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ShardSet")
            .field("train", &self.len(Split::Train))
            .field("validation", &self.len(Split::Validation))
            .finish_non_exhaustive()
    }
}

impl ShardSet {
    /// Opens a directory that [`prepare`](super::prepare) finished.
    ///
    /// # Errors
    /// When it is unfinished, or a shard is missing, damaged or of another tokenizer.
    pub fn open(dir: &Path) -> Result<Self> {
        let manifest = ShardManifest::read(dir)?;
        let mut shards = [Vec::new(), Vec::new()];
        for split in Split::ALL {
            let mut first = 0;
            for entry in manifest.shards(split) {
                let path = dir.join(&entry.file);
                let file = File::open(&path).map_err(DataError::io("open", &path))?;
                // SAFETY: shards are written under another name and renamed, and never changed
                // afterwards by this program; a file that another program truncates while it is
                // mapped would end the process, which is the known limit of every memory map.
                let map = unsafe { Mmap::map(&file) }.map_err(DataError::io("map", &path))?;
                let header = Header::read(&path, &map)?;
                let expected = (&manifest.plan.tokenizer, entry.examples, &entry.xxh3);
                let vocabulary: String = header
                    .vocabulary
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect();
                let checksum = format!("{:016x}", header.checksum);
                if expected != (&vocabulary, header.examples as u64, &checksum) {
                    return Err(DataError::Corrupt {
                        path,
                        message: "its header is not the one that manifest.json describes".into(),
                    });
                }
                let examples = header.examples;
                shards[split as usize].push(Shard {
                    path,
                    header,
                    map,
                    first,
                });
                first += examples;
            }
        }
        Ok(Self { manifest, shards })
    }

    /// Reads every shard and compares it with its checksum.
    ///
    /// # Errors
    /// [`DataError::Corrupt`] for the first that differs.
    pub fn verify(&self) -> Result<()> {
        for shard in self.shards.iter().flatten() {
            if xxh3_64(&shard.map[HEADER_BYTES..]) != shard.header.checksum {
                return Err(DataError::Corrupt {
                    path: shard.path.clone(),
                    message: "its content does not match its checksum".into(),
                });
            }
        }
        Ok(())
    }

    /// What the shards were made from.
    #[must_use]
    pub fn manifest(&self) -> &ShardManifest {
        &self.manifest
    }

    /// Number of examples of a split.
    #[must_use]
    pub fn len(&self, split: Split) -> usize {
        self.shards[split as usize]
            .last()
            .map_or(0, |shard| shard.first + shard.header.examples)
    }

    /// Whether a split has no examples.
    #[must_use]
    pub fn is_empty(&self, split: Split) -> bool {
        self.len(split) == 0
    }

    /// An example of a split. Empty when `index` is out of range or the shard is damaged
    /// ([`ShardSet::verify`] finds out).
    #[must_use]
    pub fn example(&self, split: Split, index: usize) -> Example {
        let shards = &self.shards[split as usize];
        let at = shards.partition_point(|shard| shard.first <= index);
        at.checked_sub(1)
            .and_then(|at| {
                shards[at]
                    .header
                    .example(&shards[at].map, index - shards[at].first)
            })
            .unwrap_or_default()
    }

    /// Longest example in tokens.
    #[must_use]
    pub fn max_length(&self) -> usize {
        self.manifest.plan.max_length
    }

    /// Size of the vocabulary.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.manifest.plan.vocab_size
    }

    /// The fingerprint of the tokenizer.
    #[must_use]
    pub fn tokenizer_fingerprint(&self) -> &str {
        &self.manifest.plan.tokenizer
    }
}
