//! `aelectra prepare`.

use std::path::{Path, PathBuf};

use aelectra_data::corpus::CleaningReport;
use aelectra_data::files::can_be_written;
use aelectra_data::pretrain::{Packing, PrepareOptions, PrepareReport, SourceWeight, prepare};
use aelectra_data::vocab::WordPieceTokenizer;
use clap::{Args, ValueEnum};

use crate::common::CorpusArgs;
use crate::global::Global;
use crate::oddities::note_oddities;
use crate::output;
use crate::progress::StageBar;

/// Tokenize text and pack it into shards.
///
/// If interrupted, run the same command again to continue.
#[derive(Args, Debug)]
pub(crate) struct PrepareArgs {
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Tokenizer directory, e.g. from `aelectra vocab`.
    #[arg(long, value_name = "DIR")]
    tokenizer: PathBuf,
    /// Shard directory to write.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Maximum length of an example, in pieces.
    #[arg(long, default_value_t = 128)]
    max_length: usize,
    /// How to pack sentences into examples.
    #[arg(long, value_enum, default_value_t = PackingArg::Full)]
    packing: PackingArg,
    /// Share of documents held out for validation.
    #[arg(long, default_value_t = 0.01, value_name = "SHARE")]
    validation: f64,
    /// Random seed of `--packing electra`; `full` draws nothing.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How much a source counts: 2 packs its documents twice, 0.2 a fifth of them, 0 none; SOURCE is a
    /// path, a directory's or file's name, or a pattern. Repeatable; the last that names a source
    /// counts.
    #[arg(long, value_name = "SOURCE=W")]
    weight: Vec<SourceWeight>,
    /// Also report what each cleaning filter alone would drop; those that are not given are tried with
    /// suggested limits and drop nothing. Shards are made all the same.
    #[arg(long)]
    report_cleaning: bool,
    /// JSON report to write (default: OUT.report.json, beside the shards).
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Delete the shards that are there and begin anew, whatever they were prepared from.
    #[arg(long)]
    restart: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PackingArg {
    /// Keep every token, in order.
    Full,
    /// As in google-research/electra.
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
    let report_path = report_path(args)?;
    let options = PrepareOptions {
        corpus: args.corpus.options(),
        out: args.out.clone(),
        max_length: args.max_length,
        packing: args.packing.into(),
        validation: args.validation,
        seed: args.seed,
        weights: args.weight.clone(),
        restart: args.restart,
        report_cleaning: args.report_cleaning,
        report: Some(report_path.clone()),
    };
    let bar = StageBar::new(global);
    let report = prepare(&tokenizer, &options, &|progress| bar.report(progress))?;
    bar.finish();
    note_oddities(&report.notes, &report.sources);
    if let Some(warning) = report.unknown().warning() {
        output::note(&format!("warning: {warning}"));
    }
    if report.validation_examples == 0 && args.validation > 0.0 {
        output::note(&format!(
            "note: of {} documents none was held out at --validation {}, so a training on these shards has \
             nothing to be measured on; give a larger share, or `--text-layout lines` where each line is a \
             document",
            report.documents, args.validation
        ));
    }
    if let (Some(cleaning), false) = (&report.cleaning, global.json) {
        output::note(&cleaning_table(cleaning));
    }
    if let (Some(dropped), false) = (dropped(&report), global.json) {
        output::note(&dropped);
    }
    output::show(global, &report, || {
        format!(
            "{} documents, {} sentences, {} tokens → {} examples ({} for validation)\n\
         unknown {:.3} %, padding {:.2} %, discarded {} tokens\n\
         {:.1} MB at {:.1} MB/s, {} shards ({} reused) → {}\n\
         report: {}",
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
            args.out.display(),
            report_path.display()
        )
    })
}

/// What the filters that were given left out, if anything.
fn dropped(report: &PrepareReport) -> Option<String> {
    let cleaned = &report.cleaned;
    let by = [
        (cleaned.too_short, "too short"),
        (cleaned.too_long, "too long"),
        (cleaned.few_letters, "with few letters"),
        (cleaned.exact_duplicates, "copies"),
        (cleaned.near_duplicates, "near copies"),
    ];
    let all: u64 = by.iter().map(|(caught, _)| caught.documents).sum();
    let told = by.iter().filter(|(caught, _)| caught.documents > 0);
    let told: Vec<String> = told
        .map(|(caught, what)| format!("{} {what}", caught.documents))
        .collect();
    (all > 0).then(|| {
        format!(
            "filters kept {} of {} documents; left out: {}",
            report.documents.saturating_sub(all),
            report.documents,
            told.join(", ")
        )
    })
}

/// Where the report goes: hours later it would be too late to learn that nothing can be written there.
fn report_path(args: &PrepareArgs) -> anyhow::Result<PathBuf> {
    if let Some(path) = &args.report {
        if !path.starts_with(&args.out) {
            can_be_written(path)?;
        }
        return Ok(path.clone());
    }
    let beside = beside(&args.out)?;
    // What is not there yet is made with the shards.
    let is_there = args.out.is_dir();
    if is_there && can_be_written(&beside).is_err() {
        // A mount of a container, say, whose parent is the root.
        let inside = args.out.join("report.json");
        output::note(&format!(
            "note: `{}` cannot be written; the report goes to `{}`",
            beside.display(),
            inside.display()
        ));
        return Ok(inside);
    }
    Ok(beside)
}

/// `OUT.report.json`.
fn beside(out: &Path) -> anyhow::Result<PathBuf> {
    let Some(name) = out.file_name() else {
        return Err(output::usage(
            format!(
                "`{}` has no file name to put the report beside",
                out.display()
            ),
            "give a named directory, or `--report FILE`",
        ));
    };
    let mut name = name.to_os_string();
    name.push(".report.json");
    Ok(out.with_file_name(name))
}

/// What each filter would leave out.
fn cleaning_table(report: &CleaningReport) -> String {
    let o = &report.options;
    let c = &report.counts;
    let rows = [
        ("--nfc would change".to_owned(), c.nfc_changed),
        (format!("--min-chars {}", o.min_chars), c.too_short),
        (format!("--max-chars {}", o.max_chars), c.too_long),
        (
            format!("--min-letter-share {}", o.min_letter_share),
            c.few_letters,
        ),
        ("--drop-duplicates".to_owned(), c.exact_duplicates),
        (
            "--drop-near-duplicates, further".to_owned(),
            c.near_duplicates,
        ),
    ];
    let mut lines = vec![format!(
        "cleaning would drop, of {} documents, {:.1} MB (each filter by itself):",
        report.documents,
        report.bytes as f64 / 1e6
    )];
    lines.extend(rows.iter().map(|(name, caught)| {
        format!(
            "  {name:<34}{:>9} documents {:>10.3} MB",
            caught.documents,
            caught.bytes as f64 / 1e6
        )
    }));
    lines.join("\n")
}
