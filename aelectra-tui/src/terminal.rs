//! Taking the terminal, and giving it back however the dashboard ends.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, Once, OnceLock, PoisonError};
use std::time::{Duration, Instant};

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
    /// that can be drawn on, or the terminal is not this process's to use: it was started with `&`, which would
    /// stop it at the first touch, or in a session of its own, as by `setsid`.
    pub(crate) fn find(or_stderr: bool) -> Option<Self> {
        if std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
            return None;
        }
        let output = if io::stdout().is_terminal() {
            Self::Stdout
        } else if or_stderr && io::stderr().is_terminal() {
            Self::Stderr
        } else {
            return None;
        };
        output.is_in_foreground(!or_stderr).then_some(output)
    }

    /// Whether it is this session's terminal and this process in its foreground. A terminal that is none of this session's
    /// counts as `foreign` says: who starts a viewer means it, and a training that was moved to a session of its own is to leave
    /// it alone.
    #[cfg(unix)]
    fn is_in_foreground(self, foreign: bool) -> bool {
        let foreground = match self {
            Self::Stdout => rustix::termios::tcgetpgrp(io::stdout()),
            Self::Stderr => rustix::termios::tcgetpgrp(io::stderr()),
        };
        foreground.map_or(foreign, |group| group == rustix::process::getpgrp())
    }

    #[cfg(not(unix))]
    fn is_in_foreground(self, _: bool) -> bool {
        true
    }

    /// Whether it is a terminal now; one that has hung up is none.
    pub(crate) fn is_terminal(self) -> bool {
        match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stderr => io::stderr().is_terminal(),
        }
    }

    fn writer(self) -> Box<dyn Write + Send> {
        Box::new(Pen {
            output: self,
            bytes: Vec::new(),
        })
    }

    /// Writes here and now. What a vanished terminal no longer shows is lost without an error: that it
    /// is gone is noticed at its input, and ratatui would panic over it while it cleans up (it prints to
    /// standard error, which may be the same terminal).
    fn write(self, bytes: &[u8]) {
        let _ = match self {
            Self::Stdout => io::stdout()
                .write_all(bytes)
                .and_then(|()| io::stdout().flush()),
            Self::Stderr => io::stderr().write_all(bytes),
        };
    }

    /// The way to the thread that writes here: only that waits where a terminal was stopped (Ctrl-S) or its connection
    /// hangs. `None` where there can be no thread.
    fn thread(self) -> Option<&'static SyncSender<Piece>> {
        static THREADS: [OnceLock<Option<SyncSender<Piece>>>; 2] =
            [OnceLock::new(), OnceLock::new()];
        let start = || {
            let (send, pieces) = sync_channel::<Piece>(PIECES);
            let write = move || {
                for piece in pieces {
                    self.write(&piece.bytes);
                    // Whoever waited may have given up.
                    let _ = piece.written.try_send(());
                }
            };
            let thread = std::thread::Builder::new().name("terminal".to_owned());
            thread.spawn(write).ok().map(|_| send)
        };
        THREADS[self as usize].get_or_init(start).as_ref()
    }

    /// Hands bytes over; where they find no room in time they are lost, and the next frame is drawn whole.
    fn send(self, bytes: Vec<u8>, written: SyncSender<()>) {
        let Some(thread) = self.thread() else {
            self.write(&bytes);
            return;
        };
        let mut piece = Piece { bytes, written };
        let begun = Instant::now();
        loop {
            match thread.try_send(piece) {
                Err(TrySendError::Full(back)) if begun.elapsed() < PATIENCE => piece = back,
                Err(_) => return LOST.store(true, Ordering::SeqCst),
                Ok(()) => return,
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Pieces that wait for the terminal at most, and how long for room among them.
const PIECES: usize = 4;
const PATIENCE: Duration = Duration::from_millis(200);
/// Whether something was lost on the way to the terminal.
static LOST: AtomicBool = AtomicBool::new(false);

/// Something for the terminal, and whom to tell when it is there.
struct Piece {
    bytes: Vec<u8>,
    written: SyncSender<()>,
}

/// Gathers what belongs together, and hands it over when it is flushed.
struct Pen {
    output: Output,
    bytes: Vec<u8>,
}

impl Write for Pen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.bytes.is_empty() {
            let (written, _) = sync_channel(1);
            self.output.send(std::mem::take(&mut self.bytes), written);
        }
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
        if LOST.swap(false, Ordering::SeqCst) {
            self.repaint()?;
        }
        self.terminal.draw(|frame| show(frame.buffer_mut()))?;
        Ok(true)
    }

    /// Gives the terminal back, stops this process as Ctrl-Z would, and takes the terminal again
    /// when it is continued; `false` where it is continued in the background (`bg`).
    pub(crate) fn suspend(&mut self) -> io::Result<bool> {
        restore();
        #[cfg(unix)]
        signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
        if !self.output.is_in_foreground(true) {
            return Ok(false);
        }
        enter(self.output, self.mouse)?;
        self.repaint().map(|()| true)
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

/// Whether a dashboard has the terminal now.
#[must_use]
pub fn has_terminal() -> bool {
    TAKEN.load(Ordering::SeqCst) != 0
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
    let mut bytes = Vec::new();
    // There is nobody left to tell about a failure.
    let _ = execute!(bytes, DisableMouseCapture, LeaveAlternateScreen, Show);
    let (written, there) = sync_channel(1);
    output.send(bytes, written);
    let _ = there.recv_timeout(5 * PATIENCE);
    let _ = disable_raw_mode();
    drop(drawing);
}
