//! `aelectra robustness`.

use std::path::PathBuf;

use aelectra_data::ner::{Interval, Mode};
use aelectra_train::ner::robustness;
use clap::Args;

use crate::common::{NerReadArgs, TaggerArgs, read_for};
use crate::global::Global;
use crate::output;

/// Score a fine-tuned model on lower-cased, misspelt and otherwise perturbed text.
///
/// Perturbations: lower case, no Danish letters, typing errors, missing spaces, initials, other names.
#[derive(Args, Debug)]
pub(crate) struct RobustnessArgs {
    /// Fine-tuned model.
    #[arg(long, value_name = "DIR|ID")]
    model: String,
    /// Labelled sentences.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Scoring mode: `default` (as conlleval) or `strict` (IOB2 taken literally).
    #[arg(long, default_value = "default")]
    mode: Mode,
    /// Random seed of the perturbations.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    #[command(flatten)]
    read: NerReadArgs,
    #[command(flatten)]
    tagger: TaggerArgs,
}

pub(crate) fn run(args: &RobustnessArgs, global: Global) -> anyhow::Result<u8> {
    let tagger = args.tagger.load(&args.model, global)?;
    let read = args.read.options(&[])?;
    let data = read_for(&tagger, &args.data, &read)?;
    let names = &read.label_map;
    let report = robustness(
        &tagger,
        &data.sentences,
        names,
        args.mode,
        args.seed,
        |row| {
            if !global.quiet {
                output::note(&format!("{}: {:.2} %", row.name, 100.0 * row.f1));
            }
        },
    )?;
    output::show(global, &report, || {
        let row = |name: &str, f1: f64, drop: f64, interval: Interval| {
            format!(
                "{name:<28}{:>6.2} %{:>8.2}   {:.2}–{:.2} %",
                100.0 * f1,
                100.0 * drop,
                100.0 * interval.low,
                100.0 * interval.high
            )
        };
        let mut lines = vec![
            "                                 F1     drop   95 % interval".to_owned(),
            row("as they are", report.f1, 0.0, report.interval),
        ];
        let rows = report.perturbations.iter();
        lines.extend(rows.map(|r| row(&r.name, r.f1, r.drop, r.interval)));
        lines.join("\n")
    })
}
