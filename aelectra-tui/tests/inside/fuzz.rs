//! Whatever stands in an event file, whatever is pressed, whatever the size: no panic.

use super::{demo, fixture};
use crate::action::{Action, Batch};
use crate::snapshot;
use crate::state::{Screen, State};
use crate::update::update;
use aelectra_data::run::{EventReader, RunEvent};
use proptest::prelude::*;
use ratatui::crossterm::event::{
    KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

fn read(bytes: &[u8]) -> (Vec<aelectra_data::run::Envelope>, u64) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let path = dir.path().join("events.jsonl");
    std::fs::write(&path, bytes).expect("written");
    let mut reader = EventReader::new(&path);
    let events = reader.poll().expect("readable");
    (events, reader.bad_lines())
}

fn show(events: Vec<aelectra_data::run::Envelope>, size: (u16, u16)) {
    let mut state = fixture::with_runs(1, 0);
    let batch = Batch {
        reset: true,
        events,
        loaded: 1.0,
        ..Batch::default()
    };
    update(&mut state, Action::Batch(batch));
    update(&mut state, Action::Resize(size.0, size.1));
    for screen in Screen::ALL {
        state.screen = screen;
        let text = snapshot::text(&state);
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
    }
    let svg = crate::svg::curves(&state);
    assert!(svg.ends_with("</svg>\n"));
}

/// Values a JSON field could have.
fn odd_value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        Just("-1".to_owned()),
        Just("1e308".to_owned()),
        Just("-1e-308".to_owned()),
        Just("18446744073709551615".to_owned()),
        Just("\"text \\u001b[2J \\u202e 日本 e\\u0301\"".to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        any::<f64>()
            .prop_filter("JSON", |value| value.is_finite())
            .prop_map(|value| format!("{value:e}")),
        (0_u64..5000).prop_map(|value| value.to_string()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..2000), width in 1_u16..240, height in 1_u16..70) {
        let (events, _) = read(&bytes);
        show(events, (width, height));
    }

    #[test]
    fn a_damaged_file_shows_what_is_whole(cut in 0_usize..60_000, flips in proptest::collection::vec((0_usize..60_000, any::<u8>()), 0..20), width in 60_u16..220, height in 16_u16..60) {
        let mut bytes: Vec<u8> = Vec::new();
        for event in demo::events(60) {
            bytes.extend(event.to_json().expect("writable").bytes());
            bytes.push(b'\n');
        }
        let whole = demo::events(60).len();
        bytes.truncate(bytes.len().saturating_sub(cut % bytes.len()));
        let length = bytes.len().max(1);
        for (place, byte) in &flips {
            if let Some(target) = bytes.get_mut(place % length) {
                *target = *byte;
            }
        }
        let (events, bad) = read(&bytes);
        prop_assert!(events.len() <= whole);
        prop_assert!(bad <= 2 * flips.len() as u64);
        show(events, (width, height));
    }

    #[test]
    fn odd_values_in_known_fields(lines in proptest::collection::vec((0_usize..200, 0_usize..40, odd_value()), 1..60), width in 60_u16..220, height in 16_u16..60) {
        let demo: Vec<serde_json::Value> = demo::events(40)
            .iter()
            .map(|event| serde_json::to_value(event).expect("writable"))
            .collect();
        let mut bytes = Vec::new();
        for (line, field, value) in lines {
            let mut event = demo[line % demo.len()].clone();
            if let (Some(fields), Ok(value)) = (event.as_object_mut(), serde_json::from_str(&value)) {
                let place = field % fields.len();
                if let Some((_, old)) = fields.iter_mut().nth(place) {
                    *old = value;
                }
            }
            bytes.extend(event.to_string().bytes());
            bytes.push(b'\n');
        }
        let (events, _) = read(&bytes);
        show(events, (width, height));
    }

    #[test]
    fn any_keys_and_sizes(inputs in proptest::collection::vec(input(), 1..120)) {
        let mut state = fixture::with_runs(3, 120);
        for input in inputs {
            apply(&mut state, input);
            let text = snapshot::text(&state);
            prop_assert!(text.lines().count() == usize::from(state.size.1));
        }
    }
}

#[derive(Clone, Debug)]
enum Input {
    Key(char, bool),
    Code(KeyCode),
    Size(u16, u16),
    Mouse(u16, u16, bool),
    Events(u64),
}

fn input() -> impl Strategy<Value = Input> {
    let codes = [
        KeyCode::Esc,
        KeyCode::Enter,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::Backspace,
    ];
    prop_oneof![
        4 => (prop::sample::select("1234566?tfev+-0hlxysGgjk/ dSCPEqyn".chars().collect::<Vec<_>>()), any::<bool>())
            .prop_map(|(key, control)| Input::Key(key, control)),
        2 => prop::sample::select(codes.to_vec()).prop_map(Input::Code),
        2 => (0_u16..230, 0_u16..70).prop_map(|(width, height)| Input::Size(width, height)),
        1 => (0_u16..230, 0_u16..70, any::<bool>()).prop_map(|(x, y, wheel)| Input::Mouse(x, y, wheel)),
        1 => (1_u64..30).prop_map(Input::Events),
    ]
}

fn apply(state: &mut State, input: Input) {
    let action = match input {
        Input::Key(key, control) => {
            let modifiers = if control {
                KeyModifiers::CONTROL
            } else {
                KeyModifiers::NONE
            };
            Action::Key(KeyEvent::new(KeyCode::Char(key), modifiers))
        }
        Input::Code(code) => Action::Key(KeyEvent::new(code, KeyModifiers::NONE)),
        Input::Size(width, height) => Action::Resize(width, height),
        Input::Mouse(column, row, wheel) => Action::Mouse(MouseEvent {
            kind: if wheel {
                MouseEventKind::ScrollUp
            } else {
                MouseEventKind::Down(MouseButton::Left)
            },
            column,
            row,
            modifiers: KeyModifiers::NONE,
        }),
        Input::Events(steps) => Action::Batch(Batch {
            key: state.current.unwrap_or(0),
            events: demo::events(steps),
            loaded: 1.0,
            ..Batch::default()
        }),
    };
    update(state, action);
}

#[test]
fn a_resume_in_the_file_takes_steps_back() {
    let mut text = String::new();
    for event in demo::events(30) {
        if matches!(event.event, RunEvent::Step(_)) {
            text.push_str(&event.to_json().expect("writable"));
            text.push('\n');
        }
    }
    text.push_str("{\"v\":1,\"seq\":99,\"t\":1764000100,\"kind\":\"resumed\",\"step\":20,\"superseded\":30}\n");
    let (events, bad) = read(text.as_bytes());
    assert_eq!(bad, 0);
    let mut state = fixture::with_runs(1, 0);
    let batch = Batch {
        events,
        loaded: 1.0,
        ..Batch::default()
    };
    update(&mut state, Action::Batch(batch));
    assert_eq!(state.run().and_then(|run| run.step()), Some(20));
}
