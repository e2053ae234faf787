//! Which key does what: one table that both dispatches and prints the help.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::state::Screen;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Quit,
    Interrupt,
    Suspend,
    Repaint,
    Show(Screen),
    Back,
    Next,
    Previous,
    /// Left: earlier.
    Left,
    /// Right: later.
    Right,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    /// To the end, and stay there.
    Follow,
    ZoomIn,
    ZoomOut,
    ZoomReset,
    Smoothing,
    LogScale,
    Axis,
    /// Value under the cursor.
    Cursor,
    /// One pane over the whole screen.
    Expand,
    Freeze,
    Filter,
    Mark,
    /// Make the run under the cursor the shown one.
    Open,
    Difference,
    /// The run list by the next column.
    Sort,
    /// The run list the other way round.
    Reverse,
    /// Keep how things are shown.
    SaveView,
    Theme,
    /// Stop with a checkpoint.
    Stop,
    Checkpoint,
    Pause,
    Evaluate,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding {
    pub(crate) keys: &'static [Key],
    pub(crate) command: Command,
    /// The help; empty where the row before speaks for this one too.
    pub(crate) help: &'static str,
    pub(crate) group: &'static str,
}

/// A key, with Control or without; Shift is part of the character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Plain(KeyCode),
    /// Control and a letter.
    Ctrl(char),
}

impl Key {
    pub(crate) fn label(self) -> String {
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

macro_rules! bindings {
    ($($group:literal { $([$($key:expr),+] $command:ident $(($screen:ident))? $help:literal;)+ })+) => {
        pub(crate) const BINDINGS: &[Binding] = &[$($(Binding {
            keys: &[$($key),+],
            command: Command::$command $((Screen::$screen))?,
            help: $help,
            group: $group,
        },)+)+];
    };
}

bindings! {
    "Screens" {
        [char('1')] Show(Overview) "Overview: losses, rates";
        [char('2')] Show(Ner) "NER: F1 and classes";
        [char('3')] Show(Tokens) "Tokens: a sample, judged";
        [char('4'), char('r')] Show(Runs) "Runs: choose, compare";
        [char('5')] Show(System) "System: CPU, memory";
        [char('6')] Show(Logs) "Logs";
        [char('?'), Key::Plain(KeyCode::F(1))] Show(Help) "This help";
        [char('t')] Theme "Next theme";
        [char('w')] SaveView "Keep this view";
        [char('f')] Freeze "Freeze, or go on";
        [Key::Ctrl('l')] Repaint "Draw anew";
        [Key::Ctrl('z')] Suspend "Suspend; fg comes back";
        [Key::Plain(KeyCode::Esc)] Back "Back, cancel";
        [char('q')] Quit "Quit the dashboard";
        [Key::Ctrl('c')] Interrupt "Quit at once";
    }
    "Charts" {
        [Key::Plain(KeyCode::Tab)] Next "Next, previous pane";
        [Key::Plain(KeyCode::BackTab)] Previous "";
        [char('e')] Expand "Expand, shrink the pane";
        [char('+'), char('=')] ZoomIn "Zoom in, out";
        [char('-')] ZoomOut "";
        [char('0')] ZoomReset "Whole run";
        [Key::Plain(KeyCode::Left), char('h')] Left "Pan, cursor, samples";
        [Key::Plain(KeyCode::Right), char('l')] Right "";
        [Key::Plain(KeyCode::End), char('G')] Follow "Follow the newest";
        [char('v')] Cursor "Values under a cursor";
        [char('x')] Axis "Axis: step, token, time";
        [char('y')] LogScale "Logarithmic values";
        [char('s')] Smoothing "EMA: 0 .6 .9 .97 .99";
    }
    "Lists and samples" {
        [Key::Plain(KeyCode::Up), char('k')] Up "Up, down";
        [Key::Plain(KeyCode::Down), char('j')] Down "";
        [Key::Plain(KeyCode::PageUp)] PageUp "A page up, down";
        [Key::Plain(KeyCode::PageDown)] PageDown "";
        [Key::Plain(KeyCode::Home), char('g')] First "To the beginning";
        [char('/')] Filter "Filter panes, runs, logs";
        [char(' ')] Mark "Runs: mark to compare";
        [Key::Plain(KeyCode::Enter)] Open "Runs: show this run";
        [char('d')] Difference "Runs: config differences";
        [char('o')] Sort "Runs: sort, other way";
        [char('u')] Reverse "";
    }
    "The run (confirmed)" {
        [char('S')] Stop "Checkpoint, then stop";
        [char('C')] Checkpoint "Checkpoint now";
        [char('P')] Pause "Pause, or resume";
        [char('E')] Evaluate "Evaluate now";
    }
}

pub(crate) fn lookup(event: &KeyEvent) -> Option<Command> {
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
    fn controls_are_upper_case() {
        let upper =
            |key: &Key| matches!(key, Key::Plain(KeyCode::Char(c)) if c.is_ascii_uppercase());
        let mut controls = BINDINGS
            .iter()
            .filter(|binding| binding.group.starts_with("The run"));
        assert!(controls.clone().count() == 4 && controls.all(|b| b.keys.iter().all(upper)));
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
