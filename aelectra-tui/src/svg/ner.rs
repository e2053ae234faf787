//! F1 on dev by epoch, a curve for each seed of the overlaid runs.

use std::fmt::Write;

use super::{BOTTOM, COLORS, HEIGHT, LEFT, RIGHT, TOP, WIDTH, path, text};
use crate::store::{NerTrack, RunStore};
use crate::view::scale::round_between;

/// Width of a letter, about.
const LETTER: f64 = 7.0;

/// One training and what it is called.
pub(super) struct Seed<'s> {
    name: String,
    track: &'s NerTrack,
}

/// The seeds of runs that have a score; what only tried out a learning rate is left out where there is anything else.
pub(super) fn seeds<'s>(runs: &[&'s RunStore]) -> Vec<Seed<'s>> {
    let named = |place: usize, track: &NerTrack| match runs.len() {
        1 => track.name(),
        _ => format!("{}: {}", place + 1, track.name()),
    };
    let mut all = Vec::new();
    for (place, run) in runs.iter().enumerate() {
        let tracks = run.ner.tracks.iter();
        let scored = tracks.filter(|track| track.dev.iter().any(|eval| eval.micro_f1.is_some()));
        all.extend(scored.map(|track| Seed {
            name: named(place, track),
            track,
        }));
    }
    if all.iter().any(|seed| seed.track.trial.is_none()) {
        all.retain(|seed| seed.track.trial.is_none());
    }
    all
}

/// Draws the chart with its upper left corner at `(x, y)`.
pub(super) fn draw(out: &mut String, seeds: &[Seed<'_>], (x, y): (f64, f64)) {
    let points = |seed: &Seed<'_>| -> Vec<(f64, f64)> {
        let evals = seed.track.dev.iter();
        let scored = evals.filter_map(|eval| Some((eval.epoch as f64, eval.micro_f1?)));
        scored.filter(|(_, f1)| f1.is_finite()).collect()
    };
    let all: Vec<(f64, f64)> = seeds.iter().flat_map(points).collect();
    let most = |of: fn(&(f64, f64)) -> f64| all.iter().map(of).fold(0.0, f64::max);
    let (epochs, best) = (
        most(|point| point.0).max(2.0),
        most(|point| point.1).max(0.01),
    );
    let across = |epoch: f64| x + LEFT + (epoch - 1.0) / (epochs - 1.0) * (WIDTH - LEFT - RIGHT);
    let down = |f1: f64| y + TOP + (1.0 - f1 / best) * (HEIGHT - TOP - BOTTOM);
    text(
        out,
        (x + LEFT, y + 14.0),
        "start",
        "#000",
        "NER micro-F1 on dev, by epoch",
    );
    let bottom = y + HEIGHT - BOTTOM;
    for tick in round_between(0.0, best, 5) {
        let at = down(tick);
        path(
            out,
            &format!("M{:.1} {at:.1}H{:.1}", across(1.0), across(epochs)),
            "#ddd",
            "",
        );
        let label = format!("{:.0} %", 100.0 * tick);
        text(out, (x + LEFT - 5.0, at + 4.0), "end", "#555", &label);
    }
    for tick in round_between(1.0, epochs, 6) {
        if tick.fract() == 0.0 {
            let place = (across(tick), bottom + 15.0);
            text(out, place, "middle", "#555", &format!("{tick:.0}"));
        }
    }
    let (mut legend, mut unnamed) = (x + LEFT, 0);
    for (index, seed) in seeds.iter().enumerate() {
        let color = format!("#{:06x}", COLORS[index % COLORS.len()]);
        let mut drawn = String::new();
        for (place, (epoch, f1)) in points(seed).into_iter().enumerate() {
            let (x, y) = (across(epoch), down(f1));
            let command = if place == 0 { 'M' } else { 'L' };
            let _ = write!(drawn, "{command}{x:.1} {y:.1}");
            let _ = writeln!(
                out,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\" fill=\"{color}\"/>"
            );
        }
        path(out, &drawn, &color, " stroke-width=\"1.6\"");
        // The last has to leave room for how many more there are.
        let end = legend + LETTER * seed.name.chars().count() as f64;
        let is_last = index + 1 == seeds.len();
        let room = WIDTH - RIGHT - if is_last { 0.0 } else { LETTER * 12.0 };
        if unnamed == 0 && end <= x + room {
            text(out, (legend, y + 30.0), "start", &color, &seed.name);
            legend = end + 2.0 * LETTER;
        } else {
            unnamed += 1;
        }
    }
    if unnamed > 0 {
        let more = format!("and {unnamed} more");
        text(out, (legend, y + 30.0), "start", "#555", &more);
    }
}
