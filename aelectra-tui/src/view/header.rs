//! Two rows about the run: who and how far, how fast and until when.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::scale::axis_name;
use super::text;
use crate::format;
use crate::state::{State, Window};
use crate::store::{Metric, NerMetric, RunStore, Status, Unit};

pub(crate) fn draw(state: &State, buffer: &mut Buffer, area: Rect) {
    let theme = &state.theme;
    let (Some(run), Some(row)) = (state.run(), state.row()) else {
        let text = format!(" waiting for a run{}", state.place());
        text::line(buffer, area, 0, &text, theme.warn);
        return;
    };
    let status = state.status();
    let (word, style) = status_text(state, status, run);
    let width = usize::from(area.width);
    let id = theme.fit(&row.id, (width / 3).max(12));
    let mut parts: Vec<(String, Style)> = vec![
        (format!(" {id} "), theme.strong),
        (format!("{word} "), style),
    ];
    if row.loaded < 1.0 {
        parts.push((format!("loading {:.0}% ", row.loaded * 100.0), theme.warn));
    }
    if run.missing {
        parts.push(("event file is gone ".into(), theme.bad));
    }
    // What is counted in the bar may be the steps of a fine-tuning; in words the pretraining counts.
    let (step, total) = (run.step(), run.total());
    let (words, words_total) = match run.steps.last_step() {
        Some(step) => (Some(step), run.total_steps),
        None => (step, total),
    };
    if let Some(step) = words {
        let of = words_total.map_or(String::new(), |total| format!("/{}", grouped(total)));
        parts.push((format!("step {}{of} ", grouped(step)), theme.text));
    }
    if let Some(track) = run.ner.tracks.get(run.ner.active) {
        let of = track
            .total_epochs
            .map_or(String::new(), |total| format!("/{total}"));
        let name = theme.foreign(&track.name());
        parts.push((format!("{name} epoch {}{of} ", track.epoch), theme.text));
    }
    let mut x = area.x;
    for (part, style) in &parts {
        if usize::from(area.right().saturating_sub(x)) < format::width(part.trim_end()) {
            break;
        }
        x = text::put(buffer, x, area.y, area.right(), part, *style);
    }
    if let (Some(step), Some(total)) = (step, total.filter(|total| *total > 0)) {
        let share = step as f64 / total as f64;
        let percent = format!(" {:>5.1}%", share * 100.0);
        let room = usize::from(area.right().saturating_sub(x)).saturating_sub(percent.len() + 1);
        if room >= 6 {
            let bar = text::bar(share, room.min(60), theme);
            let x = text::put(buffer, x, area.y, area.right(), &bar, theme.good);
            text::put(buffer, x, area.y, area.right(), &percent, theme.text);
        }
    }
    numbers(state, run, status, buffer, text::below(area, 1));
}

fn status_text(state: &State, status: Status, run: &RunStore) -> (String, Style) {
    let theme = &state.theme;
    let dot = theme.pick("●", "*");
    match status {
        Status::Waiting => (format!("{dot} waiting for its first event"), theme.warn),
        Status::Running => (format!("{dot} running"), theme.good),
        Status::Paused => (format!("{dot} paused"), theme.warn),
        Status::Silent(seconds) => (
            format!("{dot} running, silent for {}", format::duration(seconds)),
            theme.good,
        ),
        Status::Stale(seconds) => (
            format!("{dot} stale {}", format::duration(seconds)),
            theme.warn,
        ),
        Status::Crashed => (format!("{dot} crashed"), theme.bad),
        Status::Ended(_) => {
            let failed = run.end.as_ref().is_some_and(|end| end.exit_code != 0);
            let style = if failed { theme.bad } else { theme.good };
            (format!("{dot} {}", status.told(run)), style)
        }
    }
}

/// How fast, how long, on what; and how the charts are drawn.
fn numbers(state: &State, run: &RunStore, status: Status, buffer: &mut Buffer, area: Rect) {
    let theme = &state.theme;
    let mut parts: Vec<String> = Vec::new();
    if let Some(first) = run.first_time {
        let until = match status {
            Status::Ended(_) | Status::Crashed | Status::Stale(_) => run.last_time.unwrap_or(first),
            _ => state.now.max(run.last_time.unwrap_or(first)),
        };
        parts.push(format::duration((until - first - run.idle).max(0.0)));
    }
    if status.is_alive() && run.step().is_some() {
        let eta = run.eta(state.now);
        // A run that does not move has no honest ETA.
        let shown = eta.filter(|_| {
            !matches!(
                status,
                Status::Silent(_) | Status::Stale(_) | Status::Paused
            )
        });
        parts.push(match shown {
            Some(eta) if run.tuning => {
                let track = run.ner.tracks.get(run.ner.active);
                let what = match track.and_then(|track| track.trial) {
                    Some(_) => "rate",
                    None => "seed",
                };
                format!("ETA {} for this {what}", format::duration(eta))
            }
            Some(eta) => format!("ETA {}", format::duration(eta)),
            None => "ETA ?".into(),
        });
    }
    let of_tuning = || {
        let track = run.ner.tracks.get(run.ner.active)?;
        let column = NerMetric::TokensPerSecond.column();
        let smooth = track.steps.smooth(column).last().copied().map(f64::from);
        smooth
            .filter(|it| it.is_finite())
            .or(track.steps.last(column))
    };
    let of_pretraining = || run.last_smooth(Metric::TokensPerSecond);
    // That of what goes on: a demo does one after the other.
    let speed = match run.tuning {
        true => of_tuning().or_else(of_pretraining),
        false => of_pretraining().or_else(of_tuning),
    };
    if let Some(speed) = speed {
        parts.push(format!("{} tok/s", format::count(speed.round())));
    }
    if let Some(tokens) = run.tokens_seen {
        parts.push(format!("{} tokens", format::count(tokens as f64)));
    }
    let skipped = run.last(Metric::SkippedSteps).unwrap_or(0.0);
    if let Some(device) = run.start.as_ref().and_then(|start| start.device.as_deref()) {
        parts.push(theme.foreign(device));
    }
    let x = text::list(buffer, area, &parts, theme, theme.text);
    // What is wrong, or else how the charts are drawn.
    let mut notes = Vec::new();
    if let Some((step, metric)) = run.nonfinite.back() {
        notes.push(format!("NaN in {} at step {step}", metric.label()));
    }
    if skipped > 0.0 {
        notes.push(format!("{} skipped", Unit::Count.write(skipped)));
    }
    if run.bad_lines > 0 {
        notes.push(match run.bad_lines {
            1 => "1 bad line".to_owned(),
            lines => format!("{lines} bad lines"),
        });
    }
    let style = if notes.is_empty() {
        if let Some(row) = state.cursor_row() {
            // Where the one cursor of all panes stands.
            notes.push(format!("at step {}", grouped(row.last_step)));
            notes.push(format::duration(row.time));
            notes.extend(
                (row.tokens > 0).then(|| format!("{} tokens", format::count(row.tokens as f64))),
            );
            theme.strong
        } else {
            notes.push(format!("EMA {}", state.decay()));
            notes.push(axis_name(state.usable_axis()).to_owned());
            notes.extend(state.log_scale.then(|| "log".to_owned()));
            if let Window::Fixed(..) = state.window {
                // What comes now is not in the picture.
                notes.push("zoomed, End follows".to_owned());
            }
            theme.dim
        }
    } else {
        theme.bad
    };
    let tail = format!(" {} ", notes.join(theme.separator()));
    text::right(buffer, x, area.y, area.right(), &tail, style);
}

/// `1 234 567`: digits in threes, so that a long step can be read.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn digits_stand_in_threes() {
        assert_eq!(super::grouped(0), "0");
        assert_eq!(super::grouped(1234), "1 234");
        assert_eq!(super::grouped(1_000_000), "1 000 000");
    }
}
