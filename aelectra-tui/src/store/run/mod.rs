//! Everything known of one run, event by event. Its log, what it was asked, and how far it has come have a
//! file each.

mod control;
mod log;
mod progress;

use std::collections::VecDeque;

use aelectra_data::run::{
    CheckpointEvent, DeviceSeconds, EndEvent, EndReason, Envelope, LogLevel, Manifest, RunEvent,
    SampleEvent, StartEvent, SystemEvent,
};

use super::metric::{DeviceMetric, Metric, SystemMetric};
use super::ner::NerStore;
use super::rate::RateMeter;
use super::table::{Axis, Table};
use crate::format::printable;
use log::Log;

pub(crate) use control::ControlRecord;
pub(crate) use log::LogLine;
pub(crate) use progress::limit;

const SAMPLES: usize = 200;
const SAMPLE_TOKENS: usize = 1024;
const CHECKPOINTS: usize = 500;
const DEVICES: usize = 64;
const ALERTS: usize = 500;

#[derive(Clone, Debug, Default)]
pub(crate) struct RunStore {
    /// How it was started, once its manifest was read.
    pub(crate) manifest: Option<Manifest>,
    /// Its latest `start` event; fields a restart left out are kept from before.
    pub(crate) start: Option<StartEvent>,
    /// Pretraining steps, columns of [`Metric`].
    pub(crate) steps: Table,
    /// Evaluations, columns of [`Metric`].
    pub(crate) evals: Table,
    /// The machine, columns of [`SystemMetric`]; its step is the event's number.
    pub(crate) system: Table,
    /// The machine's latest event in full.
    pub(crate) machine: Option<SystemEvent>,
    pub(crate) ner: NerStore,
    /// The latest samples, oldest first.
    pub(crate) samples: VecDeque<SampleEvent>,
    /// Checkpoints, oldest first.
    pub(crate) checkpoints: VecDeque<CheckpointEvent>,
    /// The step of the best of them, also where that is no longer among them.
    pub(crate) best_checkpoint: Option<u64>,
    pub(crate) logs: Log,
    /// Control requests and answers, oldest first.
    pub(crate) controls: VecDeque<ControlRecord>,
    /// Steps at which a number was not finite, and which.
    pub(crate) nonfinite: VecDeque<(u64, Metric)>,
    /// Steps at which a process continued.
    pub(crate) resumes: Vec<u64>,
    /// The end, unless something happened after it.
    pub(crate) end: Option<EndEvent>,
    pub(crate) paused: bool,
    /// The step at which it will end.
    pub(crate) total_steps: Option<u64>,
    pub(crate) tokens_seen: Option<u64>,
    /// What each of several devices did in the last steps.
    pub(crate) devices: Vec<DeviceSeconds>,
    /// The same over time, by device; columns of [`DeviceMetric`].
    pub(crate) device_tables: Vec<(String, Table)>,
    pub(crate) first_time: Option<f64>,
    /// Seconds between processes: when nothing of it ran.
    pub(crate) idle: f64,
    /// When the latest process began.
    pub(crate) began: Option<f64>,
    pub(crate) last_time: Option<f64>,
    /// Typical seconds between events.
    pub(crate) event_interval: Option<f64>,
    /// How fast its pretraining goes; every fine-tuning has its own, since several may run at once.
    pub(crate) rate: RateMeter,
    /// Its latest steps were of fine-tuning.
    pub(crate) tuning: bool,
    pub(crate) events: u64,
    /// Lines that were no events.
    pub(crate) bad_lines: u64,
    /// Whether its event file is gone.
    pub(crate) missing: bool,
}

/// Appends, and drops the oldest beyond `limit`.
fn keep<T>(queue: &mut VecDeque<T>, item: T, limit: usize) {
    if queue.len() >= limit {
        queue.pop_front();
    }
    queue.push_back(item);
}

impl RunStore {
    pub(crate) fn apply(&mut self, envelope: Envelope) {
        let Envelope { seq, t, event, .. } = envelope;
        let t = if t.is_finite() { t } else { 0.0 };
        self.events += 1;
        let first = *self.first_time.get_or_insert(t);
        if let Some(last) = self.last_time {
            let distance = (t - last).clamp(0.0, 3600.0);
            let typical = self.event_interval.unwrap_or(distance);
            self.event_interval = Some(0.9 * typical + 0.1 * distance);
            if matches!(event, RunEvent::Start(_) | RunEvent::Resumed(_)) {
                self.idle += (t - last).max(0.0);
            }
        }
        self.last_time = Some(self.last_time.map_or(t, |last| last.max(t)));
        let time = t - first - self.idle;
        if !matches!(event, RunEvent::End(_) | RunEvent::Unknown(_)) {
            self.end = None;
        }
        match event {
            RunEvent::Start(event) => {
                self.began = Some(t);
                self.start(event, t);
            }
            RunEvent::Resumed(event) => {
                self.steps.truncate_after(event.step);
                self.evals.truncate_after(event.step);
                for (_, table) in &mut self.device_tables {
                    table.truncate_after(event.step);
                }
                self.samples.retain(|sample| sample.step <= event.step);
                self.checkpoints.retain(|saved| saved.step <= event.step);
                if self.best_checkpoint.is_some_and(|best| best > event.step) {
                    let mut saved = self.checkpoints.iter().rev();
                    let best = saved.find(|saved| saved.best).map(|saved| saved.step);
                    self.mark_best(best);
                }
                self.nonfinite.retain(|(step, _)| *step <= event.step);
                if self.resumes.len() < ALERTS {
                    self.resumes.push(event.step);
                }
                self.restart_rates();
                let text = format!("resumed from step {}", event.step);
                self.logs.push(t, LogLevel::Info, &text);
            }
            RunEvent::Step(event) => {
                let values = Metric::values(|f| event.visit(f));
                for (metric, value) in Metric::ALL.iter().zip(values) {
                    if value.is_some_and(|value| !value.is_finite()) {
                        keep(&mut self.nonfinite, (event.step, *metric), ALERTS);
                    }
                }
                self.total_steps = event.total_steps.or(self.total_steps);
                self.devices = event.devices.into_iter().take(DEVICES).collect();
                for device in &mut self.devices {
                    device.device = printable(&device.device);
                }
                self.tokens_seen = event.tokens_seen.or(self.tokens_seen);
                let tokens = event.tokens_seen.unwrap_or(0);
                self.steps.push(event.step, tokens, time, &values);
                self.push_devices(event.step, tokens, time);
                if self.tuning {
                    self.tuning = false;
                    self.rate.restart();
                }
                self.rate.push(t, event.step);
            }
            RunEvent::Eval(event) => {
                let tokens = self.tokens_seen.unwrap_or(0);
                let values = Metric::values(|f| event.visit(f));
                self.evals.push(event.step, tokens, time, &values);
            }
            RunEvent::NerStep(event) => {
                self.tuning = true;
                self.ner.step(&event, t, time);
            }
            RunEvent::NerEval(event) => self.ner.eval(event),
            RunEvent::Sample(mut event) => {
                event.tokens.truncate(SAMPLE_TOKENS);
                for token in &mut event.tokens {
                    for text in [&mut token.original, &mut token.masked, &mut token.sampled] {
                        *text = printable(text);
                    }
                }
                keep(&mut self.samples, event, SAMPLES);
            }
            RunEvent::Checkpoint(event) => self.checkpoint(event, t),
            RunEvent::Control(event) => self.control(event, t),
            RunEvent::Log(event) => self.logs.push(t, event.level, &event.message),
            RunEvent::System(event) => {
                let values = SystemMetric::values(|f| event.visit(f));
                self.system.push(seq, 0, time, &values);
                self.machine = Some(event);
            }
            RunEvent::End(event) => {
                self.paused = false;
                let (reason, code) = (event.reason, event.exit_code);
                let why = event.message.clone().unwrap_or_default();
                self.end = Some(event);
                let how = match reason {
                    EndReason::Limit => format!("ended at {}", self.limit()),
                    _ => format!("ended: {}", reason.name()),
                };
                let text = format!("{how}, exit code {code} {why}");
                // Who asked for it to stop did nothing wrong.
                let level = match reason {
                    EndReason::Failed | EndReason::Nonfinite => LogLevel::Error,
                    _ => LogLevel::Info,
                };
                self.logs.push(t, level, text.trim_end());
            }
            // `RunEvent` may grow; what is not known here is passed over.
            _ => {}
        }
    }

    fn push_devices(&mut self, step: u64, tokens: u64, time: f64) {
        for device in &self.devices {
            let whole = device.compute + device.communication + device.waiting;
            let whole = whole.max(f64::MIN_POSITIVE);
            let values = DeviceMetric::values(|f| {
                f("tokens_per_second", Some(device.tokens / whole));
                f("computing", Some(device.compute / whole));
                f("communication", Some(device.communication / whole));
                f("waiting", Some(device.waiting / whole));
            });
            let known = (self.device_tables.iter()).position(|(name, _)| *name == device.device);
            let index = known.unwrap_or(self.device_tables.len());
            if known.is_none() {
                // A run may go on with other devices than it began with, not with ever new ones.
                if index >= DEVICES {
                    continue;
                }
                self.device_tables
                    .push((device.device.clone(), Table::default()));
            }
            self.device_tables[index]
                .1
                .push(step, tokens, time, &values);
        }
    }

    /// Another process goes on, or the same after a pause.
    fn restart_rates(&mut self) {
        self.rate.restart();
        for track in &mut self.ner.tracks {
            track.rate.restart();
        }
    }

    fn start(&mut self, event: StartEvent, t: f64) {
        self.paused = false;
        self.restart_rates();
        self.total_steps = event.total_steps.or(self.total_steps);
        let text = format!(
            "started {} (process {})",
            event.task,
            event.pid.unwrap_or(0)
        );
        self.logs.push(t, LogLevel::Info, &text);
        let before = self.start.take().unwrap_or_default();
        self.start = Some(StartEvent {
            run: event.run.or(before.run),
            model: event.model.or(before.model),
            device: event.device.or(before.device),
            total_steps: event.total_steps.or(before.total_steps),
            total_epochs: event.total_epochs.or(before.total_epochs),
            batch_size: event.batch_size.or(before.batch_size),
            sequence_length: event.sequence_length.or(before.sequence_length),
            parameters: event.parameters.or(before.parameters),
            seed: event.seed.or(before.seed),
            ..event
        });
    }

    /// Takes a checkpoint. The weights of a step are written once; a second event of it says that an evaluation found them to be
    /// the best.
    fn checkpoint(&mut self, event: CheckpointEvent, t: f64) {
        let (step, best) = (event.step, event.best);
        let known = self
            .checkpoints
            .iter()
            .rposition(|saved| saved.step == step);
        match known {
            Some(place) => self.checkpoints[place].best |= best,
            None => {
                self.logs.push_checkpoint(t, &event.path, step);
                keep(&mut self.checkpoints, event, CHECKPOINTS);
            }
        }
        if best {
            self.mark_best(Some(step));
        }
    }

    /// Says of one checkpoint in the log that it is the best, and no longer of the one before.
    fn mark_best(&mut self, best: Option<u64>) {
        let before = std::mem::replace(&mut self.best_checkpoint, best);
        self.logs.mark_best(before, best);
    }

    /// Sets the decay of all smoothed curves; the machine is shown as it was measured.
    pub(crate) fn set_smoothing(&mut self, smoothing: f64) {
        self.steps.set_smoothing(smoothing);
        self.ner.set_smoothing(smoothing);
    }

    /// How many points its curves have: of pretraining, or else of the active fine-tuning.
    pub(crate) fn curve_points(&self) -> usize {
        let tuned = self.ner.tracks.get(self.ner.active);
        match self.steps.rows().len() {
            0 => tuned.map_or(0, |track| track.steps.rows().len()),
            count => count,
        }
    }

    pub(crate) fn last(&self, metric: Metric) -> Option<f64> {
        self.steps.last(metric.column())
    }

    /// The smoothed value of a pretraining metric at its latest step.
    pub(crate) fn last_smooth(&self, metric: Metric) -> Option<f64> {
        let smooth = self.steps.smooth(metric.column()).last();
        smooth
            .filter(|value| value.is_finite())
            .map(|value| f64::from(*value))
    }

    /// Whether it has the numbers for an axis; without tokens the axis is steps.
    pub(crate) fn usable_axis(&self, axis: Axis) -> Axis {
        match axis {
            Axis::Tokens if self.tokens_seen.is_none() => Axis::Step,
            axis => axis,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use aelectra_data::run::{LogEvent, PretrainMetrics, ResumedEvent, StepEvent};

    use super::*;

    pub(in super::super) fn feed(run: &mut RunStore, t: f64, event: RunEvent) {
        let (v, seq) = (1, run.events);
        run.apply(Envelope { v, seq, t, event });
    }

    pub(super) fn step(step: u64, loss: f64) -> RunEvent {
        RunEvent::Step(StepEvent {
            step,
            metrics: PretrainMetrics {
                loss: Some(loss),
                ..PretrainMetrics::default()
            },
            ..StepEvent::default()
        })
    }

    #[test]
    fn a_resume_takes_back_steps_and_alerts() {
        let mut run = RunStore::default();
        feed(&mut run, 0.0, step(10, 1.0));
        feed(&mut run, 1.0, step(20, f64::NAN));
        assert_eq!(run.nonfinite.len(), 1);
        let resumed = ResumedEvent {
            step: 10,
            ..ResumedEvent::default()
        };
        feed(&mut run, 2.0, RunEvent::Resumed(resumed));
        assert_eq!((run.step(), run.nonfinite.len()), (Some(10), 0));
    }

    #[test]
    fn time_in_which_nothing_ran_is_no_time_of_the_run() {
        let start = |max_seconds| {
            RunEvent::Start(StartEvent {
                max_seconds,
                ..StartEvent::default()
            })
        };
        let log = || RunEvent::Log(LogEvent::default());
        let mut run = RunStore::default();
        for (t, event) in [(100.0, start(None)), (110.0, log())] {
            feed(&mut run, t, event);
        }
        // Three days later.
        let later = 110.0 + 259_200.0;
        feed(&mut run, later, RunEvent::Resumed(ResumedEvent::default()));
        feed(&mut run, later + 1.0, start(Some(60.0)));
        feed(&mut run, later + 5.0, log());
        let (first, last) = (
            run.first_time.expect("a time"),
            run.last_time.expect("a time"),
        );
        assert!(
            (last - first - run.idle - 14.0).abs() < 1e-6,
            "{}",
            run.idle
        );
        // It ends by its time, whatever its steps do.
        assert_eq!(run.eta(later + 11.0), Some(50.0));
    }
}
