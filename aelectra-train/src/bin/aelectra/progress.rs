//! Progress of long readings on a terminal; silent anywhere else.

use std::io::IsTerminal;
use std::sync::Mutex;

use aelectra_data::corpus::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// A bar that follows the stages of an operation.
pub(crate) struct StageBar(Mutex<Option<(&'static str, ProgressBar)>>);

impl StageBar {
    /// A bar that is drawn at the first report, if standard error is a terminal.
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// Takes a report.
    pub(crate) fn report(&self, progress: Progress) {
        if !std::io::stderr().is_terminal() {
            return;
        }
        let Ok(mut slot) = self.0.lock() else { return };
        if slot
            .as_ref()
            .is_none_or(|(stage, _)| *stage != progress.stage)
        {
            if let Some((_, bar)) = slot.take() {
                bar.finish_and_clear();
            }
            let bar = match progress.total {
                Some(total) => ProgressBar::new(total).with_style(style(
                    "{msg:10} {wide_bar} {human_pos}/{human_len} {prefix} {eta}",
                )),
                None => ProgressBar::no_length()
                    .with_style(style("{msg:10} {spinner} {human_pos} {prefix} {elapsed}")),
            };
            bar.set_message(progress.stage);
            bar.set_prefix(progress.unit);
            *slot = Some((progress.stage, bar));
        }
        if let Some((_, bar)) = slot.as_ref() {
            bar.set_position(progress.done);
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

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
