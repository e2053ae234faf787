//! All runs: choose one, mark several, sort them by what they reached or how they were set.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::text;
use crate::run_table::{cell, columns, glance, short};
use crate::state::State;

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

/// Columns of `20261128-231450-pretrain-2`, which a name has at least where one is so long.
const NAME_WIDTH: usize = 26;

pub(crate) fn draw(state: &State, buffer: &mut Buffer, area: Rect) {
    let theme = &state.theme;
    let listed = state.listed();
    let title = format!(" Runs{}: {}", state.place(), listed.len());
    let inner = text::heading(buffer, area, theme, &title);
    let columns = columns(state);
    let shift = state.columns_left.min(columns.len().saturating_sub(1));
    let columns = &columns[shift..];
    let all = columns.len();
    let wanted: usize = columns.iter().map(|column| column.width + 1).sum();
    // The names that the program gives are whole; the columns that have no room then are scrolled to.
    let names = listed
        .iter()
        .map(|key| crate::format::width(&state.runs[*key].id));
    let longest = names.max().unwrap_or(0).clamp(14, NAME_WIDTH);
    let name_width = usize::from(area.width)
        .saturating_sub(wanted + 5)
        .clamp(longest, 48);
    // Whole columns only: half a number is another number.
    let mut room = usize::from(area.width).saturating_sub(name_width + 4);
    let columns: Vec<_> = columns
        .iter()
        .take_while(|column| {
            let fits = column.width < room;
            room = room.saturating_sub(column.width + 1);
            fits
        })
        .collect();
    let aligned = |text: &str, width: usize, left: bool| {
        let text = theme.fit(text, width);
        let space = " ".repeat(width.saturating_sub(crate::format::width(&text)));
        match left {
            true => format!(" {text}{space}"),
            false => format!(" {space}{text}"),
        }
    };
    let mut head = format!("    {}", theme.pad("run", name_width));
    for column in &columns {
        let arrow = match (state.sort.as_ref() == Some(&column.name), state.descending) {
            (false, _) => "",
            (true, true) => theme.pick("▾", "v"),
            (true, false) => theme.pick("▴", "^"),
        };
        let title = format!("{}{arrow}", short(&column.name));
        head.push_str(&aligned(&title, column.width, column.left));
    }
    text::line(buffer, inner, 0, &head, theme.dim);
    if columns.len() < all
        && let Some(row) = text::row(inner, 0)
    {
        // The arrow keys bring the rest.
        let more = theme.pick("→", ">");
        text::right(buffer, row.x, row.y, row.right(), more, theme.strong);
    }
    let list = text::below(inner, 1);
    if listed.is_empty() {
        let line = match state.filters.runs.as_str() {
            "" => "  no runs".to_owned(),
            filter => format!("  no run matches /{}", theme.foreign(filter)),
        };
        text::line(buffer, list, 0, &line, theme.dim);
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
        let mut line = format!("{pointer}{mark}  {}", theme.pad(&run.id, name_width));
        for column in &columns {
            let text = cell(&column.name, run, &known).text;
            line.push_str(&aligned(&text, column.width, column.left));
        }
        let style = if index == state.run_row {
            theme.selected
        } else {
            slot.map_or(theme.text, |slot| theme.line(slot))
        };
        text::line(buffer, list, place, &line, style);
    }
}
