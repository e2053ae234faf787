//! From the training thread to whoever records or shows a run.
//!
//! The training thread hands events to a bounded channel; one thread gives them to all sinks in
//! order. Nothing is dropped: when the channel is full the training thread waits. A checkpoint
//! first calls [`EventBus::flush`], so that it never commits before an earlier event is on disk.

pub mod console;
pub mod tensorboard;

use std::thread::JoinHandle;

use aelectra_data::run::{EventWriter, LogEvent, LogLevel, RunEvent, unix_time};
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::error::{Result, TrainError};

/// Takes a run's events in order.
pub trait RunSink: Send {
    /// Takes one event that happened at `time` (Unix seconds).
    ///
    /// # Errors
    /// A sink that fails is reported once and left out from then on; the run goes on.
    fn handle(&mut self, time: f64, event: &RunEvent) -> Result<()>;

    /// Brings everything taken so far to where it belongs.
    ///
    /// # Errors
    /// As [`RunSink::handle`].
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl RunSink for EventWriter {
    fn handle(&mut self, time: f64, event: &RunEvent) -> Result<()> {
        self.append_at(time, event)?;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(self.sync()?)
    }
}

enum Message {
    Event(f64, Box<RunEvent>),
    Flush(Sender<Vec<String>>),
}

/// The sending end; dropping it drains the channel.
#[derive(Debug)]
pub struct EventBus {
    sender: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
}

/// Events that may wait before the training thread does.
const CAPACITY: usize = 1024;

impl EventBus {
    /// Starts the thread that feeds the sinks.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(sinks: Vec<Box<dyn RunSink>>) -> Result<Self> {
        let (sender, receiver) = bounded(CAPACITY);
        let thread = std::thread::Builder::new()
            .name("events".to_owned())
            .spawn(move || feed(&receiver, sinks))
            .map_err(TrainError::io("start a thread for", "events"))?;
        Ok(Self {
            sender: Some(sender),
            thread: Some(thread),
        })
    }

    /// Hands an event over; waits only when the sinks are far behind.
    pub fn emit(&self, event: RunEvent) {
        if let Some(sender) = &self.sender {
            // The thread outlives the bus, so this fails only if a sink has panicked; the run's
            // own result must not depend on that.
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

    /// Waits until every earlier event is where it belongs, and returns what went wrong since the
    /// last call.
    pub fn flush(&self) -> Vec<String> {
        let (reply, answer) = bounded(1);
        let sent = self
            .sender
            .as_ref()
            .is_some_and(|s| s.send(Message::Flush(reply)).is_ok());
        if sent {
            answer.recv().unwrap_or_default()
        } else {
            Vec::new()
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

fn feed(receiver: &Receiver<Message>, sinks: Vec<Box<dyn RunSink>>) {
    let mut sinks: Vec<Option<Box<dyn RunSink>>> = sinks.into_iter().map(Some).collect();
    let mut failures = Vec::new();
    for message in receiver {
        match message {
            Message::Event(time, event) => {
                each(&mut sinks, &mut failures, |sink| sink.handle(time, &event));
            }
            Message::Flush(reply) => {
                each(&mut sinks, &mut failures, |sink| sink.flush());
                let _ = reply.send(std::mem::take(&mut failures));
            }
        }
    }
    each(&mut sinks, &mut failures, |sink| sink.flush());
}

fn each(
    sinks: &mut [Option<Box<dyn RunSink>>],
    failures: &mut Vec<String>,
    mut act: impl FnMut(&mut dyn RunSink) -> Result<()>,
) {
    for slot in sinks {
        if let Some(sink) = slot
            && let Err(error) = act(sink.as_mut())
        {
            failures.push(error.to_string());
            *slot = None;
        }
    }
}
