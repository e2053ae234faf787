//! Whether a run is alive.

use std::path::Path;

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
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stale(_) => "stale",
            Self::Crashed => "crashed",
            Self::Ended(reason) => reason.name(),
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
        return Status::Stale(silence);
    }
    Status::Running
}

/// Whether the process that began a run exists on this host; `None` where that cannot be known.
pub(crate) fn process_exists(start: &StartEvent) -> Option<bool> {
    let (pid, host) = (start.pid?, start.host.as_deref()?);
    let exists = |process: String| Path::new("/proc").join(process).exists();
    let knows = host_name()? == host && exists("self".to_owned());
    knows.then(|| exists(pid.to_string()))
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
        assert_eq!(status(&run, 201.0, Some(true)), Status::Stale(100.0));
        assert_eq!(status(&run, 102.0, Some(false)), Status::Crashed);
        let end = EndEvent {
            reason: EndReason::Limit,
            ..EndEvent::default()
        };
        let run = run_with([(100.0, log()), (101.0, RunEvent::End(end))]);
        assert_eq!(
            status(&run, 9e9, Some(false)),
            Status::Ended(EndReason::Limit)
        );
    }
}
