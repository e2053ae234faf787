//! Plain progress lines for people and log files: one line per event, no control characters.

use std::io::Write;

use aelectra_data::run::RunEvent;

use crate::error::Result;
use crate::sink::RunSink;

/// Writes one line for each event worth one.
pub struct ConsoleSink<W: Write + Send> {
    out: W,
}

impl<W: Write + Send> std::fmt::Debug for ConsoleSink<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsoleSink").finish_non_exhaustive()
    }
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
    let number = |value: Option<f64>, digits: usize| match value {
        Some(value) if value.is_finite() => format!("{value:.digits$}"),
        Some(_) => "not finite".to_owned(),
        None => "–".to_owned(),
    };
    let percent = |value: Option<f64>| match value {
        Some(value) if value.is_finite() => format!("{:.1} %", 100.0 * value),
        _ => "–".to_owned(),
    };
    Some(match event {
        RunEvent::Start(start) => format!(
            "{} on {}: {} parameters, {} steps",
            start.task,
            start.device.as_deref().unwrap_or("?"),
            start.parameters.map_or("?".to_owned(), |n| n.to_string()),
            start.total_steps.map_or("?".to_owned(), |n| n.to_string()),
        ),
        RunEvent::Resumed(resumed) => format!("resumed at step {}", resumed.step),
        RunEvent::Step(step) => format!(
            "step {:>7}{} loss {} mlm {} rtd {} acc {} (all original {}) lr {:.2e} norm {} {} tok/s",
            step.step,
            step.total_steps
                .map_or(String::new(), |total| format!("/{total}")),
            number(step.loss, 3),
            number(step.mlm_loss, 3),
            number(step.rtd_loss, 4),
            percent(step.rtd_accuracy),
            percent(step.rtd_baseline),
            step.lr.unwrap_or(0.0),
            number(step.grad_norm, 2),
            number(step.tokens_per_second, 0),
        ),
        RunEvent::Eval(eval) => format!(
            "held out at step {}: mlm {} rtd {} acc {} (all original {}) precision {} recall {} AUC {}",
            eval.step,
            number(eval.mlm_loss, 3),
            number(eval.rtd_loss, 4),
            percent(eval.rtd_accuracy),
            percent(eval.rtd_baseline),
            percent(eval.rtd_precision),
            percent(eval.rtd_recall),
            number(eval.rtd_auc, 3),
        ),
        RunEvent::NerEval(eval) => format!(
            "{}seed {} epoch {}: {} micro-F1 {} (without MISC {})",
            eval.arm
                .as_deref()
                .map_or(String::new(), |arm| format!("{arm} ")),
            eval.seed,
            eval.epoch,
            eval.split.as_deref().unwrap_or("dev"),
            percent(eval.micro_f1),
            percent(eval.micro_no_misc),
        ),
        RunEvent::Checkpoint(checkpoint) => {
            format!(
                "checkpoint at step {}: {}",
                checkpoint.step, checkpoint.path
            )
        }
        RunEvent::Control(control) => {
            format!("{} requested: {:?}", control.request.name(), control.status)
        }
        RunEvent::Log(log) => log.message.clone(),
        _ => return None,
    })
}
