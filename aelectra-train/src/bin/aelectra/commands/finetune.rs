//! `aelectra finetune`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use aelectra_data::ner::ClassSummary;
use aelectra_model::Precision;
use aelectra_train::config::finetune::FinetuneConfig;
use aelectra_train::finetune::{Arm, Goal, Job, SeriesSummary, Session, curve};
use clap::Args;
use serde_json::Value;

use crate::common::{DeviceArgs, NerReadArgs, configuration_over, hub};
use crate::global::Global;
use crate::view::View;
use crate::{output, signals};

/// Fine-tune a model for named entities.
///
/// If interrupted, run the same command again with `--out` and the run's directory to continue with the
/// missing seeds.
#[derive(Args, Debug)]
pub(crate) struct FinetuneArgs {
    /// Pretrained model.
    #[arg(long, value_name = "DIR|ID", required_unless_present = "print_config")]
    pub model: Option<String>,
    /// Training sentences: CoNLL-U (name=… in MISC), IOB2/CoNLL-2003 columns, JSON, Parquet or
    /// .spacy.
    #[arg(long, value_name = "FILE", required_unless_present = "print_config")]
    pub train: Option<PathBuf>,
    /// Development sentences; they choose the epoch and the learning rate.
    #[arg(long, value_name = "FILE")]
    pub dev: Option<PathBuf>,
    /// Test sentences.
    #[arg(long, value_name = "FILE")]
    pub test: Option<PathBuf>,
    /// Recipe: `electra` (as in ELECTRA), `cpu-small` (for a few million parameters), `original` (as in
    /// the Ælæctra notebooks), `euroeval` (as the public benchmark does), `demo`, a TOML file, or
    /// manifest.json of a run.
    #[arg(long, value_name = "NAME|FILE", default_value = "electra")]
    pub recipe: String,
    /// Number of seeds.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seeds: u64,
    /// First seed.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Epochs.
    #[arg(long, value_name = "N")]
    pub epochs: Option<u64>,
    /// Run directory (default: a new one under runs/).
    #[arg(long, value_name = "RUN")]
    pub out: Option<PathBuf>,
    /// Draw a learning curve instead: F1 with so many labelled sentences, from the model's weights and
    /// from random ones, as curve.md, curve.json and curve.svg. Every seed draws its own sentences.
    #[arg(long, value_name = "N,N,…", value_delimiter = ',')]
    pub train_sentences: Vec<usize>,
    /// Start from random weights instead of the model's: the baseline without pretraining. Without
    /// layer-wise decay, unless --set gives it.
    #[arg(long)]
    pub random_init: bool,
    /// Precision of training's products: f32, or bf16 (faster with AVX-512 BF16 or AMX); dev and test
    /// are scored in f32.
    #[arg(long, value_name = "PRECISION")]
    pub precision: Option<Precision>,
    /// Set a configuration key; repeatable. `--print-config` lists all keys.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print the merged configuration with the origin of every value and exit.
    #[arg(long)]
    pub print_config: bool,
    /// Print plain lines even on a terminal (no dashboard).
    #[arg(long)]
    pub no_dashboard: bool,
    #[command(flatten)]
    pub read: NerReadArgs,
    #[command(flatten)]
    pub device: DeviceArgs,
}

pub(crate) fn run(args: &FinetuneArgs, global: Global) -> anyhow::Result<u8> {
    let preset = match args.random_init {
        true => Arm::RandomInit.preset(),
        false => Arm::Pretrained.preset(),
    };
    run_over(&preset, args, global)
}

/// As [`run`], with keys that lie over the recipe's.
pub(crate) fn run_over(
    preset: &[(&str, Value)],
    args: &FinetuneArgs,
    global: Global,
) -> anyhow::Result<u8> {
    let seed = ("seed", args.seed.map(Into::into));
    let epochs = ("epochs", args.epochs.map(Into::into));
    let precision = ("precision", args.precision.map(|p| p.to_string().into()));
    let (mut config, layers): (FinetuneConfig, _) = configuration_over(
        (RANDOM, preset),
        &args.recipe,
        &args.set,
        &[seed.clone(), epochs.clone(), precision.clone()],
    )?;
    let (Some(model), Some(train), false) = (&args.model, &args.train, args.print_config) else {
        return output::show(global, &layers.told(), || {
            layers.render().trim_end().to_owned()
        });
    };
    let read = args.read.options(&[])?;
    config.map_label.extend(args.read.map_label.iter().cloned());
    let goal = match (&args.train_sentences[..], args.random_init) {
        ([], false) => Goal::Tagger(Arm::Pretrained),
        ([], true) => Goal::Tagger(Arm::RandomInit),
        (_, true) => {
            return Err(output::usage(
                "a learning curve has an arm with random weights anyway",
                "leave out `--random-init`",
            ));
        }
        (sizes, false) => {
            let preset = Arm::RandomInit.preset();
            let flags = [seed, epochs, precision];
            let (mut baseline, _): (FinetuneConfig, _) =
                configuration_over((RANDOM, &preset), &args.recipe, &args.set, &flags)?;
            baseline.map_label.clone_from(&config.map_label);
            Goal::Curve {
                sizes: sizes.to_vec(),
                baseline: Some(Box::new(baseline)),
            }
        }
    };
    let is_curve = matches!(goal, Goal::Curve { .. });
    let stop = signals::stop_flag()?;
    let session = Session::open(Job {
        goal,
        config,
        recipe: args.recipe.clone(),
        model: model.clone(),
        train: train.clone(),
        dev: args.dev.clone(),
        test: args.test.clone(),
        read,
        seeds: args.seeds,
        out: args.out.clone(),
        device: args.device.list()?,
        hub: hub(global),
        stop: stop.clone(),
    })?;
    let view = View::open(session.dir(), !args.no_dashboard, global, &stop);
    let finished = session.run(view.watchers(global));
    view.close(finished.is_ok(), &stop);
    let finished = finished?;
    if let Some(summary) = &finished.summary {
        output::show(global, summary, || describe(summary, session.dir().path()))?;
    }
    if is_curve {
        output::show(global, &finished.curve, || {
            let table = match &finished.curve[..] {
                [] => "no point of the curve is done\n".to_owned(),
                points => curve::table(points),
            };
            format!("{table}{}", session.dir().path().display())
        })?;
    }
    if finished.end.exit_code > 128 {
        let dir = session.dir().path().display();
        output::note(&match args.out {
            Some(_) => "interrupted; the same command goes on with what is missing".to_owned(),
            None => format!(
                "interrupted; the same command with `--out {dir}` goes on with what is missing"
            ),
        });
    }
    Ok(finished.end.exit_code as u8)
}

/// Where the keys come from that training from random weights wants.
pub(crate) const RANDOM: &str = "random weights";

fn describe(summary: &SeriesSummary, out: &Path) -> String {
    let mut text = String::new();
    for seed in &summary.runs {
        text += &format!(
            "seed {}: dev {} test {} (epoch {}, learning rate {:e})\n",
            seed.seed,
            output::percent(seed.dev_f1, 2),
            output::percent(seed.test_f1, 2),
            seed.epoch,
            seed.learning_rate
        );
    }
    if !summary.collapsed.is_empty() {
        text += &format!(
            "collapsed: the tagger of {} of {} seeds finds nothing at all\n",
            summary.collapsed.len(),
            summary.runs.len()
        );
    }
    text += &class_table(&summary.classes);
    match &summary.split {
        Some(split) => {
            text += &format!(
                "{split} micro-F1 {} % ± {} (min {}, max {}; {} seeds)\n",
                output::percent(summary.f1_mean, 2),
                output::percent(summary.f1_sd, 2),
                output::percent(summary.f1_min, 2),
                output::percent(summary.f1_max, 2),
                summary.runs.len(),
            );
        }
        None => text += "not scored: neither --dev nor --test was given\n",
    }
    text + &out.display().to_string()
}

/// A line a class: means over the seeds and, of several, their deviations.
fn class_table(classes: &BTreeMap<String, ClassSummary>) -> String {
    let longest = classes.keys().map(|class| class.chars().count()).max();
    let Some(width) = longest.map(|longest| longest.max("class".len())) else {
        return String::new();
    };
    let line = |name: &str, [precision, recall, f1]: [String; 3], support: &str| {
        format!("{name:<width$}{precision:>16}{recall:>16}{f1:>16}{support:>9}\n")
    };
    let heads = ["precision %", "recall %", "F1 %"].map(str::to_owned);
    let mut text = line("class", heads, "support");
    for (name, class) in classes {
        let shares = [&class.precision, &class.recall, &class.f1].map(output::spread);
        text += &line(name, shares, &output::counted(&class.support));
    }
    text
}

#[cfg(test)]
mod tests {
    use aelectra_data::ner::Summary;

    use super::*;

    #[test]
    fn a_class_is_a_line_with_its_deviations() {
        let over = |values: &[f64]| Summary::of(values).expect("some");
        let class = |f1: &[f64]| ClassSummary {
            precision: over(&[1.0]),
            recall: over(&[0.25]),
            f1: over(f1),
            support: over(&[7.0]),
        };
        let classes = [
            ("ORG".to_owned(), class(&[0.4])),
            ("PERSON".to_owned(), class(&[0.5, 0.6, 0.7])),
        ];
        let expected = "\
class      precision %        recall %            F1 %  support
ORG             100.00           25.00           40.00        7
PERSON          100.00           25.00   60.00 ± 10.00        7
";
        assert_eq!(class_table(&BTreeMap::from(classes)), expected);
        assert_eq!(class_table(&BTreeMap::new()), "");
    }
}
