//! Bad input: a message that names the file, the line and what was expected, a hint, exit code 2,
//! and never a panic.

use crate::binary::{asset, expect_code};

fn assert_message(err: &str, wanted: &[&str]) {
    for wanted in wanted {
        assert!(err.contains(wanted), "no {wanted:?} in:\n{err}");
    }
    assert!(
        !err.contains("panicked") && !err.contains("backtrace"),
        "{err}"
    );
}

#[test]
fn missing_files_and_directories() {
    let (_, err) = expect_code(&["vocab", "--input", "nowhere.txt", "--out", "/tmp/x"], 2);
    assert_message(&err, &["nowhere.txt"]);
    let (_, err) = expect_code(&["evaluate", "--model", "nowhere", "--data", "x.conllu"], 2);
    assert_message(&err, &["nowhere", "hint"]);
    let (_, err) = expect_code(
        &[
            "prepare",
            "--input",
            "x.txt",
            "--tokenizer",
            "nowhere",
            "--out",
            "/tmp/x",
        ],
        2,
    );
    assert_message(&err, &["nowhere"]);
}

/// Scores and shards are worth hours, so that where they go is looked at first.
#[test]
fn places_that_cannot_be_written_are_told_before_the_work() {
    for (predictions, wanted) in [
        ("-", "`-` is no name"),
        ("nowhere/p.tsv", "nowhere"),
        ("p.conllu", "two columns"),
        ("p.JSONL", "two columns"),
        ("p.conllu.gz", "two columns"),
    ] {
        let evaluate = ["evaluate", "--model", "no-model", "--data", "x.conllu"];
        let (_, err) = expect_code(
            &[&evaluate[..], &["--predictions", predictions]].concat(),
            2,
        );
        assert_message(&err, &[wanted, "hint"]);
    }
}

/// What somebody labelled is not replaced by what a model found, nor by a page or a picture.
#[test]
fn files_of_others_are_not_replaced() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let (mine, data) = ("Ib\tB-PER\n", "Bo\tB-PER\nser\tO\n\n");
    std::fs::write(at("mine.tsv"), mine).expect("written");
    std::fs::write(at("data.tsv"), data).expect("written");
    let (model, run) = (asset("golden/tiny-electra/ner"), asset("demo-run"));
    let (mine_at, data_at) = (at("mine.tsv"), at("data.tsv"));
    let evaluate = ["evaluate", "--model", &model, "--data", &data_at];
    let refused = [
        [&evaluate[..], &["--predictions", &mine_at]].concat(),
        vec!["report", &run, "--out", &mine_at],
        vec!["dashboard", &run, "--svg", &mine_at],
    ];
    for arguments in refused {
        let (_, err) = expect_code(&arguments, 2);
        assert_message(&err, &["mine.tsv", "is there already", "hint"]);
        assert_eq!(std::fs::read_to_string(&mine_at).expect("there"), mine);
    }
    // What they wrote themselves is.
    let (found, page) = (at("found.tsv"), at("page.htm"));
    for arguments in [
        [&evaluate[..], &["--predictions", &found]].concat(),
        vec!["report", &run, "--out", &page],
    ] {
        expect_code(&arguments, 0);
        expect_code(&arguments, 0);
    }
    // Columns would be read as other words.
    let text = r#"{"tokens": ["-DOCSTART-", "Bo"], "ner_tags": ["O", "B-PER"]}"#;
    std::fs::write(at("data.jsonl"), text).expect("written");
    let data = at("data.jsonl");
    let evaluate = ["evaluate", "--model", &model, "--data", &data];
    let (_, err) = expect_code(
        &[&evaluate[..], &["--predictions", &at("p.tsv")]].concat(),
        2,
    );
    assert_message(&err, &["-DOCSTART-", "hint"]);
}

#[test]
fn empty_corpus() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let corpus = dir.path().join("empty.txt");
    std::fs::write(&corpus, "\n \n").expect("writable");
    let out = dir.path().join("out");
    let (_, err) = expect_code(
        &[
            "vocab",
            "--input",
            &corpus.to_string_lossy(),
            "--out",
            &out.to_string_lossy(),
        ],
        2,
    );
    assert_message(&err, &["error:", "no words"]);
    assert!(!out.exists(), "nothing is written for an empty corpus");
}

#[test]
fn unknown_recipe_key_device_and_column() {
    let (_, err) = expect_code(&["pretrain", "--print-config", "--recipe", "tiny"], 2);
    assert_message(&err, &["unknown recipe `tiny`", "cpu-small"]);
    let (_, err) = expect_code(
        &["pretrain", "--print-config", "--set", "lerning_rate=1"],
        2,
    );
    assert_message(&err, &["did you mean `learning_rate`?"]);
    let (_, err) = expect_code(
        &[
            "embed-check",
            "--model",
            "m",
            "--ids",
            "i",
            "--out",
            "o",
            "--device",
            "tpu",
        ],
        2,
    );
    assert_message(&err, &["no device `tpu`", "cuda:N"]);
}

#[test]
fn wrong_columns_name_file_and_line() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("bad.txt");
    std::fs::write(&file, "Mette\tB-PER\nbor\tO\ni\n\n").expect("writable");
    let path = file.to_string_lossy().into_owned();
    let (_, err) = expect_code(&["score", "--gold", &path, "--predicted", &path], 2);
    assert_message(&err, &["bad.txt", ":3"]);
    // Neither UTF-8 nor Windows-1252 throughout.
    std::fs::write(&file, b"Mette\tB-PER\nbl\xe5\tO\n\xc3\xa5\tO\n").expect("writable");
    let (_, err) = expect_code(&["score", "--gold", &path, "--predicted", &path], 2);
    assert_message(&err, &["bad.txt", ":2"]);
}
