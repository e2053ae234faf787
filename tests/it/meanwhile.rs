//! What is done to a pretraining while it trains: its directory is moved, its lock deleted, it is asked for something.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::binary::{aelectra, expect_code};
use crate::survival::{KilledAtTheEnd, Scene};

/// Somebody tidies up while it trains: a lock that is gone is taken again, and where the directory is gone nothing more is
/// written in its place.
#[test]
fn a_directory_that_is_moved_ends_the_run_and_a_lock_that_is_deleted_does_not() {
    let scene = Scene::new();
    let mut child = KilledAtTheEnd(scene.start_without_end("run"));
    child.steps(&scene, "run");
    let lock = scene.path("run/lock");
    std::fs::remove_file(&lock).expect("removable");
    let begun = std::time::Instant::now();
    while !lock.is_file() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the lock again");
        std::thread::sleep(Duration::from_millis(20));
    }
    let second = scene.arguments("run", 1);
    let second: Vec<&str> = second.iter().map(String::as_str).collect();
    expect_code(&second, 2);
    std::fs::rename(scene.path("run"), scene.path("moved")).expect("movable");
    let status = child.0.wait().expect("it ends");
    assert_eq!(status.code(), Some(1));
    assert!(
        !scene.path("run").exists(),
        "nothing is written in its place"
    );
    let told = scene.events("moved");
    let last = told.last().expect("events");
    assert_eq!(
        (&last["kind"], &last["reason"]),
        (&"end".into(), &"failed".into())
    );
}

/// Also where it would look again only later: a signal has it write a checkpoint, and not where nobody looks for one.
#[test]
fn a_run_whose_directory_was_moved_leaves_nothing_at_its_old_place() {
    let scene = Scene::new();
    let mut arguments = scene.arguments("run", 1);
    let limit = arguments.iter().position(|flag| flag == "--max-steps");
    arguments[limit.expect("a limit") + 1] = "1000000".to_owned();
    for setting in [
        "schedule_steps=1000000",
        "checkpoint_every=0",
        "log_every=1000000",
    ] {
        arguments.extend(["--set", setting].map(str::to_owned));
    }
    let child = aelectra().args(arguments).stdout(Stdio::null()).spawn();
    let mut child = KilledAtTheEnd(child.expect("the binary runs"));
    while !(scene.events("run").iter()).any(|event| event["kind"] == "start") {
        std::thread::sleep(Duration::from_millis(5));
    }
    // It trains, and looks for requests between its steps.
    expect_code(&["runs", "pause", &scene.at("run"), "--wait", "60"], 0);
    std::fs::rename(scene.path("run"), scene.path("moved")).expect("movable");
    let terminated = Command::new("kill").arg(child.0.id().to_string()).status();
    assert!(terminated.expect("kill runs").success());
    assert_eq!(child.0.wait().expect("it ends").code(), Some(1));
    assert!(!scene.path("run").exists(), "something at the old place");
}

/// A script that takes a checkpoint and uses it, and one that stops a run before it goes on.
#[test]
fn a_request_can_be_waited_for() {
    let scene = Scene::new();
    let mut run = KilledAtTheEnd(scene.start_without_end("run"));
    run.steps(&scene, "run");
    let path = scene.at("run");
    expect_code(&["runs", "checkpoint", &path, "--wait"], 0);
    assert!(scene.newest("run").0 > 0);
    // There is no held-out data.
    let told = expect_code(&["runs", "evaluate", &path, "--wait", "60"], 1).1;
    assert!(told.contains("refused"), "{told}");
    expect_code(&["runs", "stop", &path, "--wait", "60"], 0);
    let last = scene.events("run").pop().expect("events");
    assert_eq!(last["kind"], "end");
    assert_eq!(run.0.wait().expect("reaped").code(), Some(0));
}
