//! What a pretraining run survives: kills, a damaged checkpoint, a full disk. It continues with the
//! same losses, to the last bit, as a run that nothing happened to.
//!
//! The kills are a slow test: five by default, as many as `SURVIVAL_KILLS` says otherwise.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aelectra_data::run::{ControlRequest, RunDir, request_control};
use serde_json::Value;

use crate::binary::{aelectra, expect_code};

/// Steps of the runs here.
pub(crate) const STEPS: u64 = 60;
/// Steps between their checkpoints.
const CHECKPOINT_EVERY: u64 = 4;

/// Shards of the sample, a run nothing happens to, and room for others.
pub(crate) struct Scene {
    dir: tempfile::TempDir,
    precision: &'static str,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let scene = Self {
            dir: tempfile::tempdir().expect("a temporary directory"),
            precision: "f32",
        };
        let prose = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/sample/prose.txt");
        let (tokenizer, shards) = (scene.at("tokenizer"), scene.at("shards"));
        let vocab = [
            "vocab",
            "--input",
            prose,
            "--vocab-size",
            "800",
            "-q",
            "--out",
            &tokenizer,
        ];
        expect_code(&vocab, 0);
        let flags = [
            "--max-length",
            "32",
            "-q",
            "--out",
            &shards,
            "--tokenizer",
            &tokenizer,
        ];
        expect_code(&[&["prepare", "--input", prose][..], &flags].concat(), 0);
        scene
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn at(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// Arguments of a run into `out`. Dropout is on, so that its noise must be repeated too.
    pub(crate) fn arguments(&self, out: &str, seed: u64) -> Vec<String> {
        let settings = [
            "log_every=1".to_owned(),
            format!("checkpoint_every={CHECKPOINT_EVERY}"),
            "eval_every=0".to_owned(),
            "eval_examples=0".to_owned(),
            "batch_size=8".to_owned(),
            "model.hidden_dropout_prob=0.1".to_owned(),
            "model.attention_probs_dropout_prob=0.1".to_owned(),
        ];
        let mut arguments: Vec<String> = [
            "pretrain",
            "--recipe",
            "demo",
            "--quiet",
            "--no-dashboard",
            "--resume",
            "auto",
        ]
        .map(str::to_owned)
        .to_vec();
        let steps = STEPS.to_string();
        let seed = seed.to_string();
        for (flag, value) in [
            ("--data", self.at("shards")),
            ("--tokenizer", self.at("tokenizer")),
            ("--out", self.at(out)),
            ("--max-steps", steps),
            ("--seed", seed),
            ("--precision", self.precision.to_owned()),
        ] {
            arguments.extend([flag.to_owned(), value]);
        }
        for setting in settings {
            arguments.extend(["--set".to_owned(), setting]);
        }
        arguments
    }

    pub(crate) fn train(&self, out: &str) {
        self.train_seed(out, 1);
    }

    fn train_seed(&self, out: &str, seed: u64) {
        let arguments = self.arguments(out, seed);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        expect_code(&arguments, 0);
    }

    pub(crate) fn start(&self, out: &str) -> Child {
        aelectra()
            .args(self.arguments(out, 1))
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary runs")
    }

    /// A run that ends when it is told or killed.
    pub(crate) fn start_without_end(&self, out: &str) -> Child {
        let mut arguments = self.arguments(out, 1);
        let limit = arguments.iter().position(|flag| flag == "--max-steps");
        arguments[limit.expect("a limit") + 1] = "1000000".to_owned();
        for setting in ["schedule_steps=1000000", "checkpoint_every=0"] {
            arguments.extend(["--set", setting].map(str::to_owned));
        }
        aelectra()
            .args(arguments)
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary runs")
    }

    pub(crate) fn events(&self, run: &str) -> Vec<Value> {
        // A kill may tear the last line; the next process mends it.
        std::fs::read_to_string(self.path(run).join("events.jsonl"))
            .unwrap_or_default()
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Losses by step, the ones a later resume made void left out.
    pub(crate) fn losses(&self, run: &str) -> Vec<(u64, f64)> {
        let mut losses: Vec<(u64, f64)> = Vec::new();
        for event in self.events(run) {
            let step = event["step"].as_u64().unwrap_or(0);
            match event["kind"].as_str() {
                Some("resumed") => losses.retain(|(at, _)| *at <= step),
                Some("step") => losses.push((step, event["loss"].as_f64().expect("a loss"))),
                _ => {}
            }
        }
        losses
    }

    /// The newest checkpoint of a run.
    pub(crate) fn newest(&self, run: &str) -> (u64, PathBuf) {
        std::fs::read_dir(self.path(run).join("checkpoints"))
            .expect("checkpoints")
            .flatten()
            .filter_map(|entry| {
                let step = entry
                    .file_name()
                    .to_str()?
                    .strip_prefix("step-")?
                    .parse()
                    .ok()?;
                Some((step, entry.path()))
            })
            .max()
            .expect("a checkpoint")
    }
}

/// A process that a failed assertion leaves behind no more than one that holds.
pub(crate) struct KilledAtTheEnd(pub(crate) Child);

impl KilledAtTheEnd {
    /// Waits until a run has taken a step.
    pub(crate) fn steps(&mut self, scene: &Scene, run: &str) {
        while !(scene.events(run).iter()).any(|event| event["kind"] == "step") {
            let ended = self.0.try_wait().expect("a state");
            assert!(ended.is_none(), "it ended before its first step");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for KilledAtTheEnd {
    fn drop(&mut self) {
        // Has ended by itself where all went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A small generator of waits; the operating system's timing makes the moments random anyway.
pub(crate) fn next(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1);
    *state >> 33
}

/// How many kills have to hit.
pub(crate) fn kills_wanted() -> usize {
    let wanted = std::env::var("SURVIVAL_KILLS").ok();
    wanted.and_then(|number| number.parse().ok()).unwrap_or(5)
}

#[test]
fn killed_at_random_steps_it_continues_to_the_last_bit() {
    assert_survives(&Scene::new(), kills_wanted());
}

/// Fewer kills: what differs is how products are computed.
#[test]
fn killed_in_bf16_it_continues_to_the_last_bit() {
    let mut scene = Scene::new();
    scene.precision = "bf16";
    assert_survives(&scene, kills_wanted().div_ceil(3));
    // The precision is part of what a run is.
    scene.precision = "f32";
    let arguments = scene.arguments("whole", 1);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let told = expect_code(&arguments, 2).1;
    assert!(told.contains("precision: \"bf16\" → \"f32\""), "{told}");
}

fn assert_survives(scene: &Scene, wanted: usize) {
    scene.train("whole");
    let whole = scene.losses("whole");
    assert_eq!(whole.len(), STEPS as usize);

    let mut state = 7;
    let (mut kills, mut runs) = (0, 0);
    while kills < wanted {
        // A run that came to its end before enough kills hit is compared and begun anew.
        let run = format!("killed-{runs}");
        let mut child = scene.start(&run);
        let seen = scene.events(&run).len();
        // Somewhere in the steps after the start, also within a checkpoint.
        let events = seen as u64 + 1 + next(&mut state) % (2 * CHECKPOINT_EVERY + 2);
        let mut ended = false;
        let begun_anew = || {
            // Of the last kill something has to be there to go on from.
            let saved = |event: &Value| event["kind"] == "checkpoint";
            kills + 1 == wanted && !scene.events(&run).iter().any(saved)
        };
        while ((scene.events(&run).len() as u64) < events || begun_anew()) && !ended {
            std::thread::sleep(Duration::from_millis(2));
            ended = child.try_wait().expect("a state").is_some();
        }
        std::thread::sleep(Duration::from_micros(next(&mut state) % 20_000));
        if child.try_wait().expect("a state").is_none() {
            child.kill().expect("killed");
            // Ended by the signal, not by itself in the same moment.
            kills += usize::from(child.wait().expect("reaped").code().is_none());
        } else {
            assert_eq!(scene.losses(&run), whole, "after {kills} kills");
            runs += 1;
        }
    }
    let run = format!("killed-{runs}");
    scene.train(&run);
    assert_eq!(scene.losses(&run), whole, "after {kills} kills");
    let resumed = scene
        .events(&run)
        .iter()
        .filter(|e| e["kind"] == "resumed" && e["step"].as_u64() > Some(0))
        .count();
    assert!(resumed > 0, "the last run began anew after {kills} kills");
}

/// Also where the run was killed while somebody watched it.
#[test]
fn what_copies_a_run_s_events_ends_with_its_process() {
    let scene = Scene::new();
    let mut run = KilledAtTheEnd(scene.start_without_end("run"));
    run.steps(&scene, "run");
    let mut watcher = aelectra()
        .args(["dashboard", "--json", &scene.at("run")])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut copied = BufReader::new(watcher.stdout.take().expect("piped")).lines();
    // It watches.
    copied.next().expect("a line").expect("text");
    run.0.kill().expect("killed");
    let ended = run.0.wait().expect("reaped");
    assert_eq!(ended.code(), None, "it ended before it was killed");
    let (sender, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(copied.map_while(Result::ok).count()));
    let Ok(more) = ended.recv_timeout(Duration::from_secs(60)) else {
        let _ = watcher.kill();
        panic!("it goes on watching a process that is gone");
    };
    assert_eq!(watcher.wait().expect("reaped").code(), Some(0));
    assert_eq!(1 + more, scene.events("run").len());
}

#[test]
fn seeds_repeat_and_differ() {
    let scene = Scene::new();
    scene.train_seed("one", 1);
    scene.train_seed("again", 1);
    scene.train_seed("two", 2);
    assert_eq!(scene.losses("one"), scene.losses("again"));
    assert_ne!(scene.losses("one"), scene.losses("two"));
}

#[test]
fn a_damaged_checkpoint_is_skipped_with_a_warning() {
    let scene = Scene::new();
    scene.train("whole");
    for (name, damage) in [
        (
            "cut",
            (|bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2)) as fn(&mut Vec<u8>),
        ),
        ("flipped", |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
        }),
    ] {
        for file in ["model.safetensors", "optimizer.safetensors", "state.json"] {
            let run = format!("{name}-{file}");
            copy_dir(&scene.path("whole"), &scene.path(&run));
            let (step, newest) = scene.newest(&run);
            let path = newest.join(file);
            let mut bytes = std::fs::read(&path).expect("the file");
            damage(&mut bytes);
            std::fs::write(&path, bytes).expect("written");
            scene.train(&run);
            let events = scene.events(&run);
            let told = events.iter().any(|event| {
                event["kind"] == "log"
                    && event["message"]
                        .as_str()
                        .is_some_and(|m| m.contains("skipping unreadable checkpoint"))
            });
            assert!(told, "{run}: no warning about the damaged checkpoint");
            let from = events.iter().rev().find(|event| event["kind"] == "resumed");
            let from = from.and_then(|event| event["step"].as_u64());
            assert_eq!(from, Some(step - CHECKPOINT_EVERY), "{run}");
            assert_eq!(scene.losses(&run), scene.losses("whole"), "{run}");
        }
    }
}

/// A disk that takes no file larger than the event log: the shell's limit on file sizes, with its
/// signal ignored, so that writing fails as on a full disk.
#[cfg(unix)]
#[test]
fn on_a_full_disk_the_run_goes_on_and_the_last_checkpoint_stays_whole() {
    let scene = Scene::new();
    scene.train("whole");
    let short: Vec<String> = scene
        .arguments("full", 1)
        .into_iter()
        .map(|argument| {
            if argument == STEPS.to_string() {
                "20".to_owned()
            } else {
                argument
            }
        })
        .collect();
    let short: Vec<&str> = short.iter().map(String::as_str).collect();
    expect_code(&short, 0);
    let (before, checkpoint) = scene.newest("full");
    let weights = std::fs::read(checkpoint.join("model.safetensors")).expect("weights");

    // Blocks of 512 or 1,024 bytes, as the shell has it; weights have more than 400 kB.
    let limited = Command::new("sh")
        .args(["-c", "ulimit -f 200; exec \"$@\"", "sh"])
        .arg(aelectra().get_program())
        .args(scene.arguments("full", 1))
        .output()
        .expect("a shell");
    let told = String::from_utf8_lossy(&limited.stderr).into_owned();
    assert_eq!(limited.status.code(), Some(1), "{told}");
    assert!(told.contains("cannot be written"), "{told}");
    assert!(told.contains("step 20 is untouched"), "{told}");
    let events = scene.events("full");
    let warnings = events.iter().filter(|event| {
        event["message"]
            .as_str()
            .is_some_and(|m| m.starts_with("no checkpoint at step"))
    });
    assert!(warnings.count() > 5, "the run did not go on");
    assert_eq!(
        scene.losses("full").last().map(|(step, _)| *step),
        Some(STEPS)
    );
    let (after, _) = scene.newest("full");
    assert_eq!((before, after), (20, 20));
    assert_eq!(
        std::fs::read(checkpoint.join("model.safetensors")).expect("weights"),
        weights
    );

    // With room again it continues from there.
    scene.train("full");
    assert_eq!(scene.losses("full"), scene.losses("whole"));
}

/// A run directory that cannot be written is refused before anything is trained.
#[test]
fn an_unwritable_run_directory_is_a_clear_error() {
    let scene = Scene::new();
    std::fs::write(scene.path("file"), "in the way").expect("written");
    let arguments = scene.arguments("file/run", 1);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (_, told) = expect_code(&arguments, 2);
    assert!(told.contains("file/run"), "{told}");
    assert!(!told.contains("panicked"), "{told}");
}

pub(crate) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("copied");
        }
    }
}

/// Killed on two devices and continued on one: a checkpoint names no device, and the split of a batch
/// does not matter.
#[test]
fn a_run_goes_on_with_the_devices_that_are_left() {
    let scene = Scene::new();
    scene.train("whole");
    let mut process = aelectra()
        .args(scene.arguments("shared", 1))
        .args(["--device", "flex,flex"])
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    // It waits where it is, so that it cannot come to its end first.
    while scene.losses("shared").len() < 10 && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    let run = RunDir::open(&scene.path("shared")).expect("a run");
    request_control(&run.control(), ControlRequest::Pause).expect("asked");
    let paused = || {
        let events = scene.events("shared");
        let answered = |event: &Value| event["kind"] == "control" && event["status"] == "done";
        events.iter().any(answered)
    };
    while !paused() && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    process.kill().expect("it runs");
    process.wait().expect("it ends");
    let on_two = scene.losses("shared").len();
    assert!((10..STEPS as usize).contains(&on_two), "{on_two} steps");
    let events = scene.events("shared");
    let step = events.iter().find(|event| event["kind"] == "step");
    let devices = step.expect("a step")["devices"]
        .as_array()
        .expect("devices");
    assert_eq!(devices[1]["device"], "flex#2");
    scene.train("shared");
    let (whole, shared) = (scene.losses("whole"), scene.losses("shared"));
    assert_eq!(whole.len(), shared.len());
    for ((step, whole), (_, shared)) in whole.into_iter().zip(shared) {
        let apart = (whole - shared).abs() / whole;
        assert!(apart < 2e-4, "step {step}: {whole} and {shared}");
    }
}
