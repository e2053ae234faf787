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
    fine_tuning_and_evaluation_agree(&out);
    robustness_and_comparison_have_their_keys(&out);
    let (again, _) = expect_code(&["demo", "--out", &path, "--quiet"], 2);
    assert!(again.is_empty(), "a directory with a run is refused");
}

/// What `finetune` says of the test set is what `evaluate` says of the model it wrote, also where
/// sentences are longer than the windows.
fn fine_tuning_and_evaluation_agree(run: &Path) {
    let text = std::fs::read_to_string(run.join("sample/test.conllu")).expect("the sample");
    let mut columns = String::new();
    let mut sentences = 0;
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        if let [_, form, .., misc] = fields[..] {
            let tag = misc.split('|').find_map(|part| part.strip_prefix("name="));
            columns.push_str(&format!("{form}\t{}\n", tag.unwrap_or("O")));
        } else if line.is_empty() {
            sentences += 1;
            if sentences % 5 == 0 {
                columns.push('\n');
            }
        }
    }
    let data = run.join("long.tsv");
    std::fs::write(&data, columns).expect("written");
    let [data, model, out] = [&data, &run.join("discriminator"), &run.join("long")]
        .map(|path| path.to_string_lossy().into_owned());
    let (told, _) = expect_code(
        &[
            "finetune",
            "--model",
            &model,
            "--train",
            &data,
            "--dev",
            &data,
            "--test",
            &data,
            "--epochs",
            "4",
            "--set",
            "learning_rates=[2e-3]",
            "--out",
            &out,
            "--json",
        ],
        0,
    );
    let told = json(&told);
    let model = format!("{out}/model");
    let (scores, _) = expect_code(
        &["evaluate", "--model", &model, "--data", &data, "--json"],
        0,
    );
    let found = json(&scores)["micro"]["f1"].as_f64().expect("a number");
    let said = told["runs"][0]["test_f1"].as_f64().expect("a number");
    assert!(found > 0.0, "nothing was learnt: the comparison is empty");
    assert_eq!(found, said, "evaluate and finetune");
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

fn robustness_and_comparison_have_their_keys(run: &Path) {
    let at = |name: &str| run.join(name).to_string_lossy().into_owned();
    let (test, out) = (at("sample/test.conllu"), at("compared"));
    let (printed, _) = expect_code(
        &[
            "robustness",
            "--model",
            &at("model"),
            "--data",
            &test,
            "--json",
            "-q",
        ],
        0,
    );
    let report = json(&printed);
    let rows = report["perturbations"].as_array().expect("a list");
    assert_eq!(rows.len(), 11);
    for row in rows {
        for key in ["name", "f1", "drop", "interval"] {
            assert!(!row[key].is_null(), "{key}: {row}");
        }
    }

    let pretrained = at("discriminator");
    let random = format!("random:{pretrained}");
    let compare = [
        "compare",
        "--model",
        &pretrained,
        &random,
        "--train",
        &test,
        "--dev",
        &test,
        "--test",
        &test,
        "--seeds",
        "2",
        "--epochs",
        "1",
        "--out",
        &out,
        "--set",
        "learning_rates=[1e-3]",
        "--set-random",
        "learning_rates=[2e-3]",
        "--json",
        "-q",
    ];
    let (printed, _) = expect_code(&compare, 0);
    let report = json(&printed);
    let models = report["models"].as_array().expect("a list");
    assert_eq!(models.len(), 2);
    for model in models {
        for key in [
            "name",
            "parameters",
            "f1_mean",
            "f1_sd",
            "interval",
            "inference_seconds",
            "sentences_per_second",
            "train_seconds_per_epoch",
            "peak_rss_bytes",
        ] {
            assert!(!model[key].is_null(), "{key}: {model}");
        }
    }
    let pair = &report["significance"][0];
    assert!(
        pair["p_value"]
            .as_f64()
            .is_some_and(|p| p > 0.0 && p <= 1.0),
        "{pair}"
    );
    assert_eq!(models[1]["learning_rate"], 2e-3);
    // Again: every seed is there already, so the scores are the same ones.
    let again = json(&expect_code(&compare, 0).0);
    assert_eq!(again["models"][0]["f1_mean"], models[0]["f1_mean"]);
    let table = std::fs::read_to_string(run.join("compared/table.md")).expect("the table");
    assert_eq!(
        table.lines().filter(|line| line.starts_with('|')).count(),
        4,
        "{table}"
    );

    // A BERT of base size is timed, not trained.
    let bert = ["--model", &pretrained, "random:bert-base"];
    let data = ["--train", &test, "--test", &test, "--out", &out];
    let (_, told) = expect_code(&[&["compare"][..], &bert, &data].concat(), 2);
    assert!(told.contains("--timing-only"), "{told}");
}
