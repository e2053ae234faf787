//! The dashboard inside the training process.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use signal_hook::consts::SIGTERM;

use crate::app::run_interactive;
use crate::error::{Result, TuiError};
use crate::options::{Exit, Options, Source};
use crate::terminal::{Output, restore};

/// A dashboard on a thread of its own. It reads the run's files like any other viewer; the training
/// shares nothing with it but the directory.
#[derive(Debug)]
pub struct Live {
    thread: Option<JoinHandle<Result<Exit>>>,
    leave: Leave,
}

/// Closes a [`Live`] view from another thread than the one that waits for it.
#[derive(Clone, Debug)]
pub struct Leave(Arc<AtomicUsize>);

impl Leave {
    /// Asks the view to give the terminal back and end.
    pub fn close(&self) {
        self.0.store(SIGTERM as usize, Ordering::Relaxed);
    }
}

impl Live {
    /// Opens the dashboard over a run directory, on stdout or else stderr; `None` when neither is a
    /// terminal. While it is open nothing else may write to the terminal.
    #[must_use]
    pub fn open(run: &Path, options: Options) -> Option<Self> {
        let output = Output::find(true)?;
        let source = Source::Runs(vec![run.to_path_buf()]);
        let leave = Leave(Arc::new(AtomicUsize::new(0)));
        let theirs = Arc::clone(&leave.0);
        let thread =
            std::thread::spawn(move || run_interactive(&source, &options, output, true, &theirs));
        Some(Self {
            thread: Some(thread),
            leave,
        })
    }

    /// What closes the view while another thread waits in [`Live::wait`].
    #[must_use]
    pub fn leave(&self) -> Leave {
        self.leave.clone()
    }

    /// Whether the user has left: the terminal is free, [`Live::wait`] returns at once.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits until the user leaves. After [`Exit::Stopped`] the request lies in `control/`; after
    /// [`Exit::Interrupted`] the caller acts as on SIGINT; after [`Exit::Detached`] training goes on,
    /// and after [`Exit::Gone`] too, without a terminal.
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
        self.leave.close();
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
        self.leave.close();
        // The terminal must be free when this is gone; how the user left no longer matters.
        let _ = self.join();
    }
}
