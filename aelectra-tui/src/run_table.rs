//! The list of runs as a table: runs, what they reached, and the settings in which they differ.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use aelectra_data::run::{EndReason, Task};

use crate::filter::{Filter, Subject, names};
use crate::format;
use crate::state::{RunKey, RunRow, State};
use crate::store::{Metric, Unit, limit};
use crate::summary::{NOT_SET, RunSummary};

/// The columns that every run has, in their order.
const FIXED: [&str; 6] = ["state", "step", "loss", "RTD acc", "best F1", "age"];
/// Columns a setting is written in at most.
const SETTING: usize = 14;

/// A cell: what is written, and what is sorted by.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cell {
    pub(crate) text: String,
    number: Option<f64>,
}

impl Cell {
    fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            number: None,
        }
    }

    fn number(value: Option<f64>, written: impl FnOnce(f64) -> String) -> Self {
        Self {
            text: value.map_or_else(|| "-".to_owned(), written),
            number: value,
        }
    }

    /// Numbers before text, or the other way round; what has no value is last either way.
    fn compare(&self, other: &Self, descending: bool) -> Ordering {
        let rising = match (self.number, other.number) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => self.text.cmp(&other.text),
        };
        let order = match descending {
            true => rising.reverse(),
            false => rising,
        };
        (self.text == "-").cmp(&(other.text == "-")).then(order)
    }
}

/// A column of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// A fixed name, or the key of a setting.
    pub(crate) name: String,
    /// The characters it takes, the space before it not counted.
    pub(crate) width: usize,
    /// Left-aligned.
    pub(crate) left: bool,
}

/// What is known of a run: from its data if it is shown, else from a glance at its file.
pub(crate) fn glance(state: &State, row: &RunRow) -> RunSummary {
    match row.store.as_deref().filter(|_| row.loaded >= 1.0) {
        Some(run) => {
            let (id, path) = (row.id.clone(), row.path.clone());
            let known = RunSummary::of(run, id, path, row.alive, state.now);
            // A loss that is not finite is told here; a summary, which is JSON too, cannot.
            RunSummary {
                loss: run.last(Metric::Loss).or(known.loss),
                ..known
            }
        }
        None => row.summary.clone().unwrap_or_default(),
    }
}

/// Fixed columns, then the settings in which the listed runs differ.
pub(crate) fn columns(state: &State) -> Vec<Column> {
    let fixed = |name: &&str| {
        let (width, left) = match *name {
            "state" => (11, true),
            "step" => (15, false),
            "loss" => (8, false),
            _ => (7, false),
        };
        let name = (*name).to_owned();
        Column { name, width, left }
    };
    let mut columns: Vec<Column> = FIXED.iter().map(fixed).collect();
    let listed = filtered(state);
    let all: Vec<&RunRow> = listed
        .iter()
        .map(|key| &state.runs[*key])
        .filter(|row| !row.settings.is_empty())
        .collect();
    let task = |row: &&RunRow| row.summary.as_ref()?.task.as_ref().map(Task::to_string);
    let tasks: Vec<Option<String>> = all.iter().map(task).collect();
    let keys: BTreeSet<&String> = all.iter().flat_map(|row| row.settings.keys()).collect();
    columns.extend(keys.into_iter().filter_map(|key| {
        let values: Vec<Option<&String>> = all.iter().map(|row| row.settings.get(key)).collect();
        // A pretraining has no setting of a fine-tuning; that is no difference between two runs.
        let mut first_of = BTreeMap::new();
        let differ = tasks.iter().zip(&values).any(|(task, value)| {
            let first = *first_of.entry(task).or_insert(value);
            first != value
        });
        if !differ {
            return None;
        }
        let widths = values.iter().flatten().map(|value| format::width(value));
        let widest = widths.max().unwrap_or(0).max(format::width(short(key)));
        Some(Column {
            name: key.clone(),
            // With room for the arrow of the order.
            width: widest.max(format::width(short(key)) + 1).clamp(3, SETTING),
            left: false,
        })
    }));
    columns
}

/// The last part of a key: `model.hidden_size` is `hidden_size`.
pub(crate) fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// What stands in a column for a run.
pub(crate) fn cell(column: &str, row: &RunRow, known: &RunSummary) -> Cell {
    let count = |count: u64| format::count(count as f64);
    match column {
        // What `limit` means stands in no other column.
        "state" if known.state == EndReason::Limit.name() => {
            Cell::text(limit(known.step, known.total_steps))
        }
        "state" => Cell::text(known.state.clone()),
        "step" => Cell::number(known.step.map(|step| step as f64), |_| {
            let step = known.step.map(count).unwrap_or_default();
            match known.total_steps {
                Some(total) => format!("{step}/{}", count(total)),
                None => step,
            }
        }),
        "loss" => Cell::number(known.loss, |value| Unit::Plain.write(value)),
        "RTD acc" => Cell::number(known.rtd_accuracy, |value| Unit::Share.write(value)),
        "best F1" => Cell::number(known.best_f1, |value| Unit::Share.write(value)),
        "age" => Cell::number(known.last_event_seconds, format::duration),
        key => match row.settings.get(key) {
            None => Cell::text("-"),
            Some(text) => Cell {
                text: text.clone(),
                number: text.parse().ok(),
            },
        },
    }
}

/// A run as the filter sees it.
struct Asked<'a> {
    state: &'a State,
    row: &'a RunRow,
}

impl Subject for Asked<'_> {
    fn contains(&self, text: &str) -> bool {
        Subject::contains(self.row.id.as_str(), text)
    }

    fn values(&self, name: &str) -> Vec<String> {
        let number = |value: Option<f64>| value.map(|value| value.to_string());
        let known = glance(self.state, self.row);
        let own = match name {
            "state" => Some(known.state.clone()),
            "task" => known.task.as_ref().map(Task::to_string),
            "step" => known.step.map(|step| step.to_string()),
            "loss" => number(known.loss),
            "acc" | "accuracy" | "rtd_accuracy" => number(known.rtd_accuracy),
            "f1" | "best_f1" => number(known.best_f1),
            // Seconds.
            "age" => number(known.last_event_seconds),
            _ => None,
        };
        // Events and charts call it that; a configuration has one rate or a list of them.
        let rates = ["learning_rate", "learning_rates"];
        let short_for = if name == "lr" { &rates[..] } else { &[] };
        let asked = |key: &str| names(key, name) || short_for.iter().any(|other| names(key, other));
        let settings = self.row.settings.iter();
        let settings = settings.filter(|(key, _)| asked(key));
        let each = |value: &String| {
            if value == NOT_SET {
                // A filter has no spaces in a value.
                return vec!["null".to_owned()];
            }
            let list = value.trim_start_matches('[').trim_end_matches(']');
            let parts = list.split(',').map(|part| part.trim().to_owned());
            parts.collect::<Vec<_>>()
        };
        own.into_iter()
            .chain(settings.flat_map(|(_, value)| each(value)))
            .collect()
    }
}

/// The runs that the filter lets through, the most recently written first.
fn filtered(state: &State) -> Vec<RunKey> {
    let filter = Filter::new(&state.filters.runs);
    let passes = |key: &RunKey| {
        let row = &state.runs[*key];
        filter.lets_through(&Asked { state, row })
    };
    state.order.iter().copied().filter(passes).collect()
}

/// The same, sorted as the user wants.
pub(crate) fn listed(state: &State) -> Vec<RunKey> {
    let mut listed = filtered(state);
    if state.sort.is_none() && state.descending {
        listed.reverse();
    }
    if let Some(column) = &state.sort {
        let mut cells: Vec<(RunKey, Cell)> = listed
            .into_iter()
            .map(|key| {
                let row = &state.runs[key];
                (key, cell(column, row, &glance(state, row)))
            })
            .collect();
        cells.sort_by(|(_, a), (_, b)| a.compare(b, state.descending));
        listed = cells.into_iter().map(|(key, _)| key).collect();
    }
    listed
}

/// The next column to sort by: after the last one comes the order of time.
pub(crate) fn next_sort(state: &State) -> Option<String> {
    let columns = columns(state);
    let next = match &state.sort {
        None => 0,
        Some(now) => columns
            .iter()
            .position(|column| column.name == *now)
            .map_or(0, |place| place + 1),
    };
    columns.get(next).map(|column| column.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_told_by_its_flag() {
        let known = |step| RunSummary {
            state: EndReason::Limit.name().to_owned(),
            step: Some(step),
            total_steps: Some(40),
            ..RunSummary::default()
        };
        for (step, wanted) in [(40, "--max-steps"), (39, "--max-hours")] {
            let cell = cell("state", &RunRow::default(), &known(step));
            assert_eq!(cell.text, wanted);
        }
    }

    #[test]
    fn numbers_sort_before_text_and_nothing_last() {
        let number = |value| Cell::number(Some(value), |value| value.to_string());
        let mut cells = [
            Cell::text("-"),
            Cell::text("gdes"),
            number(10.0),
            number(9.0),
            Cell::text("flex"),
        ];
        for (descending, wanted) in [
            (false, ["9", "10", "flex", "gdes", "-"]),
            (true, ["gdes", "flex", "10", "9", "-"]),
        ] {
            cells.sort_by(|a, b| a.compare(b, descending));
            let texts: Vec<&str> = cells.iter().map(|cell| cell.text.as_str()).collect();
            assert_eq!(texts, wanted);
        }
    }
}
