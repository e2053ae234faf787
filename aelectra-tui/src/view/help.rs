//! The keys, from the table that dispatches them.

use aelectra_data::run::ControlRequest;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{WidthClass, text};
use crate::keymap::{BINDINGS, Binding, Command};
use crate::state::State;

/// Columns of the keys.
const KEYS: u16 = 15;

/// Whether a key does anything with the shown run.
fn is_offered(state: &State, binding: &Binding) -> bool {
    match binding.command {
        Command::Checkpoint => state.takes(ControlRequest::Checkpoint),
        Command::Evaluate => state.takes(ControlRequest::Evaluate),
        _ => true,
    }
}

/// What a key does. Ctrl-C means to a training that is shown from within what it means without a dashboard.
fn what(state: &State, binding: &Binding) -> &'static str {
    match binding.command {
        Command::Interrupt if state.trains_here() => {
            // A fine-tuning writes none: it keeps the seeds that are finished.
            match state.takes(ControlRequest::Checkpoint) {
                true => "Stop with a checkpoint",
                false => "Stop the training",
            }
        }
        _ => binding.help,
    }
}

/// Keys and what they do, by group; with blank rows between the groups where they are wanted.
fn table(state: &State, blanks: bool) -> Vec<(String, String, Style)> {
    let mut lines: Vec<(String, String, Style)> = Vec::new();
    for group in BINDINGS.chunk_by(|a, b| a.group == b.group) {
        if blanks && !lines.is_empty() {
            lines.push((String::new(), String::new(), state.theme.text));
        }
        lines.push((group[0].group.to_owned(), String::new(), state.theme.strong));
        for binding in group.iter().filter(|binding| is_offered(state, binding)) {
            let keys: Vec<String> = binding.keys.iter().map(|key| key.label()).collect();
            let keys = keys.join(" ");
            match lines.last_mut() {
                Some((before, ..)) if binding.help.is_empty() => {
                    before.push(' ');
                    before.push_str(&keys);
                }
                _ => lines.push((keys, what(state, binding).to_owned(), state.theme.text)),
            }
        }
    }
    lines
}

pub(crate) fn draw(state: &State, buffer: &mut Buffer, area: Rect) {
    let columns = usize::from(WidthClass::of(area.width).columns().min(2));
    let width = usize::from(area.width) / columns;
    let rows = usize::from(area.height);
    let mut lines = table(state, true);
    // The blank rows between the groups go before anything else does.
    if lines.len().div_ceil(columns) > rows {
        lines = table(state, false);
    }
    let per_column = lines.len().div_ceil(columns);
    // The last row is kept free for the note that there is more.
    let fits = per_column <= usize::from(area.height);
    let shown = text::above(area, area.height - u16::from(!fits));
    let most = per_column.saturating_sub(usize::from(shown.height));
    let first = state.scroll.min(most);
    for (index, (keys, help, style)) in lines.iter().enumerate() {
        let (column, line) = (index / per_column, index % per_column);
        let line = line.checked_sub(first);
        let Some(row) = line.and_then(|line| text::row(shown, line)) else {
            continue;
        };
        let start = row.x + (column * width) as u16 + 1;
        let end = row.x + ((column + 1) * width) as u16;
        if help.is_empty() {
            text::put(buffer, start, row.y, end, keys, *style);
            continue;
        }
        let x = start + KEYS;
        text::put(buffer, start, row.y, x, keys, state.theme.strong);
        let room = usize::from(end.saturating_sub(x));
        let help = state.theme.fit(help, room);
        text::put(buffer, x, row.y, end, &help, *style);
    }
    if first < most {
        let y = area.bottom().saturating_sub(1);
        let (more, style) = (" more below ", state.theme.warn);
        text::right(buffer, area.x, y, area.right(), more, style);
    }
}
