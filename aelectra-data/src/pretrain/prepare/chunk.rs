//! The shards of one chunk of the corpus.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::super::manifest::{ChunkRecord, Plan, ShardEntry};
use super::super::mixture;
use super::super::packing::Packer;
use super::super::shard::{Example, HEADER_BYTES, Header, ShardBuilder, Split};
use super::directory::{PARTS, changed, part_file, shard_file};
use crate::corpus::{Chunk, DuplicateIndex, documents, for_each_sentence};
use crate::error::{DataError, Result};
use crate::files::{replace_file, replace_json};
use crate::rng::{KeyedRng, mix64};
use crate::vocab::Encoder;

/// Makes the shards of chunks that have none.
pub(super) struct ChunkBuilder<'a> {
    pub plan: &'a Plan,
    pub out: &'a Path,
    /// By source.
    pub weights: Vec<f64>,
    pub duplicates: DuplicateIndex,
    /// By token, whether it continues a word.
    pub continuation: Vec<bool>,
    /// By number, what an earlier run left.
    pub finished: BTreeMap<u64, ChunkRecord>,
}

impl ChunkBuilder<'_> {
    /// The record of a chunk, and whether it was there already.
    pub(super) fn run(&self, chunk: &Chunk, encoder: &mut Encoder) -> Result<(ChunkRecord, bool)> {
        let input = format!("{:016x}", chunk.checksum());
        if let Some(record) = self.finished.get(&chunk.index) {
            if record.input != input {
                let paths: Vec<String> = self.paths(chunk);
                return Err(changed(self.out, &format!("{} differs", paths.join(", "))));
            }
            if record.shards.iter().all(|shard| self.is_intact(shard)) {
                return Ok((record.clone(), true));
            }
        }
        let mut record = self.build(chunk, encoder)?;
        record.input = input;
        let part = self.out.join(PARTS).join(part_file(chunk.index));
        replace_json(&part, &record)?;
        Ok((record, false))
    }

    fn paths(&self, chunk: &Chunk) -> Vec<String> {
        let by_source = chunk.records.chunk_by(|a, b| a.source == b.source);
        let sources = by_source.map(|records| &self.plan.sources[records[0].source]);
        sources
            .map(|source| source.path.display().to_string())
            .collect()
    }

    fn is_intact(&self, shard: &ShardEntry) -> bool {
        fs::read(self.out.join(&shard.file)).is_ok_and(|file| {
            Header::read(Path::new(&shard.file), &file).is_ok_and(|header| {
                format!("{:016x}", header.checksum) == shard.xxh3
                    && header.checksum == xxh3_64(&file[HEADER_BYTES..])
            })
        })
    }

    fn build(&self, chunk: &Chunk, encoder: &mut Encoder) -> Result<ChunkRecord> {
        let plan = self.plan;
        let mut record = ChunkRecord {
            index: chunk.index,
            ..ChunkRecord::default()
        };
        let mut outputs = Split::ALL.map(|split| {
            let rng = KeyedRng::new(plan.seed, "packing", &[chunk.index, split as u64]);
            let packer = Packer::new(
                plan.packing,
                plan.max_length,
                plan.special,
                &self.continuation,
                rng,
            );
            let shard = ShardBuilder::new(plan.vocab_size, &plan.tokenizer, plan.max_length, split);
            (packer, shard)
        });
        let mut ids = Vec::new();
        let (sources, corpus) = (&plan.sources, &plan.corpus);
        let counts = documents(chunk, sources, corpus, &self.duplicates, |source, text| {
            let split = split_of(text, plan.validation);
            let copies = mixture::copies(text, split, self.weights[source]);
            record.validation_documents += u64::from(split == Split::Validation && copies > 0);
            let (packer, shard) = &mut outputs[split as usize];
            let mut emit = |example: &Example| shard.push(example);
            for _ in 0..copies {
                for_each_sentence(text, |sentence| {
                    ids.clear();
                    encoder.encode_into(sentence, &mut ids);
                    record.sentences += 1;
                    record.tokens += ids.len() as u64;
                    let unknown = ids.iter().filter(|&&id| id == plan.special.unk).count();
                    record.unknown += unknown as u64;
                    if unknown > 0 && record.unknown_example.is_none() {
                        record.unknown_example = encoder.tokenizer().first_unknown(sentence);
                    }
                    packer.sentence(&ids, &mut emit);
                });
                packer.end_document(&mut emit);
            }
        })?;
        record.sources = counts.sources;
        record.cleaned = counts.cleaning;
        for (split, (mut packer, mut shard)) in Split::ALL.into_iter().zip(outputs) {
            packer.finish(&mut |example| shard.push(example));
            record.discarded += packer.discarded;
            if u32::try_from(shard.tokens()).is_err() {
                let message = format!(
                    "{} tokens of a chunk of text, of which a shard has no room for more than {}",
                    shard.tokens(),
                    u32::MAX
                );
                return Err(DataError::invalid(message).with_hint(
                    "give a smaller --weight, or put the source into the corpus several times",
                ));
            }
            if shard.examples() > 0 {
                record.shards.push(self.write(chunk.index, split, shard)?);
            }
        }
        Ok(record)
    }

    fn write(&self, index: u64, split: Split, shard: ShardBuilder) -> Result<ShardEntry> {
        let file = shard_file(split, index);
        let (examples, tokens) = (shard.examples() as u64, shard.tokens() as u64);
        let bytes = shard.finish();
        replace_file(&self.out.join(&file), &bytes)?;
        Ok(ShardEntry {
            split,
            examples,
            tokens,
            bytes: bytes.len() as u64,
            xxh3: format!("{:016x}", xxh3_64(&bytes[HEADER_BYTES..])),
            file,
        })
    }
}

/// Which split a document belongs to: decided by its text alone, so that it stays when others come
/// and go, and equal documents stay together.
fn split_of(text: &str, validation: f64) -> Split {
    let hash = mix64(xxh3_64(text.trim().as_bytes()));
    let uniform = (hash >> 11) as f64 / (1u64 << 53) as f64;
    if uniform < validation {
        Split::Validation
    } else {
        Split::Train
    }
}
