//! What is there is not lost: outputs that lead to somebody's files, series whose model is another's, losses
//! that are no numbers.

use std::path::Path;

use aelectra_data::run::{
    EventWriter, RunDir, RunEvent, StartEvent, Task, host_name, poll_control,
};
use serde_json::Value;

use crate::binary::{aelectra, asset, expect_code};
use crate::series::Series;
use crate::survival::Scene;

/// Every file below a folder, with its content.
fn files(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("listed").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.clone(), std::fs::read(path).expect("read")));
            }
        }
    }
    found.sort();
    found
}

fn refused(arguments: &[&str], part: &str) {
    let (_, told) = expect_code(arguments, 2);
    assert!(told.contains(part), "{arguments:?}: {told}");
    assert!(told.contains("hint: "), "{told}");
}

/// Standard output may be a file that whoever started the program has open.
#[cfg(unix)]
#[test]
fn what_goes_to_standard_output_stays_with_the_rest_of_it() {
    let series = Series::new();
    let printed = series.path("printed.txt");
    let output = crate::binary::aelectra()
        .args(["evaluate", "--model", &asset("golden/tiny-electra/ner")])
        .args(["--data", &series.at("test.conllu")])
        .args(["--predictions", "/dev/stdout"])
        .stdout(std::fs::File::create(&printed).expect("made"))
        .status();
    assert!(output.expect("it runs").success());
    let printed = std::fs::read_to_string(printed).expect("read");
    assert!(
        printed.contains("\tO\n") && printed.contains("F1"),
        "{printed}"
    );
}

/// Runs of the scene's recipe, of six steps, with these words more.
fn pretrain(scene: &Scene, out: &str, more: &[&str], code: i32) -> (String, String) {
    let mut arguments = scene.arguments(out, 1);
    for word in &mut arguments {
        if *word == crate::survival::STEPS.to_string() {
            "6".clone_into(word);
        }
    }
    arguments.extend(more.iter().map(|&word| word.to_owned()));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    expect_code(&arguments, code)
}

#[test]
fn a_run_is_not_written_over_shards_or_a_model() {
    let scene = Scene::new();
    let shards = files(&scene.path("shards"));
    let (_, told) = pretrain(&scene, "shards", &[], 2);
    assert!(told.contains("something else than a run"), "{told}");
    assert_eq!(files(&scene.path("shards")), shards);
    // Nor are they taken for a run.
    let (listed, _) = expect_code(&["runs", "list", &scene.at(""), "--json"], 0);
    assert_eq!(listed.trim(), "[]");
    refused(
        &["runs", "stop", &scene.at("shards")],
        "not a run directory",
    );
    refused(&["runs", "list", &scene.at("none")], "no directory");

    let model = scene.path("model");
    std::fs::create_dir(&model).expect("made");
    for file in ["config.json", "model.safetensors"] {
        let golden = asset(&format!("golden/tiny-electra/ner/{file}"));
        std::fs::copy(golden, model.join(file)).expect("copied");
    }
    let before = files(&model);
    pretrain(&scene, "model", &[], 2);
    assert_eq!(files(&model), before);
    assert!(!model.join("checkpoints").exists());
}

#[test]
fn an_export_replaces_no_model_of_another_kind() {
    let series = Series::new();
    series.run("finetune", "run", &[], 0);
    let (run, model) = (series.at("run"), series.at("run/model"));
    let golden = asset("golden/tiny-electra/discriminator");
    let golden_tagger = asset("golden/tiny-electra/ner");
    let export = |from: &str, out: &str, more: &[&str], code: i32| {
        let words = ["export", "--checkpoint", from, "--out", out];
        expect_code(&[&words[..], more].concat(), code).1
    };
    let told = export(&golden, &model, &[], 2);
    assert!(told.contains("is the model of the run"), "{told}");
    let out = series.at("tagger");
    export(&run, &out, &[], 0);
    let told = export(&golden, &out, &[], 2);
    let part = "holds another kind of model, ElectraForTokenClassification";
    assert!(told.contains(part), "{told}");
    // The same kind may be written again, also below a run.
    for out in [&out, &series.at("run/exported")] {
        export(&golden_tagger, out, &[], 0);
        export(&golden_tagger, out, &[], 0);
    }
    // Of other sizes it is another model.
    let (other, config) = (series.path("sizes"), "config.json");
    std::fs::create_dir(&other).expect("made");
    for file in std::fs::read_dir(&golden_tagger).expect("listed").flatten() {
        std::fs::copy(file.path(), other.join(file.file_name())).expect("copied");
    }
    let text = std::fs::read_to_string(other.join(config)).expect("read");
    let mut sizes: Value = serde_json::from_str(&text).expect("JSON");
    let layers = sizes["num_hidden_layers"].as_u64().expect("a number");
    sizes["num_hidden_layers"] = (layers + 1).into();
    std::fs::write(other.join(config), sizes.to_string()).expect("written");
    let told = export(&golden_tagger, &series.at("sizes"), &[], 2);
    assert!(
        told.contains("holds a model of other sizes: `num_hidden_layers`"),
        "{told}"
    );
    let (large, prose) = (series.at("large"), asset("sample/prose.txt"));
    let vocab = ["vocab", "--input", &prose, "--vocab-size", "3000", "-q"];
    expect_code(&[&vocab[..], &["--out", &large]].concat(), 0);
    let told = export(&golden, &series.at("other"), &["--tokenizer", &large], 2);
    let part = "the tokenizer has 3000 pieces and the model";
    assert!(told.contains(part), "{told}");
}

#[test]
fn reports_replace_nothing_that_is_read() {
    let series = Series::new();
    series.run("finetune", "run", &[], 0);
    let (run, events, manifest) = (
        series.at("run"),
        series.at("run/events.jsonl"),
        series.at("run/manifest.json"),
    );
    let before = (
        series.read("run/events.jsonl"),
        series.read("run/manifest.json"),
    );
    refused(&["report", &run, "--out", &events], "a file of the run");
    refused(
        &["dashboard", &run, "--svg", &manifest],
        "a file of the run",
    );
    refused(&["report", &run, "--out", "-"], "`-` is no name");
    let after = (
        series.read("run/events.jsonl"),
        series.read("run/manifest.json"),
    );
    assert_eq!(after, before);
    for _ in 0..2 {
        expect_code(&["report", &run], 0);
    }

    for resume in ["auto", "last"] {
        let words = [
            "pretrain",
            "--data",
            "d",
            "--tokenizer",
            "t",
            "--resume",
            resume,
        ];
        refused(&words, "nothing to resume");
    }
    let (model, out) = (series.at("run/model"), series.at("exported"));
    let words = ["export", "--best", "--checkpoint", &model, "--out", &out];
    refused(&words, "--best is of a pretraining run");

    let (prose, shards) = (series.at("prose.txt"), series.at("shards"));
    std::fs::copy(asset("sample/prose.txt"), &prose).expect("copied");
    let tokenizer = asset("golden/tiny-electra/ner");
    let prepare = |more: &[&str], part: &str| {
        let words = [
            "prepare",
            "--input",
            &prose,
            "--tokenizer",
            &tokenizer,
            "-q",
            "--out",
            &shards,
        ];
        refused(&[&words[..], more].concat(), part);
    };
    prepare(&["--report", &prose], "which is read");
    prepare(&["--min-letter-share", "60"], "share of letters is 60");
    prepare(&["--min-letter-share", "1"], "nothing is left");
    let vocab = ["vocab", "--input", &prose, "--out", &shards, "--max-length"];
    refused(&[&vocab[..], &["2"]].concat(), "--max-length is 2");
    assert_eq!(
        std::fs::read(&prose).ok(),
        std::fs::read(asset("sample/prose.txt")).ok()
    );
    let data = ["evaluate", "--model", &series.at("run"), "--data", "-"].map(str::to_owned);
    let data: Vec<&str> = data.iter().map(String::as_str).collect();
    refused(&data, "read from files, and `-` is none");
}

#[test]
fn the_model_of_a_series_is_that_of_its_best_seed() {
    let series = Series::new();
    series.run("finetune", "run", &["--seeds", "2"], 0);
    let events = series.read("run/events.jsonl");
    let told = series.run("finetune", "run", &["--seeds", "1"], 2);
    assert!(told.contains("holds more seeds than 1"), "{told}");
    // What was refused did not fail: the run is as complete as before.
    assert_eq!(series.read("run/events.jsonl"), events);
    // Of several devices a later seed may be done first.
    let seed = |seed: &str| series.path(&format!("run/seeds/model/seed-{seed}.json"));
    std::fs::rename(seed("43"), seed("44")).expect("renamed");
    series.run("finetune", "run", &["--seeds", "1"], 2);
    std::fs::rename(seed("44"), seed("43")).expect("renamed");
    let weights = std::fs::read(series.path("run/model/model.safetensors")).expect("read");
    std::fs::remove_dir_all(series.path("run/model")).expect("removed");
    series.run("finetune", "run", &["--seeds", "2"], 0);
    assert!(series.read("run/events.jsonl").contains("is trained again"));
    let again = || std::fs::read(series.path("run/model/model.safetensors")).expect("read");
    assert_eq!(again(), weights);
    // One that a full disk or a copy has cut is as good as none.
    std::fs::write(
        series.path("run/model/model.safetensors"),
        &weights[..weights.len() / 2],
    )
    .expect("written");
    series.run("finetune", "run", &["--seeds", "2"], 0);
    assert_eq!(again(), weights);
}

#[test]
fn a_loss_that_is_no_number_fails_the_run_and_is_never_the_best() {
    let scene = Scene::new();
    let more = [
        "--json",
        "--set",
        "learning_rate=1e30",
        "--set",
        "eval_examples=8",
    ];
    let (printed, told) = pretrain(&scene, "run", &more, 1);
    let summary: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(summary["reason"], "nonfinite");
    assert_eq!(summary["rtd_accuracy"], Value::Null);
    assert_eq!(summary["is_held_out"], true);
    assert!(told.contains("was not a finite number"), "{told}");
    let best = |event: &Value| event["kind"] == "checkpoint" && event["best"] == true;
    assert!(!scene.events("run").iter().any(best));

    let (_, told) = pretrain(&scene, "other", &["--set", "max_skipped_steps=0"], 2);
    assert!(told.contains("max_skipped_steps"), "{told}");
    let more = [
        "--set",
        "learning_rate=1e30",
        "--set",
        "max_skipped_steps=2",
    ];
    let (_, told) = pretrain(&scene, "other", &more, 1);
    assert!(told.contains("was not a finite number"), "{told}");
}

/// A stop must not go to whichever of two trainings wrote last.
#[test]
fn a_request_without_a_name_is_of_the_one_run_that_trains() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let train = |name: &str| {
        let run = RunDir::create_at(&folder.path().join("runs").join(name)).expect("created");
        let start = StartEvent {
            task: Task::Pretrain,
            pid: Some(std::process::id()),
            host: host_name(),
            ..StartEvent::default()
        };
        let mut events = EventWriter::open(&run.events()).expect("opened");
        events.append(&RunEvent::Start(start)).expect("written");
        run
    };
    let pause = || {
        let output = aelectra()
            .args(["runs", "pause"])
            .current_dir(folder.path())
            .output();
        let output = output.expect("the binary runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let first = train("first");
    let (code, told) = pause();
    assert_eq!(code, Some(0), "{told}");
    let asked = |run: &RunDir| poll_control(&run.control()).expect("read").len();
    assert_eq!(asked(&first), 1);
    let second = train("second");
    let (code, told) = pause();
    assert_eq!(code, Some(2), "{told}");
    assert!(
        told.contains("several runs train") && told.contains("first") && told.contains("second"),
        "{told}"
    );
    assert_eq!((asked(&first), asked(&second)), (0, 0));
}
