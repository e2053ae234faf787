//! The corpus options of the command line: what cleaning would do, what it does, and the report.

use std::path::Path;

use crate::binary::expect_code;
use serde_json::Value;

/// Four texts: one long, its copy, one that is hardly text, one very short.
fn corpus(dir: &Path) -> String {
    let long = "Kvinden cykler hjem over broen, mens regnen falder tungt over byen. ".repeat(4);
    let records = [
        &long,
        &long,
        &"12 | 34 % ; 56 = 78 + ".repeat(9),
        &"Kort.".to_owned(),
    ];
    let lines: String = records
        .iter()
        .map(|text| format!("{}\n", serde_json::json!({ "text": text })))
        .collect();
    let path = dir.join("corpus.jsonl");
    std::fs::write(&path, lines).expect("the corpus is written");
    path.to_string_lossy().into_owned()
}

fn prepare(dir: &Path, input: &str, out: &str, more: &[&str]) -> Value {
    let tokenizer = dir.join("tokenizer").to_string_lossy().into_owned();
    if !Path::new(&tokenizer).is_dir() {
        let arguments = [
            "vocab",
            "--input",
            input,
            "--out",
            &tokenizer,
            "--vocab-size",
            "120",
            "-q",
        ];
        expect_code(&arguments, 0);
    }
    let out = dir.join(out).to_string_lossy().into_owned();
    let mut arguments = vec![
        "prepare",
        "--input",
        input,
        "--tokenizer",
        &tokenizer,
        "--out",
        &out,
        "--max-length",
        "32",
        "--validation",
        "0",
        "--json",
        "-q",
    ];
    arguments.extend(more);
    let (printed, _) = expect_code(&arguments, 0);
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
}

#[test]
fn what_filters_left_out_is_told() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let input = corpus(dir.path());
    prepare(dir.path(), &input, "all", &[]);
    let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let (tokenizer, out) = (path("tokenizer"), path("few"));
    let words = ["prepare", "--input", &input, "--tokenizer", &tokenizer];
    let more = ["--out", &out, "--max-length", "32", "--validation", "0"];
    let filters = ["--min-chars", "20", "--drop-duplicates"];
    let (_, told) = expect_code(&[&words[..], &more, &filters].concat(), 0);
    assert!(
        told.contains("kept 2 of 4 documents; left out: 1 too short, 1 copies"),
        "{told}"
    );
}

#[test]
fn cleaning_is_reported_without_being_done_and_done_when_asked() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let input = corpus(dir.path());

    let reported = prepare(dir.path(), &input, "all", &["--report-cleaning"]);
    assert_eq!(reported["documents"], 4);
    let found = &reported["cleaning"];
    assert_eq!(found["exact_duplicates"]["documents"], 1, "{found}");
    assert_eq!(found["few_letters"]["documents"], 1, "{found}");
    assert_eq!(found["too_short"]["documents"], 1, "{found}");
    // The report is also a file, outside of the shards, whose bytes depend on the text alone.
    let file = std::fs::read_to_string(dir.path().join("all.report.json")).expect("the report");
    let file: Value = serde_json::from_str(&file).expect("JSON");
    assert_eq!(file["cleaning"], *found);

    let cleaned = prepare(
        dir.path(),
        &input,
        "cleaned",
        &[
            "--drop-duplicates",
            "--min-letter-share",
            "0.6",
            "--min-chars",
            "100",
        ],
    );
    // `documents` counts what was read; of these four one is left, of four sentences.
    assert_eq!(cleaned["documents"], 4, "{cleaned}");
    assert_eq!(cleaned["sentences"], 4, "{cleaned}");
    assert!(reported["sentences"].as_u64() > cleaned["sentences"].as_u64());
    assert_eq!(cleaned["cleaned"]["exact_duplicates"]["documents"], 1);
    assert_eq!(cleaned["cleaned"]["few_letters"]["documents"], 1);
    assert_eq!(cleaned["cleaned"]["too_short"]["documents"], 1);
}

#[test]
fn oddities_are_told_by_file() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let input = corpus(dir.path());
    let odd = dir.path().join("odd.txt");
    std::fs::write(&odd, b"Et hus ved s\xf8en.\n\n   \n\nEn b\0aad.\n").expect("written");
    prepare(dir.path(), &input, "all", &[]);
    let tokenizer = dir.path().join("tokenizer").to_string_lossy().into_owned();
    let out = dir.path().join("odd").to_string_lossy().into_owned();
    let odd = odd.to_string_lossy().into_owned();
    let arguments = [
        "prepare",
        "--input",
        &odd,
        "--tokenizer",
        &tokenizer,
        "--out",
        &out,
    ];
    let (_, told) = expect_code(&arguments, 0);
    assert!(told.contains("odd.txt: "), "{told}");
    assert!(told.contains("invalid UTF-8"), "{told}");
    let strict = [&arguments[..], &["--strict", "--restart"]].concat();
    expect_code(&strict, 2);
}
