//! `aelectra score`: the metrics of two tag files, without a model.

use std::path::PathBuf;

use aelectra_data::ner::{
    ErrorTable, Evaluation, Interval, Mode, NerDataset, ReadOptions, Resampling, Significance,
    check_same_tokens, odd_classes, paired_bootstrap, paired_randomization, read_tags,
};
use clap::Args;
use serde::Serialize;

use super::evaluate::{error_lines, errors, evaluation_lines};
use crate::common::NerReadArgs;
use crate::global::Global;
use crate::output;

/// Score predicted tags against gold tags, without a model.
///
/// Files are read as `evaluate` reads them: one token and its tag per line with a blank line between
/// sentences, CoNLL-U or JSON. Tags are scored as written, unless `--scheme` says what they mean.
#[derive(Args, Debug)]
pub(crate) struct ScoreArgs {
    /// Gold tags.
    #[arg(long, value_name = "FILE")]
    gold: PathBuf,
    /// Predicted tags for the same tokens.
    #[arg(long, value_name = "FILE")]
    predicted: PathBuf,
    /// Predicted tags of a second model; tests whether the difference is significant.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Tag column of the predictions, where it differs from --column; for one file with both.
    #[arg(long, value_name = "N")]
    predicted_column: Option<usize>,
    /// Also list up to N errors of each kind with their sentences.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "20")]
    errors: Option<usize>,
    /// Scoring mode: `default` (as conlleval) or `strict` (IOB2 taken literally).
    #[arg(long, default_value = "default")]
    mode: Mode,
    #[command(flatten)]
    read: NerReadArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Scored {
    #[serde(flatten)]
    evaluation: Evaluation,
    #[serde(flatten)]
    comparison: Option<Comparison>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<ErrorTable>,
}

#[derive(Serialize)]
struct Comparison {
    significance: Significance,
    difference_interval: Interval,
}

/// Gold, predictions and what they are compared with, of the same tokens.
fn files(
    args: &ScoreArgs,
    read: &ReadOptions,
) -> anyhow::Result<(NerDataset, NerDataset, Option<NerDataset>)> {
    let other = ReadOptions {
        column: args.predicted_column.or(read.column),
        ..read.clone()
    };
    let gold = read_tags(&args.gold, read, args.mode)?;
    let predictions = |path: &PathBuf| -> anyhow::Result<NerDataset> {
        let predicted = read_tags(path, &other, args.mode)?;
        check_same_tokens(&gold, &predicted)?;
        Ok(predicted)
    };
    let predicted = predictions(&args.predicted)?;
    let against = args.against.as_ref().map(predictions).transpose()?;
    Ok((gold, predicted, against))
}

pub(crate) fn run(args: &ScoreArgs, global: Global) -> anyhow::Result<u8> {
    let read = args.read.options(&[])?;
    let (gold, predicted, against) = files(args, &read).or_else(|error| {
        // No sentence ends inside an entity, so two files of one text may have different ones. A record as a whole has not.
        let whole = ReadOptions {
            whole_records: true,
            ..read.clone()
        };
        files(args, &whole).map_err(|_| error)
    })?;
    for warning in [Some(&gold), Some(&predicted), against.as_ref()]
        .into_iter()
        .flatten()
        .flat_map(NerDataset::warnings)
        // What a model finds only once is no slip of anybody's keyboard.
        .chain(odd_classes(&[&gold], &[]))
    {
        output::note(&format!("note: {warning}"));
    }
    let (predicted, against) = (predicted.tags(), against.map(|data| data.tags()));
    let (tags, mode, resampling) = (gold.tags(), args.mode, Resampling::default());
    let evaluation = Evaluation::of_tags(&tags, &predicted, mode, Some(resampling))?;
    let comparison = match &against {
        None => None,
        Some(other) => {
            let (ours, theirs) = ([&predicted[..]], [&other[..]]);
            Some(Comparison {
                significance: paired_randomization(&tags, &ours, &theirs, mode, resampling)?,
                difference_interval: paired_bootstrap(&tags, &ours, &theirs, mode, resampling)?,
            })
        }
    };
    let scored = Scored {
        evaluation,
        comparison,
        errors: errors(&gold.sentences, &predicted, mode, args.errors)?,
    };
    output::show(global, &scored, || {
        let mut lines = evaluation_lines(&scored.evaluation);
        if let Some(c) = &scored.comparison {
            lines.push(format!(
                "against the other: {:+.2} points (95 % interval {:+.2} to {:+.2}), {} \
                 (approximate randomisation, {} rounds)",
                100.0 * c.significance.difference,
                100.0 * c.difference_interval.low,
                100.0 * c.difference_interval.high,
                c.significance.p(),
                c.significance.rounds
            ));
        }
        lines.extend(scored.errors.iter().flat_map(error_lines));
        lines.join("\n")
    })
}
