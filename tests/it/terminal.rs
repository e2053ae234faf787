//! A training whose terminal vanishes, one that ends while someone looks at it, and what is printed meanwhile.
#![cfg(unix)]

use std::io::{Read, Write};
use std::process::Command;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::binary::{aelectra, asset};
use crate::series::{Series, wait_for};
use crate::survival::Scene;

/// Longer than any machine needs; a failure waits this long.
const PATIENCE: Duration = Duration::from_secs(120);

type Running = Box<dyn Child + Send + Sync>;

/// A training in a terminal, at work: something of it has been shown.
fn start(
    scene: &Scene,
    out: &str,
    steps: &str,
    more: &[&str],
) -> (Running, Box<dyn MasterPty + Send>) {
    let (child, terminal) = spawn(scene, out, steps, more);
    // Nothing but this function may hold the terminal's other end.
    let mut reader = terminal.try_clone_reader().expect("a reader");
    let mut shown = Vec::new();
    let mut buffer = [0; 65536];
    while !has(&shown, b"tok/s") {
        let count = reader.read(&mut buffer).expect("output");
        assert!(count > 0, "{}", String::from_utf8_lossy(&shown));
        shown.extend_from_slice(&buffer[..count]);
    }
    (child, terminal)
}

fn has(shown: &[u8], word: &[u8]) -> bool {
    shown.windows(word.len()).any(|part| part == word)
}

/// What a terminal shows until the last who writes to it is gone.
fn all_shown(terminal: &dyn MasterPty) -> JoinHandle<Vec<u8>> {
    let mut reader = terminal.try_clone_reader().expect("a reader");
    std::thread::spawn(move || {
        let mut shown = Vec::new();
        // Linux ends it with an error.
        let _ = reader.read_to_end(&mut shown);
        shown
    })
}

/// A training in a terminal.
fn spawn(
    scene: &Scene,
    out: &str,
    steps: &str,
    more: &[&str],
) -> (Running, Box<dyn MasterPty + Send>) {
    let pair = native_pty_system()
        .openpty(PtySize {
            rows: 24,
            cols: 80,
            pixel_width: 0,
            pixel_height: 0,
        })
        .expect("a pseudo-terminal");
    let binary = aelectra().get_program().to_owned();
    let mut command = CommandBuilder::new("sh");
    // Ignored signals stay ignored in what is executed: that is how `nohup` works.
    let script = if more.contains(&"ignore") {
        "trap '' HUP; exec \"$@\""
    } else if more.contains(&"background") {
        // With job control, `&` is a group of processes of its own, as on a person's command line.
        "set -m; \"$@\" & wait $!"
    } else {
        "exec \"$@\""
    };
    command.args(["-c", script, "sh"]);
    command.arg(binary);
    command.args([
        "pretrain",
        "--recipe",
        "demo",
        "--data",
        &scene.at("shards"),
    ]);
    command.args([
        "--tokenizer",
        &scene.at("tokenizer"),
        "--out",
        &scene.at(out),
    ]);
    command.args(["--max-steps", steps, "--set", "log_every=1"]);
    command.args(["--set", "eval_every=0", "--set", "eval_examples=0"]);
    command.args(more.iter().filter(|flag| flag.starts_with('-')));
    command.env("TERM", "xterm-256color");
    command.env("LC_ALL", "C.UTF-8");
    let child = pair.slave.spawn_command(command).expect("it runs");
    drop(pair.slave);
    (child, pair.master)
}

fn code(child: &mut Running) -> Option<u32> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().expect("a child") {
            return Some(status.exit_code());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().expect("killed");
    None
}

/// Sends SIGTERM.
fn terminate(child: &Running) {
    let pid = child.process_id().expect("it runs").to_string();
    let killed = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(killed.expect("kill exists").success());
}

#[test]
fn a_vanished_terminal_stops_a_training_with_a_checkpoint() {
    let scene = Scene::new();
    let plain = &["--no-dashboard"][..];
    for (out, flags) in [("dashboard", &[][..]), ("lines", plain), ("logout", plain)] {
        let (mut child, terminal) = start(&scene, out, "1500", flags);
        drop(terminal);
        if out == "logout" {
            // What a session's end sends besides is no second wish.
            terminate(&child);
            assert!(matches!(code(&mut child), Some(129 | 143)));
        } else {
            // 128 + SIGHUP.
            assert_eq!(code(&mut child), Some(129), "{out}");
        }
        let events = scene.events(out);
        let of = |kind: &str| events.iter().rfind(|event| event["kind"] == kind);
        let (end, saved) = (of("end").expect("an end"), of("checkpoint").expect("saved"));
        assert_eq!(end["reason"], "interrupted", "{end}");
        assert_eq!(end["step"], saved["step"], "{end} {saved}");
        assert!(end["step"].as_u64().is_some_and(|step| step < 1500));
    }
}

/// A key and no signal, since the terminal is taken.
#[test]
fn ctrl_c_in_the_dashboard_stops_a_training_with_a_checkpoint() {
    let scene = Scene::new();
    let (mut child, terminal) = start(&scene, "run", "1500", &[]);
    let shown = all_shown(&*terminal);
    let mut keys = terminal.take_writer().expect("a keyboard");
    keys.write_all(b"\x03").expect("pressed");
    // 128 + SIGINT.
    assert_eq!(code(&mut child), Some(130));
    drop((keys, terminal));
    let shown = shown.join().expect("read");
    assert!(has(&shown, b"\x1b[?1049l"), "the terminal is given back");
    let events = scene.events("run");
    let of = |kind: &str| events.iter().rfind(|event| event["kind"] == kind);
    let (end, saved) = (of("end").expect("an end"), of("checkpoint").expect("saved"));
    assert_eq!(end["reason"], "interrupted", "{end}");
    assert_eq!(end["step"], saved["step"], "{end} {saved}");
}

/// Whoever asks twice waits for no checkpoint, and gets the terminal back all the same.
#[test]
fn a_second_wish_stops_at_once() {
    let scene = Scene::new();
    for (out, flags) in [("lines", &["--no-dashboard"][..]), ("dashboard", &[])] {
        // The step after the one that is shown must take longer than both wishes, on a machine of any speed.
        let stopped = [256, 1024, 4096].into_iter().find(|rows| {
            let run = format!("{out}-{rows}");
            let long = format!("--set=batch_size={rows}");
            let flags = [flags, &[&long]].concat();
            let (mut child, terminal) = start(&scene, &run, "1500", &flags);
            let shown = all_shown(&*terminal);
            let mut keys = terminal.take_writer().expect("a keyboard");
            // Where no dashboard has taken it, the terminal makes SIGINT of it.
            keys.write_all(b"\x03").expect("pressed");
            // What comes sooner is taken for the same wish.
            std::thread::sleep(Duration::from_millis(500));
            terminate(&child);
            let code = code(&mut child);
            drop((keys, terminal));
            let shown = shown.join().expect("read");
            if out == "dashboard" {
                assert!(has(&shown, b"\x1b[?1049l"), "the terminal is given back");
            }
            let events = scene.events(&run);
            let none = |kind: &str| events.iter().all(|event| event["kind"] != kind);
            // 128 + SIGTERM, and nothing kept.
            code == Some(143) && none("end") && none("checkpoint")
        });
        assert!(
            stopped.is_some(),
            "{out}: the second wish waited for the first"
        );
    }
}

/// One wish that comes twice, as from a program that passes signals on, is no second one; also where nobody reads what is said.
#[test]
fn a_wish_that_is_passed_on_is_one() {
    let scene = Scene::new();
    let (mut child, _terminal) = spawn(&scene, "run", "100000", &["--no-dashboard"]);
    let started = Instant::now();
    while scene.events("run").len() < 1000 {
        assert!(started.elapsed() < PATIENCE, "it waits for a reader");
        std::thread::sleep(Duration::from_millis(50));
    }
    terminate(&child);
    std::thread::sleep(Duration::from_millis(100));
    terminate(&child);
    assert_eq!(code(&mut child), Some(143));
    let events = scene.events("run");
    let of = |kind: &str| events.iter().rfind(|event| event["kind"] == kind);
    let (end, saved) = (of("end").expect("an end"), of("checkpoint").expect("saved"));
    assert_eq!(end["step"], saved["step"], "{end} {saved}");
}

#[test]
fn a_quiet_training_leaves_its_terminal_alone() {
    let scene = Scene::new();
    let (mut child, terminal) = spawn(&scene, "run", "3", &["--quiet"]);
    let shown = all_shown(&*terminal);
    assert_eq!(code(&mut child), Some(0));
    drop(terminal);
    let shown = shown.join().expect("read");
    let text = String::from_utf8_lossy(&shown);
    // The result is no progress.
    assert!(!text.trim().is_empty(), "{text}");
    assert!(!has(&shown, b"\x1b") && !has(&shown, b"tok/s"), "{text}");
}

#[test]
fn where_hang_ups_are_ignored_it_goes_on_without_a_terminal() {
    let scene = Scene::new();
    let (mut child, terminal) = start(&scene, "run", "300", &["ignore"]);
    drop(terminal);
    assert_eq!(code(&mut child), Some(0));
    let events = scene.events("run");
    let end = events.last().expect("events");
    assert_eq!((&end["kind"], &end["step"]), (&"end".into(), &300.into()));
}

#[test]
fn a_signal_closes_the_view_of_a_finished_run() {
    let scene = Scene::new();
    let (mut child, terminal) = start(&scene, "run", "5", &[]);
    let started = Instant::now();
    while scene
        .events("run")
        .last()
        .is_none_or(|event| event["kind"] != "end")
    {
        assert!(started.elapsed() < PATIENCE, "it did not end");
        std::thread::sleep(Duration::from_millis(50));
    }
    terminate(&child);
    assert_eq!(code(&mut child), Some(0));
    drop(terminal);
}

/// Ctrl-S, or a connection that hangs: nobody reads what the dashboard draws.
#[test]
fn a_stopped_terminal_holds_up_neither_the_training_nor_its_end() {
    let scene = Scene::new();
    for (out, flags) in [("dashboard", &[][..]), ("lines", &["--no-dashboard"])] {
        // Held open and never read.
        let (mut child, _terminal) = spawn(&scene, out, "100000", flags);
        let started = Instant::now();
        // More lines than a terminal keeps for who does not read.
        while scene.events(out).len() < 1000 {
            assert!(started.elapsed() < PATIENCE, "{out}: it waits for a reader");
            std::thread::sleep(Duration::from_millis(50));
        }
        terminate(&child);
        // 128 + SIGTERM.
        assert_eq!(code(&mut child), Some(143), "{out}");
        let events = scene.events(out);
        let of = |kind: &str| events.iter().rfind(|event| event["kind"] == kind);
        let (end, saved) = (of("end").expect("an end"), of("checkpoint").expect("saved"));
        assert_eq!(end["step"], saved["step"], "{out}: {end} {saved}");
    }
}

/// `pretrain … && finetune …` comes to its second part also where nobody watches.
#[test]
fn the_view_of_a_finished_run_closes_by_itself() {
    let scene = Scene::new();
    let (mut child, terminal) = start(&scene, "run", "5", &[]);
    let shown = all_shown(&*terminal);
    assert_eq!(code(&mut child), Some(0));
    drop(terminal);
    let shown = shown.join().expect("read");
    assert!(has(&shown, b"any key keeps it"), "the reader was told");
    assert!(has(&shown, b"\x1b[?1049l"), "the terminal is given back");
}

/// `pretrain … &`: the kernel would stop it as soon as it touched the terminal.
#[test]
fn in_the_background_of_a_terminal_it_trains_with_lines() {
    let scene = Scene::new();
    let (mut child, terminal) = spawn(&scene, "run", "5", &["background"]);
    let shown = all_shown(&*terminal);
    assert_eq!(code(&mut child), Some(0));
    drop(terminal);
    let shown = shown.join().expect("read");
    let text = String::from_utf8_lossy(&shown);
    assert!(!has(&shown, b"\x1b[?1049h"), "{text}");
    assert!(text.contains("tok/s"), "{text}");
}

/// What fails before the first step is told, and not a view of nothing.
#[test]
fn a_training_that_cannot_begin_does_not_wait_in_its_view() {
    let scene = Scene::new();
    let none = format!("--init-discriminator={}", scene.at("shards"));
    let (mut child, terminal) = spawn(&scene, "run", "5", &[&none]);
    let shown = all_shown(&*terminal);
    assert_eq!(code(&mut child), Some(2));
    drop(terminal);
    let shown = shown.join().expect("read");
    let text = String::from_utf8_lossy(&shown);
    assert!(text.contains("error: "), "{text}");
}

/// What is told while the dashboard has the screen is an event: text would stand over the picture. Warnings are printed when it
/// has closed.
#[test]
fn nothing_is_printed_over_the_dashboard() {
    let series = Series::new();
    let size = PtySize {
        rows: 24,
        cols: 80,
        pixel_width: 0,
        pixel_height: 0,
    };
    let pair = native_pty_system().openpty(size).expect("a terminal");
    let mut command = CommandBuilder::new("sh");
    command.args(["-c", "exec \"$@\" 2>printed", "sh"]);
    command.arg(aelectra().get_program());
    let text = series.read("train.conllu");
    series.write("odd.conllu", &text.replacen("name=O", "name=I-PER", 1));
    let model = asset("golden/tiny-electra/ner");
    command.args(["finetune", "--model", &model, "--epochs", "1"]);
    command.args([
        "--train",
        &series.at("odd.conllu"),
        "--out",
        &series.at("run"),
    ]);
    command.cwd(series.path(""));
    command.env("TERM", "xterm-256color");
    command.env("LC_ALL", "C.UTF-8");
    let mut child = pair.slave.spawn_command(command).expect("it runs");
    drop(pair.slave);
    let mut screen = pair.master.try_clone_reader().expect("a reader");
    std::thread::spawn(move || std::io::copy(&mut screen, &mut std::io::sink()));
    let events = || {
        let text = std::fs::read_to_string(series.path("run/events.jsonl"));
        text.unwrap_or_default()
    };
    wait_for("end", || events().contains("\"kind\":\"end\""));
    assert_eq!(series.read("printed"), "");
    let pid = child.process_id().expect("still shown").to_string();
    let killed = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status();
    assert!(killed.expect("kill exists").success());
    child.wait().expect("it ends");
    let printed = series.read("printed");
    for note in ["no dev data: using learning rate", "continue no entity"] {
        assert!(events().contains(note), "no event says {note:?}");
        assert_eq!(printed.matches(note).count(), 1, "{printed}");
    }
}
