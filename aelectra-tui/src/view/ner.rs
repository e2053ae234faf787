//! Fine-tuning: F1 by epoch and seed, scores by class, what is taken for what.

use aelectra_data::run::{ClassScore, NerEvalEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::canvas::Pattern;
use super::chart::{self, Chart, Data, Line};
use super::{WidthClass, text};
use crate::format;
use crate::state::State;
use crate::store::{NerTrack, Unit};

/// Draws the screen.
pub fn draw(state: &State, buffer: &mut Buffer, area: Rect) {
    let theme = &state.theme;
    let Some(run) = state.run().filter(|run| !run.ner.tracks.is_empty()) else {
        let lines = [
            "No fine-tuning in this run yet.",
            "`aelectra finetune` writes F1 by epoch, class and seed here.",
        ];
        for (index, line) in lines.iter().enumerate() {
            if let Some(row) = text::row(text::below(area, 1), index) {
                text::put(buffer, row.x + 2, row.y, row.right(), line, theme.dim);
            }
        }
        return;
    };
    let shown = state
        .track
        .unwrap_or(run.ner.active)
        .min(run.ner.tracks.len() - 1);
    let track = &run.ner.tracks[shown];
    let top = (area.height / 2).max(8).min(area.height);
    let (upper, lower) = (
        Rect {
            height: top,
            ..area
        },
        text::below(area, top),
    );
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
    let middle = area.width / 2;
    let left = Rect {
        width: middle.saturating_sub(1),
        ..area
    };
    let right = Rect {
        x: area.x + middle,
        width: area.width - middle,
        ..area
    };
    (left, right)
}

/// Micro-F1 by epoch, a line a seed, the best marked.
pub fn f1_chart(state: &State, focus: bool, buffer: &mut Buffer, area: Rect) {
    let theme = &state.theme;
    let Some(run) = state.run() else { return };
    let tracks = &run.ner.tracks;
    let shown = state.track.unwrap_or(run.ner.active);
    // The shown track last, so that it lies on top.
    let mut order: Vec<usize> = (0..tracks.len()).filter(|index| *index != shown).collect();
    order.extend((shown < tracks.len()).then_some(shown));
    let mut last_epoch = 1.0_f64;
    let mut lines: Vec<Line<'_>> = Vec::new();
    for index in order {
        let track = &tracks[index];
        let points: Vec<(f64, Option<f64>)> = track
            .dev
            .iter()
            .map(|eval| (eval.epoch as f64, eval.micro_f1))
            .collect();
        last_epoch = last_epoch.max(points.last().map_or(0.0, |(epoch, _)| *epoch));
        let last_epoch_planned = track.total_epochs.unwrap_or(0) as f64;
        last_epoch = last_epoch.max(last_epoch_planned);
        lines.push(Line {
            label: String::new(),
            letter: char::from_digit((index % 10) as u32, 10).unwrap_or('?'),
            style: theme.line(index),
            pattern: if index == shown {
                Pattern::Solid
            } else {
                Pattern::Dotted
            },
            data: Data::Points(points),
        });
    }
    let star = theme.pick("★", "*");
    let best = tracks
        .iter()
        .filter_map(|track| track.best())
        .filter_map(|eval| Some((eval.epoch, eval.micro_f1?)))
        .max_by(|a, b| a.1.total_cmp(&b.1));
    let stars = best
        .iter()
        .map(|(epoch, f1)| (*epoch as f64, *f1))
        .collect();
    let best = best.map_or(String::new(), |(epoch, f1)| {
        format!("  {star} {} at epoch {epoch}", Unit::Share.write(f1))
    });
    let title = if area.width < 60 {
        format!("NER F1{best}")
    } else {
        format!("NER micro-F1 by epoch, dev{best}")
    };
    let drawn = Chart {
        title,
        lines,
        unit: Unit::Share,
        log_scale: false,
        focus,
        // Half an epoch of air on both sides, so that a single point stands in the middle.
        window: (0.5, last_epoch.max(2.0) + 0.5),
        axis: None,
        cursor: None,
        resumes: Vec::new(),
        stars,
    };
    chart::draw(&drawn, theme, buffer, area);
}

/// Seeds and arms side by side: best development score, and the test score.
fn seeds(state: &State, shown: usize, buffer: &mut Buffer, area: Rect) {
    let theme = &state.theme;
    let Some(run) = state.run() else { return };
    let inner = text::heading(buffer, area, theme, "Seeds");
    let Some(head) = text::row(inner, 0) else {
        return;
    };
    let name_width = usize::from(area.width).saturating_sub(32).clamp(8, 28);
    let heading = format!(
        "    {} {:>3} {:>7} {:>7} {:>7}",
        format::pad("", name_width, ""),
        "ep",
        "dev F1",
        "noMISC",
        "test F1"
    );
    text::put(buffer, head.x, head.y, head.right(), &heading, theme.dim);
    let room = usize::from(inner.height).saturating_sub(1);
    let first = shown.saturating_sub(room.saturating_sub(1));
    let best = run.ner.best_f1();
    for (place, (index, track)) in run.ner.tracks.iter().enumerate().skip(first).enumerate() {
        let Some(row) = text::row(inner, place + 1) else {
            break;
        };
        let top = track.best();
        let f1 = top.and_then(|eval| eval.micro_f1);
        let star = if f1.is_some() && f1 == best {
            theme.pick("★", "*")
        } else {
            " "
        };
        let name = theme.foreign(&format::printable(&track.name()));
        let name = format::pad(&name, name_width, theme.ellipsis());
        let epoch = top.map_or_else(|| "-".into(), |eval| eval.epoch.to_string());
        let line = format!(
            "{star} {} {name} {epoch:>3} {:>7} {:>7} {:>7}",
            index % 10,
            share(f1),
            share(top.and_then(|eval| eval.micro_no_misc)),
            share(track.test.as_ref().and_then(|eval| eval.micro_f1)),
        );
        let style = if index == shown {
            theme.selected
        } else {
            theme.line(index)
        };
        text::put(buffer, row.x, row.y, row.right(), &line, style);
    }
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
    let name = theme.foreign(&format::printable(&track.name()));
    let title = format!("Classes, {name}, epoch {}, {split}", eval.epoch);
    let inner = text::heading(buffer, area, theme, &title);
    let wide = usize::from(area.width) >= 52;
    let head = format!("  {:<11}{:>7}{:>7}{:>7}{:>7}", "", "P", "R", "F1", "n");
    if let Some(row) = text::row(inner, 0) {
        text::put(buffer, row.x, row.y, row.right(), &head, theme.dim);
    }
    let percent = |value: f64| {
        if value.is_finite() {
            format!("{:.1}", value * 100.0)
        } else {
            "NaN".into()
        }
    };
    let line = |label: &str, score: &ClassScore| {
        let label = format::pad(
            &theme.foreign(&format::printable(label)),
            11,
            theme.ellipsis(),
        );
        let bar = if wide {
            text::bar(score.f1, 8, theme)
        } else {
            String::new()
        };
        format!(
            "  {label}{:>7}{:>7}{:>7}{:>7} {bar}",
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
        let text = format!("  {:<25}{:>7}", "micro without MISC", percent(f1));
        lines.push((text, theme.text));
    }
    for (index, (line, style)) in lines.iter().enumerate() {
        if let Some(row) = text::row(inner, index + 1) {
            text::put(buffer, row.x, row.y, row.right(), line, *style);
        }
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
    let label = |text: &str, width: usize| {
        format::pad(
            &theme.foreign(&format::printable(text)),
            width,
            theme.ellipsis(),
        )
    };
    if let Some(row) = text::row(inner, 0) {
        let mut x = row.x + 9;
        for name in &confusion.labels {
            text::put(
                buffer,
                x,
                row.y,
                row.right(),
                &format!("{:>7}", label(name, 6).trim_end()),
                theme.dim,
            );
            x += 7;
        }
    }
    for (index, counts) in confusion.counts.iter().enumerate() {
        let Some(row) = text::row(inner, index + 1) else {
            break;
        };
        let name = confusion.labels.get(index).map_or("?", String::as_str);
        text::put(
            buffer,
            row.x,
            row.y,
            row.right(),
            &label(name, 8),
            theme.dim,
        );
        for (column, count) in counts.iter().enumerate() {
            let style = match (column == index, *count) {
                (_, 0) => theme.dim,
                (true, _) => theme.good,
                (false, _) => theme.warn,
            };
            let x = row.x + 9 + 7 * u16::try_from(column).unwrap_or(u16::MAX / 8);
            text::put(buffer, x, row.y, row.right(), &format!("{count:>7}"), style);
        }
    }
    if let (Some(errors), Some(row)) = (
        confusion.boundary_errors,
        text::row(inner, confusion.counts.len() + 1),
    ) {
        let line = format!("{errors} with the right class and wrong boundaries");
        text::put(buffer, row.x, row.y, row.right(), &line, theme.dim);
    }
}
