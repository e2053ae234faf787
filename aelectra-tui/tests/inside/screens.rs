//! Frames as text: every screen at three sizes, themes with their styles on one of them.

use super::fixture;
use super::fixture::{empty, loaded, press_all, with_runs};
use crate::action::Action;
use crate::snapshot;
use crate::state::{Screen, State};
use crate::theme::{Theme, ThemeName};
use crate::update::update;
use crate::view;
use aelectra_data::run::{
    ClassScore, DeviceSeconds, EndEvent, EndReason, LogEvent, LogLevel, NerEvalEvent, RunEvent,
    StartEvent, StepEvent, Task,
};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 50)];

/// What a terminal of that size would show.
fn shown(state: &mut State, (width, height): (u16, u16)) -> String {
    state.size = (width, height);
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a test terminal");
    terminal
        .draw(|frame| view::draw(state, frame.buffer_mut()))
        .expect("drawn");
    terminal.backend().to_string()
}

fn check(name: &str, state: &mut State) {
    for (width, height) in SIZES {
        insta::assert_snapshot!(
            format!("{name}_{width}x{height}"),
            shown(state, (width, height))
        );
    }
}

#[test]
fn every_screen_at_three_sizes() {
    let mut state = with_runs(3, 600);
    for screen in Screen::ALL {
        state.screen = screen;
        check(&format!("{screen:?}").to_lowercase(), &mut state);
    }
}

#[test]
fn narrow_and_too_small() {
    let mut state = loaded(600);
    for size in [(60, 16), (59, 16), (60, 15), (20, 5), (1, 1)] {
        insta::assert_snapshot!(
            format!("narrow_{}x{}", size.0, size.1),
            shown(&mut state, size)
        );
    }
}

#[test]
fn before_there_is_anything() {
    insta::assert_snapshot!("waiting_for_a_run", shown(&mut empty(), (80, 24)));
    insta::assert_snapshot!("waiting_for_events", shown(&mut with_runs(1, 0), (80, 24)));
}

/// A run of a task that has only just begun.
fn begun(task: Task) -> State {
    let mut state = empty();
    update(&mut state, Action::Listed(fixture::summaries(1)));
    let start = StartEvent {
        task,
        total_steps: Some(1000),
        log_every: Some(50),
        ..StartEvent::default()
    };
    fixture::happen(&mut state, RunEvent::Start(start));
    state
}

#[test]
fn the_first_numbers_are_announced() {
    let mut state = begun(Task::Pretrain);
    let note = "first numbers after step 50";
    for size in [(60, 16), (80, 24), (120, 40)] {
        let text = shown(&mut state, size);
        assert!(text.contains(note), "{text}");
    }
    let step = super::demo::step_event(50, 1000);
    fixture::happen(&mut state, RunEvent::Step(step));
    let text = shown(&mut state, (120, 40));
    assert!(!text.contains("first numbers"), "{text}");
}

#[test]
fn a_single_point_has_one_label() {
    let mut state = begun(Task::Pretrain);
    let step = super::demo::step_event(50, 1000);
    fixture::happen(&mut state, RunEvent::Step(step));
    press_all(&mut state, "e");
    let text = shown(&mut state, (80, 24));
    // The last row of the chart, above the keys.
    let labels = text.lines().nth(22).unwrap_or_default();
    assert_eq!(labels.trim_matches(['"', ' ']), "50", "{text}");
}

#[test]
fn more_than_ten_seeds_have_marks_of_their_own() {
    let mut state = begun(Task::Finetune);
    for seed in 1..=12 {
        let eval = NerEvalEvent {
            seed,
            epoch: 1,
            micro_f1: Some(0.05 * seed as f64),
            ..NerEvalEvent::default()
        };
        fixture::happen(&mut state, RunEvent::NerEval(eval));
    }
    state.screen = Screen::Ner;
    let text = shown(&mut state, (120, 40));
    for row in [" 0 1 ", " 9 10 ", " a 11 ", "★b 12 "] {
        assert!(text.contains(row), "{row}: {text}");
    }
}

#[test]
fn a_fine_tuning_is_not_offered_what_it_refuses() {
    for (task, offered) in [(Task::Pretrain, true), (Task::Finetune, false)] {
        let mut state = begun(task);
        state.screen = Screen::Help;
        let text = shown(&mut state, (200, 50));
        for words in [
            "C checkpoint",
            "E evaluate",
            "Checkpoint now",
            "Evaluate now",
        ] {
            assert_eq!(text.contains(words), offered, "{words}: {text}");
        }
        assert!(text.contains("P pause") && text.contains("Checkpoint, then stop"));
    }
}

/// Within a training it stops that.
#[test]
fn the_help_says_what_ctrl_c_does() {
    let help = |task: Task, live: bool, ended: bool| {
        let mut state = begun(task);
        state.live = live;
        if ended {
            fixture::happen(&mut state, RunEvent::End(EndEvent::default()));
        }
        state.screen = Screen::Help;
        let text = shown(&mut state, (80, 24));
        let row = text.lines().find(|line| line.contains("Ctrl-C"));
        row.map(|row| row.chars().skip(17).take(24).collect::<String>())
    };
    for (task, live, ended, wanted) in [
        (Task::Pretrain, true, false, "Stop with a checkpoint"),
        (Task::Finetune, true, false, "Stop the training"),
        (Task::Pretrain, true, true, "Quit at once"),
        (Task::Pretrain, false, false, "Quit at once"),
    ] {
        let found = help(task, live, ended).unwrap_or_default();
        assert_eq!(found.trim_end(), wanted);
    }
}

#[test]
fn a_limit_is_told_by_its_flag() {
    let mut state = begun(Task::Pretrain);
    for (step, wanted) in [(1000, "--max-steps"), (999, "--max-hours")] {
        let end = EndEvent {
            reason: EndReason::Limit,
            step: Some(step),
            ..EndEvent::default()
        };
        fixture::happen(&mut state, RunEvent::End(end));
        let text = shown(&mut state, (80, 24));
        // In the header and in the log.
        let told = format!("ended at {wanted}");
        assert_eq!(text.matches(&told).count(), 2, "{text}");
    }
}

#[test]
fn a_setting_without_a_value_is_not_null() {
    let mut state = with_runs(2, 100);
    press_all(&mut state, "4j ");
    for (key, rank) in [(0, serde_json::Value::Null), (1, 8.into())] {
        let manifest = aelectra_data::run::Manifest {
            config: serde_json::json!({"rank": rank, "seed": 1}),
            ..Default::default()
        };
        update(&mut state, Action::Manifest(key, Box::new(manifest)));
    }
    let list = shown(&mut state, (120, 40));
    // A filter asks for it as a configuration has it.
    press_all(&mut state, "/rank=null");
    assert_eq!(state.listed(), [0]);
    fixture::code(&mut state, ratatui::crossterm::event::KeyCode::Esc);
    press_all(&mut state, "d");
    let difference = shown(&mut state, (120, 40));
    assert!(difference.contains("Differences"), "{difference}");
    for text in [list, difference] {
        assert!(text.contains("not set") && !text.contains("null"), "{text}");
    }
}

#[test]
fn the_end_of_a_long_warning_is_on_the_overview() {
    let mut state = loaded(100);
    let advice = "delete older checkpoints, or resume on another disk";
    for (level, whole) in [(LogLevel::Info, false), (LogLevel::Warn, true)] {
        let message = format!("the disk is nearly full, and no checkpoint was written: {advice}");
        let log = LogEvent {
            level,
            message,
            step: None,
        };
        fixture::happen(&mut state, RunEvent::Log(log));
        let text = shown(&mut state, (80, 24));
        assert_eq!(text.contains("another disk"), whole, "{text}");
    }
}

#[test]
fn states_of_the_overview() {
    let mut state = loaded(600);
    press_all(&mut state, "e++vhh");
    insta::assert_snapshot!("expanded_zoomed_cursor", shown(&mut state, (80, 24)));
    let mut state = loaded(600);
    press_all(&mut state, "yx");
    insta::assert_snapshot!("log_scale_tokens", shown(&mut state, (120, 40)));
    let mut state = loaded(600);
    press_all(&mut state, "S");
    insta::assert_snapshot!("confirm_stop", shown(&mut state, (80, 24)));
    let mut state = loaded(600);
    press_all(&mut state, "/rtd");
    insta::assert_snapshot!("filter", shown(&mut state, (80, 24)));
}

#[test]
fn two_runs_overlaid_and_their_difference() {
    let mut state = with_runs(2, 600);
    press_all(&mut state, "4j ");
    fixture::load(&mut state, 1, 300);
    let manifest = aelectra_data::run::Manifest {
        config: serde_json::json!({"lr": 1e-4, "batch_size": 32}),
        ..Default::default()
    };
    let action = crate::action::Action::Manifest(1, Box::new(manifest));
    crate::update::update(&mut state, action);
    insta::assert_snapshot!("two_runs_list", shown(&mut state, (120, 40)));
    press_all(&mut state, "d");
    insta::assert_snapshot!("two_runs_difference", shown(&mut state, (80, 24)));
    press_all(&mut state, "1");
    insta::assert_snapshot!("two_runs_overview", shown(&mut state, (120, 40)));
}

/// Fine-tunings of two runs: a line a run, the mean of its seeds, and their scores side by side.
#[test]
fn two_fine_tunings_over_each_other() {
    let mut state = with_runs(2, 0);
    press_all(&mut state, "4j ");
    for (key, lift) in [(0, 0.0), (1, 0.1)] {
        for seed in 1..=2 {
            for epoch in 1..=6 {
                let eval = NerEvalEvent {
                    seed,
                    epoch,
                    micro_f1: Some(0.3 + lift + 0.05 * epoch as f64 + 0.01 * seed as f64),
                    ..NerEvalEvent::default()
                };
                fixture::happen_in(&mut state, key, RunEvent::NerEval(eval.clone()));
                if epoch == 6 {
                    let split = Some("test".to_owned());
                    let test = NerEvalEvent { split, ..eval };
                    fixture::happen_in(&mut state, key, RunEvent::NerEval(test));
                }
            }
        }
    }
    press_all(&mut state, "2");
    insta::assert_snapshot!("two_fine_tunings_120x40", shown(&mut state, (120, 40)));
    insta::assert_snapshot!("two_fine_tunings_60x16", shown(&mut state, (60, 16)));
}

/// A frame with the style of each run of cells, so that a theme can be read off.
fn styled(state: &mut State) -> String {
    state.size = (80, 24);
    let buffer = snapshot::frame(state);
    let mut out = String::new();
    for y in 0..24 {
        let mut before = None;
        for x in 0..80 {
            let cell = &buffer[(x, y)];
            let style = (cell.fg, cell.modifier);
            if before != Some(style) {
                out.push_str(&format!("‹{:?} {:?}›", cell.fg, cell.modifier));
                before = Some(style);
            }
            out.push_str(cell.symbol());
        }
        out.push('\n');
    }
    out
}

#[test]
fn themes_on_the_tokens_screen() {
    let mut state = loaded(600);
    state.screen = Screen::Tokens;
    for name in ThemeName::ALL {
        state.theme = Theme::new(name, false);
        insta::assert_snapshot!(format!("theme_{}", name.name()), styled(&mut state));
    }
}

#[test]
fn mono_uses_no_colour_and_ascii_only_ascii_on_every_screen() {
    let mut state = with_runs(2, 600);
    state.theme = Theme::new(ThemeName::Mono, true);
    for screen in Screen::ALL {
        state.screen = screen;
        for size in SIZES {
            state.size = size;
            let buffer = snapshot::frame(&state);
            for cell in buffer.content() {
                assert!(cell.symbol().is_ascii(), "{screen:?}: {:?}", cell.symbol());
                assert_eq!(cell.fg, ratatui::style::Color::Reset, "{screen:?}");
            }
        }
    }
    state.screen = Screen::Overview;
    insta::assert_snapshot!("ascii", shown(&mut state, (80, 24)));
}

#[test]
fn the_text_snapshot_has_no_control_characters() {
    let mut state = loaded(600);
    state.size = (80, 23);
    let text = snapshot::text(&state);
    assert_eq!(text.lines().count(), 23);
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
    assert!(text.lines().all(|line| !line.ends_with(' ')));
    assert!(text.contains("MLM loss"));
}

#[test]
fn the_spike_and_the_nan_are_in_the_picture() {
    // 20 000 steps on 66 dots: a sampled curve would lose the one step that spikes.
    let mut state = loaded(20_000);
    state.size = (80, 24);
    press_all(&mut state, "e");
    let text = snapshot::text(&state);
    assert!(text.contains('✗'), "{text}");
    let top: Vec<&str> = text.lines().skip(4).take(4).collect();
    assert!(
        top.iter()
            .any(|line| line.contains(|c| ('\u{2801}'..='\u{28ff}').contains(&c))),
        "{text}"
    );
}

#[test]
fn the_svg_is_well_formed_and_holds_every_chart() {
    let svg = crate::svg::curves(&loaded(600));
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
    for group in &view::overview::GROUPS {
        assert!(svg.contains(group.title), "{}", group.title);
    }
    assert!(!svg.contains("NaN") && !svg.contains("inf"));
}

#[test]
fn several_devices_are_shown_with_what_they_wait_for() {
    let mut state = with_runs(1, 600);
    let device = |device: &str, tokens, compute, communication, waiting| DeviceSeconds {
        device: device.to_owned(),
        tokens,
        compute,
        communication,
        waiting,
    };
    let event = RunEvent::Step(StepEvent {
        step: 601,
        devices: vec![
            device("cuda:0", 8192.0, 0.2, 0.0, 0.2),
            device("cuda:1\u{1b}[2J", 8192.0, 0.3, 0.1, 0.0),
        ],
        ..StepEvent::default()
    });
    fixture::happen(&mut state, event);
    state.screen = Screen::System;
    let text = shown(&mut state, (120, 40));
    let line = "cuda:0  20.5k tokens/s  computing 50%  communication 0%  waiting for others 50%";
    assert!(text.contains(line), "{text}");
    assert!(text.contains("computing 75%  communication 25%") && !text.contains('\u{1b}'));
    for title in ["tokens/s by device", "waiting for other devices"] {
        assert!(text.contains(title), "{text}");
    }
}

#[test]
fn one_cursor_stands_in_all_charts_of_pretraining_and_machine() {
    let mut state = with_runs(1, 600);
    fixture::press(&mut state, 'v');
    for _ in 0..50 {
        fixture::press(&mut state, 'h');
    }
    let Some(row) = state.cursor_row() else {
        panic!("a cursor");
    };
    assert!(row.last_step < 400, "{row:?}");
    for screen in [Screen::Overview, Screen::System] {
        state.screen = screen;
        let text = shown(&mut state, (120, 40));
        let place = format!("at step {}", row.last_step);
        assert!(text.contains(&place), "{text}");
        // Below the header the charts differ by the cursor and its values.
        let cursor = state.cursor.take();
        let without = shown(&mut state, (120, 40));
        state.cursor = cursor;
        let charts = |text: &str| text.lines().skip(3).collect::<Vec<_>>().join("\n");
        assert_ne!(charts(&text), charts(&without), "{screen:?}");
    }
}

#[test]
fn settings_that_differ_are_columns_of_the_run_list() {
    let mut state = with_runs(3, 100);
    for (key, width) in [128, 256, 128].into_iter().enumerate() {
        let manifest = aelectra_data::run::Manifest {
            config: serde_json::json!({"model": {"hidden_size": width}, "seed": 1}),
            ..Default::default()
        };
        update(&mut state, Action::Manifest(key, Box::new(manifest)));
    }
    state.screen = Screen::Runs;
    fixture::press(&mut state, 'o');
    check("runs_with_settings", &mut state);
}

#[test]
fn a_report_escapes_what_a_run_says() {
    let mut state = with_runs(1, 600);
    let event = RunEvent::NerEval(NerEvalEvent {
        arm: Some("<script>alert(1)</script>".to_owned()),
        seed: 7,
        epoch: 1,
        micro_f1: Some(f64::NAN),
        classes: [("\"><img>".to_owned(), ClassScore::default())].into(),
        ..NerEvalEvent::default()
    });
    fixture::happen(&mut state, event);
    for _ in 0..2 {
        let event = RunEvent::Log(LogEvent {
            level: LogLevel::Warn,
            message: "5 of the 8 <b>sentences".to_owned(),
            step: None,
        });
        fixture::happen(&mut state, event);
    }
    let page = crate::report::page(&state);
    assert_eq!(
        page.matches("<li>5 of the 8 &lt;b&gt;sentences</li>")
            .count(),
        1
    );
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; seed 7"));
    assert!(!page.contains("<script") && !page.contains("<img"));
}
