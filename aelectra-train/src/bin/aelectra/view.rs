//! What a run is shown with while it trains: the dashboard on a terminal, lines otherwise.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aelectra_data::run::RunDir;
use aelectra_train::sink::RunSink;
use aelectra_train::sink::console::ConsoleSink;
use aelectra_train::stop::StopFlag;

use crate::dashboard::Live;
use crate::global::Global;

/// A view of a run.
pub(crate) struct View {
    live: Option<Live>,
    /// Whether the terminal is taken.
    taken: Arc<AtomicBool>,
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
        Self { live, taken }
    }

    /// Lines on standard error while the terminal is free: also after the reader has left the
    /// dashboard.
    pub(crate) fn watchers(&self, global: Global) -> Vec<Box<dyn RunSink>> {
        if global.quiet {
            return Vec::new();
        }
        match ConsoleSink::new(Lines(Arc::clone(&self.taken))) {
            // A log is read later, and a terminal now.
            Ok(lines) if !std::io::stderr().is_terminal() => vec![Box::new(lines.stamped())],
            Ok(lines) => vec![Box::new(lines)],
            Err(error) => {
                crate::output::note(&format!("no lines of progress: {error}"));
                Vec::new()
            }
        }
    }

    /// Waits until the reader has seen enough of the finished run. Where a signal asked to stop
    /// nobody is waited for, and neither where it failed, which is told when the terminal is free.
    pub(crate) fn close(self, is_ok: bool, stop: &StopFlag) {
        if let Some(live) = self.live.as_ref().filter(|_| is_ok) {
            live.wait(stop);
        }
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
