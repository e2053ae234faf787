//! Plain progress lines for people and log files: one line per event, no control characters.

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

use aelectra_data::run::{PretrainMetrics, RunEvent, Visit, utc_timestamp};
use crossbeam_channel::{Sender, bounded};

use crate::error::{Result, TrainError};
use crate::sink::RunSink;

/// Lines that wait at most for a reader who does not read.
const WAITING: usize = 256;
/// How long such a reader is waited for where everything should have been shown.
const PATIENCE: Duration = Duration::from_millis(500);
/// The same at the end of a run, for every line that is left.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

/// Writes one line for each event worth one, on a thread of its own: a terminal that was stopped, or a pipe that nobody
/// reads, must hold up neither the training nor what is written to disk. What there is no room for is left out and
/// counted.
#[derive(Debug)]
pub struct ConsoleSink {
    lines: Sender<Line>,
    /// How many have been written.
    written: Arc<AtomicU64>,
    left_out: u64,
    /// Whether the reader kept us waiting the last time.
    is_late: bool,
    /// Whether each line begins with its time.
    stamped: bool,
    /// Unix time and number of the first step seen.
    first_step: Option<(f64, u64)>,
}

enum Line {
    Text(String),
    /// Answered when all before it has been written.
    Flush(Sender<()>),
}

impl ConsoleSink {
    /// A sink that writes to `out`, usually standard error.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn new(mut out: impl Write + Send + 'static) -> Result<Self> {
        let (lines, waiting) = bounded(WAITING);
        let written = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&written);
        let write = move || {
            for line in waiting {
                count.fetch_add(1, Ordering::Relaxed);
                // A closed terminal or pipe must not end a run.
                match line {
                    Line::Text(line) => drop(writeln!(out, "{line}")),
                    Line::Flush(reply) => {
                        let _ = out.flush();
                        let _ = reply.send(());
                    }
                }
            }
        };
        // Not joined: it may wait for a reader for ever.
        std::thread::Builder::new()
            .name("lines".to_owned())
            .spawn(write)
            .map_err(TrainError::io("start a thread for", "lines"))?;
        Ok(Self {
            lines,
            written,
            left_out: 0,
            is_late: false,
            stamped: false,
            first_step: None,
        })
    }

    /// Each line begins with its time in UTC, as a log has it.
    #[must_use]
    pub fn stamped(mut self) -> Self {
        self.stamped = true;
        self
    }

    /// The seconds until the last step, by the pace since the first that was seen.
    fn seconds_left(&mut self, time: f64, event: &RunEvent) -> Option<f64> {
        let RunEvent::Step(step) = event else {
            return None;
        };
        let (begun, first) = *self.first_step.get_or_insert((time, step.step));
        let done = step.step.checked_sub(first).filter(|done| *done > 0)?;
        let left = step.total_steps?.saturating_sub(step.step);
        Some((time - begun) / done as f64 * left as f64).filter(|left| *left > 0.0)
    }

    fn say(&mut self, line: String) {
        // All was read since.
        self.is_late &= !self.lines.is_empty();
        if self.left_out > 0 {
            let told = format!("({} lines were not shown: nobody read them)", self.left_out);
            if self.lines.try_send(Line::Text(told)).is_ok() {
                self.left_out = 0;
            }
        }
        let line = one_line(&line).into_owned();
        if self.lines.try_send(Line::Text(line)).is_err() {
            self.left_out += 1;
        }
    }
}

impl RunSink for ConsoleSink {
    fn handle(&mut self, time: f64, event: &RunEvent) -> Result<()> {
        let left = self.seconds_left(time, event);
        if let Some(mut line) = line(event) {
            if let Some(left) = left {
                line += &format!(" ETA {}", span(left));
            }
            if self.stamped {
                let now = UNIX_EPOCH + Duration::try_from_secs_f64(time).unwrap_or_default();
                line = format!("{} {line}", utc_timestamp(now));
            }
            self.say(line);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.is_late && !self.lines.is_empty() {
            return Ok(());
        }
        let (reply, answer) = bounded(1);
        let asked = self.lines.send_timeout(Line::Flush(reply), PATIENCE);
        self.is_late = asked.is_err() || answer.recv_timeout(PATIENCE).is_err();
        Ok(())
    }

    /// Waits for all that was said, as long as it is being read.
    fn end(&mut self) {
        let mut seen = None;
        while !self.lines.is_empty() {
            let written = Some(self.written.load(Ordering::Relaxed));
            if std::mem::replace(&mut seen, written) == written {
                // Nobody reads.
                return;
            }
            let begun = Instant::now();
            while !self.lines.is_empty() && begun.elapsed() < LAST_PATIENCE {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        self.is_late = false;
        let _ = self.flush();
    }
}

/// Without what would steer a terminal: labels, names of files and parts of texts come from wherever they come from.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    without(text, |c| c.is_control() && !matches!(c, '\n' | '\t'))
}

/// [`visible`], and what would begin a line that looks like one of ours.
fn one_line(text: &str) -> Cow<'_, str> {
    without(text, |c| c.is_control() && c != '\t')
}

fn without(text: &str, steers: impl Fn(char) -> bool + Copy) -> Cow<'_, str> {
    match text.contains(steers) {
        true => text.replace(steers, "\u{fffd}").into(),
        false => text.into(),
    }
}

/// `2d 03h`, `1h 02m`, `5m 10s`, `7s`.
fn span(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {:02}s", seconds % 60),
        (0, ..) => format!("{hours}h {:02}m", minutes % 60),
        _ => format!("{days}d {:02}h", hours % 24),
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
            let skipped = match step.skipped_steps {
                None | Some(0) => String::new(),
                Some(skipped) => format!(" ({skipped} steps skipped so far)"),
            };
            format!("step {:>7}{total} {numbers}{skipped}", step.step)
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
    use aelectra_data::run::{LogEvent, NerEvalEvent, StepEvent};

    use super::*;

    /// A reader that reads only after it was told to.
    struct Stopped {
        goes_on: crossbeam_channel::Receiver<()>,
        read: Sender<String>,
    }

    impl Write for Stopped {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.goes_on.recv();
            let _ = self.read.send(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// A reader that hears everything.
    struct Heard(Sender<String>);

    impl Write for Heard {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.send(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What a log of a long run is read for.
    #[test]
    fn lines_tell_when_they_were_and_how_long_it_takes() {
        let mut sink = ConsoleSink::new(std::io::sink())
            .expect("started")
            .stamped();
        let step = |step| {
            RunEvent::Step(StepEvent {
                step,
                total_steps: Some(1000),
                ..StepEvent::default()
            })
        };
        assert_eq!(sink.seconds_left(100.0, &step(50)), None, "no pace yet");
        // Resumed at 50: 50 steps in 10 seconds, and 900 to go.
        assert_eq!(sink.seconds_left(110.0, &step(100)), Some(180.0));
        assert_eq!(sink.seconds_left(290.0, &step(1000)), None);
        let (read, shown) = crossbeam_channel::unbounded();
        let mut sink = ConsoleSink::new(Heard(read)).expect("started").stamped();
        for (time, number) in [(0.0, 50), (10.0, 100)] {
            sink.handle(time, &step(number)).expect("said");
        }
        sink.end();
        let shown: String = shown.try_iter().collect();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(
            lines[0].starts_with("1970-01-01T00:00:00Z step      50/1000"),
            "{shown}"
        );
        assert!(!lines[0].contains("ETA"), "{shown}");
        assert!(
            lines[1].starts_with("1970-01-01T00:00:10Z step     100/1000"),
            "{shown}"
        );
        assert!(lines[1].ends_with(" ETA 3m 00s"), "{shown}");
        let spans = [7.2, 310.0, 3720.0, 183_600.0].map(span);
        assert_eq!(spans, ["7s", "5m 10s", "1h 02m", "2d 03h"]);
    }

    #[test]
    fn what_steers_a_terminal_is_not_given_to_it() {
        assert_eq!(visible("et\tord\nØ"), "et\tord\nØ");
        assert_eq!(
            visible("\u{1b}]0;x\u{7}\u{9b}1m"),
            "\u{fffd}]0;x\u{fffd}\u{fffd}1m"
        );
        let (read, shown) = crossbeam_channel::unbounded();
        let mut sink = ConsoleSink::new(Heard(read)).expect("started");
        let log = LogEvent {
            message: "entities by class: P\u{1b}]52;c;eA==\u{7} 3, L\nstep 1, \tØ 1".to_owned(),
            ..LogEvent::default()
        };
        sink.handle(0.0, &RunEvent::Log(log)).expect("said");
        sink.end();
        let shown: String = shown.try_iter().collect();
        assert_eq!(
            shown,
            "entities by class: P\u{fffd}]52;c;eA==\u{fffd} 3, L\u{fffd}step 1, \tØ 1\n"
        );
    }

    #[test]
    fn a_reader_that_does_not_read_holds_nobody_up() {
        let (go, goes_on) = bounded(0);
        let (read, shown) = crossbeam_channel::unbounded();
        let mut sink = ConsoleSink::new(Stopped { goes_on, read }).expect("started");
        for number in 0..3 * WAITING {
            sink.say(number.to_string());
        }
        // Once it waits, and then no more.
        for _ in 0..100 {
            sink.flush().expect("given up");
        }
        sink.end();
        assert!(sink.left_out > 0);
        drop(go);
        while !sink.lines.is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        sink.say("last".to_owned());
        sink.end();
        let shown: String = shown.try_iter().collect();
        assert!(shown.starts_with("0\n1\n2\n"), "{shown}");
        assert!(
            shown.contains("lines were not shown") && shown.ends_with("last\n"),
            "{shown}"
        );
    }

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
