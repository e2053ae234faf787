//! `aelectra evaluate`.

use std::path::PathBuf;

use aelectra_data::ner::{ErrorKind, ErrorTable, Evaluation, Mode, Resampling, error_table};
use aelectra_model::Precision;
use aelectra_train::ner::{Tagger, TaggerEvaluation, evaluate};
use clap::Args;
use serde::Serialize;

use crate::common::{DeviceArgs, NerReadArgs, read_labelled, resolve_model};
use crate::global::Global;
use crate::output;

/// Score a fine-tuned model on labelled sentences.
#[derive(Args, Debug)]
pub(crate) struct EvaluateArgs {
    /// Fine-tuned model.
    #[arg(long, value_name = "DIR|ID")]
    model: String,
    /// Labelled sentences: CoNLL-U (name=… in MISC), IOB2/CoNLL-2003 columns, or JSON Lines.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Scoring mode: `default` (as conlleval) or `strict` (IOB2 taken literally).
    #[arg(long, default_value = "default")]
    mode: Mode,
    /// Also list up to N errors of each kind with their sentences: wrong boundary, wrong class,
    /// missed, spurious.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "20")]
    errors: Option<usize>,
    #[command(flatten)]
    read: NerReadArgs,
    /// Inference precision: f32, or int8 (needs AVX-512 VNNI; faster, slightly less accurate).
    #[arg(long, value_name = "PRECISION", default_value_t)]
    precision: Precision,
    #[command(flatten)]
    device: DeviceArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Evaluated {
    #[serde(flatten)]
    tagger: TaggerEvaluation,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<ErrorTable>,
}

pub(crate) fn run(args: &EvaluateArgs, global: Global) -> anyhow::Result<u8> {
    let (device, _) = args.device.open()?;
    let tagger = Tagger::load(
        &resolve_model(&args.model, global)?,
        &device,
        args.precision,
    )?;
    let data = read_labelled(&args.data, &args.read.options(&[])?)?;
    for warning in tagger.tokenizer.warnings() {
        output::note(&format!("note: {warning}"));
    }
    for unseen in tagger.labels.unseen(&data) {
        output::note(&format!(
            "note: the model has no class `{}` ({} tokens, first in the sentence at line {}); its \
             entities count as missed",
            unseen.label, unseen.tokens, unseen.line
        ));
    }
    let resampling = Some(Resampling::default());
    let tagger = evaluate(&tagger, &data.sentences, args.mode, resampling)?;
    let errors = match args.errors {
        None => None,
        Some(limit) => Some(limited(
            error_table(&data.sentences, &tagger.tags, args.mode)?,
            limit,
        )),
    };
    let evaluated = Evaluated { tagger, errors };
    if global.json {
        return output::json(&evaluated).map(|()| 0);
    }
    print(&evaluated)?;
    Ok(0)
}

fn print(Evaluated { tagger, errors }: &Evaluated) -> anyhow::Result<()> {
    print_evaluation(&tagger.evaluation)?;
    output::line(&format!(
        "{} sentences in {:.2} s ({:.0}/s)",
        tagger.evaluation.report.sentences, tagger.seconds, tagger.sentences_per_second
    ))?;
    errors.as_ref().map_or(Ok(()), print_errors)
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
pub(crate) fn print_evaluation(evaluation: &Evaluation) -> anyhow::Result<()> {
    let report = &evaluation.report;
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
    if let Some(interval) = evaluation.interval {
        output::line(&format!(
            "95 % interval of micro F1: {:.2}–{:.2} %",
            100.0 * interval.low,
            100.0 * interval.high
        ))?;
    }
    if let Some(f1) = evaluation.piece_f1_original {
        output::line(&format!(
            "piece-level tag F1 of the original: {:.2} %",
            100.0 * f1
        ))?;
    }
    Ok(())
}
