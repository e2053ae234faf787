//! `AELECTRA_*`: the keys of configurations, and the variables that are none.

use serde_json::Value;

use crate::binary::aelectra;
use crate::series::{Series, told};
use crate::survival::Scene;

/// Variables that have another use than to set a key.
const OTHERS: [(&str, &str); 8] = [
    ("AELECTRA_DEVICE", "flex"),
    ("AELECTRA_FUSED", "1"),
    ("AELECTRA_SIMD", "portable"),
    ("AELECTRA_TEST_DEVICE", "flex"),
    ("AELECTRA_TF32", "0"),
    ("AELECTRA_TILES", "wide,small"),
    ("AELECTRA_TUNE", "0"),
    ("AELECTRA_WITHOUT", "attention,epilogues"),
];

/// Exit code, standard output and standard error in an environment.
fn run(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let output = aelectra()
        .args(arguments)
        .envs(variables.iter().copied())
        .output()
        .expect("the binary runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn every_verb_with_a_configuration_accepts_the_other_variables() {
    let steps = [
        "--batch", "1", "--length", "8", "--steps", "1", "--warmup", "0",
    ];
    let bench_pretrain = ["bench", "pretrain", "--recipe", "demo", "--vocab-size", "9"];
    for arguments in [
        vec!["pretrain", "--print-config"],
        vec!["finetune", "--print-config"],
        [&bench_pretrain[..], &steps].concat(),
        [&["bench", "finetune"][..], &steps].concat(),
    ] {
        let (code, _, told) = run(&arguments, &OTHERS);
        assert_eq!(code, Some(0), "{arguments:?}: {told}");
    }
}

#[test]
fn a_key_of_either_configuration_is_accepted_by_both_verbs() {
    let variables = [("AELECTRA_EPOCHS", "3"), ("AELECTRA_WARMUP_STEPS", "7")];
    let (_, shown, _) = run(&["finetune", "--print-config"], &variables);
    assert!(
        shown.contains("epochs = 3  # environment AELECTRA_EPOCHS"),
        "{shown}"
    );
    let (_, shown, _) = run(&["pretrain", "--print-config"], &variables);
    assert!(
        shown.contains("warmup_steps = 7  # environment AELECTRA_WARMUP_STEPS"),
        "{shown}"
    );
}

#[test]
fn flags_come_after_the_environment() {
    let variables = [("AELECTRA_EPOCHS", "3"), ("AELECTRA_SEED", "3")];
    let arguments = [
        "finetune",
        "--print-config",
        "--epochs",
        "5",
        "--set",
        "seed=4",
    ];
    let (_, shown, _) = run(&arguments, &variables);
    for line in ["epochs = 5  # --epochs", "seed = 4  # --set"] {
        assert!(shown.contains(line), "no {line:?} in {shown}");
    }
}

/// What a configuration says, without where it says it.
fn values(shown: &str) -> Vec<&str> {
    let value = |line: &'_ str| line.rfind("  # ").map_or(line.len(), |at| at);
    shown.lines().map(|line| &line[..value(line)]).collect()
}

#[test]
fn what_is_printed_is_a_recipe_and_so_is_a_run_s_configuration() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("writable");
        path.to_string_lossy().into_owned()
    };
    let printed =
        |verb: &str, recipe: &str| run(&[verb, "--print-config", "--recipe", recipe], &[]);
    for (verb, recipe) in [("pretrain", "cpu-small"), ("finetune", "euroeval")] {
        let (_, first, _) = printed(verb, recipe);
        assert!(
            first.contains("# ") && first.contains("(not set)"),
            "{first}"
        );
        let (code, again, told) = printed(verb, &file("mine.toml", &first));
        assert_eq!(code, Some(0), "{told}");
        assert_eq!(values(&again), values(&first));
    }
    let config = r#"{"learning_rate": 0.25, "mask_prob_end": null, "model": {"hidden_size": 64}}"#;
    let manifest = r#"{"id": "x", "config": {"config": {"epochs": 7}, "model": "m"}}"#;
    for (verb, path, wanted) in [
        (
            "pretrain",
            file("config.json", config),
            "model.hidden_size = 64",
        ),
        ("finetune", file("manifest.json", manifest), "epochs = 7"),
    ] {
        let (code, shown, told) = printed(verb, &path);
        assert_eq!(code, Some(0), "{told}");
        assert!(values(&shown).contains(&wanted), "{shown}");
    }
    for broken in ["[]", r#"{"a": [null]}"#, r#"{"a""#] {
        let (code, _, told) = printed("pretrain", &file("broken.json", broken));
        assert_eq!(code, Some(2), "{told}");
        assert!(
            told.contains("no configuration of a run") && told.contains("hint:"),
            "{told}"
        );
    }
}

#[test]
fn the_environment_chooses_kernels_and_is_checked() {
    for (variable, value, used) in [
        ("AELECTRA_SIMD", "portable", "portable"),
        ("AELECTRA_FUSED", "0", "composed"),
    ] {
        let (code, report, told) = run(&["doctor", "--json"], &[(variable, value)]);
        assert_eq!(code, Some(0), "{told}");
        let report: Value = serde_json::from_str(&report).expect("JSON");
        assert_eq!(report["kernels"]["used"], used, "{variable}={value}");
    }
    let (code, _, told) = run(&["doctor"], &[("AELECTRA_SIMD", "avx9")]);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("AELECTRA_SIMD is `avx9`"), "{told}");
    assert!(told.contains("portable, avx2, avx512, amx"), "{told}");
}

#[test]
fn a_variable_that_does_nothing_is_told_by_every_verb() {
    let variable = [("AELECTRA_EPOCS", "3")];
    for (arguments, wanted) in [
        (vec!["finetune", "--print-config"], 2),
        (vec!["pretrain", "--print-config"], 2),
        (vec!["doctor"], 0),
        (vec!["runs", "list"], 0),
    ] {
        let (code, _, told) = run(&arguments, &variable);
        assert_eq!(code, Some(wanted), "{arguments:?}: {told}");
        for part in [
            "environment AELECTRA_EPOCS: unknown key `epocs`",
            "did you mean `epochs`?",
        ] {
            assert!(told.contains(part), "{arguments:?}: no {part:?} in {told}");
        }
    }
}

#[test]
fn the_environment_sets_keys_of_every_verb() {
    let series = Series::new();
    let mut arguments = series.arguments("compare", "table", &["--seeds", "1"]);
    arguments.retain(|word| word != "--epochs" && word != "1");
    arguments.retain(|word| word != "--seeds");
    arguments.extend(["--seeds", "1"].map(str::to_owned));
    let variables = [
        ("AELECTRA_DEVICE", "flex"),
        ("AELECTRA_EPOCHS", "2"),
        ("AELECTRA_BATCH_SIZE", "6"),
    ];
    let output = aelectra().args(&arguments).envs(variables).output();
    let output = output.expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let run = std::fs::read_dir(series.path("table"))
        .expect("a comparison")
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.join("manifest.json").is_file())
        .expect("a run");
    let manifest = std::fs::read_to_string(run.join("manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    let config = &manifest["config"]["config"];
    assert_eq!(
        (&config["epochs"], &config["batch_size"]),
        (&2.into(), &6.into())
    );
    assert_eq!(manifest["device"], "flex");
}

#[test]
fn the_environment_chooses_the_device_of_pretraining() {
    let scene = Scene::new();
    let mut arguments = scene.arguments("run", 1);
    for word in &mut arguments {
        if *word == crate::survival::STEPS.to_string() {
            "2".clone_into(word);
        }
    }
    let output = aelectra()
        .args(&arguments)
        .env("AELECTRA_DEVICE", "flex")
        .env("AELECTRA_WARMUP_STEPS", "1")
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let manifest = std::fs::read_to_string(scene.path("run/manifest.json")).expect("a manifest");
    let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    assert_eq!(manifest["config"]["warmup_steps"], 1);
    let output = aelectra()
        .args(&arguments)
        .env("AELECTRA_DEVICE", "tpu")
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        told(&output).contains("no device `tpu`"),
        "{}",
        told(&output)
    );
}
