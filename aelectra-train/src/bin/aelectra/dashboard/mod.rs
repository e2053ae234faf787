//! All that names the dashboard's crate. A build without the feature `tui` has `no_dashboard.rs` in
//! its place.

mod runs;
mod verb;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use aelectra_data::run::RunDir;
use aelectra_train::stop::StopFlag;
use aelectra_tui::{Exit, Leave, Options};

pub(crate) use aelectra_tui::restore as restore_terminal;
pub(crate) use runs::{RunsArgs, run as run_runs};
pub(crate) use verb::{DashboardArgs, run as run_dashboard};

/// The dashboard over a run that this process trains.
pub(crate) struct Live {
    /// `None` once it was joined.
    thread: Option<JoinHandle<()>>,
    leave: Leave,
}

impl Live {
    /// `None` without a terminal. `taken` is true as long as the dashboard has it.
    pub(crate) fn open(run: &RunDir, stop: &StopFlag, taken: &Arc<AtomicBool>) -> Option<Self> {
        let live = aelectra_tui::Live::open(run.path(), Options::default())?;
        let leave = live.leave();
        taken.store(true, Ordering::Relaxed);
        let (stop, taken) = (stop.clone(), Arc::clone(taken));
        let path = run.path().display().to_string();
        let thread = std::thread::spawn(move || {
            let exit = live.wait();
            taken.store(false, Ordering::Relaxed);
            match exit {
                // The terminal is in raw mode, so Ctrl-C is a key; it means what it always means.
                Ok(Exit::Interrupted) => stop.request(signal_hook::consts::SIGINT as usize),
                Ok(Exit::Detached) => crate::output::note(&format!(
                    "the run continues; `aelectra dashboard {path}` shows it again, Ctrl-C stops it \
                     with a checkpoint"
                )),
                Ok(_) => {}
                Err(error) => crate::output::note(&format!("dashboard: {error}")),
            }
        });
        Some(Self {
            thread: Some(thread),
            leave,
        })
    }

    /// Waits until the reader leaves, or a signal asks to stop.
    pub(crate) fn wait(&self, stop: &StopFlag) {
        let finished = |thread: &JoinHandle<()>| thread.is_finished();
        while !self.thread.as_ref().is_none_or(finished) && stop.requested().is_none() {
            std::thread::sleep(Duration::from_millis(30));
        }
    }
}

impl Drop for Live {
    /// Whatever comes next, an error's message or the shell, finds the terminal as it was.
    fn drop(&mut self) {
        self.leave.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
