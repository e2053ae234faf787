//! Drawing: a pure function of the state.
//!
//! Top to bottom: tabs, two lines about the run, the screen, one line of keys or questions.

pub(crate) mod chart;
pub(crate) mod curve;
pub(crate) mod dialog;
pub(crate) mod difference;
pub(crate) mod footer;
pub(crate) mod grid;
pub(crate) mod header;
pub(crate) mod help;
pub(crate) mod logs;
pub(crate) mod ner;
pub(crate) mod overview;
pub(crate) mod runs;
pub(crate) mod scale;
pub(crate) mod system;
pub(crate) mod tabs;
pub(crate) mod text;
pub(crate) mod tokens;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::state::{Screen, State};

/// The smallest terminal that is drawn on.
pub(crate) const SMALLEST: (u16, u16) = (60, 16);

/// How much fits side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WidthClass {
    /// 60 to 79 columns: one pane.
    Narrow,
    /// 80 to 119 columns: two.
    Medium,
    /// 120 columns and more: three.
    Wide,
}

impl WidthClass {
    pub(crate) const fn of(width: u16) -> Self {
        match width {
            0..80 => Self::Narrow,
            80..120 => Self::Medium,
            _ => Self::Wide,
        }
    }

    pub(crate) const fn columns(self) -> u16 {
        match self {
            Self::Narrow => 1,
            Self::Medium => 2,
            Self::Wide => 3,
        }
    }
}

/// The part of the terminal between header and footer.
pub(crate) fn body(area: Rect) -> Rect {
    Rect {
        y: area.y + 3,
        height: area.height.saturating_sub(4),
        ..area
    }
}

pub(crate) fn draw(state: &State, buffer: &mut Buffer) {
    let area = *buffer.area();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        return too_small(state, buffer, area);
    }
    tabs::draw(state, buffer, Rect { height: 1, ..area });
    header::draw(
        state,
        buffer,
        Rect {
            y: area.y + 1,
            height: 2,
            ..area
        },
    );
    let inner = body(area);
    match state.screen {
        Screen::Overview => overview::draw(state, buffer, inner),
        Screen::Ner => ner::draw(state, buffer, inner),
        Screen::Tokens => tokens::draw(state, buffer, inner),
        Screen::Runs if state.difference => difference::draw(state, buffer, inner),
        Screen::Runs => runs::draw(state, buffer, inner),
        Screen::System => system::draw(state, buffer, inner),
        Screen::Logs => logs::draw(state, buffer, inner),
        Screen::Help => help::draw(state, buffer, inner),
    }
    let last = Rect {
        y: area.bottom() - 1,
        height: 1,
        ..area
    };
    footer::draw(state, buffer, last);
    dialog::draw(state, buffer, area);
}

fn too_small(state: &State, buffer: &mut Buffer, area: Rect) {
    let (width, height) = SMALLEST;
    let lines = [
        "terminal too small".to_owned(),
        format!("need {width}x{height}, have {}x{}", area.width, area.height),
        "q quits".to_owned(),
    ];
    let shown = lines.len().min(usize::from(area.height));
    let top = area.y + (area.height - shown as u16) / 2;
    for (row, line) in lines[..shown].iter().enumerate() {
        let left = usize::from(area.width).saturating_sub(line.len()) / 2;
        let style = if row == 0 {
            state.theme.warn
        } else {
            state.theme.text
        };
        text::put(
            buffer,
            area.x + left as u16,
            top + row as u16,
            area.right(),
            line,
            style,
        );
    }
}
