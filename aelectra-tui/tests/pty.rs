//! The example binary in a pseudo-terminal: it starts, follows resizes, leaves, and the terminal is
//! as it was.
#![cfg(unix)]
#![allow(clippy::print_stderr)]

#[path = "common/demo.rs"]
mod demo;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Longer than any machine needs; a failure waits this long.
const PATIENCE: Duration = Duration::from_secs(20);

struct Session {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    input: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    raw: Vec<u8>,
}

/// The example beside this test's binary; cargo builds examples before it runs tests.
fn example() -> PathBuf {
    let mut path = std::env::current_exe().expect("the test's own path");
    path.pop();
    path.pop();
    path.join("examples").join("view")
}

fn size(cols: u16, rows: u16) -> PtySize {
    PtySize {
        rows,
        cols,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn cells(count: u16) -> std::num::NonZero<u16> {
    std::num::NonZero::new(count).expect("a terminal has cells")
}

impl Session {
    fn start(arguments: &[&str]) -> Self {
        let pair = native_pty_system()
            .openpty(size(80, 24))
            .expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(example());
        command.args(arguments);
        command.env("TERM", "xterm-256color");
        command.env("LC_ALL", "C.UTF-8");
        command.env_remove("NO_COLOR");
        let child = pair
            .slave
            .spawn_command(command)
            .expect("the example, built by cargo test");
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let (send, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 65536];
            while let Ok(count) = reader.read(&mut buffer) {
                if count == 0 || send.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            input: pair.master.take_writer().expect("a writer"),
            master: pair.master,
            child,
            output,
            screen: vt100::Parser::new(cells(24), cells(80), 0),
            raw: Vec::new(),
        }
    }

    fn pump(&mut self, time: Duration) {
        if let Ok(bytes) = self.output.recv_timeout(time) {
            self.screen.process(&bytes);
            self.raw.extend(bytes);
        }
    }

    fn text(&self) -> String {
        self.screen.screen().contents()
    }

    fn wait_for(&mut self, wanted: &str) {
        let start = Instant::now();
        while !self.text().contains(wanted) {
            assert!(
                start.elapsed() < PATIENCE,
                "no `{wanted}` in:\n{}\nafter {}",
                self.text(),
                String::from_utf8_lossy(&self.raw[self.raw.len().saturating_sub(2000)..])
                    .escape_debug()
            );
            self.pump(Duration::from_millis(50));
        }
    }

    fn type_keys(&mut self, keys: &str) {
        self.input.write_all(keys.as_bytes()).expect("typed");
        self.input.flush().expect("typed");
    }

    fn resize(&mut self, cols: u16, rows: u16) {
        self.screen.screen_mut().set_size(cells(rows), cells(cols));
        self.master.resize(size(cols, rows)).expect("resized");
    }

    /// Waits for the end; the exit code.
    fn finish(&mut self) -> u32 {
        let start = Instant::now();
        let status = loop {
            self.pump(Duration::from_millis(20));
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(start.elapsed() < PATIENCE, "still there:\n{}", self.text());
        };
        while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(300)) {
            self.screen.process(&bytes);
            self.raw.extend(bytes);
        }
        status.exit_code()
    }

    /// The alternate screen is left, the cursor shown, the mouse released, after all else.
    fn assert_restored(&self) {
        let screen = self.screen.screen();
        assert!(!screen.alternate_screen(), "still on the alternate screen");
        assert!(!screen.hide_cursor(), "the cursor is hidden");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        let raw = String::from_utf8_lossy(&self.raw);
        let entered = raw.rfind("\x1b[?1049h").expect("it was entered");
        let left = raw.rfind("\x1b[?1049l").expect("it was left");
        assert!(left > entered);
    }

    /// The terminal echoes and edits lines again. What the kernel says, not what was printed.
    fn assert_cooked(&self) {
        let name = self.master.tty_name().expect("a name");
        let start = Instant::now();
        loop {
            let stty = std::process::Command::new("stty")
                .arg("-a")
                .arg("-F")
                .arg(&name)
                .output();
            let modes = match stty {
                Ok(output) if output.status.success() => {
                    String::from_utf8_lossy(&output.stdout).into_owned()
                }
                _ => return eprintln!("skipped: no stty here to ask for the terminal's modes"),
            };
            if modes.contains(" icanon") && modes.contains(" echo ") {
                return;
            }
            // It is given back in steps; the last follows what can be seen on the screen.
            assert!(start.elapsed() < PATIENCE, "{modes}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the process is stopped, so that a signal to continue does not come too early.
    fn wait_until_stopped(&self) {
        let pid = self.child.process_id().expect("running");
        let start = Instant::now();
        loop {
            let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
                eprintln!("skipped: no /proc here to ask for the process's state");
                return std::thread::sleep(Duration::from_secs(1));
            };
            // proc(5): the state follows the name in parentheses.
            if stat
                .rsplit(')')
                .next()
                .is_some_and(|rest| rest.trim_start().starts_with('T'))
            {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "{stat}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn run_dir() -> (tempfile::TempDir, String) {
    let root = tempfile::tempdir().expect("temporary directory");
    let path = root.path().join("run");
    demo::write_run(&path, 200).expect("written");
    let text = path.to_str().expect("a path in UTF-8").to_owned();
    (root, text)
}

#[test]
fn it_starts_resizes_and_quits() {
    let (_root, run) = run_dir();
    let mut session = Session::start(&[&run]);
    session.wait_for("step 200");
    assert!(session.screen.screen().alternate_screen());
    session.resize(120, 40);
    session.wait_for("Learning rate");
    session.resize(40, 10);
    session.wait_for("too small");
    session.resize(200, 50);
    session.wait_for("Best guess");
    session.type_keys("3");
    session.wait_for("P(replaced)");
    session.type_keys("?");
    session.wait_for("The run (confirmed)");
    session.type_keys("q");
    assert_eq!(session.finish(), 0);
    session.assert_restored();
    session.assert_cooked();
    assert!(session.text().contains("left: Quit"), "{}", session.text());
}

#[test]
fn ctrl_c_and_a_signal_restore_the_terminal() {
    let (_root, run) = run_dir();
    let mut session = Session::start(&[&run]);
    session.wait_for("step 200");
    session.type_keys("\x03");
    assert_eq!(session.finish(), 130);
    session.assert_restored();
    session.assert_cooked();

    let mut session = Session::start(&[&run]);
    session.wait_for("step 200");
    let pid = session.child.process_id().expect("running").to_string();
    let killed = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status();
    assert!(killed.expect("kill exists").success());
    assert_eq!(session.finish(), 143);
    session.assert_restored();
    session.assert_cooked();
}

/// Shows a run on a terminal, takes the terminal away, and gives what became of the program:
/// nothing, if it had to be killed. `controlling` terminals send SIGHUP as they go; others only end.
fn after_the_terminal_vanished(arguments: &[&str], controlling: bool) -> Option<u32> {
    let pair = native_pty_system()
        .openpty(size(80, 24))
        .expect("a pseudo-terminal");
    let mut command = CommandBuilder::new(example());
    command.args(arguments);
    command.env("TERM", "xterm-256color");
    command.env("LC_ALL", "C.UTF-8");
    command.set_controlling_tty(controlling);
    let mut child = pair.slave.spawn_command(command).expect("the example");
    drop(pair.slave);
    // Nothing but this function may hold the terminal's other end.
    let mut reader = pair.master.try_clone_reader().expect("a reader");
    let mut screen = vt100::Parser::new(cells(24), cells(80), 0);
    let mut buffer = [0; 65536];
    while !screen.screen().contents().contains("step 200") {
        let count = reader.read(&mut buffer).expect("output");
        assert!(count > 0, "{}", screen.screen().contents());
        screen.process(&buffer[..count]);
    }
    drop((reader, pair.master));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        if let Some(status) = child.try_wait().expect("a child") {
            return Some(status.exit_code());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    None
}

#[test]
fn it_ends_when_its_terminal_vanishes() {
    let (_root, run) = run_dir();
    // A view inside a training does not take a terminal that is none of its session's.
    for controlling in [true, false] {
        let code = after_the_terminal_vanished(&[&run], controlling);
        assert_eq!(code, Some(129), "controlling: {controlling}");
    }
}

#[test]
fn a_panic_restores_the_terminal_before_its_message() {
    let (_root, run) = run_dir();
    let mut session = Session::start(&[&run, "--panic"]);
    assert_eq!(session.finish(), 101);
    session.assert_restored();
    session.assert_cooked();
    // After the terminal was left, where it can be read.
    let raw = String::from_utf8_lossy(&session.raw).into_owned();
    let (left, said) = (raw.rfind("\x1b[?1049l"), raw.find("asked to"));
    assert!(said.is_some() && left < said, "{raw}");
}

#[test]
fn ctrl_z_gives_the_terminal_back_and_fg_takes_it_again() {
    let (_root, run) = run_dir();
    let mut session = Session::start(&[&run]);
    session.wait_for("step 200");
    session.type_keys("\x1a");
    let start = Instant::now();
    while session.screen.screen().alternate_screen() {
        assert!(start.elapsed() < PATIENCE, "not suspended");
        session.pump(Duration::from_millis(50));
    }
    session.assert_cooked();
    session.wait_until_stopped();
    let pid = session.child.process_id().expect("running").to_string();
    let continued = std::process::Command::new("kill")
        .args(["-CONT", &pid])
        .status();
    assert!(continued.expect("kill exists").success());
    session.wait_for("step 200");
    assert!(session.screen.screen().alternate_screen());
    session.type_keys("q");
    assert_eq!(session.finish(), 0);
    session.assert_restored();
}

#[test]
fn a_stop_from_the_live_view_lies_in_control() {
    let (_root, run) = run_dir();
    let mut session = Session::start(&["--live", &run]);
    session.wait_for("step 200");
    session.type_keys("q");
    session.wait_for("detach");
    session.type_keys("s");
    session.wait_for("stop requested");
    let requests =
        aelectra_data::run::poll_control(&Path::new(&run).join("control")).expect("polled");
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].0, aelectra_data::run::ControlRequest::Stop);
    // The trainer would now end the run; the view leaves by itself.
    let mut writer = aelectra_data::run::EventWriter::open(&Path::new(&run).join("events.jsonl"))
        .expect("opened");
    let end = aelectra_data::run::EndEvent::default();
    writer
        .append(&aelectra_data::run::RunEvent::End(end))
        .expect("written");
    assert_eq!(session.finish(), 0);
    session.assert_restored();
    assert!(
        session.text().contains("left: Stopped"),
        "{}",
        session.text()
    );
}

#[test]
fn without_a_terminal_there_are_plain_lines() {
    let (_root, run) = run_dir();
    let mut writer = aelectra_data::run::EventWriter::open(&Path::new(&run).join("events.jsonl"))
        .expect("opened");
    let end = aelectra_data::run::EndEvent::default();
    writer
        .append(&aelectra_data::run::RunEvent::End(end))
        .expect("written");
    let output = std::process::Command::new(example())
        .arg(&run)
        .output()
        .expect("it ran");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success());
    assert!(
        text.contains("step 200/250") && text.contains("MLM loss"),
        "{text}"
    );
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text}");
    let output = std::process::Command::new(example())
        .args(["--json", &run])
        .output()
        .expect("it ran");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(
        text.lines()
            .filter(|line| line.contains("\"kind\":\"step\""))
            .count()
            == 200
    );
}
