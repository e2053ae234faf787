//! The schema of `events.jsonl` is a promise: one line of each kind, as version 1 writes it.

use aelectra_data::run::{Envelope, EventReader, RunEvent};
use std::path::Path;

fn golden() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/golden/events.jsonl")
}

#[test]
fn every_line_is_read_and_written_as_it_stands() {
    let text =
        std::fs::read_to_string(golden()).expect("the golden file is part of the repository");
    for (index, line) in text.lines().enumerate() {
        let envelope = Envelope::from_json(line.as_bytes())
            .unwrap_or_else(|error| panic!("line {}: {error}", index + 1));
        assert_eq!(envelope.seq, index as u64);
        assert_eq!(
            envelope.to_json().expect("writable"),
            line,
            "line {}",
            index + 1
        );
    }
}

#[test]
fn every_kind_stands_in_it() {
    let mut reader = EventReader::new(&golden());
    let events = reader.poll().expect("readable");
    assert_eq!((reader.bad_lines(), reader.unknown()), (0, 0));
    let mut kinds: Vec<String> = events.iter().map(|event| kind(&event.event)).collect();
    kinds.sort();
    kinds.dedup();
    let all = [
        "checkpoint",
        "control",
        "end",
        "eval",
        "log",
        "ner_eval",
        "ner_step",
        "resumed",
        "sample",
        "start",
        "step",
        "system",
    ];
    assert_eq!(kinds, all);
}

fn kind(event: &RunEvent) -> String {
    let value = serde_json::to_value(event).expect("writable");
    value["kind"].as_str().expect("a kind").to_owned()
}
