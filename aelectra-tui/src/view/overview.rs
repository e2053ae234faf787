//! The overview: a grid of charts, a line about the machine, the end of the log.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::chart::{self, plot_area};
use super::curve::{Chart, Data, Line};
use super::grid::{PATTERNS, Pattern};
use super::{WidthClass, cells, logs, ner, system, text};
use crate::filter::{Filter, Subject};
use crate::format;
use crate::state::State;
use crate::store::{Axis, Metric, NerMetric, RunStore};
use crate::theme::Theme;

/// A chart of the overview.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pane {
    /// Metrics of pretraining.
    Metrics(&'static Group),
    /// Micro-F1 by epoch.
    NerF1,
    /// A metric of fine-tuning steps.
    NerSteps(NerMetric),
}

/// Metrics that share a scale.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) title: &'static str,
    /// The title where there is little room.
    pub(crate) short: &'static str,
    pub(crate) metrics: &'static [Member],
    /// Whether evaluations are drawn with the training values.
    pub(crate) held_out: bool,
}

/// A metric and what it is called beside others of its chart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) metric: Metric,
    letter: char,
    label: &'static str,
    short: &'static str,
}

macro_rules! group {
    ($title:literal, $short:literal, $held_out:literal, $($metric:ident $letter:literal $label:literal $label_short:literal),+) => {
        Group {
            title: $title,
            short: $short,
            held_out: $held_out,
            metrics: &[$(Member {
                metric: Metric::$metric,
                letter: $letter,
                label: $label,
                short: $label_short,
            }),+],
        }
    };
}

/// The charts of pretraining, the most important first.
pub(crate) static GROUPS: [Group; 10] = [
    group!("Generator: MLM loss", "MLM loss", true, MlmLoss 'T' "Training" "Train"),
    group!("Discriminator: accuracy", "Discriminator", false,
        RtdAccuracy 'A' "Accuracy" "Acc", RtdBaseline 'o' "of \"all original\"" "orig."),
    group!("Discriminator: RTD loss", "RTD loss", true, RtdLoss 'T' "Training" "Train"),
    group!("Replaced tokens found", "Found", false,
        RtdPrecision 'P' "Precision" "Prec", RtdRecall 'R' "Recall" "Rec", RtdAuc 'A' "AUC" "AUC"),
    group!("Gradient norm", "Gradient norm", false, GradNorm 'G' "" ""),
    group!("Learning rate", "Learning rate", false, Lr 'L' "" ""),
    group!("Total loss", "Total loss", true, Loss 'T' "Training" "Train"),
    group!("Generator: accuracy", "Generator", false,
        MlmAccuracy 'B' "Best guess" "Best", SampledAccuracy 'S' "Sample" "Sample"),
    group!("Throughput", "Throughput", false, TokensPerSecond 'T' "" ""),
    group!("Where a step waits and works", "Step time", false,
        DataSeconds 'D' "Waiting for data" "Data", ForwardSeconds 'F' "Forward" "Fwd",
        BackwardSeconds 'B' "Backward" "Bwd", OptimizerSeconds 'O' "Optimizer" "Opt"),
];

impl Group {
    /// The one number that several runs are compared in.
    fn lead(&self) -> &Member {
        let auc = self.metrics.iter().find(|m| m.metric == Metric::RtdAuc);
        auc.unwrap_or(&self.metrics[0])
    }
}

impl Pane {
    fn title(self) -> &'static str {
        match self {
            Self::Metrics(group) => group.title,
            Self::NerF1 => "NER micro-F1 by epoch",
            Self::NerSteps(metric) => metric.label(),
        }
    }
}

impl Subject for Pane {
    fn contains(&self, text: &str) -> bool {
        let metrics = match self {
            Self::Metrics(group) => group.metrics,
            _ => &[],
        };
        let mut names = metrics.iter().map(|member| member.metric.label());
        Subject::contains(self.title(), text) || names.any(|name| Subject::contains(name, text))
    }
}

/// The panes that the run has numbers for and the filter lets through.
pub(crate) fn panes(state: &State) -> Vec<Pane> {
    let run = state.run();
    let tuning = run.is_some_and(|run| !run.ner.tracks.is_empty());
    let scored = run.is_some_and(|run| run.ner.tracks.iter().any(|track| !track.dev.is_empty()));
    let pretraining = run.is_none_or(|run| run.steps.last_step().is_some()) || !tuning;
    let mut panes: Vec<Pane> = Vec::new();
    if pretraining {
        panes.extend(GROUPS.iter().map(Pane::Metrics));
        if scored {
            // Loss, discriminator accuracy and F1 belong on one screen.
            panes.insert(2, Pane::NerF1);
        }
    } else {
        panes.push(Pane::NerSteps(NerMetric::Loss));
        panes.push(Pane::NerF1);
    }
    if tuning {
        let rest = if pretraining {
            0..1
        } else {
            1..NerMetric::ALL.len()
        };
        panes.extend(NerMetric::ALL[rest].iter().copied().map(Pane::NerSteps));
    }
    let wanted = Filter::new(&state.filters.panes);
    panes.retain(|pane| wanted.lets_through(pane));
    panes
}

/// Charts by area, and what is left below them.
fn layout(state: &State, area: Rect) -> (Vec<(usize, Pane, Rect)>, Rect) {
    let panes = panes(state);
    let focus = state.focus.min(panes.len().saturating_sub(1));
    if state.expanded {
        let shown = panes.get(focus).map(|pane| (focus, *pane, area));
        return (shown.into_iter().collect(), text::below(area, area.height));
    }
    let log_rows = match area.height {
        0..16 => 2,
        16..24 => 4,
        24..40 => 6,
        _ => 10,
    };
    let height = area.height.saturating_sub(log_rows);
    let columns = WidthClass::of(area.width).columns();
    let rows = (height / 8).clamp(1, 3);
    let count = usize::from(rows * columns);
    // The page that holds the focus.
    let page = panes.into_iter().enumerate().skip(focus / count * count);
    let charts = page
        .zip(cells(Rect { height, ..area }, columns, rows))
        .map(|((index, pane), rect)| (index, pane, rect))
        .collect();
    (charts, text::below(area, height))
}

/// The chart at a position and the share of its window.
pub(crate) fn hit(state: &State, area: Rect, position: Position) -> Option<(usize, f64)> {
    let (charts, _) = layout(state, super::body(area));
    let (index, _, rect) = charts
        .into_iter()
        .find(|(.., rect)| rect.contains(position))?;
    let plot = plot_area(rect);
    let across = f64::from(plot.width.saturating_sub(1).max(1));
    Some((index, (f64::from(position.x) - f64::from(plot.x)) / across))
}

pub(crate) fn draw(state: &State, buffer: &mut Buffer, area: Rect) {
    let (charts, rest) = layout(state, area);
    if charts.is_empty() {
        let text = format!(
            " no pane matches /{}",
            state.theme.foreign(&state.filters.panes)
        );
        text::line(buffer, area, 0, &text, state.theme.warn);
    }
    for (index, pane, rect) in charts {
        let focus = index == state.focus;
        match pane {
            Pane::Metrics(group) => {
                let drawn = Chart {
                    focus,
                    ..chart(state, &state.theme, group)
                };
                chart::draw(&drawn, &state.theme, buffer, rect);
            }
            Pane::NerF1 => ner::f1_chart(state, focus, buffer, rect),
            Pane::NerSteps(metric) => ner_steps(state, metric, focus, buffer, rect),
        }
    }
    if rest.height > 2 {
        system::line(state, buffer, Rect { height: 1, ..rest });
        logs::tail(state, buffer, text::below(rest, 1));
    } else {
        logs::tail(state, buffer, rest);
    }
}

/// The chart of a group: one run with all its metrics, or several runs in the one that leads.
pub(crate) fn chart<'a>(state: &'a State, theme: &Theme, group: &Group) -> Chart<'a> {
    let overlaid = state.overlaid();
    let several = overlaid.len() > 1;
    let mut lines = Vec::new();
    let ids: Vec<&str> = overlaid
        .iter()
        .map(|key| state.runs[*key].id.as_str())
        .collect();
    let shorts = format::distinct(&ids, 10);
    for (place, key) in overlaid.iter().enumerate() {
        let row = &state.runs[*key];
        let Some(run) = row.store.as_deref() else {
            continue;
        };
        for (index, member) in group.metrics.iter().enumerate() {
            // Several runs are compared in one number; the baseline is that of the shown run.
            let is_baseline = member.metric == Metric::RtdBaseline && place == 0;
            if several && member != group.lead() && !is_baseline {
                continue;
            }
            let (label, short, letter) = if several && is_baseline {
                ("all original".to_owned(), "orig.".to_owned(), 'o')
            } else if several {
                let digit = char::from_digit(place as u32 + 1, 10).unwrap_or('?');
                (theme.foreign(&row.id), theme.fit(&shorts[place], 10), digit)
            } else {
                (
                    member.label.to_owned(),
                    member.short.to_owned(),
                    member.letter,
                )
            };
            let (style, pattern) = match (several, is_baseline) {
                (true, true) => (theme.dim, Pattern::Dotted),
                (true, false) => (theme.line(place), PATTERNS[place % PATTERNS.len()]),
                (false, _) => (theme.line(index), PATTERNS[index % PATTERNS.len()]),
            };
            lines.push(Line {
                label,
                short,
                letter,
                style,
                pattern,
                data: Data::Column {
                    table: &run.steps,
                    column: member.metric.column(),
                    raw: !several && group.metrics.len() == 1,
                    marks: false,
                },
            });
        }
        let column = group.metrics[0].metric.column();
        if group.held_out && !several && !run.evals.buckets(column).is_empty() {
            lines.push(Line {
                label: "Held out".into(),
                short: "Held".into(),
                letter: 'H',
                style: theme.line(1),
                pattern: Pattern::Dashed,
                data: Data::Column {
                    table: &run.evals,
                    column,
                    raw: false,
                    marks: true,
                },
            });
        }
    }
    let axis = state.usable_axis();
    let lead = group.lead().label;
    let (title, short) = if several && group.metrics.len() > 1 {
        (format!("{}: {lead}", group.short), lead)
    } else {
        (group.title.to_owned(), group.short)
    };
    let window = state.window().unwrap_or((0.0, 1.0));
    Chart {
        short: short.to_owned(),
        lines,
        log_scale: state.log_scale,
        axis: Some(axis),
        cursor: state.cursor,
        resumes: state.run().map_or_else(Vec::new, |run| resumes(run, axis)),
        awaited: (state.run().filter(|_| state.status().is_alive()))
            .and_then(RunStore::first_report),
        ..Chart::new(&title, group.metrics[0].metric.unit(), window)
    }
}

fn resumes(run: &RunStore, axis: Axis) -> Vec<f64> {
    let rows = run.steps.rows();
    run.resumes
        .iter()
        .filter_map(|step| {
            let index = rows.partition_point(|row| row.last_step < *step);
            rows.get(index).map(|row| row.x(axis))
        })
        .collect()
}

fn ner_steps(state: &State, metric: NerMetric, focus: bool, buffer: &mut Buffer, area: Rect) {
    let theme = &state.theme;
    let Some(run) = state.run() else { return };
    let track = state.track_of(run);
    let lines = track.map_or_else(Vec::new, |track| {
        let name = theme.foreign(&track.name());
        let style = theme.line(0);
        vec![Line::raw(name, 'N', style, &track.steps, metric.column())]
    });
    // Beside a pretraining it has steps of its own, to which neither window nor axis apply.
    let (axis, window) = match run.steps.last_step() {
        None => (state.usable_axis(), state.window()),
        Some(_) => (Axis::Step, track.and_then(|it| it.steps.extent(Axis::Step))),
    };
    let title = Pane::NerSteps(metric).title();
    let drawn = Chart {
        lines,
        log_scale: state.log_scale,
        focus,
        axis: Some(axis),
        cursor: state.cursor.filter(|_| run.steps.last_step().is_none()),
        ..Chart::new(title, metric.unit(), window.unwrap_or((0.0, 1.0)))
    };
    chart::draw(&drawn, theme, buffer, area);
}
