//! Everything the dashboard knows and shows. [`update`](crate::update::update) changes it,
//! [`view::draw`](crate::view::draw) shows it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aelectra_data::run::{ControlRequest, Task};
use serde::{Deserialize, Serialize};

use crate::run_table;
use crate::store::{Axis, NerTrack, Row, RunStore, Status, status, widened};
use crate::summary::RunSummary;
use crate::theme::{Theme, ThemeName};

/// A run's number in [`State::runs`]; it never changes.
pub(crate) type RunKey = usize;

/// Runs overlaid at most: as many as there are line styles.
pub(crate) const OVERLAID: usize = 6;

/// The EMA's decays that `s` cycles through.
pub(crate) const SMOOTHING: [f64; 5] = [0.0, 0.6, 0.9, 0.97, 0.99];

/// The screens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Screen {
    /// Losses, discriminator, rates, log.
    #[default]
    Overview,
    /// Fine-tuning.
    Ner,
    /// One sentence through both networks.
    Tokens,
    /// All runs.
    Runs,
    /// The machine.
    System,
    /// The log.
    Logs,
    /// The keys.
    Help,
}

impl Screen {
    /// All of them, in the order of their keys.
    pub const ALL: [Self; 7] = [
        Self::Overview,
        Self::Ner,
        Self::Tokens,
        Self::Runs,
        Self::System,
        Self::Logs,
        Self::Help,
    ];

    /// Key and name on the tab.
    pub(crate) const fn tab(self) -> (&'static str, &'static str) {
        match self {
            Self::Overview => ("1", "Overview"),
            Self::Ner => ("2", "NER"),
            Self::Tokens => ("3", "Tokens"),
            Self::Runs => ("4", "Runs"),
            Self::System => ("5", "System"),
            Self::Logs => ("6", "Logs"),
            Self::Help => ("?", "Help"),
        }
    }
}

/// Which part of the horizontal axis is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Window {
    #[default]
    All,
    /// The newest of this length.
    Follow(f64),
    Fixed(f64, f64),
}

/// A question or input in front of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dialog {
    Confirm(ControlRequest),
    /// Live view: detach, stop or cancel?
    Leave,
    /// A filter is being typed; the text before it began.
    Filter(String),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct RunRow {
    pub(crate) path: PathBuf,
    pub(crate) id: String,
    /// What a glance at its file told.
    pub(crate) summary: Option<RunSummary>,
    /// Everything, if it is shown.
    pub(crate) store: Option<Box<RunStore>>,
    /// The share of its file read so far.
    pub(crate) loaded: f64,
    pub(crate) alive: Option<bool>,
    pub(crate) marked: bool,
    /// Its configuration, flat: dotted keys and values as text.
    pub(crate) settings: BTreeMap<String, String>,
}

/// What is let through, by what it was typed for: a run's name says nothing of panes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Filters {
    pub(crate) panes: String,
    pub(crate) runs: String,
    pub(crate) logs: String,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) screen: Screen,
    /// The screen before help.
    pub(crate) back: Screen,
    /// All runs ever listed; the index is the [`RunKey`].
    pub(crate) runs: Vec<RunRow>,
    /// The order they are listed in, most recently written first.
    pub(crate) order: Vec<RunKey>,
    pub(crate) current: Option<RunKey>,
    /// Where runs are looked for, for the waiting screen.
    pub(crate) root: String,
    pub(crate) now: f64,
    /// Columns and rows of the terminal.
    pub(crate) size: (u16, u16),
    pub(crate) theme: Theme,
    /// No control requests.
    pub(crate) read_only: bool,
    pub(crate) live: bool,
    /// Seconds after which the view of a run that has ended closes by itself.
    pub(crate) leaves_in: Option<u64>,
    /// The user chose to stop and leave when the run has ended.
    pub(crate) leaving: bool,
    /// A replay: requests make no sense.
    pub(crate) replay: bool,
    pub(crate) axis: Axis,
    pub(crate) window: Window,
    pub(crate) log_scale: bool,
    /// Index into [`SMOOTHING`]; `None` goes by how many values there are.
    pub(crate) smoothing: Option<usize>,
    /// The cursor's place on the axis.
    pub(crate) cursor: Option<f64>,
    pub(crate) focus: usize,
    /// Only that pane is shown.
    pub(crate) expanded: bool,
    pub(crate) frozen: bool,
    pub(crate) dialog: Option<Dialog>,
    pub(crate) filters: Filters,
    /// Log lines scrolled back from the newest.
    pub(crate) log_back: usize,
    /// Samples paged back from the newest.
    pub(crate) sample_back: usize,
    /// Lines scrolled down on the tokens, NER and help screens.
    pub(crate) scroll: usize,
    /// The NER track shown; `None` follows the active one.
    pub(crate) track: Option<usize>,
    /// The row of the run list under the cursor.
    pub(crate) run_row: usize,
    /// Show configuration differences instead of the run list.
    pub(crate) difference: bool,
    /// The column that the run list is sorted by; `None` is by time, the newest first.
    pub(crate) sort: Option<String>,
    /// The greatest first.
    pub(crate) descending: bool,
    /// Columns of the run list that are scrolled out on the left.
    pub(crate) columns_left: usize,
    /// A message of the dashboard itself, and until when.
    pub(crate) notice: Option<(String, f64)>,
}

impl State {
    pub(crate) fn new(theme: ThemeName, ascii: bool) -> Self {
        Self {
            size: (80, 24),
            theme: Theme::new(theme, ascii),
            ..Self::default()
        }
    }

    pub(crate) fn run(&self) -> Option<&RunStore> {
        self.runs.get(self.current?)?.store.as_deref()
    }

    pub(crate) fn row(&self) -> Option<&RunRow> {
        self.runs.get(self.current?)
    }

    /// The runs drawn in charts: the shown one, then the marked ones.
    pub(crate) fn overlaid(&self) -> Vec<RunKey> {
        let marked = (0..self.runs.len()).filter(|key| {
            Some(*key) != self.current && self.runs[*key].marked && self.runs[*key].store.is_some()
        });
        self.current
            .into_iter()
            .chain(marked)
            .take(OVERLAID)
            .collect()
    }

    pub(crate) fn status(&self) -> Status {
        let (Some(run), Some(row)) = (self.run(), self.row()) else {
            return Status::Waiting;
        };
        // While history loads, silence is ours.
        let loading = run.last_time.filter(|_| row.loaded < 1.0);
        status(run, loading.unwrap_or(self.now), row.alive)
    }

    /// Whether a request means something to the shown run: a fine-tuning evaluates after each epoch and keeps whole seeds, and
    /// refuses to do either now.
    pub(crate) fn takes(&self, request: ControlRequest) -> bool {
        let start = self.run().and_then(|run| run.start.as_ref());
        let tunes = start.is_some_and(|start| start.task == Task::Finetune);
        let of_pretraining = matches!(
            request,
            ControlRequest::Checkpoint | ControlRequest::Evaluate
        );
        !(tunes && of_pretraining)
    }

    /// Whether this process trains the shown run, and has not ended it: leaving may stop it.
    pub(crate) fn trains_here(&self) -> bool {
        self.live && self.status().is_alive()
    }

    /// Index of the EMA's decay. An average over ten values of sixty would only lag behind.
    pub(crate) fn smoothing_index(&self) -> usize {
        let values = self.run().map_or(0, RunStore::curve_points);
        match self.smoothing {
            Some(index) => index % SMOOTHING.len(),
            None if values < 20 => 0,
            None if values < 150 => 1,
            None if values < 5000 => 2,
            None => 3,
        }
    }

    pub(crate) fn decay(&self) -> f64 {
        SMOOTHING[self.smoothing_index()]
    }

    /// The axis, as far as the shown run has numbers for it.
    pub(crate) fn usable_axis(&self) -> Axis {
        self.run()
            .map_or(Axis::Step, |run| run.usable_axis(self.axis))
    }

    /// First and last place of the axis with data, over all overlaid runs.
    pub(crate) fn extent(&self) -> Option<(f64, f64)> {
        let axis = self.usable_axis();
        let overlaid = self.overlaid();
        let runs = overlaid
            .iter()
            .filter_map(|key| self.runs[*key].store.as_deref());
        let tables = runs.flat_map(|run| match run.steps.last_step() {
            Some(_) => vec![&run.steps, &run.evals],
            // A fine-tuning by itself: the training that is shown.
            None => self
                .track_of(run)
                .map_or_else(Vec::new, |track| vec![&track.steps]),
        });
        let extents = tables.filter_map(|table| table.extent(axis));
        extents.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// The fine-tuning of a run that is shown.
    pub(crate) fn track_of<'r>(&self, run: &'r RunStore) -> Option<&'r NerTrack> {
        run.ner.tracks.get(self.track.unwrap_or(run.ner.active))
    }

    /// The part of the axis that is shown.
    pub(crate) fn window(&self) -> Option<(f64, f64)> {
        let (low, high) = self.extent()?;
        Some(widened(match self.window {
            Window::All => (low, high),
            Window::Follow(span) => ((high - span).max(low), high),
            Window::Fixed(from, to) => (from, to),
        }))
    }

    /// The filter of what this screen shows.
    pub(crate) fn filter(&self) -> &str {
        match self.screen {
            Screen::Runs => &self.filters.runs,
            Screen::Logs => &self.filters.logs,
            _ => &self.filters.panes,
        }
    }

    pub(crate) fn filter_mut(&mut self) -> &mut String {
        match self.screen {
            Screen::Runs => &mut self.filters.runs,
            Screen::Logs => &mut self.filters.logs,
            _ => &mut self.filters.panes,
        }
    }

    /// The runs that the filter lets through, in the order they are listed in.
    pub(crate) fn listed(&self) -> Vec<RunKey> {
        run_table::listed(self)
    }

    /// The moment the cursor stands at, seconds since the shown run began.
    pub(crate) fn cursor_time(&self) -> Option<f64> {
        self.cursor_row().map(|row| row.time)
    }

    /// The measurement of the shown run that the cursor stands at.
    pub(crate) fn cursor_row(&self) -> Option<Row> {
        let run = self.run()?;
        let steps = match run.steps.last_step() {
            Some(_) => &run.steps,
            None => &self.track_of(run)?.steps,
        };
        let row = steps.at(self.usable_axis(), self.cursor?)?;
        steps.rows().get(row).copied()
    }

    /// Where runs are looked for, in words; nothing where they were given by name.
    pub(crate) fn place(&self) -> String {
        match self.root.as_str() {
            "" => String::new(),
            root => format!(" in {}", self.theme.foreign(root)),
        }
    }

    /// A message for a few seconds.
    pub(crate) fn notify(&mut self, text: impl Into<String>) {
        self.notice = Some((crate::format::printable(&text.into()), self.now + 6.0));
    }
}
