//! Fine-tunings of several runs over each other: a line a run, the mean of its seeds.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::chart;
use super::curve::{Chart, Data, Line};
use super::grid::PATTERNS;
use super::ner::scores_of;
use super::text;
use crate::format;
use crate::state::{OVERLAID, State};
use crate::store::{NerArm, Unit};

/// A run, or an arm of one.
pub(super) struct Compared<'a> {
    name: String,
    arm: NerArm<'a>,
}

/// What is compared: the shown run, then the marked ones; nothing unless fine-tunings of several runs are there.
pub(super) fn compared(state: &State) -> Vec<Compared<'_>> {
    let mut runs = 0;
    let mut compared = Vec::new();
    for key in state.overlaid() {
        let row = &state.runs[key];
        let arms = row
            .store
            .as_deref()
            .map_or_else(Vec::new, |run| run.ner.arms(run.is_completed()));
        runs += usize::from(!arms.is_empty());
        compared.extend(arms.into_iter().map(|arm| Compared {
            name: match arm.name {
                Some(name) => format!("{} {name}", row.id),
                None => row.id.clone(),
            },
            arm,
        }));
    }
    if runs < 2 {
        return Vec::new();
    }
    compared.truncate(OVERLAID);
    compared
}

/// Its number in the chart and the table.
fn digit(place: usize) -> char {
    char::from_digit(place as u32 + 1, 10).unwrap_or('?')
}

pub(super) fn f1_chart(
    state: &State,
    compared: &[Compared<'_>],
    focus: bool,
    buffer: &mut Buffer,
    area: Rect,
) {
    let theme = &state.theme;
    let names: Vec<&str> = compared.iter().map(|one| one.name.as_str()).collect();
    let shorts = format::distinct(&names, 10);
    let mut last_epoch = 2.0_f64;
    let lines = compared.iter().enumerate().map(|(place, one)| {
        let points = one.arm.f1_by_epoch();
        last_epoch = last_epoch.max(points.last().map_or(0.0, |(epoch, _)| *epoch));
        Line {
            label: theme.foreign(&one.name),
            short: theme.fit(&shorts[place], 10),
            letter: digit(place),
            style: theme.line(place),
            pattern: PATTERNS[place % PATTERNS.len()],
            data: Data::Points {
                points,
                marks: false,
            },
        }
    });
    let lines = lines.collect();
    let drawn = Chart {
        short: "NER F1".to_owned(),
        lines,
        focus,
        axis: None,
        ..Chart::new(
            "NER micro-F1 by epoch, dev, mean of seeds",
            Unit::Share,
            (0.5, last_epoch + 0.5),
        )
    };
    chart::draw(&drawn, theme, buffer, area);
}

/// Runs side by side: number of seeds, and the means of their scores.
pub(super) fn table(state: &State, compared: &[Compared<'_>], buffer: &mut Buffer, area: Rect) {
    let theme = &state.theme;
    let inner = text::heading(buffer, area, theme, "Runs, mean of seeds");
    let no_misc = area.width >= 56;
    let fixed = if no_misc { 38 } else { 28 };
    let name_width = usize::from(area.width).saturating_sub(fixed).clamp(8, 40);
    let line = |mark: char, name: &str, seeds: &str, values: [String; 3]| {
        let name = theme.pad(name, name_width);
        let [dev, free, test] = values;
        if no_misc {
            format!("{mark} {name}{seeds:>6}{dev:>10}{free:>10}{test:>10}")
        } else {
            format!("{mark} {name}{seeds:>6}{dev:>10}{test:>10}")
        }
    };
    let heads = ["dev F1", "no MISC", "test F1"].map(str::to_owned);
    let mut rows: Vec<(String, Style)> = vec![(line(' ', "", "seeds", heads), theme.dim)];
    for (place, one) in compared.iter().enumerate() {
        let values = scores_of(&one.arm, theme.pick("±", "+-"));
        let (finished, all) = (one.arm.finished, one.arm.seeds.len());
        let seeds = match finished < all {
            true => format!("{finished}/{all}"),
            false => all.to_string(),
        };
        rows.push((
            line(digit(place), &one.name, &seeds, values),
            theme.line(place),
        ));
    }
    for (place, (line, style)) in rows.iter().enumerate() {
        text::line(buffer, inner, place, line, *style);
    }
}
