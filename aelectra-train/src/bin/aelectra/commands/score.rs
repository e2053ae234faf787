//! `aelectra score`: the metrics of two tag files, without a model.

use std::path::PathBuf;

use aelectra_data::ner::{Mode, Resampling, bootstrap, check_same_tokens, read_tags, score};
use clap::Args;

use super::Global;
use super::evaluate::print_report;
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
    /// `default` counts as conlleval does, `strict` takes IOB2 literally.
    #[arg(long, default_value = "default")]
    mode: Mode,
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
    if global.json {
        return output::json(&report).map(|()| 0);
    }
    print_report(&report)?;
    Ok(0)
}
