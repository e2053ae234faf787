//! `aelectra bench data`.

use std::path::PathBuf;
use std::sync::Arc;

use aelectra_data::pretrain::{
    BatchLoader, BatchSource, Packing, PrepareOptions, ShardSet, Split, prepare,
};
use aelectra_data::vocab::{
    TokenizerOptions, VocabularyOptions, WordPieceTokenizer, train_vocabulary,
};
use aelectra_train::system::processor_seconds;
use clap::Args;
use serde_json::json;

use super::args::set_threads;
use super::measure::{Workload, measure};
use crate::common::CorpusArgs;
use crate::global::Global;
use crate::output;

/// Time the data path: vocabulary, text to shards (both packings), and masked batches.
///
/// A repetition is one masked batch handed to the trainer.
#[derive(Args, Debug)]
pub(crate) struct DataArgs {
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Tokenizer directory (default: train one on the text and time that).
    #[arg(long, value_name = "DIR")]
    tokenizer: Option<PathBuf>,
    /// Sequences per batch.
    #[arg(long, default_value_t = 128, value_name = "B")]
    batch: usize,
    /// Maximum length of an example, in pieces.
    #[arg(long, default_value_t = 128, value_name = "L")]
    length: usize,
    /// Measured batches.
    #[arg(long, default_value_t = 200, value_name = "N")]
    steps: usize,
}

pub(super) fn run(args: &DataArgs, global: Global) -> anyhow::Result<u8> {
    if args.batch == 0 || args.steps == 0 {
        return Err(output::usage("--batch or --steps is 0", "give at least 1"));
    }
    set_threads(args.corpus.threads)?;
    let corpus = args.corpus.options();
    let scratch = tempfile::tempdir()?;
    let mut report = serde_json::Map::new();
    let tokenizer = match &args.tokenizer {
        Some(dir) => WordPieceTokenizer::from_dir(dir)?,
        None => {
            let options = VocabularyOptions {
                options: TokenizerOptions {
                    model_max_length: args.length,
                    ..TokenizerOptions::default()
                },
                ..VocabularyOptions::default()
            };
            let (tokenizer, learnt) = train_vocabulary(&corpus, &options, &|_| {})?;
            report.insert(
                "vocab_megabytes_per_second".to_owned(),
                learnt.megabytes_per_second.into(),
            );
            tokenizer
        }
    };
    let shards = scratch.path().join("shards");
    for (packing, name) in [(Packing::Electra, "electra"), (Packing::Full, "full")] {
        if shards.exists() {
            std::fs::remove_dir_all(&shards)?;
        }
        let options = PrepareOptions {
            corpus: corpus.clone(),
            out: shards.clone(),
            max_length: args.length,
            packing,
            ..PrepareOptions::default()
        };
        let before = processor_seconds();
        let made = prepare(&tokenizer, &options, &|_| {})?;
        report.insert(
            format!("prepare_{name}"),
            json!({
                "megabytes": made.megabytes,
                "megabytes_per_second": made.megabytes_per_second,
                "cpu_seconds": processor_seconds() - before,
                "tokens": made.tokens,
                "padding_rate": made.padding_rate,
                "discarded_tokens": made.discarded_tokens,
            }),
        );
    }
    let set = Arc::new(ShardSet::open(&shards)?);
    let rows = args.batch.min(set.len(Split::Train));
    let source = Arc::new(BatchSource::new(Arc::clone(&set), Split::Train, 1, rows)?);
    let mut loader = BatchLoader::start(Arc::clone(&source), 0, 4);
    let (mut tokens, mut batches) = (0usize, 0usize);
    let workload = Workload {
        name: format!("masked batches {rows}×{}", args.length),
        device: "loader".to_owned(),
        tokens: 0,
        sequences: rows,
        parameters: None,
    };
    let mut measured = measure(workload, 3, args.steps, || {
        if let Some(batch) = loader.next().transpose()? {
            tokens += batch.lengths.iter().sum::<usize>();
            batches += 1;
        }
        Ok(())
    })?;
    // The mean, not the median: batches made ahead come in no time, others wait.
    let per_batch = tokens as f64 / batches.max(1) as f64;
    measured.tokens_per_second = per_batch * 1e3 / measured.mean_ms;
    measured.sequences_per_second = rows as f64 * 1e3 / measured.mean_ms;
    if global.json {
        let mut value = serde_json::to_value(&measured)?;
        if let Some(map) = value.as_object_mut() {
            map.append(&mut report);
        }
        return output::json(&value).map(|()| 0);
    }
    for (name, value) in &report {
        output::line(&format!("{name}: {value}"))?;
    }
    output::line(&measured.describe()).map(|()| 0)
}
