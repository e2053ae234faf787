//! Tags: classes without prefix, schemes, and what is no tag.

use std::path::Path;

use aelectra_data::ner::{Mode, ReadOptions, Scheme, read_ner_text, read_tags};

use super::reading::{read, refusal, shown, under, written};

#[test]
fn classes_without_prefix() {
    let text = "Bo\tPERSON\nBech\tPERSON\ner\t0\ni\tO\nRy\tLOCATION\n.\t0\n";
    let expected = "Bo/B-PERSON Bech/I-PERSON er/O i/O Ry/B-LOCATION ./O";
    for options in [ReadOptions::default(), under(Scheme::Io)] {
        let dataset = read_ner_text(Path::new("x.tsv"), text, &options).expect("reads");
        assert_eq!(shown(&dataset), expected);
        let told = dataset.warnings().iter().any(|w| w.contains("--scheme io"));
        assert_eq!(told, options.scheme.is_none());
    }
    let (_dir, path) = written("x.tsv", text.as_bytes());
    let scored = read_tags(&path, &ReadOptions::default(), Mode::Strict).expect("reads");
    assert_eq!(shown(&scored), expected);
    // Parts of speech are none, and a file of tags with one bare class is damaged.
    assert!(read("x.tsv", "Bo\tPROPN\ner\tVERB\n").is_err());
    let error = refusal(read("x.tsv", "Bo\tB-PER\ner\tO\nRy\tLOC\n"));
    assert!(
        error.contains(":3: ") && error.contains("--scheme io"),
        "{error}"
    );
    for wrong in [
        "Bo\tPER\ner\to\n",
        "Bo\tPER\ner\t_\n",
        "Bo\tB-PER\n",
        "Bo\t\n",
    ] {
        assert!(
            read_ner_text(Path::new("x.tsv"), wrong, &under(Scheme::Io)).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn bare_classes_beside_parts_of_speech() {
    let text = "Bo\tPROPN\tPER\ner\tVERB\tO\ni\tADP\tO\nRy\tPROPN\tLOC\n";
    for options in [ReadOptions::default(), under(Scheme::Io)] {
        let dataset = read_ner_text(Path::new("x.tsv"), text, &options).expect("reads");
        assert_eq!(shown(&dataset), "Bo/B-PER er/O i/O Ry/B-LOC");
    }
}

#[test]
fn schemes_are_found_beyond_doubt_only() {
    let bilou = "Bo\tU-PER\nog\tO\nIb\tB-PER\nBech\tL-PER\nRy\tS-LOC\n";
    let dataset = read("x.tsv", bilou).expect("reads");
    assert_eq!(
        shown(&dataset),
        "Bo/B-PER og/O Ib/B-PER Bech/I-PER Ry/B-LOC"
    );
    assert!(
        dataset.warnings()[0].contains("BIOES"),
        "{:?}",
        dataset.warnings()
    );
    // A stray `I-` among `B-` that open entities is no IOB1.
    let iob2 = "Bo\tB-PER\nog\tO\nIb\tI-PER\n";
    let dataset = read("x.tsv", iob2).expect("reads");
    assert_eq!(
        (dataset.orphans.0, dataset.sentences[0].tags[2].as_str()),
        (1, "I-PER")
    );
    // What is scored is scored as it stands.
    let (_dir, path) = written(
        "x.tsv",
        bilou.replace("U-", "S-").replace("L-", "E-").as_bytes(),
    );
    let scored = read_tags(&path, &ReadOptions::default(), Mode::Default).expect("reads");
    assert_eq!(scored.sentences[0].tags[3], "E-PER");
    let converted = read_tags(&path, &under(Scheme::Bioes), Mode::Strict).expect("reads");
    assert_eq!(converted.sentences[0].tags[3], "I-PER");
    let error = refusal(read_tags(&path, &ReadOptions::default(), Mode::Strict));
    assert!(error.contains("--scheme bioes"), "{error}");
}

#[test]
fn lower_case_empty_and_numbered_tags_say_what_to_do() {
    for (tag, advice) in [
        ("b-PER", "upper case"),
        ("", "every token"),
        ("3", "--label-names"),
        ("B_PER", "joined by `-`"),
        ("PER-B", "joined by `-`"),
    ] {
        let error = refusal(read(
            "x.tsv",
            &format!("Bo\tB-PER\ner\tO\ni\tO\nRy\t{tag}\n"),
        ));
        assert!(
            error.contains(":4: ") && error.contains(advice),
            "{tag}: {error}"
        );
    }
    // A whole file of them is no file of bare classes.
    for odd in ["Mette\tB_PER\nHolm\tI_PER", "Mette\tPER-B\nHolm\tPER-I"] {
        let error = refusal(read("x.tsv", &format!("{odd}\nbor\tO\ni\tO\n")));
        assert!(
            error.contains("2 faults") && error.contains("`B-PER`"),
            "{error}"
        );
    }
    let options = ReadOptions {
        label_names: Some(["O", "B-PER"].map(str::to_owned).to_vec()),
        ..ReadOptions::default()
    };
    let dataset = read_ner_text(Path::new("x.tsv"), "Bo\t1\ner\t0\n", &options).expect("reads");
    assert_eq!(shown(&dataset), "Bo/B-PER er/O");
}
