//! The dashboard inside the training process.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::app::run_interactive;
use crate::error::{Result, TuiError};
use crate::options::{Exit, Options, Source};
use crate::terminal::{Output, restore};

/// A dashboard on a thread of its own. It reads the run's files like any other viewer; the training
/// shares nothing with it but the directory.
#[derive(Debug)]
pub struct Live {
    thread: Option<JoinHandle<Result<Exit>>>,
    leave: Arc<AtomicBool>,
}

impl Live {
    /// Opens the dashboard over a run directory, on stdout or else stderr; `None` when neither is a
    /// terminal. While it is open nothing else may write to the terminal.
    #[must_use]
    pub fn open(run: &Path, options: Options) -> Option<Self> {
        let output = Output::find(true)?;
        let source = Source::Runs(vec![run.to_path_buf()]);
        let leave = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&leave);
        let thread =
            std::thread::spawn(move || run_interactive(&source, &options, output, true, &theirs));
        Some(Self {
            thread: Some(thread),
            leave,
        })
    }

    /// Whether the user has left: the terminal is free, [`Live::wait`] returns at once.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits until the user leaves. After [`Exit::Stopped`] the request lies in `control/`; after
    /// [`Exit::Interrupted`] the caller acts as on SIGINT; after [`Exit::Detached`] training goes on.
    ///
    /// # Errors
    /// When the terminal failed; it is restored all the same.
    pub fn wait(mut self) -> Result<Exit> {
        self.join()
    }

    /// Closes the dashboard and gives the terminal back, for an error or a signal.
    ///
    /// # Errors
    /// As [`Live::wait`].
    pub fn close(mut self) -> Result<Exit> {
        self.leave.store(true, Ordering::Relaxed);
        self.join()
    }

    fn join(&mut self) -> Result<Exit> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(exit)) => exit,
            Some(Err(_)) => {
                restore();
                Err(TuiError::Invalid(
                    "the dashboard failed; training is not affected".into(),
                ))
            }
            None => Ok(Exit::Quit),
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.leave.store(true, Ordering::Relaxed);
        // The terminal must be free when this is gone; how the user left no longer matters.
        let _ = self.join();
    }
}
