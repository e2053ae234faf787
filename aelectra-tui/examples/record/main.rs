//! Makes the recorded demo run and the pictures of the README from a real run:
//!
//! ```text
//! cargo run --release -p aelectra-train -- demo --no-dashboard --set eval_every=100 --out runs/demo
//! cargo run -p aelectra-tui --example record -- runs/demo assets/demo-run assets/pictures
//! ```
//!
//! The recording is the run's own log, thinned: numbers with five digits, one in three steps of
//! fine-tuning, no host and no process. `aelectra dashboard --replay 20x` plays it back.

use std::path::{Path, PathBuf};

use aelectra_data::run::{Envelope, EventReader, Manifest, RunDir, RunEvent};
use aelectra_tui::{Options, Screen, Source, ThemeName, frame};
use ratatui::buffer::Buffer;
use serde_json::Value;

mod picture;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [run, out, pictures] = &arguments[..] else {
        return Err("usage: record RUN OUT PICTURES".into());
    };
    record(&RunDir::open(run)?, out)?;
    std::fs::create_dir_all(pictures)?;
    for (name, screen, size) in [
        ("overview", Screen::Overview, (120, 40)),
        ("ner", Screen::Ner, (120, 30)),
        ("tokens", Screen::Tokens, (100, 22)),
    ] {
        let picture = picture::still(&draw(out, screen, size)?);
        std::fs::write(pictures.join(format!("{name}.svg")), picture)?;
    }
    std::fs::write(pictures.join("replay.svg"), replay(out)?)?;
    Ok(())
}

/// Thins a run's files into another folder.
fn record(run: &RunDir, out: &Path) -> Outcome<()> {
    std::fs::create_dir_all(out)?;
    let mut manifest: Manifest = run.read_manifest()?;
    if let Some(program) = manifest.command.first_mut() {
        let name = Path::new(program.as_str()).file_name();
        *program = name.ok_or("a command")?.to_string_lossy().into_owned();
    }
    manifest.save(&out.join("manifest.json"))?;
    let mut lines = String::new();
    let mut tuned = 0;
    for line in std::fs::read_to_string(run.events())?.lines() {
        let event = Envelope::from_json(line.as_bytes())?.event;
        if let RunEvent::NerStep(step) = &event {
            tuned += 1;
            if tuned % 3 != 0 && Some(step.step) != step.total_steps {
                continue;
            }
        }
        let mut value: Value = serde_json::from_str(line)?;
        if let Some(fields) = value.as_object_mut() {
            fields.remove("pid");
            fields.remove("host");
            let time = fields.get("t").and_then(Value::as_f64).unwrap_or(0.0);
            shorten(&mut value);
            value["t"] = serde_json::json!((time * 100.0).round() / 100.0);
        }
        lines.push_str(&serde_json::to_string(&value)?);
        lines.push('\n');
    }
    std::fs::write(out.join("events.jsonl"), lines)?;
    Ok(())
}

/// Five digits are more than a terminal can show.
fn shorten(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let short = number
                .as_f64()
                .and_then(|float| format!("{float:.4e}").parse::<f64>().ok());
            if let Some(short) = short {
                *value = serde_json::json!(short);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        _ => {}
    }
}

/// A frame at the time of the run's last event.
fn draw(run: &Path, screen: Screen, size: (u16, u16)) -> Outcome<Buffer> {
    let events = EventReader::new(&run.join("events.jsonl")).poll()?;
    let options = Options {
        ascii: Some(false),
        theme: Some(ThemeName::Dark),
        screen,
        size: Some(size),
        now: events.last().map(|event| event.t),
        ..Options::default()
    };
    Ok(frame(&Source::Runs(vec![run.to_path_buf()]), &options)?)
}

/// Some seconds of the run as a moving picture: pretraining, a sample, fine-tuning.
fn replay(run: &Path) -> Outcome<String> {
    let text = std::fs::read_to_string(run.join("events.jsonl"))?;
    let lines: Vec<&str> = text.lines().collect();
    let tuning = lines
        .iter()
        .position(|line| line.contains("\"kind\":\"ner_step\""))
        .unwrap_or(lines.len());
    let upto = |share: usize, from: usize, to: usize| from + (to - from) * share / 6;
    let mut shown: Vec<(usize, Screen)> = Vec::new();
    shown.extend((1..=6).map(|share| (upto(share, 0, tuning), Screen::Overview)));
    shown.push((tuning, Screen::Tokens));
    shown.extend((1..=6).map(|share| (upto(share, tuning, lines.len()), Screen::Ner)));
    let folder = tempfile::tempdir()?;
    let part = folder.path().join("demo");
    std::fs::create_dir(&part)?;
    std::fs::copy(run.join("manifest.json"), part.join("manifest.json"))?;
    let mut frames = Vec::new();
    for (count, screen) in shown {
        std::fs::write(part.join("events.jsonl"), lines[..count].join("\n") + "\n")?;
        let seconds = if screen == Screen::Tokens { 4.0 } else { 1.2 };
        frames.push((draw(&part, screen, (100, 28))?, seconds));
    }
    Ok(picture::moving(&frames))
}
