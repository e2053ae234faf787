//! Asking a training loop to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Set by signals, read between steps. Clones share the flag.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicUsize>);

impl StopFlag {
    /// Asks for a stop with this signal number; the first one counts.
    pub fn request(&self, signal: usize) {
        let _ = self
            .0
            .compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Asks for a stop without a signal, as SIGTERM would.
    pub fn stop(&self) {
        const SIGTERM: usize = 15;
        self.request(SIGTERM);
    }

    /// The signal that asked for a stop, if any.
    #[must_use]
    pub fn requested(&self) -> Option<usize> {
        match self.0.load(Ordering::SeqCst) {
            0 => None,
            signal => Some(signal),
        }
    }
}
