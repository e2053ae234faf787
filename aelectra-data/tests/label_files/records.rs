//! Records in JSON: entities as stretches of a text, in the fields that tools give them.

use super::reading::{read, refusal, shown};

const DANSK: &str = concat!(
    r#"{"text":"Ib læste Den sorte kat i Åby.","ents":[{"start":0,"end":2,"label":"PERSON"},"#,
    r#"{"start":9,"end":22,"label":"WORK OF ART"},{"start":25,"end":28,"label":"GPE"}],"#,
    r#""sents":[{"start":0,"end":29}],"tokens":[{"id":0,"start":0,"end":2},{"id":1,"start":3,"end":8},"#,
    r#"{"id":2,"start":9,"end":12},{"id":3,"start":13,"end":18},{"id":4,"start":19,"end":22},"#,
    r#"{"id":5,"start":23,"end":24},{"id":6,"start":25,"end":28},{"id":7,"start":28,"end":29}],"#,
    r#""spans":{"incorrect_spans":[]},"dagw_source":"wiki"}"#
);

#[test]
fn dansk() {
    let dataset = read("train.jsonl", &format!("{DANSK}\n{DANSK}\n")).expect("reads");
    let sentence = "Ib/B-PERSON læste/O Den/B-WORK OF ART sorte/I-WORK OF ART kat/I-WORK OF ART i/O \
                    Åby/B-GPE ./O";
    assert_eq!(shown(&dataset), format!("{sentence} | {sentence}"));
    assert!(dataset.warnings().is_empty(), "{:?}", dataset.warnings());
}

#[test]
fn other_records_with_entities() {
    let text = "Ib bor i Åby. Bo ler.";
    let spans = [
        r#""ents":[{"start":9,"end":12,"label":"LOC"}],"spans":{}"#,
        r#""spans":[{"start":9,"end":12,"label":"LOC","token_start":3}],"answer":"accept""#,
        r#""label":[[9,12,"LOC"]]"#,
        r#""entities":[{"id":1,"label":"LOC","start_offset":9,"end_offset":12}],"relations":[]"#,
        r#""entities":[{"start":9,"end":12,"label":"LOC","text":"Åby","score":0.9}]"#,
    ];
    for spans in spans {
        let dataset = read("x.jsonl", &format!("{{\"text\":\"{text}\",{spans}}}")).expect(spans);
        // Sentences as `predict` makes them.
        assert_eq!(
            shown(&dataset),
            "Ib/O bor/O i/O Åby/B-LOC ./O | Bo/O ler/O ./O",
            "{spans}"
        );
    }
    let array = format!("[\n{DANSK},\n{DANSK}\n]\n");
    let dataset = read("x.json", &array).expect("an array");
    let lines: Vec<usize> = dataset.sentences.iter().map(|s| s.line).collect();
    assert_eq!(lines, [2, 3]);
}

#[test]
fn entities_that_are_no_whole_words_are_told_with_their_text() {
    let record = concat!(
        r#"{"text":"EU-landene og Ib","label":[[0,2,"ORG"],[14,16,"PER"],[10,11,"X"]]}"#,
        "\n",
        r#"{"text":"Ib Bech Hus","label":[[0,7,"PER"],[0,11,"LOC"]]}"#,
        "\n",
        r#"{"text":"Ib","label":[[0,2,"PER"]],"answer":"reject"}"#
    );
    let dataset = read("x.jsonl", record).expect("reads");
    assert_eq!(
        shown(&dataset),
        "EU-landene/B-ORG og/O Ib/B-PER | Ib/B-LOC Bech/I-LOC Hus/I-LOC"
    );
    let warnings = dataset.warnings();
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert!(warnings[0].contains("1 entities do not begin and end where tokens do"));
    assert!(
        warnings[0].contains("line 1: `EU` [ORG] in `EU-landene og Ib`"),
        "{}",
        warnings[0]
    );
    assert!(
        warnings[1].contains("overlap") && warnings[1].contains("line 2"),
        "{}",
        warnings[1]
    );
    assert!(warnings[2].contains("no token"), "{}", warnings[2]);
    assert!(warnings[3].contains("1 records"), "{}", warnings[3]);
}

#[test]
fn records_that_cannot_be_understood() {
    let good = r#"{"text":"Ib","label":[[0,2,"PER"]]}"#;
    for (wrong, said) in [
        (r#"{"text":"Ib","label":[[0,3,"PER"]]}"#, "inside the text"),
        (r#"{"text":"Ib","label":[[1,1,"PER"]]}"#, "inside the text"),
        (r#"{"text":"Ib","label":[[0,2]]}"#, "[start, end"),
        (r#"{"text":"Ib","label":[[0,2,""]]}"#, "a class"),
        (
            r#"{"text":"Ib","spans":[{"start":0,"end":1,"label":"PER","text":"Ib"}]}"#,
            "`Ib`",
        ),
        (
            r#"{"text":"Ib","ents":[[0,2,"A"]],"spans":[[0,2,"B"]]}"#,
            "`ents` and `spans`",
        ),
        (
            r#"{"text":"Ib","label":"PER"}"#,
            "the fields `text`, `label`",
        ),
        (
            r#"{"words":["Ib"],"tags":["O"],"labels":["O"]}"#,
            "`tags` and `labels`",
        ),
        (r#"{"sentence":"Ib"}"#, "the fields `sentence`"),
    ] {
        let error = refusal(read("x.jsonl", &format!("{good}\n{wrong}\n")));
        assert!(
            error.contains(":2: ") && error.contains(said),
            "{wrong}: {error}"
        );
    }
}

/// A few kilobytes would otherwise be held a thousand times.
#[test]
fn names_that_each_word_or_sentence_holds_are_short() {
    let long = "X".repeat(257);
    let record = format!(r#"{{"text":"Ib bor.","label":[[0,2,"{long}"]]}}"#);
    let error = refusal(read("x.jsonl", &record));
    assert!(
        error.contains("a class of at most 256 bytes") && error.contains("found one of 257"),
        "{error}"
    );
    let id = "æ".repeat(10_000);
    let array = format!(r#"[{{"id":"{id}","text":"Ib bor.","label":[[0,20,"PER"]]}}]"#);
    let error = refusal(read("x.json", &array));
    let told = format!("record 1 (id {}…)", "æ".repeat(80));
    assert!(error.contains(&told), "{error}");
}

#[test]
fn places_that_count_something_else_are_refused() {
    let text = "Århus ligger overfor Ærøskøbing, mens Sønderborg ligger sydligere end Aabenraa.";
    let line = |places: &dyn Fn(usize) -> usize| {
        let entity = |name: &str| {
            let start = text.find(name).expect("it is there");
            let (start, end) = (places(start), places(start + name.len()));
            format!(r#"{{"start": {start}, "end": {end}, "label": "LOC"}}"#)
        };
        let entities = ["Ærøskøbing", "Sønderborg", "Aabenraa"]
            .map(entity)
            .join(", ");
        format!(r#"{{"text": "{text} {text}", "entities": [{entities}]}}"#)
    };
    let characters = line(&|byte| text[..byte].chars().count());
    let data = read("x.jsonl", &characters).expect("right");
    assert_eq!(data.sentences.len(), 2);
    let bytes = line(&|byte| byte);
    let told = refusal(read("x.jsonl", &bytes));
    assert!(
        told.contains("counted in bytes") && told.contains(":1:"),
        "{told}"
    );
}

#[test]
fn tasks_that_nobody_annotated_are_told_as_such() {
    let annotated = r#"{"id": 1, "data": {"text": "Ry"}, "annotations": [{"result": [{"value": {"start": 0, "end": 2, "labels": ["LOC"]}}]}]}"#;
    let empty = r#"{"id": 2, "data": {"text": "Ry"}, "annotations": []}"#;
    let cancelled = r#"{"id": 3, "data": {"text": "Ry"}, "annotations": [{"was_cancelled": true, "result": []}]}"#;
    let tasks = [&[annotated][..], &[empty; 12], &[cancelled]].concat();
    let dataset = read("x.json", &format!("[{}]", tasks.join(", "))).expect("reads");
    assert_eq!(shown(&dataset), "Ry/B-LOC");
    assert_eq!(
        dataset.warnings(),
        [
            "`x.json`: 12 tasks without an annotation were left out",
            "`x.json`: 1 tasks whose annotations were all cancelled were left out"
        ]
    );
    // Where there is nothing else, that is why.
    let error = refusal(read("x.json", &format!("[{empty}]")));
    assert!(
        error.contains("at least one sentence") && error.contains("1 tasks without an annotation"),
        "{error}"
    );
}

#[test]
fn other_annotations_of_a_task_are_told() {
    let annotation = |label: &str| {
        format!(
            r#"{{"result": [{{"value": {{"start": 0, "end": 2, "text": "Ry", "labels": ["{label}"]}}}}]}}"#
        )
    };
    let task = |annotations: &[String]| {
        let annotations = annotations.join(", ");
        format!(r#"{{"data": {{"text": "Ry ligger der."}}, "annotations": [{annotations}]}}"#)
    };
    let both = task(&[annotation("LOC"), annotation("PER")]);
    let data = read("x.jsonl", &both).expect("a task");
    assert_eq!(shown(&data), "Ry/B-LOC ligger/O der/O ./O");
    let notes = data.warnings().join("\n");
    assert!(
        notes.contains("1 tasks have several annotations"),
        "{notes}"
    );
    let one = read("x.jsonl", &task(&[annotation("LOC")])).expect("a task");
    assert!(one.warnings().is_empty(), "{:?}", one.warnings());
}

#[test]
fn training_data_of_spacy_2() {
    let first = r#"["Mette bor i Ry.", {"entities": [[0, 5, "PER"], [12, 14, "LOC"]]}]"#;
    let second = r#"["Hun sover.", {"entities": []}]"#;
    let expected = "Mette/B-PER bor/O i/O Ry/B-LOC ./O | Hun/O sover/O ./O";
    for text in [
        format!("[{first}, {second}]"),
        format!("[\n  {first},\n  {second}\n]\n"),
        format!("{first}\n{second}\n"),
    ] {
        for name in ["x.json", "x.jsonl", "x.txt"] {
            let dataset = read(name, &text).expect(name);
            assert_eq!(shown(&dataset), expected, "{name}: {text}");
            assert!(dataset.warnings().is_empty(), "{:?}", dataset.warnings());
        }
    }
    let beyond = format!("[{second}, {}]", first.replace("14", "40"));
    let error = refusal(read("x.json", &beyond));
    assert!(
        error.starts_with("`x.json`:1, record 2: expected `start` and `end` inside the text"),
        "{error}"
    );
}
