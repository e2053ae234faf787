//! What the caller chooses.

use std::path::PathBuf;

use crate::state::Screen;
use crate::theme::ThemeName;

/// Which runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// These run directories (or event files); the first is shown, all are overlaid.
    Runs(Vec<PathBuf>),
    /// The runs below a directory; the latest is shown. The directory may still be empty.
    Root(PathBuf),
}

/// What comes of showing them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// An interactive dashboard on a terminal; off one, plain lines on stdout until the run ends.
    #[default]
    Watch,
    /// One text snapshot on stdout.
    Once,
    /// The curves of the shown runs in this SVG file.
    Svg(PathBuf),
    /// The run's events on stdout as JSON Lines, until it ends.
    Json,
}

/// How to show them.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// No control requests.
    pub read_only: bool,
    /// Play a run back, so many times faster than it was.
    pub replay: Option<f64>,
    /// Only ASCII; `None` decides by the locale.
    pub ascii: Option<bool>,
    /// Colours; `None` is dark, or mono under `NO_COLOR`.
    pub theme: Option<ThemeName>,
    /// Leave the mouse to the terminal.
    pub no_mouse: bool,
    /// Columns and rows of a snapshot; `None` is the terminal's, or 120 × 40, without a row for the prompt.
    pub size: Option<(u16, u16)>,
    /// Unix time at which a snapshot is taken; `None` is now.
    pub now: Option<f64>,
    /// The first screen.
    pub screen: Screen,
}

/// How the user left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The dashboard was closed, or showed all there was to show.
    Quit,
    /// Live view: training goes on without a dashboard.
    Detached,
    /// Live view: training was asked to stop with a checkpoint.
    Stopped,
    /// Ctrl-C.
    Interrupted,
    /// A signal of this number, or a [`Live`](crate::Live) view that was dropped.
    Signalled(i32),
    /// The terminal vanished: its window was closed, its connection broke, its multiplexer ended.
    Gone,
}

impl Exit {
    /// The exit code of a program that only shows: 128 and the signal's number, as a shell reports
    /// it; a vanished terminal counts as the SIGHUP (1) that goes with it.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Quit | Self::Detached | Self::Stopped => 0,
            Self::Interrupted => 130,
            Self::Signalled(signal) => 128_u8.wrapping_add(signal as u8),
            Self::Gone => 129,
        }
    }
}

impl Options {
    pub(crate) fn is_ascii(&self) -> bool {
        let variable = |name: &str| std::env::var(name).ok();
        self.ascii.unwrap_or_else(|| !draws_braille(variable))
    }

    /// Whether neither a flag nor `NO_COLOR` chose the theme.
    pub(crate) fn theme_may_be_saved(&self) -> bool {
        self.theme.is_none() && self.theme_name() != ThemeName::Mono
    }

    pub(crate) fn theme_name(&self) -> ThemeName {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match self.theme {
            // Colour was declined for all programs; the choice between colours is then void.
            _ if no_color => ThemeName::Mono,
            Some(theme) => theme,
            None if is_light(std::env::var("COLORFGBG").ok().as_deref()) => ThemeName::Light,
            None => ThemeName::Dark,
        }
    }
}

/// Whether a terminal says that its background is light: `foreground;background` of the 16 colours, as rxvt, Konsole and
/// others set it.
fn is_light(colours: Option<&str>) -> bool {
    let background = colours.and_then(|colours| colours.rsplit(';').next());
    matches!(background, Some("7" | "15"))
}

/// Whether curves of dots can be drawn: the fonts of Linux' own console have no braille.
fn draws_braille(get: impl Fn(&str) -> Option<String>) -> bool {
    get("TERM").as_deref() != Some("linux") && locale_is_utf8(get)
}

/// Whether the locale's encoding is UTF-8: the first of these that is set decides (POSIX).
fn locale_is_utf8(get: impl Fn(&str) -> Option<String>) -> bool {
    ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| get(name).filter(|value| !value.is_empty()))
        .is_some_and(|value| {
            let value = value.to_ascii_lowercase();
            value.contains("utf-8") || value.contains("utf8")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_locale_variable_decides() {
        let with = |set: &'static [(&str, &str)]| {
            locale_is_utf8(move |name| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(with(&[("LANG", "da_DK.UTF-8")]));
        assert!(with(&[
            ("LC_ALL", ""),
            ("LC_CTYPE", "C.utf8"),
            ("LANG", "C")
        ]));
        assert!(!with(&[("LC_ALL", "C"), ("LANG", "da_DK.UTF-8")]));
        assert!(!with(&[]));
    }
}
