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

/// A bar that follows the stages of an operation.
pub(crate) struct StageBar {
    shown: Mutex<Option<(String, ProgressBar)>>,
    /// Where there is no terminal: the stage, when it began, and when it was told of.
    told: Mutex<Option<(String, Instant, Instant)>>,
    quiet: bool,
}

impl StageBar {
    /// A bar that is drawn at the first report, if standard error is a terminal and somebody wants to
    /// see it.
    pub(crate) const fn new(global: Global) -> Self {
        Self {
            shown: Mutex::new(None),
            told: Mutex::new(None),
            quiet: global.quiet,
        }
    }

    /// Shows a stage of reading or training.
    pub(crate) fn report(&self, progress: Progress) {
        self.show(progress.stage, progress.done, progress.total, progress.unit);
    }

    fn show(&self, stage: &str, done: u64, total: Option<u64>, unit: &'static str) {
        if self.quiet {
            return;
        }
        if !std::io::stderr().is_terminal() {
            self.tell(stage, done, total, unit);
            return;
        }
        let Ok(mut slot) = self.shown.lock() else {
            return;
        };
        if slot.as_ref().is_none_or(|(shown, _)| shown != stage) {
            if let Some((_, bar)) = slot.take() {
                bar.finish_and_clear();
            }
            let bar = match total {
                Some(total) => ProgressBar::new(total).with_style(style(
                    "{msg:10} {wide_bar} {human_pos}/{human_len} {prefix} {eta}",
                )),
                None => ProgressBar::no_length()
                    .with_style(style("{msg:10} {spinner} {human_pos} {prefix} {elapsed}")),
            };
            bar.set_message(stage.to_owned());
            bar.set_prefix(unit);
            *slot = Some((stage.to_owned(), bar));
        }
        if let Some((_, bar)) = slot.as_ref() {
            bar.set_position(done);
        }
    }

    /// A line for a log, once a minute.
    fn tell(&self, stage: &str, done: u64, total: Option<u64>, unit: &str) {
        const PAUSE: Duration = Duration::from_secs(60);
        let Ok(mut slot) = self.told.lock() else {
            return;
        };
        let now = Instant::now();
        let (begun, told) = match &mut *slot {
            Some((shown, begun, told)) if shown == stage => (*begun, told),
            other => {
                *other = Some((stage.to_owned(), now, now));
                return;
            }
        };
        if now.duration_since(*told) < PAUSE {
            return;
        }
        *told = now;
        let how_far = match total.filter(|total| *total > 0) {
            Some(total) => {
                let share = done as f64 / total as f64;
                let left = now.duration_since(begun).as_secs_f64() * (1.0 / share.max(1e-9) - 1.0);
                format!(
                    "{:.1} % of {} {unit}, about {} left",
                    100.0 * share,
                    HumanCount(total),
                    HumanDuration(Duration::from_secs(left as u64))
                )
            }
            None => format!("{} {unit}", HumanCount(done)),
        };
        output::note(&format!(
            "{}: {stage}, {how_far}",
            utc_timestamp(SystemTime::now())
        ));
    }

    /// Takes the bar off the screen.
    pub(crate) fn finish(&self) {
        if let Ok(mut slot) = self.shown.lock()
            && let Some((_, bar)) = slot.take()
        {
            bar.finish_and_clear();
        }
    }
}

impl Drop for StageBar {
    /// An error's message finds the screen free.
    fn drop(&mut self) {
        self.finish();
    }
}

/// Follows downloads, file by file.
pub(crate) struct DownloadBar(Mutex<Option<Download>>);

/// A file on its way.
struct Download {
    file: String,
    /// `None` where nobody watches.
    bar: Option<ProgressBar>,
    told: Instant,
}

impl DownloadBar {
    /// Time between two lines where there is no terminal.
    const PAUSE: Duration = Duration::from_secs(15);

    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Shows how far a file is.
    pub(crate) fn report(&self, progress: FileProgress<'_>) {
        let FileProgress { file, done, total } = progress;
        let Ok(mut slot) = self.0.lock() else { return };
        let download = match slot.take() {
            Some(download) if download.file == file => slot.insert(download),
            other => {
                clear(other);
                slot.insert(Download::of(file, total))
            }
        };
        match &download.bar {
            Some(bar) => bar.set_position(done),
            None if download.told.elapsed() >= Self::PAUSE => {
                download.told = Instant::now();
                let megabytes = |bytes: u64| bytes as f64 / 1e6;
                crate::output::note(&format!(
                    "downloading {file}: {:.0} of {:.0} MB",
                    megabytes(done),
                    megabytes(total)
                ));
            }
            None => {}
        }
        if done >= total {
            clear(slot.take());
        }
    }
}

impl Download {
    fn of(file: &str, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total).with_style(style(
                "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
            ));
            bar.set_message(file.to_owned());
            bar
        });
        Self {
            file: file.to_owned(),
            bar,
            told: Instant::now(),
        }
    }
}

/// Takes a bar off the screen.
fn clear(download: Option<Download>) {
    if let Some(bar) = download.and_then(|download| download.bar) {
        bar.finish_and_clear();
    }
}

impl Drop for DownloadBar {
    /// An error's message finds the screen free.
    fn drop(&mut self) {
        if let Ok(mut slot) = self.0.lock() {
            clear(slot.take());
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
