//! Progress of long operations: a bar on a terminal. Elsewhere only long downloads say a line now and
//! then.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use aelectra_data::corpus::Progress;
use aelectra_data::hub::FileProgress;
use aelectra_data::run::utc_timestamp;
use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};

use crate::global::Global;
use crate::output;

/// What is under way, one thing at a time: a bar on a terminal, elsewhere a line now and then.
struct Slot {
    shown: Mutex<Option<Shown>>,
    /// Time between two lines.
    pause: Duration,
}

struct Shown {
    name: String,
    /// `None` where there is no terminal.
    bar: Option<ProgressBar>,
    begun: Instant,
    told: Instant,
}

impl Drop for Shown {
    /// What comes next, also an error's message, finds the screen free.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Slot {
    const fn new(pause: Duration) -> Self {
        Self {
            shown: Mutex::new(None),
            pause,
        }
    }

    /// Shows how far `name` is: on a bar, a new one if it was something else before, or where a line is due by the one
    /// for what has taken so long.
    fn show(
        &self,
        name: &str,
        done: u64,
        bar: impl FnOnce() -> ProgressBar,
        line: impl FnOnce(Duration) -> String,
    ) {
        let Ok(mut slot) = self.shown.lock() else {
            return;
        };
        // Before the next bar is drawn.
        drop(slot.take_if(|shown| shown.name != name));
        let shown = slot.get_or_insert_with(|| Shown {
            name: name.to_owned(),
            bar: std::io::stderr()
                .is_terminal()
                .then(|| bar().with_message(name.to_owned())),
            begun: Instant::now(),
            told: Instant::now(),
        });
        match &shown.bar {
            Some(bar) => bar.set_position(done),
            None if shown.told.elapsed() >= self.pause => {
                shown.told = Instant::now();
                output::note(&line(shown.begun.elapsed()));
            }
            None => {}
        }
    }

    fn clear(&self) {
        if let Ok(mut slot) = self.shown.lock() {
            *slot = None;
        }
    }
}

/// A bar that follows the stages of an operation.
pub(crate) struct StageBar {
    slot: Slot,
    quiet: bool,
}

impl StageBar {
    /// A bar that is drawn at the first report, if standard error is a terminal and somebody wants to
    /// see it.
    pub(crate) const fn new(global: Global) -> Self {
        Self {
            slot: Slot::new(Duration::from_secs(60)),
            quiet: global.quiet,
        }
    }

    /// Shows a stage of reading or training.
    pub(crate) fn report(&self, progress: Progress) {
        if self.quiet {
            return;
        }
        let (done, unit) = (progress.done, progress.unit);
        let bar = || {
            let bar = match progress.total {
                Some(total) => ProgressBar::new(total).with_style(style(
                    "{msg:10} {wide_bar} {human_pos}/{human_len} {prefix} {eta}",
                )),
                None => ProgressBar::no_length()
                    .with_style(style("{msg:10} {spinner} {human_pos} {prefix} {elapsed}")),
            };
            bar.with_prefix(unit)
        };
        let line = |taken: Duration| {
            let how_far = match progress.total.filter(|total| *total > 0) {
                Some(total) => {
                    let share = done as f64 / total as f64;
                    let left = taken.as_secs_f64() * (1.0 / share.max(1e-9) - 1.0);
                    format!(
                        "{:.1} % of {} {unit}, about {} left",
                        100.0 * share,
                        HumanCount(total),
                        HumanDuration(Duration::from_secs(left as u64))
                    )
                }
                None => format!("{} {unit}", HumanCount(done)),
            };
            let now = utc_timestamp(SystemTime::now());
            format!("{now}: {}, {how_far}", progress.stage)
        };
        self.slot.show(progress.stage, done, bar, line);
    }

    /// Takes the bar off the screen.
    pub(crate) fn finish(&self) {
        self.slot.clear();
    }
}

/// Follows downloads, file by file.
pub(crate) struct DownloadBar(Slot);

impl DownloadBar {
    pub(crate) const fn new() -> Self {
        Self(Slot::new(Duration::from_secs(15)))
    }

    /// Shows how far a file is.
    pub(crate) fn report(&self, progress: FileProgress<'_>) {
        let FileProgress { file, done, total } = progress;
        let bar = || {
            ProgressBar::new(total).with_style(style(
                "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            ))
        };
        let line = |_: Duration| {
            let [done, total] = [done, total].map(|bytes| bytes as f64 / 1e6);
            format!("downloading {file}: {done:.0} of {total:.0} MB")
        };
        self.0.show(file, done, bar, line);
        if done >= total {
            self.0.clear();
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
