//! Progress of long operations on a terminal; silent anywhere else.

use std::io::IsTerminal;
use std::sync::Mutex;

use aelectra_data::corpus::Progress;
use aelectra_data::hub::FileProgress;
use indicatif::{ProgressBar, ProgressStyle};

/// A bar that follows the stages of an operation.
pub(crate) struct StageBar(Mutex<Option<(String, ProgressBar)>>);

impl StageBar {
    /// A bar that is drawn at the first report, if standard error is a terminal.
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Shows a stage of reading or training.
    pub(crate) fn report(&self, progress: Progress) {
        self.show(progress.stage, progress.done, progress.total, progress.unit);
    }

    /// Shows the download of a file.
    pub(crate) fn download(&self, progress: FileProgress<'_>) {
        self.show(progress.file, progress.done, Some(progress.total), "bytes");
    }

    fn show(&self, stage: &str, done: u64, total: Option<u64>, unit: &'static str) {
        if !std::io::stderr().is_terminal() {
            return;
        }
        let Ok(mut slot) = self.0.lock() else { return };
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

    /// Takes the bar off the screen.
    pub(crate) fn finish(&self) {
        if let Ok(mut slot) = self.0.lock()
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

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
