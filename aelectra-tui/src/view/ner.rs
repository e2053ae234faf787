//! Fine-tuning: F1 by epoch and seed, scores by class, what is taken for what.

use aelectra_data::run::{ClassScore, NerEvalEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;

use super::chart;
use super::curve::{Chart, Data, Line};
use super::grid::Pattern;
use super::mark::mark;
use super::{WidthClass, ner_runs, text};
use crate::state::State;
use crate::store::{Best, NerArm, NerTrack, RunStore, Unit};

pub(crate) fn draw(state: &State, buffer: &mut Buffer, area: Rect) {
    let theme = &state.theme;
    let Some(run) = state.run().filter(|run| !run.ner.tracks.is_empty()) else {
        let lines = [
            "  No fine-tuning in this run yet.",
            "  `aelectra finetune` writes F1 by epoch, class and seed here.",
        ];
        for (index, line) in lines.iter().enumerate() {
            text::line(buffer, area, index + 1, line, theme.dim);
        }
        return;
    };
    let shown = state.track.unwrap_or(run.ner.active);
    let shown = shown.min(run.ner.tracks.len() - 1);
    let track = &run.ner.tracks[shown];
    // The tables take what they need, the chart the rest.
    let labels = scores(track).map_or(4, |(eval, _)| eval.classes.len()) as u16;
    let tables = (labels + 5).min(area.height / 2);
    let top = (area.height - tables).max(8).min(area.height);
    let (upper, lower) = (text::above(area, top), text::below(area, top));
    if WidthClass::of(area.width) == WidthClass::Narrow {
        f1_chart(state, true, buffer, upper);
        let used = classes(state, track, buffer, lower);
        let rest = text::below(lower, used);
        seeds(state, shown, buffer, rest);
        return;
    }
    let (left, right) = halves(upper);
    f1_chart(state, true, buffer, left);
    seeds(state, shown, buffer, right);
    let (left, right) = halves(lower);
    classes(state, track, buffer, left);
    confusion(state, track, buffer, right);
}

fn halves(area: Rect) -> (Rect, Rect) {
    let [left, right] =
        Layout::horizontal([Constraint::Length(area.width / 2), Constraint::Fill(1)]).areas(area);
    let width = left.width.saturating_sub(1);
    (Rect { width, ..left }, right)
}

/// Micro-F1 by epoch, a line a seed, the best marked; of several runs a line a run.
pub(crate) fn f1_chart(state: &State, focus: bool, buffer: &mut Buffer, area: Rect) {
    let theme = &state.theme;
    let Some(run) = state.run() else { return };
    let several = ner_runs::compared(state);
    if !several.is_empty() {
        ner_runs::f1_chart(state, &several, focus, buffer, area);
        return;
    }
    let tracks = &run.ner.tracks;
    let shown = state.track.unwrap_or(run.ner.active);
    let mut places: Vec<(usize, usize)> = run.ner.order().into_iter().enumerate().collect();
    // The shown track last, so that it lies on top.
    places.sort_by_key(|(_, index)| *index == shown);
    let mut last_epoch = 1.0_f64;
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (place, index) in places {
        let track = &tracks[index];
        let points: Vec<(f64, Option<f64>)> = track
            .dev
            .iter()
            .map(|eval| (eval.epoch as f64, eval.micro_f1))
            .collect();
        last_epoch = last_epoch.max(points.last().map_or(0.0, |(epoch, _)| *epoch));
        // As far as what is trained now may come; what was stopped early has ended.
        let goes_on = index == run.ner.active && run.end.is_none() && track.test.is_none();
        if goes_on {
            last_epoch = last_epoch.max(track.total_epochs.unwrap_or(0) as f64);
        }
        let is_shown = index == shown;
        lines.push(Line {
            label: theme.foreign(&track.name()),
            short: theme.foreign(&track.short_name()),
            letter: mark(place),
            style: theme.line(place),
            pattern: if is_shown {
                Pattern::Solid
            } else {
                Pattern::Dotted
            },
            data: Data::Points {
                points,
                marks: is_shown,
            },
        });
    }
    let star = theme.pick("★", "*");
    let best = run.ner.best();
    let stars = best.iter().map(|best| (best.epoch as f64, best.f1));
    let best = best.map_or(String::new(), |Best { epoch, f1, .. }| {
        format!("  {star} {} at epoch {epoch}", Unit::Share.write(f1))
    });
    // Half an epoch of air on both sides, so that a single point stands in the middle.
    let window = (0.5, last_epoch.max(2.0) + 0.5);
    let title = format!("NER micro-F1 by epoch, dev{best}");
    let drawn = Chart {
        short: format!("NER F1{best}"),
        lines,
        focus,
        axis: None,
        stars: stars.collect(),
        ..Chart::new(&title, Unit::Share, window)
    };
    chart::draw(&drawn, theme, buffer, area);
}

/// Seeds and arms side by side, or runs: best development score, the test score, and their means.
fn seeds(state: &State, shown: usize, buffer: &mut Buffer, area: Rect) {
    let theme = &state.theme;
    let Some(run) = state.run() else { return };
    let several = ner_runs::compared(state);
    if !several.is_empty() {
        ner_runs::table(state, &several, buffer, area);
        return;
    }
    let inner = text::heading(buffer, area, theme, "Seeds");
    let no_misc = area.width >= 50;
    let fixed = if no_misc { 34 } else { 25 };
    let name_width = usize::from(area.width).saturating_sub(fixed).clamp(8, 28);
    let line = |signs: &str, name: &str, epoch: &str, values: [String; 3]| {
        let name = theme.pad(name, name_width);
        let [dev, free, test] = values;
        if no_misc {
            format!("{signs} {name}{epoch:>4}{dev:>9}{free:>9}{test:>9}")
        } else {
            format!("{signs} {name}{epoch:>4}{dev:>9}{test:>9}")
        }
    };
    let heads = ["dev F1", "no MISC", "test F1"].map(str::to_owned);
    let mut rows: Vec<(String, Style)> = vec![(line("  ", "", "ep", heads), theme.dim)];
    let order = run.ner.order();
    let place_shown = order.iter().position(|index| *index == shown).unwrap_or(0);
    let best = run.ner.best().map(|best| best.track);
    for (place, index) in order.iter().enumerate() {
        let track = &run.ner.tracks[*index];
        let top = track.kept();
        let f1 = top.and_then(|eval| eval.micro_f1);
        let star = if best == Some(*index) {
            theme.pick("★", "*")
        } else {
            " "
        };
        let epoch = top.map_or_else(|| "-".into(), |eval| eval.epoch.to_string());
        let values = [
            f1,
            top.and_then(|eval| eval.micro_no_misc),
            track.test.as_ref().and_then(|eval| eval.micro_f1),
        ];
        let signs = format!("{star}{}", mark(place));
        let style = if *index == shown {
            theme.selected
        } else {
            theme.line(place)
        };
        let line = line(&signs, &track.short_name(), &epoch, values.map(share));
        rows.push((line, style));
    }
    for (arm, values) in means(run, theme.pick("±", "+-")) {
        rows.push((line("  ", &arm, "mean", values), theme.strong));
    }
    // The heading stays; below it the page that holds the shown track.
    let room = usize::from(inner.height).saturating_sub(1).max(1);
    let skipped = if rows.len() - 1 <= room {
        0
    } else {
        (place_shown + 1).saturating_sub(room)
    };
    let shown_rows = rows.iter().take(1).chain(rows.iter().skip(1 + skipped));
    for (place, (line, style)) in shown_rows.enumerate() {
        text::line(buffer, inner, place, line, *style);
    }
}

/// Mean and sample standard deviation of each arm with several seeds, over those that were trained to their end: dev F1 of
/// the epoch that was kept, the same without MISC, test F1.
fn means(run: &RunStore, between: &str) -> Vec<(String, [String; 3])> {
    let arms = run.ner.arms(run.is_completed()).into_iter();
    // A learning rate that is only tried out is no seed of the series.
    let arms = arms.filter(|arm| arm.seeds.len() > 1 && arm.seeds[0].trial.is_none());
    arms.map(|arm| {
        let name = arm.name.unwrap_or_default();
        let name = match arm.finished < arm.seeds.len() {
            true => format!("{name} {} of {}", arm.finished, arm.seeds.len()),
            false => name.to_owned(),
        };
        (name.trim().to_owned(), scores_of(&arm, between))
    })
    .collect()
}

/// Dev F1 of the epoch that was kept, the same without MISC, test F1: of several seeds mean and deviation.
pub(super) fn scores_of(arm: &NerArm<'_>, between: &str) -> [String; 3] {
    let write = |value: &dyn Fn(&NerTrack) -> Option<f64>| match arm.mean(value) {
        Some((mean, Some(sd))) => format!("{:.1}{between}{:.1}", 100.0 * mean, 100.0 * sd),
        Some((one, None)) => Unit::Share.write(one),
        None => "-".to_owned(),
    };
    [
        write(&|track| track.kept()?.micro_f1),
        write(&|track| track.kept()?.micro_no_misc),
        write(&|track| track.test.as_ref()?.micro_f1),
    ]
}

fn share(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), |value| Unit::Share.write(value))
}

/// Which scores of a track are shown: its latest development scores, or the test scores after.
fn scores(track: &NerTrack) -> Option<(&NerEvalEvent, &'static str)> {
    match &track.test {
        Some(test) => Some((test, "test")),
        None => track.dev.last().map(|dev| (dev, "dev")),
    }
}

/// Precision, recall, F1 and support by class; returns the rows used.
fn classes(state: &State, track: &NerTrack, buffer: &mut Buffer, area: Rect) -> u16 {
    let theme = &state.theme;
    let Some((eval, split)) = scores(track) else {
        text::heading(buffer, area, theme, "Classes: no evaluation yet");
        return 2;
    };
    let name = theme.foreign(&track.short_name());
    let title = format!("Classes, {name}, epoch {}, {split}", eval.epoch);
    let inner = text::heading(buffer, area, theme, &title);
    let wide = usize::from(area.width) >= 52;
    let (label_width, column) = if wide { (12, 7) } else { (9, 6) };
    let head = format!(
        " {:label_width$}{:>column$}{:>column$}{:>column$}{:>column$}",
        "", "P", "R", "F1", "n"
    );
    text::line(buffer, inner, 0, &head, theme.dim);
    let percent = |value: f64| {
        if value.is_finite() {
            format!("{:.1}", value * 100.0)
        } else {
            "NaN".into()
        }
    };
    let line = |label: &str, score: &ClassScore| {
        let label = theme.pad(label, label_width);
        let bar = if wide {
            text::bar(score.f1, 8, theme)
        } else {
            String::new()
        };
        format!(
            " {label}{:>column$}{:>column$}{:>column$}{:>column$} {bar}",
            percent(score.precision),
            percent(score.recall),
            percent(score.f1),
            score.support,
        )
    };
    let mut lines: Vec<(String, Style)> = eval
        .classes
        .iter()
        .skip(state.scroll.min(eval.classes.len().saturating_sub(1)))
        .map(|(label, score)| (line(label, score), theme.text))
        .collect();
    let total: u64 = eval.classes.values().map(|score| score.support).sum();
    let micro = ClassScore {
        precision: eval.micro_precision.unwrap_or(f64::NAN),
        recall: eval.micro_recall.unwrap_or(f64::NAN),
        f1: eval.micro_f1.unwrap_or(f64::NAN),
        support: total,
    };
    lines.push((line("micro", &micro), theme.strong));
    if let Some(f1) = eval.micro_no_misc {
        let before = label_width + 2 * column;
        let text = format!(" {:<before$}{:>column$}", "micro without MISC", percent(f1));
        lines.push((text, theme.text));
    }
    for (index, (line, style)) in lines.iter().enumerate() {
        text::line(buffer, inner, index + 1, line, *style);
    }
    (lines.len() as u16).saturating_add(3).min(area.height)
}

/// Gold classes down, predicted classes across.
fn confusion(state: &State, track: &NerTrack, buffer: &mut Buffer, area: Rect) {
    let theme = &state.theme;
    let confusion = scores(track).and_then(|(eval, _)| eval.confusion.as_ref());
    let Some(confusion) = confusion else {
        text::heading(buffer, area, theme, "Confusion: not measured");
        return;
    };
    let arrow = theme.pick("→", "->");
    let inner = text::heading(
        buffer,
        area,
        theme,
        &format!("Gold, down {arrow} predicted, across"),
    );
    // Whole columns: half a number would be another number.
    let names = 7;
    let count = confusion.labels.len().max(1);
    let width = (usize::from(inner.width).saturating_sub(names) / count).clamp(4, 8);
    let columns = (usize::from(inner.width).saturating_sub(names) / width).min(count);
    let mut head = " ".repeat(names);
    for name in confusion.labels.iter().take(columns) {
        head.push_str(&format!("{:>width$}", theme.fit(name, width - 1)));
    }
    text::line(buffer, inner, 0, &head, theme.dim);
    for (index, counts) in confusion.counts.iter().enumerate() {
        let Some(row) = text::row(inner, index + 1) else {
            break;
        };
        let name = confusion.labels.get(index).map_or("?", String::as_str);
        let name = format!(" {}", theme.fit(name, names - 1));
        text::put(buffer, row.x, row.y, row.right(), &name, theme.dim);
        let mut x = row.x + names as u16;
        for (column, count) in counts.iter().take(columns).enumerate() {
            let style = match (column == index, *count) {
                (_, 0) => theme.dim,
                (true, _) => theme.good,
                (false, _) => theme.warn,
            };
            let written = format!("{count:>width$}");
            x = text::put(buffer, x, row.y, row.right(), &written, style);
        }
    }
}
