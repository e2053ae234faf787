//! A directory of shards, mapped into memory.

use std::fs::File;
use std::path::{Path, PathBuf};

#[cfg(unix)]
use memmap2::Advice;
use memmap2::Mmap;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::manifest::{ShardEntry, ShardManifest};
use super::shard::{Example, HEADER_BYTES, Header, Split, damaged};
use crate::error::{DataError, Result};
use crate::files::{hex, if_there};

struct Shard {
    path: PathBuf,
    header: Header,
    map: Mmap,
    /// The index of its first example in its split.
    first: usize,
}

impl Shard {
    /// Maps a file and checks it against its entry in the manifest and its own checksums.
    fn open(path: PathBuf, first: usize, entry: &ShardEntry, tokenizer: &str) -> Result<Self> {
        let Some(file) = if_there(File::open(&path)).map_err(DataError::io("open", &path))? else {
            return Err(damaged(&path, "the file is missing"));
        };
        let bytes = file.metadata().map_err(DataError::io("read", &path))?.len();
        if bytes != entry.bytes {
            let message = format!(
                "it has {bytes} bytes where manifest.json says {}",
                entry.bytes
            );
            return Err(damaged(&path, message));
        }
        // SAFETY: shards are written under another name and renamed, and never changed afterwards
        // by this program; a file that another program truncates while it is mapped would end the
        // process, which is the known limit of every memory map.
        let map = unsafe { Mmap::map(&file) }.map_err(DataError::io("map", &path))?;
        let header = Header::read(&path, &map)?;
        let checksum = format!("{:016x}", header.checksum);
        let found = (hex(&header.vocabulary), checksum);
        let counts = (header.split, header.examples as u64, header.tokens as u64);
        if found != (tokenizer.to_owned(), entry.xxh3.clone())
            || counts != (entry.split, entry.examples, entry.tokens)
        {
            return Err(damaged(&path, "its header does not match manifest.json"));
        }
        if xxh3_64(&map[HEADER_BYTES..]) != header.checksum {
            return Err(damaged(&path, "its content does not match its checksum"));
        }
        // Examples are drawn from anywhere: reading ahead would fetch far more than is used. It is only advice.
        #[cfg(unix)]
        let _ = map.advise(Advice::Random);
        Ok(Self {
            path,
            header,
            map,
            first,
        })
    }
}

/// The examples of a shard directory, mapped into memory.
///
/// Opening reads every shard once to compare it with its checksum: as fast as the disk, or memory
/// where the files are cached (XXH3 itself does tens of GB/s). After that an example costs what it
/// takes from the page cache.
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
    /// Opens a directory that [`prepare`](super::prepare()) finished.
    ///
    /// # Errors
    /// When it is unfinished, or a shard is missing, damaged or of another tokenizer;
    /// [`DataError::Corrupt`] names the damaged file.
    pub fn open(dir: &Path) -> Result<Self> {
        let manifest = ShardManifest::read(dir)?;
        let mut shards = [Vec::new(), Vec::new()];
        for split in Split::ALL {
            let mut first = 0;
            for entry in manifest.shards(split) {
                let path = dir.join(&entry.file);
                let shard = Shard::open(path, first, entry, &manifest.plan.tokenizer)?;
                first += shard.header.examples;
                shards[split as usize].push(shard);
            }
        }
        Ok(Self { manifest, shards })
    }

    /// The manifest: what the shards were made from.
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

    /// An example of a split; its ids are below [`ShardSet::vocab_size`].
    ///
    /// # Errors
    /// When there is no example `index`, or the shard holds none that fits the vocabulary, as when
    /// another program changed the file after it was opened.
    pub fn example(&self, split: Split, index: usize) -> Result<Example> {
        let shards = &self.shards[split as usize];
        let after = shards.partition_point(|shard| shard.first <= index);
        if index >= self.len(split) || after == 0 {
            let (name, len) = (split.name(), self.len(split));
            let message = format!("example {index} of {len} in the {name} split");
            return Err(DataError::invalid(message));
        }
        let shard = &shards[after - 1];
        let within = index - shard.first;
        let example = shard.header.example(&shard.map, within);
        let vocabulary = self.vocab_size() as u32;
        example
            .filter(|example| {
                let ids = &example.input_ids;
                (1..=self.max_length()).contains(&ids.len())
                    && example.first_segment <= ids.len()
                    && ids.iter().all(|&id| id < vocabulary)
            })
            .ok_or_else(|| {
                let problem = format!(
                    "example {within} is not 1 to {} ids below {vocabulary}, the vocabulary's size",
                    self.max_length()
                );
                damaged(&shard.path, problem)
            })
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

    /// A hash of what all shards hold, in hexadecimal.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = Xxh3::new();
        for split in Split::ALL {
            for shard in self.manifest.shards(split) {
                hash.update(shard.xxh3.as_bytes());
            }
        }
        format!("{:016x}", hash.digest())
    }

    /// The fingerprint of the tokenizer.
    #[must_use]
    pub fn tokenizer_fingerprint(&self) -> &str {
        &self.manifest.plan.tokenizer
    }
}

#[cfg(test)]
mod tests {
    use super::super::shard::ShardBuilder;
    use super::super::{PrepareOptions, prepare};
    use super::*;
    use crate::corpus::CorpusOptions;
    use crate::vocab::{TokenizerOptions, WordPieceTokenizer};

    /// Shards of a little text, and what made them.
    fn shards(dir: &Path) -> (WordPieceTokenizer, PrepareOptions) {
        let tokens = "[PAD] [UNK] [CLS] [SEP] [MASK] a b c".split(' ');
        let tokens = tokens.map(str::to_owned).collect();
        let tokenizer = WordPieceTokenizer::from_tokens(tokens, TokenizerOptions::default());
        let tokenizer = tokenizer.expect("a vocabulary");
        let text = dir.join("text.txt");
        std::fs::write(&text, "a b c. ".repeat(500)).expect("writes");
        let options = PrepareOptions {
            corpus: CorpusOptions {
                inputs: vec![text],
                ..CorpusOptions::default()
            },
            out: dir.join("shards"),
            max_length: 16,
            validation: 0.0,
            ..PrepareOptions::default()
        };
        prepare(&tokenizer, &options, &|_| {}).expect("prepares");
        (tokenizer, options)
    }

    #[test]
    fn a_damaged_shard_is_named_and_rebuilt() {
        let dir = tempfile::tempdir().expect("a directory");
        let (tokenizer, options) = shards(dir.path());
        let file = options.out.join("train-000000.shard");
        let whole = std::fs::read(&file).expect("reads");
        let flipped = |at: usize| {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            Some(damaged)
        };
        for damaged in [
            flipped(0),
            flipped(60),
            flipped(HEADER_BYTES),
            flipped(whole.len() - 1),
            Some(whole[..whole.len() - 1].to_vec()),
            Some([&whole[..], &[0]].concat()),
            Some(Vec::new()),
            None,
        ] {
            match damaged {
                Some(damaged) => std::fs::write(&file, damaged).expect("writes"),
                None => std::fs::remove_file(&file).expect("removes"),
            }
            let error = ShardSet::open(&options.out).expect_err("damaged");
            assert!(error.to_string().contains("train-000000.shard"), "{error}");
            assert!(
                error
                    .hint()
                    .is_some_and(|h| h.contains("`aelectra prepare`"))
            );
            prepare(&tokenizer, &options, &|_| {}).expect("prepares again");
            assert_eq!(std::fs::read(&file).expect("reads"), whole);
        }
        let set = ShardSet::open(&options.out).expect("whole again");
        let len = set.len(Split::Train);
        assert!(set.example(Split::Train, len - 1).is_ok());
        assert!(set.example(Split::Train, len).is_err());
        assert!(set.example(Split::Validation, 0).is_err());
    }

    #[test]
    fn ids_beyond_the_vocabulary_are_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let (tokenizer, options) = shards(dir.path());
        let mut shard = ShardBuilder::new(8, &tokenizer.fingerprint(), 16, Split::Train);
        for input_ids in [vec![2, 7, 3], vec![2, 8, 3], Vec::new(), vec![2; 17]] {
            shard.push(&Example {
                first_segment: input_ids.len(),
                input_ids,
            });
        }
        let tokens = shard.tokens() as u64;
        let bytes = shard.finish();
        std::fs::write(options.out.join("train-000000.shard"), &bytes).expect("writes");
        let mut manifest = ShardManifest::read(&options.out).expect("reads");
        let entry = &mut manifest.chunks[0].shards[0];
        (entry.examples, entry.tokens, entry.bytes) = (4, tokens, bytes.len() as u64);
        entry.xxh3 = format!("{:016x}", xxh3_64(&bytes[HEADER_BYTES..]));
        crate::files::replace_json(&options.out.join(ShardManifest::FILE), &manifest)
            .expect("writes");
        let set = ShardSet::open(&options.out).expect("the checksum is right");
        assert!(set.example(Split::Train, 0).is_ok());
        // An id that is none, no ids, and too many.
        for index in 1..4 {
            let error = set.example(Split::Train, index).expect_err("refused");
            let error = error.to_string();
            assert!(
                error.contains("train-000000.shard") && error.contains("1 to 16 ids below 8"),
                "{error}"
            );
        }
    }
}
