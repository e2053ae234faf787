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
mod mark;
pub(crate) mod ner;
mod ner_runs;
pub(crate) mod overview;
pub(crate) mod runs;
pub(crate) mod scale;
pub(crate) mod system;
pub(crate) mod tabs;
pub(crate) mod text;
pub(crate) mod tokens;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};

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

/// Tabs, header, screen and footer.
fn parts(area: Rect) -> [Rect; 4] {
    use Constraint::{Fill, Length};
    Layout::vertical([Length(1), Length(2), Fill(1), Length(1)]).areas(area)
}

/// The part of the terminal between header and footer.
pub(crate) fn body(area: Rect) -> Rect {
    parts(area)[2]
}

/// Areas that fill an area, row by row.
pub(crate) fn cells(area: Rect, columns: u16, rows: u16) -> impl Iterator<Item = Rect> {
    let edge = |index: u16, count: u16, length: u16| {
        (u32::from(index) * u32::from(length) / u32::from(count)) as u16
    };
    (0..rows * columns).map(move |place| {
        let (column, row) = (place % columns, place / columns);
        let (x, y) = (
            edge(column, columns, area.width),
            edge(row, rows, area.height),
        );
        Rect {
            x: area.x + x,
            y: area.y + y,
            width: edge(column + 1, columns, area.width) - x,
            height: edge(row + 1, rows, area.height) - y,
        }
    })
}

pub(crate) fn draw(state: &State, buffer: &mut Buffer) {
    let area = *buffer.area();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        return too_small(state, buffer, area);
    }
    let [top, about, inner, last] = parts(area);
    tabs::draw(state, buffer, top);
    header::draw(state, buffer, about);
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
    let top = usize::from(area.height).saturating_sub(lines.len()) / 2;
    for (row, line) in lines.iter().enumerate() {
        let line = format!("{line:^0$}", usize::from(area.width));
        let style = [state.theme.warn, state.theme.text][row.min(1)];
        text::line(buffer, area, top + row, &line, style);
    }
}
