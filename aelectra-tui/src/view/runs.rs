//! All runs: choose one, mark several.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::text;
use crate::format;
use crate::state::{RunRow, State};
use crate::store::{Metric, Unit};
use crate::summary::RunSummary;

/// What is known of a run: from its data if it is shown, else from a glance at its file.
fn glance(state: &State, row: &RunRow) -> RunSummary {
    match row.store.as_deref().filter(|_| row.loaded >= 1.0) {
        Some(run) => {
            let (id, path) = (row.id.clone(), row.path.clone());
            let known = RunSummary::of(run, id, path, row.alive, state.now);
            // A loss that is not finite is told here; a summary, which is JSON too, cannot.
            RunSummary {
                loss: run.last(Metric::Loss).or(known.loss),
                ..known
            }
        }
        None => row.summary.clone().unwrap_or_default(),
    }
}

/// The first row shown, so that the cursor is in view.
fn first(state: &State, rows: usize) -> usize {
    (state.run_row + 1).saturating_sub(rows)
}

/// The row of the list at a position.
pub(crate) fn hit(state: &State, area: Rect, position: Position) -> Option<usize> {
    let list = text::below(super::body(area), 2);
    if !list.contains(position) {
        return None;
    }
    let row = first(state, usize::from(list.height)) + usize::from(position.y - list.y);
    (row < state.listed().len()).then_some(row)
}

pub(crate) fn draw(state: &State, buffer: &mut Buffer, area: Rect) {
    let theme = &state.theme;
    let listed = state.listed();
    let title = format!(" Runs{}: {}", state.place(), listed.len());
    let inner = text::heading(buffer, area, theme, &title);
    let name_width = usize::from(area.width).saturating_sub(67).clamp(14, 48);
    let narrow = area.width < 80;
    let name = theme.pad("run", name_width);
    let mut head = format!("    {name} {:<11} {:>15} {:>8}", "state", "step", "loss");
    if !narrow {
        head.push_str(&format!(" {:>7} {:>7} {:>7}", "RTD acc", "best F1", "age"));
    }
    text::line(buffer, inner, 0, &head, theme.dim);
    let list = text::below(inner, 1);
    if listed.is_empty() {
        text::line(buffer, list, 0, "  no runs", theme.dim);
    }
    let overlaid = state.overlaid();
    let rows = usize::from(list.height);
    let page = listed
        .iter()
        .enumerate()
        .skip(first(state, rows))
        .take(rows);
    for (place, (index, key)) in page.enumerate() {
        let run = &state.runs[*key];
        let known = glance(state, run);
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
        let name = theme.pad(&run.id, name_width);
        let step = match (known.step, known.total_steps) {
            (Some(step), Some(total)) => {
                let [step, total] = [step, total].map(|count| format::count(count as f64));
                format!("{step}/{total}")
            }
            (Some(step), None) => format::count(step as f64),
            _ => "-".into(),
        };
        let value = |value: Option<f64>, unit: Unit| {
            value.map_or_else(|| "-".to_owned(), |value| unit.write(value))
        };
        let mut line = format!(
            "{pointer}{mark}  {name} {:<11} {step:>15} {:>8}",
            known.state,
            value(known.loss, Unit::Plain),
        );
        if !narrow {
            line.push_str(&format!(
                " {:>7} {:>7} {:>7}",
                value(known.rtd_accuracy, Unit::Share),
                value(known.best_f1, Unit::Share),
                known
                    .last_event_seconds
                    .map_or_else(|| "-".into(), format::duration),
            ));
        }
        let style = if index == state.run_row {
            theme.selected
        } else {
            slot.map_or(theme.text, |slot| theme.line(slot))
        };
        text::line(buffer, list, place, &line, style);
    }
}
