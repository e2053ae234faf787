//! Faults of files of any format, and what looks like one: how many are told, and where they are.

use std::path::Path;

use aelectra_data::ner::{LabelMap, ReadOptions, odd_classes, read_ner, read_ner_text};

use super::reading::{read, refusal};

#[test]
fn ten_of_many_faults_are_told() {
    let mut text = "Bo\tB-PER\ner\tO\n".repeat(300);
    text.push_str(&"Ry\tX-LOC\n".repeat(99));
    text.push_str("Ry\n");
    let error = refusal(read("x.tsv", &text));
    assert!(error.starts_with("`x.tsv` has 100 faults:"), "{error}");
    assert!(
        error.contains("line 601: expected a tag") && error.contains("and 90 more"),
        "{error}"
    );
    let json =
        "{\"tokens\":[\"a\"],\"ner_tags\":[\"O\"]}\n{\"tokens\":[\"a\"],\"ner_tags\":[]}\nx\n";
    let error = refusal(read("x.jsonl", json));
    assert!(error.contains("2 faults") && error.contains("line 2: ") && error.contains("line 3: "));
    let conllu = "1\tRy\t_\t_\t_\t_\t_\t_\t_\tname=B-LOC\n2\tBy\t_\n3\tx\t_\t_\t_\t_\t_\t_\t_\t_\n";
    assert!(refusal(read("x.conllu", conllu)).contains("2 faults"));
}

#[test]
fn faults_in_one_line_name_the_record() {
    let task = |id: usize, end: usize| {
        format!(
            r#"{{"id": {id}, "data": {{"text": "Ry ligger der."}}, "annotations": [{{"result": [{{"value": {{"start": 0, "end": {end}, "labels": ["LOC"]}}}}]}}]}}"#
        )
    };
    let one = format!(
        "[{}, {}, {}, {}]",
        task(1, 2),
        task(2, 2),
        task(3, 2),
        task(7, 90)
    );
    let error = refusal(read("x.json", &one));
    assert!(
        error.starts_with(
            "`x.json`:1, record 4 (task id 7): expected `start` and `end` inside the text"
        ),
        "{error}"
    );
    // The same in many records is told once.
    let many: Vec<String> = (1..=12).map(|id| task(id, 90)).collect();
    let error = refusal(read("x.json", &format!("[{}]", many.join(","))));
    assert!(
        error.starts_with("`x.json` has 12 faults:\n  line 1, record 1 (task id 1): expected")
            && error.contains("(and 11 times more)"),
        "{error}"
    );
    assert_eq!(error.lines().count(), 2, "{error}");
    // Tags of tokens too, and records without an id.
    let tags =
        r#"[{"tokens": ["Bo"], "ner_tags": ["B-PER"]}, {"tokens": ["Bo"], "ner_tags": ["X-PER"]}]"#;
    let error = refusal(read("x.json", tags));
    assert!(
        error.starts_with("`x.json`:1, record 2: expected a tag"),
        "{error}"
    );
    // A line of its own is enough.
    let lines = tags[1..tags.len() - 1].replace("}, {", "}\n{");
    let error = refusal(read("x.jsonl", &lines));
    assert!(error.starts_with("`x.jsonl`:2: expected a tag"), "{error}");
}

#[test]
fn a_conllu_token_without_a_word_is_a_fault() {
    let dir = tempfile::tempdir().expect("works");
    let path = dir.path().join("x.conllu");
    let line = |form: &str| format!("1\t{form}\t_\tPROPN\t_\t_\t0\troot\t_\tname=B-PER\n\n");
    std::fs::write(&path, format!("{}{}", line("Ib"), line(""))).expect("works");
    let error = read_ner(&path, &ReadOptions::default())
        .expect_err("an empty word")
        .to_string();
    assert!(
        error.contains(":3: expected a word in column 2 (FORM)"),
        "{error}"
    );
}

#[test]
fn a_sentence_as_long_as_several_is_told() {
    let told = |text: &str| {
        let warnings = read("x.tsv", text).expect("reads").warnings();
        let told = warnings.iter().find(|w| w.contains("blank line"));
        told.cloned()
    };
    let words = |count: usize| format!("Bo\tB-PER\n{}\n", "er\tO\n".repeat(count - 1));
    assert_eq!(told(&words(200)), None);
    assert_eq!(
        told(&words(212)).as_deref(),
        Some(
            "`x.tsv`: line 1 begins a sentence of 212 words; is a blank line between sentences missing?"
        )
    );
    let note = told(&format!("{}{}{}", words(3), words(201), words(300))).unwrap_or_default();
    assert!(
        note.contains("line 5 begins a sentence of 201 words, and 1 more have over 200;"),
        "{note}"
    );
}

#[test]
fn classes_that_look_mistyped_are_told() {
    let mut text = "Bo\tB-PER\nler\tO\n\n".repeat(20);
    text.push_str("Ib\tB-Per\n\nRy\tB-PERS\n");
    let data = read("x.tsv", &text).expect("reads");
    let notes = odd_classes(&[&data], &[]);
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(
        notes[0].contains("classes `Per` and `PER` differ only in the case of letters; `--map-label Per=PER` joins them"),
        "{notes:?}"
    );
    assert!(
        notes[1].contains("class `PERS` has one entity only; is it mistyped?")
            && notes[1].ends_with("line 63"),
        "{notes:?}"
    );
    let options = ReadOptions {
        label_map: LabelMap::parse(&["Per=PER,PERS=PER"]).expect("parses"),
        ..ReadOptions::default()
    };
    let mended = read_ner_text(Path::new("x.tsv"), &text, &options).expect("reads");
    assert!(odd_classes(&[&mended], &[]).is_empty());
}
