//! Which key does what: one table that both dispatches and prints the help.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::state::Screen;

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Leave the dashboard.
    Quit,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-Z.
    Suspend,
    /// Draw anew.
    Repaint,
    /// Show a screen.
    Show(Screen),
    /// Back to where it was.
    Back,
    /// The next pane or track.
    Next,
    /// The previous one.
    Previous,
    /// Left: earlier.
    Left,
    /// Right: later.
    Right,
    /// Up.
    Up,
    /// Down.
    Down,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// To the beginning.
    First,
    /// To the end, and stay there.
    Follow,
    /// Show less of the axis.
    ZoomIn,
    /// Show more of the axis.
    ZoomOut,
    /// Show the whole axis.
    ZoomReset,
    /// Cycle the smoothing.
    Smoothing,
    /// Logarithmic values.
    LogScale,
    /// Cycle the horizontal axis.
    Axis,
    /// Value under the cursor.
    Cursor,
    /// One pane over the whole screen.
    Expand,
    /// Hold the picture still.
    Freeze,
    /// Type a filter.
    Filter,
    /// Mark a run for comparison.
    Mark,
    /// Make the run under the cursor the shown one.
    Open,
    /// Differences of configuration.
    Difference,
    /// The next theme.
    Theme,
    /// Stop with a checkpoint.
    Stop,
    /// Checkpoint now.
    Checkpoint,
    /// Pause or resume.
    Pause,
    /// Evaluate now.
    Evaluate,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// The keys.
    pub keys: &'static [Key],
    /// What they mean.
    pub command: Command,
    /// The help; empty where the row before speaks for this one too.
    pub help: &'static str,
    /// The heading it stands under.
    pub group: &'static str,
}

/// A key, with Control or without; Shift is part of the character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A key by its code.
    Plain(KeyCode),
    /// Control and a letter.
    Ctrl(char),
}

impl Key {
    /// As the help writes it.
    #[must_use]
    pub fn label(self) -> String {
        match self {
            Self::Ctrl(letter) => format!("Ctrl-{}", letter.to_ascii_uppercase()),
            Self::Plain(code) => match code {
                KeyCode::Char(' ') => "Space".into(),
                KeyCode::Char(letter) => letter.into(),
                KeyCode::BackTab => "Shift-Tab".into(),
                KeyCode::F(number) => format!("F{number}"),
                KeyCode::PageUp => "PgUp".into(),
                KeyCode::PageDown => "PgDn".into(),
                other => format!("{other:?}"),
            },
        }
    }

    fn matches(self, event: &KeyEvent) -> bool {
        let control = event.modifiers.contains(KeyModifiers::CONTROL);
        match self {
            Self::Ctrl(letter) => {
                control && matches!(event.code, KeyCode::Char(c) if c.eq_ignore_ascii_case(&letter))
            }
            Self::Plain(code) => {
                !control && !event.modifiers.contains(KeyModifiers::ALT) && event.code == code
            }
        }
    }
}

const fn char(letter: char) -> Key {
    Key::Plain(KeyCode::Char(letter))
}

const fn row(
    keys: &'static [Key],
    command: Command,
    group: &'static str,
    help: &'static str,
) -> Binding {
    Binding {
        keys,
        command,
        help,
        group,
    }
}

/// The headings of the help, in order.
pub const GROUPS: [&str; 4] = [
    "Screens",
    "Charts",
    "Lists and samples",
    "The run (confirmed)",
];

/// The table.
pub const BINDINGS: &[Binding] = &[
    row(
        &[char('1')],
        Command::Show(Screen::Overview),
        GROUPS[0],
        "Overview: losses, rates",
    ),
    row(
        &[char('2')],
        Command::Show(Screen::Ner),
        GROUPS[0],
        "NER: F1 and classes",
    ),
    row(
        &[char('3')],
        Command::Show(Screen::Tokens),
        GROUPS[0],
        "Tokens: a sample, judged",
    ),
    row(
        &[char('4'), char('r')],
        Command::Show(Screen::Runs),
        GROUPS[0],
        "Runs: choose, compare",
    ),
    row(
        &[char('5')],
        Command::Show(Screen::System),
        GROUPS[0],
        "System: CPU, memory, GPU",
    ),
    row(&[char('6')], Command::Show(Screen::Logs), GROUPS[0], "Logs"),
    row(
        &[char('?'), Key::Plain(KeyCode::F(1))],
        Command::Show(Screen::Help),
        GROUPS[0],
        "This help",
    ),
    row(&[char('t')], Command::Theme, GROUPS[0], "Next theme"),
    row(&[char('f')], Command::Freeze, GROUPS[0], "Freeze, or go on"),
    row(&[Key::Ctrl('l')], Command::Repaint, GROUPS[0], "Draw anew"),
    row(
        &[Key::Ctrl('z')],
        Command::Suspend,
        GROUPS[0],
        "Suspend; fg comes back",
    ),
    row(
        &[Key::Plain(KeyCode::Esc)],
        Command::Back,
        GROUPS[0],
        "Back, cancel",
    ),
    row(&[char('q')], Command::Quit, GROUPS[0], "Quit the dashboard"),
    row(
        &[Key::Ctrl('c')],
        Command::Interrupt,
        GROUPS[0],
        "Quit at once",
    ),
    row(
        &[Key::Plain(KeyCode::Tab)],
        Command::Next,
        GROUPS[1],
        "Next, previous pane",
    ),
    row(
        &[Key::Plain(KeyCode::BackTab)],
        Command::Previous,
        GROUPS[1],
        "",
    ),
    row(
        &[char('e')],
        Command::Expand,
        GROUPS[1],
        "Expand, shrink the pane",
    ),
    row(
        &[char('+'), char('=')],
        Command::ZoomIn,
        GROUPS[1],
        "Zoom in, out",
    ),
    row(&[char('-')], Command::ZoomOut, GROUPS[1], ""),
    row(&[char('0')], Command::ZoomReset, GROUPS[1], "Whole run"),
    row(
        &[Key::Plain(KeyCode::Left), char('h')],
        Command::Left,
        GROUPS[1],
        "Pan, cursor, samples",
    ),
    row(
        &[Key::Plain(KeyCode::Right), char('l')],
        Command::Right,
        GROUPS[1],
        "",
    ),
    row(
        &[Key::Plain(KeyCode::End), char('G')],
        Command::Follow,
        GROUPS[1],
        "Follow the newest",
    ),
    row(
        &[char('v')],
        Command::Cursor,
        GROUPS[1],
        "Values under a cursor",
    ),
    row(
        &[char('x')],
        Command::Axis,
        GROUPS[1],
        "Axis: step, token, time",
    ),
    row(
        &[char('y')],
        Command::LogScale,
        GROUPS[1],
        "Logarithmic values",
    ),
    row(
        &[char('s')],
        Command::Smoothing,
        GROUPS[1],
        "EMA: 0 .6 .9 .97 .99",
    ),
    row(
        &[Key::Plain(KeyCode::Up), char('k')],
        Command::Up,
        GROUPS[2],
        "Up, down",
    ),
    row(
        &[Key::Plain(KeyCode::Down), char('j')],
        Command::Down,
        GROUPS[2],
        "",
    ),
    row(
        &[Key::Plain(KeyCode::PageUp)],
        Command::PageUp,
        GROUPS[2],
        "A page up, down",
    ),
    row(
        &[Key::Plain(KeyCode::PageDown)],
        Command::PageDown,
        GROUPS[2],
        "",
    ),
    row(
        &[Key::Plain(KeyCode::Home), char('g')],
        Command::First,
        GROUPS[2],
        "To the beginning",
    ),
    row(
        &[char('/')],
        Command::Filter,
        GROUPS[2],
        "Filter panes, runs, logs",
    ),
    row(
        &[char(' ')],
        Command::Mark,
        GROUPS[2],
        "Runs: mark to compare",
    ),
    row(
        &[Key::Plain(KeyCode::Enter)],
        Command::Open,
        GROUPS[2],
        "Runs: show this run",
    ),
    row(
        &[char('d')],
        Command::Difference,
        GROUPS[2],
        "Runs: config differences",
    ),
    row(
        &[char('S')],
        Command::Stop,
        GROUPS[3],
        "Checkpoint, then stop",
    ),
    row(
        &[char('C')],
        Command::Checkpoint,
        GROUPS[3],
        "Checkpoint now",
    ),
    row(&[char('P')], Command::Pause, GROUPS[3], "Pause, or resume"),
    row(&[char('E')], Command::Evaluate, GROUPS[3], "Evaluate now"),
];

/// The command of a key.
#[must_use]
pub fn lookup(event: &KeyEvent) -> Option<Command> {
    BINDINGS
        .iter()
        .find(|binding| binding.keys.iter().any(|key| key.matches(event)))
        .map(|binding| binding.command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_has_two_meanings() {
        let keys: Vec<Key> = BINDINGS
            .iter()
            .flat_map(|binding| binding.keys)
            .copied()
            .collect();
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[index + 1..].contains(key), "{}", key.label());
        }
    }

    #[test]
    fn every_group_is_a_heading_and_controls_are_upper_case() {
        for binding in BINDINGS {
            assert!(GROUPS.contains(&binding.group));
            if binding.group == GROUPS[3] {
                assert!(binding.keys.iter().all(|key| {
                    matches!(key, Key::Plain(KeyCode::Char(c)) if c.is_ascii_uppercase())
                }));
            }
        }
    }

    #[test]
    fn control_and_plain_letters_differ() {
        let plain = KeyEvent::new(KeyCode::Char('l'), KeyModifiers::NONE);
        let control = KeyEvent::new(KeyCode::Char('l'), KeyModifiers::CONTROL);
        assert_eq!(lookup(&plain), Some(Command::Right));
        assert_eq!(lookup(&control), Some(Command::Repaint));
        let alt = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::ALT);
        assert_eq!(lookup(&alt), None);
        let shifted = KeyEvent::new(KeyCode::Char('S'), KeyModifiers::SHIFT);
        assert_eq!(lookup(&shifted), Some(Command::Stop));
    }
}
