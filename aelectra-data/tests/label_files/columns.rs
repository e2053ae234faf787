//! Columns: which one holds the tags, what separates them, token numbers before them.

use std::path::Path;

use aelectra_data::ner::{LabelMap, Mode, ReadOptions, read_ner_text, read_tags};

use super::reading::{read, refusal, shown, written};

#[test]
fn the_chunks_of_conll_2003_are_told_apart_and_named() {
    let text = "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\nGerman JJ B-NP B-MISC\n";
    let dataset = read("x.conll", text).expect("reads");
    assert_eq!(shown(&dataset), "EU/B-ORG rejects/O German/B-MISC");
    let [note] = &dataset.warnings()[..] else {
        panic!("{:?}", dataset.warnings())
    };
    assert!(
        note.contains("column 4") && note.contains("column 3"),
        "{note}"
    );
    assert!(note.contains("--column"), "{note}");
    // Four columns are not enough to make the last one the right one.
    let nested = "EU NNP B-ORG O\nog CC O O\n";
    assert!(refusal(read("x.conll", nested)).contains("column 3 (1 tags of ORG) and column 4"));
}

#[test]
fn one_wrong_tag_does_not_hand_the_choice_to_the_next_column() {
    let text = "1\tBo\tB-PER\tO\n2\ti\tOO\tO\n3\tRy\tB-LOC\tO\n";
    assert!(refusal(read("x.tsv", text)).contains("--column"));
    let mut options = ReadOptions {
        column: Some(3),
        ..ReadOptions::default()
    };
    let path = Path::new("x.tsv");
    let error = refusal(read_ner_text(path, text, &options));
    assert!(
        error.contains("x.tsv`:2: ") && error.contains("`OO`"),
        "{error}"
    );
    options.column = Some(4);
    assert!(read_ner_text(path, text, &options).is_ok());
}

#[test]
fn token_numbers_from_zero_or_through_the_file_are_no_tokens() {
    for text in [
        "0\tBo\tB-PER\n1\tler\tO\n\n0\tRy\tB-LOC\n",
        "1\tBo\tB-PER\n2\tler\tO\n\n3\tRy\tB-LOC\n",
    ] {
        let dataset = read("x.tsv", text).expect("reads");
        assert_eq!(shown(&dataset), "Bo/B-PER ler/O | Ry/B-LOC", "{text}");
    }
}

#[test]
fn token_numbers_that_leave_some_out_are_no_tokens_either() {
    let dataset = read("x.tsv", "1\tBo\tB-PER\n2\tler\tO\n4\t.\tO\n").expect("reads");
    assert_eq!(shown(&dataset), "Bo/B-PER ler/O ./O");
    let [note] = &dataset.warnings()[..] else {
        panic!("{:?}", dataset.warnings())
    };
    assert!(note.contains("line 3 is token 4"), "{note}");
    for odd in ["2-3", "2.1", "1"] {
        let text = format!("1\tBo\tB-PER\n2\tler\tO\n{odd}\t.\tO\n");
        let error = refusal(read("x.tsv", &text));
        assert!(error.contains("x.tsv`:3: expected token 3"), "{error}");
    }
    // Also where the first of a sentence is missing, and where a range is the first of all.
    let text = "1\tBo\tB-PER\n2\tler\tO\n\n2\tRy\tB-LOC\n\n1\tIb\tB-PER\n";
    let dataset = read("x.tsv", text).expect("reads");
    assert_eq!(shown(&dataset), "Bo/B-PER ler/O | Ry/B-LOC | Ib/B-PER");
    assert!(dataset.warnings()[0].contains("line 4 is token 2"));
    let error = refusal(read("x.tsv", "1-2\tBo\tO\n1\tBo\tB-PER\n2\tler\tO\n"));
    assert!(error.contains("x.tsv`:1: expected token 1"), "{error}");
    // Numbers that do not begin as a count does are words.
    let dataset = read("x.tsv", "1849\tNUM\tO\n1953\tNUM\tB-MISC\n").expect("reads");
    assert_eq!(shown(&dataset), "1849/O 1953/B-MISC");
}

/// Two columns of tags, and before each sentence where it was found.
#[test]
fn germeval() {
    let text = "#\thttp://de.wikipedia.org/wiki/Bo [2009-10-17]\n1\tBo\tB-PER\tO\n2\tler\tO\tO\n\n\
                #\tn-tv.de vom 26.02.2005 \n1\tRy\tB-LOC\tB-ORG\n";
    let mut options = ReadOptions::default();
    let error = refusal(read_ner_text(Path::new("x.tsv"), text, &options));
    assert!(error.contains("--column"), "{error}");
    options.column = Some(3);
    let dataset = read_ner_text(Path::new("x.tsv"), text, &options).expect("reads");
    assert_eq!(shown(&dataset), "Bo/B-PER ler/O | Ry/B-LOC");
    // A token `#` is none of these.
    let dataset = read("x.tsv", "#\tO\nBo\tB-PER\n").expect("reads");
    assert_eq!(shown(&dataset), "#/O Bo/B-PER");
}

/// As CoNLL-2003 with tags that are none: its chunks are no entities.
#[test]
fn chunks_are_not_read_in_place_of_entities_that_cannot_be() {
    let text = "EU NNP B-NP b-org\nler VB B-VP o\n";
    let error = refusal(read("x.conll", text));
    assert!(
        error.contains("column of entities") && error.contains("`b-org`"),
        "{error}"
    );
    // Where they are the last they are meant.
    let dataset = read("x.conll", "EU NNP B-NP\nler VB B-VP\n").expect("reads");
    assert_eq!(shown(&dataset), "EU/B-NP ler/B-VP");
}

#[test]
fn a_column_where_there_is_none_is_refused() {
    let options = ReadOptions {
        column: Some(3),
        ..ReadOptions::default()
    };
    let conllu = "1\tRy\t_\t_\t_\t_\t_\t_\t_\tname=B-LOC\n";
    let json = "{\"tokens\":[\"Ry\"],\"ner_tags\":[\"B-LOC\"]}\n";
    for (name, text) in [("x.conllu", conllu), ("x.jsonl", json)] {
        let error = refusal(read_ner_text(Path::new(name), text, &options));
        assert!(
            error.contains("column 3") && error.contains("--column"),
            "{error}"
        );
    }
    let twice = "1\tRy\t_\t_\t_\t_\t_\t_\t_\tname=B-LOC|name=O\n";
    assert!(refusal(read("x.conllu", twice)).contains("one `name=TAG`"));
}

#[test]
fn only_tab_and_blank_separate() {
    let dataset = read("x.tsv", "10\u{a0}000\tO\n\u{a0}\tO\nkr.\u{202f}\tO\n").expect("reads");
    assert_eq!(
        dataset.sentences[0].tokens,
        ["10\u{a0}000", "\u{a0}", "kr.\u{202f}"]
    );
    let dataset = read("x.txt", "10\u{a0}000  O\n\u{2003} O\n \nRy B-LOC \n").expect("reads");
    assert_eq!(dataset.sentences[0].tokens, ["10\u{a0}000", "\u{2003}"]);
    assert_eq!(dataset.sentences.len(), 2);
    let (_dir, path) = written("x.tsv", "10\u{a0}000\tO\n".as_bytes());
    let scored = read_tags(&path, &ReadOptions::default(), Mode::Default).expect("reads");
    assert_eq!(scored.sentences[0].tokens, ["10\u{a0}000"]);
}

#[test]
fn classes_with_blanks_need_tabs() {
    let dataset = read("x.tsv", "Den\tB-WORK OF ART\nsorte\tI-WORK OF ART\n").expect("reads");
    assert_eq!(
        dataset.sentences[0].tags,
        ["B-WORK OF ART", "I-WORK OF ART"]
    );
    let error = refusal(read("x.tsv", "i O\nDen B-WORK OF ART\n"));
    assert!(
        error.contains(":2: ") && error.contains("`WORK OF ART`"),
        "{error}"
    );
    let map = LabelMap::parse(&["WORK OF ART=MISC"]).expect("parses");
    assert_eq!(map.apply("I-WORK OF ART"), "I-MISC");
    // A file whose columns are partly blanks gives words no one wrote; that is told.
    let dataset = read("x.tsv", "Ib NNP\tB-PER\nler VB\tO\n").expect("reads");
    assert!(dataset.warnings()[0].contains("2 tokens contain a blank"));
}
