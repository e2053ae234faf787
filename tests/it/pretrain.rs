//! `aelectra pretrain`: which checkpoints it keeps, and models it continues from.

use std::path::Path;

use crate::binary::expect_code;
use crate::survival::Scene;

/// A few steps into `out`, evaluated between checkpoints.
fn pretrain(scene: &Scene, out: &str, steps: &str, more: &[&str]) {
    let (data, tokenizer, out) = (scene.at("shards"), scene.at("tokenizer"), scene.at(out));
    let inputs = ["--data", &data, "--tokenizer", &tokenizer, "--out", &out];
    let settings = [
        "--set",
        "batch_size=8",
        "--set",
        "eval_examples=64",
        "--set",
        "warmup_steps=1",
        "--max-steps",
        steps,
    ];
    let command = ["pretrain", "--recipe", "demo", "--quiet", "--no-dashboard"];
    expect_code(&[&command[..], &inputs, &settings, more].concat(), 0);
}

#[test]
fn the_best_weights_are_kept_between_checkpoints() {
    let scene = Scene::new();
    let more = [
        "--set",
        "eval_every=4",
        "--set",
        "checkpoint_every=1000",
        "--set",
        "keep_checkpoints=1",
    ];
    pretrain(&scene, "run", "14", &more);
    let events = scene.events("run");
    let loss = |event: &serde_json::Value| event["loss"].as_f64().expect("a loss");
    let best = events
        .iter()
        .filter(|event| event["kind"] == "eval")
        .min_by(|a, b| loss(a).total_cmp(&loss(b)))
        .expect("an evaluation");
    let path = format!("checkpoints/step-{}", best["step"]);
    let kept = events
        .iter()
        .rfind(|event| event["kind"] == "checkpoint" && event["best"] == true)
        .expect("a best checkpoint");
    assert_eq!(kept["path"], path.as_str(), "{best}");
    assert!(scene.path("run").join(path).join("state.json").is_file());
    let early = events
        .iter()
        .any(|event| event["kind"] == "checkpoint" && event["step"] == 4);
    assert!(early, "the first evaluation is an improvement");
    let (run, out) = (scene.at("run"), scene.at("exported"));
    expect_code(
        &["export", "--best", "--checkpoint", &run, "--out", &out],
        0,
    );
}

/// The models a run began with are read once: what they held is in its checkpoints.
#[test]
fn a_resumed_run_needs_its_initial_models_no_more() {
    let scene = Scene::new();
    pretrain(&scene, "first", "2", &[]);
    let initial = scene.path("first/discriminator");
    let flag = initial.to_string_lossy().into_owned();
    let more = ["--init-discriminator", &flag, "--resume", "auto"];
    pretrain(&scene, "second", "2", &more);
    let told = scene.events("second").into_iter().any(|event| {
        event["kind"] == "log"
            && event["message"] == "no initial generator: the generator starts from random weights"
    });
    assert!(told, "nothing says that the generator is random");
    let weights = |run: &str| {
        let path = scene.path(run).join("discriminator/model.safetensors");
        std::fs::read(path).expect("weights")
    };
    pretrain(&scene, "fresh", "2", &[]);
    assert_ne!(
        weights("second"),
        weights("fresh"),
        "nothing was taken over"
    );

    std::fs::rename(&initial, initial.with_file_name("gone")).expect("renamed");
    assert!(!Path::new(&flag).exists());
    pretrain(&scene, "second", "4", &more);
    let events = scene.events("second");
    let resumed = events.iter().find(|event| event["kind"] == "resumed");
    assert_eq!(resumed.expect("resumed")["step"], 2);
}
