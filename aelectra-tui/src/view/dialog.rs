//! Questions in front of the screen.

use aelectra_data::run::ControlRequest;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::symbols::border;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Padding, Paragraph, Widget};

use crate::format;
use crate::state::{Dialog, State};

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
    let theme = &state.theme;
    let width = lines.iter().map(|line| format::width(line)).max();
    let width = (width.unwrap_or(0) as u16 + 4).min(area.width);
    let height = (lines.len() as u16 + 2).min(area.height);
    let frame = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    Clear.render(frame, buffer);
    let block = Block::bordered()
        .border_set(if theme.ascii { ASCII } else { border::PLAIN })
        .border_style(theme.warn)
        .padding(Padding::horizontal(1));
    let styles = std::iter::once(theme.strong).chain(std::iter::repeat(theme.text));
    let lines = lines.into_iter().zip(styles);
    let lines: Vec<Line<'_>> = lines
        .map(|(line, style)| Line::styled(line, style))
        .collect();
    Paragraph::new(lines).block(block).render(frame, buffer);
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
