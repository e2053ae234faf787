//! Where words go: data to standard output, everything else to standard error.

use std::borrow::Cow;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aelectra_data::ner::Summary;
use aelectra_train::sink::console::visible;
use anyhow::Context;
use serde::Serialize;

use crate::global::Global;

/// A wrong use of the command line that clap cannot see.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Usage {
    message: String,
    hint: String,
}

impl Usage {
    /// What the reader can do about it.
    pub(crate) fn hint(&self) -> Option<&str> {
        Some(&self.hint)
    }
}

/// A usage error with advice.
pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    let (message, hint) = (message.into(), hint.into());
    Usage { message, hint }.into()
}

/// Prints one JSON document.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

/// Prints what a verb found: one JSON document, or text for people.
pub(crate) fn show<T: Serialize>(
    global: Global,
    found: &T,
    text: impl FnOnce() -> String,
) -> anyhow::Result<u8> {
    if global.json {
        json(found)?;
    } else {
        line(&text())?;
    }
    Ok(0)
}

/// A number with so many digits; a dash where it was not measured.
pub(crate) fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.digits$}"))
}

/// A share in percent, without the sign.
pub(crate) fn percent(share: Option<f64>, digits: usize) -> String {
    number(share.map(|share| 100.0 * share), digits)
}

/// A mean of shares in percent, without the sign, and of several seeds its standard deviation.
pub(crate) fn spread(share: &Summary) -> String {
    let mean = 100.0 * share.mean;
    match share.sd {
        Some(sd) => format!("{mean:.2} ± {:.2}", 100.0 * sd),
        None => format!("{mean:.2}"),
    }
}

/// A mean of counts, which of one and the same data are the same number for every seed.
pub(crate) fn counted(counts: &Summary) -> String {
    match counts.sd {
        Some(sd) if sd > 0.0 => format!("{:.1} ± {sd:.1}", counts.mean),
        _ => format!("{:.0}", counts.mean),
    }
}

/// Prints a line of data.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    let text = match std::io::stdout().is_terminal() {
        true => visible(text),
        false => Cow::Borrowed(text),
    };
    let text = text.into_owned();
    match patiently(move || writeln!(std::io::stdout().lock(), "{text}")) {
        // EIO: the terminal has vanished. The work is done all the same, and its exit code says how.
        Err(error) if error.raw_os_error() == Some(5) => Ok(()),
        other => other.context("cannot write to the standard output"),
    }
}

/// Tells the reader something.
pub(crate) fn note(text: &str) {
    // Nobody may be listening; that must not stop the work.
    let text = visible(text).into_owned();
    let _ = patiently(move || writeln!(std::io::stderr().lock(), "{text}"));
}

/// Whether a signal asked this process to end.
static HURRIES: AtomicBool = AtomicBool::new(false);

/// From now on nobody who does not read is waited for.
pub(crate) fn hurry() {
    HURRIES.store(true, Ordering::Relaxed);
}

/// Writes, as long as it takes; where a signal asked to end, a terminal that was stopped, or a pipe that nobody reads, is given a
/// moment only.
fn patiently(write: impl FnOnce() -> std::io::Result<()> + Send + 'static) -> std::io::Result<()> {
    const MOMENT: Duration = Duration::from_millis(500);
    let (send, written) = std::sync::mpsc::sync_channel(1);
    let write = Arc::new(Mutex::new(Some(write)));
    let theirs = Arc::clone(&write);
    let on_its_own = move || {
        if let Some(write) = theirs.lock().ok().and_then(|mut write| write.take()) {
            // Whoever waited may have given up.
            let _ = send.try_send(write());
        }
    };
    if std::thread::Builder::new().spawn(on_its_own).is_err() {
        let write = write.lock().ok().and_then(|mut write| write.take());
        return write.map_or(Ok(()), |write| write());
    }
    loop {
        match written.recv_timeout(MOMENT) {
            Ok(done) => return done,
            Err(RecvTimeoutError::Timeout) if !HURRIES.load(Ordering::Relaxed) => {}
            Err(_) => return Ok(()),
        }
    }
}

/// Tells what went wrong and what to do.
pub(crate) fn error(text: &str, hint: Option<&str>) {
    note(&format!("error: {text}"));
    if let Some(hint) = hint {
        note(&format!("\nhint: {hint}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deviation_is_told_where_there_is_one() {
        let of = |values: &[f64]| Summary::of(values).expect("some");
        assert_eq!(spread(&of(&[0.5])), "50.00");
        assert_eq!(spread(&of(&[0.5, 0.6, 0.7])), "60.00 ± 10.00");
        assert_eq!(counted(&of(&[92.0; 3])), "92");
        assert_eq!(counted(&of(&[1.0, 2.0, 3.0])), "2.0 ± 1.0");
    }
}
