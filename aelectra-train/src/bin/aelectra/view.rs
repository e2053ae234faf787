//! What a run is shown with while it trains: the dashboard on a terminal, lines otherwise.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(feature = "tui")]
use std::thread::JoinHandle;
#[cfg(feature = "tui")]
use std::time::Duration;

use aelectra_data::run::RunDir;
use aelectra_train::sink::RunSink;
use aelectra_train::sink::console::ConsoleSink;
use aelectra_train::stop::StopFlag;

use crate::commands::Global;

/// A view of a run.
pub(crate) struct View {
    #[cfg(feature = "tui")]
    live: Option<(JoinHandle<()>, aelectra_tui::Leave)>,
    /// Whether the terminal is taken.
    taken: Arc<AtomicBool>,
}

impl View {
    /// Opens the dashboard over `run` if it is `wanted` and there is a terminal.
    ///
    /// When the terminal vanishes the view ends and the run goes on without it, unless SIGHUP says
    /// otherwise (see [`crate::signals`]).
    #[cfg(feature = "tui")]
    pub(crate) fn open(run: &RunDir, wanted: bool, global: Global, stop: &StopFlag) -> Self {
        use aelectra_tui::{Exit, Live, Options};

        let wanted = wanted && !global.json && !global.quiet;
        let live = wanted
            .then(|| Live::open(run.path(), Options::default()))
            .flatten();
        let taken = Arc::new(AtomicBool::new(live.is_some()));
        let live = live.map(|live| {
            let leave = live.leave();
            let (stop, taken) = (stop.clone(), Arc::clone(&taken));
            let path = run.path().display().to_string();
            let thread = std::thread::spawn(move || {
                let exit = live.wait();
                taken.store(false, Ordering::Relaxed);
                match exit {
                    // The terminal is in raw mode, so Ctrl-C is a key; it means what it always
                    // means.
                    Ok(Exit::Interrupted) => stop.request(signal_hook::consts::SIGINT as usize),
                    Ok(Exit::Detached) => crate::output::note(&format!(
                        "the run continues; `aelectra dashboard {path}` shows it again, Ctrl-C stops \
                         it with a checkpoint"
                    )),
                    Ok(_) => {}
                    Err(error) => crate::output::note(&format!("dashboard: {error}")),
                }
            });
            (thread, leave)
        });
        Self { live, taken }
    }

    /// Without the dashboard compiled in there are only lines.
    #[cfg(not(feature = "tui"))]
    pub(crate) fn open(_run: &RunDir, _wanted: bool, _global: Global, _stop: &StopFlag) -> Self {
        Self {
            taken: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Lines on standard error while the terminal is free: also after the reader has left the
    /// dashboard.
    pub(crate) fn watchers(&self, global: Global) -> Vec<Box<dyn RunSink>> {
        if global.quiet {
            return Vec::new();
        }
        vec![Box::new(ConsoleSink::new(Lines(Arc::clone(&self.taken))))]
    }

    /// Waits until the reader has seen enough of the finished run. Where a signal asked to stop
    /// nobody is waited for.
    pub(crate) fn close(self, stop: &StopFlag) {
        #[cfg(feature = "tui")]
        if let Some((thread, _)) = &self.live {
            while !thread.is_finished() && stop.requested().is_none() {
                std::thread::sleep(Duration::from_millis(30));
            }
        }
        #[cfg(not(feature = "tui"))]
        let _ = stop;
    }
}

#[cfg(feature = "tui")]
impl Drop for View {
    /// Whatever comes next, an error's message or the shell, finds the terminal as it was.
    fn drop(&mut self) {
        if let Some((thread, leave)) = self.live.take() {
            leave.close();
            let _ = thread.join();
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
