//! What the dashboard promises, measured: a run of a million steps shows its first frame within
//! 0.3 s and is loaded within 3 s, 100 MB of events within 0.5 s; a frame at 200×50 takes less than
//! 16 ms; memory stays below 60 MB.
//!
//! `cargo test --release -p aelectra-tui speed -- --ignored --nocapture` prints the numbers.
#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::demo;
use crate::action::Action;
use crate::app::{Hub, new_state};
use crate::state::{Screen, State};
use crate::update::update;
use crate::{Options, Source, view};

#[test]
fn a_short_run_is_loaded_while_it_is_drawn() {
    measure(5_000);
}

#[test]
#[ignore = "a million steps take a minute and half a gigabyte of disk"]
fn a_long_run_is_loaded_while_it_is_drawn() {
    // 100 MB, then 640.
    measure(155_000);
    measure(1_000_000);
}

fn measure(steps: u64) {
    let root = tempfile::tempdir().expect("temporary directory");
    let path = root.path().join("run");
    demo::write_run(&path, steps).expect("a temporary run");
    let bytes = std::fs::metadata(path.join("events.jsonl")).map_or(0, |meta| meta.len());
    println!("{steps} steps, {:.0} MB of events", bytes as f64 / 1e6);
    let before = memory("VmRSS:");
    let state = load(&Source::Runs(vec![path]));
    let after = memory("VmRSS:");
    println!(
        "resident memory {before:.1} MB before, {after:.1} MB after, peak {:.1} MB",
        memory("VmHWM:")
    );
    let run = state.run().expect("a run");
    assert_eq!(run.steps.last_step(), Some(steps));
    frames(state);
}

/// Processor seconds of this process, from `/proc`: what counts when others use the machine too.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok());
    // utime and stime are fields 14 and 15 of proc(5); Linux counts in hundredths.
    (ticks(11).unwrap_or(f64::NAN) + ticks(12).unwrap_or(f64::NAN)) / 100.0
}

/// Memory of this process in MB, from `/proc`.
fn memory(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    kilobytes.unwrap_or(f64::NAN) / 1e3
}

fn load(source: &Source) -> State {
    let mut terminal = Terminal::new(TestBackend::new(200, 50)).expect("a test terminal");
    let (start, spent) = (Instant::now(), processor());
    let mut state = new_state(source, &Options::default());
    state.size = (200, 50);
    let mut hub = Hub::start(source, None);
    let (mut first, mut drawn) = (None, Instant::now());
    loop {
        let mut effects = Vec::new();
        hub.drain(&mut state, &mut effects, Duration::from_millis(30));
        hub.perform(&mut state, effects);
        let has_data = state.run().is_some_and(|run| run.step().is_some());
        // As the loop of the application: at most ten frames a second.
        if has_data && (first.is_none() || drawn.elapsed() > Duration::from_millis(100)) {
            drawn = Instant::now();
            terminal
                .draw(|frame| view::draw(&state, frame.buffer_mut()))
                .expect("drawn");
            first.get_or_insert_with(|| start.elapsed());
        }
        if state.row().is_some_and(|row| row.loaded >= 1.0) {
            break;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    println!(
        "first frame with data after {:.3} s",
        first.unwrap_or_default().as_secs_f64()
    );
    println!(
        "all loaded after {:.3} s, {:.2} s of processor time in all threads",
        start.elapsed().as_secs_f64(),
        processor() - spent
    );
    update(&mut state, Action::Tick(demo::T0));
    state
}

fn frames(mut state: State) {
    for screen in Screen::ALL {
        state.screen = screen;
        let mut terminal = Terminal::new(TestBackend::new(200, 50)).expect("a test terminal");
        let mut times: Vec<f64> = (0..30)
            .map(|_| {
                let start = Instant::now();
                terminal
                    .draw(|frame| view::draw(&state, frame.buffer_mut()))
                    .expect("drawn");
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!(
            "frame 200x50 {screen:?}: median {:.2} ms, worst {:.2} ms",
            times[15], times[29]
        );
    }
}
