//! `aelectra vocab`.

use std::path::PathBuf;

use aelectra_data::lock::Lock;
use aelectra_data::vocab::{
    TokenizerOptions, VocabularyOptions, WordPieceTokenizer, refuse_model, replace_tokenizer,
    train_vocabulary,
};
use clap::Args;

use crate::common::CorpusArgs;
use crate::global::Global;
use crate::oddities::note_oddities;
use crate::output;
use crate::progress::StageBar;

/// Train a WordPiece vocabulary.
#[derive(Args, Debug)]
pub(crate) struct VocabArgs {
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Tokenizer directory to write: vocab.txt, tokenizer.json, tokenizer_config.json,
    /// special_tokens_map.json.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Number of pieces, special tokens included.
    #[arg(long, default_value_t = 32_000)]
    vocab_size: usize,
    /// Distinguish upper and lower case (default).
    #[arg(long, conflicts_with = "uncased")]
    cased: bool,
    /// Lower-case the text; accents (å) are kept.
    #[arg(long)]
    uncased: bool,
    /// Merge only pairs that occur at least this often.
    #[arg(long, default_value_t = 2)]
    min_frequency: u64,
    /// Keep at most this many characters, the most frequent ones.
    #[arg(long, default_value_t = 1000)]
    limit_alphabet: usize,
    /// `model_max_length` of the tokenizer, in pieces.
    #[arg(long, default_value_t = 128)]
    max_length: usize,
}

pub(crate) fn run(args: &VocabArgs, global: Global) -> anyhow::Result<u8> {
    let base = if args.uncased {
        TokenizerOptions::uncased()
    } else {
        TokenizerOptions::default()
    };
    let options = VocabularyOptions {
        vocab_size: args.vocab_size,
        options: TokenizerOptions {
            model_max_length: args.max_length,
            ..base
        },
        min_frequency: args.min_frequency,
        limit_alphabet: args.limit_alphabet,
        ..VocabularyOptions::default()
    };
    if args.max_length < 3 {
        return Err(output::usage(
            format!("--max-length is {}", args.max_length),
            "give at least 3: [CLS], a piece and [SEP]",
        ));
    }
    refuse_model(&args.out)?;
    // From the start, so that the second of two learns it before its work, not after.
    let _lock = Lock::of_directory(&args.out, "aelectra vocab")?;
    let bar = StageBar::new(global);
    let (tokenizer, report) = train_vocabulary(&args.corpus.options(), &options, &|progress| {
        bar.report(progress)
    })?;
    bar.finish();
    note_oddities(&report.notes, &report.sources);
    if report.vocab_size < args.vocab_size {
        output::note(&format!(
            "note: the text has {} word pieces, fewer than the {} that were asked for",
            report.vocab_size, args.vocab_size
        ));
    }
    if let Some(warning) = report.unknown().warning_of("words") {
        output::note(&format!("warning: {warning}"));
    }
    if let Ok(before) = WordPieceTokenizer::from_dir(&args.out)
        && before.fingerprint() != tokenizer.fingerprint()
    {
        output::note(&format!(
            "note: the tokenizer of {} word pieces that was in `{}` is replaced; shards and models made with it need it",
            before.vocab_size(),
            args.out.display()
        ));
    }
    replace_tokenizer(&tokenizer, &args.out)?;
    output::show(global, &report, || {
        format!(
            "{} word pieces from {} documents ({:.1} MB, {:.1} MB/s) → {}",
            report.vocab_size,
            report.documents,
            report.megabytes,
            report.megabytes_per_second,
            args.out.display()
        )
    })
}
