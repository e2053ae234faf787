//! `aelectra demo`: the whole path on the built-in sample.

mod walk;

use std::path::{Path, PathBuf};
use std::time::Instant;

use aelectra_data::lock::RUN_LOCK;
use aelectra_data::run::{RunDir, RunEvent};
use aelectra_train::end;
use aelectra_train::finetune::SeriesSummary;
use aelectra_train::record::OwnRun;
use clap::Args;
use serde_json::json;

use crate::common::DeviceArgs;
use crate::global::Global;
use crate::view::View;
use crate::{output, signals};
use walk::{Done, Walk};

/// Run the whole path on the built-in sample; takes a minute or a few on a CPU.
///
/// Vocabulary, shards, pretraining, fine-tuning with and without pretraining, evaluation, tagging.
/// Needs no network and no other file.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Sentence to tag at the end.
    #[arg(
        value_name = "TEXT",
        default_value = "Mette Lindholm fra Roskilde Kommune mødte Jonas Krogh i Aarhus."
    )]
    text: String,
    /// Run directory (default: a new one under runs/).
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Random seed.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Print plain lines even on a terminal (no dashboard).
    #[arg(long)]
    no_dashboard: bool,
    /// Set a pretraining key, e.g. to shorten a smoke test; repeatable.
    #[arg(long, value_name = "KEY=VALUE", hide = true)]
    set: Vec<String>,
    /// Seeds per fine-tuning.
    #[arg(long, default_value_t = 3, hide = true)]
    seeds: u64,
    /// Epochs per fine-tuning (default: the recipe's).
    #[arg(long, hide = true)]
    epochs: Option<u64>,
}

pub(crate) fn run(args: &DemoArgs, global: Global) -> anyhow::Result<u8> {
    if args.seeds == 0 {
        return Err(output::usage("--seeds is 0", "give at least 1"));
    }
    let started = Instant::now();
    let stop = signals::stop_flag()?;
    let device = args.device.spec()?;
    if let Some(out) = args.out.as_deref().filter(|out| holds_other_files(out)) {
        return Err(output::usage(
            format!("`{}` holds other files than a run's", out.display()),
            "give a directory of its own",
        ));
    }
    let run = OwnRun::open(args.out.as_deref(), "demo")?;
    if run.refuse_occupied().is_err() {
        return Err(output::usage(
            format!("`{}` already holds a run", run.path().display()),
            "give another `--out`, or delete it",
        ));
    }
    let view = View::open(&run, !args.no_dashboard, global, &stop);
    let bus = run.start_bus(view.watchers(global))?;
    let walk = Walk {
        args,
        run: &run,
        device,
        bus: &bus,
        stop: &stop,
    };
    let walked = walk.whole();
    bus.emit(RunEvent::End(match &walked {
        Ok(Ok(done)) => done.pretrained.end_event(),
        Ok(Err(end)) => end.clone(),
        Err(error) => end::failed(error),
    }));
    drop(bus);
    let seconds = started.elapsed().as_secs_f64();
    view.close(walked.is_ok(), &stop);
    match walked? {
        Ok(done) => report(args, &done, run.path(), seconds, global).map(|()| 0),
        Err(end) => Ok(end.exit_code as u8),
    }
}

/// Whether there is something, and no run: a corpus, say.
fn holds_other_files(dir: &Path) -> bool {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    // The lock is what a demo that was killed at its start left.
    let mut others = entries.filter(|entry| entry.file_name() != RUN_LOCK);
    others.next().is_some() && RunDir::open(dir).is_err()
}

fn report(
    args: &DemoArgs,
    done: &Done<'_>,
    out: &Path,
    seconds: f64,
    global: Global,
) -> anyhow::Result<()> {
    let Done {
        pretrained,
        pretrained_f1,
        random_f1,
        found,
    } = done;
    let metrics = &pretrained.metrics;
    if global.json {
        return output::json(&json!({
            "mlm_loss": metrics.mlm_loss,
            "rtd_loss": metrics.rtd_loss,
            "rtd_accuracy": metrics.rtd_accuracy,
            "rtd_baseline": metrics.rtd_baseline,
            "rtd_precision": metrics.rtd_precision,
            "rtd_recall": metrics.rtd_recall,
            "rtd_auc": metrics.rtd_auc,
            "f1_pretrained": pretrained_f1.f1_mean,
            "f1_pretrained_sd": pretrained_f1.f1_sd,
            "f1_random_init": random_f1.f1_mean,
            "f1_random_init_sd": random_f1.f1_sd,
            "entities": found.iter().flat_map(|found| &found.entities).collect::<Vec<_>>(),
            "text": args.text,
            "seconds": seconds,
            "out": out,
        }));
    }
    let f1 = |summary: &SeriesSummary| {
        let sd = output::percent(summary.f1_sd, 1);
        let rate = summary.runs.first().map_or(0.0, |run| run.learning_rate);
        format!(
            "{} % ± {sd} ({} seeds, lr {rate:e})",
            output::percent(summary.f1_mean, 1),
            summary.runs.len()
        )
    };
    let percent = |share: Option<f64>| {
        share.map_or("–".to_owned(), |share| format!("{:.2} %", 100.0 * share))
    };
    for (name, value) in [
        ("MLM loss, held out", output::number(metrics.mlm_loss, 3)),
        ("RTD loss, held out", output::number(metrics.rtd_loss, 4)),
        ("discriminator accuracy", percent(metrics.rtd_accuracy)),
        ("  of \"all original\"", percent(metrics.rtd_baseline)),
        ("NER F1 with pretraining", f1(pretrained_f1)),
        ("NER F1 without", f1(random_f1)),
        ("time", format!("{seconds:.0} s")),
        ("written to", out.display().to_string()),
    ] {
        output::line(&format!("{name:<26}{value}"))?;
    }
    output::line("")?;
    crate::commands::predict::print_pretty(found)
}
