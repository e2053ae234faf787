//! Taking the terminal, and giving it back however the dashboard ends.

use std::io::{self, IsTerminal, Write};
use std::sync::Once;
use std::sync::atomic::{AtomicU8, Ordering};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

/// Where the dashboard is drawn: 0 = not at all, 1 = stdout, 2 = stderr.
static TAKEN: AtomicU8 = AtomicU8::new(0);
static HOOK: Once = Once::new();

/// The output that is a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// Standard error, when stdout carries data.
    Stderr,
}

impl Output {
    /// The output to draw on: stdout, or where `or_stderr` stderr; `None` if neither is a terminal
    /// that can be drawn on.
    #[must_use]
    pub fn find(or_stderr: bool) -> Option<Self> {
        if std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
            return None;
        }
        if io::stdout().is_terminal() {
            Some(Self::Stdout)
        } else if or_stderr && io::stderr().is_terminal() {
            Some(Self::Stderr)
        } else {
            None
        }
    }

    fn writer(self) -> Box<dyn Write + Send> {
        match self {
            Self::Stdout => Box::new(io::BufWriter::with_capacity(64 * 1024, io::stdout())),
            Self::Stderr => Box::new(io::BufWriter::with_capacity(64 * 1024, io::stderr())),
        }
    }
}

/// The terminal in raw mode on its alternate screen. Dropping it restores the terminal; a panic of
/// any thread does too, before its message is printed.
pub struct Screen {
    /// What is drawn on.
    pub terminal: Terminal<CrosstermBackend<Box<dyn Write + Send>>>,
    output: Output,
    mouse: bool,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When it refuses; it is then as it was.
    pub fn take(output: Output, mouse: bool) -> io::Result<Self> {
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore();
                before(panic);
            }));
        });
        enter(output, mouse).inspect_err(|_| restore())?;
        let terminal =
            Terminal::new(CrosstermBackend::new(output.writer())).inspect_err(|_| restore())?;
        Ok(Self {
            terminal,
            output,
            mouse,
        })
    }

    /// Gives the terminal back, stops this process as Ctrl-Z would, and takes the terminal again
    /// when it is continued.
    ///
    /// # Errors
    /// When the terminal refuses.
    pub fn suspend(&mut self) -> io::Result<()> {
        restore();
        #[cfg(unix)]
        signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
        enter(self.output, self.mouse)?;
        self.terminal.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn enter(output: Output, mouse: bool) -> io::Result<()> {
    TAKEN.store(
        if output == Output::Stdout { 1 } else { 2 },
        Ordering::SeqCst,
    );
    enable_raw_mode()?;
    let mut writer = output.writer();
    execute!(writer, EnterAlternateScreen)?;
    if mouse {
        execute!(writer, EnableMouseCapture)?;
    }
    Ok(())
}

/// Gives the terminal back if it is taken. Can be called from anywhere, any number of times.
pub fn restore() {
    let output = match TAKEN.swap(0, Ordering::SeqCst) {
        0 => return,
        1 => Output::Stdout,
        _ => Output::Stderr,
    };
    // There is nobody left to tell about a failure.
    let _ = execute!(
        output.writer(),
        DisableMouseCapture,
        LeaveAlternateScreen,
        Show
    );
    let _ = disable_raw_mode();
}
