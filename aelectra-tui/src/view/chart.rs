//! Drawing a chart: title with values, lines, marks, axes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

use super::curve::{Bin, Chart, Curve, Line, within};
use super::grid::{Dot, Grid, Pattern, Pieces};
use super::header::grouped;
use super::scale::{Scale, places};
use super::text;
use crate::format;
use crate::theme::Theme;

/// Columns for the labels of the vertical axis.
const LABELS: u16 = 7;

/// The part of a chart's area that holds the lines.
pub(crate) fn plot_area(area: Rect) -> Rect {
    Rect {
        x: area.x + LABELS.min(area.width),
        y: area.y + 1.min(area.height),
        width: area.width.saturating_sub(LABELS + 1),
        height: area.height.saturating_sub(2),
    }
}

pub(crate) fn draw(chart: &Chart<'_>, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    if area.height < 3 || area.width < 20 {
        return;
    }
    title(chart, theme, buffer, area);
    let plot = plot_area(area);
    let grid = Grid {
        area: plot,
        ascii: theme.ascii,
    };
    let (across, down) = grid.size();
    let Some((curves, scale)) = chart.fit(across) else {
        let text = nothing_yet(chart, theme, usize::from(plot.width));
        let text = format!("{text:^0$}", usize::from(plot.width));
        text::line(buffer, plot, usize::from(plot.height / 2), &text, theme.dim);
        return;
    };
    value_axis(&scale, chart, theme, buffer, plot);
    place_axis(chart, theme, buffer, plot);
    let height = |value: f64| Some((1.0 - scale.share(value)?) * (down - 1.0));
    let (mut faint, mut full) = (Vec::new(), Vec::new());
    for (line, curve) in chart.lines.iter().zip(&curves) {
        let pieces = |pieces, pattern| Pieces {
            pieces,
            pattern,
            color: line.style.fg.unwrap_or(Color::Reset),
        };
        if curve.raw {
            let range = |bin: &Bin| Some(((bin.x, height(bin.low)?), (bin.x, height(bin.high)?)));
            let mut raw = connected(curve, &height, |bin| bin.mean);
            raw.extend(curve.bins.iter().filter_map(range));
            faint.push(pieces(raw, Pattern::Solid));
        }
        let smooth = connected(curve, &height, |bin| bin.smooth);
        full.push(pieces(smooth, line.pattern));
    }
    grid.draw(buffer, &faint, &full);
    marks(chart, &curves, &height, theme, buffer, grid);
}

/// What stands in place of lines: when the first numbers come, in as many words as there is room for.
fn nothing_yet(chart: &Chart<'_>, theme: &Theme, room: usize) -> String {
    let told = chart.awaited.map_or_else(Vec::new, |step| {
        let step = grouped(step);
        let dot = theme.pick("·", "-");
        vec![
            format!("{dot} no data yet, first numbers after step {step} {dot}"),
            format!("first numbers after step {step}"),
            format!("from step {step} on"),
        ]
    });
    let fitting = told.into_iter().find(|text| format::width(text) <= room);
    fitting.unwrap_or_else(|| theme.pick("· no data yet ·", "no data yet").to_owned())
}

/// From bin to bin; a dot where there is nothing to come from.
fn connected(
    curve: &Curve,
    height: &dyn Fn(f64) -> Option<f64>,
    value: fn(&Bin) -> f64,
) -> Vec<(Dot, Dot)> {
    let mut pieces = Vec::new();
    let mut before: Option<Dot> = None;
    for bin in &curve.bins {
        let here = height(value(bin)).map(|y| (bin.x, y));
        pieces.extend(here.map(|to| (before.filter(|_| !bin.gap).unwrap_or(to), to)));
        before = here;
    }
    pieces
}

/// Letters at the ends, diamonds at measurements, crosses where a value was not finite, cursor.
fn marks(
    chart: &Chart<'_>,
    curves: &[Curve],
    height: &dyn Fn(f64) -> Option<f64>,
    theme: &Theme,
    buffer: &mut Buffer,
    grid: Grid,
) {
    let (across, _) = grid.size();
    let glyph = |unicode, ascii| if theme.ascii { ascii } else { unicode };
    let mut ends = Vec::new();
    for (line, curve) in chart.lines.iter().zip(curves) {
        let mut end = None;
        let shown = curve.visible(across);
        let few = shown.clone().count() * 3 < across as usize;
        for bin in shown {
            if let Some(y) = height(bin.smooth) {
                let cell = grid.cell_of((bin.x, y));
                if curve.marks && few {
                    grid.mark(buffer, cell, glyph('◆', '@'), line.style);
                }
                end = Some(cell);
            }
        }
        for x in &curve.crosses {
            let cell = grid.cell_of((*x, 0.0));
            grid.mark(buffer, cell, glyph('✗', 'X'), theme.bad);
        }
        ends.extend(end.filter(|_| chart.lines.len() > 1).map(|end| (line, end)));
    }
    // Those that end in one column from top to bottom, each as near to its end as there is room.
    ends.sort_by_key(|(_, (column, row))| (*column, *row));
    for column in ends.chunk_by(|a, b| a.1.0 == b.1.0) {
        let wanted: Vec<u16> = column.iter().map(|(_, (_, row))| *row).collect();
        let rows = spread(&wanted, grid.area.height);
        for ((line, (column, _)), row) in column.iter().zip(rows) {
            let style = line.style.patch(theme.strong);
            grid.mark(buffer, (*column, row), line.letter, style);
        }
    }
    let (from, to) = chart.window;
    let dot = |place: f64| {
        let x = (place - from) / (to - from) * (across - 1.0);
        within(x, across).then_some(x)
    };
    for (place, value) in &chart.stars {
        if let (Some(x), Some(y)) = (dot(*place), height(*value)) {
            grid.mark(buffer, grid.cell_of((x, y)), glyph('★', '*'), theme.good);
        }
    }
    if let Some(x) = chart.cursor.and_then(dot) {
        let (column, _) = grid.cell_of((x, 0.0));
        for row in 0..grid.area.height {
            let place = (grid.area.x + column, grid.area.y + row);
            if buffer.cell(place).is_some_and(|cell| cell.symbol() == " ") {
                grid.mark(buffer, (column, row), glyph('│', '|'), theme.dim);
            }
        }
    }
}

/// Rows for what wants these, in order: one each, in the same order, as long as there are enough.
fn spread(wanted: &[u16], rows: u16) -> Vec<u16> {
    let mut free = 0;
    let mut places: Vec<u16> = Vec::with_capacity(wanted.len());
    for row in wanted {
        places.push(free.max(*row));
        free = free.max(*row) + 1;
    }
    let mut below = rows;
    for row in places.iter_mut().rev() {
        *row = (*row).min(below.saturating_sub(1));
        below = *row;
    }
    places
}

/// The labels of the vertical axis and its line.
fn value_axis(scale: &Scale, chart: &Chart<'_>, theme: &Theme, buffer: &mut Buffer, plot: Rect) {
    let wall = theme.pick("│", "|");
    for row in 0..plot.height {
        text::put(buffer, plot.x - 1, plot.y + row, plot.x, wall, theme.dim);
    }
    let rows = f64::from(plot.height.saturating_sub(1));
    let mut taken: Option<u16> = None;
    let mut before = String::new();
    let ticks = scale.ticks(usize::from(plot.height.div_ceil(2)).clamp(2, 8), chart.unit);
    for (tick, label) in ticks.iter().zip(chart.unit.write_ticks(&ticks)) {
        let share = scale.share(*tick);
        let Some(share) = share.filter(|share| (0.0..=1.0).contains(share)) else {
            continue;
        };
        let row = ((1.0 - share) * rows).round() as u16;
        let label = theme.fit(&label, usize::from(LABELS - 1));
        // A value that rounds to the label before it would be a second truth.
        if taken == Some(row) || label == before {
            continue;
        }
        taken = Some(row);
        let start = plot.x - LABELS;
        text::right(buffer, start, plot.y + row, plot.x - 1, &label, theme.dim);
        before = label;
        let joint = theme.pick("┤", "+");
        text::put(buffer, plot.x - 1, plot.y + row, plot.x, joint, theme.dim);
    }
}

/// The labels of the horizontal axis.
fn place_axis(chart: &Chart<'_>, theme: &Theme, buffer: &mut Buffer, plot: Rect) {
    let (from, to) = chart.window;
    let y = plot.bottom();
    let across = f64::from(plot.width.saturating_sub(1));
    let resumes = chart.resumes.iter();
    for place in resumes.filter(|place| (from..=to).contains(*place)) {
        let x = plot.x + ((place - from) / (to - from) * across).round() as u16;
        text::put(buffer, x, y, plot.right(), theme.pick("↻", "^"), theme.warn);
    }
    // Over the marks: half a number would be another number.
    let mut free = plot.x - 1;
    for (tick, label) in places(chart.axis, chart.window, usize::from(plot.width)) {
        let share = (tick - from) / (to - from);
        let width = format::width(&label) as u16;
        let middle = plot.x + (share * across).round() as u16;
        let start = (middle.saturating_sub(width / 2)).min(plot.right().saturating_sub(width));
        if start > free && middle < plot.right() {
            text::put(buffer, start, y, plot.right(), &label, theme.dim);
            free = start + width;
        }
    }
}

/// The title and the latest values: as much of the names as fits.
fn title(chart: &Chart<'_>, theme: &Theme, buffer: &mut Buffer, area: Rect) {
    let (mark, style) = if chart.focus {
        (theme.pick("▸", ">"), theme.selected)
    } else {
        (" ", theme.strong)
    };
    let room = usize::from(area.width).saturating_sub(1);
    let values: Vec<(String, Style)> = chart
        .lines
        .iter()
        .map(|line| entry(line, chart, theme))
        .collect();
    let several = chart.lines.len() > 1;
    let written = |names: Names| -> Vec<String> {
        let each = chart.lines.iter().zip(&values);
        each.map(|(line, (value, _))| {
            let name = names.of(line);
            // A name's own first letter tells it where no other begins so; a run's name may begin with any digit.
            let begins = |other: &&Line<'_>| names.of(other).starts_with(line.letter);
            let alone = chart.lines.iter().filter(begins).count() == 1;
            let tells = alone && name.starts_with(line.letter) && !line.letter.is_ascii_digit();
            let letter = (several && !tells).then_some(line.letter);
            let letter = letter.map_or(String::new(), |letter| format!("{letter} "));
            let space = if name.is_empty() { "" } else { " " };
            format!("  {letter}{name}{space}{value}")
        })
        .collect()
    };
    let widths = |entries: &[String]| entries.iter().map(|e| format::width(e)).sum::<usize>();
    let (long, short) = (chart.title.as_str(), chart.short.as_str());
    let tiers = [
        (long, Names::Long),
        (short, Names::Long),
        (long, Names::Short),
        (short, Names::Short),
        (short, Names::Letter),
    ];
    let chosen = tiers
        .into_iter()
        .map(|(title, names)| (title, written(names)))
        .find(|(title, entries)| format::width(title) + widths(entries) <= room);
    // Where not all values fit there are none: some would pass for all.
    let (title, entries) = chosen.unwrap_or_else(|| {
        let fits = format::width(long) <= room;
        (if fits { long } else { short }, Vec::new())
    });
    let end = area.right();
    let x = text::put(buffer, area.x, area.y, end, mark, theme.strong);
    let title = theme.fit(title, room);
    let mut x = text::put(buffer, x, area.y, end, &title, style);
    for (text, (_, style)) in entries.iter().zip(&values) {
        x = text::put(buffer, x, area.y, end, text, *style);
    }
}

/// How much of a line's name is written.
#[derive(Clone, Copy)]
enum Names {
    Long,
    Short,
    Letter,
}

impl Names {
    fn of<'l>(self, line: &'l Line<'_>) -> &'l str {
        match self {
            Self::Long => &line.label,
            Self::Short => &line.short,
            Self::Letter => "",
        }
    }
}

/// A line's latest value, or the one under the cursor, and its style.
fn entry(line: &Line<'_>, chart: &Chart<'_>, theme: &Theme) -> (String, Style) {
    let value = match chart.cursor {
        Some(place) => line.value_at(chart.axis.unwrap_or_default(), chart.unit, place),
        None => line.latest(chart.unit),
    };
    let written = value.map_or_else(
        || theme.pick("–", "-").to_owned(),
        |value| theme.foreign(&chart.unit.write(value)),
    );
    let style = match value {
        Some(value) if !value.is_finite() => theme.bad,
        _ => line.style,
    };
    (written, style)
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn letters_at_one_end_keep_the_order_of_their_lines() {
        assert_eq!(spread(&[2, 5, 9], 10), [2, 5, 9]);
        assert_eq!(spread(&[4, 4, 4, 5], 10), [4, 5, 6, 7]);
        assert_eq!(spread(&[3, 9, 9, 9], 10), [3, 7, 8, 9]);
        assert_eq!(spread(&[1, 1, 1, 1], 3), [0, 0, 1, 2]);
        assert!(spread(&[], 3).is_empty());
    }
}
