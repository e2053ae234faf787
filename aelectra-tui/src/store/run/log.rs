//! The log, and which of its lines tells of the best checkpoint.

use std::collections::{VecDeque, vec_deque};

use aelectra_data::run::LogLevel;

use super::keep;
use crate::format::printable;

const LOGS: usize = 5000;
/// Characters kept of one log line.
const LOG_CHARS: usize = 2000;
/// What the line of the best checkpoint ends with.
const BEST: &str = " (best)";

/// A line of the log screen.
#[derive(Clone, Debug)]
pub(crate) struct LogLine {
    pub(crate) t: f64,
    pub(crate) level: LogLevel,
    /// The text, without control characters.
    pub(crate) text: String,
    /// The step of the checkpoint it tells of.
    checkpoint: Option<u64>,
}

/// The latest lines, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    lines: VecDeque<LogLine>,
}

impl Log {
    pub(crate) fn iter(&self) -> vec_deque::Iter<'_, LogLine> {
        self.lines.iter()
    }

    pub(super) fn push(&mut self, t: f64, level: LogLevel, text: &str) {
        self.push_line(t, level, text, None);
    }

    /// Tells of the checkpoint of a step.
    pub(super) fn push_checkpoint(&mut self, t: f64, path: &str, step: u64) {
        let text = format!("checkpoint {path}");
        self.push_line(t, LogLevel::Info, &text, Some(step));
    }

    fn push_line(&mut self, t: f64, level: LogLevel, text: &str, checkpoint: Option<u64>) {
        let cut: String = text.chars().take(LOG_CHARS).collect();
        let line = LogLine {
            t,
            level,
            text: printable(&cut),
            checkpoint,
        };
        keep(&mut self.lines, line, LOGS);
    }

    /// Says of one step's checkpoint that it is the best, and no longer of the one before.
    pub(super) fn mark_best(&mut self, before: Option<u64>, best: Option<u64>) {
        for (step, is_best) in [(before, false), (best, true)] {
            // The latest of that step: what was written before a crash may have been written anew.
            let tells = |line: &&mut LogLine| step.is_some() && line.checkpoint == step;
            if let Some(line) = self.lines.iter_mut().rev().find(tells) {
                let plain = line.text.strip_suffix(BEST).unwrap_or(&line.text);
                line.text = format!("{plain}{}", if is_best { BEST } else { "" });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use aelectra_data::run::{CheckpointEvent, LogEvent, ResumedEvent, RunEvent};

    use super::super::RunStore;
    use super::super::tests::feed;
    use super::*;

    #[test]
    fn a_checkpoint_is_told_once_and_only_the_best_is_marked() {
        let mut run = RunStore::default();
        let saved = |step, best| {
            RunEvent::Checkpoint(CheckpointEvent {
                step,
                path: format!("step-{step}"),
                best,
                ..CheckpointEvent::default()
            })
        };
        let told = |run: &RunStore| {
            let lines = run.logs.iter().map(|line| line.text.clone());
            lines.collect::<Vec<String>>()
        };
        for (step, best) in [(10, true), (20, false), (20, true), (30, false)] {
            feed(&mut run, 0.0, saved(step, best));
        }
        assert_eq!(
            told(&run),
            [
                "checkpoint step-10",
                "checkpoint step-20 (best)",
                "checkpoint step-30"
            ]
        );
        assert_eq!(run.checkpoints.len(), 3);
        // The second is void: the first is the best again, until the step is there anew.
        let resumed = ResumedEvent {
            step: 10,
            ..ResumedEvent::default()
        };
        feed(&mut run, 1.0, RunEvent::Resumed(resumed));
        assert_eq!(
            told(&run)[..2],
            ["checkpoint step-10 (best)", "checkpoint step-20"]
        );
        feed(&mut run, 2.0, saved(20, true));
        let best = |line: &&String| line.ends_with("(best)");
        let lines = told(&run);
        assert_eq!(lines.iter().filter(best).count(), 1, "{lines:?}");
        assert!(lines.last().is_some_and(|line| line.ends_with("(best)")));
    }

    #[test]
    fn what_a_run_writes_cannot_steer_the_terminal_or_fill_memory() {
        let mut run = RunStore::default();
        for _ in 0..LOGS + 10 {
            let log = LogEvent {
                message: "\x1b]0;title\x07 hej".to_owned(),
                ..LogEvent::default()
            };
            feed(&mut run, 0.0, RunEvent::Log(log));
        }
        assert_eq!(run.logs.lines.len(), LOGS);
        let mut texts = run.logs.iter().map(|line| &line.text);
        assert!(texts.all(|text| !text.contains(['\x1b', '\x07'])));
    }
}
