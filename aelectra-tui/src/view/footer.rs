//! The last row: a question, a message, the latest request, or the keys that matter here.

use aelectra_data::run::{ControlRequest, ControlStatus};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::text;
use crate::state::{Dialog, Screen, State};
use crate::store::ControlRecord;

/// The screens that show only what their filter lets through.
const FILTERED: [Screen; 3] = [Screen::Overview, Screen::Runs, Screen::Logs];
/// How long an answered request stays in view, seconds.
const ANSWERED: f64 = 20.0;

pub(crate) fn draw(state: &State, buffer: &mut Buffer, area: Rect) {
    let theme = &state.theme;
    if let Some(Dialog::Filter(_)) = &state.dialog {
        let cursor = theme.pick("▏", "_");
        let line = format!(" filter: {}{cursor}", theme.foreign(state.filter()));
        text::line(buffer, area, 0, &line, theme.strong);
        // What can be typed, where there is room for it.
        let long = "a b: both, a | b, !a, lr<1e-3, f1>0.5  Enter keeps, Esc cancels ";
        let short = "Enter keeps, Esc cancels ";
        let room = usize::from(area.width).saturating_sub(crate::format::width(&line) + 1);
        let keys = match long.len() <= room {
            true => long,
            false => short,
        };
        let used = area.x + crate::format::width(&line) as u16 + 1;
        text::right(buffer, used, area.y, area.right(), keys, theme.dim);
        return;
    }
    if let Some((notice, _)) = &state.notice {
        let line = format!(" {}", theme.foreign(notice));
        text::line(buffer, area, 0, &line, theme.warn);
        return;
    }
    if let Some(seconds) = state.leaves_in {
        let line = format!(
            " the run has ended: this closes in {seconds} s, any key keeps it, q closes it"
        );
        text::line(buffer, area, 0, &line, theme.strong);
        return;
    }
    let mut end = area.right();
    if let Some(line) = state
        .run()
        .and_then(|run| run.controls.back())
        .and_then(|last| {
            let recent = state.now - last.t < ANSWERED;
            (last.status.is_none() || recent).then(|| control_line(last, theme.pick("→", "->")))
        })
    {
        let width = crate::format::width(&line) as u16 + 1;
        end = end.saturating_sub(width).max(area.x);
        text::put(buffer, end, area.y, area.right(), &line, theme.warn);
    }
    let mut x = area.x + 1;
    if !state.filter().is_empty() && FILTERED.contains(&state.screen) {
        let shown = format!("[/{}] ", theme.foreign(state.filter()));
        x = text::put(buffer, x, area.y, end, &shown, theme.warn);
    }
    for (key, what) in hints(state) {
        let width = (key.len() + what.len() + 3) as u16;
        if x + width > end {
            break;
        }
        x = text::put(buffer, x, area.y, end, key, theme.strong);
        x = text::put(buffer, x, area.y, end, &format!(" {what}  "), theme.dim);
    }
}

/// `stop requested → acknowledged at step 120`.
fn control_line(record: &ControlRecord, arrow: &str) -> String {
    let request = record.request.name();
    let step = record
        .step
        .map_or(String::new(), |step| format!(" at step {step}"));
    match record.status {
        None => format!("{request} requested {arrow} waiting for the run"),
        Some(ControlStatus::Acknowledged) => {
            format!("{request} requested {arrow} acknowledged{step}")
        }
        Some(ControlStatus::Done) => format!("{request} {arrow} done{step}"),
        Some(ControlStatus::Refused) => format!("{request} {arrow} refused{step}"),
    }
}

fn hints(state: &State) -> Vec<(&'static str, &'static str)> {
    let mut hints = vec![("?", "help"), ("q", "quit")];
    hints.extend(match state.screen {
        Screen::Overview => vec![
            ("Tab", "pane"),
            ("e", "expand"),
            ("+/-", "zoom"),
            ("v", "values"),
            ("s", "smooth"),
            ("x", "axis"),
            ("y", "log"),
        ],
        Screen::Ner => vec![("Tab", "seed"), ("Up/Down", "scroll")],
        Screen::Tokens => vec![("Left/Right", "samples"), ("Up/Down", "scroll")],
        Screen::Runs => vec![
            ("Enter", "show"),
            ("Space", "compare"),
            ("d", "differences"),
            ("o", "sort"),
            ("u", "reverse"),
            ("/", "filter"),
        ],
        Screen::System => vec![("Tab", "pane"), ("v", "values")],
        Screen::Logs => vec![("/", "filter"), ("PgUp", "earlier"), ("End", "follow")],
        Screen::Help => vec![("Up/Down", "scroll"), ("Esc", "back")],
    });
    let paused = state.run().is_some_and(|run| run.paused);
    let (pause, asked) = match paused {
        true => ("resume", ControlRequest::Resume),
        false => ("pause", ControlRequest::Pause),
    };
    if !state.read_only && !state.replay && state.status().is_alive() {
        let requests = [
            ("C", "checkpoint", ControlRequest::Checkpoint),
            ("P", pause, asked),
            ("E", "evaluate", ControlRequest::Evaluate),
            ("S", "stop", ControlRequest::Stop),
        ];
        let taken = requests.into_iter().filter(|it| state.takes(it.2));
        hints.extend(taken.map(|(key, what, _)| (key, what)));
    }
    hints
}
