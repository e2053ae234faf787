//! `aelectra pretrain`: which checkpoints it keeps, models it continues from, and what its settings change.

use std::path::Path;

use aelectra_data::run::{Pointer, RunDir};

use crate::binary::expect_code;
use crate::survival::Scene;

/// A few steps into `out`, evaluated between checkpoints.
pub(crate) fn pretrain(scene: &Scene, out: &str, steps: &str, more: &[&str]) {
    pretrain_ending(scene, out, steps, more, 0);
}

/// The same with another exit code; what it said.
fn pretrain_ending(scene: &Scene, out: &str, steps: &str, more: &[&str], code: i32) -> String {
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
    expect_code(&[&command[..], &inputs, &settings, more].concat(), code).1
}

/// A slip of the pen must not put one run's weights under another's name.
#[test]
fn a_checkpoint_is_not_continued_in_another_run() {
    let scene = Scene::new();
    pretrain(&scene, "one", "2", &[]);
    pretrain(&scene, "two", "3", &["--seed", "9"]);
    let checkpoint = scene.at("one/checkpoints/step-2");
    let held = || {
        let files = ["events.jsonl", "manifest.json", "last"];
        files.map(|file| std::fs::read(scene.path("two").join(file)).ok())
    };
    let before = held();
    let more = ["--resume", &checkpoint, "--force"];
    let told = pretrain_ending(&scene, "two", "4", &more, 2);
    assert!(told.contains("already holds a run"), "{told}");
    assert_eq!(held(), before);
    // In a directory of its own, and in that of the run itself, it goes on.
    pretrain(&scene, "branch", "4", &more);
    pretrain(&scene, "one", "4", &more);
}

#[test]
fn hours_end_a_run_as_steps_do() {
    let scene = Scene::new();
    // 3.6 seconds of what would take hours.
    let more = ["--max-hours", "0.001", "--set", "schedule_steps=1000000"];
    pretrain(&scene, "run", "1000000", &more);
    let events = scene.events("run");
    let end = events.last().expect("events");
    assert_eq!(
        (&end["kind"], &end["reason"]),
        (&"end".into(), &"limit".into())
    );
    let steps = end["step"].as_u64().expect("a step");
    assert!((1..1_000_000).contains(&steps), "{end}");
    assert_eq!(scene.newest("run").0, steps, "with a checkpoint");
}

/// The baseline: its loss falls, and there is nothing to detect.
#[test]
fn the_masked_language_model_trains_its_generator_alone() {
    let scene = Scene::new();
    let more = [
        "--set",
        "objective=mlm",
        "--set",
        "log_every=1",
        "--set",
        "learning_rate=1e-3",
    ];
    pretrain(&scene, "run", "12", &more);
    let events = scene.events("run");
    let steps: Vec<_> = events
        .iter()
        .filter(|event| event["kind"] == "step")
        .collect();
    let loss = |at: usize| steps[at]["mlm_loss"].as_f64().expect("a loss");
    assert!(
        loss(steps.len() - 1) < loss(0) - 0.1,
        "{} to {}",
        loss(0),
        loss(steps.len() - 1)
    );
    assert!(
        steps.iter().all(|step| step["rtd_auc"].is_null()),
        "{}",
        steps[0]
    );
}

/// Continues with a measurement and a checkpoint every other step.
fn measured(from: &str) -> Vec<&str> {
    let every = ["--set", "eval_every=2", "--set", "checkpoint_every=2"];
    [
        &every[..],
        &["--set", "keep_checkpoints=9", "--resume", from],
    ]
    .concat()
}

/// Whoever goes back because the later weights are worse has the best at once, and a branch finds its own.
#[test]
fn going_back_makes_that_checkpoint_the_best() {
    let scene = Scene::new();
    let best = |run: &str| {
        let run = RunDir::open(&scene.path(run)).expect("a run");
        let best = run.read_pointer(Pointer::Best).expect("read")?;
        best.file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    pretrain(&scene, "run", "6", &measured("auto"));
    assert_eq!(best("run").as_deref(), Some("step-6"), "loss falls");
    let path = scene.at("run/checkpoints/step-2");
    pretrain(&scene, "run", "2", &measured(&path));
    assert_eq!(best("run").as_deref(), Some("step-2"));
    // A state whose best nobody will reach again, and which lies elsewhere.
    let file = scene.path("run/checkpoints/step-2/state.json");
    let text = std::fs::read_to_string(&file).expect("a state");
    let mut state: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    state["best_loss"] = 0.0.into();
    std::fs::write(&file, state.to_string()).expect("written");
    pretrain(&scene, "branch", "4", &measured(&path));
    assert_eq!(best("branch").as_deref(), Some("step-4"));
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

/// From a run and from a model directory alike.
#[test]
fn a_discriminator_is_exported_in_other_sizes() {
    let scene = Scene::new();
    pretrain(&scene, "run", "2", &[]);
    let read = |dir: &str, file: &str| {
        std::fs::read_to_string(scene.path(dir).join(file)).expect("an exported file")
    };
    let range = |dir: &str| -> f64 {
        let config: serde_json::Value =
            serde_json::from_str(&read(dir, "config.json")).expect("a configuration");
        config["initializer_range"].as_f64().expect("a number")
    };
    for (from, out) in [("run", "rescaled"), ("run/discriminator", "again")] {
        let (given, to) = (scene.at(from), scene.at(out));
        let export = ["export", "--checkpoint", &given, "--out", &to];
        expect_code(&[&export[..], &["--rescale", "200"]].concat(), 0);
        let share = range("run/discriminator") / range(out);
        assert!((share - 200.0).abs() < 1e-6, "{share}");
        assert!(read(out, "README.md").contains("| rescaled | by 200"));
        expect_code(&["inspect", &to], 0);
    }
    let weights = |dir: &str| std::fs::read(scene.path(dir).join("model.safetensors")).ok();
    assert!(weights("rescaled") == weights("again"), "one model");
    assert!(weights("rescaled") != weights("run/discriminator"));
    let (given, to) = (scene.at("rescaled"), scene.at("twice"));
    let export = ["export", "--checkpoint", &given, "--out", &to, "--rescale"];
    expect_code(&[&export[..], &["2"]].concat(), 2);
    // Divided embeddings would drown in such an eps.
    let path = scene.path("run/discriminator/config.json");
    let mut config: serde_json::Value =
        serde_json::from_str(&read("run/discriminator", "config.json")).expect("a configuration");
    config["layer_norm_eps"] = 1e-5.into();
    std::fs::write(&path, config.to_string()).expect("a configuration");
    let (given, to) = (scene.at("run/discriminator"), scene.at("refused"));
    let export = ["export", "--checkpoint", &given, "--out", &to];
    expect_code(&[&export[..], &["--rescale", "200"]].concat(), 2);
    assert!(
        !scene.path("refused").exists(),
        "refused before anything is written"
    );
    expect_code(&[&export[..], &["--rescale", "0.1"]].concat(), 0);
}

/// Of its only evaluation, or else of its last step.
pub(crate) fn losses_of(scene: &Scene, out: &str, kind: &str) -> [f64; 2] {
    let mut events = scene.events(out).into_iter();
    let last = events.rfind(|event| event["kind"] == kind);
    let last = last.expect("such an event");
    ["mlm_loss", "rtd_loss"].map(|name| last[name].as_f64().expect("a loss"))
}

/// A setting that departs from the reference is in what is trained.
#[test]
fn each_departure_is_in_the_losses() {
    let scene = Scene::new();
    let trained = |out: &str, own: &str| {
        let more = [
            "--set",
            "schedule_steps=4",
            "--set",
            "log_every=1",
            "--set",
            own,
        ];
        pretrain(&scene, out, "4", &more);
        losses_of(&scene, out, "step")
    };
    let [mlm, rtd] = trained("plain", "mask_prob=0.15");
    assert_eq!(trained("same", "mask_prob=0.15"), [mlm, rtd]);
    for (out, own) in [
        ("words", "whole_word_masking=true"),
        ("fewer", "mask_prob_end=0.05"),
    ] {
        assert!((trained(out, own)[0] - mlm).abs() > 1e-4, "{own}");
    }
    assert!((trained("warm", "sampling_temperature=3")[1] - rtd).abs() > 1e-5);
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

/// Checkpoints and exports are of the recipe's shape, so weights of another one must not train in it.
#[test]
fn initial_models_have_the_shape_of_the_run() {
    let scene = Scene::new();
    pretrain(&scene, "first", "2", &[]);
    let (data, tokenizer) = (scene.at("shards"), scene.at("tokenizer"));
    let (first, out) = (scene.at("first"), scene.at("second"));
    let given = ["--data", &data, "--tokenizer", &tokenizer, "--out", &out];
    let command = [
        "pretrain",
        "--recipe",
        "demo",
        "--init-discriminator",
        &first,
    ];
    let other = ["--set", "model.num_hidden_layers=1"];
    let (_, told) = expect_code(&[&command[..], &given, &other].concat(), 2);
    assert!(told.contains("num_hidden_layers: "), "{told}");
    // Nor does a model's own directory become a run.
    let model = scene.at("first/discriminator");
    let given = ["--data", &data, "--tokenizer", &tokenizer, "--out", &model];
    let (_, told) = expect_code(&[&command[..3], &given].concat(), 2);
    assert!(told.contains("is a model"), "{told}");
    // Dropout is the run's, not what the model was made with.
    let losses = |out: &str, dropout: &str| {
        let init = ["--init-discriminator", &first, "--init-generator", &first];
        let set = ["--set", "log_every=1", "--set", dropout];
        pretrain(&scene, out, "1", &[&init[..], &set].concat());
        scene.losses(out)
    };
    let without = losses("third", "model.hidden_dropout_prob=0");
    assert_eq!(losses("fourth", "model.hidden_dropout_prob=0"), without);
    assert_ne!(losses("fifth", "model.hidden_dropout_prob=0.25"), without);
}

/// What is forced holds from then on, in the checkpoint and in what the run says of itself.
#[test]
fn a_run_that_was_forced_onto_other_data_is_a_run_on_those() {
    let scene = Scene::new();
    pretrain(&scene, "run", "2", &[]);
    let text = "Mette Lindholm bor i Aarhus og arbejder i Roskilde Kommune.\n\n".repeat(300);
    std::fs::write(scene.path("new.txt"), text).expect("writable");
    let (new, tokenizer, shards) = (scene.at("new.txt"), scene.at("tokenizer"), scene.at("new"));
    let prepare = [
        "prepare",
        "--quiet",
        "--input",
        &new,
        "--tokenizer",
        &tokenizer,
    ];
    expect_code(
        &[&prepare[..], &["--out", &shards, "--max-length", "32"]].concat(),
        0,
    );
    // In place of those it was begun on.
    std::fs::rename(scene.path("shards"), scene.path("old")).expect("movable");
    std::fs::rename(&shards, scene.path("shards")).expect("movable");
    let manifest = || std::fs::read_to_string(scene.path("run/manifest.json")).expect("a manifest");
    let before = manifest();
    pretrain(&scene, "run", "4", &["--resume", "auto", "--force"]);
    assert_ne!(manifest(), before);
    pretrain(&scene, "run", "6", &["--resume", "auto"]);
}

/// Everything that departs from the reference at once: it resumes exactly, and its models can be taken
/// out of a checkpoint.
#[test]
fn what_departs_from_the_reference_resumes_and_is_exported() {
    let scene = Scene::new();
    let more = [
        "--set",
        "embedding_sharing=gdes",
        "--set",
        "whole_word_masking=true",
        "--set",
        "mask_prob_end=0.1",
        "--set",
        "sampling_temperature=2",
        "--set",
        "sampling_temperature_end=0.5",
        "--set",
        "optimizer.muon=1",
        "--set",
        "schedule_steps=12",
        "--set",
        "checkpoint_every=6",
        "--set",
        "log_every=1",
        "--resume",
        "auto",
    ];
    pretrain(&scene, "whole", "12", &more);
    pretrain(&scene, "parts", "6", &more);
    pretrain(&scene, "parts", "12", &more);
    let losses = |run: &str| -> Vec<(u64, f64)> { scene.losses(run) };
    assert_eq!(losses("whole").len(), 12);
    assert_eq!(losses("parts"), losses("whole"));
    let read = |path: std::path::PathBuf| std::fs::read(path).expect("a model");
    for head in ["discriminator", "generator"] {
        let (run, out) = (scene.at("whole"), scene.at(head));
        let export = [
            "export",
            "--checkpoint",
            &run,
            "--head",
            head,
            "--out",
            &out,
        ];
        expect_code(&export, 0);
        let ours = read(scene.path("whole").join(head).join("model.safetensors"));
        assert!(
            read(scene.path(head).join("model.safetensors")) == ours,
            "{head}"
        );
        expect_code(&["inspect", &out], 0);
    }
    let changed = ["--set", "embedding_sharing=shared", "--resume", "last"];
    let arguments = [
        "pretrain",
        "--recipe",
        "demo",
        "--data",
        &scene.at("shards"),
        "--tokenizer",
        &scene.at("tokenizer"),
        "--out",
        &scene.at("whole"),
    ];
    let told = expect_code(&[&arguments[..], &changed].concat(), 2).1;
    assert!(
        told.contains("embedding_sharing: \"gdes\" → \"shared\""),
        "{told}"
    );
}

/// To make room, say; its models are worth more than a new beginning.
#[test]
fn a_finished_run_without_its_checkpoints_is_not_begun_again() {
    let scene = Scene::new();
    pretrain(&scene, "run", "2", &[]);
    std::fs::remove_dir_all(scene.path("run/checkpoints")).expect("removable");
    let weights = || std::fs::read(scene.path("run/discriminator/model.safetensors")).ok();
    let before = weights();
    let told = pretrain_ending(&scene, "run", "4", &["--resume", "auto"], 2);
    assert!(told.contains("has no checkpoint left"), "{told}");
    assert!(before.is_some() && weights() == before);
}

/// A precision that the kernels in use do not train in is refused before anything is written.
#[test]
fn a_precision_of_other_kernels_leaves_nothing_behind() {
    let scene = Scene::new();
    let out = scene.path("run");
    let output = crate::binary::aelectra()
        .args(["pretrain", "--recipe", "demo", "--precision", "bf16"])
        .args(["--data", &scene.at("shards")])
        .args(["--tokenizer", &scene.at("tokenizer")])
        .args(["--out", &scene.at("run")])
        .env("AELECTRA_FUSED", "0")
        .output()
        .expect("the binary runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("precision bf16 is unavailable"), "{told}");
    assert!(!out.exists(), "a directory of a run that never was");
}
