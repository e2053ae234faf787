//! What a run is shown with while it trains: the dashboard on a terminal, lines otherwise.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aelectra_data::run::{LogLevel, RunDir, RunEvent};
use aelectra_train::sink::RunSink;
use aelectra_train::sink::console::{self, ConsoleSink};
use aelectra_train::stop::StopFlag;

use crate::dashboard::Live;
use crate::global::Global;

/// A view of a run.
pub(crate) struct View {
    live: Option<Live>,
    /// Whether the terminal is taken.
    taken: Arc<AtomicBool>,
    /// Warnings that came while it was.
    unseen: Arc<Mutex<Vec<String>>>,
}

impl View {
    /// Opens the dashboard over `run` if it is `wanted` and there is a terminal.
    ///
    /// When the terminal vanishes the view ends and the run goes on without it, unless SIGHUP says
    /// otherwise (see [`crate::signals`]).
    pub(crate) fn open(run: &RunDir, wanted: bool, global: Global, stop: &StopFlag) -> Self {
        let taken = Arc::new(AtomicBool::new(false));
        let wanted = wanted && !global.json && !global.quiet;
        let live = wanted.then(|| Live::open(run, stop, &taken)).flatten();
        Self {
            live,
            taken,
            unseen: Arc::default(),
        }
    }

    /// Lines on standard error while the terminal is free: also after the reader has left the
    /// dashboard.
    pub(crate) fn watchers(&self, global: Global) -> Vec<Box<dyn RunSink>> {
        if global.quiet {
            return Vec::new();
        }
        let unseen = Unseen {
            taken: Arc::clone(&self.taken),
            warnings: Arc::clone(&self.unseen),
        };
        let mut watchers: Vec<Box<dyn RunSink>> = vec![Box::new(unseen)];
        match ConsoleSink::new(Lines(Arc::clone(&self.taken))) {
            // A log is read later, and a terminal now.
            Ok(lines) if !std::io::stderr().is_terminal() => {
                watchers.push(Box::new(lines.stamped()));
            }
            Ok(lines) => watchers.push(Box::new(lines)),
            Err(error) => crate::output::note(&format!("no lines of progress: {error}")),
        }
        watchers
    }

    /// Waits until the reader has seen enough of the finished run. Where a signal asked to stop
    /// nobody is waited for, and neither where it failed, which is told when the terminal is free.
    pub(crate) fn close(self, is_ok: bool, stop: &StopFlag) {
        if let Some(live) = self.live.as_ref().filter(|_| is_ok) {
            live.wait(stop);
        }
        drop(self.live);
        let unseen = self.unseen.lock().unwrap_or_else(PoisonError::into_inner);
        for warning in unseen.iter() {
            crate::output::note(warning);
        }
    }
}

/// Keeps what the dashboard shows for a moment only and the reader of the result should know.
struct Unseen {
    taken: Arc<AtomicBool>,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl RunSink for Unseen {
    fn handle(&mut self, _time: f64, event: &RunEvent) -> aelectra_train::error::Result<()> {
        /// Enough of them for anybody.
        const MOST: usize = 40;
        let RunEvent::Log(log) = event else {
            return Ok(());
        };
        if log.level < LogLevel::Warn || !self.taken.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = console::line(event)
            && warnings.len() < MOST
            && !warnings.contains(&line)
        {
            warnings.push(line);
        }
        Ok(())
    }
}

struct Lines(Arc<AtomicBool>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.load(Ordering::Relaxed) {
            return Ok(bytes.len());
        }
        io::stderr().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
