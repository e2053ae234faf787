//! Questions in front of the screen.

use aelectra_data::run::ControlRequest;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::text;
use crate::format;
use crate::state::{Dialog, State};

/// Draws the question, if there is one.
pub fn draw(state: &State, buffer: &mut Buffer, area: Rect) {
    let lines: Vec<String> = match &state.dialog {
        None | Some(Dialog::Filter(_)) => return,
        Some(Dialog::Confirm(request)) => {
            let run = state.row().map_or("", |row| row.id.as_str());
            vec![
                format!("{} ?", question(*request)),
                format!("run {}", state.theme.foreign(run)),
                "y yes    n no".into(),
            ]
        }
        Some(Dialog::Leave) if state.read_only => vec![
            "Training goes on when this view is left.".into(),
            "d detach    c cancel".into(),
        ],
        Some(Dialog::Leave) => vec![
            "Leave the dashboard: what about the training?".into(),
            "d detach, it goes on    s stop after a checkpoint    c cancel".into(),
        ],
    };
    let widest = lines
        .iter()
        .map(|line| format::width(line))
        .max()
        .unwrap_or(0);
    let width = (widest as u16 + 4).min(area.width);
    let height = (lines.len() as u16 + 2).min(area.height);
    let frame = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    border(state, buffer, frame);
    for (index, line) in lines.iter().enumerate() {
        let style = if index == 0 {
            state.theme.strong
        } else {
            state.theme.text
        };
        let (x, y) = (frame.x + 2, frame.y + 1 + index as u16);
        text::put(buffer, x, y, frame.right() - 1, line, style);
    }
}

fn border(state: &State, buffer: &mut Buffer, frame: Rect) {
    let theme = &state.theme;
    let inside = usize::from(frame.width.saturating_sub(2));
    let (flat, wall) = (theme.pick("─", "-"), theme.pick("│", "|"));
    let corners = if theme.ascii {
        ["+"; 4]
    } else {
        ["┌", "┐", "└", "┘"]
    };
    for y in frame.y..frame.bottom() {
        let (left, fill, right) = if y == frame.y {
            (corners[0], flat, corners[1])
        } else if y + 1 == frame.bottom() {
            (corners[2], flat, corners[3])
        } else {
            (wall, " ", wall)
        };
        let row = format!("{left}{}{right}", fill.repeat(inside));
        // A cell keeps its old attributes unless they are reset.
        for x in frame.x..frame.right() {
            if let Some(cell) = buffer.cell_mut((x, y)) {
                cell.reset();
            }
        }
        text::put(buffer, frame.x, y, frame.right(), &row, theme.warn);
    }
}

fn question(request: ControlRequest) -> &'static str {
    match request {
        ControlRequest::Stop => "Write a checkpoint and stop the training",
        ControlRequest::Checkpoint => "Write a checkpoint now",
        ControlRequest::Evaluate => "Evaluate on held-out data now",
        ControlRequest::Pause => "Pause the training",
        ControlRequest::Resume => "Let the training go on",
    }
}
