//! Keys, mouse and size from the terminal, with an end: a terminal that has vanished is noticed.
//!
//! The terminal is read here and not through crossterm's event reader, which on Unix reads a
//! terminal that hung up over and over within one call, at the full speed of a core, and never
//! returns from it (crossterm 0.29, `UnixInternalEventSource::try_read`).

#[cfg(not(unix))]
use std::io;
#[cfg(not(unix))]
use std::time::Duration;

use ratatui::crossterm::event::Event;

/// What a look at the terminal found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Input {
    Nothing,
    /// A key, a mouse event or a new size.
    Event(Event),
    /// The terminal is gone: closed, hung up, or no longer ours to read.
    Gone,
}

#[cfg(unix)]
pub(crate) use unix::Keyboard;

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::{self, IsTerminal, Read};
    use std::os::fd::{AsFd, AsRawFd};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use filedescriptor::{POLLERR, POLLHUP, POLLIN, pollfd};
    use ratatui::crossterm::event::Event;
    use signal_hook::SigId;
    use signal_hook::consts::SIGWINCH;

    use super::Input;
    use crate::keys::Decoder;

    /// How long after an escape the rest of its sequence may come, before it is the key.
    const ESCAPE: Duration = Duration::from_millis(25);

    #[derive(Debug)]
    pub(crate) struct Keyboard {
        terminal: File,
        decoder: Decoder,
        resized: Arc<AtomicBool>,
        signal: SigId,
    }

    impl Keyboard {
        /// Standard input if it is a terminal, else the terminal that controls this process.
        pub(crate) fn open() -> io::Result<Self> {
            let stdin = io::stdin();
            let terminal = if stdin.is_terminal() {
                File::from(stdin.as_fd().try_clone_to_owned()?)
            } else {
                File::open("/dev/tty")?
            };
            Self::over(terminal)
        }

        /// Reads from an open file, a terminal or a pipe.
        pub(crate) fn over(terminal: File) -> io::Result<Self> {
            let resized = Arc::new(AtomicBool::new(false));
            let signal = signal_hook::flag::register(SIGWINCH, Arc::clone(&resized))?;
            Ok(Self {
                terminal,
                decoder: Decoder::default(),
                resized,
                signal,
            })
        }

        /// Waits for input, at most so long.
        pub(crate) fn next(&mut self, time: Duration) -> io::Result<Input> {
            if let Some(event) = self.decoder.next_event() {
                return Ok(Input::Event(event));
            }
            if self.resized.swap(false, Ordering::Relaxed) {
                let (width, height) = ratatui::crossterm::terminal::size()?;
                return Ok(Input::Event(Event::Resize(width, height)));
            }
            let time = if self.decoder.is_waiting() {
                ESCAPE
            } else {
                time
            };
            let mut found = [pollfd {
                fd: self.terminal.as_fd().as_raw_fd(),
                events: POLLIN,
                revents: 0,
            }];
            match filedescriptor::poll(&mut found, Some(time)) {
                Ok(_) => {}
                Err(filedescriptor::Error::Poll(error) | filedescriptor::Error::Io(error)) => {
                    // A signal: whoever asks again will see what it was.
                    return match error.kind() {
                        io::ErrorKind::Interrupted => Ok(Input::Nothing),
                        _ => Err(error),
                    };
                }
                Err(error) => return Err(io::Error::other(error)),
            }
            let state = found[0].revents;
            if state & POLLIN != 0 {
                return self.read();
            }
            if state & (POLLHUP | POLLERR) != 0 {
                return Ok(Input::Gone);
            }
            Ok(match self.decoder.give_up() {
                Some(event) => Input::Event(event),
                None => Input::Nothing,
            })
        }

        fn read(&mut self) -> io::Result<Input> {
            let mut bytes = [0; 1024];
            match self.terminal.read(&mut bytes) {
                // The end of a file: nothing can ever follow.
                Ok(0) => Ok(Input::Gone),
                Ok(count) => {
                    self.decoder.feed(&bytes[..count]);
                    Ok(self
                        .decoder
                        .next_event()
                        .map_or(Input::Nothing, Input::Event))
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => Ok(Input::Nothing),
                    // EIO: it hung up, or this process is an orphan in the background of it.
                    _ if error.raw_os_error() == Some(EIO) => Ok(Input::Gone),
                    _ => Err(error),
                },
            }
        }
    }

    /// `EIO` of every Unix there is (Linux, the BSDs, macOS).
    const EIO: i32 = 5;

    impl Drop for Keyboard {
        fn drop(&mut self) {
            signal_hook::low_level::unregister(self.signal);
        }
    }

    #[cfg(test)]
    mod tests {
        use std::io::Write;
        use std::os::fd::OwnedFd;
        use std::time::Instant;

        use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

        use super::*;

        #[test]
        fn keys_come_and_the_end_is_told_at_once() {
            let (reader, mut writer) = io::pipe().expect("a pipe");
            let mut keyboard =
                Keyboard::over(File::from(OwnedFd::from(reader))).expect("a keyboard");
            let wait = Duration::from_secs(5);
            assert_eq!(
                keyboard.next(Duration::ZERO).expect("looked"),
                Input::Nothing
            );
            writer.write_all(b"q\x1b").expect("written");
            let pressed = |code| Input::Event(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)));
            assert_eq!(
                keyboard.next(wait).expect("looked"),
                pressed(KeyCode::Char('q'))
            );
            let start = Instant::now();
            assert_eq!(keyboard.next(wait).expect("looked"), pressed(KeyCode::Esc));
            drop(writer);
            assert_eq!(keyboard.next(wait).expect("looked"), Input::Gone);
            assert_eq!(keyboard.next(wait).expect("looked"), Input::Gone);
            assert!(start.elapsed() < wait);
        }
    }
}

#[cfg(not(unix))]
#[derive(Debug)]
pub(crate) struct Keyboard;

#[cfg(not(unix))]
impl Keyboard {
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn next(&mut self, time: Duration) -> io::Result<Input> {
        use ratatui::crossterm::event;
        if !event::poll(time)? {
            return Ok(Input::Nothing);
        }
        event::read().map(Input::Event)
    }
}
