//! `aelectra prepare`.

use std::path::PathBuf;

use aelectra_data::pretrain::{Packing, PrepareOptions, prepare};
use aelectra_data::vocab::WordPieceTokenizer;
use clap::{Args, ValueEnum};

use super::Global;
use crate::common::CorpusArgs;
use crate::output;
use crate::progress::StageBar;

/// Tokenize text and pack it into shards for `aelectra pretrain`.
///
/// Interrupted at any point, the same command continues where it was.
#[derive(Args, Debug)]
pub(crate) struct PrepareArgs {
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Tokenizer directory, as `aelectra vocab` writes it.
    #[arg(long, value_name = "DIR")]
    tokenizer: PathBuf,
    /// Directory to write.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Longest example in word pieces.
    #[arg(long, default_value_t = 128)]
    max_length: usize,
    /// How sentences become examples: `full` throws no token away and keeps the order, `electra`
    /// builds examples as the original did.
    #[arg(long, value_enum, default_value_t = PackingArg::Full)]
    packing: PackingArg,
    /// Share of documents to hold out for validation.
    #[arg(long, default_value_t = 0.01, value_name = "SHARE")]
    validation: f64,
    /// Seed of the packing's random choices.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Delete shards that were made with other options instead of refusing.
    #[arg(long)]
    restart: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PackingArg {
    Full,
    Electra,
}

impl From<PackingArg> for Packing {
    fn from(packing: PackingArg) -> Self {
        match packing {
            PackingArg::Full => Self::Full,
            PackingArg::Electra => Self::Electra,
        }
    }
}

pub(crate) fn run(args: &PrepareArgs, global: Global) -> anyhow::Result<u8> {
    let tokenizer = WordPieceTokenizer::from_dir(&args.tokenizer)?;
    for warning in tokenizer.warnings() {
        output::note(&format!("note: {warning}"));
    }
    let options = PrepareOptions {
        corpus: args.corpus.options(),
        out: args.out.clone(),
        max_length: args.max_length,
        packing: args.packing.into(),
        validation: args.validation,
        seed: args.seed,
        restart: args.restart,
        ..PrepareOptions::default()
    };
    let bar = StageBar::new();
    let report = prepare(&tokenizer, &options, &|progress| bar.report(progress))?;
    bar.finish();
    if global.json {
        return output::json(&report).map(|()| 0);
    }
    output::line(&format!(
        "{} documents, {} sentences, {} tokens → {} examples ({} for validation)\n\
         unknown {:.3} %, padding {:.2} %, discarded {} tokens\n\
         {:.1} MB at {:.1} MB/s, {} shards ({} reused) → {}",
        report.documents,
        report.sentences,
        report.tokens,
        report.examples,
        report.validation_examples,
        100.0 * report.unknown_rate,
        100.0 * report.padding_rate,
        report.discarded_tokens,
        report.megabytes,
        report.megabytes_per_second,
        report.shards,
        report.reused_shards,
        args.out.display()
    ))?;
    Ok(0)
}
