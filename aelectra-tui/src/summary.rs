//! A glance at a run: enough for a list, without reading its whole file.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aelectra_data::DataError;
use aelectra_data::run::{RunDir, Task, leaves};
use serde::Serialize;
use serde_json::Value;

use crate::ends::head_and_tail;
use crate::error::Result;
use crate::format;
use crate::store::{Metric, NerMetric, RunStore, process_exists, status};

/// A run in a line.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunSummary {
    /// The run's id.
    pub id: String,
    /// `waiting`, `running`, `paused`, `stale`, `crashed`, or how it ended: `completed`, `limit`,
    /// `stopped`, `interrupted`, `nonfinite`, `failed`.
    pub state: String,
    /// What it trains.
    pub task: Option<Task>,
    /// The step it has reached.
    pub step: Option<u64>,
    /// The step it will end at.
    pub total_steps: Option<u64>,
    /// The latest loss, of pretraining or else of fine-tuning.
    pub loss: Option<f64>,
    /// The latest discriminator accuracy.
    pub rtd_accuracy: Option<f64>,
    /// The best development F1 of the epochs that test scores say were kept; without such scores the best F1.
    pub best_f1: Option<f64>,
    /// The latest loss on held-out data.
    pub held_out_loss: Option<f64>,
    /// How fast it goes, or went.
    pub tokens_per_second: Option<f64>,
    /// Tokens that it has read.
    pub tokens_seen: Option<u64>,
    /// Seconds until it ends, while it trains.
    pub eta_seconds: Option<f64>,
    /// The step of its latest checkpoint.
    pub checkpoint_step: Option<u64>,
    /// When its first process began, and when the last word of it was, seconds since 1970.
    pub started: Option<f64>,
    /// See `started`.
    pub last_event: Option<f64>,
    /// Where it trains: device, host and process.
    pub device: Option<String>,
    /// See `device`.
    pub host: Option<String>,
    /// See `device`.
    pub pid: Option<u32>,
    /// Seconds since its last event.
    pub last_event_seconds: Option<f64>,
    /// Its directory.
    pub path: PathBuf,
    /// Its configuration, flat: dotted keys and values as text.
    #[serde(skip)]
    pub(crate) settings: BTreeMap<String, String>,
    /// Whether it has ended, or its process is gone: no request would be heard.
    #[serde(skip)]
    pub is_over: bool,
}

impl RunSummary {
    /// Reads the head and tail of a run's events.
    ///
    /// # Errors
    /// When the directory is no run or its events cannot be read.
    pub fn read(path: &Path, now: f64) -> Result<Self> {
        let dir = RunDir::open(path)?;
        let events = dir.events();
        let mut run = RunStore::default();
        if events.is_file() {
            let found = head_and_tail(&events).map_err(DataError::io("read", &events))?;
            found.into_iter().for_each(|envelope| run.apply(envelope));
        }
        let start = run.start.as_ref();
        let alive = start.and_then(|start| process_exists(dir.path(), start));
        let path = dir.path().to_path_buf();
        let manifest = dir.read_manifest().ok();
        let settings = manifest.map(|manifest| settings(&manifest.config));
        Ok(Self {
            settings: settings.unwrap_or_default(),
            ..Self::of(&run, dir.id(), path, alive, now)
        })
    }

    /// The summary of a run that was read.
    pub(crate) fn of(
        run: &RunStore,
        id: String,
        path: PathBuf,
        alive: Option<bool>,
        now: f64,
    ) -> Self {
        let track = run.ner.tracks.get(run.ner.active);
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        let status = status(run, now, alive);
        let start = run.start.as_ref();
        Self {
            id,
            state: status.word().into(),
            is_over: !status.is_alive(),
            task: run.start.as_ref().map(|start| start.task.clone()),
            step: run.step(),
            total_steps: run.total(),
            loss: finite(run.last(Metric::Loss).or_else(|| track?.steps.last(0))),
            rtd_accuracy: finite(run.last(Metric::RtdAccuracy)),
            best_f1: run.ner.best().map(|best| best.f1),
            held_out_loss: finite(run.evals.last(Metric::Loss.column())),
            tokens_per_second: finite(run.last_smooth(Metric::TokensPerSecond).or_else(|| {
                let column = NerMetric::TokensPerSecond.column();
                track?.steps.last(column)
            })),
            tokens_seen: run.tokens_seen,
            eta_seconds: run.eta(now).filter(|_| status.is_alive()),
            checkpoint_step: run.checkpoints.back().map(|checkpoint| checkpoint.step),
            started: run.first_time,
            last_event: run.last_time,
            device: start.and_then(|start| start.device.clone()),
            host: start.and_then(|start| start.host.clone()),
            pid: start.and_then(|start| start.pid),
            last_event_seconds: run.last_time.map(|last| (now - last).max(0.0)),
            path,
            settings: BTreeMap::new(),
        }
    }
}

/// What a setting without a value is written as, in place of JSON's `null`.
pub(crate) const NOT_SET: &str = "not set";

/// A run's settings by key, as text. Those of a fine-tuning, which are a table beside its files, are called as a pretraining's.
pub(crate) fn settings(config: &Value) -> BTreeMap<String, String> {
    let table = config.as_object().map(leaves).unwrap_or_default();
    let written = |value: &Value| match value {
        Value::Null => NOT_SET.to_owned(),
        Value::String(text) => format::printable(text),
        other => format::printable(&other.to_string()),
    };
    let pairs = table.into_iter();
    pairs
        .map(|(key, value)| {
            let key = key.strip_prefix("config.").unwrap_or(&key);
            (format::printable(key), written(&value))
        })
        .collect()
}

/// The summaries of all runs below a directory, the most recently written first. Runs that cannot
/// be read are left out.
///
/// # Errors
/// When the directory exists and cannot be listed.
pub fn summaries(root: &Path, now: f64) -> Result<Vec<RunSummary>> {
    Glances::default().all(root, now)
}

/// Runs that were looked at: one that is over is read again only when its file has changed, so that a list of many,
/// drawn anew every few seconds, takes nothing from a training beside it.
#[derive(Debug, Default)]
pub(crate) struct Glances(HashMap<PathBuf, Glance>);

#[derive(Debug)]
struct Glance {
    /// Length and time of its file then.
    stamp: (u64, SystemTime),
    at: f64,
    found: RunSummary,
}

impl Glances {
    /// As [`RunSummary::read`].
    pub(crate) fn read(&mut self, path: &Path, now: f64) -> Result<RunSummary> {
        let stamp = stamp(path);
        if let Some(glance) = self.0.get(path)
            && Some(glance.stamp) == stamp
        {
            let since = |seconds: f64| (seconds + now - glance.at).max(0.0);
            return Ok(RunSummary {
                last_event_seconds: glance.found.last_event_seconds.map(since),
                ..glance.found.clone()
            });
        }
        let found = RunSummary::read(path, now)?;
        // What was written while it was read is not in the stamp from before.
        match stamp.filter(|_| found.is_over) {
            Some(stamp) => {
                let found = found.clone();
                let glance = Glance {
                    stamp,
                    at: now,
                    found,
                };
                self.0.insert(path.to_path_buf(), glance);
            }
            None => drop(self.0.remove(path)),
        }
        Ok(found)
    }

    /// As [`summaries`].
    pub(crate) fn all(&mut self, root: &Path, now: f64) -> Result<Vec<RunSummary>> {
        let runs = RunDir::list(root)?;
        Ok(runs
            .iter()
            .filter_map(|run| self.read(run.path(), now).ok())
            .collect())
    }
}

/// Length and time of a run's file of events.
fn stamp(path: &Path) -> Option<(u64, SystemTime)> {
    let events = RunDir::open(path).ok()?.events().metadata().ok()?;
    Some((events.len(), events.modified().ok()?))
}

#[cfg(test)]
mod tests {
    use aelectra_data::run::{
        CheckpointEvent, EndEvent, EndReason, EvalEvent, EventWriter, NerEvalEvent, NerStepEvent,
        PretrainMetrics, StartEvent, StepEvent,
    };

    use aelectra_data::run::RunEvent;

    use super::*;
    use crate::ends::{HEAD, PIECE, TAIL};

    #[test]
    fn settings_are_flat() {
        let model = serde_json::json!({"hidden_size": 256, "rank": null});
        let config = serde_json::json!({"lr": 5e-4, "model": model, "name": "a\u{1b}b"});
        let found = settings(&config);
        assert_eq!(found["model.rank"], "not set");
        assert_eq!(found["model.hidden_size"], "256");
        assert!(!found["name"].contains('\u{1b}'));
        let of_tuning = serde_json::json!({"config": {"batch_size": 32}, "model": "m"});
        let found = settings(&of_tuning);
        assert_eq!((&*found["batch_size"], &*found["model"]), ("32", "m"));
    }

    /// Its only evaluation and its latest checkpoint are far from its end, and others are in its head.
    #[test]
    fn what_a_long_run_reached_is_not_what_it_began_with() {
        let root = tempfile::tempdir().expect("temporary directory");
        let dir = RunDir::create_at(&root.path().join("long")).expect("created");
        let mut writer = EventWriter::open(&dir.events()).expect("opened");
        let mut write = |event: RunEvent| {
            writer.append_at(0.0, &event).expect("written");
        };
        write(RunEvent::Start(StartEvent {
            task: Task::Pretrain,
            ..StartEvent::default()
        }));
        for step in 1..=20_000 {
            write(RunEvent::Step(StepEvent {
                step,
                ..StepEvent::default()
            }));
            if [1, 4000].contains(&step) {
                let metrics = PretrainMetrics {
                    loss: Some(10.0 - step as f64 / 1000.0),
                    ..PretrainMetrics::default()
                };
                write(RunEvent::Eval(EvalEvent {
                    step,
                    metrics,
                    ..EvalEvent::default()
                }));
                write(RunEvent::Checkpoint(CheckpointEvent {
                    step,
                    ..CheckpointEvent::default()
                }));
            }
        }
        assert!(std::fs::metadata(dir.events()).expect("there").len() > 2 * (HEAD + TAIL));
        let found = RunSummary::read(dir.path(), 0.0).expect("read");
        let reached = (found.step, found.checkpoint_step, found.held_out_loss);
        assert_eq!(reached, (Some(20_000), Some(4000), Some(6.0)));
    }

    /// The first process is gone, the second runs, and its start is far from either end.
    #[test]
    fn a_long_run_that_was_resumed_is_not_taken_for_its_first_process() {
        let root = tempfile::tempdir().expect("temporary directory");
        let dir = RunDir::create_at(&root.path().join("resumed")).expect("created");
        let mut writer = EventWriter::open(&dir.events()).expect("opened");
        let mut write = |at: f64, event: RunEvent| writer.append_at(at, &event).expect("written");
        let start = |pid| {
            RunEvent::Start(StartEvent {
                task: Task::Pretrain,
                pid: Some(pid),
                host: aelectra_data::run::host_name(),
                ..StartEvent::default()
            })
        };
        // Longer than a piece, so that it is found in the second one from the end.
        let steps = 30_000;
        write(0.0, start(u32::MAX));
        for step in 1..=steps {
            if step == steps / 4 {
                write(step as f64, start(std::process::id()));
            }
            let event = StepEvent {
                step,
                ..StepEvent::default()
            };
            write(step as f64, RunEvent::Step(event));
        }
        assert!(std::fs::metadata(dir.events()).expect("there").len() > HEAD + TAIL + PIECE);
        let found = RunSummary::read(dir.path(), steps as f64).expect("read");
        assert_eq!((found.state.as_str(), found.step), ("running", Some(steps)));
    }

    #[test]
    fn the_best_score_of_a_long_fine_tuning_may_be_in_its_middle() {
        let root = tempfile::tempdir().expect("temporary directory");
        let dir = RunDir::create_at(&root.path().join("tuned")).expect("created");
        let mut writer = EventWriter::open(&dir.events()).expect("opened");
        let mut write = |event: RunEvent| {
            writer.append_at(0.0, &event).expect("written");
        };
        write(RunEvent::Start(StartEvent {
            task: Task::Finetune,
            ..StartEvent::default()
        }));
        for step in 1..=9000 {
            write(RunEvent::NerStep(NerStepEvent {
                step,
                loss: Some(0.5),
                ..NerStepEvent::default()
            }));
            if step % 100 == 0 {
                write(RunEvent::NerEval(NerEvalEvent {
                    epoch: step / 100,
                    micro_f1: Some(if step == 4500 { 0.9 } else { 0.1 }),
                    ..NerEvalEvent::default()
                }));
            }
        }
        assert!(std::fs::metadata(dir.events()).expect("there").len() > 2 * (HEAD + TAIL));
        let found = RunSummary::read(dir.path(), 0.0).expect("read");
        assert_eq!(found.best_f1, Some(0.9));
    }

    #[test]
    fn a_long_run_is_summed_up_from_its_ends() {
        let root = tempfile::tempdir().expect("temporary directory");
        let dir = RunDir::create_at(&root.path().join("long")).expect("created");
        let mut writer = EventWriter::open(&dir.events()).expect("opened");
        let start = StartEvent {
            task: Task::Pretrain,
            total_steps: Some(9000),
            ..StartEvent::default()
        };
        writer
            .append_at(0.0, &RunEvent::Start(start))
            .expect("written");
        for step in 1..=9000 {
            let event = StepEvent {
                step,
                metrics: PretrainMetrics {
                    loss: Some(1.0 / step as f64),
                    ..PretrainMetrics::default()
                },
                ..StepEvent::default()
            };
            writer
                .append_at(step as f64, &RunEvent::Step(event))
                .expect("written");
        }
        let running = RunSummary::read(dir.path(), 9001.0).expect("read");
        assert_eq!(
            (running.step, running.total_steps),
            (Some(9000), Some(9000))
        );
        assert_eq!(running.state, "running");
        assert_eq!(running.last_event_seconds, Some(1.0));
        let end = EndEvent {
            reason: EndReason::Completed,
            ..EndEvent::default()
        };
        writer
            .append_at(9001.0, &RunEvent::End(end))
            .expect("written");
        let all = summaries(root.path(), 1e9).expect("listed");
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].state, "completed");

        // Looked at again, it is only older, until something is written.
        let mut glances = Glances::default();
        let mut look = |now| glances.all(root.path(), now).expect("listed").remove(0);
        let (first, second) = (look(9001.0), look(9011.0));
        assert_eq!(first.last_event_seconds, Some(0.0));
        assert_eq!(
            second,
            RunSummary {
                last_event_seconds: Some(10.0),
                ..first
            }
        );
        let start = RunEvent::Start(StartEvent {
            task: Task::Pretrain,
            ..StartEvent::default()
        });
        writer.append_at(9012.0, &start).expect("written");
        assert_eq!(look(9012.0).state, "running");
        assert!(
            summaries(&root.path().join("none"), 0.0)
                .expect("listed")
                .is_empty()
        );
    }
}
