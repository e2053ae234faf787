//! Whether a run is alive.

use std::path::Path;

use aelectra_data::lock::{Lock, RUN_LOCK};
use aelectra_data::run::{EndReason, StartEvent, host_name};

use super::run::RunStore;

/// Silence after which a run is called stale, at least.
const STALE_SECONDS: f64 = 30.0;
/// The same in typical distances between its events: evaluations and checkpoints are silent.
const STALE_INTERVALS: f64 = 10.0;

/// What a run is doing, as far as its events tell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Status {
    /// No event yet.
    Waiting,
    Running,
    Paused,
    /// No event for this many seconds, though its process is there: a long evaluation, or steps that take long.
    Silent(f64),
    /// No event for this many seconds, and nothing says that it ended.
    Stale(f64),
    /// Its process is gone without an end event.
    Crashed,
    Ended(EndReason),
}

impl Status {
    /// In one word, as `runs list` writes it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running | Self::Silent(_) => "running",
            Self::Paused => "paused",
            Self::Stale(_) => "stale",
            Self::Crashed => "crashed",
            Self::Ended(reason) => reason.name(),
        }
    }

    /// The same for a reader: of a run that a flag ended early, which one.
    pub(crate) fn told(self, run: &RunStore) -> String {
        match self {
            Self::Ended(EndReason::Limit) => format!("ended at {}", run.limit()),
            _ => self.word().to_owned(),
        }
    }

    /// Whether a request to the trainer could still be heard.
    pub(crate) const fn is_alive(self) -> bool {
        !matches!(self, Self::Crashed | Self::Ended(_))
    }
}

/// The status at Unix time `now`. `alive` is whether the process of the `start` event exists, where
/// that can be known (same host).
pub(crate) fn status(run: &RunStore, now: f64, alive: Option<bool>) -> Status {
    if let Some(end) = &run.end {
        return Status::Ended(end.reason);
    }
    let Some(last) = run.last_time else {
        return Status::Waiting;
    };
    if alive == Some(false) {
        return Status::Crashed;
    }
    if run.paused {
        return Status::Paused;
    }
    let silence = now - last;
    let patience = STALE_SECONDS.max(STALE_INTERVALS * run.event_interval.unwrap_or(0.0));
    if silence > patience {
        return match alive {
            Some(true) => Status::Silent(silence),
            _ => Status::Stale(silence),
        };
    }
    Status::Running
}

/// Whether the process that began a run still has it; `None` where that cannot be known. A lock that is held says so,
/// also across containers that number their processes for themselves, and one that a killed process left says the
/// contrary, whoever has its number now.
pub(crate) fn process_exists(run: &Path, start: &StartEvent) -> Option<bool> {
    let held = Lock::is_held(&run.join(RUN_LOCK));
    if held == Some(true) {
        return held;
    }
    let (pid, host) = (start.pid?, start.host.as_deref()?);
    let exists = |process: String| Path::new("/proc").join(process).exists();
    if host_name()? != host {
        return None;
    }
    let knows = exists("self".to_owned());
    held.or_else(|| knows.then(|| exists(pid.to_string())))
}

#[cfg(test)]
mod tests {
    use aelectra_data::run::{EndEvent, LogEvent, RunEvent};

    use super::super::run::tests::feed;
    use super::*;

    fn run_with(events: [(f64, RunEvent); 2]) -> RunStore {
        let mut run = RunStore::default();
        for (t, event) in events {
            feed(&mut run, t, event);
        }
        run
    }

    #[test]
    fn silence_death_and_end_are_told_apart() {
        assert_eq!(status(&RunStore::default(), 5.0, None), Status::Waiting);
        let log = || RunEvent::Log(LogEvent::default());
        let run = run_with([(100.0, log()), (101.0, log())]);
        assert_eq!(status(&run, 110.0, None), Status::Running);
        assert_eq!(status(&run, 201.0, None), Status::Stale(100.0));
        assert_eq!(status(&run, 201.0, Some(true)), Status::Silent(100.0));
        assert_eq!(status(&run, 102.0, Some(false)), Status::Crashed);
        let end = EndEvent {
            reason: EndReason::Limit,
            ..EndEvent::default()
        };
        let run = run_with([(100.0, log()), (101.0, RunEvent::End(end))]);
        let ended = status(&run, 9e9, Some(false));
        assert_eq!(ended, Status::Ended(EndReason::Limit));
        assert_eq!(
            (ended.word(), ended.told(&run).as_str()),
            ("limit", "ended at --max-steps")
        );
    }

    #[test]
    fn a_held_lock_says_more_than_the_number_of_a_process() {
        let dir = tempfile::tempdir().expect("a directory");
        let of = |pid: u32, host: &str| StartEvent {
            pid: Some(pid),
            host: Some(host.to_owned()),
            ..StartEvent::default()
        };
        let here = host_name().expect("a name");
        // No process has such a number.
        let (gone, own) = (of(u32::MAX, &here), of(std::process::id(), &here));
        let far = of(1, "elsewhere");
        let found = |start: &StartEvent| process_exists(dir.path(), start);
        assert_eq!(
            (found(&gone), found(&own), found(&far)),
            (Some(false), Some(true), None)
        );
        let lock = Lock::acquire(&dir.path().join(RUN_LOCK), "a training").expect("taken");
        assert_eq!([found(&gone), found(&own), found(&far)], [Some(true); 3]);
        drop(lock);
        // As a killed process leaves it.
        std::fs::write(dir.path().join(RUN_LOCK), "").expect("written");
        assert_eq!(
            (found(&gone), found(&own), found(&far)),
            (Some(false), Some(false), None)
        );
    }
}
