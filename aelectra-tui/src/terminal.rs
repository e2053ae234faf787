//! Taking the terminal, and giving it back however the dashboard ends.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

/// Where the dashboard is drawn: 0 = not at all, 1 = stdout, 2 = stderr.
static TAKEN: AtomicU8 = AtomicU8::new(0);
static HOOK: Once = Once::new();
/// Held while a frame is drawn, so that nothing is drawn on a terminal that was given back.
static DRAWING: Mutex<()> = Mutex::new(());

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Stdout,
    /// Standard error, when stdout carries data.
    Stderr,
}

impl Output {
    /// The output to draw on: stdout, or where `or_stderr` stderr; `None` if neither is a terminal
    /// that can be drawn on.
    pub(crate) fn find(or_stderr: bool) -> Option<Self> {
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

    /// Whether it is a terminal now; one that has hung up is none.
    pub(crate) fn is_terminal(self) -> bool {
        match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stderr => io::stderr().is_terminal(),
        }
    }

    fn writer(self) -> Box<dyn Write + Send> {
        match self {
            Self::Stdout => Box::new(io::BufWriter::with_capacity(64 * 1024, Pen(io::stdout()))),
            Self::Stderr => Box::new(io::BufWriter::with_capacity(64 * 1024, Pen(io::stderr()))),
        }
    }
}

/// Writes to a terminal that may vanish. What can no longer be shown is lost without an error: that
/// the terminal is gone is noticed at its input, and ratatui would panic over it while it cleans up
/// (it prints to standard error, which may be the same terminal).
struct Pen<W>(W);

impl<W: Write> Write for Pen<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.write(bytes) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Ok(bytes.len()),
            other => other,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.0.flush();
        Ok(())
    }
}

/// The terminal in raw mode on its alternate screen. Dropping it restores the terminal; a panic of
/// any thread does too, before its message is printed.
pub(crate) struct Screen {
    pub(crate) terminal: Terminal<CrosstermBackend<Box<dyn Write + Send>>>,
    output: Output,
    mouse: bool,
}

impl Screen {
    pub(crate) fn take(output: Output, mouse: bool) -> io::Result<Self> {
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

    /// Draws a frame; `false` when the terminal was given back behind our back, by a panic.
    pub(crate) fn draw(&mut self, show: impl FnOnce(&mut Buffer)) -> io::Result<bool> {
        let _drawing = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
        if TAKEN.load(Ordering::SeqCst) == 0 {
            return Ok(false);
        }
        self.terminal.draw(|frame| show(frame.buffer_mut()))?;
        Ok(true)
    }

    /// Gives the terminal back, stops this process as Ctrl-Z would, and takes the terminal again
    /// when it is continued.
    pub(crate) fn suspend(&mut self) -> io::Result<()> {
        restore();
        #[cfg(unix)]
        signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
        enter(self.output, self.mouse)?;
        self.repaint()
    }

    /// Clears the screen; the next frame is drawn whole. `Terminal::clear` would ask the terminal
    /// for its cursor first and fail where nothing answers.
    pub(crate) fn repaint(&mut self) -> io::Result<()> {
        let mut writer = self.output.writer();
        execute!(writer, Clear(ClearType::All))?;
        self.terminal = Terminal::new(CrosstermBackend::new(self.output.writer()))?;
        Ok(())
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
    // A frame that is being drawn is let finish, but not waited for forever: the thread that draws
    // may be the one that panics.
    let drawing = (0..50).find_map(|_| {
        let lock = DRAWING.try_lock().ok();
        if lock.is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        lock
    });
    let output = match TAKEN.swap(0, Ordering::SeqCst) {
        0 => return,
        1 => Output::Stdout,
        _ => Output::Stderr,
    };
    // One writer, bound before it is used: `execute!` evaluates its argument twice.
    let mut writer = output.writer();
    // There is nobody left to tell about a failure.
    let _ = execute!(writer, DisableMouseCapture, LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
    drop(drawing);
}
