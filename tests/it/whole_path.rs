//! The whole path on the built-in sample, shortened: what `aelectra demo` promises to scripts, and
//! what the other verbs make of its models.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::binary::{aelectra, expect_code};
use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A run of the demo that all tests here look at; each writes into a folder of its own.
struct DemoRun {
    out: PathBuf,
    report: Value,
}

impl DemoRun {
    fn get() -> &'static Self {
        static RUN: OnceLock<DemoRun> = OnceLock::new();
        RUN.get_or_init(Self::new)
    }

    fn new() -> Self {
        // A static is never dropped, so this folder goes when it is needed again.
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("whole-path");
        if out.exists() {
            std::fs::remove_dir_all(&out).expect("removed");
        }
        let arguments = [
            "demo",
            "Mette bor i Aarhus.",
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
            "--out",
        ];
        let output = aelectra()
            .args(arguments)
            .arg(&out)
            // A variable of a flag is no configuration key.
            .env("AELECTRA_DEVICE", "flex")
            .output()
            .expect("the binary runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{told}");
        Self {
            out,
            report: json(&String::from_utf8_lossy(&output.stdout)),
        }
    }

    fn at(&self, name: &str) -> String {
        self.out.join(name).to_string_lossy().into_owned()
    }

    fn config(&self, model: &str) -> Value {
        let path = self.out.join(model).join("config.json");
        json(&std::fs::read_to_string(path).expect("a configuration"))
    }
}

#[test]
fn the_demo_prints_its_keys() {
    let report = &DemoRun::get().report;
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
}

#[test]
fn the_demo_writes_models_and_a_best_checkpoint() {
    let run = DemoRun::get();
    for file in [
        "discriminator/model.safetensors",
        "generator/config.json",
        "model/tokenizer.json",
        "best",
    ] {
        assert!(run.out.join(file).exists(), "no {file}");
    }
}

#[test]
fn a_fine_tuned_model_remembers_its_pretraining_and_its_windows() {
    let run = DemoRun::get();
    let said = |model: &str| run.config(model)["aelectra"].clone();
    assert_eq!(
        said("discriminator"),
        serde_json::json!({"attention_start": "local"})
    );
    let tuned = said("model");
    assert_eq!(tuned["attention_start"], "local", "{tuned}");
    assert_eq!(tuned["max_length"], 32, "{tuned}");
}

#[test]
fn a_directory_with_a_run_is_refused() {
    let out = DemoRun::get().at("");
    let (printed, told) = expect_code(&["demo", "--out", &out, "--quiet"], 2);
    assert!(printed.is_empty());
    assert!(told.contains("already holds a run"), "{told}");
}

#[test]
fn offsets_of_entities_count_characters() {
    // Scores are random there, so that it finds something.
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/golden/tiny-electra/ner");
    let model = model.to_string_lossy();
    let text = "😀 Åse ser en kat, Bo er på Ærø og Ida i byen.";
    let (line, _) = expect_code(&["predict", text, "--model", &model, "--json"], 0);
    let found = json(&line);
    for entity in found["entities"].as_array().expect("a list") {
        let [start, end] =
            ["start", "end"].map(|key| entity[key].as_u64().expect("a number") as usize);
        let marked: String = text.chars().skip(start).take(end - start).collect();
        assert_eq!(entity["text"], marked);
    }
    assert!(
        !found["entities"].as_array().expect("a list").is_empty(),
        "{line}"
    );
}

#[test]
fn a_model_is_scored() {
    let run = DemoRun::get();
    let (model, test) = (run.at("model"), run.at("sample/test.conllu"));
    let evaluate = ["evaluate", "--model", &model, "--data", &test, "--json"];
    let scores = json(&expect_code(&evaluate, 0).0);
    assert!(scores["micro"]["support"].as_u64() > Some(100));
    assert!(
        scores["piece_f1_original"].is_null(),
        "only first pieces were labelled"
    );

    // The tags it writes score as it says.
    let dir = tempfile::tempdir().expect("a temporary directory");
    let written = dir.path().join("tags.tsv").to_string_lossy().into_owned();
    expect_code(&[&evaluate[..], &["--predictions", &written]].concat(), 0);
    let score = ["score", "--gold", &test, "--predicted", &written, "--json"];
    let again = json(&expect_code(&score, 0).0);
    assert_eq!(again["micro"], scores["micro"]);
}

/// What `finetune` says of the test set is what `evaluate` says of the model it wrote, also where
/// sentences are longer than the windows.
#[test]
fn fine_tuning_and_evaluation_agree() {
    let run = DemoRun::get();
    let text = std::fs::read_to_string(run.out.join("sample/test.conllu")).expect("the sample");
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
    let [data, model, out] = ["long.tsv", "discriminator", "long"].map(|name| run.at(name));
    std::fs::write(&data, columns).expect("written");
    let finetune = [
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
    ];
    let told = json(&expect_code(&finetune, 0).0);
    let model = format!("{out}/model");
    let evaluate = ["evaluate", "--model", &model, "--data", &data, "--json"];
    let scores = json(&expect_code(&evaluate, 0).0);
    let found = scores["micro"]["f1"].as_f64().expect("a number");
    let said = told["runs"][0]["test_f1"].as_f64().expect("a number");
    assert!(found > 0.0, "nothing was learnt: the comparison is empty");
    assert_eq!(found, said, "evaluate and finetune");

    // Again: the seed is there already. Another series is refused.
    assert_eq!(json(&expect_code(&finetune, 0).0)["runs"], told["runs"]);
    let other = [&finetune[..], &["--seed", "7"]].concat();
    let (_, told) = expect_code(&other, 2);
    assert!(told.contains("config.seed: 42 → 7"), "{told}");
}

#[test]
fn a_failed_fine_tuning_says_why_in_its_last_event() {
    let run = DemoRun::get();
    let [model, train, out] =
        ["discriminator", "sample/dev.conllu", "diverged"].map(|name| run.at(name));
    let inputs = ["--model", &model, "--train", &train, "--out", &out];
    let settings = ["--set", "learning_rates=[1e30]", "--epochs", "1", "-q"];
    let (_, told) = expect_code(&[&["finetune"][..], &inputs, &settings].concat(), 1);
    assert!(told.contains("hint: try a lower learning rate"), "{told}");
    let events = std::fs::read_to_string(run.out.join("diverged/events.jsonl")).expect("events");
    let end = json(events.lines().last().expect("an event"));
    assert_eq!(end["kind"], "end");
    assert_eq!(end["reason"], "failed");
    assert_eq!(end["exit_code"], 1);
    let why = end["message"].as_str().expect("a message");
    assert!(why.contains("is not finite in epoch 1"), "{why}");
}

/// An export of the run's newest checkpoint, or of its model, keeps every bit; so does an export of
/// that export.
fn export_keeps_every_bit(head: &str, part: &str) {
    let run = DemoRun::get();
    let read = |path: &Path| {
        std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let mut from = run.at(if head == "ner" { part } else { "" });
    for round in 1..=2 {
        let to = run.at(&format!("exported-{head}-{round}"));
        let export = [
            "export",
            "--checkpoint",
            &from,
            "--out",
            &to,
            "--head",
            head,
        ];
        let (printed, _) = expect_code(&[&export[..], &["--json"]].concat(), 0);
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
                read(&Path::new(&to).join(file)),
                read(&run.out.join(part).join(file)),
                "round {round}: {file}"
            );
        }
        from = to;
    }
}

#[test]
fn an_exported_discriminator_has_the_bits_of_the_run() {
    export_keeps_every_bit("discriminator", "discriminator");
}

#[test]
fn an_exported_generator_has_the_bits_of_the_run() {
    export_keeps_every_bit("generator", "generator");
}

#[test]
fn an_exported_tagger_has_the_bits_of_the_run() {
    export_keeps_every_bit("ner", "model");
}

#[test]
fn robustness_has_a_row_for_each_perturbation() {
    let run = DemoRun::get();
    let (model, test) = (run.at("model"), run.at("sample/test.conllu"));
    let robustness = ["robustness", "--model", &model, "--data", &test];
    let (printed, _) = expect_code(&[&robustness[..], &["--json", "-q"]].concat(), 0);
    let report = json(&printed);
    let rows = report["perturbations"].as_array().expect("a list");
    assert_eq!(rows.len(), 11);
    for row in rows {
        for key in ["name", "f1", "drop", "interval"] {
            assert!(!row[key].is_null(), "{key}: {row}");
        }
        let number = |value: &Value| value.as_f64().expect("a number");
        let drop = number(&report["f1"]) - number(&row["f1"]);
        assert!((number(&row["drop"]) - drop).abs() < 1e-9, "{row}");
    }
}

#[test]
fn a_comparison_has_its_keys_and_continues() {
    let run = DemoRun::get();
    let (test, out, pretrained) = (
        run.at("sample/test.conllu"),
        run.at("compared"),
        run.at("discriminator"),
    );
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
    let report = json(&expect_code(&compare, 0).0);
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
        for score in ["precision", "recall", "f1", "support"] {
            let over_seeds = &model["classes"]["PER"][score];
            assert_eq!(over_seeds["runs"], 2, "{score}: {model}");
            assert!(over_seeds["sd"].is_number(), "{score}: {model}");
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
    let table = std::fs::read_to_string(run.out.join("compared/table.md")).expect("the table");
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    assert_eq!(rows.count(), 4, "{table}");
    let of_class = table.lines().filter(|line| line.starts_with("| PER | "));
    assert!(
        of_class
            .clone()
            .all(|line| line.matches(" ± ").count() >= 3)
    );
    assert_eq!(of_class.count(), 2, "{table}");
}

#[test]
fn a_bert_of_base_size_is_timed_not_trained() {
    let run = DemoRun::get();
    let (test, out, pretrained) = (
        run.at("sample/test.conllu"),
        run.at("compared-bert"),
        run.at("discriminator"),
    );
    let bert = ["--model", &pretrained, "random:bert-base"];
    let data = ["--train", &test, "--test", &test, "--out", &out];
    let (_, told) = expect_code(&[&["compare"][..], &bert, &data].concat(), 2);
    assert!(told.contains("--timing-only"), "{told}");
}
