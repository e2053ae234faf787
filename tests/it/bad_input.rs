//! Bad input: a message that names the file, the line and what was expected, a hint, exit code 2,
//! and never a panic.

use crate::binary::expect_code;

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
    std::fs::write(&file, b"Mette\tB-PER\nbl\xe5\tO\n").expect("writable");
    let (_, err) = expect_code(&["score", "--gold", &path, "--predicted", &path], 2);
    assert_message(&err, &["bad.txt", ":2"]);
}
