//! What every run leaves in its directory, whatever it trains: its events and its manifest.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use aelectra_data::files::remove_unfinished;
use aelectra_data::lock::{Lock, RUN_LOCK};
use aelectra_data::run::{
    EventWriter, Manifest, RunDir, StartEvent, Task, host_name, new_run_id, utc_timestamp,
};
use aelectra_model::DeviceList;

use crate::error::{Result, TrainError};
use crate::sink::event_file::EventFile;
use crate::sink::tensorboard::TensorBoardSink;
use crate::sink::{EventBus, RunSink};

/// A run directory that only this process writes.
#[derive(Debug)]
pub struct OwnRun {
    dir: RunDir,
    /// `None` for a part of a run, whose owner has it.
    lock: Option<Arc<Lock>>,
}

impl OwnRun {
    /// The run directory at `out`, or a new one under `runs/` that is named after this command.
    ///
    /// # Errors
    /// When another process trains there, before anything is changed; when it cannot be created.
    pub fn open(out: Option<&Path>, command: &str) -> Result<Self> {
        let path = match out {
            Some(path) => path.to_path_buf(),
            None => new_directory(Path::new("runs"), command)?,
        };
        if path.is_file() {
            let message = format!("`{}` is a file", path.display());
            return Err(TrainError::config(message).with_hint("give a directory as `--out`"));
        }
        refuse_foreign(&path)?;
        std::fs::create_dir_all(&path).map_err(TrainError::io("create", &path))?;
        let lock = Lock::acquire(&path.join(RUN_LOCK), &format!("aelectra {command}"))?;
        Ok(Self {
            dir: RunDir::create_at(&path)?,
            lock: Some(Arc::new(lock)),
        })
    }

    /// A part of a larger run of this process.
    pub(crate) const fn part_of(dir: RunDir) -> Self {
        Self { dir, lock: None }
    }

    /// What keeps others out, for whoever writes for long.
    pub(crate) fn lock(&self) -> Option<Arc<Lock>> {
        self.lock.clone()
    }

    /// Refuses a directory in which a run has begun.
    ///
    /// # Errors
    /// When its event log is not empty.
    pub fn refuse_occupied(&self) -> Result<()> {
        if std::fs::metadata(self.dir.events()).is_ok_and(|file| file.len() > 0) {
            return Err(occupied(&self.dir));
        }
        Ok(())
    }

    /// Refuses to write a folder of the directory that is the input itself, or that no run here has made:
    /// somebody's model would be lost.
    ///
    /// # Errors
    /// When there is such a folder.
    pub(crate) fn refuse_models_of_others(
        &self,
        folders: &[&str],
        inputs: &[PathBuf],
    ) -> Result<()> {
        let is_run = self.dir.manifest().is_file() || self.dir.events().is_file();
        for folder in folders.iter().map(|name| self.dir.path().join(name)) {
            let Ok(whole) = folder.canonicalize() else {
                continue;
            };
            let is_input = inputs
                .iter()
                .any(|input| input.canonicalize().is_ok_and(|input| input == whole));
            if is_input || (!is_run && holds_files(&folder)) {
                return Err(TrainError::config(format!(
                    "`{}` is there already and would be overwritten",
                    folder.display()
                ))
                .with_hint("give an `--out` of its own"));
            }
        }
        Ok(())
    }

    /// Removes what killed processes were writing into the run and the folders that runs make in it, which may be as large as a
    /// model and would be passed on with it.
    fn remove_unfinished(&self) {
        const OTHERS: [&str; 2] = [RunDir::TOKENIZER, RunDir::SEEDS];
        let run = self.dir.path();
        remove_unfinished(run);
        for folder in RunDir::MODELS.iter().chain(&OTHERS) {
            let folder = run.join(folder);
            // What it leads to elsewhere is somebody else's.
            if folder.is_dir() && !folder.is_symlink() {
                remove_unfinished(&folder);
            }
        }
    }

    /// An event bus into the event log and the TensorBoard files of the run, and to `watchers`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn start_bus(&self, watchers: Vec<Box<dyn RunSink>>) -> Result<EventBus> {
        if self.lock.is_some() {
            self.remove_unfinished();
        }
        let mut sinks: Vec<Box<dyn RunSink>> = vec![
            Box::new(EventFile::new(EventWriter::open(&self.dir.events())?)),
            Box::new(TensorBoardSink::create(&self.dir.tensorboard())?),
        ];
        sinks.extend(watchers);
        let bus = EventBus::start(sinks)?;
        if self.lock.as_ref().is_some_and(|lock| !lock.is_enforced()) {
            let message = "this file system has no locks: start no second training in this \
                           directory";
            bus.warn(message.to_owned(), None);
        }
        Ok(bus)
    }
}

impl Deref for OwnRun {
    type Target = RunDir;

    fn deref(&self) -> &RunDir {
        &self.dir
    }
}

/// A run's manifest must not replace another file of that name.
fn refuse_foreign(path: &Path) -> Result<()> {
    if path.join("manifest.json").is_file() && RunDir::open(path).is_err() {
        return Err(TrainError::config(format!(
            "`{}` holds something else than a run, whose manifest.json would be overwritten",
            path.display()
        ))
        .with_hint("give an `--out` of its own"));
    }
    Ok(())
}

fn holds_files(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

/// A directory that was not there before; its name tells the second and the command.
fn new_directory(root: &Path, command: &str) -> Result<PathBuf> {
    std::fs::create_dir_all(root).map_err(TrainError::io("create", root))?;
    let id = new_run_id(SystemTime::now(), command);
    let mut path = root.join(&id);
    for number in 2.. {
        match std::fs::create_dir(&path) {
            // Another run began in the same second.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                path = root.join(format!("{id}-{number}"));
            }
            made => {
                return made
                    .map(|()| path.clone())
                    .map_err(TrainError::io("create", &path));
            }
        }
    }
    Ok(path)
}

pub(crate) fn occupied(run: &RunDir) -> TrainError {
    TrainError::config(format!("`{}` already holds a run", run.path().display()))
        .with_hint("continue it with `--resume auto`, or give another `--out`")
}

/// A manifest of this process.
pub(crate) fn manifest(
    run: &RunDir,
    task: Task,
    device: &DeviceList,
    seed: u64,
    config: serde_json::Value,
) -> Manifest {
    Manifest {
        id: run.id(),
        created: utc_timestamp(SystemTime::now()),
        task,
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
pub(crate) fn start_event(run: &RunDir, task: Task, device: &DeviceList, seed: u64) -> StartEvent {
    StartEvent {
        task,
        run: Some(run.id()),
        device: Some(device.to_string()),
        seed: Some(seed),
        pid: Some(std::process::id()),
        // A process id means something only together with the machine's name.
        host: host_name(),
        ..StartEvent::default()
    }
}
