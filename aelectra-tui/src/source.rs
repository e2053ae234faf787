//! Following runs in the background: one thread a run, pieces of its file through a bounded channel.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use aelectra_data::run::{Envelope, EventReader, RunDir, RunEvent, StartEvent, unix_time};

use crate::action::{Action, Batch};
use crate::error::{Result, TuiError};
use crate::options::Source;
use crate::state::RunKey;
use crate::store::process_exists;
use crate::summary::{Glances, RunSummary};

/// Bytes of a piece; the first is small, so that something shows at once.
const PIECE: usize = 1 << 20;
const FIRST_PIECE: usize = 128 * 1024;
/// How often a file that has been read to its end is looked at again.
const POLL: Duration = Duration::from_millis(150);
/// How often the process behind a run is looked for.
const ALIVE: Duration = Duration::from_secs(2);
/// The longest wait of a replay, in seconds of the run: a night's pause is not replayed.
const LONGEST_WAIT: f64 = 10.0;

/// Switches of a follower.
#[derive(Clone, Debug, Default)]
pub(crate) struct Switches {
    stop: Arc<AtomicBool>,
    freeze: Arc<AtomicBool>,
}

impl Switches {
    /// Ends the thread at its next look.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Holds it, or lets it go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.freeze.store(frozen, Ordering::Relaxed);
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Sleeps unless stopped, and as long as frozen; `false` when stopped.
    fn wait(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        loop {
            if self.stopped() {
                return false;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() && !self.freeze.load(Ordering::Relaxed) {
                return true;
            }
            std::thread::sleep(left.clamp(Duration::from_millis(1), Duration::from_millis(50)));
        }
    }
}

/// Follows a run until stopped or the receiver is gone. With `replay` the events come at that many
/// times their own pace.
pub(crate) fn follow(
    key: RunKey,
    path: PathBuf,
    replay: Option<f64>,
    send: SyncSender<Action>,
) -> Switches {
    let switches = Switches::default();
    let theirs = switches.clone();
    std::thread::spawn(move || {
        let events = match RunDir::open(&path) {
            Ok(run) => run.events(),
            Err(_) => path.join("events.jsonl"),
        };
        let mut follower = Follower {
            key,
            reader: EventReader::new(&events),
            send,
            switches: theirs,
            start: None,
            checked: None,
            alive: None,
        };
        follower.run(&path, replay);
    });
    switches
}

struct Follower {
    key: RunKey,
    reader: EventReader,
    send: SyncSender<Action>,
    switches: Switches,
    start: Option<StartEvent>,
    checked: Option<Instant>,
    alive: Option<bool>,
}

impl Follower {
    /// `None` when there is nobody to send to.
    fn run(&mut self, path: &Path, replay: Option<f64>) -> Option<()> {
        let mut piece = FIRST_PIECE;
        let mut manifest_read = false;
        let mut generation = self.reader.generation();
        let mut told = None;
        let mut clock: Option<f64> = None;
        loop {
            if !self.switches.wait(Duration::ZERO) {
                return None;
            }
            if !manifest_read
                && let Ok(manifest) = RunDir::open(path).and_then(|run| run.read_manifest())
            {
                manifest_read = true;
                self.send
                    .send(Action::Manifest(self.key, Box::new(manifest)))
                    .ok()?;
            }
            let mut events = Vec::new();
            let more = match self.reader.poll_chunk(piece, &mut events) {
                Ok(more) => more,
                Err(error) => {
                    self.send.send(Action::Told(error.to_string())).ok()?;
                    if !self.switches.wait(Duration::from_secs(2)) {
                        return None;
                    }
                    continue;
                }
            };
            piece = PIECE;
            let reset = self.reader.generation() != generation;
            generation = self.reader.generation();
            // Another run took its place: it has another manifest.
            manifest_read &= !reset;
            self.remember_process(&events);
            let loaded = if more { self.loaded() } else { 1.0 };
            if let Some(speed) = replay {
                self.send
                    .send(Action::Batch(self.batch(Vec::new(), reset, 1.0)))
                    .ok()?;
                for event in events {
                    let wait = clock.map_or(0.0, |before| event.t - before);
                    let wait = wait.clamp(0.0, LONGEST_WAIT) / speed.max(1e-3);
                    if wait > 1e-4 && !self.switches.wait(Duration::from_secs_f64(wait)) {
                        return None;
                    }
                    clock = Some(event.t);
                    let mut batch = self.batch(vec![event], false, 1.0);
                    batch.clock = clock;
                    self.send.send(Action::Batch(batch)).ok()?;
                }
            } else {
                let news = (
                    loaded,
                    self.reader.is_missing(),
                    self.is_alive(),
                    self.reader.bad_lines(),
                );
                if !events.is_empty() || reset || told != Some(news) {
                    told = Some(news);
                    self.send
                        .send(Action::Batch(self.batch(events, reset, loaded)))
                        .ok()?;
                }
            }
            if !more && !self.switches.wait(POLL) {
                return None;
            }
        }
    }

    fn batch(&self, events: Vec<Envelope>, reset: bool, loaded: f64) -> Batch {
        Batch {
            key: self.key,
            reset,
            events,
            loaded,
            bad_lines: self.reader.bad_lines(),
            missing: self.reader.is_missing() && self.reader.offset() > 0,
            alive: self.alive,
            clock: None,
        }
    }

    fn loaded(&self) -> f64 {
        let length = std::fs::metadata(self.reader.path()).map_or(0, |meta| meta.len());
        (self.reader.offset() as f64 / length.max(1) as f64).min(0.999)
    }

    fn remember_process(&mut self, events: &[Envelope]) {
        for envelope in events {
            if let RunEvent::Start(start) = &envelope.event {
                self.start = Some(start.clone());
                self.checked = None;
            }
        }
    }

    fn is_alive(&mut self) -> Option<bool> {
        if self.checked.is_none_or(|checked| checked.elapsed() > ALIVE) {
            self.checked = Some(Instant::now());
            let run = self.reader.path().parent().unwrap_or(Path::new(""));
            let start = self.start.as_ref();
            self.alive = start.and_then(|start| process_exists(run, start));
        }
        self.alive
    }
}

/// The summaries of a source's runs now.
pub(crate) fn list(source: &Source, glances: &mut Glances, now: f64) -> Vec<RunSummary> {
    match source {
        Source::Root(root) => glances.all(root, now).unwrap_or_default(),
        Source::Runs(paths) => paths
            .iter()
            .filter_map(|path| glances.read(path, now).ok())
            .collect(),
    }
}

/// The directory of the run that is shown first.
pub(crate) fn first(source: &Source) -> Result<PathBuf> {
    let (found, place) = match source {
        Source::Runs(paths) => (paths.first().cloned(), Path::new("runs")),
        Source::Root(root) => {
            let latest = RunDir::latest(root)?;
            (latest.map(|run| run.path().to_path_buf()), root.as_path())
        }
    };
    found.ok_or_else(|| TuiError::NoRun(place.to_path_buf()))
}

/// Refuses paths that are no runs.
pub(crate) fn check(source: &Source) -> Result<()> {
    if let Source::Runs(paths) = source {
        for path in paths {
            RunDir::open(path)?;
        }
    }
    Ok(())
}

/// Lists the source's runs every few seconds until the receiver is gone.
pub(crate) fn watch(source: Source, send: SyncSender<Action>) -> Switches {
    let switches = Switches::default();
    let theirs = switches.clone();
    std::thread::spawn(move || {
        let mut glances = Glances::default();
        loop {
            let found = list(&source, &mut glances, unix_time());
            // Until there is a run, its appearance is what the user waits for.
            let pause = if found.is_empty() { 500 } else { 5000 };
            if send.send(Action::Listed(found)).is_err()
                || !theirs.wait(Duration::from_millis(pause))
            {
                return;
            }
        }
    });
    switches
}
