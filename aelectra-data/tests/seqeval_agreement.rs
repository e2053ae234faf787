//! Every score of a table computed by `seqeval` 1.2.2 and scikit-learn, against ours.
//!
//! The table and the script that wrote it are in `assets/golden/seqeval`.
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

use aelectra_data::ner::{ClassScore, Mode, NerReport, piece_f1_original, score};
use serde::Deserialize;

/// `[precision, recall, f1, support, predicted, correct]`.
type Row = (f64, f64, f64, usize, usize, usize);

#[derive(Deserialize)]
struct Case {
    kind: String,
    gold: Vec<String>,
    predicted: Vec<String>,
    default: Scores,
    strict: Option<Scores>,
    no_misc: f64,
    piece: f64,
}

#[derive(Deserialize)]
struct Scores {
    micro: Row,
    #[serde(rename = "macro")]
    macro_avg: Option<Row>,
    classes: BTreeMap<String, Row>,
}

fn cases() -> Vec<Case> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/golden/seqeval/table.jsonl.gz");
    let file = std::fs::File::open(path).expect("the table is committed");
    let lines = BufReader::new(flate2::read::GzDecoder::new(file))
        .lines()
        .skip(1);
    let case = |line: std::io::Result<String>| serde_json::from_str(&line.expect("reads"));
    lines.map(|line| case(line).expect("is a case")).collect()
}

fn tags(sentences: &[String]) -> Vec<Vec<String>> {
    let split = |sentence: &String| sentence.split_whitespace().map(str::to_owned).collect();
    sentences.iter().map(split).collect()
}

/// Counts must be equal, figures equal to 1e-12.
fn check(what: &str, case: &Case, ours: &ClassScore, theirs: Row) {
    let (precision, recall, f1, support, predicted, correct) = theirs;
    let counts = (ours.support, ours.predicted, ours.correct);
    let context = || {
        format!(
            "{what} of {}: {:?} / {:?}",
            case.kind, case.gold, case.predicted
        )
    };
    assert_eq!(counts, (support, predicted, correct), "{}", context());
    for (ours, theirs) in [
        (ours.precision, precision),
        (ours.recall, recall),
        (ours.f1, f1),
    ] {
        assert!(
            (ours - theirs).abs() <= 1e-12,
            "{ours} is not {theirs}: {}",
            context()
        );
    }
}

fn check_mode(case: &Case, ours: &NerReport, theirs: &Scores) {
    check("micro", case, &ours.micro, theirs.micro);
    // Without any entity seqeval has no macro average; ours is zero.
    check(
        "macro",
        case,
        &ours.macro_avg,
        theirs.macro_avg.unwrap_or_default(),
    );
    let classes: Vec<&String> = ours.classes.keys().collect();
    assert_eq!(
        classes,
        theirs.classes.keys().collect::<Vec<_>>(),
        "{:?}",
        case.gold
    );
    for (class, &row) in &theirs.classes {
        check(class, case, &ours.classes[class], row);
    }
}

#[test]
fn every_score_of_the_table_agrees() {
    let cases = cases();
    assert!(cases.len() >= 2000, "{} cases", cases.len());
    let mut strict_cases = 0;
    for case in &cases {
        let (gold, predicted) = (tags(&case.gold), tags(&case.predicted));
        let ours = score(&gold, &predicted, Mode::Default).expect("default mode knows these tags");
        check_mode(case, &ours, &case.default);
        assert!(
            (ours.micro_no_misc.f1 - case.no_misc).abs() <= 1e-12,
            "{:?}",
            case.gold
        );
        match (&case.strict, score(&gold, &predicted, Mode::Strict)) {
            (Some(theirs), ours) => check_mode(case, &ours.expect("strict mode too"), theirs),
            (None, ours) => assert!(ours.is_err(), "seqeval refuses {:?}", case.gold),
        }
        strict_cases += usize::from(case.strict.is_some());
        let pieces = gold.iter().flatten().zip(predicted.iter().flatten());
        let piece = piece_f1_original(pieces.map(|(gold, guess)| (gold.as_str(), guess.as_str())));
        assert!(
            (piece - case.piece).abs() <= 1e-12,
            "{piece} is not {}",
            case.piece
        );
    }
    assert!(strict_cases >= 2000, "{strict_cases} cases in strict mode");
}
