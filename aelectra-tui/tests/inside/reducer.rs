//! The reducer without a terminal: keys in, state and effects out.

use super::fixture::{loaded, press, press_all, with_runs};
use super::{demo, fixture};
use crate::Exit;
use crate::action::{Action, Batch, Effect};
use crate::state::{Dialog, Screen, State, Window};
use crate::store::{Axis, Status};
use crate::update::update;
use aelectra_data::run::{ControlRequest, EndEvent, Envelope, RunEvent, StartEvent, Task};
use ratatui::crossterm::event::KeyCode;

#[test]
fn the_latest_run_is_opened_and_followed() {
    let mut state = fixture::empty();
    let effects = update(&mut state, Action::Listed(fixture::summaries(3)));
    assert!(matches!(effects.as_slice(), [Effect::Follow(0, _)]));
    assert_eq!(state.current, Some(0));
    // A later list does not take the user away from the run.
    let effects = update(
        &mut state,
        Action::Listed(fixture::summaries(3).split_off(1)),
    );
    assert!(effects.is_empty() && state.current == Some(0));
    assert_eq!(state.order, [1, 2]);
}

#[test]
fn controls_ask_first_and_name_the_run() {
    let mut state = loaded(200);
    for (key, request) in [
        ('S', ControlRequest::Stop),
        ('C', ControlRequest::Checkpoint),
        ('P', ControlRequest::Pause),
        ('E', ControlRequest::Evaluate),
    ] {
        assert!(press(&mut state, key).is_empty());
        assert_eq!(state.dialog, Some(Dialog::Confirm(request)));
        assert!(press(&mut state, 'n').is_empty());
        assert_eq!(state.dialog, None, "n cancels");
        press(&mut state, key);
        let effects = press(&mut state, 'y');
        assert!(matches!(&effects[..], [Effect::Control(0, _, sent)] if *sent == request));
    }
}

#[test]
fn a_fine_tuning_is_not_asked_what_it_refuses() {
    let mut state = fixture::empty();
    update(&mut state, Action::Listed(fixture::summaries(1)));
    let start = StartEvent {
        task: Task::Finetune,
        ..StartEvent::default()
    };
    fixture::happen(&mut state, RunEvent::Start(start));
    for (key, name) in [('C', "checkpoint"), ('E', "evaluate")] {
        assert!(press(&mut state, key).is_empty());
        assert_eq!(state.dialog, None);
        let notice = state.notice.take().map(|(text, _)| text);
        let said = format!("{name} is for pretraining");
        assert!(
            notice.as_ref().is_some_and(|text| text.starts_with(&said)),
            "{notice:?}"
        );
    }
    for (key, request) in [('S', ControlRequest::Stop), ('P', ControlRequest::Pause)] {
        press(&mut state, key);
        assert_eq!(state.dialog, Some(Dialog::Confirm(request)));
        press(&mut state, 'n');
    }
}

#[test]
fn a_read_only_view_sends_nothing() {
    let mut state = loaded(50);
    state.read_only = true;
    for key in ['S', 'C', 'P', 'E'] {
        assert!(press(&mut state, key).is_empty());
        assert_eq!(state.dialog, None);
    }
    assert!(state.notice.is_some());
}

#[test]
fn an_ended_run_is_not_asked_anything() {
    let mut state = loaded(50);
    end(&mut state);
    assert!(matches!(state.status(), Status::Ended(_)));
    press(&mut state, 'S');
    assert_eq!(state.dialog, None);
    assert_eq!(press(&mut state, 'q'), [Effect::Quit(Exit::Quit)]);
}

fn end(state: &mut State) -> Vec<Effect> {
    let event = Envelope {
        v: 1,
        seq: 1_000_000,
        t: state.now,
        event: RunEvent::End(EndEvent::default()),
    };
    let batch = Batch {
        events: vec![event],
        loaded: 1.0,
        ..Batch::default()
    };
    update(state, Action::Batch(batch))
}

#[test]
fn leaving_the_live_view_is_a_choice() {
    let mut state = loaded(50);
    state.live = true;
    assert!(press(&mut state, 'q').is_empty());
    assert_eq!(state.dialog, Some(Dialog::Leave));
    assert_eq!(press(&mut state, 'd'), [Effect::Quit(Exit::Detached)]);
    press(&mut state, 'q');
    let effects = press(&mut state, 's');
    assert!(matches!(
        &effects[..],
        [Effect::Control(_, _, ControlRequest::Stop)]
    ));
    // It leaves by itself when the run has stopped.
    assert_eq!(end(&mut state), [Effect::Quit(Exit::Stopped)]);
}

#[test]
fn a_stop_without_a_run_is_not_lost_in_silence() {
    let mut state = fixture::empty();
    state.live = true;
    press_all(&mut state, "qs");
    assert!(!state.leaving && state.notice.is_some());
}

#[test]
fn ctrl_c_quits_whatever_is_open() {
    for prepare in ["", "S", "/", "?"] {
        let mut state = loaded(50);
        press_all(&mut state, prepare);
        assert_eq!(
            fixture::control(&mut state, 'c'),
            [Effect::Quit(Exit::Interrupted)]
        );
    }
    let mut state = loaded(50);
    assert_eq!(fixture::control(&mut state, 'z'), [Effect::Suspend]);
}

#[test]
fn zoom_follows_the_tail_and_panning_leaves_it() {
    let mut state = loaded(1000);
    assert_eq!(state.window(), Some((1.0, 1000.0)));
    press(&mut state, '+');
    assert!(matches!(state.window, Window::Follow(_)));
    let (from, to) = state.window().expect("data");
    assert_eq!(to, 1000.0);
    press(&mut state, 'h');
    assert!(matches!(state.window, Window::Fixed(..)));
    assert!(state.window().expect("data").0 < from);
    press_all(&mut state, "G");
    assert_eq!(state.window().expect("data").1, 1000.0);
    press(&mut state, '-');
    assert_eq!(state.window, Window::All);
    // No deeper than a step, however often.
    press_all(&mut state, &"+".repeat(100));
    let (from, to) = state.window().expect("data");
    assert!(to - from >= 1.0);
}

#[test]
fn the_axis_changes_units_and_forgets_the_window() {
    let mut state = loaded(100);
    press_all(&mut state, "+v");
    assert!(state.cursor.is_some());
    press(&mut state, 'x');
    assert_eq!(
        (state.axis, state.window, state.cursor),
        (Axis::Tokens, Window::All, None)
    );
    assert_eq!(state.window(), Some((4096.0, 409_600.0)));
    press_all(&mut state, "xx");
    assert_eq!(state.axis, Axis::Step);
}

#[test]
fn smoothing_changes_the_curve_not_the_values() {
    let mut state = loaded(300);
    let column = crate::store::Metric::MlmLoss.column();
    let smooth = |state: &State| state.run().expect("a run").steps.smooth(column).to_vec();
    let raw = |state: &State| state.run().expect("a run").steps.buckets(column).to_vec();
    let (before, values) = (smooth(&state), raw(&state));
    press(&mut state, 's');
    assert_ne!(smooth(&state), before);
    assert_eq!(raw(&state), values);
    press_all(&mut state, "ss");
    assert_eq!(state.decay(), 0.0);
    let last = values.last().expect("a value").mean;
    assert_eq!(smooth(&state).last(), Some(&last));
}

#[test]
fn a_filter_is_typed_kept_or_cancelled() {
    let mut state = loaded(50);
    press_all(&mut state, "/rtd");
    assert_eq!(state.filter(), "rtd");
    fixture::code(&mut state, ratatui::crossterm::event::KeyCode::Enter);
    assert_eq!((state.filter(), &state.dialog), ("rtd", &None));
    press_all(&mut state, "/x");
    fixture::code(&mut state, ratatui::crossterm::event::KeyCode::Esc);
    assert_eq!(state.filter(), "rtd");
    // Letters of a filter are not commands.
    press_all(&mut state, "/q");
    assert_eq!(state.filter(), "q");
}

#[test]
fn runs_are_marked_compared_and_released() {
    let mut state = with_runs(3, 50);
    press_all(&mut state, "4j ");
    assert!(state.runs[1].marked);
    assert_eq!(state.overlaid(), [0, 1]);
    let effects = press(&mut state, ' ');
    assert_eq!(effects, [Effect::Unfollow(1)]);
    assert!(state.runs[1].store.is_none(), "its memory is given back");
    press(&mut state, 'j');
    let effects = fixture::code(&mut state, ratatui::crossterm::event::KeyCode::Enter);
    assert_eq!(state.current, Some(2));
    assert!(effects.contains(&Effect::Unfollow(0)));
    // A batch still under way for the released run changes nothing.
    let batch = Batch {
        key: 0,
        events: demo::events(5),
        ..Batch::default()
    };
    assert!(update(&mut state, Action::Batch(batch)).is_empty());
    assert!(state.runs[0].store.is_none());
}

/// Also where the list is sorted by what changes as runs go on.
#[test]
fn the_pointer_stays_on_its_run() {
    let mut state = with_runs(3, 0);
    press_all(&mut state, "4j");
    let pointed = |state: &State| state.listed().get(state.run_row).copied();
    assert_eq!(pointed(&state), Some(1));
    // By time: another run was written to.
    let mut summaries = fixture::summaries(3);
    summaries.swap(0, 1);
    update(&mut state, Action::Listed(summaries));
    assert_eq!((pointed(&state), state.run_row), (Some(1), 0));
    state.sort = Some("step".to_owned());
    let mut summaries = fixture::summaries(3);
    update(&mut state, Action::Listed(summaries.clone()));
    assert_eq!((pointed(&state), state.run_row), (Some(1), 1));
    summaries[1].step = Some(1_000_000);
    update(&mut state, Action::Listed(summaries));
    assert_eq!((pointed(&state), state.run_row), (Some(1), 2));
}

#[test]
fn a_replaced_file_starts_over() {
    let mut state = loaded(100);
    let batch = Batch {
        reset: true,
        events: demo::events(10),
        loaded: 1.0,
        ..Batch::default()
    };
    update(&mut state, Action::Batch(batch));
    assert_eq!(state.run().and_then(|run| run.steps.last_step()), Some(10));
    assert!(
        state.run().is_some_and(|run| run.manifest.is_some()),
        "the manifest stays"
    );
}

#[test]
fn freezing_holds_the_readers() {
    let mut state = loaded(10);
    assert_eq!(press(&mut state, 'f'), [Effect::Freeze(true)]);
    assert_eq!(press(&mut state, 'f'), [Effect::Freeze(false)]);
}

#[test]
fn screens_and_the_way_back_from_help() {
    let mut state = loaded(10);
    for (key, screen) in [
        ('2', Screen::Ner),
        ('3', Screen::Tokens),
        ('4', Screen::Runs),
        ('5', Screen::System),
        ('6', Screen::Logs),
        ('1', Screen::Overview),
    ] {
        press(&mut state, key);
        assert_eq!(state.screen, screen);
    }
    press_all(&mut state, "3?");
    assert_eq!(state.screen, Screen::Help);
    press(&mut state, '?');
    assert_eq!(state.screen, Screen::Tokens);
}

#[test]
fn samples_are_paged_and_stop_at_the_ends() {
    let mut state = loaded(200);
    press(&mut state, '3');
    let count = state.run().expect("a run").samples.len();
    press_all(&mut state, &"h".repeat(count + 5));
    assert_eq!(state.sample_back, count - 1);
    press_all(&mut state, &"l".repeat(count + 5));
    assert_eq!(state.sample_back, 0);
}

/// Three runs whose configurations differ in a learning rate and a width.
fn settled() -> State {
    let mut state = with_runs(3, 100);
    for (key, (lr, width)) in [(1e-3, 128), (5e-4, 256), (2e-3, 128)]
        .into_iter()
        .enumerate()
    {
        let manifest = aelectra_data::run::Manifest {
            config: serde_json::json!({"learning_rate": lr, "model": {"hidden_size": width}, "seed": 1}),
            ..Default::default()
        };
        update(&mut state, Action::Manifest(key, Box::new(manifest)));
    }
    press(&mut state, '4');
    state
}

#[test]
fn runs_are_sorted_by_what_they_differ_in() {
    let mut state = settled();
    assert_eq!(state.listed(), [0, 1, 2]);
    let mut seen = Vec::new();
    for _ in 0..8 {
        press(&mut state, 'o');
        seen.push(state.sort.clone().unwrap_or_default());
        if state.sort.as_deref() == Some("learning_rate") {
            assert_eq!(state.listed(), [1, 0, 2]);
            press(&mut state, 'u');
            assert_eq!(state.listed(), [2, 0, 1]);
            press(&mut state, 'u');
        }
    }
    // The seed is the same everywhere and no column.
    assert_eq!(
        seen,
        [
            "state",
            "step",
            "loss",
            "RTD acc",
            "best F1",
            "age",
            "learning_rate",
            "model.hidden_size"
        ]
    );
    press(&mut state, 'o');
    assert_eq!((state.sort.as_ref(), state.listed()), (None, vec![0, 1, 2]));
}

#[test]
fn the_cursor_of_the_list_stays_on_its_run() {
    let mut state = settled();
    press(&mut state, 'j');
    assert_eq!(state.listed()[state.run_row], 1);
    while state.sort.as_deref() != Some("learning_rate") {
        press(&mut state, 'o');
    }
    assert_eq!((state.listed()[state.run_row], state.run_row), (1, 0));
    press(&mut state, 'u');
    assert_eq!((state.listed()[state.run_row], state.run_row), (1, 2));
}

#[test]
fn runs_are_filtered_by_name_and_value() {
    let mut state = settled();
    for (filter, wanted) in [
        ("run-1 | run-2", vec![1, 2]),
        ("!run-1", vec![0, 2]),
        ("hidden_size=128 lr>1e-3", vec![2]),
        ("model.hidden_size=256", vec![1]),
        ("lr<1", vec![0, 1, 2]),
        ("nowhere=1", vec![]),
    ] {
        press(&mut state, '/');
        press_all(&mut state, filter);
        assert_eq!(state.listed(), wanted, "{filter}");
        fixture::code(&mut state, KeyCode::Enter);
    }
}

#[test]
fn the_view_is_kept_on_request() {
    let mut state = loaded(50);
    let effects = press(&mut state, 'w');
    assert!(matches!(&effects[..], [Effect::SaveView(_)]));
}

#[test]
fn a_filter_of_runs_leaves_the_panes_alone() {
    let mut state = settled();
    press(&mut state, '/');
    press_all(&mut state, "lr<1e-3");
    fixture::code(&mut state, KeyCode::Enter);
    assert_eq!(state.listed(), [1]);
    press(&mut state, '1');
    assert!(crate::view::overview::panes(&state).len() > 5);
    press(&mut state, '/');
    press_all(&mut state, "mlm loss | auc");
    fixture::code(&mut state, KeyCode::Enter);
    assert_eq!(crate::view::overview::panes(&state).len(), 2);
    press(&mut state, '4');
    assert_eq!(state.listed(), [1]);
}
