//! The curves as an SVG file for a report.

mod ner;

use std::fmt::Write;

use ratatui::style::{Color, Style};

use crate::state::State;
use crate::store::RunStore;
use crate::theme::{Theme, ThemeName};
use crate::view::curve::{Chart, Curve, Line, within};
use crate::view::grid::Pattern;
use crate::view::overview::{GROUPS, chart};
use crate::view::scale::{Scale, axis_name, places};

/// Size of a chart and the margins around its curves, in pixels.
const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 42.0;
const BOTTOM: f64 = 34.0;
const COLUMNS: usize = 2;
/// Bins of a curve; more could not be told apart.
const BINS: f64 = 800.0;
/// Okabe & Ito (2008), without yellow, which is invisible on white.
pub(crate) const COLORS: [u32; 6] = [0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0x56b4e9, 0xe69f00];

/// F1 on dev by epoch of a run's seeds, alone.
pub(crate) fn f1_by_epoch(run: &RunStore) -> String {
    let mut out = opened(WIDTH, HEIGHT);
    ner::draw(&mut out, &ner::seeds(&[run]), (0.0, 0.0));
    out + "</svg>\n"
}

/// A picture of a size, with a white ground.
fn opened(width: f64, height: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    )
}

/// The overview's curves of the overlaid runs and F1 by epoch of their fine-tunings.
pub(crate) fn curves(state: &State) -> String {
    let runs: Vec<&RunStore> = state
        .overlaid()
        .iter()
        .filter_map(|key| state.runs[*key].store.as_deref())
        .collect();
    drawn(state, &ner::seeds(&runs))
}

/// The overview's curves alone.
pub(crate) fn pretraining(state: &State) -> String {
    drawn(state, &[])
}

/// EMA in full, the range of the raw values faint, held-out measurements as dots, gaps left open.
fn drawn(state: &State, seeds: &[ner::Seed<'_>]) -> String {
    let theme = Theme {
        lines: COLORS.map(|color| Style::new().fg(Color::from_u32(color))),
        ..Theme::new(ThemeName::Light, false)
    };
    let charts: Vec<(Chart<'_>, Vec<Curve>, Scale)> = GROUPS
        .iter()
        .filter_map(|group| {
            let chart = chart(state, &theme, group);
            let (curves, scale) = chart.fit(BINS)?;
            Some((chart, curves, scale))
        })
        .collect();
    let rows = (charts.len() + usize::from(!seeds.is_empty()))
        .div_ceil(COLUMNS)
        .max(1);
    let (width, height) = (WIDTH * COLUMNS as f64, HEIGHT * rows as f64 + 30.0);
    let mut out = opened(width, height);
    let overlaid = state.overlaid();
    let ids: Vec<&str> = overlaid
        .iter()
        .map(|key| state.runs[*key].id.as_str())
        .collect();
    let caption = format!(
        "{} · EMA {} over raw values · axis: {}",
        ids.join(", "),
        state.decay(),
        axis_name(state.usable_axis())
    );
    text(&mut out, (LEFT, 18.0), "start", "#333", &caption);
    let corner = |index: usize| {
        let (row, column) = (index / COLUMNS, index % COLUMNS);
        (column as f64 * WIDTH, 30.0 + row as f64 * HEIGHT)
    };
    for (index, (chart, curves, scale)) in charts.iter().enumerate() {
        let (x, y) = corner(index);
        Place { x, y, scale }.draw(&mut out, chart, curves);
    }
    if !seeds.is_empty() {
        ner::draw(&mut out, seeds, corner(charts.len()));
    }
    if charts.is_empty() && seeds.is_empty() {
        let note = "nothing to draw in this run yet";
        text(&mut out, (LEFT, 60.0), "start", "#333", note);
    }
    out.push_str("</svg>\n");
    out
}

/// Where a chart stands on the page.
struct Place<'a> {
    x: f64,
    y: f64,
    scale: &'a Scale,
}

impl Place<'_> {
    /// Pixels of a share of the width.
    fn across(&self, share: f64) -> f64 {
        self.x + LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    /// Pixels of a value.
    fn down(&self, value: f64) -> Option<f64> {
        let share = self.scale.share(value)?;
        Some(self.y + TOP + (1.0 - share) * (HEIGHT - TOP - BOTTOM))
    }

    fn draw(&self, out: &mut String, chart: &Chart<'_>, curves: &[Curve]) {
        let title = (self.x + LEFT, self.y + 14.0);
        text(out, title, "start", "#000", &chart.title);
        self.axes(out, chart);
        let mut legend = self.x + LEFT;
        for (line, curve) in chart.lines.iter().zip(curves) {
            let color = color(line.style);
            self.line(out, line, curve, &color);
            text(out, (legend, self.y + 30.0), "start", &color, &line.label);
            legend += 7.0 * line.label.chars().count() as f64 + 14.0;
        }
    }

    fn axes(&self, out: &mut String, chart: &Chart<'_>) {
        let (left, right) = (self.across(0.0), self.across(1.0));
        let bottom = self.y + HEIGHT - BOTTOM;
        let ticks = self.scale.ticks(5, chart.unit);
        for (tick, label) in ticks.iter().zip(chart.unit.write_ticks(&ticks)) {
            if let Some(y) = self.down(*tick) {
                path(out, &format!("M{left:.1} {y:.1}H{right:.1}"), "#ddd", "");
                text(out, (left - 5.0, y + 4.0), "end", "#555", &label);
            }
        }
        let (from, to) = chart.window;
        for (tick, label) in places(chart.axis, chart.window, 48) {
            let x = self.across((tick - from) / (to - from));
            text(out, (x, bottom + 15.0), "middle", "#555", &label);
        }
        let rule = format!("M{left:.1} {bottom:.1}H{right:.1}");
        path(out, &rule, "#555", "");
    }

    fn line(&self, out: &mut String, line: &Line<'_>, curve: &Curve, color: &str) {
        let (mut band, mut drawn, mut dots) = (String::new(), String::new(), String::new());
        let mut pen_down = false;
        for bin in curve.visible(BINS) {
            let x = self.across(bin.x / (BINS - 1.0));
            if let (true, Some(low), Some(high)) =
                (curve.raw, self.down(bin.low), self.down(bin.high))
            {
                // Half a pixel more, so that a single value is seen.
                let _ = write!(band, "M{x:.1} {:.1}V{:.1}", low + 0.5, high - 0.5);
            }
            let Some(y) = self.down(bin.smooth) else {
                pen_down = false;
                continue;
            };
            let command = if pen_down && !bin.gap { 'L' } else { 'M' };
            let _ = write!(drawn, "{command}{x:.1} {y:.1}");
            pen_down = true;
            if curve.marks {
                let _ = writeln!(
                    dots,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\" fill=\"{color}\"/>"
                );
            }
        }
        let dash = match line.pattern {
            Pattern::Solid => "",
            Pattern::Dotted => " stroke-dasharray=\"2 4\"",
            Pattern::Dashed => " stroke-dasharray=\"8 4\"",
        };
        if curve.raw {
            path(out, &band, color, " stroke-opacity=\"0.25\"");
        }
        path(out, &drawn, color, &format!(" stroke-width=\"1.6\"{dash}"));
        out.push_str(&dots);
        for x in curve.crosses.iter().filter(|x| within(**x, BINS)) {
            let place = (self.across(x / (BINS - 1.0)), self.y + TOP);
            text(out, place, "middle", "#c00", "✗");
        }
    }
}

fn color(style: Style) -> String {
    match style.fg {
        Some(Color::Rgb(red, green, blue)) => format!("#{red:02x}{green:02x}{blue:02x}"),
        // The baseline of several runs.
        _ => "#888888".to_owned(),
    }
}

pub(crate) fn path(out: &mut String, path: &str, color: &str, more: &str) {
    let _ = writeln!(
        out,
        "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\"{more}/>"
    );
}

pub(crate) fn text(out: &mut String, (x, y): (f64, f64), anchor: &str, color: &str, content: &str) {
    let escaped = content
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{color}\">{escaped}</text>"
    );
}
