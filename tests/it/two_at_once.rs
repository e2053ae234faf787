//! Several programs at once: two in one directory, two in the same second, a comparison and its child.

use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::binary::{aelectra, expect_code};
use crate::series::{Series, start, told, wait_for};
use crate::survival::{Scene, kills_wanted, next};

fn assert_in_use(told: &str, verb: &str, holder: u32) {
    for part in [
        "lock` is locked: ",
        &format!("aelectra {verb}, process {holder} on "),
        " since 20",
        "hint: wait until it ends",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
}

#[test]
fn a_second_pretraining_is_told_who_holds_the_run_and_changes_nothing() {
    let scene = Scene::new();
    let mut arguments = scene.arguments("run", 1);
    for word in &mut arguments {
        // Long enough to be looked at, and all checkpoints stay.
        if *word == crate::survival::STEPS.to_string() {
            "1500".clone_into(word);
        }
    }
    arguments.extend(["--set", "keep_checkpoints=1000"].map(str::to_owned));
    let mut first = start(&arguments);
    wait_for("checkpoint", || scene.path("run").join("last").is_file());

    let second = start(&arguments).wait_with_output().expect("it ends");
    assert_eq!(second.status.code(), Some(2), "{}", told(&second));
    assert_in_use(&told(&second), "pretrain", first.id());

    // Whoever only reads is not kept out.
    let (run, root) = (scene.at("run"), scene.at(""));
    let (_, last) = scene.newest("run");
    let (last, exported) = (last.to_string_lossy().into_owned(), scene.at("exported"));
    for arguments in [
        vec!["runs", "list", &root],
        vec!["runs", "show", &run],
        vec!["dashboard", "--once", &run],
        vec!["export", "--checkpoint", &last, "--out", &exported],
        vec!["inspect", &exported],
    ] {
        expect_code(&arguments, 0);
    }
    expect_code(&["runs", "stop", &run], 0);
    assert_eq!(first.wait().expect("it ends").code(), Some(0));
    assert!(!scene.path("run").join("lock").exists());

    let once = |runs: &[&str]| -> Value {
        let (printed, _) = expect_code(&[&["dashboard", "--once", "--json"], runs].concat(), 0);
        serde_json::from_str(&printed).expect("one JSON document")
    };
    let (one, two) = (once(&[&run]), once(&[&run, &run]));
    assert_eq!(one["id"], "run");
    assert_eq!(one["state"], two[1]["state"]);

    let events = scene.events("run");
    let starts = events.iter().filter(|event| event["kind"] == "start");
    assert_eq!(starts.count(), 1, "the second has begun");
    let seqs = events.iter().map(|event| event["seq"].as_u64());
    assert!(seqs.eq((0..events.len() as u64).map(Some)));
}

/// Two at once, one of them killed at a random moment, again and again.
#[test]
fn of_two_at_once_one_trains_and_kills_lose_nothing() {
    let wanted = kills_wanted();
    let scene = Scene::new();
    scene.train("whole");
    let whole = scene.losses("whole");
    let arguments = scene.arguments("both", 1);
    let (mut state, mut kills, mut refused) = (11, 0, 0);
    let mut both = scene.path("both");
    let mut round = 0;
    while kills < wanted {
        let mut two = [start(&arguments), start(&arguments)];
        std::thread::sleep(Duration::from_micros(next(&mut state) % 1_500_000));
        for child in &mut two {
            // Dead already, or refused.
            let _ = child.kill();
        }
        for child in two {
            let output = child.wait_with_output().expect("it ends");
            match output.status.code() {
                None => kills += 1,
                Some(2) => {
                    refused += 1;
                    assert!(told(&output).contains("is locked"), "{}", told(&output));
                }
                code => assert_eq!(code, Some(0), "{}", told(&output)),
            }
        }
        if scene.losses("both").len() == whole.len() {
            assert_eq!(scene.losses("both"), whole);
            round += 1;
            let done = scene.path(&format!("done-{round}"));
            std::fs::rename(&both, done).expect("renamed");
            both = scene.path("both");
        }
    }
    assert!(refused > 0, "no two were there at once");
    scene.train("both");
    assert_eq!(scene.losses("both"), whole, "after {kills} kills");
    let seqs = scene.events("both");
    let seqs: Vec<u64> = seqs
        .iter()
        .filter_map(|event| event["seq"].as_u64())
        .collect();
    assert!(
        seqs.iter().copied().eq(0..seqs.len() as u64),
        "two have written: {seqs:?}"
    );
}

#[test]
fn a_second_series_and_a_second_comparison_are_told_who_holds_them() {
    let series = Series::new();
    let long = ["--epochs", "100000", "--seeds", "2"];
    let mut first = series.start("finetune", "run", &long);
    wait_for("events", || series.path("run/events.jsonl").is_file());
    let told = series.run("finetune", "run", &[], 2);
    assert_in_use(&told, "finetune", first.id());
    first.kill().expect("killed");
    first.wait().expect("reaped");
    // The lock has gone with it; what it left is a run like any other.
    series.run("finetune", "other", &[], 0);

    let mut first = series.start("compare", "table", &long);
    wait_for("lock", || series.path("table/lock").is_file());
    let told = series.run("compare", "table", &[], 2);
    assert_in_use(&told, "compare", first.id());
    first.kill().expect("killed");
    first.wait().expect("reaped");
    // Nor does what it had started go on.
    wait_for("the end of its child", || {
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let table = series.at("table");
        let mut commands = processes.filter_map(|it| std::fs::read(it.path().join("cmdline")).ok());
        !commands.any(|command| String::from_utf8_lossy(&command).contains(&table))
    });
}

#[test]
fn two_runs_begun_in_the_same_second_have_directories_of_their_own() {
    let series = Series::new();
    let mut arguments = series.arguments("finetune", "none", &[]);
    let out = arguments.iter().position(|word| word == "--out");
    let out = out.expect("it is there");
    arguments.drain(out..out + 2);
    let children: Vec<Child> = (0..3)
        .map(|_| {
            aelectra()
                .args(&arguments)
                .current_dir(series.path(""))
                .stdout(Stdio::null())
                .spawn()
                .expect("the binary runs")
        })
        .collect();
    for mut child in children {
        assert_eq!(child.wait().expect("it ends").code(), Some(0));
    }
    let runs = std::fs::read_dir(series.path("runs")).expect("runs");
    assert_eq!(runs.count(), 3);
}

/// A signal to the comparison alone, as a container's end sends it, stops the training of its child too.
#[cfg(unix)]
#[test]
fn a_comparison_that_is_stopped_stops_its_child() {
    let series = Series::new();
    let more = ["--seeds", "3", "--epochs", "100000"];
    let mut parent = series.start("compare", "table", &more);
    let folder = || {
        std::fs::read_dir(series.path("table"))
            .into_iter()
            .flatten()
            .flatten()
    };
    let events = || {
        let mut runs = folder().map(|entry| entry.path().join("events.jsonl"));
        runs.find(|path| path.is_file())
    };
    let trains = |path: &std::path::PathBuf| {
        std::fs::read_to_string(path).is_ok_and(|t| t.contains("ner_step"))
    };
    wait_for("step", || events().is_some_and(|path| trains(&path)));
    let pid = parent.id().to_string();
    let sent = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status();
    assert!(sent.expect("`kill` runs").success());
    assert_eq!(parent.wait().expect("it ends").code(), Some(143));
    let text = std::fs::read_to_string(events().expect("there")).expect("readable");
    let last = text.lines().last().expect("a line");
    assert!(
        last.contains("\"kind\":\"end\""),
        "the child goes on: {last}"
    );
}
