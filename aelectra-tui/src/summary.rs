//! A glance at a run: enough for a list, without reading its whole file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use aelectra_data::DataError;
use aelectra_data::run::{Envelope, RunDir};
use serde::Serialize;

use crate::error::Result;
use crate::run_table;
use crate::store::{Metric, RunStore, process_exists, status};

/// Bytes read from the beginning and from the end of a file.
const HEAD: u64 = 64 * 1024;
const TAIL: u64 = 256 * 1024;

/// A run in a line.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunSummary {
    /// The run's id.
    pub id: String,
    /// `waiting`, `running`, `paused`, `stale`, `crashed`, or how it ended: `completed`, `limit`,
    /// `stopped`, `interrupted`, `nonfinite`, `failed`.
    pub state: String,
    /// `pretrain`, `finetune`, `demo`.
    pub task: Option<String>,
    /// The step it has reached.
    pub step: Option<u64>,
    /// The step it will end at.
    pub total_steps: Option<u64>,
    /// The latest loss, of pretraining or else of fine-tuning.
    pub loss: Option<f64>,
    /// The latest discriminator accuracy.
    pub rtd_accuracy: Option<f64>,
    /// The best development F1 seen in the part that was read.
    pub best_f1: Option<f64>,
    /// Seconds since its last event.
    pub last_event_seconds: Option<f64>,
    /// Its directory.
    pub path: PathBuf,
    /// Its configuration, flat: dotted keys and values as text.
    #[serde(skip)]
    pub(crate) settings: BTreeMap<String, String>,
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
        let alive = run.start.as_ref().and_then(process_exists);
        let path = dir.path().to_path_buf();
        let manifest = dir.read_manifest().ok();
        let settings = manifest.map(|manifest| run_table::settings(&manifest.config));
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
        Self {
            id,
            state: status(run, now, alive).word().into(),
            task: run.start.as_ref().map(|start| start.task.clone()),
            step: run.step(),
            total_steps: run.total(),
            loss: finite(run.last(Metric::Loss).or_else(|| track?.steps.last(0))),
            rtd_accuracy: finite(run.last(Metric::RtdAccuracy)),
            best_f1: run.ner.best_f1(),
            last_event_seconds: run.last_time.map(|last| (now - last).max(0.0)),
            path,
            settings: BTreeMap::new(),
        }
    }
}

fn head_and_tail(path: &Path) -> std::io::Result<Vec<Envelope>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut text = Vec::new();
    if length <= HEAD + TAIL {
        file.read_to_end(&mut text)?;
    } else {
        Read::by_ref(&mut file).take(HEAD).read_to_end(&mut text)?;
        file.seek(SeekFrom::Start(length - TAIL))?;
        // The cut lines on both sides of the gap join into one that is no event.
        file.read_to_end(&mut text)?;
    }
    let whole = text
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |end| end + 1);
    Ok(text[..whole]
        .split(|&byte| byte == b'\n')
        .filter_map(|line| Envelope::from_json(line).ok())
        .collect())
}

/// The summaries of all runs below a directory, the most recently written first. Runs that cannot
/// be read are left out.
///
/// # Errors
/// When the directory exists and cannot be listed.
pub fn summaries(root: &Path, now: f64) -> Result<Vec<RunSummary>> {
    let runs = RunDir::list(root)?;
    Ok(runs
        .iter()
        .filter_map(|run| RunSummary::read(run.path(), now).ok())
        .collect())
}

#[cfg(test)]
mod tests {
    use aelectra_data::run::{
        EndEvent, EndReason, EventWriter, PretrainMetrics, RunEvent, StartEvent, StepEvent,
    };

    use super::*;

    #[test]
    fn a_long_run_is_summed_up_from_its_ends() {
        let root = tempfile::tempdir().expect("temporary directory");
        let dir = RunDir::create_at(&root.path().join("long")).expect("created");
        let mut writer = EventWriter::open(&dir.events()).expect("opened");
        let start = StartEvent {
            task: "pretrain".into(),
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
        assert!(
            summaries(&root.path().join("none"), 0.0)
                .expect("listed")
                .is_empty()
        );
    }
}
