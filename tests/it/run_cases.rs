//! Run directories as people treat them: a series continued with other data, checkpoints gone back to or
//! changed, files that do not belong there.

use std::path::PathBuf;

use serde_json::Value;

use crate::binary::{asset, expect_code};
use crate::series::Series;
use crate::survival::Scene;

#[test]
fn a_series_has_one_scheme_and_one_set_of_data() {
    let series = Series::new();
    series.run("finetune", "run", &[], 0);
    let seeds = || {
        std::fs::read_dir(series.path("run/seeds/model"))
            .expect("seeds")
            .count()
    };
    let two = ["--seeds", "2"];
    let told = series.run("finetune", "run", &["--seeds", "2", "--scheme", "iob1"], 2);
    for part in [
        "holds a different series",
        "read.scheme: null → \"iob1\"",
        "give another `--out`",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
    for split in ["train", "dev", "test"] {
        let name = format!("{split}.conllu");
        let before = series.read(&name);
        let changed = before.replacen("name=B-PER", "name=B-ORG", 1);
        assert_ne!(before, changed);
        series.write(&name, &changed);
        let told = series.run("finetune", "run", &two, 2);
        assert!(told.contains(&format!("data.{split}: ")), "{told}");
        series.write(&name, &before);
    }
    assert_eq!(seeds(), 1, "a seed of something different was added");

    // The same again goes on, also from data that were moved.
    let (train, moved) = (series.at("train.conllu"), series.at("moved.conllu"));
    std::fs::rename(&train, &moved).expect("moved");
    let mut arguments = series.arguments("finetune", "run", &two);
    for word in arguments.iter_mut().filter(|word| **word == train) {
        word.clone_from(&moved);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    expect_code(&arguments, 0);
    assert_eq!(seeds(), 2);
}

#[test]
fn a_comparison_has_one_set_of_data() {
    let series = Series::new();
    series.run("compare", "table", &["--seeds", "1"], 0);
    let table = series.read("table/table.json");
    let test = series.read("test.conllu");
    series.write("test.conllu", &test.replacen("name=B-PER", "name=B-ORG", 1));
    let told = series.run("compare", "table", &["--seeds", "2"], 2);
    assert!(told.contains("data.test: "), "{told}");
    assert_eq!(series.read("table/table.json"), table, "the table stays");
}

/// What was trained is compared by what its seeds predicted: nothing is trained, and nothing else is scored.
#[test]
fn finished_series_are_compared_as_they_are() {
    let series = Series::new();
    let two = ["--seeds", "2"];
    series.run("finetune", "one", &two, 0);
    let random = ["--seeds", "2", "--seed", "7", "--random-init"];
    series.run("finetune", "other", &random, 0);
    let [one, other] = ["one", "other"].map(|run| format!("series:{}", series.at(run)));
    let (test, out) = (series.at("test.conllu"), series.at("table"));
    let compare = |models: [&str; 2], test: &str, seeds: &str, code: i32| {
        let words = ["compare", "--quiet", "--json", "--model"];
        let rest = ["--test", test, "--seeds", seeds, "--out", &out];
        expect_code(&[&words[..], &models, &rest].concat(), code)
    };
    let (printed, _) = compare([&one, &other], &test, "2", 0);
    let table: Value = serde_json::from_str(&printed).expect("one JSON document");
    let mean = |seeds: [&str; 2]| {
        let f1 = |seed: &str| series.json(&format!("{seed}.json"))["test_f1"].as_f64();
        seeds
            .map(|seed| f1(seed).expect("a score"))
            .iter()
            .sum::<f64>()
            / 2.0
    };
    let expected = [
        mean(["one/seeds/model/seed-42", "one/seeds/model/seed-43"]),
        mean([
            "other/seeds/random_init/seed-7",
            "other/seeds/random_init/seed-8",
        ]),
    ];
    for (at, expected) in expected.into_iter().enumerate() {
        let model = &table["models"][at];
        let f1 = model["f1_mean"].as_f64().expect("a mean");
        assert!((f1 - expected).abs() < 1e-12, "{f1}, not {expected}");
        assert!(model["classes"]["PER"]["f1"]["sd"].is_number(), "{model}");
        assert_eq!(model["train_extrapolated"], false);
    }
    let pair = &table["significance"][0];
    let difference = pair["difference"].as_f64().expect("a difference");
    assert!((difference - (expected[0] - expected[1])).abs() < 1e-12);
    assert!(pair["difference_interval"].is_array(), "{pair}");
    let mut written = std::fs::read_dir(&out).expect("a table").flatten();
    assert!(!written.any(|entry| entry.path().is_dir()));

    let told = compare([&one, &other], &series.at("dev.conllu"), "2", 2).1;
    assert!(told.contains("scored on other test sentences"), "{told}");
    let told = compare([&one, &other], &test, "5", 2).1;
    assert!(told.contains("has 2 seeds, not 5"), "{told}");
    let again = format!("series:{}", series.path("other/../one").display());
    let told = compare([&one, &again], &test, "2", 2).1;
    assert!(told.contains("is given twice"), "{told}");
    let learner = asset("golden/tiny-electra/ner");
    let told = compare([&one, &learner], &test, "2", 2).1;
    assert!(told.contains("there is nothing to train"), "{told}");

    // Beside a model that is trained, and one that was never taught a class.
    series.run("compare", "both", &["--seeds", "2", "--model", &one], 0);
    let (train, fewer) = (series.at("train.conllu"), series.at("fewer.conllu"));
    let text = series.read("train.conllu");
    series.write("fewer.conllu", &text.replace("-LOC", "-PER"));
    let mut arguments = series.arguments("finetune", "third", &two);
    for word in arguments.iter_mut().filter(|word| **word == train) {
        word.clone_from(&fewer);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    expect_code(&arguments, 0);
    let third = format!("series:{}", series.at("third"));
    let told = compare([&one, &third], &test, "2", 2).1;
    assert!(told.contains("knows the classes"), "{told}");
}

/// As in a run that was copied from somebody.
#[cfg(unix)]
#[test]
fn a_link_in_the_place_of_the_lock_is_not_written_through() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("run")).expect("made");
    std::fs::write(at("keys"), "precious").expect("written");
    std::os::unix::fs::symlink(at("keys"), at("run/lock")).expect("linked");
    let out = at("run").to_string_lossy().into_owned();
    let (_, told) = expect_code(&["demo", "--out", &out], 2);
    assert!(told.contains("is a symbolic link"), "{told}");
    assert!(told.contains("hint: delete the link"), "{told}");
    let keys = std::fs::read_to_string(at("keys")).expect("there");
    assert_eq!(keys, "precious");
}

#[test]
fn what_a_series_reads_is_not_what_it_writes() {
    let series = Series::new();
    crate::survival::copy_dir(
        &PathBuf::from(asset("golden/tiny-electra/ner")),
        &series.path("work/model"),
    );
    let (model, out) = (series.at("work/model"), series.at("work"));
    let train = series.at("train.conllu");
    let before = std::fs::read(series.path("work/model/config.json")).expect("a model");
    let arguments = |model: &str| {
        let given = [
            "finetune", "--model", model, "--train", &train, "--out", &out,
        ];
        expect_code(&[&given[..], &["--epochs", "1"]].concat(), 2).1
    };
    let other = asset("golden/tiny-electra/ner");
    for model in [model.as_str(), other.as_str()] {
        let told = arguments(model);
        assert!(told.contains("would be overwritten"), "{told}");
    }
    assert_eq!(
        std::fs::read(series.path("work/model/config.json")).expect("a model"),
        before
    );
}

/// There is a model all the same, and both ways of output say where.
#[test]
fn a_training_that_nothing_scores_says_where_its_model_is() {
    let series = Series::new();
    let (train, out) = (series.at("train.conllu"), series.at("run"));
    let model = asset("golden/tiny-electra/ner");
    let given = [
        "finetune", "--quiet", "--model", &model, "--train", &train, "--out", &out,
    ];
    let (text, _) = expect_code(&[&given[..], &["--epochs", "1"]].concat(), 0);
    assert!(
        text.contains("not scored") && text.trim_end().ends_with(&out),
        "{text}"
    );
    let (text, _) = expect_code(&[&given[..], &["--epochs", "1", "--json"]].concat(), 0);
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert!(
        json["f1_mean"].is_null() && json["runs"][0]["seed"] == 42,
        "{json}"
    );
    assert!(json["model"].is_string(), "{json}");
}

/// A run of an earlier version knew neither how labels were read nor hashes, and no precision.
#[test]
fn a_series_of_an_earlier_version_continues_with_a_warning() {
    let series = Series::new();
    series.run("finetune", "run", &[], 0);
    let mut manifest = series.json("run/manifest.json");
    manifest["data"] = serde_json::json!({});
    let config = manifest["config"].as_object_mut().expect("an object");
    config.remove("read").expect("it was there");
    let keys = config["config"].as_object_mut().expect("an object");
    keys.remove("precision").expect("it was there");
    series.write("run/manifest.json", &manifest.to_string());
    let other = series.run("finetune", "run", &["--precision", "bf16"], 2);
    assert!(other.contains("precision: \"f32\" → \"bf16\""), "{other}");
    series.run("finetune", "run", &["--seeds", "2"], 0);
    let events = series.read("run/events.jsonl");
    assert!(events.contains("recorded no hash of their data"));
    assert!(series.path("run/seeds/model/seed-43.json").is_file());
    std::fs::remove_file(series.path("run/manifest.json")).expect("removed");
    let told = series.run("finetune", "run", &["--seeds", "3"], 2);
    assert!(
        told.contains("no manifest.json that says of what"),
        "{told}"
    );
}

/// A run continued from an earlier checkpoint of its own, or from one of a different run.
#[test]
fn a_run_goes_on_from_any_checkpoint_and_never_jumps_back() {
    let scene = Scene::new();
    let steps = crate::survival::STEPS;
    let with = |out: &str, resume: &str, last: u64, code| {
        let mut arguments = scene.arguments(out, 1);
        arguments.extend(["--set", "keep_checkpoints=1000"].map(str::to_owned));
        let at = |arguments: &[String], flag: &str| {
            arguments
                .iter()
                .position(|word| word == flag)
                .expect("a flag")
                + 1
        };
        let resumed = at(&arguments, "--resume");
        resume.clone_into(&mut arguments[resumed]);
        let most = at(&arguments, "--max-steps");
        arguments[most] = last.to_string();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        expect_code(&arguments, code).1
    };
    with("whole", "auto", steps, 0);
    let whole = scene.losses("whole");
    let checkpoint = |step: u64| scene.at(&format!("whole/checkpoints/step-{step}"));
    let told = with("branch", &checkpoint(7), steps, 2);
    assert!(told.contains("step-7` is no checkpoint"), "{told}");
    // Into a directory of its own: whole at the end, like any other run.
    let earlier = checkpoint(steps - 8);
    with("branch", &earlier, steps, 0);
    assert_eq!(scene.losses("branch"), &whole[steps as usize - 8..]);
    for file in [
        "manifest.json",
        "tokenizer/vocab.txt",
        "discriminator/config.json",
    ] {
        assert!(scene.path("branch").join(file).is_file(), "no {file}");
    }
    // Back in the same directory: what came after is void for every later process.
    with("whole", &earlier, steps - 6, 0);
    with("whole", "auto", steps, 0);
    assert_eq!(scene.losses("whole"), whole);
    let resumed: Vec<u64> = scene
        .events("whole")
        .iter()
        .filter(|event| event["kind"] == "resumed")
        .filter_map(|event| event["step"].as_u64())
        .collect();
    assert_eq!(resumed, [steps - 8, steps - 6]);
    let void = scene
        .path("whole")
        .join(format!("checkpoints/void-step-{steps}"));
    assert!(void.is_dir(), "the void checkpoint was deleted");
}

#[test]
fn a_checkpoint_of_a_newer_version_is_refused_and_not_skipped() {
    let scene = Scene::new();
    scene.train("run");
    let (_, newest) = scene.newest("run");
    let path = newest.join("state.json");
    let state = std::fs::read_to_string(&path).expect("a state");
    let newer = state.replacen("\"format\": 1", "\"format\": 2", 1);
    assert_ne!(state, newer);
    std::fs::write(&path, newer).expect("written");
    let events = scene.events("run").len();
    let arguments = scene.arguments("run", 1);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (_, told) = expect_code(&arguments, 2);
    for part in [
        "has format 2, this program reads 1",
        "hint: use the version",
    ] {
        assert!(told.contains(part), "no {part:?} in {told}");
    }
    assert_eq!(scene.events("run").len(), events, "something was written");
}

#[test]
fn directories_with_something_else_are_refused() {
    let series = Series::new();
    series.run("finetune", "run", &[], 0);
    let scene = Scene::new();
    let mut arguments = scene.arguments("unused", 1);
    let out = arguments
        .iter()
        .position(|word| word == "--out")
        .expect("a flag")
        + 1;
    arguments[out] = series.at("run");
    let refused = |arguments: &[String]| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        expect_code(&arguments, 2).1
    };
    let told = refused(&arguments);
    assert!(told.contains("holds a run of `finetune`"), "{told}");
    series.write("file", "in the way");
    arguments[out] = series.at("file");
    let told = refused(&arguments);
    assert!(told.contains("/file`") && told.contains("hint: "), "{told}");
    let told = series.run("finetune", "file", &[], 2);
    assert!(told.contains("/file`") && told.contains("hint: "), "{told}");
}

#[test]
fn a_checkpoint_whose_step_was_changed_is_refused() {
    let scene = Scene::new();
    scene.train("run");
    let (step, newest) = scene.newest("run");
    let path = newest.join("state.json");
    let state = std::fs::read_to_string(&path).expect("a state");
    let changed = state.replacen(
        &format!("\"step\": {step}"),
        &format!("\"step\": {}", step + 1),
        1,
    );
    assert_ne!(state, changed);
    std::fs::write(&path, changed).expect("written");
    let (checkpoint, out) = (newest.to_string_lossy(), scene.at("exported"));
    let (_, told) = expect_code(&["export", "--checkpoint", &checkpoint, "--out", &out], 2);
    assert!(told.contains("one of them was changed"), "{told}");
}
