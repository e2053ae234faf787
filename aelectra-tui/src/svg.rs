//! The curves as an SVG file for a report.

use std::fmt::Write;

use crate::state::State;
use crate::store::{Axis, Bucket, Metric, RunStore, Unit};
use crate::view::overview::{GROUPS, Group};
use crate::view::scale::{Scale, axis_label, axis_name, round_between};

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 250.0;
const COLUMNS: usize = 2;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 42.0;
const BOTTOM: f64 = 34.0;
/// Points of a curve; more could not be told apart.
const POINTS: usize = 800;
/// Okabe & Ito (2008), without yellow, which is invisible on white.
const COLORS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00",
];
const DASHES: [&str; 3] = ["", "2 4", "8 4"];

struct Plot<'a> {
    x: f64,
    y: f64,
    axis: Axis,
    window: (f64, f64),
    scale: &'a Scale,
}

impl Plot<'_> {
    fn place(&self, place: f64, value: f64) -> Option<(f64, f64)> {
        let (from, to) = self.window;
        let across = (place - from) / (to - from);
        let share = self.scale.share(value)?;
        let inside = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
        Some((
            self.x + LEFT + across * inside.0,
            self.y + TOP + (1.0 - share) * inside.1,
        ))
    }
}

/// Draws the curves of the overlaid runs: EMA in full, the range of the raw values faint, held-out
/// measurements as dots, gaps left open.
#[must_use]
pub fn curves(state: &State) -> String {
    let groups: Vec<&Group> = GROUPS
        .iter()
        .filter(|group| {
            state.overlaid().iter().any(|key| {
                let run = state.runs[*key].store.as_deref();
                run.is_some_and(|run| {
                    let column = group.metrics[0].0.column();
                    !run.steps.buckets(column).is_empty() || !run.evals.buckets(column).is_empty()
                })
            })
        })
        .collect();
    let rows = groups.len().div_ceil(COLUMNS).max(1);
    let (width, height) = (WIDTH * COLUMNS as f64, HEIGHT * rows as f64 + 30.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    let ids: Vec<String> = state
        .overlaid()
        .iter()
        .map(|key| state.runs[*key].id.clone())
        .collect();
    let caption = format!(
        "{} · EMA {} over raw values · axis: {}",
        ids.join(", "),
        state.decay(),
        axis_name(state.usable_axis())
    );
    text(&mut out, LEFT, 18.0, "start", "#333", &caption);
    for (index, group) in groups.iter().enumerate() {
        let x = (index % COLUMNS) as f64 * WIDTH;
        let y = 30.0 + (index / COLUMNS) as f64 * HEIGHT;
        panel(&mut out, state, group, x, y);
    }
    if groups.is_empty() {
        text(
            &mut out,
            LEFT,
            60.0,
            "start",
            "#333",
            "no pretraining steps in this run",
        );
    }
    out.push_str("</svg>\n");
    out
}

fn panel(out: &mut String, state: &State, group: &Group, x: f64, y: f64) {
    let axis = state.usable_axis();
    let window = state.window().unwrap_or((0.0, 1.0));
    let overlaid = state.overlaid();
    let runs: Vec<(usize, &str, &RunStore)> = overlaid
        .iter()
        .enumerate()
        .filter_map(|(place, key)| {
            let row = &state.runs[*key];
            Some((place, row.id.as_str(), row.store.as_deref()?))
        })
        .collect();
    let several = runs.len() > 1;
    let unit = group.metrics[0].0.unit();
    text(out, x + LEFT, y + 14.0, "start", "#000", group.title);
    let Some(scale) = fit(&runs, group, axis, window, state.log_scale, several) else {
        return;
    };
    let plot = Plot {
        x,
        y,
        axis,
        window,
        scale: &scale,
    };
    axes(out, &plot, unit);
    let mut legend = x + LEFT;
    for (place, id, run) in &runs {
        for (index, (metric, _)) in group.metrics.iter().enumerate() {
            let color = COLORS[(if several { *place } else { index }) % COLORS.len()];
            let dash = DASHES[index % DASHES.len()];
            if !several && group.metrics.len() == 1 {
                band(out, &plot, run, *metric, color);
            }
            line(out, &plot, run, *metric, color, dash);
            let label = if several {
                *id
            } else {
                crate::view::overview::label(*metric)
            };
            if index == 0 || !several {
                text(out, legend, y + 30.0, "start", color, label);
                legend += 7.0 * label.chars().count() as f64 + 14.0;
            }
        }
        if group.held_out {
            let color = COLORS[(if several { *place } else { 1 }) % COLORS.len()];
            held_out(out, &plot, run, group.metrics[0].0, color);
        }
    }
}

fn fit(
    runs: &[(usize, &str, &RunStore)],
    group: &Group,
    axis: Axis,
    (from, to): (f64, f64),
    log: bool,
    several: bool,
) -> Option<Scale> {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    let mut take = |value: f32| {
        let value = f64::from(value);
        if value.is_finite() && (!log || value > 0.0) {
            (low, high) = (low.min(value), high.max(value));
        }
    };
    let raw = !several && group.metrics.len() == 1;
    for (.., run) in runs {
        for (metric, _) in group.metrics {
            let column = metric.column();
            let buckets = run.steps.buckets(column);
            for index in run.steps.range(axis, from, to) {
                match buckets.get(index).filter(|bucket| bucket.is_some()) {
                    Some(bucket) if raw => [bucket.min, bucket.max].into_iter().for_each(&mut take),
                    Some(_) => take(run.steps.smooth(column)[index]),
                    None => {}
                }
            }
        }
        if group.held_out {
            let column = group.metrics[0].0.column();
            run.evals
                .buckets(column)
                .iter()
                .for_each(|bucket| take(bucket.mean));
        }
    }
    (low <= high).then(|| Scale::new(low, high, log))
}

fn axes(out: &mut String, plot: &Plot<'_>, unit: Unit) {
    let (left, right) = (plot.x + LEFT, plot.x + WIDTH - RIGHT);
    let bottom = plot.y + HEIGHT - BOTTOM;
    let ticks = plot.scale.ticks(5, unit);
    for (tick, label) in ticks.iter().zip(unit.write_ticks(&ticks)) {
        if let Some((_, y)) = plot.place(plot.window.0, *tick) {
            let _ = writeln!(
                out,
                "<path d=\"M{left:.1} {y:.1}H{right:.1}\" stroke=\"#ddd\"/>"
            );
            text(out, left - 5.0, y + 4.0, "end", "#555", &label);
        }
    }
    let (from, to) = plot.window;
    for tick in round_between(from, to, 5) {
        let x = left + (tick - from) / (to - from) * (right - left);
        text(
            out,
            x,
            bottom + 15.0,
            "middle",
            "#555",
            &axis_label(plot.axis, tick),
        );
    }
    let _ = writeln!(
        out,
        "<path d=\"M{left:.1} {bottom:.1}H{right:.1}\" stroke=\"#555\"/>"
    );
}

/// The visible rows in at most [`POINTS`] groups: place, merged bucket, EMA, whether a gap is before.
fn groups(plot: &Plot<'_>, run: &RunStore, metric: Metric) -> Vec<(f64, Bucket, f32, bool)> {
    let column = metric.column();
    let (buckets, smooth) = (run.steps.buckets(column), run.steps.smooth(column));
    if buckets.is_empty() {
        return Vec::new();
    }
    let range = run.steps.range(plot.axis, plot.window.0, plot.window.1);
    let size = range.len().div_ceil(POINTS).max(1);
    let indices: Vec<usize> = range.collect();
    indices
        .chunks(size)
        .map(|chunk| {
            let last = chunk[chunk.len() - 1];
            let mut gap = false;
            let mut merged = buckets[chunk[0]];
            for &index in chunk {
                gap |= run.steps.rows()[index].gap || !buckets[index].is_some();
                merged.min = merged.min.min(buckets[index].min);
                merged.max = merged.max.max(buckets[index].max);
                merged.count = merged.count.max(buckets[index].count);
            }
            (
                run.steps.rows()[last].x(plot.axis),
                merged,
                smooth[last],
                gap,
            )
        })
        .collect()
}

fn line(
    out: &mut String,
    plot: &Plot<'_>,
    run: &RunStore,
    metric: Metric,
    color: &str,
    dash: &str,
) {
    let mut path = String::new();
    let mut pen_down = false;
    for (place, bucket, smooth, gap) in groups(plot, run, metric) {
        let point = plot
            .place(place, f64::from(smooth))
            .filter(|_| bucket.is_some());
        let Some((x, y)) = point else {
            pen_down = false;
            continue;
        };
        let command = if pen_down && !gap { 'L' } else { 'M' };
        let _ = write!(path, "{command}{x:.1} {y:.1}");
        pen_down = true;
    }
    let _ = writeln!(
        out,
        "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.6\" stroke-dasharray=\"{dash}\"/>"
    );
}

fn band(out: &mut String, plot: &Plot<'_>, run: &RunStore, metric: Metric, color: &str) {
    let mut path = String::new();
    for (place, bucket, ..) in groups(plot, run, metric) {
        if !bucket.is_some() {
            continue;
        }
        let ends = (
            plot.place(place, f64::from(bucket.min)),
            plot.place(place, f64::from(bucket.max)),
        );
        if let (Some((x, low)), Some((_, high))) = ends {
            // Half a pixel more, so that a single value is seen.
            let _ = write!(path, "M{x:.1} {:.1}V{:.1}", low + 0.5, high - 0.5);
        }
    }
    let _ = writeln!(
        out,
        "<path d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-opacity=\"0.25\"/>"
    );
}

fn held_out(out: &mut String, plot: &Plot<'_>, run: &RunStore, metric: Metric, color: &str) {
    let buckets = run.evals.buckets(metric.column());
    for (row, bucket) in run.evals.rows().iter().zip(buckets) {
        let place = row.x(plot.axis);
        if !bucket.is_some() || place < plot.window.0 || place > plot.window.1 {
            continue;
        }
        if let Some((x, y)) = plot.place(place, f64::from(bucket.mean)) {
            let _ = writeln!(
                out,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\" fill=\"{color}\"/>"
            );
        }
    }
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, color: &str, content: &str) {
    let escaped = content
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let _ = writeln!(
        out,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{color}\">{escaped}</text>"
    );
}
