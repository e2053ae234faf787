//! Questions in front of the screen.

use aelectra_data::run::ControlRequest;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::symbols::border;
use ratatui::widgets::{Block, Clear, Widget};

use super::text;
use crate::format;
use crate::state::{Dialog, State};
use crate::theme::Theme;

pub(crate) fn draw(state: &State, buffer: &mut Buffer, area: Rect) {
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
    border(&state.theme, buffer, frame);
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

fn border(theme: &Theme, buffer: &mut Buffer, frame: Rect) {
    const ASCII: border::Set<'_> = border::Set {
        top_left: "+",
        top_right: "+",
        bottom_left: "+",
        bottom_right: "+",
        vertical_left: "|",
        vertical_right: "|",
        horizontal_top: "-",
        horizontal_bottom: "-",
    };
    let set = if theme.ascii { ASCII } else { border::PLAIN };
    Clear.render(frame, buffer);
    Block::bordered()
        .border_set(set)
        .border_style(theme.warn)
        .render(frame, buffer);
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
