//! From a corpus to a directory of shards, restartable at any point.
//!
//! `plan.json` is written first and says what is being made; each finished chunk leaves its shards
//! and then `parts/N.json`; `manifest.json` comes last and replaces both. Every file is written
//! under another name, synced and renamed. A run that finds parts reads the corpus again, compares
//! each chunk with its part, and works only on chunks without one.

mod chunk;
mod directory;
mod options;
mod report;

use std::path::Path;
use std::time::Instant;

use super::Progress;
use super::manifest::{ChunkRecord, LAYOUT_VERSION, Plan, ShardManifest};
use super::mixture;
use super::packing::Packing;
use super::shard::Split;
use crate::corpus::{
    Compression, CorpusOptions, Format, ReadCounter, SPLITTER, Source, discover, find_duplicates,
    no_text, ordered, read_chunks, report_cleaning,
};
use crate::error::{DataError, Result};
use crate::files::{replace_json, write_json_named};
use crate::lock::Lock;
use crate::vocab::{Encoder, WordPieceTokenizer};
use chunk::ChunkBuilder;
use directory::{changed, chunk_bytes_before, open_directory, remove_plan};

pub use options::PrepareOptions;
pub use report::PrepareReport;

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
    options.check()?;
    let found = discover(&options.corpus)?;
    let wanted = options.corpus.chunk_bytes;
    let options = &PrepareOptions {
        corpus: CorpusOptions {
            // An earlier version made chunks as they were wanted, however many these were.
            chunk_bytes: match chunk_bytes(wanted, &found.sources) {
                larger
                    if larger > wanted
                        && !options.restart
                        && chunk_bytes_before(&options.out) == Some(wanted) =>
                {
                    wanted
                }
                fitting => fitting,
            },
            ..options.corpus.clone()
        },
        ..options.clone()
    };
    let _lock = Lock::of_directory(&options.out, "aelectra prepare")?;
    let plan = plan_of(tokenizer, options, found.sources);
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
    let mut report = PrepareReport::of(&manifest);
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

/// Chunks that a corpus is cut into, at most, as far as its size tells before it is read: each has two shards, and a process
/// may map some 65,000 files into its memory (`vm.max_map_count` of Linux).
const MOST_CHUNKS: u64 = 16_384;
/// How much text a byte of a compressed file stands for, about.
const UNPACKED: u64 = 5;

/// The bytes of a chunk: those that are wanted, or so many more that a very large corpus has not too many chunks.
fn chunk_bytes(wanted: usize, sources: &[Source]) -> usize {
    let text = |source: &Source| match source.compression {
        Compression::None => source.bytes,
        _ => source.bytes.saturating_mul(UNPACKED),
    };
    let bytes = sources.iter().map(text).fold(0, u64::saturating_add);
    let mut chunk = wanted.max(1);
    while bytes / chunk as u64 > MOST_CHUNKS {
        chunk = chunk.saturating_mul(2);
    }
    chunk
}

/// What is to be made.
fn plan_of(tokenizer: &WordPieceTokenizer, options: &PrepareOptions, sources: Vec<Source>) -> Plan {
    Plan {
        version: LAYOUT_VERSION,
        tokenizer: tokenizer.fingerprint(),
        vocab_size: tokenizer.vocab_size(),
        special: tokenizer.special(),
        max_length: options.max_length,
        packing: options.packing,
        splitter: match options.packing {
            Packing::Electra => SPLITTER,
            Packing::Full => 0,
        },
        validation: options.validation,
        seed: options.seed,
        weights: options.weights.clone(),
        // The sources say what the inputs were, in an order that does not depend on theirs.
        corpus: CorpusOptions {
            inputs: Vec::new(),
            ..options.corpus.clone()
        },
        sources,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Encoding;

    #[test]
    fn a_very_large_corpus_has_larger_chunks() {
        let of = |bytes: u64, compression: Compression| Source {
            bytes,
            compression,
            path: "a.txt".into(),
            format: Format::PlainFile,
            encoding: Encoding::default(),
            carriage_returns: false,
        };
        let chunk = 8 << 20;
        let sizes = |sources: &[Source]| chunk_bytes(chunk, sources) / chunk;
        assert_eq!(sizes(&[]), 1);
        assert_eq!(sizes(&[of(100 << 30, Compression::None)]), 1);
        assert_eq!(sizes(&[of(300 << 30, Compression::None)]), 4);
        assert_eq!(sizes(&[of(60 << 30, Compression::Zstd)]), 4);
        assert_eq!(chunk_bytes(0, &[]), 1);
    }
}
