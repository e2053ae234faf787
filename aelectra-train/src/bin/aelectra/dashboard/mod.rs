//! All that names the dashboard's crate. A build without the feature `tui` has `no_dashboard.rs` in
//! its place.

mod report;
mod runs;
mod verb;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aelectra_data::run::RunDir;
use aelectra_train::stop::StopFlag;
use aelectra_tui::{Exit, Options, TuiError};

pub(crate) use aelectra_tui::{has_terminal, restore as restore_terminal};
pub(crate) use report::{ReportArgs, run as run_report};
pub(crate) use runs::{RunsArgs, run as run_runs};
pub(crate) use verb::{DashboardArgs, run as run_dashboard};

/// An error of the dashboard's crate with its hint, and as one of wrong input where it is that.
fn told(error: TuiError) -> anyhow::Error {
    match error {
        TuiError::Data(error) => error.into(),
        other => match other.hint() {
            Some(hint) => crate::output::usage(other.to_string(), hint),
            None => other.into(),
        },
    }
}

/// A page or picture must not replace what a run is made of, nor anything else that is none.
fn refuse_other_files(out: &Path, runs: &[PathBuf], extension: &str) -> anyhow::Result<()> {
    let is_page = out.extension().is_some_and(|given| given == extension);
    let Ok(whole) = out.canonicalize() else {
        return Ok(());
    };
    let inside = |run: &PathBuf| run.canonicalize().is_ok_and(|run| whole.starts_with(run));
    if whole.is_file() && !is_page && runs.iter().any(inside) {
        return Err(crate::output::usage(
            format!("`{}` is a file of the run", out.display()),
            format!("name a file that ends in .{extension}"),
        ));
    }
    if whole.is_file() && !begins_with_markup(&whole) {
        return Err(crate::output::usage(
            format!("`{}` is there already and would be lost", out.display()),
            "name another file, or delete that one",
        ));
    }
    Ok(())
}

/// Whether a file begins as a page or picture does; so does one that is empty.
fn begins_with_markup(path: &Path) -> bool {
    let mut first = [0; 1];
    let read = std::fs::File::open(path).and_then(|mut file| file.read(&mut first));
    match read {
        Ok(0) => true,
        Ok(_) => first[0] == b'<',
        Err(_) => false,
    }
}

/// The dashboard over a run that this process trains.
pub(crate) struct Live(aelectra_tui::Live);

impl Live {
    /// `None` without a terminal. `taken` is true as long as the dashboard has it.
    pub(crate) fn open(run: &RunDir, stop: &StopFlag, taken: &Arc<AtomicBool>) -> Option<Self> {
        let (stop, theirs) = (stop.clone(), Arc::clone(taken));
        let path = run.path().display().to_string();
        taken.store(true, Ordering::Relaxed);
        let live = aelectra_tui::Live::open(run.path(), Options::default(), move |exit| {
            theirs.store(false, Ordering::Relaxed);
            match exit {
                // The terminal is in raw mode, so Ctrl-C is a key; it means what it always means.
                Ok(Exit::Interrupted) => stop.request(signal_hook::consts::SIGINT as usize),
                Ok(Exit::Detached) => crate::output::note(&format!(
                    "the run continues; `aelectra dashboard {path}` shows it again; Ctrl-C, or in the \
                     background `aelectra runs stop {path}`, stops it with a checkpoint"
                )),
                Ok(_) => {}
                Err(error) => crate::output::note(&format!("dashboard: {error}")),
            }
        });
        if live.is_none() {
            taken.store(false, Ordering::Relaxed);
        }
        live.map(Self)
    }

    /// Waits until the reader leaves, shows for a while not to be there, or a signal asks to stop.
    pub(crate) fn wait(&self, stop: &StopFlag) {
        self.0.done();
        while !self.0.is_finished() && stop.requested().is_none() {
            std::thread::sleep(Duration::from_millis(30));
        }
    }
}
