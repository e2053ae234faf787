//! A run without a terminal: one line an interval, no control characters.

use std::borrow::Cow;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use aelectra_data::run::{EventReader, LogLevel, RunDir, RunEvent, unix_time};

use crate::error::{Result, TuiError};
use crate::format;
use crate::options::Exit;
use crate::store::{Metric, RunStore, Status, Unit, process_exists, status};

const POLL: Duration = Duration::from_millis(200);
/// The shortest time between two lines.
const PAUSE: Duration = Duration::from_secs(10);

/// A run's state in one line of words and values.
pub(crate) fn line(run: &RunStore, status: Status, now: f64) -> String {
    let mut parts = vec![status.told(run)];
    match (run.step(), run.total()) {
        (Some(step), Some(total)) => parts.push(format!("step {step}/{total}")),
        (Some(step), None) => parts.push(format!("step {step}")),
        _ => {}
    }
    for metric in [
        Metric::Loss,
        Metric::MlmLoss,
        Metric::RtdLoss,
        Metric::RtdAccuracy,
        Metric::RtdBaseline,
        Metric::Lr,
        Metric::GradNorm,
        Metric::TokensPerSecond,
    ] {
        if let Some(value) = run.last(metric) {
            let name = if metric == Metric::RtdAccuracy {
                "RTD accuracy"
            } else {
                metric.label()
            };
            parts.push(format!("{name} {}", metric.unit().write(value)));
        }
    }
    if let Some(track) = run.ner.tracks.get(run.ner.active) {
        parts.push(format!("{} epoch {}", track.name(), track.epoch));
        if let Some(loss) = track.steps.last(0) {
            parts.push(format!("loss {}", Unit::Plain.write(loss)));
        }
        if let Some(f1) = track.dev.last().and_then(|eval| eval.micro_f1) {
            parts.push(format!("dev F1 {}", Unit::Share.write(f1)));
        }
    }
    if let (Status::Running, Some(eta)) = (status, run.eta(now)) {
        parts.push(format!("ETA {}", format::duration(eta)));
    }
    format::printable(&parts.join("  "))
}

/// Follows a run and writes a line each [`PAUSE`] in which something happened, warnings at
/// once, until the run has ended or its process is gone.
pub(crate) fn follow(path: &Path, out: &mut dyn Write) -> Result<Exit> {
    let dir = RunDir::open(path)?;
    let mut reader = EventReader::new(&dir.events());
    let mut run = RunStore::default();
    let mut written: Option<Instant> = None;
    let mut news = false;
    loop {
        let generation = reader.generation();
        let found = reader.poll()?;
        if reader.generation() != generation {
            run = RunStore::default();
        }
        let backlog = written.is_none();
        for envelope in found {
            news = true;
            if let RunEvent::Log(log) = &envelope.event
                && log.level >= LogLevel::Warn
                && !backlog
            {
                let text = format::printable(&log.message);
                if !write(out, &format!("{:?}: {text}\n", log.level))? {
                    return Ok(Exit::Quit);
                }
            }
            run.apply(envelope);
        }
        let now = unix_time();
        let start = run.start.as_ref();
        let alive = start.and_then(|start| process_exists(dir.path(), start));
        let status = status(&run, now, alive);
        let over = matches!(status, Status::Ended(_) | Status::Crashed);
        if over || news && written.is_none_or(|written| written.elapsed() >= PAUSE) {
            if !write(out, &(line(&run, status, now) + "\n"))? {
                return Ok(Exit::Quit);
            }
            (written, news) = (Some(Instant::now()), false);
        }
        if over {
            return Ok(Exit::Quit);
        }
        std::thread::sleep(POLL);
    }
}

/// Copies a run's events as JSON Lines, lines that are no events left out, until the run has ended or its
/// process is gone.
pub(crate) fn stream(path: &Path, out: &mut dyn Write) -> Result<Exit> {
    let dir = RunDir::open(path)?;
    let mut reader = EventReader::new(&dir.events());
    let mut lines = Vec::new();
    let (mut start, mut over, mut gone) = (None, false, false);
    loop {
        let more = reader.poll_lines(1 << 20, &mut lines)?;
        for line in lines.split(|&byte| byte == b'\n') {
            let Ok(envelope) = aelectra_data::run::Envelope::from_json(line) else {
                continue;
            };
            over = matches!(envelope.event, RunEvent::End(_));
            if let RunEvent::Start(begun) = envelope.event {
                start = Some(begun);
            }
            let text = String::from_utf8_lossy(line);
            if !write(out, &format!("{}\n", escaped(text.trim_end())))? {
                return Ok(Exit::Quit);
            }
        }
        if more {
            continue;
        }
        if over || gone {
            return Ok(Exit::Quit);
        }
        // Once more where it is gone: what it wrote last may have come since.
        let process = start.as_ref();
        gone = process.and_then(|start| process_exists(dir.path(), start)) == Some(false);
        if !gone {
            std::thread::sleep(POLL);
        }
    }
}

/// The same JSON without U+007F to U+009F, which it may hold as they are and with which some terminals are steered.
fn escaped(json: &str) -> Cow<'_, str> {
    let steers = |c: char| ('\u{7f}'..='\u{9f}').contains(&c);
    if !json.contains(steers) {
        return json.into();
    }
    let escaped = json.chars().map(|c| match steers(c) {
        true => format!("\\u{:04x}", u32::from(c)),
        false => c.to_string(),
    });
    escaped.collect::<String>().into()
}

/// Writes text; `false` when nobody reads any more.
pub(crate) fn write(out: &mut dyn Write, text: &str) -> Result<bool> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(TuiError::Terminal(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_stays_what_it_is_and_steers_nothing() {
        let json = "{\"message\":\"Å\u{9d}52;c;x\u{7f}\"}";
        let shown = escaped(json);
        assert_eq!(shown, "{\"message\":\"Å\\u009d52;c;x\\u007f\"}");
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(value(&shown), value(json));
    }
}
