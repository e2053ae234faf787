//! From a corpus to a directory of shards, restartable at any point.
//!
//! `plan.json` is written first and says what is being made; each finished chunk leaves its shards
//! and then `parts/N.json`; `manifest.json` comes last and replaces both. Every file is written
//! under another name, synced and renamed. A run that finds parts reads the corpus again, compares
//! each chunk with its part, and works only on chunks without one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::Progress;
use super::manifest::{ChunkRecord, LAYOUT_VERSION, Plan, ShardEntry, ShardManifest};
use super::mixture::{self, SourceWeight};
use super::packing::{Packer, Packing};
use super::shard::{Example, HEADER_BYTES, Header, ShardBuilder, Split};
use crate::corpus::{
    Chunk, CleaningCounts, CleaningReport, CorpusOptions, DuplicateIndex, Format, ReadCounter,
    Source, SourceReport, discover, documents, find_duplicates, for_each_sentence, no_text,
    ordered, read_chunks, report_cleaning,
};
use crate::error::{DataError, Result};
use crate::files::{if_there, replace_file, replace_json, write_json_named};
use crate::lock::Lock;
use crate::rng::{KeyedRng, mix64};
use crate::run::RunDir;
use crate::vocab::{Encoder, UnknownPieces, WordPieceTokenizer};

const PARTS: &str = "parts";

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

/// Tokenizes and packs a corpus into a directory of shards, or finishes a directory that an
/// interrupted run left. The bytes are the same either way, and for any number of threads.
///
/// # Errors
/// When an input cannot be read, an option is out of range, or the directory holds shards of
/// another tokenizer, corpus or options (unless [`PrepareOptions::restart`]).
pub fn prepare(
    tokenizer: &WordPieceTokenizer,
    options: &PrepareOptions,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<PrepareReport> {
    let started = Instant::now();
    check(options)?;
    let found = discover(&options.corpus)?;
    let _lock = Lock::of_directory(&options.out, "aelectra prepare")?;
    let plan = Plan {
        version: LAYOUT_VERSION,
        tokenizer: tokenizer.fingerprint(),
        vocab_size: tokenizer.vocab_size(),
        special: tokenizer.special(),
        max_length: options.max_length,
        packing: options.packing,
        validation: options.validation,
        seed: options.seed,
        weights: options.weights.clone(),
        // The sources say what the inputs were, in an order that does not depend on theirs.
        corpus: CorpusOptions {
            inputs: Vec::new(),
            ..options.corpus.clone()
        },
        sources: found.sources,
    };
    mixture::weights(&plan.sources, &plan.weights)?;
    let mut sources = plan.sources.iter();
    if options.report_cleaning && sources.any(|source| source.format == Format::Stdin) {
        return Err(DataError::invalid(
            "cleaning cannot be reported on standard input, which is read only once",
        )
        .with_hint("write the text to a file first"));
    }
    if let Some(report) = &options.report {
        refuse_a_source(report, &plan.sources)?;
    }
    let finished = open_directory(&options.out, &plan, options.restart)?;
    let wanted = options.report_cleaning.then_some(&options.corpus);
    let cleaning = wanted
        .map(|corpus| report_cleaning(corpus, progress))
        .transpose()?;
    let read = ReadCounter::new(&plan.sources);
    let builder = ChunkBuilder {
        weights: mixture::weights(&plan.sources, &plan.weights)?,
        duplicates: find_duplicates(&plan.sources, &options.corpus, progress)?,
        plan: &plan,
        out: &options.out,
        continuation: tokenizer.continuations(),
        finished,
    };
    let mut chunks: Vec<ChunkRecord> = Vec::new();
    let (mut reused_shards, mut worked_bytes) = (0, 0);
    let digests = ordered(
        options.corpus.thread_count(),
        |emit| read_chunks(&plan.sources, &options.corpus, &read, emit),
        || Encoder::new(tokenizer.clone()),
        |encoder, chunk| builder.run(&chunk, encoder),
        |(record, reused)| {
            let here: u64 = record.sources.iter().map(|(_, source)| source.bytes).sum();
            if reused {
                reused_shards += record.shards.len() as u64;
            } else {
                worked_bytes += here;
            }
            chunks.push(record);
            progress(read.progress("prepare"));
            Ok(())
        },
    )?;
    if builder.finished.len() > chunks.len() {
        return Err(changed(&options.out, "it has become shorter"));
    }
    let of = |split| {
        let shards = chunks.iter().flat_map(|chunk| &chunk.shards);
        let here = shards.filter(|shard| shard.split == split);
        here.map(|shard| shard.examples).sum()
    };
    let manifest = ShardManifest {
        train_examples: of(Split::Train),
        validation_examples: of(Split::Validation),
        plan: plan.clone(),
        digests,
        chunks,
    };
    let mut report = report(&manifest);
    if report.examples == 0 {
        remove_plan(&options.out)?;
        return Err(no_text(
            &report.sources,
            "the corpus has no text to prepare",
        ));
    }
    replace_json(&options.out.join(ShardManifest::FILE), &manifest)?;
    remove_plan(&options.out)?;
    let seconds = started.elapsed().as_secs_f64();
    report.seconds = seconds;
    report.megabytes_per_second = worked_bytes as f64 / 1e6 / seconds.max(1e-9);
    report.reused_shards = reused_shards;
    report.cleaning = cleaning;
    report.notes = found.notes;
    if let Some(path) = &options.report {
        write_json_named(path, &report)?;
    }
    Ok(report)
}

/// The report must not replace what is read.
fn refuse_a_source(report: &Path, sources: &[Source]) -> Result<()> {
    let whole = |path: &Path| path.canonicalize().ok();
    let own = whole(report);
    if own.is_some() && sources.iter().any(|source| whole(&source.path) == own) {
        return Err(DataError::invalid(format!(
            "the report would replace `{}`, which is read",
            report.display()
        ))
        .with_hint("give the report a file of its own"));
    }
    Ok(())
}

/// Removes what only an unfinished directory has.
fn remove_plan(out: &Path) -> Result<()> {
    let parts = out.join(PARTS);
    if_there(fs::remove_dir_all(&parts)).map_err(DataError::io("remove", &parts))?;
    let plan_file = out.join(Plan::FILE);
    if_there(fs::remove_file(&plan_file)).map_err(DataError::io("remove", &plan_file))?;
    Ok(())
}

fn check(options: &PrepareOptions) -> Result<()> {
    if !(8..=65_535).contains(&options.max_length) {
        return Err(DataError::invalid(format!(
            "a maximum length of {} tokens is not between 8 and 65535",
            options.max_length
        ))
        .with_hint("ELECTRA-Small trains at 128 or 512"));
    }
    if !(0.0..1.0).contains(&options.validation) {
        return Err(DataError::invalid(format!(
            "a validation share of {} is not between 0 and 1",
            options.validation
        ))
        .with_hint("0.01 keeps one document in a hundred for validation"));
    }
    Ok(())
}

/// The finished chunks of the directory, after making sure that they belong to the plan.
fn open_directory(out: &Path, plan: &Plan, restart: bool) -> Result<BTreeMap<u64, ChunkRecord>> {
    fs::create_dir_all(out).map_err(DataError::io("create", out))?;
    let parts = out.join(PARTS);
    let manifest_file = out.join(ShardManifest::FILE);
    let plan_file = out.join(Plan::FILE);
    let mut finished = BTreeMap::new();
    let mut existing = None;
    if manifest_file.exists() {
        match ShardManifest::read(out) {
            Ok(manifest) => {
                let chunks = manifest.chunks.into_iter();
                finished = chunks.map(|chunk| (chunk.index, chunk)).collect();
                existing = Some(manifest.plan);
            }
            // Damaged, or of another version of this program: what a restart is for.
            Err(_) if restart && is_of_shards(out, &manifest_file)? => {}
            Err(error) => return Err(error),
        }
    } else if plan_file.exists() {
        existing = read_json::<Plan>(&plan_file)?;
        let entries = if_there(fs::read_dir(&parts)).map_err(DataError::io("read", &parts))?;
        for entry in entries.into_iter().flatten() {
            let path = entry.map_err(DataError::io("read", &parts))?.path();
            if path.extension().is_some_and(|end| end == "json")
                && let Some(record) = read_json::<ChunkRecord>(&path)?
            {
                finished.insert(record.index, record);
            }
        }
    }
    if let Some(existing) = &existing {
        let differences = existing.differences(plan);
        if !differences.is_empty() && !restart {
            return Err(DataError::invalid(format!(
                "`{}` already holds shards prepared with other settings: {}",
                out.display(),
                differences.join("; ")
            ))
            .with_hint("use another --out, or --restart to prepare these shards again"));
        }
    }
    if existing.is_none() {
        // Of parts without a plan nobody knows which one they are of.
        finished.clear();
    }
    if restart {
        // Also where the plan is the same: what a source holds is seen only when it is read.
        finished.clear();
    }
    clear_leftovers(out, &finished)?;
    if finished.is_empty() && parts.exists() {
        // Parts of another plan would be taken for a changed corpus by the run after this one.
        fs::remove_dir_all(&parts).map_err(DataError::io("remove", &parts))?;
    }
    fs::create_dir_all(&parts).map_err(DataError::io("create", &parts))?;
    if finished.is_empty() || !manifest_file.exists() {
        replace_json(&plan_file, plan)?;
    }
    Ok(finished)
}

/// Whether a manifest that cannot be read is one of shards: there are some beside it, and no training, whose
/// manifest has the same name.
fn is_of_shards(out: &Path, manifest: &Path) -> Result<bool> {
    let bytes = fs::read(manifest).map_err(DataError::io("read", manifest))?;
    let told: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    let has_task = told.is_some_and(|manifest| manifest.get("task").is_some());
    let mut files = fs::read_dir(out)
        .map_err(DataError::io("read", out))?
        .flatten();
    let has_shards = files.any(|file| file.path().extension().is_some_and(|end| end == "shard"));
    Ok(has_shards && !has_task && RunDir::open(out).is_err())
}

/// Removes shards that belong to no finished chunk, and half-written files.
fn clear_leftovers(out: &Path, finished: &BTreeMap<u64, ChunkRecord>) -> Result<()> {
    let keep: std::collections::HashSet<&str> = finished
        .values()
        .flat_map(|chunk| &chunk.shards)
        .map(|shard| shard.file.as_str())
        .collect();
    for entry in fs::read_dir(out).map_err(DataError::io("read", out))? {
        let path = entry.map_err(DataError::io("read", out))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_shard = |name: &str| {
            let mut splits = Split::ALL.iter();
            splits.any(|split| name.starts_with(&format!("{}-", split.name())))
        };
        // What `replace_file` leaves when it is killed.
        let half_written = name.strip_prefix('.').is_some_and(|name| {
            let ours = is_shard(name)
                || [ShardManifest::FILE, Plan::FILE]
                    .iter()
                    .any(|f| name.starts_with(f));
            ours && name.ends_with(".tmp")
        });
        let stale = half_written
            || (is_shard(&name) && name.ends_with(".shard") && !keep.contains(&*name))
            || (finished.is_empty() && name == ShardManifest::FILE);
        if stale && path.is_file() {
            fs::remove_file(&path).map_err(DataError::io("remove", &path))?;
        }
    }
    Ok(())
}

fn changed(out: &Path, how: &str) -> DataError {
    DataError::invalid(format!(
        "the corpus is not the one that the shards in `{}` were made from: {how}",
        out.display()
    ))
    .with_hint("use another --out, or --restart to prepare these shards again")
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

struct ChunkBuilder<'a> {
    plan: &'a Plan,
    out: &'a Path,
    /// By source.
    weights: Vec<f64>,
    duplicates: DuplicateIndex,
    continuation: Vec<bool>,
    finished: BTreeMap<u64, ChunkRecord>,
}

impl ChunkBuilder<'_> {
    /// The record of a chunk, and whether it was there already.
    fn run(&self, chunk: &Chunk, encoder: &mut Encoder) -> Result<(ChunkRecord, bool)> {
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
        let part = self
            .out
            .join(PARTS)
            .join(format!("{:06}.json", chunk.index));
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
        let file = format!("{}-{index:06}.shard", split.name());
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

/// The report of a finished directory, without times.
pub(crate) fn report(manifest: &ShardManifest) -> PrepareReport {
    let mut report = PrepareReport {
        packing: manifest.plan.packing,
        train_examples: manifest.train_examples,
        validation_examples: manifest.validation_examples,
        examples: manifest.train_examples + manifest.validation_examples,
        ..PrepareReport::default()
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

/// A JSON file, or `None` when it is not what is expected: then its work is done again.
fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let text = fs::read_to_string(path).map_err(DataError::io("read", path))?;
    Ok(serde_json::from_str(&text).ok())
}
