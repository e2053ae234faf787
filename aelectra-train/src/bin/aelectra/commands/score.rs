//! `aelectra score`: the metrics of two tag files, without a model.

use std::path::PathBuf;

use aelectra_data::ner::{
    ErrorTable, Interval, Mode, NerReport, NerSentence, Resampling, Significance, bootstrap,
    check_same_tokens, error_table, paired_bootstrap, paired_randomization, read_tags, score,
};
use clap::Args;
use serde::Serialize;

use super::Global;
use super::evaluate::{limited, print_errors, print_report};
use crate::output;

/// Score predicted tags against gold ones: token and tag per line, a blank line between sentences.
/// Tags are scored as they stand.
#[derive(Args, Debug)]
pub(crate) struct ScoreArgs {
    /// Right tags.
    #[arg(long, value_name = "FILE")]
    gold: PathBuf,
    /// Predicted tags of the same tokens.
    #[arg(long, value_name = "FILE")]
    predicted: PathBuf,
    /// Predicted tags of another model for the same tokens: is the difference of the two significant?
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Also list the errors with their sentences, at most N of each kind.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "20")]
    errors: Option<usize>,
    /// `default` counts as conlleval does, `strict` takes IOB2 literally.
    #[arg(long, default_value = "default")]
    mode: Mode,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Scored {
    #[serde(flatten)]
    report: NerReport,
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

pub(crate) fn run(args: &ScoreArgs, global: Global) -> anyhow::Result<u8> {
    let gold = read_tags(&args.gold, args.mode)?;
    let predicted = read_tags(&args.predicted, args.mode)?;
    check_same_tokens(&gold, &predicted, &args.predicted)?;
    let mut report = score(&gold.tags, &predicted.tags, args.mode)?;
    let runs = std::slice::from_ref(&predicted.tags);
    report.interval = Some(bootstrap(
        &gold.tags,
        runs,
        args.mode,
        Resampling::default(),
    )?);
    let comparison = match &args.against {
        None => None,
        Some(path) => {
            let other = read_tags(path, args.mode)?;
            check_same_tokens(&gold, &other, path)?;
            let other = std::slice::from_ref(&other.tags);
            Some(Comparison {
                significance: paired_randomization(
                    &gold.tags,
                    runs,
                    other,
                    args.mode,
                    Resampling::default(),
                )?,
                difference_interval: paired_bootstrap(
                    &gold.tags,
                    runs,
                    other,
                    args.mode,
                    Resampling::default(),
                )?,
            })
        }
    };
    let errors = match args.errors {
        None => None,
        Some(limit) => {
            let sentences: Vec<NerSentence> = gold
                .tokens
                .iter()
                .zip(&gold.tags)
                .zip(&gold.lines)
                .map(|((tokens, tags), &line)| NerSentence {
                    tokens: tokens.clone(),
                    tags: tags.clone(),
                    line,
                })
                .collect();
            let table = error_table(&sentences, &predicted.tags, args.mode)?;
            Some(limited(table, limit))
        }
    };
    let scored = Scored {
        report,
        comparison,
        errors,
    };
    if global.json {
        return output::json(&scored).map(|()| 0);
    }
    print_report(&scored.report)?;
    if let Some(c) = &scored.comparison {
        output::line(&format!(
            "against the other: {:+.2} points (95 % interval {:+.2} to {:+.2}), p = {:.4} \
             (approximate randomisation, {} rounds)",
            100.0 * c.significance.difference,
            100.0 * c.difference_interval.low,
            100.0 * c.difference_interval.high,
            c.significance.p_value,
            c.significance.rounds
        ))?;
    }
    if let Some(errors) = &scored.errors {
        print_errors(errors)?;
    }
    Ok(0)
}
