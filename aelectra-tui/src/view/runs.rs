//! All runs: choose one, mark several.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::text;
use crate::format;
use crate::state::{RunRow, State};
use crate::store::{Metric, Unit, status};

/// What stands in the row of a run, from its data if it is shown, else from a glance at its file.
struct Cells {
    state: String,
    step: Option<u64>,
    total: Option<u64>,
    loss: Option<f64>,
    accuracy: Option<f64>,
    f1: Option<f64>,
    age: Option<f64>,
}

fn cells(state: &State, row: &RunRow) -> Cells {
    if let Some(run) = row.store.as_deref().filter(|_| row.loaded >= 1.0) {
        let track = run.ner.tracks.get(run.ner.active);
        return Cells {
            state: status(run, state.now, row.alive).word().to_owned(),
            step: run.step(),
            total: run.total(),
            loss: run.last(Metric::Loss).or_else(|| track?.steps.last(0)),
            accuracy: run.last(Metric::RtdAccuracy),
            f1: run.ner.best_f1(),
            age: run.last_time.map(|last| state.now - last),
        };
    }
    let summary = row.summary.as_ref();
    Cells {
        state: summary.map_or_else(|| "?".into(), |summary| summary.state.clone()),
        step: summary.and_then(|summary| summary.step),
        total: summary.and_then(|summary| summary.total_steps),
        loss: summary.and_then(|summary| summary.loss),
        accuracy: summary.and_then(|summary| summary.rtd_accuracy),
        f1: summary.and_then(|summary| summary.best_f1),
        age: summary.and_then(|summary| summary.last_event_seconds),
    }
}

/// The first row shown, so that the cursor is in view.
fn first(state: &State, rows: usize) -> usize {
    (state.run_row + 1).saturating_sub(rows)
}

/// The row of the list at a position.
#[must_use]
pub fn hit(state: &State, area: Rect, position: Position) -> Option<usize> {
    let list = text::below(super::body(area), 2);
    if !list.contains(position) {
        return None;
    }
    let row = first(state, usize::from(list.height)) + usize::from(position.y - list.y);
    (row < state.listed().len()).then_some(row)
}

/// Draws the screen.
pub fn draw(state: &State, buffer: &mut Buffer, area: Rect) {
    let theme = &state.theme;
    let listed = state.listed();
    let place = if state.root.is_empty() {
        String::new()
    } else {
        format!(" in {}", theme.foreign(&state.root))
    };
    let title = format!(" Runs{place}: {}", listed.len());
    let inner = text::heading(buffer, area, theme, &title);
    let name_width = usize::from(area.width).saturating_sub(67).clamp(14, 48);
    let narrow = area.width < 80;
    if let Some(row) = text::row(inner, 0) {
        let mut head = format!(
            "    {} {:<11} {:>15} {:>8}",
            format::pad("run", name_width, ""),
            "state",
            "step",
            "loss"
        );
        if !narrow {
            head.push_str(&format!(" {:>7} {:>7} {:>7}", "RTD acc", "best F1", "age"));
        }
        text::put(buffer, row.x, row.y, row.right(), &head, theme.dim);
    }
    let list = text::below(inner, 1);
    if listed.is_empty() {
        text::put(
            buffer,
            list.x + 2,
            list.y,
            list.right(),
            "no runs",
            theme.dim,
        );
    }
    let overlaid = state.overlaid();
    for (place, key) in listed
        .iter()
        .enumerate()
        .skip(first(state, usize::from(list.height)))
        .enumerate()
        .map(|(place, (index, key))| ((place, index), key))
    {
        let (place, index) = place;
        let Some(row) = text::row(list, place) else {
            break;
        };
        let run = &state.runs[*key];
        let cells = cells(state, run);
        let slot = overlaid.iter().position(|shown| shown == key);
        let mark = match slot {
            Some(slot) => char::from_digit(slot as u32 + 1, 10).unwrap_or('?'),
            None if run.marked => '+',
            None => ' ',
        };
        let pointer = if index == state.run_row {
            theme.pick("▸", ">")
        } else {
            " "
        };
        let name = format::pad(&theme.foreign(&run.id), name_width, theme.ellipsis());
        let step = match (cells.step, cells.total) {
            (Some(step), Some(total)) => {
                format!(
                    "{}/{}",
                    format::count(step as f64),
                    format::count(total as f64)
                )
            }
            (Some(step), None) => format::count(step as f64),
            _ => "-".into(),
        };
        let value = |value: Option<f64>, unit: Unit| {
            value.map_or_else(|| "-".to_owned(), |value| unit.write(value))
        };
        let mut line = format!(
            "{pointer}{mark}  {name} {:<11} {step:>15} {:>8}",
            cells.state,
            value(cells.loss, Unit::Plain),
        );
        if !narrow {
            line.push_str(&format!(
                " {:>7} {:>7} {:>7}",
                value(cells.accuracy, Unit::Share),
                value(cells.f1, Unit::Share),
                cells.age.map_or_else(|| "-".into(), format::duration),
            ));
        }
        let style = if index == state.run_row {
            theme.selected
        } else {
            slot.map_or(theme.text, |slot| theme.line(slot))
        };
        text::put(buffer, row.x, row.y, row.right(), &line, style);
    }
}
