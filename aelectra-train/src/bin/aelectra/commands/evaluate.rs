//! `aelectra evaluate`.

use std::path::PathBuf;
use std::time::Instant;

use aelectra_data::ner::{
    ErrorKind, ErrorTable, Mode, NerReport, Resampling, bootstrap, error_table, piece_f1_original,
    score,
};
use aelectra_model::Precision;
use aelectra_train::tagger::Tagger;
use clap::Args;
use serde::Serialize;

use super::Global;
use crate::common::{DeviceArgs, NerReadArgs, read_labelled, resolve_model};
use crate::output;

/// Score a fine-tuned model on labelled sentences.
#[derive(Args, Debug)]
pub(crate) struct EvaluateArgs {
    /// Fine-tuned model.
    #[arg(long, value_name = "DIR|ID")]
    model: String,
    /// Labelled sentences: CoNLL-U (name=… in MISC), IOB2/CoNLL-2003 columns, or JSON lines.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// `default` counts as conlleval does, `strict` takes IOB2 literally.
    #[arg(long, default_value = "default")]
    mode: Mode,
    /// Also list the errors with their sentences: wrong boundaries, wrong classes, missed and
    /// spurious entities; at most N of each kind.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "20")]
    errors: Option<usize>,
    #[command(flatten)]
    read: NerReadArgs,
    /// Numbers the network computes in: f32, or int8 (CPU with AVX-512 VNNI), which is faster and
    /// a little less exact
    #[arg(long, value_name = "PRECISION", default_value_t)]
    precision: Precision,
    #[command(flatten)]
    device: DeviceArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Evaluation {
    #[serde(flatten)]
    report: NerReport,
    seconds: f64,
    sentences_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<ErrorTable>,
}

pub(crate) fn run(args: &EvaluateArgs, global: Global) -> anyhow::Result<u8> {
    let (device, _) = args.device.open()?;
    let tagger = Tagger::load(&resolve_model(&args.model)?, &device, args.precision)?;
    let data = read_labelled(&args.data, &args.read.options(&[])?)?;
    for warning in tagger.tokenizer.warnings() {
        output::note(&format!("note: {warning}"));
    }
    for unseen in tagger.labels.unseen(&data) {
        output::note(&format!(
            "note: the model does not know `{}` ({} tokens, first in the sentence at line {}); its \
             entities count as missed",
            unseen.label, unseen.tokens, unseen.line
        ));
    }
    let tokens: Vec<Vec<String>> = data.sentences.iter().map(|s| s.tokens.clone()).collect();
    let gold = data.tags();
    let started = Instant::now();
    let predicted: Vec<Vec<String>> = tagger
        .tag(&tokens)?
        .into_iter()
        .map(|words| words.into_iter().map(|word| word.tag).collect())
        .collect();
    let seconds = started.elapsed().as_secs_f64();
    let mut report = score(&gold, &predicted, args.mode)?;
    report.interval = Some(bootstrap(
        &gold,
        std::slice::from_ref(&predicted),
        args.mode,
        Resampling::default(),
    )?);
    let pieces = tagger.piece_tags(&data.sentences)?;
    report.piece_f1_original = pieces.map(|pairs| {
        piece_f1_original(
            pairs
                .iter()
                .map(|(gold, guess)| (gold.as_str(), guess.as_str())),
        )
    });
    let errors = match args.errors {
        None => None,
        Some(limit) => Some(limited(
            error_table(&data.sentences, &predicted, args.mode)?,
            limit,
        )),
    };
    let evaluation = Evaluation {
        report,
        errors,
        seconds,
        sentences_per_second: gold.len() as f64 / seconds.max(1e-9),
    };
    if global.json {
        return output::json(&evaluation).map(|()| 0);
    }
    print(&evaluation)?;
    Ok(0)
}

fn print(evaluation: &Evaluation) -> anyhow::Result<()> {
    print_report(&evaluation.report)?;
    output::line(&format!(
        "{} sentences in {:.2} s ({:.0}/s)",
        evaluation.report.sentences, evaluation.seconds, evaluation.sentences_per_second
    ))?;
    evaluation.errors.as_ref().map_or(Ok(()), print_errors)
}

/// The table with at most `limit` errors of each kind; the counts stay those of all.
pub(crate) fn limited(mut table: ErrorTable, limit: usize) -> ErrorTable {
    let mut seen = std::collections::BTreeMap::new();
    table.errors.retain(|error| {
        let count = seen.entry(error.kind).or_insert(0);
        *count += 1;
        *count <= limit
    });
    table
}

/// The errors, by kind, with their sentences.
pub(crate) fn print_errors(table: &ErrorTable) -> anyhow::Result<()> {
    output::line(&format!("\nright: {} entities", table.correct))?;
    for (kind, count) in &table.counts {
        let name = match kind {
            ErrorKind::Boundary => "wrong boundaries",
            ErrorKind::Type => "wrong class",
            ErrorKind::Missed => "missed",
            ErrorKind::Spurious => "spurious",
        };
        output::line(&format!("\n{name}: {count}"))?;
        for error in table.errors.iter().filter(|error| error.kind == *kind) {
            let side = |entity: &Option<aelectra_data::ner::EntityText>| {
                entity.as_ref().map_or("–".to_owned(), |e| {
                    format!("{} [{}]", e.text, e.span.label)
                })
            };
            output::line(&format!(
                "  line {}: {} → {}\n    {}",
                error.line,
                side(&error.gold),
                side(&error.predicted),
                error.text
            ))?;
        }
    }
    Ok(())
}

/// The scores as a table.
pub(crate) fn print_report(report: &NerReport) -> anyhow::Result<()> {
    output::line("class   precision  recall      F1  support")?;
    let row = |name: &str, s: &aelectra_data::ner::ClassScore| {
        output::line(&format!(
            "{name:<8}{:>8.2} %{:>7.2} %{:>7.2} %{:>7}",
            100.0 * s.precision,
            100.0 * s.recall,
            100.0 * s.f1,
            s.support
        ))
    };
    for (class, score) in &report.classes {
        row(class, score)?;
    }
    row("micro", &report.micro)?;
    row("macro", &report.macro_avg)?;
    row("no MISC", &report.micro_no_misc)?;
    if let Some(interval) = report.interval {
        output::line(&format!(
            "95 % interval of micro F1: {:.2}–{:.2} %",
            100.0 * interval.low,
            100.0 * interval.high
        ))?;
    }
    if let Some(f1) = report.piece_f1_original {
        output::line(&format!(
            "piece-level tag F1 of the original: {:.2} %",
            100.0 * f1
        ))?;
    }
    Ok(())
}
