//! Lines on ratatui's canvas: eight dots to a cell in braille, one to a cell in ASCII.

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::widgets::Widget;
use ratatui::widgets::canvas::{Canvas, Painter, Shape};

/// How a line is broken up, so that lines differ without colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pattern {
    #[default]
    Solid,
    /// Four dots of six.
    Dashed,
    /// One dot of four.
    Dotted,
}

/// Patterns by place in a chart.
pub(super) const PATTERNS: [Pattern; 3] = [Pattern::Solid, Pattern::Dotted, Pattern::Dashed];

impl Pattern {
    fn inks(self, x: f64) -> bool {
        match self {
            Self::Solid => true,
            Self::Dashed => x.rem_euclid(6.0) < 4.0,
            Self::Dotted => x.rem_euclid(4.0) == 0.0,
        }
    }
}

/// A place in dots, from the top left corner.
pub(super) type Dot = (f64, f64);

/// Straight pieces of one line; a piece without length is a dot, whatever the pattern.
#[derive(Default)]
pub(super) struct Pieces {
    pub(super) pieces: Vec<(Dot, Dot)>,
    pub(super) pattern: Pattern,
    pub(super) color: Color,
}

impl Shape for Pieces {
    fn draw(&self, painter: &mut Painter<'_, '_>) {
        let (&[_, right], &[_, bottom]) = painter.bounds();
        for &(from, to) in &self.pieces {
            let Some(((x0, y0), (x1, y1))) = clip(from, to, (right, bottom)) else {
                continue;
            };
            let count = (x1 - x0).abs().max((y1 - y0).abs()).ceil().max(1.0);
            for step in 0..=count as i32 {
                let share = f64::from(step) / count;
                let x = (x0 + share * (x1 - x0)).round();
                let y = (y0 + share * (y1 - y0)).round();
                // The canvas counts upwards.
                if (from == to || self.pattern.inks(x))
                    && let Some((x, y)) = painter.get_point(x, bottom - y)
                {
                    painter.paint(x, y, self.color);
                }
            }
        }
    }
}

/// The part of a piece within the columns; rows are only bounded, so that it stays short.
fn clip(from: Dot, to: Dot, (right, bottom): Dot) -> Option<(Dot, Dot)> {
    let ((x0, y0), (x1, y1)) = if from.0 <= to.0 {
        (from, to)
    } else {
        (to, from)
    };
    if ![x0, y0, x1, y1].iter().all(|place| place.is_finite()) || x1 < 0.0 || x0 > right {
        return None;
    }
    let slope = if x1 > x0 { (y1 - y0) / (x1 - x0) } else { 0.0 };
    let cut = |x: f64, y: f64| {
        let inside = x.clamp(0.0, right);
        let y = y + slope * (inside - x);
        (inside, y.clamp(-bottom - 1.0, 2.0 * bottom + 2.0))
    };
    Some((cut(x0, y0), cut(x1, y1)))
}

#[derive(Clone, Copy)]
pub(super) struct Grid {
    pub(super) area: Rect,
    pub(super) ascii: bool,
}

impl Grid {
    fn cell_size(self) -> (f64, f64) {
        if self.ascii { (1.0, 1.0) } else { (2.0, 4.0) }
    }

    /// Dots across and down.
    pub(super) fn size(self) -> (f64, f64) {
        let (across, down) = self.cell_size();
        (
            f64::from(self.area.width) * across,
            f64::from(self.area.height) * down,
        )
    }

    /// Column and row of a dot's cell, kept within the area.
    pub(super) fn cell_of(self, (x, y): Dot) -> (u16, u16) {
        let (across, down) = self.cell_size();
        let within = |place: f64, count: u16| (place.max(0.0) as u16).min(count.max(1) - 1);
        (
            within(x.round() / across, self.area.width),
            within(y.round() / down, self.area.height),
        )
    }

    /// Draws faint lines behind full ones: where both meet in a cell the full one is seen.
    pub(super) fn draw(self, buffer: &mut Buffer, faint: &[Pieces], full: &[Pieces]) {
        const INK: [char; 6] = ['*', 'o', '+', 'x', '#', '='];
        let dim = Style::new().add_modifier(Modifier::DIM);
        if self.ascii {
            self.layer(buffer, Marker::Custom('.'), faint, dim);
            for (line, ink) in full.chunks(1).zip(INK.iter().cycle()) {
                self.layer(buffer, Marker::Custom(*ink), line, Style::new());
            }
        } else {
            self.layer(buffer, Marker::Braille, faint, dim);
            self.layer(buffer, Marker::Braille, full, Style::new());
        }
    }

    fn layer(self, buffer: &mut Buffer, marker: Marker, lines: &[Pieces], style: Style) {
        let (across, down) = self.size();
        // The canvas knows colours only; the cells it drew get the rest of the style here.
        let mut drawn = Buffer::empty(self.area);
        Canvas::default()
            .marker(marker)
            .x_bounds([0.0, across - 1.0])
            .y_bounds([0.0, (down - 1.0).max(f64::MIN_POSITIVE)])
            .paint(|context| lines.iter().for_each(|line| context.draw(line)))
            .render(self.area, &mut drawn);
        for place in self.area.positions() {
            let cell = &drawn[place];
            if cell.symbol() != " "
                && let Some(target) = buffer.cell_mut(place)
            {
                *target = Cell::default();
                target
                    .set_symbol(cell.symbol())
                    .set_style(style.fg(cell.fg));
            }
        }
    }

    /// Puts a character in place of the dots of a cell.
    pub(super) fn mark(
        self,
        buffer: &mut Buffer,
        (column, row): (u16, u16),
        glyph: char,
        style: Style,
    ) {
        if let Some(cell) = buffer.cell_mut((self.area.x + column, self.area.y + row)) {
            *cell = Cell::default();
            cell.set_char(glyph).set_style(style);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(from: Dot, to: Dot) -> Pieces {
        Pieces {
            pieces: vec![(from, to)],
            ..Pieces::default()
        }
    }

    fn picture(area: Rect, ascii: bool, faint: &[Pieces], full: &[Pieces]) -> String {
        let mut buffer = Buffer::empty(area);
        Grid { area, ascii }.draw(&mut buffer, faint, full);
        buffer.content().iter().map(|cell| cell.symbol()).collect()
    }

    #[test]
    fn full_ink_replaces_faint_ink_of_a_cell() {
        let dot = |x, y| line((x, y), (x, y));
        let faint = [dot(0.0, 0.0), dot(2.0, 0.0)];
        let shown = picture(Rect::new(0, 0, 2, 1), false, &faint, &[dot(1.0, 3.0)]);
        assert_eq!(shown, "\u{2880}\u{2801}");
    }

    #[test]
    fn lines_from_far_outside_are_cut_and_cheap() {
        let full = [
            line((-1e12, 0.0), (1e12, 0.0)),
            line((0.0, -1e300), (7.0, 1e300)),
            line((f64::NAN, 0.0), (1.0, 1.0)),
        ];
        let shown = picture(Rect::new(3, 2, 4, 1), false, &[], &full);
        assert!(shown.chars().all(|cell| cell != ' '), "{shown}");
    }

    #[test]
    fn ascii_has_one_dot_a_cell_and_a_character_a_line() {
        let area = Rect::new(0, 0, 3, 2);
        let full = [line((0.0, 0.0), (2.0, 1.0)), line((2.0, 0.0), (2.0, 0.0))];
        let faint = [line((0.0, 1.0), (0.0, 1.0))];
        assert_eq!(picture(area, true, &faint, &full), "* o.**");
        let grid = Grid { area, ascii: true };
        assert_eq!(
            (grid.size(), grid.cell_of((2.0, 1.0))),
            ((3.0, 2.0), (2, 1))
        );
        let flat = Rect::new(0, 0, 3, 1);
        assert_eq!(picture(flat, true, &[], &full[1..]), "  *");
    }
}
