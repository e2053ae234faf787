//! `prepare --weight`: how much each source counts.

use serde_json::Value;

use crate::binary::expect_code;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn sources_count_as_much_as_they_are_told() {
    let folder = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    std::fs::create_dir(folder.path().join("corpus")).expect("writable");
    for (name, word) in [("law", "paragraf"), ("news", "avis")] {
        let text: String = (0..200)
            .map(|at| format!("{word} nummer {at} siger noget om sagen.\n\n"))
            .collect();
        std::fs::write(folder.path().join(format!("corpus/{name}.txt")), text).expect("writable");
    }
    let (corpus, tokenizer) = (path("corpus"), path("tokenizer"));
    expect_code(
        &[
            "vocab",
            "--input",
            &corpus,
            "--out",
            &tokenizer,
            "--vocab-size",
            "200",
            "--cased",
            "-q",
        ],
        0,
    );
    let prepare = |out: &str, weights: &[&str], code| {
        let out = path(out);
        let mut arguments = vec![
            "prepare",
            "--input",
            &corpus,
            "--tokenizer",
            &tokenizer,
            "--out",
            &out,
            "--max-length",
            "32",
            "--validation",
            "0",
            "--json",
        ];
        for weight in weights {
            arguments.extend(["--weight", weight]);
        }
        expect_code(&arguments, code)
    };
    let sentences = |out: &str, weights: &[&str]| {
        json(&prepare(out, weights, 0).0)["sentences"]
            .as_u64()
            .unwrap_or(0)
    };
    let plain = sentences("plain", &[]);
    let law = sentences("law", &["news=0"]);
    let news = plain - law;
    assert!(law > 0 && news > 0, "{law} and {news}");
    assert_eq!(sentences("double", &["law=2"]), 2 * law + news);
    assert_eq!(sentences("both", &["*.txt=3", "law.txt=0"]), 3 * news);
    let half = sentences("half", &["law=0.5", "news=0"]);
    assert!(half.abs_diff(law / 2) < law / 5, "{half} of {law}");

    let (_, told) = prepare("wrong", &["lov=2"], 2);
    assert!(
        told.contains("no source is named `lov`") && told.contains("law.txt"),
        "{told}"
    );
    let (_, told) = prepare("wrong", &["law=much"], 2);
    assert!(told.contains("SOURCE=WEIGHT"), "{told}");
    let (_, told) = prepare("plain", &["law=2"], 2);
    assert!(
        told.contains("already holds shards prepared with other settings: weights"),
        "{told}"
    );
}
