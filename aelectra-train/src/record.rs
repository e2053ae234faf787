//! What every run leaves in its directory, whatever it trains: its events and its manifest.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use aelectra_data::run::{EventWriter, Manifest, RunDir, StartEvent, new_run_id, utc_timestamp};
use aelectra_model::DeviceSpec;

use crate::error::{Result, TrainError};
use crate::sink::tensorboard::TensorBoardSink;
use crate::sink::{EventBus, RunSink};

/// The run directory at `out`, or a new one for this task under `runs/`.
///
/// # Errors
/// When it cannot be created.
pub fn open_run(out: Option<&Path>, task: &str) -> Result<RunDir> {
    Ok(match out {
        Some(path) => RunDir::create_at(path)?,
        None => RunDir::create(Path::new("runs"), &new_run_id(SystemTime::now(), task))?,
    })
}

/// Refuses a directory in which a run has begun.
///
/// # Errors
/// When its event log is not empty.
pub fn refuse_occupied(run: &RunDir) -> Result<()> {
    if std::fs::metadata(run.events()).is_ok_and(|file| file.len() > 0) {
        return Err(occupied(run));
    }
    Ok(())
}

pub(crate) fn occupied(run: &RunDir) -> TrainError {
    TrainError::config(format!("`{}` already holds a run", run.path().display()))
        .with_hint("continue it with `--resume auto`, or give another `--out`")
}

/// An event bus into the event log and the TensorBoard files of a run, and to `watchers`.
///
/// # Errors
/// When a file cannot be written.
pub fn start_bus(run: &RunDir, watchers: Vec<Box<dyn RunSink>>) -> Result<EventBus> {
    let mut sinks: Vec<Box<dyn RunSink>> = vec![
        Box::new(EventWriter::open(&run.events())?),
        Box::new(TensorBoardSink::create(&run.tensorboard())?),
    ];
    sinks.extend(watchers);
    EventBus::start(sinks)
}

/// A manifest of this process.
pub(crate) fn manifest(
    run: &RunDir,
    task: &str,
    device: &DeviceSpec,
    seed: u64,
    config: serde_json::Value,
) -> Manifest {
    Manifest {
        id: run.id(),
        created: utc_timestamp(SystemTime::now()),
        task: task.to_owned(),
        command: std::env::args_os()
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect(),
        config,
        git_commit: option_env!("AELECTRA_GIT_COMMIT").map(str::to_owned),
        versions: BTreeMap::from([("aelectra".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]),
        device: device.to_string(),
        seed,
        ..Manifest::default()
    }
}

/// What the first event of any run says.
pub(crate) fn start_event(run: &RunDir, task: &str, device: &DeviceSpec, seed: u64) -> StartEvent {
    // A process id means something only together with the machine's name.
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    StartEvent {
        task: task.to_owned(),
        run: Some(run.id()),
        device: Some(device.to_string()),
        seed: Some(seed),
        pid: Some(std::process::id()),
        host: host.map(|name| name.trim().to_owned()),
        ..StartEvent::default()
    }
}
