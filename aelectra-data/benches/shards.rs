//! Throughput of the data pipeline on real text: vocabulary, text to shards, masked batches.
//!
//! `cargo bench -p aelectra-data --bench shards -- TEXT… [--threads N] [--tokenizer DIR] [--keep DIR]`
//!
//! prints one JSON document. Without TEXT it generates some, so that `cargo bench` always runs;
//! numbers to report need real text. `tests/peer/tokenizers_throughput.py` measures the Python
//! peers on the same files.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use aelectra_data::corpus::CorpusOptions;
use aelectra_data::pretrain::{
    BatchLoader, BatchSource, Packing, PrepareOptions, ShardSet, Split, prepare,
};
use aelectra_data::rng::KeyedRng;
use aelectra_data::vocab::{Encoder, VocabularyOptions, WordPieceTokenizer, train_vocabulary};

fn generated(dir: &std::path::Path) -> PathBuf {
    let mut rng = KeyedRng::new(1, "bench", &[]);
    let mut text = String::new();
    for _ in 0..20_000 {
        for _ in 0..30 {
            // Short words are frequent, long ones rare, as in text.
            let length = 1 + rng.below(3) + rng.below(4) * rng.below(3);
            for _ in 0..length {
                let letters = b"etaonirsldgkmvfpuh";
                let at = rng.below(18).min(rng.below(18));
                text.push(char::from(letters[at as usize]));
            }
            text.push(' ');
        }
        text.push_str(".\n\n");
    }
    let path = dir.join("generated.txt");
    std::fs::write(&path, text).unwrap();
    path
}

/// The largest resident size of this process so far, in bytes; 0 where `/proc` does not say.
fn peak_rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap_or_default();
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024
}

/// Processor seconds of all threads of this process so far: what a busy machine does not distort.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|f| f.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    // User and system time in ticks, of which Linux shows 100 a second.
    (ticks(11) + ticks(12)) / 100.0
}

fn main() {
    let mut inputs = Vec::new();
    let (mut threads, mut tokenizer_dir, mut keep) = (0, None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" | "--test" => {}
            "--threads" => threads = arguments.next().unwrap().parse().unwrap(),
            "--tokenizer" => tokenizer_dir = arguments.next().map(PathBuf::from),
            "--keep" => keep = arguments.next().map(PathBuf::from),
            _ => inputs.push(PathBuf::from(argument)),
        }
    }
    let scratch = tempfile::tempdir().unwrap();
    if inputs.is_empty() {
        inputs.push(generated(scratch.path()));
    }
    let corpus = CorpusOptions {
        inputs,
        threads,
        ..CorpusOptions::default()
    };
    let mut out = serde_json::Map::new();
    out.insert("threads".into(), corpus.thread_count().into());

    let tokenizer = match tokenizer_dir {
        Some(dir) if dir.join("vocab.txt").exists() => WordPieceTokenizer::from_dir(&dir).unwrap(),
        dir => {
            let (tokenizer, report) =
                train_vocabulary(&corpus, &VocabularyOptions::default(), &|_| {}).unwrap();
            let mut report = serde_json::to_value(report).unwrap();
            report["peak_rss_bytes"] = peak_rss().into();
            out.insert("vocab".into(), report);
            if let Some(dir) = dir {
                tokenizer.save(&dir).unwrap();
            }
            tokenizer
        }
    };
    let directory = keep.unwrap_or_else(|| scratch.path().join("shards"));
    for packing in [Packing::Electra, Packing::Full] {
        if directory.exists() {
            std::fs::remove_dir_all(&directory).unwrap();
        }
        let options = PrepareOptions {
            corpus: corpus.clone(),
            out: directory.clone(),
            packing,
            ..PrepareOptions::default()
        };
        let before = cpu_seconds();
        let report = prepare(&tokenizer, &options, &|_| {}).unwrap();
        let mut report = serde_json::to_value(report).unwrap();
        report["cpu_seconds"] = (cpu_seconds() - before).into();
        report["peak_rss_bytes"] = peak_rss().into();
        let name = serde_json::to_value(packing).unwrap();
        out.insert(format!("prepare_{}", name.as_str().unwrap()), report);
    }

    let shards = Arc::new(ShardSet::open(&directory).unwrap());
    // One thread, no disk: what tokenizing itself costs.
    let mut encoder = Encoder::new(tokenizer.clone());
    let text: String = (0..shards.len(Split::Train).min(20_000))
        .map(|i| {
            let ids = shards.example(Split::Train, i).unwrap().input_ids;
            let words: Vec<&str> = ids[1..ids.len() - 1]
                .iter()
                .map(|&id| tokenizer.token(id))
                .collect();
            words.join(" ").replace(" ##", "") + "\n"
        })
        .collect();
    let mut ids = Vec::new();
    encoder.encode_into(&text, &mut ids);
    ids.clear();
    let started = Instant::now();
    encoder.encode_into(&text, &mut ids);
    let warm = text.len() as f64 / 1e6 / started.elapsed().as_secs_f64();
    let started = Instant::now();
    let plain = tokenizer.encode_ids(&text);
    let cold = text.len() as f64 / 1e6 / started.elapsed().as_secs_f64();
    assert_eq!(plain, ids);
    out.insert("encode_warm_megabytes_per_second".into(), warm.into());
    out.insert("encode_uncached_megabytes_per_second".into(), cold.into());

    let batch_size = 128.min(shards.len(Split::Train));
    let source = Arc::new(BatchSource::new(shards, Split::Train, 1, batch_size).unwrap());
    let mut times: Vec<f64> = (0..200)
        .map(|step| {
            let started = Instant::now();
            std::hint::black_box(source.batch(step).unwrap());
            started.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    out.insert("batch_median_ms".into(), (times[100] * 1e3).into());
    let started = Instant::now();
    let tokens: usize = BatchLoader::start(source, 0, 4)
        .take(500)
        .map(|batch| batch.unwrap().lengths.iter().sum::<usize>())
        .sum();
    let seconds = started.elapsed().as_secs_f64();
    out.insert("loader_batches_per_second".into(), (500.0 / seconds).into());
    out.insert(
        "loader_tokens_per_second".into(),
        (tokens as f64 / seconds).into(),
    );
    out.insert("peak_rss_bytes".into(), peak_rss().into());
    println!("{}", serde_json::to_string_pretty(&out).unwrap());
}
