//! Fine-tuning with few labelled sentences: the learning curve, and a training that learns nothing.

use std::path::Path;

use serde_json::Value;

use crate::binary::{asset, expect_code};

/// Sentences with one name each, as columns.
fn sentences(count: usize) -> String {
    (0..count)
        .map(|at| format!("Mette\tB-PER\nbor\tO\nher\tO\n{at}\tO\n\n"))
        .collect()
}

/// Fine-tunes the tiny model on 24 sentences, 8 to choose by and 8 to report on.
fn finetune(folder: &Path, more: &[&str]) -> (String, String) {
    finetune_on(folder, &sentences(24), more)
}

fn finetune_on(folder: &Path, train: &str, more: &[&str]) -> (String, String) {
    for (name, text) in [
        ("train", train),
        ("dev", &sentences(8)),
        ("test", &sentences(8)),
    ] {
        std::fs::write(folder.join(format!("{name}.tsv")), text).expect("writable");
    }
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let model = asset("golden/tiny-electra/discriminator");
    let (train, dev, test) = (path("train.tsv"), path("dev.tsv"), path("test.tsv"));
    let out = path("run");
    let arguments = [
        "finetune",
        "--model",
        &model,
        "--train",
        &train,
        "--dev",
        &dev,
        "--test",
        &test,
        "--out",
        &out,
        "--no-dashboard",
        "--json",
    ];
    expect_code(&[&arguments[..], more].concat(), 0)
}

#[test]
fn a_learning_curve_has_two_arms_and_continues() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let more = [
        "--train-sentences",
        "6,12",
        "--seeds",
        "2",
        "--epochs",
        "1",
        "--set",
        "learning_rates=[1e-3]",
    ];
    let (printed, _) = finetune(folder.path(), &more);
    let points: Vec<Value> = serde_json::from_str(&printed).expect("JSON");
    let shown: Vec<(String, u64, usize)> = points
        .iter()
        .map(|point| {
            let seeds = point["seeds"].as_array().map_or(0, Vec::len);
            let arm = point["arm"].as_str().unwrap_or_default().to_owned();
            (arm, point["sentences"].as_u64().unwrap_or(0), seeds)
        })
        .collect();
    let expected = [
        ("pretrained", 6, 2),
        ("random_init", 6, 2),
        ("pretrained", 12, 2),
        ("random_init", 12, 2),
    ];
    assert_eq!(
        shown,
        expected.map(|(arm, size, seeds)| (arm.to_owned(), size, seeds))
    );
    // The arms are what they are called: both begin at a loss of their own.
    let run = folder.path().join("run");
    let steps = steps_of(&run);
    let first = |arm: &str| {
        let first = steps
            .iter()
            .find(|step| step["arm"] == arm && step["seed"] == 42);
        first.expect("a step")["loss"].as_f64().expect("a loss")
    };
    for size in [6, 12] {
        let [ours, random] =
            ["pretrained", "random_init"].map(|arm| first(&format!("{arm}-{size}")));
        assert!((ours - random).abs() > 1e-3, "{size}: {ours} and {random}");
    }
    let read = |name: &str| std::fs::read_to_string(run.join(name)).expect("the curve is there");
    assert!(read("curve.md").lines().count() == 8 && read("curve.svg").ends_with("</svg>\n"));
    let before = std::fs::metadata(run.join("seeds/pretrained-6/seed-42.json")).expect("a result");
    let (again, _) = finetune(folder.path(), &more);
    assert_eq!(again, printed, "finished seeds are not trained again");
    let after = std::fs::metadata(run.join("seeds/pretrained-6/seed-42.json")).expect("a result");
    assert_eq!(before.modified().ok(), after.modified().ok());
}

/// The steps of a run's `events.jsonl`.
fn steps_of(run: &Path) -> Vec<Value> {
    let events = std::fs::read_to_string(run.join("events.jsonl")).expect("readable");
    let events = events
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    events
        .filter(|event: &Value| event["kind"] == "ner_step")
        .collect()
}

#[test]
fn scores_on_test_have_an_interval_and_the_page_shows_it() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let more = [
        "--seeds",
        "1",
        "--epochs",
        "12",
        "--set",
        "learning_rates=[1e-2]",
    ];
    let _ = finetune(folder.path(), &more);
    let run = folder.path().join("run");
    let events = std::fs::read_to_string(run.join("events.jsonl")).expect("readable");
    let scores = events
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let (test, dev): (Vec<Value>, Vec<Value>) = scores
        .filter(|event: &Value| event["kind"] == "ner_eval")
        .partition(|event| event["split"] == "test");
    assert!(!dev.is_empty() && dev.iter().all(|event| event["micro_f1_interval"].is_null()));
    let [scored] = &test[..] else {
        panic!("one seed is scored on test once: {test:?}");
    };
    let number = |value: &Value| value.as_f64().expect("a number");
    let (f1, [low, high]) = (
        number(&scored["micro_f1"]),
        [0, 1].map(|at| number(&scored["micro_f1_interval"][at])),
    );
    assert!(low <= f1 && f1 <= high && high <= 1.0, "{low} {f1} {high}");
    expect_code(&["report", &run.to_string_lossy()], 0);
    let page = std::fs::read_to_string(run.join("report.html")).expect("written");
    let shown = format!("({:.1}–{:.1})", 100.0 * low, 100.0 * high);
    assert_eq!(
        page.matches(&shown).count(),
        2,
        "by seed and by class: {shown}"
    );
}

#[test]
fn a_curve_over_more_sentences_than_there_are_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(folder.path().join("train.tsv"), sentences(3)).expect("writable");
    let train = folder
        .path()
        .join("train.tsv")
        .to_string_lossy()
        .into_owned();
    let model = asset("golden/tiny-electra/discriminator");
    for (sizes, wanted) in [
        ("2,9", "there are 3 training sentences, not 9"),
        ("0", "teach nothing"),
    ] {
        let (_, told) = expect_code(
            &[
                "finetune",
                "--model",
                &model,
                "--train",
                &train,
                "--test",
                &train,
                "--train-sentences",
                sizes,
            ],
            2,
        );
        assert!(told.contains(wanted), "{told}");
    }
}

/// A word that is a zero-width space has no piece, so a batch of it alone has nothing to learn from.
#[test]
fn a_batch_without_a_labelled_piece_is_a_step_like_any_other() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let text = "Mette\tB-PER\nbor\tO\n\n\u{200b}\tO\n\nAarhus\tB-LOC\n";
    std::fs::write(folder.path().join("train.tsv"), text).expect("writable");
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (train, out, model) = (at("train.tsv"), at("run"), asset("golden/tiny-electra/ner"));
    let given = [
        "finetune", "--quiet", "--model", &model, "--train", &train, "--out", &out,
    ];
    let more = ["--set", "batch_size=1", "--epochs", "2"];
    expect_code(&[&given[..], &more].concat(), 0);
}

#[test]
fn a_tagger_of_nothing_is_told_while_it_trains_and_at_the_end() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let more = ["--epochs", "3", "--set", "learning_rates=[1e-9]"];
    let (printed, told) = finetune(folder.path(), &more);
    let summary: Value = serde_json::from_str(&printed).expect("JSON");
    let found_nothing = summary["collapsed"] == serde_json::json!([42]);
    let does_not_fall = told.contains("its loss does not fall");
    assert!(
        found_nothing || does_not_fall,
        "a rate of 1e-9 teaches nothing: {printed} {told}"
    );
    assert!(told.contains("try another learning rate"), "{told}");
}

#[test]
fn a_tagger_that_learnt_to_find_nothing_is_listed() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let more = ["--epochs", "3", "--set", "learning_rates=[5e-3]"];
    // One name in the first sentence, and none in a hundred others.
    let rare: String =
        "Mette\tB-PER\nbor\tO\n\n".to_owned() + &"Hun\tO\nbor\tO\nher\tO\n\n".repeat(100);
    let (printed, told) = finetune_on(folder.path(), &rare, &more);
    let summary: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(summary["collapsed"], serde_json::json!([42]), "{told}");
    assert!(
        told.contains("it finds no entity on dev; try another learning rate"),
        "{told}"
    );
}

#[test]
fn the_benchmark_s_recipe_draws_sentences_and_ends_early() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let more = [
        "--recipe",
        "euroeval",
        "--set",
        "sentences=10",
        "--set",
        "dev_sentences=4",
        "--set",
        "epochs=9",
        // The loss does not fall then.
        "--set",
        "learning_rates=[0.0]",
    ];
    let (_, _) = finetune(folder.path(), &more);
    let events = std::fs::read_to_string(folder.path().join("run/events.jsonl")).expect("events");
    let epochs = events
        .lines()
        .filter(|line| line.contains("\"kind\":\"ner_eval\"") && line.contains("\"split\":\"dev\""))
        .count();
    // Of 10 sentences as many passes as make 1,024; of all 24 they would be one.
    let steps = steps_of(&folder.path().join("run"));
    let total = steps[0]["total_steps"].as_u64().expect("a number");
    assert!(total > 9 * 50, "{total} steps");
    // The first, and two without progress.
    assert_eq!(epochs, 3);
}

/// The epoch with the lowest loss need not be the first with the highest F1.
#[test]
fn the_loss_tells_epochs_apart_where_f1_does_not() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let of = |selection: &str| {
        let out = folder.path().join(selection);
        std::fs::create_dir(&out).expect("made");
        let selection = format!("selection={selection}");
        let more = ["--epochs", "3", "--set", "learning_rates=[2e-5]", "--set"];
        let (printed, _) = finetune(&out, &[&more[..], &[&selection]].concat());
        let summary: Value = serde_json::from_str(&printed).expect("JSON");
        summary["runs"][0].clone()
    };
    let (by_f1, by_loss) = (of("best"), of("loss"));
    assert_eq!((&by_f1["epoch"], &by_loss["epoch"]), (&1.into(), &3.into()));
    assert_eq!(by_f1["dev_f1"], by_loss["dev_f1"]);
    // The weights are those of the epoch that is named, not of the last one.
    let model = |selection: &str| {
        let run = folder.path().join(selection).join("run");
        std::fs::read(run.join("model/model.safetensors")).expect("a model")
    };
    assert!(model("best") != model("loss"));
    // The schedule: a rate of 1e-3 is reached after half of the eight steps, and the decay acts from the first on.
    let out = folder.path().join("rates");
    std::fs::create_dir(&out).expect("made");
    let more = [
        "--epochs",
        "2",
        "--set",
        "learning_rates=[1e-3]",
        "--set",
        "warmup_share=0.5",
        "--set",
        "batch_size=6",
        "--set",
        "epoch_sentences=1",
    ];
    finetune(&out, &more);
    let events = std::fs::read_to_string(out.join("run/events.jsonl")).expect("events");
    let rates: Vec<(u64, f64, u64)> = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter(|event| event["kind"] == "ner_step")
        .map(|event| {
            let of = |key: &str| event[key].as_u64().expect("a number");
            let rate = event["lr"].as_f64().expect("a rate");
            (of("step"), rate, of("total_steps"))
        })
        .collect();
    assert_eq!(rates.len(), 8, "{rates:?}");
    for (step, rate, total) in rates {
        let (taken, total) = ((step - 1) as f64, total as f64);
        let warmup = (taken / (total * 0.5).round()).min(1.0);
        let expected = 1e-3 * warmup * (1.0 - taken / total);
        assert!(
            (rate - expected).abs() < 1e-9,
            "step {step}: {rate}, not {expected}"
        );
    }
}

#[test]
fn seeds_side_by_side_end_as_one_after_the_other() {
    let results = |device: &str| {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let more = [
            "--seeds",
            "3",
            "--epochs",
            "2",
            "--device",
            device,
            "--set",
            "learning_rates=[1e-3,3e-3]",
        ];
        let (printed, said) = finetune(folder.path(), &more);
        let mut summary: Value = serde_json::from_str(&printed).expect("JSON");
        for run in summary["runs"].as_array_mut().expect("seeds") {
            run["train_seconds"] = Value::Null;
        }
        let model = std::fs::read(folder.path().join("run/model/model.safetensors"));
        (
            summary["runs"].clone(),
            summary["best"].clone(),
            model.expect("a model"),
            said,
        )
    };
    let (one, two) = (results("flex"), results("flex,flex"));
    assert_eq!(one.0, two.0);
    assert_eq!((one.1, one.2 == two.2), (two.1, true));
}

/// A search that was killed after its first rate tries the second one only.
#[test]
fn an_interrupted_search_of_rates_goes_on_where_it_was() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let more = ["--epochs", "2", "--set", "learning_rates=[1e-3,3e-3]"];
    let more = [&more[..], &["--set", "widen_rates=false"]].concat();
    let (whole, _) = finetune(folder.path(), &more);
    let run = folder.path().join("run");
    let tried = || {
        let of = |rate: f64| {
            let on_trial = |step: &&Value| step["trial"].as_f64() == Some(rate);
            steps_of(&run).iter().filter(on_trial).count()
        };
        [of(1e-3), of(3e-3)]
    };
    let [first, second] = tried();
    assert!(first > 0 && second > 0);
    // What a kill in the second rate's training leaves.
    let results = run.join("seeds/model");
    let kept = std::fs::read_to_string(results.join("rates.json")).expect("readable");
    let mut kept: Vec<Value> = serde_json::from_str(&kept).expect("JSON");
    kept.truncate(1);
    let kept = serde_json::to_string(&kept).expect("JSON");
    std::fs::write(results.join("rates.json"), kept).expect("writable");
    std::fs::remove_file(results.join("seed-42.json")).expect("there");
    std::fs::remove_dir_all(run.join("model")).expect("there");
    let (again, said) = finetune(folder.path(), &more);
    assert_eq!(tried(), [first, 2 * second], "{said}");
    let f1 = |printed: &str| {
        let summary: Value = serde_json::from_str(printed).expect("JSON");
        let run = summary["runs"][0].clone();
        (run["learning_rate"].clone(), run["test_f1"].clone())
    };
    assert_eq!(f1(&again), f1(&whole));
}
