//! `predict --redact`: nothing gets through that was to be hidden, and what cannot be hidden is told.

use serde_json::{Value, json};

use crate::binary::expect_code;
use crate::models::{golden, path, predict, with_labels};

/// P1: a redactor never lets text through because its model knows no entities.
#[test]
fn a_model_without_tags_neither_tags_nor_redacts() {
    let nameless = json!({"0":"LABEL_0","1":"LABEL_1","2":"LABEL_2","3":"LABEL_3","4":"LABEL_4"});
    let numbers = json!({"0": 0, "1": 1, "2": 2, "3": 3, "4": 4});
    let mixed = json!({"0":"O","1":"LABEL_1","2":"LABEL_2","3":"LABEL_3","4":"LABEL_4"});
    let none = json!({"0":"O","1":"[CLS]","2":"[SEP]","3":"[PAD]","4":"<s>"});
    for (labels, named) in [
        (nameless, "LABEL_3"),
        (numbers, "3"),
        (mixed, "LABEL_3"),
        (none, "[PAD]"),
    ] {
        let model = with_labels(labels);
        for format in ["pretty", "jsonl", "conll", "inline"] {
            for redact in [&[][..], &["--redact"]] {
                let arguments =
                    [&["Mette Hansen bor i Aarhus.", "--format", format], redact].concat();
                let (code, out, err) = predict(model.path(), &arguments, b"");
                assert_eq!((code, out.as_str()), (2, ""), "{err}");
                assert!(err.contains(named) && err.contains("id2label"), "{err}");
            }
        }
        let (_, err) = expect_code(
            &["evaluate", "--model", path(&model), "--data", "x.conllu"],
            2,
        );
        assert!(err.contains(named), "{err}");
        // What it is can still be seen.
        let (out, _) = expect_code(&["inspect", path(&model)], 0);
        assert!(out.contains("none of the model's 5 labels"), "{out}");
    }
}

/// Further places of a name are looked for where it is known which class is persons'.
#[test]
fn a_redactor_says_when_no_class_is_known_to_be_persons() {
    let classes = json!({"0":"O","1":"B-Borger","2":"I-Borger","3":"B-LOC","4":"I-LOC"});
    let model = with_labels(classes);
    let told = |more: &[&str]| {
        let arguments = [&["Mette Hansen bor i Aarhus.", "--redact"], more].concat();
        let (code, _, err) = predict(model.path(), &arguments, b"");
        (code, err)
    };
    let (code, err) = told(&[]);
    assert_eq!(code, 0);
    assert!(
        err.contains("(Borger, LOC) is known to be persons'"),
        "{err}"
    );
    assert!(err.contains("`--person-class Borger`"), "{err}");
    let (code, err) = told(&["--person-class", "Borger"]);
    assert!(code == 0 && !err.contains("persons"), "{err}");
    let (code, err) = told(&["--person-class", "borger"]);
    assert_eq!(code, 2);
    assert!(
        err.contains("no class `borger`") && err.contains("Borger, LOC"),
        "{err}"
    );
    let arguments = ["Mette Hansen bor i Aarhus.", "--redact"];
    let (_, _, err) = predict(&golden("tiny-electra/ner"), &arguments, b"");
    assert!(!err.contains("persons"), "{err}");
}

/// What is to be redacted is not in what is told about it.
#[test]
fn a_redactor_does_not_repeat_what_it_was_given() {
    let model = golden("tiny-electra/ner");
    let told = |arguments: &[&str], expected| {
        let (code, _, err) = predict(&model, arguments, b"");
        assert_eq!(code, expected, "{err}");
        err
    };
    let note = "was tagged as text";
    let err = told(&["Mette Hansen.txt"], 0);
    assert!(
        err.contains(note) && err.contains("`Mette Hansen.txt`"),
        "{err}"
    );
    let err = told(&["Mette Hansen.txt", "--redact"], 0);
    assert!(err.contains(note) && !err.contains("Mette"), "{err}");
    let err = told(&["Mette Hansen", "--input", "a.txt", "--redact"], 2);
    assert!(err.contains("1 more") && !err.contains("Mette"), "{err}");
}

/// A tagger that finds nothing lets every name through.
#[test]
fn a_redactor_says_when_nothing_was_found() {
    let model = golden("tiny-electra/ner");
    let words = ["Ida", "ser", "en", "kat", "by", "hus", "Bo", "ny"];
    let (_, out, _) = predict(
        &model,
        &["--format", "jsonl"],
        words.join("\n\n").as_bytes(),
    );
    let found: Vec<bool> = out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .map(|text| {
            text["entities"]
                .as_array()
                .is_some_and(|all| !all.is_empty())
        })
        .collect();
    let (with, without): (Vec<_>, Vec<_>) =
        words.iter().zip(&found).partition(|(_, found)| **found);
    let note = "found no entity at all";
    for (words, is_told) in [(&without, true), (&with, false)] {
        let word = words.first().expect("the model finds some and not all").0;
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("a.txt"), word).expect("written");
        let (input, out) = (dir.path().join("a.txt"), dir.path().join("out"));
        let (input, out) = (input.to_string_lossy(), out.to_string_lossy());
        for (arguments, stdin) in [
            (vec!["--redact", *word], ""),
            (vec!["--redact"], *word),
            (vec!["--redact", "--input", &input, "--out", &out], ""),
        ] {
            let (code, _, err) = predict(&model, &arguments, stdin.as_bytes());
            assert_eq!(code, 0, "{err}");
            assert_eq!(err.contains(note), is_told, "{word} {arguments:?}: {err}");
        }
    }
}

/// The paragraphs of a letter are one text to whoever reads it: a name that the model finds in one of them only is hidden
/// in those before and after too.
#[test]
fn a_name_found_once_is_hidden_in_all_of_its_text() {
    let model = golden("tiny-electra/ner");
    let paragraphs = ["Ole", "Ole ser en kat", "Ole"];
    let letter = paragraphs.join("\n\n") + "\n";
    let (_, found, _) = predict(&model, &["--format", "jsonl"], letter.as_bytes());
    let named: Vec<usize> = found
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .map(|text| text["entities"].as_array().expect("a list").len())
        .collect();
    assert_eq!(named, [0, 1, 0], "what the model finds: {found}");

    let folder = tempfile::tempdir().expect("a directory");
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    std::fs::create_dir(folder.path().join("letters")).expect("made");
    for (name, text) in [("a.txt", letter.as_str()), ("b.txt", "Ole\n")] {
        std::fs::write(folder.path().join("letters").join(name), text).expect("writes");
    }
    let file = at("letters/a.txt");
    let printed = |arguments: &[&str], input: &str| {
        let arguments = [arguments, &["--redact"]].concat();
        let (code, out, told) = predict(&model, &arguments, input.as_bytes());
        assert_eq!(code, 0, "{arguments:?}: {told}");
        out
    };
    let hidden = "[PER]\n\n[PER]\n\n[PER]\n";
    assert_eq!(printed(&[], &letter), hidden);
    assert_eq!(printed(&["--input", &file], ""), hidden);
    assert_eq!(printed(&paragraphs, ""), hidden.replace("\n\n", "\n"));
    for format in ["pretty", "jsonl", "conll", "inline"] {
        let out = printed(&["--input", &file, "--format", format], "");
        assert!(out.contains("PER") && !out.contains("Ole"), "{out}");
    }
    // As they come: from there on at least.
    let out = printed(&["--input", "-"], &letter);
    assert!(out.ends_with("[PER]\n\n[PER]\n"), "{out}");
    // Each file is a text of its own.
    let (letters, out) = (at("letters"), at("out"));
    printed(&["--input", &letters, "--out", &out], "");
    let written = |name: &str| {
        let path = folder.path().join("out").join(name);
        std::fs::read_to_string(path).expect("an output")
    };
    assert_eq!(written("a.txt.tagged"), hidden);
    assert_eq!(written("b.txt.tagged"), "Ole\n");
    // Nobody knows whom the rest names.
    let torn = [letter.as_bytes(), b"\nS\xf8ren\n"].concat();
    let (code, out, told) = predict(&model, &["--redact"], &torn);
    assert!(code != 0 && out.is_empty(), "{out}");
    assert!(told.contains("UTF-8"), "{told}");
}

/// T9 and the end of a stream: the last byte is redacted as the first.
#[test]
fn streams_are_redacted_to_the_last_byte() {
    let model = golden("tiny-electra/ner");
    // Whatever this model takes for a name, none of it is left in any format.
    let text = "Ida ser en kat\r\n\r\n\u{feff}Bo og Åse\nser\u{200b} Ida i byen\n\n\n  \nIda i by";
    let printed = |flags: &[&str]| {
        let (code, out, told) = predict(&model, flags, text.as_bytes());
        assert_eq!(code, 0, "{flags:?}: {told}");
        out
    };
    let records = |out: &str| -> Vec<Value> {
        let lines = out.lines();
        lines
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    };
    let documents = records(&printed(&["--format", "jsonl"]));
    let redacted = records(&printed(&["--format", "jsonl", "--redact"]));
    assert_eq!((documents.len(), redacted.len()), (3, 3));
    let entities = |document: &Value| document["entities"].as_array().expect("a list").clone();
    let found: usize = documents
        .iter()
        .map(|document| entities(document).len())
        .sum();
    assert!(found > 0, "the model finds nothing to redact");
    for (plain, hidden) in documents.iter().zip(&redacted) {
        let mut expected: Vec<char> = plain["text"].as_str().expect("text").chars().collect();
        for entity in entities(plain).iter().rev() {
            let place = |key: &str| entity[key].as_u64().expect("a number") as usize;
            let label = format!("[{}]", entity["label"].as_str().expect("a label"));
            expected.splice(place("start")..place("end"), label.chars());
        }
        let expected: String = expected.into_iter().collect();
        assert_eq!(hidden["text"], expected.as_str());
        assert!(
            entities(hidden)
                .iter()
                .all(|entity| entity.get("text").is_none())
        );
    }
    // As plain text with the blank lines that part documents.
    let plain = printed(&["--redact"]);
    let parts: Vec<&str> = plain.split("\n\n").map(str::trim_end).collect();
    let texts: Vec<&str> = redacted
        .iter()
        .filter_map(|hidden| hidden["text"].as_str())
        .map(str::trim_end)
        .collect();
    assert_eq!(parts, texts);
    let conll = printed(&["--format", "conll", "--redact"]);
    let hidden = conll
        .lines()
        .filter(|line| !line.ends_with("\tO") && !line.is_empty());
    assert!(
        hidden.clone().count() >= found && hidden.into_iter().all(|line| line.starts_with("_\t")),
        "{conll}"
    );
}
