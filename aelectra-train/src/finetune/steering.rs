//! Requests of a dashboard or of `aelectra runs` to a fine-tuning, and signals.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aelectra_data::run::{ControlRequest, ControlStatus, RunDir};

use crate::requests::Requests;
use crate::sink::EventBus;
use crate::stop::StopFlag;

/// How often the directory of requests is looked into. A step of a small network takes less.
const LOOK: Duration = Duration::from_millis(200);

/// Shared by all series of a run, also those side by side: one answer for each request.
#[derive(Debug)]
pub struct Steering<'a> {
    requests: Requests<'a>,
    signals: &'a StopFlag,
    stopped: AtomicBool,
    paused: AtomicBool,
    looked: Mutex<Option<Instant>>,
}

impl<'a> Steering<'a> {
    /// Listens to the requests to a run and to signals.
    #[must_use]
    pub fn new(run: &RunDir, bus: &'a EventBus, signals: &'a StopFlag) -> Self {
        Self {
            requests: Requests::new(run, bus),
            signals,
            stopped: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            looked: Mutex::new(None),
        }
    }

    /// Between two steps: carries out requests and waits while paused. `true` when training is to
    /// end.
    pub(crate) fn is_over(&self, step: u64) -> bool {
        self.wait(step).is_none()
    }

    /// The same: how long it waited, or `None` when training is to end.
    pub(crate) fn wait(&self, step: u64) -> Option<Duration> {
        let mut waited = Duration::ZERO;
        loop {
            self.look(step);
            if self.signals.requested().is_some() || self.stopped.load(Ordering::Relaxed) {
                return None;
            }
            if !self.paused.load(Ordering::Relaxed) {
                return Some(waited);
            }
            let before = Instant::now();
            std::thread::sleep(LOOK / 2);
            waited += before.elapsed();
        }
    }

    fn look(&self, step: u64) {
        // Whoever looks now looks for all.
        let Ok(mut looked) = self.looked.try_lock() else {
            return;
        };
        if looked.is_some_and(|last| last.elapsed() < LOOK) {
            return;
        }
        *looked = Some(Instant::now());
        for request in self.requests.take(step) {
            let (status, message) = self.obey(request.0);
            self.requests.answer(&request, status, step, message);
        }
    }

    fn obey(&self, request: ControlRequest) -> (ControlStatus, Option<&'static str>) {
        match request {
            ControlRequest::Stop => self.stopped.store(true, Ordering::Relaxed),
            ControlRequest::Pause => self.paused.store(true, Ordering::Relaxed),
            ControlRequest::Resume => self.paused.store(false, Ordering::Relaxed),
            ControlRequest::Checkpoint => {
                let why = "fine-tuning saves finished seeds, not single steps";
                return (ControlStatus::Refused, Some(why));
            }
            ControlRequest::Evaluate => {
                let why = "fine-tuning evaluates after every epoch";
                return (ControlStatus::Refused, Some(why));
            }
        }
        (ControlStatus::Done, None)
    }
}

#[cfg(test)]
mod tests {
    use aelectra_data::run::{EventReader, EventWriter, RunEvent, request_control};

    use super::*;
    use crate::sink::event_file::EventFile;

    #[test]
    fn each_request_is_answered_once_and_a_stop_ends_all_series() {
        let root = tempfile::tempdir().expect("a folder");
        let run = RunDir::create_at(&root.path().join("run")).expect("created");
        let writer = EventWriter::open(&run.events()).expect("opened");
        let bus = EventBus::start(vec![Box::new(EventFile::new(writer))]).expect("started");
        let signals = StopFlag::default();
        let steering = Steering::new(&run, &bus, &signals);
        assert_eq!(steering.wait(1), Some(Duration::ZERO));
        let pause = |is: bool| steering.paused.store(is, Ordering::Relaxed);
        pause(true);
        let (begins, begun) = std::sync::mpsc::channel();
        let waited = std::thread::scope(|scope| {
            let steering = &steering;
            let waiting = scope.spawn(move || {
                begins.send(()).expect("heard");
                steering.wait(1)
            });
            begun.recv().expect("begun");
            // Ten times what a pause sleeps at a time, for a machine with much to do.
            std::thread::sleep(5 * LOOK);
            pause(false);
            waiting.join().expect("ends")
        });
        assert!(
            waited.is_some_and(|waited| waited >= LOOK / 2),
            "{waited:?}"
        );
        for request in [ControlRequest::Checkpoint, ControlRequest::Stop] {
            request_control(&run.control(), request).expect("asked");
        }
        std::thread::sleep(LOOK);
        assert!(steering.is_over(2) && steering.is_over(3));
        bus.flush();
        let events = EventReader::new(&run.events()).poll().expect("read");
        let answers: Vec<ControlStatus> = events
            .into_iter()
            .filter_map(|envelope| match envelope.event {
                RunEvent::Control(answer) => Some(answer.status),
                _ => None,
            })
            .collect();
        assert_eq!(answers, [ControlStatus::Refused, ControlStatus::Done]);
    }
}
