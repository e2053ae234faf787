//! The whole path on the built-in sample, shortened: what `aelectra demo` promises to scripts.

use std::path::Path;

use crate::binary::expect_code;
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
