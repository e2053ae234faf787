//! Labelled files as people have them, through the verbs that read them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::binary::{aelectra, expect_code};

/// A folder of files.
struct Scene(tempfile::TempDir);

impl Scene {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).expect("writable");
        }
        Self(dir)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_string_lossy().into_owned()
    }
}

/// A tagger of PER and LOC with random weights.
fn tagger() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/golden/tiny-electra/ner")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The lines that begin so.
fn lines<'a>(text: &'a str, begin: &str) -> Vec<&'a str> {
    text.lines()
        .filter(|line| line.starts_with(begin))
        .collect()
}

const NESTED: &str = "SID-huset\tB-LOC\tB-ORGpart\ni\tO\tO\nRy\tB-LOC\tO\n";

#[test]
fn score_asks_which_of_two_columns_is_meant() {
    let scene = Scene::new(&[("nested.tsv", NESTED)]);
    let file = scene.path("nested.tsv");
    let score = ["score", "--json", "--gold", &file, "--predicted", &file];
    let (_, err) = expect_code(&score, 2);
    assert!(
        err.contains("column 2 (2 tags of LOC) and column 3 (1 tags of ORGpart)"),
        "{err}"
    );
    let outer = [&score[..], &["--column", "2"]].concat();
    let report = json(&expect_code(&outer, 0).0);
    assert_eq!(report["micro"]["support"], 2);
    // The layers of one file against each other.
    let both = [&outer[..], &["--predicted-column", "3"]].concat();
    let report = json(&expect_code(&both, 0).0);
    assert_eq!(
        (&report["micro"]["support"], &report["micro"]["f1"]),
        (&2.into(), &0.0.into())
    );
    // `evaluate` asks the same.
    let model = tagger().to_string_lossy().into_owned();
    let (_, told) = expect_code(&["evaluate", "--model", &model, "--data", &file], 2);
    assert!(
        told.contains("column 2 (2 tags of LOC) and column 3"),
        "{told}"
    );
}

/// Numbers get names, classes other ones, in every verb that reads labels; and errors are listed with what they are.
#[test]
fn names_replacements_and_errors() {
    let scene = Scene::new(&[
        ("gold.tsv", "Bo\tB-PER\ni\tO\nRy\tB-LOC\nog\tO\nDR\tB-ORG\n"),
        ("numbers.tsv", "Bo\t1\ni\t0\nRy\t1\nog\t0\nDR\t0\n"),
    ]);
    let (gold, numbers) = (scene.path("gold.tsv"), scene.path("numbers.tsv"));
    let score = ["score", "--json", "--gold", &gold, "--predicted", &numbers];
    let (_, told) = expect_code(&score, 2);
    assert!(told.contains("--label-names"), "{told}");
    let named = [
        &score[..],
        &["--label-names", "O,B-PER,I-PER", "--errors", "1"],
    ]
    .concat();
    let report = json(&expect_code(&named, 0).0);
    assert_eq!(report["micro"]["support"], 3);
    assert_eq!(report["classes"]["PER"]["precision"], 0.5);
    let counts = &report["errors"]["counts"];
    assert_eq!(
        (&counts["type"], &counts["missed"]),
        (&1.into(), &1.into()),
        "{counts}"
    );
    let without = [
        &named[..],
        &["--map-label", "ORG=O", "--map-label", "LOC=PER"],
    ]
    .concat();
    let report = json(&expect_code(&without, 0).0);
    assert_eq!(
        (&report["micro"]["f1"], &report["micro"]["support"]),
        (&1.0.into(), &2.into())
    );
    // A tagger of PER and LOC has nothing to say of classes that are left out.
    let model = tagger().to_string_lossy().into_owned();
    let evaluate = ["evaluate", "--json", "--model", &model, "--data", &gold];
    let mapped = [&evaluate[..], &["--map-label", "ORG=O"]].concat();
    let support =
        |arguments: &[&str]| json(&expect_code(arguments, 0).0)["micro"]["support"].clone();
    assert_eq!([support(&evaluate), support(&mapped)], [3, 2]);
}

#[test]
fn score_reads_every_scheme() {
    let scene = Scene::new(&[
        (
            "gold.tsv",
            "Bo\tB-PER\nBech\tI-PER\ner\tO\ni\tO\nRy\tB-LOC\n",
        ),
        (
            "bilou.tsv",
            "Bo\tB-PER\nBech\tL-PER\ner\tO\ni\tO\nRy\tU-LOC\n",
        ),
        ("io.tsv", "Bo\tPER\nBech\tPER\ner\t0\ni\t0\nRy\tLOC\n"),
    ]);
    let gold = scene.path("gold.tsv");
    let score = |name: &str, more: &[&str], code| {
        let predicted = scene.path(name);
        let score = [
            "score",
            "--json",
            "--gold",
            &gold,
            "--predicted",
            &predicted,
        ];
        expect_code(&[&score[..], more].concat(), code)
    };
    let f1 = |(out, _): (String, String)| json(&out)["micro"]["f1"].as_f64();
    assert_eq!(f1(score("bilou.tsv", &["--scheme", "bioes"], 0)), Some(1.0));
    let (out, err) = score("io.tsv", &[], 0);
    assert_eq!(json(&out)["micro"]["f1"].as_f64(), Some(1.0));
    assert_eq!(lines(&err, "note: ").len(), 1, "{err}");
    // As they stand, `L-` and `U-` are no tags.
    let (_, err) = score("bilou.tsv", &[], 2);
    assert!(err.contains("--scheme bioes"), "{err}");
}

#[test]
fn classes_that_nobody_learns_are_told_in_one_line() {
    let classes = [
        "ART", "DATE", "EVENT", "FAC", "GPE", "LAW", "MISC", "NORP", "ORG", "TIME",
    ];
    let many: String = classes
        .iter()
        .map(|c| format!("x\tB-{c}\ny\tI-{c}\n"))
        .collect();
    let scene = Scene::new(&[
        ("train.tsv", "Bo\tB-PER\nbor\tO\ni\tO\nRy\tB-LOC\n"),
        ("many.tsv", &many),
    ]);
    let (model, many) = (
        tagger().to_string_lossy().into_owned(),
        scene.path("many.tsv"),
    );
    let (_, err) = expect_code(
        &["evaluate", "--json", "--model", &model, "--data", &many],
        0,
    );
    let notes = lines(&err, "note: ");
    // And what the model finds of classes that are not there.
    let note = notes.first().unwrap_or_else(|| panic!("{err}"));
    let absent = notes[1..]
        .iter()
        .all(|note| note.contains("has no entity of"));
    assert!(absent && notes.len() <= 2, "{err}");
    assert!(
        classes
            .iter()
            .all(|class| note.contains(&format!("`{class}` (2 tokens)"))),
        "{note}"
    );

    let (train, out) = (scene.path("train.tsv"), scene.path("run"));
    let finetune = [
        "finetune", "--model", &model, "--train", &train, "--dev", &many,
    ];
    let rest = ["--epochs", "1", "--no-dashboard", "--out", &out];
    let (_, err) = expect_code(&[&finetune[..], &rest].concat(), 0);
    let told = err
        .lines()
        .filter(|line| line.contains("the training data has no class"));
    let told: Vec<&str> = told.collect();
    assert!(
        matches!(told[..], [line] if line.contains("`ART`")),
        "{err}"
    );
}

/// Also where each part of a data set has them.
#[test]
fn classes_that_look_alike_are_told_once() {
    let text = "Bo\tB-PER\nbor\tO\n\nRy\tB-LOC\nbor\tO\n\nIb\tB-Per\nbor\tO\n";
    let scene = Scene::new(&[("train.tsv", text), ("dev.tsv", text)]);
    let model = tagger().to_string_lossy().into_owned();
    let [train, dev, out] = ["train.tsv", "dev.tsv", "run"].map(|name| scene.path(name));
    let told = |arguments: &[&str]| {
        let (_, err) = expect_code(arguments, 0);
        let notes = err.lines().filter(|line| {
            line.contains("classes `Per` and `PER` differ only in the case of letters")
        });
        notes.count()
    };
    let evaluate = [
        "evaluate", "--model", &model, "--data", &dev, "--train", &train,
    ];
    assert_eq!(told(&evaluate), 1);
    assert_eq!(told(&["score", "--gold", &dev, "--predicted", &dev]), 1);
    let finetune = [
        "finetune", "--model", &model, "--train", &train, "--dev", &dev,
    ];
    let rest = ["--epochs", "1", "--no-dashboard", "--out", &out];
    assert_eq!(told(&[&finetune[..], &rest].concat()), 1);
}

#[test]
fn a_hundred_faults_are_ten_lines_and_a_number() {
    let text = format!("Bo\tB-PER\n{}", "Ry\tX-LOC\n".repeat(100));
    let scene = Scene::new(&[("bad.tsv", &text)]);
    let (model, file) = (
        tagger().to_string_lossy().into_owned(),
        scene.path("bad.tsv"),
    );
    let (_, err) = expect_code(&["evaluate", "--model", &model, "--data", &file], 2);
    assert!(
        err.contains("has 100 faults:") && err.contains("and 90 more"),
        "{err}"
    );
    assert_eq!(lines(&err, "  line ").len(), 10, "{err}");
    assert_eq!(lines(&err, "hint: ").len(), 1, "{err}");
}

#[test]
fn texts_with_entities_are_evaluated() {
    let record = r#"{"text":"Bo er i Ry-byen.","ents":[{"start":0,"end":2,"label":"PER"},{"start":8,"end":10,"label":"LOC"}]}"#;
    let scene = Scene::new(&[("texts.jsonl", record)]);
    let (model, file) = (
        tagger().to_string_lossy().into_owned(),
        scene.path("texts.jsonl"),
    );
    let (out, err) = expect_code(
        &["evaluate", "--json", "--model", &model, "--data", &file],
        0,
    );
    assert_eq!(json(&out)["micro"]["support"], 2);
    assert!(err.contains("`Ry` [LOC] in `Bo er i Ry-byen.`"), "{err}");
}

#[test]
fn data_sets_say_what_to_place_where_without_a_network() {
    let scene = Scene::new(&[]);
    for set in ["dynaword", "gigaword", "dansk"] {
        let output = aelectra()
            .args(["data", set, "--out", &scene.path(set)])
            .env("HF_HUB_OFFLINE", "1")
            .env("HF_ENDPOINT", "http://127.0.0.1:1")
            .output()
            .expect("the binary runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        for part in [
            set,
            "HF_HUB_OFFLINE",
            "127.0.0.1:1/datasets/",
            "*.parquet",
            "Cite",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
    // `--list` needs no directory; everything else does.
    let (_, told) = expect_code(&["data", "dansk"], 2);
    assert!(told.contains("--out"), "{told}");
}

/// A rule renames what the model finds as well as what is there: with `MISC=O` on both sides nothing of it counts.
#[test]
fn renames_are_of_what_is_found_too() {
    let scene = Scene::new(&[(
        "data.tsv",
        "Bo\tB-PER\nbor\tO\ni\tO\nRy\tB-LOC\nMette\tO\nHolm\tO\nkom\tO\n",
    )]);
    let (model, data) = (
        tagger().to_string_lossy().into_owned(),
        scene.path("data.tsv"),
    );
    let classes = |rules: &[&str]| {
        let arguments = ["evaluate", "--json", "--model", &model, "--data", &data];
        let rules = rules.iter().flat_map(|rule| ["--map-label", rule]);
        let arguments: Vec<&str> = arguments.into_iter().chain(rules).collect();
        let (out, err) = expect_code(&arguments, 0);
        (json(&out)["classes"].clone(), err)
    };
    let (as_they_are, _) = classes(&[]);
    assert!(as_they_are.get("LOC").is_some(), "{as_they_are}");
    let (renamed, err) = classes(&["PER=HUMAN", "LOC=O"]);
    let names: Vec<&String> = renamed.as_object().expect("an object").keys().collect();
    assert_eq!(names, ["HUMAN"], "{renamed}");
    assert!(!err.contains("note:"), "{err}");
    // Of a class that only the model finds, and the same under the name of one that is there.
    let others = "Bo\tB-ORG\nbor\tO\ni\tO\nRy\tO\nMette\tO\nHolm\tO\nkom\tO\n";
    let scene = Scene::new(&[("others.tsv", others)]);
    let file = scene.path("others.tsv");
    let evaluate = ["evaluate", "--json", "--model", &model, "--data", &file];
    let (_, err) = expect_code(&evaluate, 0);
    assert!(
        err.contains("has no entity of PER, of which the model finds 1"),
        "{err}"
    );
    let under_its_name = [&evaluate[..], &["--map-label", "PER=ORG"]].concat();
    let (_, err) = expect_code(&under_its_name, 0);
    assert!(!err.contains("has no entity of"), "{err}");
    for key in ["precision", "recall", "support"] {
        assert_eq!(renamed["HUMAN"][key], as_they_are["PER"][key], "{key}");
    }
    // Of a class that only the model has.
    let (_, err) = classes(&["LOC=O", "ORG=LOC"]);
    assert!(err.contains("there is no class `ORG`"), "{err}");
}

/// What one file finds over the end of a sentence does not keep it from being compared with another.
#[test]
fn files_of_one_text_are_scored_whatever_they_find_in_it() {
    let text = "Hun hedder Gunn. Andersen. Han bor i Ry.";
    let record = |entities: &str| format!(r#"{{"text": "{text}", "entities": [{entities}]}}"#);
    let over = r#"{"start": 11, "end": 25, "label": "PER"}"#;
    let place = r#"{"start": 37, "end": 39, "label": "LOC"}"#;
    let (gold, found) = (record(&format!("{over}, {place}")), record(place));
    let scene = Scene::new(&[("gold.jsonl", &gold), ("found.jsonl", &found)]);
    let (gold, found) = (scene.path("gold.jsonl"), scene.path("found.jsonl"));
    let score = ["score", "--json", "--gold", &gold, "--predicted", &found];
    let report = json(&expect_code(&score, 0).0);
    assert_eq!(report["micro"]["support"], 2);
    assert_eq!(report["micro"]["recall"], 0.5);
    let model = tagger().to_string_lossy().into_owned();
    let evaluate = ["evaluate", "--json", "--model", &model, "--data", &gold];
    let (_, err) = expect_code(&evaluate, 0);
    assert!(err.contains("1 sentences were joined"), "{err}");
}

/// Records of several sentences against what this program wrote of them, in columns.
#[test]
fn records_are_scored_against_columns_too() {
    let record = r#"{"text": "Bo bor i Ry. Mette bor i Vig.", "entities": [{"start": 0, "end": 2, "label": "PER"}]}"#;
    let scene = Scene::new(&[("gold.jsonl", record)]);
    let (gold, found) = (scene.path("gold.jsonl"), scene.path("found.tsv"));
    let model = tagger().to_string_lossy().into_owned();
    let evaluate = [
        "evaluate",
        "--model",
        &model,
        "--data",
        &gold,
        "--predictions",
        &found,
    ];
    expect_code(&evaluate, 0);
    let score = ["score", "--json", "--gold", &gold, "--predicted", &found];
    let report = json(&expect_code(&score, 0).0);
    assert_eq!(report["sentences"], 2);
    assert_eq!(report["micro"]["support"], 1);
}

/// What spaCy wrote, beside the same in columns and beside what a model finds.
#[test]
fn files_of_spacy_are_scored_and_evaluated() {
    let found = "Mette\tB-PERSON\nLindholm\tI-PERSON\nbesøgte\tO\nÅrhus\tB-LOC\n.\tO\n\n\
                 Hun\tO\nmødte\tO\nBo\tB-PERSON\nIb\tO\nfra\tO\nORG\tB-ORG\n.\tO\n\n\
                 ADJ\tO\nog\tO\nIS_ALPHA\tO\ner\tO\nord\tO\n.\tO\n\n\
                 Den\tB-VÆRK\nsorte\tI-VÆRK\nkat\tI-VÆRK\n";
    let scene = Scene::new(&[("found.tsv", found)]);
    let gold = format!(
        "{}/../aelectra-data/tests/data/annotated.spacy",
        env!("CARGO_MANIFEST_DIR")
    );
    let found = scene.path("found.tsv");
    let score = ["score", "--json", "--gold", &gold, "--predicted", &found];
    let report = json(&expect_code(&score, 0).0);
    assert_eq!(report["sentences"], 4);
    let micro = &report["micro"];
    assert_eq!(
        (&micro["support"], &micro["precision"]),
        (&6.into(), &1.0.into())
    );
    assert_eq!(report["classes"]["PERSON"]["support"], 3);
    let model = tagger().to_string_lossy().into_owned();
    let evaluate = ["evaluate", "--json", "--model", &model, "--data", &gold];
    let mapped = [&evaluate[..], &["--map-label", "PERSON=PER"]].concat();
    let (out, err) = expect_code(&mapped, 0);
    assert_eq!(json(&out)["classes"]["PER"]["support"], 3, "{err}");
}
