//! From the bytes a terminal sends to keys and mouse events.
//!
//! Only what the key table can use: characters, Control and Alt with them, arrows and the keys
//! above them, function keys, and the mouse in its SGR form. What is not known is passed over whole,
//! so that its tail is not taken for keys. Sequences as xterm's `ctlseqs` and the Linux console's
//! `console_codes(4)` list them.

use ratatui::crossterm::event::{
    Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

const ESC: u8 = 0x1b;
/// Longer sequences are noise: the longest known, a mouse event, has about 15 bytes.
const LONGEST: usize = 64;

/// What the beginning of the bytes is.
enum Found {
    /// Nothing yet: more bytes are needed.
    Part,
    /// This many bytes, which may mean something.
    Whole(usize, Option<Event>),
}

/// Bytes that have come and are not yet understood.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decoder {
    bytes: Vec<u8>,
}

impl Decoder {
    /// Takes bytes as they come, however they are cut.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether the bytes so far may be the beginning of more.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// The next event that is whole.
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        while !self.bytes.is_empty() {
            match first(&self.bytes) {
                Found::Part if self.bytes.len() > LONGEST => self.bytes.clear(),
                Found::Part => return None,
                Found::Whole(length, event) => {
                    self.bytes.drain(..length.clamp(1, self.bytes.len()));
                    if event.is_some() {
                        return event;
                    }
                }
            }
        }
        None
    }

    /// Nothing more has come for a while: a lone escape is the key, any other beginning is dropped.
    pub(crate) fn give_up(&mut self) -> Option<Event> {
        let alone = self.bytes == [ESC];
        self.bytes.clear();
        alone.then(|| key(KeyCode::Esc, KeyModifiers::NONE))
    }
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Event {
    Event::Key(KeyEvent::new(code, modifiers))
}

fn first(bytes: &[u8]) -> Found {
    match bytes {
        [ESC] => Found::Part,
        [ESC, b'[', ..] => control_sequence(bytes),
        // What a terminal in application mode sends.
        [ESC, b'O'] => Found::Part,
        [ESC, b'O', last, ..] => Found::Whole(3, letter(*last, KeyModifiers::NONE)),
        [ESC, ESC, ..] => Found::Whole(1, Some(key(KeyCode::Esc, KeyModifiers::NONE))),
        [ESC, rest @ ..] => match character(rest) {
            Found::Whole(length, Some(Event::Key(mut pressed))) => {
                pressed.modifiers |= KeyModifiers::ALT;
                Found::Whole(length + 1, Some(Event::Key(pressed)))
            }
            Found::Whole(length, other) => Found::Whole(length + 1, other),
            Found::Part => Found::Part,
        },
        _ => character(bytes),
    }
}

fn character(bytes: &[u8]) -> Found {
    let one = |code, modifiers| Found::Whole(1, Some(key(code, modifiers)));
    match bytes[0] {
        b'\r' | b'\n' => one(KeyCode::Enter, KeyModifiers::NONE),
        b'\t' => one(KeyCode::Tab, KeyModifiers::NONE),
        0x08 | 0x7f => one(KeyCode::Backspace, KeyModifiers::NONE),
        0 => one(KeyCode::Char(' '), KeyModifiers::CONTROL),
        // Control and a letter send the letter's place in the alphabet.
        byte @ 0x01..=0x1a => one(
            KeyCode::Char(char::from(byte - 1 + b'a')),
            KeyModifiers::CONTROL,
        ),
        0x1b..=0x1f => Found::Whole(1, None),
        lead => {
            let length = match lead {
                0xc2..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf4 => 4,
                _ => 1,
            };
            if bytes.len() < length {
                return Found::Part;
            }
            let text = std::str::from_utf8(&bytes[..length]).ok();
            match text.and_then(|text| text.chars().next()) {
                Some(c) if c.is_uppercase() => {
                    Found::Whole(length, Some(key(KeyCode::Char(c), KeyModifiers::SHIFT)))
                }
                Some(c) => Found::Whole(length, Some(key(KeyCode::Char(c), KeyModifiers::NONE))),
                // No UTF-8: one byte is passed over, the next may begin something.
                None => Found::Whole(1, None),
            }
        }
    }
}

/// `ESC [`, parameters (0x30 to 0x3f), intermediates (0x20 to 0x2f), one last byte (ECMA-48, 5.4).
fn control_sequence(bytes: &[u8]) -> Found {
    if let [_, _, b'[', ..] = bytes {
        // The Linux console's F1 to F5: `ESC [ [ A`.
        return match bytes.get(3) {
            Some(last @ b'A'..=b'E') => Found::Whole(4, function(last - b'A' + 1)),
            Some(_) => Found::Whole(4, None),
            None => Found::Part,
        };
    }
    let Some(length) = bytes[2..]
        .iter()
        .position(|byte| !(0x20..=0x3f).contains(byte))
    else {
        return Found::Part;
    };
    let (parameters, last) = (&bytes[2..2 + length], bytes[2 + length]);
    if !(0x40..=0x7e).contains(&last) {
        // Something else began before this was over.
        return Found::Whole(2 + length, None);
    }
    let whole = 3 + length;
    if let [b'<', numbers @ ..] = parameters {
        return Found::Whole(whole, mouse(numbers, last));
    }
    if last == b'M' && parameters.is_empty() {
        // The mouse's old form has three more bytes.
        return match bytes.len() >= whole + 3 {
            true => Found::Whole(whole + 3, None),
            false => Found::Part,
        };
    }
    let numbers = numbers(parameters);
    let modifiers = modifiers(numbers.get(1).copied().unwrap_or(1));
    let event = match last {
        b'~' => numbered(numbers.first().copied().unwrap_or(0), modifiers),
        // Not F3 but where the cursor is: `row;columnR`.
        b'R' if numbers.first().is_some_and(|row| *row > 1) => None,
        last => letter(last, modifiers),
    };
    Found::Whole(whole, event)
}

fn numbers(parameters: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(parameters);
    text.split(';')
        .map(|part| part.parse().unwrap_or(0))
        .collect()
}

/// xterm sends one more than the sum of Shift 1, Alt 2, Control 4; with the mouse four times that sum.
fn modifiers(number: u16) -> KeyModifiers {
    let bits = number.saturating_sub(1);
    let all = [
        KeyModifiers::SHIFT,
        KeyModifiers::ALT,
        KeyModifiers::CONTROL,
    ];
    let held = all
        .into_iter()
        .enumerate()
        .filter(|(place, _)| bits >> place & 1 == 1);
    held.map(|(_, modifier)| modifier).collect()
}

fn function(number: u8) -> Option<Event> {
    Some(key(KeyCode::F(number), KeyModifiers::NONE))
}

fn letter(last: u8, modifiers: KeyModifiers) -> Option<Event> {
    let code = match last {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        b'Z' => KeyCode::BackTab,
        b'P'..=b'S' => KeyCode::F(last - b'P' + 1),
        // The keypad's Enter.
        b'M' => KeyCode::Enter,
        _ => return None,
    };
    Some(key(code, modifiers))
}

fn numbered(number: u16, modifiers: KeyModifiers) -> Option<Event> {
    let code = match number {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        11..=15 => KeyCode::F((number - 10) as u8),
        17..=21 => KeyCode::F((number - 11) as u8),
        23 | 24 => KeyCode::F((number - 12) as u8),
        _ => return None,
    };
    Some(key(code, modifiers))
}

/// `button;column;row`, the last byte `M` for a press and `m` for a release; places count from 1.
fn mouse(parameters: &[u8], last: u8) -> Option<Event> {
    let [button, column, row] = numbers(parameters)[..] else {
        return None;
    };
    let which = match button & 3 {
        1 => MouseButton::Middle,
        2 => MouseButton::Right,
        _ => MouseButton::Left,
    };
    let kind = match (button & 64 != 0, button & 32 != 0, last) {
        (true, _, b'M') if button & 3 == 0 => MouseEventKind::ScrollUp,
        (true, _, b'M') if button & 3 == 1 => MouseEventKind::ScrollDown,
        (true, ..) => return None,
        // No button is held.
        (false, true, _) if button & 3 == 3 => MouseEventKind::Moved,
        (false, true, _) => MouseEventKind::Drag(which),
        (false, false, b'M') => MouseEventKind::Down(which),
        (false, false, b'm') => MouseEventKind::Up(which),
        _ => return None,
    };
    Some(Event::Mouse(MouseEvent {
        kind,
        column: column.saturating_sub(1),
        row: row.saturating_sub(1),
        modifiers: modifiers(((button >> 2) & 7) + 1),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<Event> {
        let mut decoder = Decoder::default();
        decoder.feed(bytes);
        let mut events: Vec<Event> = std::iter::from_fn(|| decoder.next_event()).collect();
        events.extend(decoder.give_up());
        events
    }

    fn codes(bytes: &[u8]) -> Vec<KeyCode> {
        let code = |event| match event {
            Event::Key(key) => key.code,
            other => panic!("{other:?}"),
        };
        all(bytes).into_iter().map(code).collect()
    }

    #[test]
    fn keys_of_the_table_in_the_forms_terminals_send() {
        use KeyCode::{BackTab, Char, Down, End, Enter, Esc, F, Home, Left, PageDown, PageUp, Tab};
        let cases: [(&[u8], KeyCode); 22] = [
            (b"q", Char('q')),
            (b"S", Char('S')),
            ("ø".as_bytes(), Char('ø')),
            ("日".as_bytes(), Char('日')),
            (b"\r", Enter),
            (b"\t", Tab),
            (b"\x1b[Z", BackTab),
            (b"\x1b", Esc),
            (b"\x1b[B", Down),
            (b"\x1bOD", Left),
            (b"\x1b[1;5D", Left),
            (b"\x1b[H", Home),
            (b"\x1bOH", Home),
            (b"\x1b[1~", Home),
            (b"\x1b[7~", Home),
            (b"\x1b[4~", End),
            (b"\x1b[F", End),
            (b"\x1b[5~", PageUp),
            (b"\x1b[6;2~", PageDown),
            (b"\x1bOP", F(1)),
            (b"\x1b[11~", F(1)),
            (b"\x1b[[A", F(1)),
        ];
        for (bytes, wanted) in cases {
            assert_eq!(codes(bytes), [wanted], "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn control_and_alt_are_told_apart_from_plain_letters() {
        let event = |bytes: &[u8]| all(bytes).remove(0);
        let pressed = |c, modifiers| key(KeyCode::Char(c), modifiers);
        assert_eq!(event(b"\x03"), pressed('c', KeyModifiers::CONTROL));
        assert_eq!(event(b"\x1a"), pressed('z', KeyModifiers::CONTROL));
        assert_eq!(event(b"\x1bq"), pressed('q', KeyModifiers::ALT));
        assert_eq!(event(b"P"), pressed('P', KeyModifiers::SHIFT));
    }

    #[test]
    fn a_sequence_may_come_in_pieces() {
        let mut decoder = Decoder::default();
        let mut events = Vec::new();
        for byte in "\x1b[<0;12;7Mé\x1b[6~".bytes() {
            decoder.feed(&[byte]);
            events.extend(std::iter::from_fn(|| decoder.next_event()));
        }
        assert!(!decoder.is_waiting());
        assert_eq!(events.len(), 3, "{events:?}");
        let Event::Mouse(mouse) = events[0] else {
            panic!("{events:?}");
        };
        assert_eq!((mouse.column, mouse.row), (11, 6));
        assert_eq!(mouse.kind, MouseEventKind::Down(MouseButton::Left));
    }

    #[test]
    fn the_wheel_and_its_modifiers() {
        let events = all(b"\x1b[<64;1;1M\x1b[<81;2;3M\x1b[<0;1;1m\x1b[<35;4;4M");
        let kinds: Vec<MouseEventKind> = events
            .iter()
            .filter_map(|event| match event {
                Event::Mouse(mouse) => Some(mouse.kind),
                _ => None,
            })
            .collect();
        assert_eq!(
            kinds,
            [
                MouseEventKind::ScrollUp,
                MouseEventKind::ScrollDown,
                MouseEventKind::Up(MouseButton::Left),
                MouseEventKind::Moved
            ]
        );
    }

    #[test]
    fn what_is_not_known_is_passed_over_whole() {
        // Focus, cursor report, device attributes, pasted text's brackets, the mouse's old form.
        let noise = b"\x1b[I\x1b[12;40R\x1b[?64;1c\x1b[200~\x1b[M !!q";
        assert_eq!(codes(noise), [KeyCode::Char('q')]);
        assert_eq!(codes(b"\xff\xfeq"), [KeyCode::Char('q')]);
        let mut endless = Decoder::default();
        endless.feed(b"\x1b[");
        endless.feed(&[b'1'; 1000]);
        assert_eq!(endless.next_event(), None);
        endless.feed(b"q");
        assert_eq!(
            endless.next_event(),
            Some(key(KeyCode::Char('q'), KeyModifiers::NONE))
        );
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(bytes in proptest::collection::vec(0u8..=255, 0..200)) {
            let events = all(&bytes);
            proptest::prop_assert!(events.len() <= bytes.len());
        }
    }
}
