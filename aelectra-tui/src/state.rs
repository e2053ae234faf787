//! Everything the dashboard knows and shows. [`update`](crate::update::update) changes it,
//! [`view::draw`](crate::view::draw) shows it.

use std::path::PathBuf;

use aelectra_data::run::ControlRequest;

use crate::action::RunKey;
use crate::store::{Axis, RunStore, Status, status};
use crate::summary::RunSummary;
use crate::theme::{Theme, ThemeName};

/// Runs overlaid at most: as many as there are line styles.
pub const OVERLAID: usize = 6;

/// The EMA's decays that `s` cycles through.
pub const SMOOTHING: [f64; 5] = [0.0, 0.6, 0.9, 0.97, 0.99];

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
    #[must_use]
    pub const fn tab(self) -> (&'static str, &'static str) {
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
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Window {
    /// Everything.
    All,
    /// The newest of this length.
    Follow(f64),
    /// From, to.
    Fixed(f64, f64),
}

/// A question or input in front of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialog {
    /// Really send this?
    Confirm(ControlRequest),
    /// Live view: detach, stop or cancel?
    Leave,
    /// A filter is being typed; the text before it began.
    Filter(String),
}

/// A run in the list.
#[derive(Clone, Debug)]
pub struct RunRow {
    /// Its directory.
    pub path: PathBuf,
    /// Its id.
    pub id: String,
    /// What a glance at its file told.
    pub summary: Option<RunSummary>,
    /// Everything, if it is shown.
    pub store: Option<Box<RunStore>>,
    /// The share of its file read so far.
    pub loaded: f64,
    /// Whether its process exists, where known.
    pub alive: Option<bool>,
    /// Marked for comparison.
    pub marked: bool,
}

/// The state.
#[derive(Clone, Debug)]
pub struct State {
    /// The screen shown.
    pub screen: Screen,
    /// The screen before help.
    pub back: Screen,
    /// All runs ever listed; the index is the [`RunKey`].
    pub runs: Vec<RunRow>,
    /// The order they are listed in, most recently written first.
    pub order: Vec<RunKey>,
    /// The run shown.
    pub current: Option<RunKey>,
    /// Where runs are looked for, for the waiting screen.
    pub root: String,
    /// Unix time.
    pub now: f64,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// Styles.
    pub theme: Theme,
    /// No control requests.
    pub read_only: bool,
    /// The dashboard runs inside the training process.
    pub live: bool,
    /// The user chose to stop and leave when the run has ended.
    pub leaving: bool,
    /// A replay: requests make no sense.
    pub replay: bool,
    /// The horizontal axis.
    pub axis: Axis,
    /// Its part that is shown.
    pub window: Window,
    /// Logarithmic values.
    pub log_scale: bool,
    /// Index into [`SMOOTHING`]; `None` goes by how many values there are.
    pub smoothing: Option<usize>,
    /// The cursor's place on the axis.
    pub cursor: Option<f64>,
    /// The pane with the focus.
    pub focus: usize,
    /// Only that pane is shown.
    pub expanded: bool,
    /// The picture is held still.
    pub frozen: bool,
    /// A question in front.
    pub dialog: Option<Dialog>,
    /// Filter of panes, runs and log lines.
    pub filter: String,
    /// Log lines scrolled back from the newest.
    pub log_back: usize,
    /// Samples paged back from the newest.
    pub sample_back: usize,
    /// Lines scrolled down on the tokens, NER and help screens.
    pub scroll: usize,
    /// The NER track shown; `None` follows the active one.
    pub track: Option<usize>,
    /// The row of the run list under the cursor.
    pub run_row: usize,
    /// Show configuration differences instead of the run list.
    pub difference: bool,
    /// A message of the dashboard itself, and until when.
    pub notice: Option<(String, f64)>,
}

impl State {
    /// A dashboard without runs.
    #[must_use]
    pub fn new(theme: ThemeName, ascii: bool) -> Self {
        Self {
            screen: Screen::Overview,
            back: Screen::Overview,
            runs: Vec::new(),
            order: Vec::new(),
            current: None,
            root: String::new(),
            now: 0.0,
            size: (80, 24),
            theme: Theme::new(theme, ascii),
            read_only: false,
            live: false,
            leaving: false,
            replay: false,
            axis: Axis::Step,
            window: Window::All,
            log_scale: false,
            smoothing: None,
            cursor: None,
            focus: 0,
            expanded: false,
            frozen: false,
            dialog: None,
            filter: String::new(),
            log_back: 0,
            sample_back: 0,
            scroll: 0,
            track: None,
            run_row: 0,
            difference: false,
            notice: None,
        }
    }

    /// The run shown.
    #[must_use]
    pub fn run(&self) -> Option<&RunStore> {
        self.runs.get(self.current?)?.store.as_deref()
    }

    /// The row of the run shown.
    #[must_use]
    pub fn row(&self) -> Option<&RunRow> {
        self.runs.get(self.current?)
    }

    /// The runs drawn in charts: the shown one, then the marked ones.
    #[must_use]
    pub fn overlaid(&self) -> Vec<RunKey> {
        let marked = (0..self.runs.len()).filter(|key| {
            Some(*key) != self.current && self.runs[*key].marked && self.runs[*key].store.is_some()
        });
        self.current
            .into_iter()
            .chain(marked)
            .take(OVERLAID)
            .collect()
    }

    /// What the shown run is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.row() {
            Some(row) => row.store.as_ref().map_or(Status::Waiting, |run| {
                // While history loads, silence is ours.
                let now = if row.loaded < 1.0 {
                    run.last_time.unwrap_or(0.0)
                } else {
                    self.now
                };
                status(run, now, row.alive)
            }),
            None => Status::Waiting,
        }
    }

    /// Index of the EMA's decay. An average over ten values of sixty would only lag behind.
    #[must_use]
    pub fn smoothing_index(&self) -> usize {
        let values = self.run().map_or(0, RunStore::curve_points);
        match self.smoothing {
            Some(index) => index % SMOOTHING.len(),
            None if values < 20 => 0,
            None if values < 150 => 1,
            None if values < 5000 => 2,
            None => 3,
        }
    }

    /// The EMA's decay.
    #[must_use]
    pub fn decay(&self) -> f64 {
        SMOOTHING[self.smoothing_index()]
    }

    /// The axis, as far as the shown run has numbers for it.
    #[must_use]
    pub fn usable_axis(&self) -> Axis {
        self.run()
            .map_or(Axis::Step, |run| run.usable_axis(self.axis))
    }

    /// First and last place of the axis with data, over all overlaid runs.
    #[must_use]
    pub fn extent(&self) -> Option<(f64, f64)> {
        let axis = self.usable_axis();
        let mut extent: Option<(f64, f64)> = None;
        for key in self.overlaid() {
            let Some(run) = self.runs[key].store.as_deref() else {
                continue;
            };
            for table in [&run.steps, &run.evals] {
                if let Some((low, high)) = table.extent(axis) {
                    let known = extent.unwrap_or((low, high));
                    extent = Some((known.0.min(low), known.1.max(high)));
                }
            }
        }
        extent
    }

    /// The part of the axis that is shown.
    #[must_use]
    pub fn window(&self) -> Option<(f64, f64)> {
        let (low, high) = self.extent()?;
        let (from, to) = match self.window {
            Window::All => (low, high),
            Window::Follow(span) => ((high - span).max(low), high),
            Window::Fixed(from, to) => (from, to),
        };
        Some(if to > from {
            (from, to)
        } else {
            (from - 0.5, from + 0.5)
        })
    }

    /// The runs that the filter lets through, in listed order.
    #[must_use]
    pub fn listed(&self) -> Vec<RunKey> {
        let wanted = self.filter.to_lowercase();
        let matches = |key: &RunKey| self.runs[*key].id.to_lowercase().contains(&wanted);
        self.order.iter().copied().filter(matches).collect()
    }

    /// A message for a few seconds.
    pub fn notify(&mut self, text: impl Into<String>) {
        self.notice = Some((crate::format::printable(&text.into()), self.now + 6.0));
    }
}
