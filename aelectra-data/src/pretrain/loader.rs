//! Batches made ahead of the training loop.

use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, bounded};

use super::{BatchSource, PretrainBatch};
use crate::Result;

/// Makes the batches of consecutive steps on a background thread. An endless iterator, whose items
/// are errors as [`BatchSource::batch`] has them; dropping it ends the thread.
#[derive(Debug)]
pub struct BatchLoader {
    receiver: Option<Receiver<Result<PretrainBatch>>>,
    thread: Option<JoinHandle<()>>,
}

impl BatchLoader {
    /// Starts with the batch of `first_step` and keeps up to `prefetch` batches ready.
    #[must_use]
    pub fn start(source: Arc<BatchSource>, first_step: u64, prefetch: usize) -> Self {
        let (sender, receiver) = bounded(prefetch.max(1));
        let thread = std::thread::spawn(move || {
            let mut step = first_step;
            while sender.send(source.batch(step)).is_ok() {
                step += 1;
            }
        });
        Self {
            receiver: Some(receiver),
            thread: Some(thread),
        }
    }
}

impl Iterator for BatchLoader {
    type Item = Result<PretrainBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.receiver.as_ref()?.recv().ok()
    }
}

impl Drop for BatchLoader {
    fn drop(&mut self) {
        // The thread ends when nobody listens any more.
        self.receiver = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
