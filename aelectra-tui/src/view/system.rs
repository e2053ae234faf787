//! The machine: processor, memory, and where the time of a step goes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::chart;
use super::curve::{Chart, Line};
use super::grid::PATTERNS;
use super::mark::mark;
use super::{WidthClass, cells, text};
use crate::format;
use crate::state::State;
use crate::store::{Axis, DeviceMetric, Metric, RunStore, SystemMetric};

/// One line about the machine, for the overview.
pub(crate) fn line(state: &State, buffer: &mut Buffer, area: Rect) {
    let theme = &state.theme;
    let Some(run) = state.run() else { return };
    let mut parts: Vec<String> = Vec::new();
    if !state.status().is_alive() && (run.machine.is_some() || run.last(Metric::Rss).is_some()) {
        parts.push("at its end".to_owned());
    }
    if let Some(machine) = &run.machine {
        if let Some(cpu) = machine.cpu_percent {
            parts.push(format!("CPU {cpu:.0}%"));
        }
        if let Some(rss) = machine.rss_bytes {
            parts.push(format!("RSS {}", format::bytes(rss as f64)));
        }
        if let (Some(used), Some(total)) = (machine.memory_used_bytes, machine.memory_total_bytes) {
            parts.push(format!(
                "RAM {} of {}",
                format::bytes(used as f64),
                format::bytes(total as f64)
            ));
        }
    } else if let Some(rss) = run.last(Metric::Rss) {
        parts.push(format!("RSS {}", format::bytes(rss)));
    }
    let seconds = step_seconds(run);
    if !seconds.is_empty() {
        let split: Vec<String> = seconds
            .iter()
            .map(|(metric, value)| format!("{} {}", metric.label(), format::seconds(*value)))
            .collect();
        parts.push(format!("step: {}", split.join(", ")));
    }
    let parts: Vec<String> = parts.iter().map(|part| theme.foreign(part)).collect();
    text::list(buffer, area, &parts, theme, theme.dim);
}

/// The parts of a step that were measured.
fn step_seconds(run: &RunStore) -> Vec<(Metric, f64)> {
    [
        Metric::DataSeconds,
        Metric::ForwardSeconds,
        Metric::BackwardSeconds,
        Metric::OptimizerSeconds,
    ]
    .into_iter()
    .filter_map(|metric| Some((metric, run.last(metric).filter(|value| value.is_finite())?)))
    .collect()
}

pub(crate) fn draw(state: &State, buffer: &mut Buffer, area: Rect) {
    let theme = &state.theme;
    let Some(run) = state.run() else { return };
    let charts = charts(state, run);
    let facts = facts(run);
    let below = (facts.len() as u16 + 1).min(area.height / 2);
    let above = text::above(area, area.height - below);
    if charts.is_empty() {
        let line = "  No system events in this run yet.";
        text::line(buffer, above, 1, line, theme.dim);
    }
    let columns = WidthClass::of(area.width).columns();
    let needed = (charts.len() as u16).div_ceil(columns).max(1);
    let rows = needed.min((above.height / 6).max(1));
    // The page that holds the focus; Tab goes on.
    let count = usize::from(rows * columns);
    let total = charts.len();
    let page = charts
        .into_iter()
        .enumerate()
        .skip(state.focus / count * count);
    for ((place, drawn), rect) in page.zip(cells(above, columns, rows)) {
        let focus = place == state.focus && total > count;
        chart::draw(&Chart { focus, ..drawn }, theme, buffer, rect);
    }
    let inner = text::heading(buffer, text::below(area, above.height), theme, " Run");
    for (index, (name, value)) in facts.iter().enumerate() {
        let Some(row) = text::row(inner, index) else {
            break;
        };
        let name = format!("  {:<18}", name);
        let x = text::put(buffer, row.x, row.y, row.right(), &name, theme.dim);
        let room = usize::from(row.right().saturating_sub(x));
        text::put(
            buffer,
            x,
            row.y,
            row.right(),
            &theme.fit(value, room),
            theme.text,
        );
    }
}

/// The machine over time, then what each of several devices does.
pub(crate) fn charts<'a>(state: &'a State, run: &'a RunStore) -> Vec<Chart<'a>> {
    let theme = &state.theme;
    let cursor = state.cursor_time();
    let over_time = |label: &str, unit, window: Option<(f64, f64)>| Chart {
        short: label.split(',').next().unwrap_or_default().to_owned(),
        log_scale: state.log_scale,
        axis: Some(Axis::Time),
        cursor,
        ..Chart::new(label, unit, window.unwrap_or((0.0, 1.0)))
    };
    let machine = SystemMetric::ALL
        .iter()
        .filter(|metric| !run.system.buckets(metric.column()).is_empty())
        .enumerate()
        .map(|(place, metric)| {
            let (table, column) = (&run.system, metric.column());
            let style = theme.line(place);
            Chart {
                lines: vec![Line::raw(String::new(), 'S', style, table, column)],
                ..over_time(metric.label(), metric.unit(), table.extent(Axis::Time))
            }
        });
    let several = run.device_tables.len() > 1;
    let extents = run.device_tables.iter();
    let extents = extents.filter_map(|(_, table)| table.extent(Axis::Time));
    let window = extents.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let devices = DeviceMetric::ALL.iter().filter(|_| several).map(|metric| {
        let lines = run.device_tables.iter().enumerate();
        let lines = lines.map(|(place, (name, table))| Line {
            short: theme.fit(name, 12),
            pattern: PATTERNS[place % PATTERNS.len()],
            ..Line::raw(
                theme.foreign(name),
                mark(place + 1),
                theme.line(place),
                table,
                metric.column(),
            )
        });
        Chart {
            lines: lines.collect(),
            ..over_time(metric.label(), metric.unit(), window)
        }
    });
    machine.chain(devices).collect()
}

/// What is known of the run in words.
pub(crate) fn facts(run: &RunStore) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let seconds = step_seconds(run);
    if !seconds.is_empty() {
        let total: f64 = seconds.iter().map(|(_, value)| value).sum();
        let split: Vec<String> = seconds
            .iter()
            .map(|(metric, value)| {
                let share = 100.0 * value / total.max(f64::MIN_POSITIVE);
                format!(
                    "{} {} ({share:.0}%)",
                    metric.label(),
                    format::seconds(*value)
                )
            })
            .collect();
        facts.push(("step", split.join("  ")));
    }
    facts.extend(run.devices.iter().map(|device| {
        let whole = device.compute + device.communication + device.waiting;
        let share = |seconds: f64| 100.0 * seconds / whole.max(f64::MIN_POSITIVE);
        let text = format!(
            "{}  {} tokens/s  computing {:.0}%  communication {:.0}%  waiting for others {:.0}%",
            device.device,
            format::count(device.tokens / whole.max(f64::MIN_POSITIVE)),
            share(device.compute),
            share(device.communication),
            share(device.waiting)
        );
        ("share of a step", text)
    }));
    if let Some(start) = &run.start {
        let count = start.parameters.map(|count| format::count(count as f64));
        let texts = [
            ("device", start.device.clone()),
            ("model", start.model.clone()),
            ("parameters", count),
            ("batch", batch(start.batch_size, start.sequence_length)),
            ("process", start.pid.map(|pid| pid.to_string())),
            ("host", start.host.clone()),
        ];
        let known = texts
            .into_iter()
            .filter_map(|(name, text)| Some((name, text?)));
        facts.extend(known);
    }
    if let Some(manifest) = &run.manifest {
        let commit = manifest.git_commit.clone();
        facts.extend(commit.map(|commit| ("commit", commit)));
        let versions = manifest.versions.iter();
        let versions: Vec<String> = versions.map(|(name, of)| format!("{name} {of}")).collect();
        if !versions.is_empty() {
            facts.push(("versions", versions.join(", ")));
        }
        if !manifest.command.is_empty() {
            facts.push(("command", manifest.command.join(" ")));
        }
    }
    if let Some(saved) = run.checkpoints.back() {
        let size = saved.bytes.map_or(String::new(), |bytes| {
            format!(", {}", format::bytes(bytes as f64))
        });
        facts.push(("last checkpoint", format!("step {}{size}", saved.step)));
    }
    facts
}

fn batch(size: Option<u64>, length: Option<u64>) -> Option<String> {
    let size = size?;
    Some(match length {
        Some(length) => format!("{size} examples of {length} tokens"),
        None => format!("{size} examples"),
    })
}
