//! `aelectra pretrain`.

use std::path::PathBuf;
use std::time::Duration;

use aelectra_data::run::{EndReason, PretrainMetrics};
use aelectra_model::Precision;
use aelectra_train::config::pretrain::PretrainConfig;
use aelectra_train::pretrain::{InitialModels, Job, Resume, Session};
use aelectra_train::sink::console;
use clap::Args;

use crate::common::{DeviceArgs, configuration, hub};
use crate::global::Global;
use crate::view::View;
use crate::{output, signals};

/// Pretrain a generator and a discriminator on shards.
///
/// Ctrl-C writes a checkpoint and stops; `--out` with its directory and `--resume auto` continues exactly
/// there. Closing the terminal (SIGHUP) does the same; under `nohup` or `setsid`, or detached in tmux, the run continues, and
/// `aelectra dashboard` shows it again.
#[derive(Args, Debug)]
pub(crate) struct PretrainArgs {
    /// Recipe (aelectra-small-cased, aelectra-small-uncased, electra-small-pp, electra-base,
    /// cpu-small, cpu-small-2026-11, demo), TOML file, or config.json
    /// of a run.
    #[arg(long, value_name = "NAME|FILE", default_value = "aelectra-small-cased")]
    recipe: String,
    /// Shard directory from `aelectra prepare`.
    #[arg(long, value_name = "DIR", required_unless_present = "print_config")]
    data: Option<PathBuf>,
    /// Tokenizer directory the shards were prepared with.
    #[arg(long, value_name = "DIR", required_unless_present = "print_config")]
    tokenizer: Option<PathBuf>,
    /// Run directory (default: a new one under runs/).
    #[arg(long, value_name = "RUN")]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Stop after this many steps of the run; the schedule is unchanged.
    #[arg(long, value_name = "N")]
    max_steps: Option<u64>,
    /// Stop after this many hours.
    #[arg(long, value_name = "H")]
    max_hours: Option<f64>,
    /// Resume from a checkpoint: `auto` (if there is one), `last` (require one), or a directory.
    #[arg(long, value_name = "auto|last|DIR")]
    resume: Option<Resume>,
    /// Start from the weights of this discriminator (domain adaptation).
    #[arg(long, value_name = "DIR|ID")]
    init_discriminator: Option<String>,
    /// Start from the weights of this generator.
    #[arg(long, value_name = "DIR|ID")]
    init_generator: Option<String>,
    /// Resume even if configuration or data changed.
    #[arg(long)]
    force: bool,
    /// Set a configuration key; repeatable. `--print-config` lists all keys.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Random seed.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Precision of products: f32, or bf16 (faster with AVX-512 BF16 or AMX); part of the
    /// configuration.
    #[arg(long, value_name = "PRECISION")]
    precision: Option<Precision>,
    /// Print the merged configuration with the origin of every value and exit.
    #[arg(long)]
    print_config: bool,
    /// Print plain lines even on a terminal (no dashboard).
    #[arg(long)]
    no_dashboard: bool,
}

pub(crate) fn run(args: &PretrainArgs, global: Global) -> anyhow::Result<u8> {
    let seed = ("seed", args.seed.map(Into::into));
    let precision = ("precision", args.precision.map(|p| p.to_string().into()));
    let (config, layers): (PretrainConfig, _) =
        configuration(&args.recipe, &args.set, &[seed, precision])?;
    let (Some(data), Some(tokenizer), false) = (&args.data, &args.tokenizer, args.print_config)
    else {
        return output::show(global, &layers.told(), || {
            layers.render().trim_end().to_owned()
        });
    };
    if args.out.is_none() && matches!(args.resume, Some(Resume::Auto | Resume::Last)) {
        return Err(output::usage(
            "without --out a run begins in a new directory, where there is nothing to resume",
            "give the run's directory as --out; `aelectra runs list` names them",
        ));
    }
    let stop = signals::stop_flag()?;
    let session = Session::open(Job {
        config,
        recipe: Some(args.recipe.clone()),
        data: data.clone(),
        tokenizer: tokenizer.clone(),
        out: args.out.clone(),
        device: args.device.list()?,
        max_steps: args.max_steps,
        max_time: args.max_hours.map(duration).transpose()?,
        resume: args.resume.clone().unwrap_or(Resume::No),
        force: args.force,
        init: InitialModels {
            generator: args.init_generator.clone(),
            discriminator: args.init_discriminator.clone(),
        },
        hub: hub(global),
        stop: stop.clone(),
    })?;
    let view = View::open(session.dir(), !args.no_dashboard, global, &stop);
    let trained = session.run(view.watchers(global));
    view.close(trained.is_ok(), &stop);
    let summary = trained?;
    let mut value = serde_json::to_value(&summary)?;
    // Scripts find every key, also of what this run did not measure.
    if let Some(map) = value.as_object_mut() {
        summary.metrics.visit(&mut |name, _| {
            map.entry(name).or_insert(serde_json::Value::Null);
        });
    }
    output::show(global, &value, || {
        format!(
            "{} steps{}, {:.0} tokens/s{}: {}\n{}",
            summary.steps,
            match summary.skipped_steps {
                0 => String::new(),
                skipped => format!(" ({skipped} of them skipped: a gradient that was not finite)"),
            },
            summary.tokens_per_second,
            if summary.is_held_out {
                ""
            } else {
                ", on the last of the training data"
            },
            console::metrics(&summary.metrics),
            summary.run.display()
        )
    })?;
    if let Some(note) = learnt_nothing(&summary.metrics, summary.is_held_out) {
        output::note(&note);
    }
    if summary.reason == EndReason::Interrupted {
        let run = summary.run.display();
        output::note(&format!(
            "interrupted after step {}, and kept; go on with the same command and `--out {run} --resume auto`, or with `--recipe \
             {run}/config.json` instead of its recipe and keys",
            summary.steps
        ));
    }
    if summary.reason == EndReason::Nonfinite {
        output::error(
            &format!(
                "the loss or its gradient was not a finite number ({} of {} steps were skipped)",
                summary.skipped_steps, summary.steps
            ),
            Some("try a smaller `learning_rate`, or go on from an earlier checkpoint"),
        );
    }
    Ok(summary.exit_code as u8)
}

/// What is said of a discriminator that finds none of the replaced tokens of held-out data.
fn learnt_nothing(metrics: &PretrainMetrics, is_held_out: bool) -> Option<String> {
    let nothing = is_held_out && metrics.rtd_recall == Some(0.0);
    nothing.then(|| {
        format!(
            "note: the discriminator takes no token for a replaced one yet (AUC {}; 0.5 is guessing), so fine-tuning will gain little \
             from it: train for more steps. Accuracy is then the share of tokens that are as they were",
            output::number(metrics.rtd_auc, 3)
        )
    })
}

fn duration(hours: f64) -> anyhow::Result<Duration> {
    Duration::try_from_secs_f64(hours * 3600.0)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| {
            output::usage(
                format!("--max-hours is {hours}"),
                "give a positive number of hours, e.g. 1.5",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_discriminator_that_has_learnt_nothing_is_told_of() {
        let of = |rtd_recall, rtd_auc| PretrainMetrics {
            rtd_recall,
            rtd_auc,
            ..PretrainMetrics::default()
        };
        let nothing = of(Some(0.0), Some(0.5123));
        let note = learnt_nothing(&nothing, true).expect("a note");
        assert!(note.contains("(AUC 0.512; 0.5 is guessing)"), "{note}");
        for (metrics, is_held_out) in [
            (of(Some(0.001), Some(0.6)), true),
            (of(Some(0.4), Some(0.9)), true),
            // The last steps of training are too few tokens to tell.
            (nothing, false),
            // A masked language model has no discriminator.
            (of(None, None), true),
        ] {
            assert_eq!(learnt_nothing(&metrics, is_held_out), None, "{metrics:?}");
        }
    }
}
