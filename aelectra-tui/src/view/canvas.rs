//! A grid of dots: eight to a cell in braille, one to a cell in ASCII.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::theme::Theme;

/// How a line is broken up, so that lines differ without colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pattern {
    /// Every dot.
    #[default]
    Solid,
    /// Four of six.
    Dashed,
    /// One of four.
    Dotted,
}

impl Pattern {
    fn inks(self, x: i32) -> bool {
        match self {
            Self::Solid => true,
            Self::Dashed => x.rem_euclid(6) < 4,
            Self::Dotted => x.rem_euclid(4) == 0,
        }
    }
}

/// What a dot is drawn with. Stronger ink replaces weaker ink in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// The raw values.
    Faint,
    /// The line.
    Full,
}

#[derive(Clone, Copy, Default)]
struct Cell {
    bits: u8,
    ink: u8,
    strength: Option<Strength>,
    glyph: Option<(char, Style)>,
}

/// The characters of lines in ASCII.
const ASCII_INK: [char; 6] = ['*', 'o', '+', 'x', '#', '='];
/// Bits of the braille dots of a cell by row and column (Unicode 2800–28FF).
const BRAILLE: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

/// The grid.
pub struct Canvas {
    width: usize,
    height: usize,
    ascii: bool,
    cells: Vec<Cell>,
}

impl Canvas {
    /// A grid of so many cells.
    #[must_use]
    pub fn new(width: u16, height: u16, ascii: bool) -> Self {
        let (width, height) = (usize::from(width), usize::from(height));
        Self {
            width,
            height,
            ascii,
            cells: vec![Cell::default(); width * height],
        }
    }

    /// Dots across.
    #[must_use]
    pub fn dots_across(&self) -> usize {
        self.width * if self.ascii { 1 } else { 2 }
    }

    /// Dots down.
    #[must_use]
    pub fn dots_down(&self) -> usize {
        self.height * if self.ascii { 1 } else { 4 }
    }

    /// Rows of cells.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.height
    }

    /// Sets a dot; outside the grid nothing happens.
    pub fn dot(&mut self, x: i32, y: i32, ink: u8, strength: Strength) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else {
            return;
        };
        if x >= self.dots_across() || y >= self.dots_down() {
            return;
        }
        let (across, down) = if self.ascii { (1, 1) } else { (2, 4) };
        let cell = &mut self.cells[y / down * self.width + x / across];
        match cell.strength {
            Some(before) if before > strength => return,
            Some(before) if before < strength => cell.bits = 0,
            _ => {}
        }
        cell.strength = Some(strength);
        cell.ink = ink;
        cell.bits |= BRAILLE[y % down][x % across];
    }

    /// Draws a straight line between two places given in dots.
    pub fn line(
        &mut self,
        from: (f64, f64),
        to: (f64, f64),
        ink: u8,
        strength: Strength,
        pattern: Pattern,
    ) {
        let Some(((x0, y0), (x1, y1))) = self.clip(from, to) else {
            return;
        };
        let count = (x1 - x0).abs().max((y1 - y0).abs()).ceil().max(1.0);
        for step in 0..=count as i32 {
            let share = f64::from(step) / count;
            let x = (x0 + share * (x1 - x0)).round() as i32;
            let y = (y0 + share * (y1 - y0)).round() as i32;
            if pattern.inks(x) {
                self.dot(x, y, ink, strength);
            }
        }
    }

    /// The part of a line within the grid's columns; rows only bounded, so that it stays short.
    fn clip(&self, from: (f64, f64), to: (f64, f64)) -> Option<((f64, f64), (f64, f64))> {
        let last = self.dots_across() as f64 - 1.0;
        let ((x0, y0), (x1, y1)) = if from.0 <= to.0 {
            (from, to)
        } else {
            (to, from)
        };
        if ![x0, y0, x1, y1].iter().all(|place| place.is_finite()) || x1 < 0.0 || x0 > last {
            return None;
        }
        let slope = if x1 > x0 { (y1 - y0) / (x1 - x0) } else { 0.0 };
        let high = self.dots_down() as f64;
        let bound = |y: f64| y.clamp(-high, 2.0 * high);
        let start = if x0 < 0.0 {
            (0.0, y0 - slope * x0)
        } else {
            (x0, y0)
        };
        let end = if x1 > last {
            (last, y1 - slope * (x1 - last))
        } else {
            (x1, y1)
        };
        Some(((start.0, bound(start.1)), (end.0, bound(end.1))))
    }

    /// Puts a character over the dots of a cell.
    pub fn mark(&mut self, column: usize, row: usize, glyph: char, style: Style) {
        if column < self.width && row < self.height {
            self.cells[row * self.width + column].glyph = Some((glyph, style));
        }
    }

    /// The cell of a dot, kept within the grid.
    #[must_use]
    pub fn cell_of(&self, x: f64, y: f64) -> (usize, usize) {
        let (across, down) = if self.ascii { (1.0, 1.0) } else { (2.0, 4.0) };
        let within = |place: f64, count: usize| (place.max(0.0) as usize).min(count.max(1) - 1);
        (
            within(x.round() / across, self.width),
            within(y.round() / down, self.height),
        )
    }

    /// Whether a cell is empty.
    #[must_use]
    pub fn is_empty(&self, column: usize, row: usize) -> bool {
        self.cells
            .get(row * self.width + column)
            .is_none_or(|cell| cell.bits == 0 && cell.glyph.is_none())
    }

    /// Writes the grid into the buffer. `styles` is by ink.
    pub fn render(&self, buffer: &mut Buffer, area: Rect, styles: &[Style], theme: &Theme) {
        for (index, cell) in self.cells.iter().enumerate() {
            let (column, row) = ((index % self.width) as u16, (index / self.width) as u16);
            let Some(target) = buffer.cell_mut((area.x + column, area.y + row)) else {
                continue;
            };
            if let Some((glyph, style)) = cell.glyph {
                target.set_char(glyph).set_style(style);
                continue;
            }
            if cell.bits == 0 {
                continue;
            }
            let faint = cell.strength == Some(Strength::Faint);
            let ink = usize::from(cell.ink);
            let glyph = match (self.ascii, faint) {
                (true, true) => '.',
                (true, false) => ASCII_INK[ink % ASCII_INK.len()],
                (false, _) => char::from_u32(0x2800 + u32::from(cell.bits)).unwrap_or(' '),
            };
            let style = styles.get(ink).copied().unwrap_or(theme.text);
            let style = if faint {
                style.add_modifier(Modifier::DIM)
            } else {
                style
            };
            target.set_char(glyph).set_style(style);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theme::ThemeName;

    fn picture(canvas: &Canvas, width: u16, height: u16) -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        let area = *buffer.area();
        canvas.render(&mut buffer, area, &[], &Theme::new(ThemeName::Mono, false));
        buffer
    }

    #[test]
    fn stronger_ink_replaces_weaker() {
        let mut canvas = Canvas::new(1, 1, false);
        canvas.dot(0, 0, 0, Strength::Faint);
        canvas.dot(1, 3, 0, Strength::Full);
        canvas.dot(0, 1, 0, Strength::Faint);
        assert_eq!(picture(&canvas, 1, 1)[(0, 0)].symbol(), "\u{2880}");
    }

    #[test]
    fn lines_from_far_outside_are_cut_and_cheap() {
        let mut canvas = Canvas::new(4, 1, false);
        let (ink, strength, pattern) = (0, Strength::Full, Pattern::Solid);
        canvas.line((-1e12, 0.0), (1e12, 0.0), ink, strength, pattern);
        canvas.line((0.0, -1e300), (7.0, 1e300), ink, strength, pattern);
        canvas.line((f64::NAN, 0.0), (1.0, 1.0), ink, strength, pattern);
        assert!((0..4).all(|column| !canvas.is_empty(column, 0)));
    }

    #[test]
    fn ascii_has_one_dot_a_cell() {
        let mut canvas = Canvas::new(3, 2, true);
        assert_eq!((canvas.dots_across(), canvas.dots_down()), (3, 2));
        canvas.line((0.0, 0.0), (2.0, 1.0), 1, Strength::Full, Pattern::Solid);
        canvas.dot(0, 1, 0, Strength::Faint);
        assert_eq!(canvas.cell_of(2.0, 1.0), (2, 1));
        let shown = picture(&canvas, 3, 2);
        let text: String = shown.content().iter().map(|cell| cell.symbol()).collect();
        assert!(
            text.is_ascii() && text.contains('o') && text.contains('.'),
            "{text}"
        );
    }
}
