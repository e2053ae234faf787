//! Frames of the dark theme as SVG pictures.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

/// Size of a character in the picture.
const CELL: (f64, f64) = (8.4, 17.0);

const INK: &str = "#d8d8d8";
const PAPER: &str = "#16181d";

pub(crate) fn still(buffer: &Buffer) -> String {
    let mut out = head(buffer);
    for row in 0..buffer.area.height {
        out.push_str(&line(buffer, row));
    }
    out.push_str("</svg>\n");
    out
}

/// Draws frames as one moving picture, each shown for its seconds, without end. All have the size
/// of the first. A reader that cannot move pictures shows the last one.
pub(crate) fn moving(frames: &[(Buffer, f64)]) -> String {
    let Some((first, _)) = frames.first() else {
        return String::new();
    };
    let total: f64 = frames.iter().map(|(_, seconds)| seconds).sum();
    let mut out = head(first);
    for row in 0..first.area.height {
        // What stays the same over several frames is written once.
        let mut spans: Vec<(String, f64, f64)> = Vec::new();
        let mut start = 0.0;
        for (frame, seconds) in frames {
            let content = if row < frame.area.height {
                line(frame, row)
            } else {
                String::new()
            };
            match spans.last_mut() {
                Some((before, _, end)) if *before == content => *end += seconds,
                _ => spans.push((content, start, start + seconds)),
            }
            start += seconds;
        }
        for (content, from, to) in &spans {
            if spans.len() == 1 {
                out.push_str(content);
            } else if !content.is_empty() {
                out.push_str(&shown_for(content, from / total, to / total, total));
            }
        }
    }
    out.push_str("</svg>\n");
    out
}

/// A group that is seen from one share of the time to another.
fn shown_for(content: &str, from: f64, to: f64, total: f64) -> String {
    let is_last = to > 1.0 - 1e-9;
    let visibility = if is_last { "visible" } else { "hidden" };
    let (mut values, mut times) = (String::new(), String::new());
    if from > 0.0 {
        values.push_str("hidden;");
        times.push_str("0;");
    }
    values.push_str("visible");
    let _ = write!(times, "{from:.4}");
    if !is_last {
        values.push_str(";hidden");
        let _ = write!(times, ";{to:.4}");
    }
    format!(
        "<g visibility=\"{visibility}\"><animate attributeName=\"visibility\" values=\"{values}\" keyTimes=\"{times}\" dur=\"{total:.1}s\" calcMode=\"discrete\" repeatCount=\"indefinite\"/>\n{content}</g>\n"
    )
}

fn head(buffer: &Buffer) -> String {
    let (columns, rows) = (buffer.area.width, buffer.area.height);
    let (width, height) = (f64::from(columns) * CELL.0, f64::from(rows) * CELL.1);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" font-family=\"ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"14\" fill=\"{INK}\">\n<rect width=\"100%\" height=\"100%\" fill=\"{PAPER}\"/>\n"
    )
}

/// One row of a frame.
fn line(buffer: &Buffer, row: u16) -> String {
    let columns = buffer.area.width;
    let mut out = String::new();
    let mut column = 0;
    while column < columns {
        let start = column;
        let style = look(&buffer[(start, row)]);
        let mut text = String::new();
        let mut covered = 0;
        while column < columns && (covered > 0 || look(&buffer[(column, row)]) == style) {
            if covered > 0 {
                covered -= 1;
            } else {
                let symbol = buffer[(column, row)].symbol();
                covered = UnicodeWidthStr::width(symbol).saturating_sub(1);
                text.push_str(symbol);
            }
            column += 1;
        }
        run(&mut out, (start, column, row), &text, style);
    }
    out
}

type Look = (Color, Modifier);

fn look(cell: &Cell) -> Look {
    // The background of a blank is all that could be seen of it.
    let blank = cell.symbol() == " " && !cell.modifier.contains(Modifier::REVERSED);
    if blank {
        (Color::Reset, Modifier::empty())
    } else {
        (cell.fg, cell.modifier)
    }
}

/// Writes the cells of a row that look the same.
fn run(out: &mut String, (start, end, row): (u16, u16, u16), text: &str, (color, modifier): Look) {
    let (x, y) = (f64::from(start) * CELL.0, f64::from(row) * CELL.1);
    let length = f64::from(end - start) * CELL.0;
    let mut fill = hex(color).unwrap_or_else(|| INK.to_owned());
    if modifier.contains(Modifier::REVERSED) {
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{:.1}\" fill=\"{fill}\"/>",
            CELL.1
        );
        fill = PAPER.to_owned();
    }
    if text.trim().is_empty() {
        return;
    }
    let mut more = String::new();
    if modifier.contains(Modifier::BOLD) {
        more.push_str(" font-weight=\"bold\"");
    }
    if modifier.contains(Modifier::DIM) {
        more.push_str(" opacity=\"0.55\"");
    }
    if modifier.contains(Modifier::UNDERLINED) {
        more.push_str(" text-decoration=\"underline\"");
    }
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    if fill != INK {
        let _ = write!(more, " fill=\"{fill}\"");
    }
    // A stated length keeps the columns straight whatever font the reader has.
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{length:.1}\" lengthAdjust=\"spacingAndGlyphs\" xml:space=\"preserve\"{more}>{escaped}</text>",
        y + 13.0
    );
}

/// A colour as `#rrggbb`; `None` for the terminal's own. Indexed colours by xterm's 256 colours.
fn hex(color: Color) -> Option<String> {
    let (red, green, blue) = match color {
        Color::Rgb(red, green, blue) => (red, green, blue),
        Color::Indexed(index @ 16..=231) => {
            let level = |place: u8| if place == 0 { 0 } else { 55 + 40 * place };
            let index = index - 16;
            (level(index / 36), level(index / 6 % 6), level(index % 6))
        }
        Color::Indexed(index @ 232..=255) => {
            let grey = 8 + 10 * (index - 232);
            (grey, grey, grey)
        }
        _ => return None,
    };
    Some(format!("#{red:02x}{green:02x}{blue:02x}"))
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn cells_that_look_alike_become_one_text() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 1));
        buffer.set_string(0, 0, "a<b", Style::new().fg(Color::Indexed(117)));
        buffer.set_string(4, 0, "日本", Style::new());
        let picture = still(&buffer);
        assert!(
            picture.contains("fill=\"#87d7ff\">a&lt;b</text>"),
            "{picture}"
        );
        assert!(picture.contains("日本"), "{picture}");
        assert_eq!(picture.matches("<text").count(), 2);
    }

    #[test]
    fn a_moving_picture_writes_once_what_stays() {
        let frame = |text: &str| {
            let mut buffer = Buffer::empty(Rect::new(0, 0, 8, 2));
            buffer.set_string(0, 0, "stays", Style::new());
            buffer.set_string(0, 1, text, Style::new());
            buffer
        };
        let frames = [
            (frame("one"), 1.0),
            (frame("two"), 1.0),
            (frame("two"), 2.0),
        ];
        let picture = moving(&frames);
        assert_eq!(picture.matches("stays").count(), 1);
        assert_eq!(picture.matches("two").count(), 1);
        assert!(
            picture.contains("values=\"visible;hidden\" keyTimes=\"0.0000;0.2500\" dur=\"4.0s\""),
            "{picture}"
        );
        assert!(moving(&[]).is_empty());
    }
}
