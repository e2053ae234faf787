//! Plain progress lines for people and log files: one line per event, no control characters.

use std::io::Write;

use aelectra_data::run::{PretrainMetrics, RunEvent, Visit};

use crate::error::Result;
use crate::sink::RunSink;

/// Writes one line for each event worth one.
#[derive(Debug)]
pub struct ConsoleSink<W: Write + Send> {
    out: W,
}

impl<W: Write + Send> ConsoleSink<W> {
    /// A sink that writes to `out`, usually standard error.
    pub const fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write + Send> RunSink for ConsoleSink<W> {
    fn handle(&mut self, _time: f64, event: &RunEvent) -> Result<()> {
        if let Some(line) = line(event) {
            // A closed terminal or pipe must not end a run.
            let _ = writeln!(self.out, "{line}");
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let _ = self.out.flush();
        Ok(())
    }
}

/// The line of an event, if it has one.
#[must_use]
pub fn line(event: &RunEvent) -> Option<String> {
    Some(match event {
        RunEvent::Start(start) => format!(
            "{} on {}: {} parameters, {}",
            start.task,
            start.device.as_deref().unwrap_or("?"),
            start.parameters.map_or("?".to_owned(), |n| n.to_string()),
            match (start.total_steps, start.total_epochs) {
                (Some(steps), _) => format!("{steps} steps"),
                (None, Some(epochs)) => format!("{epochs} epochs for each seed"),
                (None, None) => "? steps".to_owned(),
            },
        ),
        RunEvent::Resumed(resumed) => format!("resumed at step {}", resumed.step),
        RunEvent::Step(step) => {
            let total = step.total_steps.map(|total| format!("/{total}"));
            let total = total.unwrap_or_default();
            // A step's precision, recall and AUC say little; held-out lines have them.
            let but = ["rtd_precision", "rtd_recall", "rtd_auc"];
            let numbers = numbers(|f| step.visit(f), &but);
            format!("step {:>7}{total} {numbers}", step.step)
        }
        RunEvent::Eval(eval) => {
            let numbers = numbers(|f| eval.visit(f), &["loss"]);
            format!("held out at step {}: {numbers}", eval.step)
        }
        RunEvent::NerEval(eval) => {
            let arm = eval.arm.as_ref().map(|arm| format!("{arm} "));
            let trial = eval.trial.map(|rate| format!("learning rate {rate:e} "));
            format!(
                "{}{}seed {} epoch {}: {} {}",
                arm.unwrap_or_default(),
                trial.unwrap_or_default(),
                eval.seed,
                eval.epoch,
                eval.split.as_deref().unwrap_or("dev"),
                numbers(|f| eval.visit(f), &[]),
            )
        }
        RunEvent::Checkpoint(checkpoint) => {
            let (step, path) = (checkpoint.step, &checkpoint.path);
            format!("checkpoint at step {step}: {path}")
        }
        RunEvent::Control(control) => {
            format!("{} requested: {:?}", control.request.name(), control.status)
        }
        RunEvent::Log(log) => log.message.clone(),
        _ => return None,
    })
}

/// Pretraining metrics as they stand in a line; those not measured are left out.
#[must_use]
pub fn metrics(metrics: &PretrainMetrics) -> String {
    numbers(|f| metrics.visit(f), &[])
}

fn numbers(visit: impl FnOnce(&mut Visit<'_>), but: &[&str]) -> String {
    let mut parts = Vec::new();
    visit(&mut |name, value| {
        if !but.contains(&name) {
            parts.extend(value.and_then(|value| number(name, value)));
        }
    });
    parts.join(" ")
}

/// A number with its short name, if it belongs in a line.
fn number(name: &str, value: f64) -> Option<String> {
    let percent = 100.0 * value;
    Some(match name {
        "loss" => format!("loss {value:.3}"),
        "mlm_loss" => format!("mlm {value:.3}"),
        "rtd_loss" => format!("rtd {value:.4}"),
        "rtd_accuracy" => format!("acc {percent:.2} %"),
        "rtd_baseline" => format!("(all original {percent:.2} %)"),
        "rtd_precision" => format!("precision {percent:.1} %"),
        "rtd_recall" => format!("recall {percent:.1} %"),
        "rtd_auc" => format!("AUC {value:.3}"),
        "lr" => format!("lr {value:.2e}"),
        "grad_norm" => format!("norm {value:.2}"),
        "tokens_per_second" => format!("{value:.0} tok/s"),
        "micro_f1" => format!("micro-F1 {percent:.1} %"),
        "micro_no_misc" => format!("(without MISC {percent:.1} %)"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use aelectra_data::run::{NerEvalEvent, StepEvent};

    use super::*;

    #[test]
    fn a_line_has_what_was_measured_and_shows_nan() {
        let step = StepEvent {
            step: 20,
            total_steps: Some(200),
            metrics: PretrainMetrics {
                loss: Some(f64::NAN),
                rtd_accuracy: Some(0.875),
                rtd_recall: Some(0.5),
                ..PretrainMetrics::default()
            },
            lr: Some(5e-4),
            tokens_per_second: Some(3400.4),
            ..StepEvent::default()
        };
        assert_eq!(
            line(&RunEvent::Step(step)).as_deref(),
            Some("step      20/200 loss NaN acc 87.50 % lr 5.00e-4 3400 tok/s")
        );
        let eval = NerEvalEvent {
            seed: 2,
            epoch: 3,
            arm: Some("pretrained".into()),
            micro_f1: Some(0.5),
            micro_no_misc: Some(0.625),
            ..NerEvalEvent::default()
        };
        assert_eq!(
            line(&RunEvent::NerEval(eval)).as_deref(),
            Some("pretrained seed 2 epoch 3: dev micro-F1 50.0 % (without MISC 62.5 %)")
        );
    }
}
