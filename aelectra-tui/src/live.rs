//! The dashboard inside the training process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use signal_hook::consts::SIGTERM;

use crate::app::run_interactive;
use crate::error::{Result, TuiError};
use crate::options::{Exit, Options, Source};
use crate::terminal::{Output, restore};

/// A dashboard on a thread of its own. It reads the run's files like any other viewer; the training
/// shares nothing with it but the directory. Dropping it gives the terminal back.
#[derive(Debug)]
pub struct Live {
    thread: Option<JoinHandle<()>>,
    leave: Arc<AtomicUsize>,
    done: Arc<AtomicBool>,
}

impl Live {
    /// Opens the dashboard over a run directory, on stdout or else stderr; `None` when neither is a
    /// terminal. While it is open nothing else may write to the terminal.
    ///
    /// `left` is called when the terminal is free again: after [`Exit::Stopped`] the request lies in
    /// `control/`; after [`Exit::Interrupted`] the caller acts as on SIGINT; after [`Exit::Detached`]
    /// training goes on, and after [`Exit::Gone`] too, without a terminal.
    #[must_use]
    pub fn open(
        run: &Path,
        options: Options,
        left: impl FnOnce(Result<Exit>) + Send + 'static,
    ) -> Option<Self> {
        let output = Output::find(true)?;
        let source = Source::Runs(vec![run.to_path_buf()]);
        let leave = Arc::new(AtomicUsize::new(0));
        let done = Arc::new(AtomicBool::new(false));
        let (leaves, is_done) = (Arc::clone(&leave), Arc::clone(&done));
        let show = move || run_interactive(&source, &options, output, Some(&is_done), &leaves);
        let thread = std::thread::spawn(move || {
            let shown = catch_unwind(AssertUnwindSafe(show));
            left(shown.unwrap_or_else(|_| {
                restore();
                Err(TuiError::Invalid(
                    "the dashboard failed; training is not affected".into(),
                ))
            }));
        });
        Some(Self {
            thread: Some(thread),
            leave,
            done,
        })
    }

    /// Says that the training is over: the view closes by itself if nobody presses a key for a while.
    pub fn done(&self) {
        self.done.store(true, Ordering::Relaxed);
    }

    /// Whether the user has left.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Live {
    /// Whatever comes next, an error's message or the shell, finds the terminal as it was.
    fn drop(&mut self) {
        self.leave.store(SIGTERM as usize, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
