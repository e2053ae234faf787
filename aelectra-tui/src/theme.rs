//! Colours and characters.
//!
//! Nothing is told by colour alone: lines also differ in their pattern and end in a letter, and
//! states are words.

use std::str::FromStr;

use ratatui::style::{Color, Modifier, Style};

use crate::format;

/// The themes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ThemeName {
    /// For dark backgrounds.
    #[default]
    Dark,
    /// For light backgrounds.
    Light,
    /// Colours that people with any colour vision tell apart.
    ColorBlind,
    /// No colours.
    Mono,
}

impl ThemeName {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Dark, Self::Light, Self::ColorBlind, Self::Mono];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
            Self::ColorBlind => "colour-blind",
            Self::Mono => "mono",
        }
    }

    /// The one after it, around.
    #[must_use]
    pub fn next(self) -> Self {
        let place = Self::ALL.iter().position(|theme| *theme == self);
        Self::ALL[place.map_or(0, |place| (place + 1) % Self::ALL.len())]
    }
}

impl FromStr for ThemeName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "dark" => Ok(Self::Dark),
            "light" => Ok(Self::Light),
            "colour-blind" | "color-blind" | "colorblind" | "cb" => Ok(Self::ColorBlind),
            "mono" | "none" => Ok(Self::Mono),
            _ => Err(format!(
                "`{name}` is not a theme; one of dark, light, colour-blind, mono"
            )),
        }
    }
}

/// Styles by purpose, and whether only ASCII may be drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    pub(crate) name: ThemeName,
    pub(crate) ascii: bool,
    pub(crate) text: Style,
    /// Labels, axes, what is less important.
    pub(crate) dim: Style,
    /// Headings and what has the focus.
    pub(crate) strong: Style,
    /// The chosen row or tab.
    pub(crate) selected: Style,
    /// All is well.
    pub(crate) good: Style,
    /// Look here.
    pub(crate) warn: Style,
    /// Something failed, or is not a number.
    pub(crate) bad: Style,
    /// Lines of charts; runs when several are overlaid.
    pub(crate) lines: [Style; 6],
}

/// Okabe & Ito (2008), "Color Universal Design": told apart with any colour vision. Each is the nearest of the 256 indexed colours,
/// so that they are right on terminals without 24-bit colour too.
const OKABE_ITO: [Color; 6] = [
    Color::Indexed(74),
    Color::Indexed(214),
    Color::Indexed(36),
    Color::Indexed(175),
    Color::Indexed(227),
    Color::Indexed(166),
];

impl Default for Theme {
    fn default() -> Self {
        Self::new(ThemeName::Dark, false)
    }
}

impl Theme {
    pub(crate) fn new(name: ThemeName, ascii: bool) -> Self {
        let plain = Style::new();
        let fg = |color| Style::new().fg(color);
        let bold = plain.add_modifier(Modifier::BOLD);
        let selected = plain.add_modifier(Modifier::REVERSED);
        let base = Self {
            name,
            ascii,
            text: plain,
            dim: plain.add_modifier(Modifier::DIM),
            strong: bold,
            selected,
            good: plain,
            warn: bold,
            bad: bold.add_modifier(Modifier::REVERSED),
            lines: [plain; 6],
        };
        let colored = |dim, [good, warn, bad]: [Color; 3], lines: [Color; 6]| Self {
            dim: fg(Color::Indexed(dim)),
            good: fg(good),
            warn: fg(warn).add_modifier(Modifier::BOLD),
            bad: fg(bad).add_modifier(Modifier::BOLD),
            lines: lines.map(fg),
            ..base
        };
        match name {
            ThemeName::Mono => base,
            ThemeName::Dark => {
                let lines = [117, 215, 150, 176, 229, 203].map(Color::Indexed);
                colored(245, [114, 221, 203].map(Color::Indexed), lines)
            }
            ThemeName::Light => {
                let lines = [25, 130, 28, 90, 94, 124].map(Color::Indexed);
                colored(242, [28, 130, 124].map(Color::Indexed), lines)
            }
            ThemeName::ColorBlind => colored(245, [0, 4, 5].map(|i| OKABE_ITO[i]), OKABE_ITO),
        }
    }

    /// The style of a line or run by number.
    pub(crate) fn line(&self, index: usize) -> Style {
        self.lines[index % self.lines.len()]
    }

    /// `text`, or `plain` where only ASCII may be drawn.
    pub(crate) const fn pick<'a>(&self, text: &'a str, plain: &'a str) -> &'a str {
        if self.ascii { plain } else { text }
    }

    /// What stands between the parts of a line.
    pub(crate) const fn separator(&self) -> &'static str {
        self.pick(" · ", " | ")
    }

    /// Text that is not ours, without control characters and in letters the terminal has.
    pub(crate) fn foreign(&self, text: &str) -> String {
        let text = format::printable(text);
        if self.ascii {
            format::ascii(&text)
        } else {
            text
        }
    }

    /// [`Theme::foreign`], cut to so many columns.
    pub(crate) fn fit(&self, text: &str, columns: usize) -> String {
        format::fit(&self.foreign(text), columns, self.pick("…", "~"))
    }

    /// [`Theme::fit`], then spaces up to so many columns.
    pub(crate) fn pad(&self, text: &str, columns: usize) -> String {
        let fitted = self.fit(text, columns);
        let missing = columns.saturating_sub(format::width(&fitted));
        fitted + &" ".repeat(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mono_has_no_colour_at_all() {
        let theme = Theme::new(ThemeName::Mono, false);
        let mut styles = vec![
            theme.text,
            theme.dim,
            theme.strong,
            theme.selected,
            theme.good,
            theme.warn,
            theme.bad,
        ];
        styles.extend(theme.lines);
        assert!(
            styles
                .iter()
                .all(|style| style.fg.is_none() && style.bg.is_none())
        );
    }

    #[test]
    fn names_come_back() {
        for theme in ThemeName::ALL {
            assert_eq!(theme.name().parse(), Ok(theme));
        }
        assert!("pink".parse::<ThemeName>().is_err());
        assert_eq!(ThemeName::Mono.next(), ThemeName::Dark);
    }
}
