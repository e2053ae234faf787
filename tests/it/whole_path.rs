//! The whole path on the built-in sample, shortened: what `aelectra demo` promises to scripts, and
//! that a run killed by a signal continues with the same numbers.

use std::path::Path;

use crate::binary::{aelectra, expect_code};
use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn demo_prints_its_keys_and_writes_models_that_work() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let out = dir.path().join("demo");
    let path = out.to_string_lossy().into_owned();
    let (printed, _) = expect_code(
        &[
            "demo",
            "Mette bor i Aarhus.",
            "--out",
            &path,
            "--json",
            "--quiet",
            "--seeds",
            "1",
            "--epochs",
            "1",
            "--set",
            "schedule_steps=12",
            "--set",
            "eval_examples=64",
        ],
        0,
    );
    let report = json(&printed);
    for key in [
        "mlm_loss",
        "rtd_loss",
        "rtd_accuracy",
        "rtd_baseline",
        "f1_pretrained",
        "f1_random_init",
        "entities",
        "seconds",
        "out",
    ] {
        assert!(report.get(key).is_some(), "no `{key}` in {report}");
    }
    for file in [
        "discriminator/model.safetensors",
        "generator/config.json",
        "model/tokenizer.json",
    ] {
        assert!(out.join(file).is_file(), "no {file}");
    }
    exports_have_the_bits_of_the_run(&out);
    let model = out.join("model").to_string_lossy().into_owned();
    let (line, _) = expect_code(
        &["predict", "Åse bor på Ærø 😀.", "--model", &model, "--json"],
        0,
    );
    let found = json(&line);
    for entity in found["entities"].as_array().expect("a list") {
        let characters: Vec<char> = "Åse bor på Ærø 😀.".chars().collect();
        let [start, end] =
            ["start", "end"].map(|key| entity[key].as_u64().expect("a number") as usize);
        let text: String = characters[start..end].iter().collect();
        assert_eq!(entity["text"], text);
    }
    let test = out
        .join("sample/test.conllu")
        .to_string_lossy()
        .into_owned();
    let (scores, _) = expect_code(
        &["evaluate", "--model", &model, "--data", &test, "--json"],
        0,
    );
    let scores = json(&scores);
    assert!(scores["micro"]["support"].as_u64() > Some(100));
    assert!(
        scores["piece_f1_original"].is_null(),
        "only first pieces were labelled"
    );
    let (again, _) = expect_code(&["demo", "--out", &path, "--quiet"], 2);
    assert!(again.is_empty(), "a directory with a run is refused");
}

/// Losses by step, the ones a later resume made void left out.
fn losses(run: &Path) -> Vec<(u64, f64)> {
    let mut losses: Vec<(u64, f64)> = Vec::new();
    let text = std::fs::read_to_string(run.join("events.jsonl")).expect("events");
    for line in text.lines() {
        let event = json(line);
        let step = event["step"].as_u64().unwrap_or(0);
        match event["kind"].as_str() {
            Some("resumed") => losses.retain(|(at, _)| *at <= step),
            Some("step") => losses.push((step, event["loss"].as_f64().expect("a loss"))),
            _ => {}
        }
    }
    losses
}

#[test]
fn a_killed_run_continues_to_the_last_bit() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let prose = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/sample/prose.txt");
    expect_code(
        &[
            "vocab",
            "--input",
            prose,
            "--out",
            &at("tokenizer"),
            "--vocab-size",
            "800",
            "-q",
        ],
        0,
    );
    expect_code(
        &[
            "prepare",
            "--input",
            prose,
            "--tokenizer",
            &at("tokenizer"),
            "--out",
            &at("shards"),
            "--max-length",
            "32",
            "-q",
        ],
        0,
    );
    // Dropout on, so that its noise is part of what must be repeated.
    let common = |out: &str| -> Vec<String> {
        [
            "pretrain",
            "--recipe",
            "demo",
            "--data",
            &at("shards"),
            "--tokenizer",
            &at("tokenizer"),
            "--out",
            out,
            "--quiet",
            "--no-dashboard",
            "--resume",
            "auto",
            "--max-steps",
            "60",
            "--set",
            "log_every=1",
            "--set",
            "checkpoint_every=7",
            "--set",
            "eval_every=0",
            "--set",
            "eval_examples=0",
            "--set",
            "batch_size=8",
            "--set",
            "model.hidden_dropout_prob=0.1",
            "--set",
            "model.attention_probs_dropout_prob=0.1",
        ]
        .map(str::to_owned)
        .to_vec()
    };
    let whole = at("whole");
    let arguments = common(&whole);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    expect_code(&arguments, 0);

    let killed = at("killed");
    let mut kills = 0;
    for wait in [700u64, 900, 1100, 800, 1300, 600] {
        let mut child = aelectra()
            .args(common(&killed))
            .spawn()
            .expect("the binary runs");
        std::thread::sleep(std::time::Duration::from_millis(wait));
        if child.try_wait().expect("a state").is_none() {
            child.kill().expect("killed");
            kills += 1;
        }
        child.wait().expect("reaped");
    }
    let arguments = common(&killed);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    expect_code(&arguments, 0);
    let (whole, killed) = (losses(Path::new(&whole)), losses(Path::new(&killed)));
    assert!(kills > 0, "no kill hit a running process");
    assert_eq!(whole.len(), 60);
    assert_eq!(whole, killed, "after {kills} kills");
}

/// `aelectra export` of a run's checkpoint, and of what it wrote, keep every bit.
fn exports_have_the_bits_of_the_run(run: &Path) {
    let read = |path: &Path| {
        std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    for (head, part) in [
        ("discriminator", "discriminator"),
        ("generator", "generator"),
        ("ner", "model"),
    ] {
        let mut from = if head == "ner" {
            run.join("model")
        } else {
            run.to_path_buf()
        };
        for round in 1..=2 {
            let to = run.join(format!("exported-{head}-{round}"));
            let [from_arg, to_arg] = [&from, &to].map(|path| path.to_string_lossy().into_owned());
            let (printed, _) = expect_code(
                &[
                    "export",
                    "--checkpoint",
                    &from_arg,
                    "--out",
                    &to_arg,
                    "--head",
                    head,
                    "--json",
                ],
                0,
            );
            let report = json(&printed);
            assert!(
                report["parameters"].as_u64().is_some_and(|n| n > 1000),
                "{report}"
            );
            assert_eq!(
                report["files"].as_array().map(Vec::len),
                Some(7),
                "{report}"
            );
            for file in [
                "model.safetensors",
                "config.json",
                "tokenizer.json",
                "vocab.txt",
            ] {
                assert_eq!(
                    read(&to.join(file)),
                    read(&run.join(part).join(file)),
                    "{head}, round {round}: {file}"
                );
            }
            from = to;
        }
    }
}
