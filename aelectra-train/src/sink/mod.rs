//! From the training thread to whoever records or shows a run.
//!
//! The training thread hands events to a bounded channel; one thread gives them to all sinks in
//! order. Nothing is dropped: when the channel is full the training thread waits. A checkpoint
//! first calls [`EventBus::flush`], so that it never commits before an earlier event is on disk.

pub mod console;
pub(crate) mod event_file;
pub mod tensorboard;

use std::collections::VecDeque;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aelectra_data::run::{LogEvent, LogLevel, RunEvent, unix_time};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::error::{Result, TrainError};
use crate::survive::survived;

/// Takes a run's events in order.
pub trait RunSink: Send {
    /// Takes one event that happened at `time` (Unix seconds).
    ///
    /// # Errors
    /// A sink that fails is reported to the others, once until it works again; the run goes on.
    fn handle(&mut self, time: f64, event: &RunEvent) -> Result<()>;

    /// Brings everything taken so far to where it belongs.
    ///
    /// # Errors
    /// As [`RunSink::handle`].
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// Lets others see what was taken so far; called every few seconds.
    ///
    /// # Errors
    /// As [`RunSink::handle`].
    fn show(&mut self) -> Result<()> {
        Ok(())
    }

    /// The run is over: the last moment for what has not been done yet.
    fn end(&mut self) {}
}

enum Message {
    Event(f64, Box<RunEvent>),
    Flush(Sender<()>),
}

/// The sending end; dropping it drains the channel.
#[derive(Debug)]
pub struct EventBus {
    sender: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
}

/// Events that may wait before the training thread does.
const CAPACITY: usize = 1024;
/// How long what was taken may be unseen.
const UNSEEN: Duration = Duration::from_secs(5);

impl EventBus {
    /// Starts the thread that feeds the sinks.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(sinks: Vec<Box<dyn RunSink>>) -> Result<Self> {
        let (sender, receiver) = bounded(CAPACITY);
        let thread = std::thread::Builder::new()
            .name("events".to_owned())
            .spawn(move || feed(&receiver, sinks, UNSEEN))
            .map_err(TrainError::io("start a thread for", "events"))?;
        Ok(Self {
            sender: Some(sender),
            thread: Some(thread),
        })
    }

    /// Hands an event over; waits only when the sinks are far behind.
    pub fn emit(&self, event: RunEvent) {
        if let Some(sender) = &self.sender {
            // The thread outlives the bus; the run's own result must not depend on that.
            let _ = sender.send(Message::Event(unix_time(), Box::new(event)));
        }
    }

    /// Tells the reader something.
    pub fn log(&self, message: String) {
        self.emit(RunEvent::Log(LogEvent {
            message,
            ..LogEvent::default()
        }));
    }

    /// Tells the reader of something that is not as it should be.
    pub(crate) fn warn(&self, message: String, step: Option<u64>) {
        self.emit(RunEvent::Log(LogEvent {
            level: LogLevel::Warn,
            message,
            step,
        }));
    }

    /// Waits until every earlier event is where it belongs.
    pub fn flush(&self) {
        let (reply, answer) = bounded(1);
        if let Some(sender) = &self.sender
            && sender.send(Message::Flush(reply)).is_ok()
        {
            let _ = answer.recv();
        }
    }
}

impl Drop for EventBus {
    fn drop(&mut self) {
        drop(self.sender.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Hands messages over until the last sender is gone; what was taken is shown every `unseen`.
fn feed(receiver: &Receiver<Message>, sinks: Vec<Box<dyn RunSink>>, unseen: Duration) {
    let mut sinks: Vec<Slot> = sinks.into_iter().map(Slot::new).collect();
    let mut shown = Instant::now();
    loop {
        match receiver.recv_timeout(unseen) {
            Ok(Message::Event(time, event)) => each(&mut sinks, |sink| sink.handle(time, &event)),
            Ok(Message::Flush(reply)) => {
                each(&mut sinks, |sink| sink.flush());
                let _ = reply.send(());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if shown.elapsed() >= unseen {
            each(&mut sinks, |sink| sink.show());
            shown = Instant::now();
        }
    }
    each(&mut sinks, |sink| sink.flush());
    each(&mut sinks, |sink| {
        sink.end();
        Ok(())
    });
}

/// A sink and how it was when it was last used.
struct Slot {
    sink: Box<dyn RunSink>,
    fails: bool,
    /// It has panicked, and is not used again.
    gone: bool,
}

impl Slot {
    fn new(sink: Box<dyn RunSink>) -> Self {
        Self {
            sink,
            fails: false,
            gone: false,
        }
    }

    /// What there is to tell of it: that it begins to fail, as on a full disk, or has panicked.
    fn act(&mut self, act: &mut impl FnMut(&mut dyn RunSink) -> Result<()>) -> Option<String> {
        if self.gone {
            return None;
        }
        let acted = survived("what records events", || Ok(act(self.sink.as_mut())));
        let result = acted.unwrap_or_else(|panic| {
            self.gone = true;
            Err(panic)
        });
        let failed_before = std::mem::replace(&mut self.fails, result.is_err());
        let failure = result.err().filter(|_| !failed_before)?;
        Some(format!("events are not recorded now: {failure}"))
    }
}

/// Lets each sink act. What there is to tell of one is told to the others; one that fails is tried again with the next
/// event.
fn each(sinks: &mut [Slot], mut act: impl FnMut(&mut dyn RunSink) -> Result<()>) {
    let mut to_tell: VecDeque<String> = sinks
        .iter_mut()
        .filter_map(|slot| slot.act(&mut act))
        .collect();
    while let Some(message) = to_tell.pop_front() {
        let event = RunEvent::Log(LogEvent {
            level: LogLevel::Warn,
            message,
            ..LogEvent::default()
        });
        // Who is told may begin to fail with it, which is told to those that are left.
        for slot in sinks.iter_mut().filter(|slot| !slot.fails) {
            to_tell.extend(slot.act(&mut |sink| sink.handle(unix_time(), &event)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Takes messages, but for those that say `full`.
    struct Disk(Arc<Mutex<Vec<String>>>);

    impl RunSink for Disk {
        fn handle(&mut self, _time: f64, event: &RunEvent) -> Result<()> {
            let RunEvent::Log(log) = event else {
                return Ok(());
            };
            if log.message == "full" {
                return Err(TrainError::failed("no room"));
            }
            let mut taken = self.0.lock().map_err(|_| TrainError::failed("poisoned"))?;
            taken.push(log.message.clone());
            Ok(())
        }
    }

    /// Counts how often it is shown.
    struct Shown(Arc<AtomicUsize>);

    impl RunSink for Shown {
        fn handle(&mut self, _time: f64, _event: &RunEvent) -> Result<()> {
            Ok(())
        }

        fn show(&mut self) -> Result<()> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }

    /// Both while nothing comes and while events come faster than that.
    #[test]
    fn what_was_taken_is_shown_every_few_seconds() {
        let count = Arc::new(AtomicUsize::new(0));
        let sinks: Vec<Box<dyn RunSink>> = vec![Box::new(Shown(Arc::clone(&count)))];
        let (sender, receiver) = bounded(CAPACITY);
        let unseen = Duration::from_millis(20);
        let thread = std::thread::spawn(move || feed(&receiver, sinks, unseen));
        let begun = Instant::now();
        let waits_for = |wanted: usize, meanwhile: &dyn Fn()| {
            while count.load(Ordering::SeqCst) < wanted {
                assert!(begun.elapsed() < Duration::from_secs(60), "never shown");
                meanwhile();
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        waits_for(2, &|| {});
        waits_for(4, &|| {
            let event = Box::new(RunEvent::Log(LogEvent::default()));
            sender.send(Message::Event(0.0, event)).expect("taken");
        });
        drop(sender);
        thread.join().expect("ends");
    }

    /// Takes everything.
    struct Reader(Arc<Mutex<Vec<String>>>);

    impl RunSink for Reader {
        fn handle(&mut self, _time: f64, event: &RunEvent) -> Result<()> {
            if let (RunEvent::Log(log), Ok(mut heard)) = (event, self.0.lock()) {
                heard.push(log.message.clone());
            }
            Ok(())
        }
    }

    #[test]
    fn a_sink_that_fails_is_told_once_and_tried_again() {
        let [disk, reader]: [Arc<Mutex<Vec<String>>>; 2] = Default::default();
        let sinks: [Box<dyn RunSink>; 2] = [
            Box::new(Disk(Arc::clone(&disk))),
            Box::new(Reader(Arc::clone(&reader))),
        ];
        let bus = EventBus::start(sinks.into()).expect("started");
        for message in ["a", "full", "full", "b"] {
            bus.log(message.to_owned());
        }
        drop(bus);
        assert_eq!(*disk.lock().expect("whole"), ["a", "b"]);
        let heard = reader.lock().expect("whole");
        assert_eq!(
            *heard,
            [
                "a",
                "full",
                "events are not recorded now: no room",
                "full",
                "b"
            ]
        );
    }

    /// Panics at the first event.
    struct Broken;

    impl RunSink for Broken {
        fn handle(&mut self, _time: f64, _event: &RunEvent) -> Result<()> {
            panic!("broken");
        }
    }

    #[test]
    fn a_sink_that_panics_takes_no_other_with_it() {
        let reader: Arc<Mutex<Vec<String>>> = Arc::default();
        let sinks: [Box<dyn RunSink>; 2] =
            [Box::new(Broken), Box::new(Reader(Arc::clone(&reader)))];
        let bus = EventBus::start(sinks.into()).expect("started");
        bus.log("a".to_owned());
        bus.flush();
        bus.log("b".to_owned());
        drop(bus);
        let heard = reader.lock().expect("whole");
        let [first, told, last] = &heard[..] else {
            panic!("{heard:?}");
        };
        assert_eq!((&first[..], &last[..]), ("a", "b"));
        assert!(told.contains("broken"), "{told}");
    }
}
